//! Text as outlines: the embedded font, and the position of each glyph in a label.

use std::sync::LazyLock;

use plotters::style::RGBColor;
use plotters_backend::FontTransform;
use plotters_backend::text_anchor::{HPos, VPos};
use ttf_parser::{Face, GlyphId, OutlineBuilder};

use super::FigureError;

/// The font. It has neither a `kern` table nor a `GPOS` table, so no kerning is looked up.
static FONT: LazyLock<Option<Face<'static>>> =
    LazyLock::new(|| Face::parse(include_bytes!("font/Inter-figures.ttf"), 0).ok());

/// Outlines of glyphs are stored with this number of units per em, so that two decimals are precise enough.
const STORED_EM: f64 = 100.0;

/// How a label is set: its size, its colour, and which of its points is placed at the given position.
#[derive(Clone)]
pub struct Lettering {
    /// The font's em, in units of the canvas. On the web, "11 px text" has an em of 11 pixels.
    pub em: f64,
    /// The colour, which must be in the palette.
    pub color: RGBColor,
    /// Which side of the label is placed at the position.
    pub across: HPos,
    /// Which height of the label is placed at the position. The centre is the middle of a capital letter.
    pub down: VPos,
    /// A rotation about the position.
    pub turn: FontTransform,
}

impl Lettering {
    /// Text of this size and colour, centred on its place.
    pub fn centred(em: f64, color: RGBColor) -> Self {
        Self { em, color, across: HPos::Center, down: VPos::Center, turn: FontTransform::None }
    }

    /// The same text, but starting at its place.
    pub fn from_left(self) -> Self {
        Self { across: HPos::Left, ..self }
    }
}

/// A rectangle whose sides are parallel to the axes, given by its edges.
#[derive(Clone, Copy, Debug, PartialEq)]
#[expect(missing_docs, reason = "a field is an edge")]
pub struct Frame {
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

impl Frame {
    /// The rectangle with this corner, width and height.
    pub fn new(left: f64, top: f64, width: f64, height: f64) -> Self {
        Self { left, top, right: left + width, bottom: top + height }
    }

    /// The point in the middle.
    pub fn centre(&self) -> (f64, f64) {
        ((self.left + self.right) / 2.0, (self.top + self.bottom) / 2.0)
    }

    /// Whether the two rectangles share more than an edge.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// Whether the other rectangle lies wholly inside this one.
    pub fn holds(&self, other: &Self) -> bool {
        self.around(other) == *self
    }

