//! Text as outlines: the embedded font, and the place of each of a label's glyphs.

use std::sync::LazyLock;

use ab_glyph::{Font, FontRef, GlyphId, OutlineCurve, Point};
use plotters::style::{FontStyle, RGBColor, register_font};
use plotters_backend::FontTransform;
use plotters_backend::text_anchor::{HPos, VPos};

use super::FigureError;

static BYTES: &[u8] = include_bytes!("font/Inter-figures.ttf");

/// The font, read and handed to Plotters once, so that both measure text by the same letters.
static FONT: LazyLock<Option<FontRef<'static>>> = LazyLock::new(|| {
    register_font("sans-serif", FontStyle::Normal, BYTES).ok()?;
    FontRef::try_from_slice(BYTES).ok()
});

/// Glyphs are stored at this many units to the em, so that two decimals are fine enough.
const STORED_EM: f64 = 100.0;

/// How a label is set: size, colour, and which of its points stands at the given place.
#[derive(Clone)]
pub struct Lettering {
    /// The font's em in the units of the canvas, which is what "11 px text" means on the web.
    pub em: f64,
    /// The colour, one of the palette's.
    pub color: RGBColor,
    /// Which side of the label stands at the place.
    pub across: HPos,
    /// Which height of the label stands at the place; the centre is that of a capital.
    pub down: VPos,
    /// A turn about the place.
    pub turn: FontTransform,
}

impl Lettering {
    /// Text of this size and colour, centred on its place.
    pub fn centred(em: f64, color: RGBColor) -> Self {
        Self { em, color, across: HPos::Center, down: VPos::Center, turn: FontTransform::None }
    }

    /// The same text, starting at its place instead.
    pub fn from_left(self) -> Self {
        Self { across: HPos::Left, ..self }
    }
}

/// A rectangle that is parallel to the axes, by its left, top, right and bottom edge.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame {
    /// The left edge.
    pub left: f64,
    /// The top edge.
    pub top: f64,
    /// The right edge.
    pub right: f64,
    /// The bottom edge.
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

    /// Tells whether the two share more than an edge.
    pub fn overlaps(&self, other: &Self) -> bool {
        self.left < other.right
            && other.left < self.right
            && self.top < other.bottom
            && other.top < self.bottom
    }

    /// Tells whether the other lies wholly inside.
    pub fn holds(&self, other: &Self) -> bool {
        self.left <= other.left
            && self.top <= other.top
            && other.right <= self.right
            && other.bottom <= self.bottom
    }
}

/// A label with every glyph in place.
#[derive(Clone, Debug)]
pub struct SetLabel {
    /// The glyphs, each with its way from the start of the line in stored units.
    pub glyphs: Vec<(GlyphId, f64)>,
    /// Where the line starts, on its base line.
    pub origin: (f64, f64),
    /// The line's turn about its origin, in degrees.
    pub degrees: u16,
    /// Canvas units for each stored unit.
    pub scale: f64,
    /// The smallest rectangle around the ink; none when there is no ink, as in a blank.
    pub ink: Option<Frame>,
}

/// A piece of an outline: from where the last one ended to its own last point.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Segment {
    /// The start of a contour.
    Move((f64, f64)),
    /// A straight line.
    Line((f64, f64)),
    /// A curve with one control point.
    Quad((f64, f64), (f64, f64)),
    /// A curve with two control points.
    Cubic((f64, f64), (f64, f64), (f64, f64)),
    /// The end of a contour, back at its start.
    Close,
}

/// The embedded font, known to Plotters as `sans-serif`.
pub fn font() -> Result<&'static FontRef<'static>, FigureError> {
    FONT.as_ref().ok_or(FigureError::Font)
}

/// The em of text to which Plotters gives this size: it counts a line's height, not the em.
pub fn em_of_plotters_size(size: f64) -> Result<f64, FigureError> {
    let font = font()?;
    Ok(size * units_per_em(font)? / f64::from(font.height_unscaled()))
}

/// The size that Plotters has to be told for text with this em.
pub fn plotters_size_of_em(em: f64) -> Result<f64, FigureError> {
    Ok(em / em_of_plotters_size(1.0)?)
}

