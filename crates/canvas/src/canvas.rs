//! A canvas on which shapes and labels are drawn, as SVG that follows the reader's theme.
//!
//! A diagram draws on the canvas directly. A chart is drawn by Plotters through [`Canvas::plot`]. In both, letters
//! are outlines, and [`Canvas::finish`] refuses a picture whose labels leave the canvas or overlap.

use std::collections::BTreeMap;

use plotters::style::RGBColor;

use super::FigureError;
use super::lettering::{Frame, Lettering, num, set};
use super::palette::{PAPER, RULE, contains, dark_style, hex};

/// The width, in pixels, at which a README shows a picture. It is approximate.
const SHOWN_WIDTH: f64 = 900.0;
/// At that width, the em of any text must be at least this many pixels.
const LEAST_EM: f64 = 11.0;

/// The colour and width of a line.
#[derive(Clone, Copy, Debug)]
#[expect(missing_docs, reason = "the names say it")]
pub struct Pen {
    pub color: RGBColor,
    pub width: f64,
}

/// A finished picture.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Width and height.
    pub size: (u32, u32),
    /// What a screen reader says in the picture's place.
    pub title: String,
    /// The picture as the text of an SVG file.
    pub svg: String,
}

#[cfg(feature = "png")]
impl Picture {
    /// Pixels of the PNG for each canvas unit.
    pub const SCALE: u32 = 2;

    /// The picture as the bytes of a PNG file, in the colours of a light page. Nothing is drawn in the corners
    /// outside the card, so they are transparent.
    ///
    /// Errors: [`FigureError::Png`] for a picture without pixels, or with too many.
    pub fn png(&self) -> Result<Vec<u8>, FigureError> {
        use resvg::{tiny_skia, usvg};

        let failed = |why: String| FigureError::Png(why);
        let (width, height) = self.size;
        let pixels = |size: u32| size.saturating_mul(Self::SCALE);
        let mut page = tiny_skia::Pixmap::new(pixels(width), pixels(height))
            .ok_or_else(|| failed(format!("{width}×{height} is not a valid picture size")))?;
        let tree = usvg::Tree::from_str(&self.svg, &usvg::Options::default())
            .map_err(|error| failed(error.to_string()))?;
        let scale = Self::SCALE as f32;
        resvg::render(&tree, tiny_skia::Transform::from_scale(scale, scale), &mut page.as_mut());
        page.encode_png().map_err(|error| failed(error.to_string()))
    }
}

/// A picture that is being drawn.
pub struct Canvas {
    size: (u32, u32),
    title: String,
    /// The elements, one per line, each drawn over those before it.
    body: String,
    /// Outlines by glyph number. Each is written once, and their order is always the same.
    glyphs: BTreeMap<u16, String>,
    labels: Vec<(String, Frame)>,
}

impl Canvas {
    /// An empty picture: a card in the colour of paper. The title is what a screen reader says in the picture's
    /// place.
    pub fn new(width: u32, height: u32, title: &str) -> Result<Self, FigureError> {
        let mut canvas = Self {
            size: (width, height),
            title: title.to_owned(),
            body: String::new(),
            glyphs: BTreeMap::new(),
            labels: Vec::new(),
        };
        let edge = Pen { color: RULE, width: 1.0 };
        let card = Frame::new(0.5, 0.5, f64::from(width) - 1.0, f64::from(height) - 1.0);
        canvas.rect(card, 12.0, Some(PAPER), Some(edge))?;
        Ok(canvas)
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        self.size
    }

    /// A rectangle. If the radius is above 0, its corners are rounded.
    pub fn rect(
        &mut self,
        frame: Frame,
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let sizes = [frame.left, frame.top, frame.right - frame.left, frame.bottom - frame.top];
        let [x, y, width, height] = sizes.map(num);
        let mut shape = format!("rect x=\"{x}\" y=\"{y}\" width=\"{width}\" height=\"{height}\"");
        if radius > 0.0 {
            shape += &format!(" rx=\"{}\"", num(radius));
        }
        self.mark(&shape, fill, edge, "/>")
    }

    /// A circle.
    pub fn circle(
        &mut self,
        centre: (f64, f64),
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let [x, y, radius] = [centre.0, centre.1, radius].map(num);
        self.mark(&format!("circle cx=\"{x}\" cy=\"{y}\" r=\"{radius}\""), fill, edge, "/>")
    }