    /// The smallest rectangle that holds both rectangles.
    pub fn around(&self, other: &Self) -> Self {
        Self {
            left: self.left.min(other.left),
            top: self.top.min(other.top),
            right: self.right.max(other.right),
            bottom: self.bottom.max(other.bottom),
        }
    }
}

/// A label with every glyph in place.
pub(super) struct SetLabel {
    /// The glyphs that leave ink, each with its distance from the line's start in stored units.
    pub(super) glyphs: Vec<(u16, f64, Outline)>,
    /// Where the line starts, on its baseline.
    pub(super) origin: (f64, f64),
    /// The rotation of the line about its origin, in degrees.
    pub(super) degrees: u16,
    /// Canvas units for each stored unit.
    pub(super) scale: f64,
    /// The smallest rectangle around the ink; `None` if there is no ink, as for a blank.
    pub(super) ink: Option<Frame>,
}

fn font() -> Result<&'static Face<'static>, FigureError> {
    FONT.as_ref().ok_or(FigureError::Font)
}

/// Stored units for each unit of the font.
fn stored(font: &Face<'_>) -> f64 {
    STORED_EM / f64::from(font.units_per_em())
}

fn glyph(font: &Face<'_>, character: char, text: &str) -> Result<GlyphId, FigureError> {
    let missing = || FigureError::MissingGlyph { character, text: text.to_owned() };
    font.glyph_index(character).ok_or_else(missing)
}

/// The distance from the start of a glyph to the start of the next one.
fn advance(font: &Face<'_>, id: GlyphId) -> f64 {
    f64::from(font.glyph_hor_advance(id).unwrap_or_default()) * stored(font)
}

/// The width of a text at this em, including the space on both sides of its ink.
pub fn width(text: &str, em: f64) -> Result<f64, FigureError> {
    let font = font()?;
    let advances = text.chars().map(|c| Ok(advance(font, glyph(font, c, text)?)));
    Ok(advances.sum::<Result<f64, FigureError>>()? * em / STORED_EM)
}

/// Places the glyphs of a label. Its box is one em high, and capitals are centred in it.
pub(super) fn set(
    text: &str,
    place: (f64, f64),
    style: &Lettering,
) -> Result<SetLabel, FigureError> {
    let font = font()?;
    let scale = style.em / STORED_EM;
    let (mut glyphs, mut ink, mut width) = (Vec::new(), None::<Frame>, 0.0);
    for character in text.chars() {
        let id = glyph(font, character, text)?;
        let outline = Outline::of(font, id);
        if let Some(frame) = outline.frame {
            let moved = Frame { left: frame.left + width, right: frame.right + width, ..frame };
            ink = Some(ink.map_or(moved, |ink| ink.around(&moved)));
            glyphs.push((id.0, width, outline));
        }
        width += advance(font, id);
    }
    let dx = match style.across {
        HPos::Left => 0.0,
        HPos::Center => -width / 2.0,
        HPos::Right => -width,
    };
    let middle = match style.down {
        VPos::Top => STORED_EM / 2.0,
        VPos::Center => 0.0,
        VPos::Bottom => -STORED_EM / 2.0,
    };
    let capital = Outline::of(font, glyph(font, 'H', text)?).frame.ok_or(FigureError::Font)?;
    let dy = middle - capital.centre().1;

    // Sine and cosine are avoided: they are neither exact nor the same on every machine.
    let (degrees, sin, cos) = match style.turn {
        FontTransform::None => (0, 0.0, 1.0),
        FontTransform::Rotate90 => (90, 1.0, 0.0),
        FontTransform::Rotate180 => (180, 0.0, -1.0),
        FontTransform::Rotate270 => (270, -1.0, 0.0),
    };
    let turned = |x: f64, y: f64| {
        let (x, y) = (x * scale, y * scale);
        (place.0 + x * cos - y * sin, place.1 + x * sin + y * cos)
    };
    let ink = ink.map(|ink| {
        let [one, other] =
            [turned(dx + ink.left, dy + ink.top), turned(dx + ink.right, dy + ink.bottom)];
        Frame::new(one.0, one.1, 0.0, 0.0).around(&Frame::new(other.0, other.1, 0.0, 0.0))
    });
    Ok(SetLabel { glyphs, origin: turned(dx, dy), degrees, scale, ink })
}

/// A glyph's outline in stored units, filled by the nonzero rule.
#[derive(Default)]
pub(super) struct Outline {
    stored: f64,
    /// The data of an SVG path.
    pub(super) data: String,
    /// The rectangle around the control points, which contains all of the ink; `None` for a blank.
    frame: Option<Frame>,
}

impl Outline {
    fn of(font: &Face<'_>, id: GlyphId) -> Self {
        let mut outline = Self { stored: stored(font), ..Self::default() };
        // No bounding box means that there is nothing to draw.
        let _ = font.outline_glyph(id, &mut outline);
        outline
    }

    fn go(&mut self, letter: char, points: &[(f32, f32)]) {
        // The canvas's y grows downwards, the font's upwards.
        let at = |&(x, y): &(f32, f32)| (f64::from(x) * self.stored, -f64::from(y) * self.stored);
        let points: Vec<(f64, f64)> = points.iter().map(at).collect();
        let words: Vec<String> =
            points.iter().map(|(x, y)| format!("{} {}", num(*x), num(*y))).collect();
        self.data += &format!("{letter}{}", words.join(" "));
        for (x, y) in points {
            let point = Frame::new(x, y, 0.0, 0.0);
            self.frame = Some(self.frame.map_or(point, |frame| frame.around(&point)));
        }
    }
}

impl OutlineBuilder for Outline {
    fn move_to(&mut self, x: f32, y: f32) {
        self.go('M', &[(x, y)]);
    }

    fn line_to(&mut self, x: f32, y: f32) {
        self.go('L', &[(x, y)]);
    }

    fn quad_to(&mut self, x1: f32, y1: f32, x: f32, y: f32) {
        self.go('Q', &[(x1, y1), (x, y)]);
    }

    fn curve_to(&mut self, x1: f32, y1: f32, x2: f32, y2: f32, x: f32, y: f32) {
        self.go('C', &[(x1, y1), (x2, y2), (x, y)]);
    }

    fn close(&mut self) {
        self.go('Z', &[]);
    }
}

/// Writes a number with at most two decimals, without trailing zeros. It never writes `-0`.
pub(super) fn num(value: f64) -> String {
    let hundredths = (value * 100.0).round();
    // Adding zero turns -0 into 0.
    (hundredths / 100.0 + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use ttf_parser::Tag;

    use super::{font, num};

    #[test]
    fn numbers_keep_two_decimals_at_most() {
        let written = [0.0, -0.001, 1.0, 1.5, -2.346, 1200.0].map(num);
        assert_eq!(written, ["0", "0", "1", "1.5", "-2.35", "1200"]);
    }

    #[test]
    fn the_font_has_no_kerning_to_look_up() {
        for table in [b"kern", b"GPOS"] {
            assert!(font().unwrap().raw_face().table(Tag::from_bytes(table)).is_none());
        }
    }
}