/// Places the glyphs of a label. Its box is one em high, with capitals in the middle of it.
pub fn set(text: &str, place: (f64, f64), style: &Lettering) -> Result<SetLabel, FigureError> {
    let font = font()?;
    let stored = STORED_EM / units_per_em(font)?;
    let scale = style.em / STORED_EM;

    let mut glyphs = Vec::new();
    let mut ink: Option<Frame> = None;
    let mut width = 0.0;
    for character in text.chars() {
        let id = font.glyph_id(character);
        if id.0 == 0 {
            let text = text.to_owned();
            return Err(FigureError::MissingGlyph { character, text });
        }
        if let Some((before, _)) = glyphs.last() {
            width += f64::from(font.kern_unscaled(*before, id)) * stored;
        }
        if let Some(frame) = glyph_frame(font, id, width, stored) {
            ink = Some(ink.map_or(frame, |ink| around(ink, frame)));
        }
        glyphs.push((id, width));
        width += f64::from(font.h_advance_unscaled(id)) * stored;
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
    let capital = glyph_frame(font, font.glyph_id('H'), 0.0, stored).ok_or(FigureError::Font)?;
    let dy = middle - (capital.top + capital.bottom) / 2.0;

    let turned = |x: f64, y: f64| {
        let (x, y) = turn(&style.turn, x * scale, y * scale);
        (place.0 + x, place.1 + y)
    };
    Ok(SetLabel {
        glyphs,
        origin: turned(dx, dy),
        degrees: match style.turn {
            FontTransform::None => 0,
            FontTransform::Rotate90 => 90,
            FontTransform::Rotate180 => 180,
            FontTransform::Rotate270 => 270,
        },
        scale,
        ink: ink.map(|ink| {
            let (x0, y0) = turned(dx + ink.left, dy + ink.top);
            let (x1, y1) = turned(dx + ink.right, dy + ink.bottom);
            Frame { left: x0.min(x1), top: y0.min(y1), right: x0.max(x1), bottom: y0.max(y1) }
        }),
    })
}

/// A glyph's outline in stored units, its inside by the nonzero rule; nothing for a blank.
pub fn outline(id: GlyphId) -> Result<Vec<Segment>, FigureError> {
    let font = font()?;
    let stored = STORED_EM / units_per_em(font)?;
    let Some(outline) = font.outline(id) else {
        return Ok(Vec::new());
    };
    // The canvas's y grows downwards, the font's upwards.
    let at = |point: &Point| (f64::from(point.x) * stored, f64::from(point.y) * -stored);
    let mut segments = Vec::new();
    let mut pen: Option<Point> = None;
    for curve in &outline.curves {
        let (start, segment, end) = match curve {
            OutlineCurve::Line(a, b) => (a, Segment::Line(at(b)), b),
            OutlineCurve::Quad(a, b, c) => (a, Segment::Quad(at(b), at(c)), c),
            OutlineCurve::Cubic(a, b, c, d) => (a, Segment::Cubic(at(b), at(c), at(d)), d),
        };
        // A curve that does not go on from the last one opens a new contour.
        if pen != Some(*start) {
            if pen.is_some() {
                segments.push(Segment::Close);
            }
            segments.push(Segment::Move(at(start)));
        }
        segments.push(segment);
        pen = Some(*end);
    }
    if pen.is_some() {
        segments.push(Segment::Close);
    }
    Ok(segments)
}

fn units_per_em(font: &FontRef<'_>) -> Result<f64, FigureError> {
    font.units_per_em().map(f64::from).ok_or(FigureError::Font)
}

fn turn(turn: &FontTransform, x: f64, y: f64) -> (f64, f64) {
    match turn {
        FontTransform::None => (x, y),
        FontTransform::Rotate90 => (-y, x),
        FontTransform::Rotate180 => (-x, -y),
        FontTransform::Rotate270 => (y, -x),
    }
}

fn around(one: Frame, other: Frame) -> Frame {
    Frame {
        left: one.left.min(other.left),
        top: one.top.min(other.top),
        right: one.right.max(other.right),
        bottom: one.bottom.max(other.bottom),
    }
}

/// The rectangle of a glyph's control points, which holds all of its ink.
fn glyph_frame(font: &FontRef<'_>, id: GlyphId, shift: f64, stored: f64) -> Option<Frame> {
    let outline = font.outline(id)?;
    let points = outline.curves.iter().flat_map(|curve| match curve {
        OutlineCurve::Line(a, b) => vec![*a, *b],
        OutlineCurve::Quad(a, b, c) => vec![*a, *b, *c],
        OutlineCurve::Cubic(a, b, c, d) => vec![*a, *b, *c, *d],
    });
    points
        .map(|point| {
            let x = shift + f64::from(point.x) * stored;
            Frame::new(x, f64::from(point.y) * -stored, 0.0, 0.0)
        })
        .reduce(around)
}