    /// A line through these points.
    pub fn line(&mut self, points: &[(f64, f64)], pen: Pen) -> Result<(), FigureError> {
        self.mark(&through("polyline", points), None, Some(pen), "/>")
    }

    /// A filled polygon with these corners.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: RGBColor) -> Result<(), FigureError> {
        self.mark(&through("polygon", points), Some(fill), None, "/>")
    }

    /// A line through these points, with an arrowhead at the last point.
    pub fn arrow(&mut self, points: &[(f64, f64)], pen: Pen) -> Result<(), FigureError> {
        let [.., before, tip] = points else {
            return Ok(());
        };
        let (dx, dy) = (tip.0 - before.0, tip.1 - before.1);
        let length = dx.hypot(dy);
        if length == 0.0 {
            // The direction of the head is undefined.
            return Ok(());
        }
        let (ux, uy) = (dx / length, dy / length);
        let (long, half) = (5.0 + 2.0 * pen.width, 2.0 + 1.2 * pen.width);
        let neck = (tip.0 - long * ux, tip.1 - long * uy);

        // The line ends inside the head, since a line that reached the tip would blunt it.
        let mut shaft = points.to_vec();
        if let Some(end) = shaft.last_mut() {
            *end = (tip.0 - long * 0.7 * ux, tip.1 - long * 0.7 * uy);
        }
        self.line(&shaft, pen)?;
        let left = (neck.0 - half * uy, neck.1 + half * ux);
        let right = (neck.0 + half * uy, neck.1 - half * ux);
        self.polygon(&[*tip, left, right], pen.color)
    }

    /// A label at this place.
    pub fn label(
        &mut self,
        text: &str,
        place: (f64, f64),
        style: &Lettering,
    ) -> Result<Frame, FigureError> {
        let label = set(text, place, style)?;
        if style.em * SHOWN_WIDTH / f64::from(self.size.0) < LEAST_EM {
            return Err(FigureError::LabelTooSmall(text.to_owned()));
        }
        let Some(ink) = label.ink else {
            return Ok(Frame::new(place.0, place.1, 0.0, 0.0));
        };
        let (x, y) = (num(label.origin.0), num(label.origin.1));
        let turn = match label.degrees {
            0 => String::new(),
            degrees => format!(" rotate({degrees})"),
        };
        // A scale is a factor. Rounding it to two decimals would visibly move letters; four are enough.
        let scale = (label.scale * 1e4).round() / 1e4;
        let shape = format!("g transform=\"translate({x} {y}){turn} scale({scale})\"");
        let mut uses = String::from(">");
        for (id, x, outline) in label.glyphs {
            // Glyphs are named by their number in the font, so that even figures on the same page
            // never use one name for different outlines.
            uses += &format!("<use href=\"#glyph{id}\" x=\"{}\"/>", num(x));
            self.glyphs.entry(id).or_insert(outline.data);
        }
        self.mark(&shape, Some(style.color), None, &(uses + "</g>"))?;
        self.labels.push((text.to_owned(), ink));
        Ok(ink)
    }

    /// A label in the middle of a box, which must hold it with room to spare.
    pub fn label_in(
        &mut self,
        text: &str,
        frame: Frame,
        style: &Lettering,
    ) -> Result<(), FigureError> {
        let ink = self.label(text, frame.centre(), style)?;
        let (width, height) = (ink.right - ink.left, ink.bottom - ink.top);
        let spared = Frame::new(ink.left - 3.0, ink.top - 2.0, width + 6.0, height + 4.0);
        if frame.holds(&spared) { Ok(()) } else { Err(FigureError::LabelTooBig(text.to_owned())) }
    }

    /// Returns the picture, if each label lies on the canvas and no label overlaps another.
    pub fn finish(self) -> Result<Picture, FigureError> {
        let (width, height) = self.size;
        let all = Frame::new(0.0, 0.0, f64::from(width), f64::from(height));
        for (index, (text, ink)) in self.labels.iter().enumerate() {
            if !all.holds(ink) {
                return Err(FigureError::LabelOutside(text.clone()));
            }
            let above = &self.labels[..index];
            if let Some((first, _)) = above.iter().find(|(_, other)| ink.overlaps(other)) {
                let (first, second) = (first.clone(), text.clone());
                return Err(FigureError::LabelsOverlap { first, second });
            }
        }
        let glyph = |(id, data)| format!("<path id=\"glyph{id}\" d=\"{data}\"/>");
        let svg = format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <title>{}</title>\n<style>{}</style>\n<defs>{}</defs>\n{}</svg>\n",
            escape(&self.title),
            dark_style(&self.body),
            self.glyphs.iter().map(glyph).collect::<String>(),
            self.body,
        );
        Ok(Picture { size: self.size, title: self.title, svg })
    }

    /// Draws with an opacity below one, which Plotters uses for grid lines and bands. Fill and edge are
    /// faded together, so that neither shows through the other.
    pub(super) fn faded<T>(
        &mut self,
        opacity: f64,
        draw: impl FnOnce(&mut Self) -> Result<T, FigureError>,
    ) -> Result<T, FigureError> {
        if opacity >= 1.0 {
            return draw(self);
        }
        self.body += &format!("<g opacity=\"{}\">\n", num(opacity));
        let drawn = draw(self);
        self.body += "</g>\n";
        drawn
    }

    /// Adds an element, with its colours before `end`. Refuses a colour without a dark counterpart.
    fn mark(
        &mut self,
        shape: &str,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
        end: &str,
    ) -> Result<(), FigureError> {
        let colors = fill.into_iter().chain(edge.map(|pen| pen.color));
        if let Some(unknown) = colors.into_iter().find(|color| !contains(*color)) {
            return Err(FigureError::OffPalette(hex(unknown)));
        }
        let fill = fill.map_or("none".to_owned(), hex);
        self.body += &format!("<{shape} fill=\"{fill}\"");
        if let Some(Pen { color, width }) = edge {
            let (color, width) = (hex(color), num(width));
            self.body += &format!(" stroke=\"{color}\" stroke-width=\"{width}\"");
            self.body += " stroke-linejoin=\"round\"";
        }
        self.body += &format!("{end}\n");
        Ok(())
    }
}

fn through(shape: &str, points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|(x, y)| format!("{},{}", num(*x), num(*y)));
    format!("{shape} points=\"{}\"", points.collect::<Vec<_>>().join(" "))
}

/// Escapes text, so that it can be put between the tags of SVG or HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::INK;

    fn ink(em: f64) -> Lettering {
        Lettering::centred(em, INK)
    }

    /// The message with which a picture with this drawing is refused, or nothing if it is accepted.
    fn refused(width: u32, draw: impl Fn(&mut Canvas) -> Result<(), FigureError>) -> String {
        let mut canvas = Canvas::new(width, 300, "a test").unwrap();
        let finished = draw(&mut canvas).and_then(|()| canvas.finish());
        finished.map_or_else(|error| error.to_string(), |_| String::new())
    }

    #[test]
    fn what_reads_badly_is_refused() {
        let labels = |width, em, labels: &[(&str, (f64, f64))]| {
            refused(width, |canvas| {
                let mut labels = labels.iter();
                labels.try_for_each(|(text, at)| canvas.label(text, *at, &ink(em)).map(drop))
            })
        };
        let two = |second| labels(600, 15.0, &[("one", (200.0, 150.0)), ("two", second)]);
        assert_eq!(two((250.0, 150.0)), "");
        assert_eq!(two((210.0, 152.0)), r#"the labels "one" and "two" overlap"#);
        for place in [(4.0, 150.0), (596.0, 150.0), (300.0, 2.0), (300.0, 298.0)] {
            let edge = labels(600, 15.0, &[("edge", place)]);
            assert_eq!(edge, r#"the label "edge" leaves the canvas"#, "at {place:?}");
        }
        let middle = (300.0, 150.0);
        let missing = "the embedded font has no glyph for '⊕' in \"a ⊕ b\"";
        assert_eq!(labels(600, 15.0, &[("a ⊕ b", middle)]), missing);
        let small = "the label \"small\" is too small to read";
        assert_eq!(labels(1200, 14.0, &[("small", middle)]), small);
        assert_eq!(labels(1200, 14.75, &[("enough", middle)]), "");

        let frame = Frame::new(100.0, 100.0, 60.0, 30.0);
        let boxed = |text, em| refused(600, |canvas| canvas.label_in(text, frame, &ink(em)));
        assert_eq!(boxed("short", 15.0), "");
        for (text, em) in [("rather longer", 15.0), ("M", 45.0)] {
            assert_eq!(boxed(text, em), format!("the label {text:?} does not fit its box"));
        }

        let pink = RGBColor(0xFF, 0x00, 0xFF);
        let label = Lettering::centred(15.0, pink);
        let label = refused(600, |canvas| canvas.label("pink", middle, &label).map(drop));
        let circle = refused(600, |canvas| canvas.circle(middle, 5.0, Some(pink), None));
        assert_eq!([label, circle], ["the colour #FF00FF is not in the palette"; 2]);
    }

    #[test]
    fn fill_and_edge_fade_together() {
        let mut canvas = Canvas::new(600, 300, "a test").unwrap();
        let dot = |canvas: &mut Canvas| canvas.circle((9.0, 9.0), 5.0, Some(INK), None);
        canvas.faded(0.5, dot).unwrap();
        dot(&mut canvas).unwrap();
        let svg = canvas.finish().unwrap().svg;
        let dot = "<circle cx=\"9\" cy=\"9\" r=\"5\" fill=\"#1F2328\"/>\n";
        assert!(svg.ends_with(&format!("<g opacity=\"0.5\">\n{dot}</g>\n{dot}</svg>\n")), "{svg}");
    }

    #[test]
    fn the_title_is_escaped() {
        let picture = Canvas::new(600, 300, "a < b & c > d").unwrap().finish().unwrap();
        assert!(picture.svg.contains("<title>a &lt; b &amp; c &gt; d</title>"));
    }
}

/// Tests where a label's ink is in the PNG. (Another test compares the figures with the committed figures, pixel by
/// pixel.)
#[cfg(all(test, feature = "png"))]
mod png_tests {
    use plotters_backend::FontTransform;
    use resvg::tiny_skia::Pixmap;

    use super::*;
    use crate::palette::INK;

    fn pixels(canvas: Canvas) -> Pixmap {
        Pixmap::decode_png(&canvas.finish().unwrap().png().unwrap()).unwrap()
    }

    /// The colour at a place on the canvas, which must be opaque.
    fn at(pixels: &Pixmap, (x, y): (f64, f64)) -> RGBColor {
        let scale = f64::from(Picture::SCALE);
        let color = pixels.pixel((x * scale) as u32, (y * scale) as u32).unwrap();
        assert_eq!(color.alpha(), 255, "at {x}, {y}");
        RGBColor(color.red(), color.green(), color.blue())
    }

    #[test]
    fn a_label_is_where_the_canvas_says_and_turned() {
        use FontTransform::{None, Rotate90, Rotate180, Rotate270};

        // An L has a stem at its left and a foot below. For each turn, this is where they end up.
        for (turn, stem, foot) in [
            (None, (0.04, 0.5), (0.6, 0.95)),
            (Rotate90, (0.5, 0.04), (0.05, 0.6)),
            (Rotate180, (0.96, 0.5), (0.4, 0.05)),
            (Rotate270, (0.5, 0.96), (0.95, 0.4)),
        ] {
            let mut canvas = Canvas::new(400, 300, "a test").unwrap();
            let style = Lettering { turn, ..Lettering::centred(150.0, INK) };
            let ink = canvas.label("L", (200.0, 150.0), &style).unwrap();
            let pixels = pixels(canvas);
            let inside = |(x, y): (f64, f64)| {
                let (width, height) = (ink.right - ink.left, ink.bottom - ink.top);
                at(&pixels, (ink.left + x * width, ink.top + y * height))
            };
            for place in [stem, foot] {
                assert_eq!(inside(place), INK);
            }
            for place in [(0.5, 0.5), (1.0 - stem.0, 1.0 - stem.1)] {
                assert_eq!(inside(place), PAPER);
            }
            for (x, y) in [(ink.left - 1.0, ink.top - 1.0), (ink.right + 1.0, ink.bottom + 1.0)] {
                assert_eq!([at(&pixels, (x, 150.0)), at(&pixels, (200.0, y))], [PAPER; 2]);
            }
        }
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        let picture = Picture { size: (0, 5), title: String::new(), svg: String::new() };
        assert!(matches!(picture.png(), Err(FigureError::Png(_))));
    }
}
