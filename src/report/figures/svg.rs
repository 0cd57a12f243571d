//! A canvas that becomes SVG text: shapes and labels in the order drawn, on a card of paper.
//!
//! A diagram draws on it directly; a chart is drawn by Plotters through [`Canvas::plot`]. In
//! both, letters are outlines, and [`Canvas::finish`] refuses a picture that reads badly.

use std::collections::BTreeMap;
use std::fmt::Write;

use plotters::style::RGBColor;

use super::FigureError;
use super::lettering::{Frame, Lettering, font, num, outline, set};
use super::palette::{PAPER, RULE, contains, dark_style, hex};

/// A README shows a picture at about this many pixels across ...
const SHOWN_WIDTH: f64 = 900.0;
/// ... and text is then at least this many pixels to the em.
const LEAST_EM: f64 = 11.0;

/// What a line is drawn with.
#[derive(Clone, Copy)]
pub struct Pen {
    /// The line's colour.
    pub color: RGBColor,
    /// The line's width.
    pub width: f64,
}

/// A picture in the making.
pub struct Canvas {
    size: (u32, u32),
    title: String,
    body: String,
    /// Outlines by glyph number: each is written once, and in an order that is always the same.
    glyphs: BTreeMap<u16, String>,
    labels: Vec<(String, Frame)>,
}

impl Canvas {
    /// An empty card of paper. The title is what a screen reader says in the picture's place.
    pub fn new(width: u32, height: u32, title: &str) -> Result<Self, FigureError> {
        // Plotters looks a font up as soon as a text style is made, so it must be known by now.
        font()?;
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

    /// A rectangle with rounded corners.
    pub fn rect(
        &mut self,
        frame: Frame,
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let (x, y) = (num(frame.left), num(frame.top));
        let (w, h) = (num(frame.right - frame.left), num(frame.bottom - frame.top));
        let place = format!("x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"");
        self.shape("rect", &format!("{place}{}", corner(radius)), fill, edge)
    }

    /// A circle.
    pub fn circle(
        &mut self,
        (x, y): (f64, f64),
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let place = format!("cx=\"{}\" cy=\"{}\" r=\"{}\"", num(x), num(y), num(radius));
        self.shape("circle", &place, fill, edge)
    }

    /// A line through these points.
    pub fn line(&mut self, points: &[(f64, f64)], pen: Pen) -> Result<(), FigureError> {
        let place = format!("points=\"{}\"", joined(points));
        self.shape("polyline", &place, None, Some(pen))
    }

    /// The inside of the outline through these points.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: RGBColor) -> Result<(), FigureError> {
        let place = format!("points=\"{}\"", joined(points));
        self.shape("polygon", &place, Some(fill), None)
    }

    /// A line through these points with a head at the last one.
    pub fn arrow(&mut self, points: &[(f64, f64)], pen: Pen) -> Result<(), FigureError> {
        let [.., before, tip] = points else {
            return Ok(());
        };
        let (dx, dy) = (tip.0 - before.0, tip.1 - before.1);
        let length = dx.hypot(dy);
        if length == 0.0 {
            // Nothing says which way the head would point.
            return Ok(());
        }
        let (ux, uy) = (dx / length, dy / length);
        let (long, half) = (5.0 + 2.0 * pen.width, 2.0 + 1.2 * pen.width);
        let neck = (tip.0 - long * ux, tip.1 - long * uy);

        // The line ends inside the head: were it to reach the tip, it would blunt it.
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
        // A scale is a factor, so two decimals would move letters; four do not.
        let scale = (label.scale * 1e4).round() / 1e4;
        let paint = paint(Some(style.color), None)?;
        self.body += &format!("<g transform=\"translate({x} {y}){turn} scale({scale})\"{paint}>");
        for (id, x) in label.glyphs {
            let Some(data) = outline(id)? else { continue };
            self.glyphs.insert(id.0, data);
            // Glyphs are named by their number in the font: figures that share a page then give
            // one name to one outline only.
            let _ = write!(self.body, "<use href=\"#glyph{}\" x=\"{}\"/>", id.0, num(x));
        }
        self.body += "</g>\n";
        self.labels.push((text.to_owned(), ink));
        Ok(ink)
    }

    /// A label in the middle of a box that has to hold it with room to spare.
    pub fn label_in(
        &mut self,
        text: &str,
        frame: Frame,
        style: &Lettering,
    ) -> Result<(), FigureError> {
        let ink = self.label(text, frame.centre(), style)?;
        let spared = Frame {
            left: ink.left - 3.0,
            top: ink.top - 2.0,
            right: ink.right + 3.0,
            bottom: ink.bottom + 2.0,
        };
        if frame.holds(&spared) { Ok(()) } else { Err(FigureError::LabelTooBig(text.to_owned())) }
    }

    /// The picture as SVG text, once its labels have passed: all on the canvas, none on another.
    pub fn finish(self) -> Result<String, FigureError> {
        let (width, height) = self.size;
        let all = Frame::new(0.0, 0.0, f64::from(width), f64::from(height));
        for (index, (text, ink)) in self.labels.iter().enumerate() {
            if !all.holds(ink) {
                return Err(FigureError::LabelOutside(text.clone()));
            }
            let above = &self.labels[..index];
            if let Some((first, _)) = above.iter().find(|(_, other)| ink.overlaps(other)) {
                return Err(FigureError::LabelsOverlap {
                    first: first.clone(),
                    second: text.clone(),
                });
            }
        }

        let glyphs = self.glyphs.iter().map(|(id, data)| {
            // No newline inside: the outlines are for the renderer, not for a reader.
            format!("<path id=\"glyph{id}\" d=\"{data}\"/>")
        });
        Ok(format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" \
             width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
             <title>{}</title>\n<style>{}</style>\n<defs>{}</defs>\n{}</svg>\n",
            escape(&self.title),
            dark_style(),
            glyphs.collect::<String>(),
            self.body
        ))
    }

    fn shape(
        &mut self,
        element: &str,
        place: &str,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let paint = paint(fill, edge)?;
        let _ = writeln!(self.body, "<{element} {place}{paint}/>");
        Ok(())
    }

    /// Draws with an opacity below one, as Plotters asks for grid lines and bands.
    pub(super) fn faded(
        &mut self,
        opacity: f64,
        draw: impl FnOnce(&mut Self) -> Result<(), FigureError>,
    ) -> Result<(), FigureError> {
        if opacity >= 1.0 {
            return draw(self);
        }
        let _ = writeln!(self.body, "<g opacity=\"{}\">", num(opacity));
        draw(self)?;
        self.body += "</g>\n";
        Ok(())
    }
}

fn joined(points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|(x, y)| format!("{},{}", num(*x), num(*y)));
    points.collect::<Vec<_>>().join(" ")
}

fn corner(radius: f64) -> String {
    if radius > 0.0 { format!(" rx=\"{}\"", num(radius)) } else { String::new() }
}

/// The attributes that colour a shape; a colour that the dark style does not know is refused.
fn paint(fill: Option<RGBColor>, edge: Option<Pen>) -> Result<String, FigureError> {
    let known = |color: RGBColor| match contains(color) {
        true => Ok(hex(color)),
        false => Err(FigureError::OffPalette(hex(color))),
    };
    let mut paint = match fill {
        Some(color) => format!(" fill=\"{}\"", known(color)?),
        None => String::from(" fill=\"none\""),
    };
    if let Some(Pen { color, width }) = edge {
        let (color, width) = (known(color)?, num(width));
        let _ = write!(paint, " stroke=\"{color}\" stroke-width=\"{width}\"");
        paint += " stroke-linejoin=\"round\"";
    }
    Ok(paint)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::super::palette::INK;
    use super::*;

    fn canvas() -> Canvas {
        Canvas::new(600, 300, "a test").unwrap()
    }

    fn ink(em: f64) -> Lettering {
        Lettering::centred(em, INK)
    }

    #[test]
    fn numbers_keep_two_decimals_at_most() {
        let written = [0.0, -0.001, 1.0, 1.5, -2.346, 1200.0].map(num);
        assert_eq!(written, ["0", "0", "1", "1.5", "-2.35", "1200"]);
    }

    #[test]
    fn labels_side_by_side_pass_and_overlapping_ones_do_not() {
        let mut apart = canvas();
        apart.label("one", (200.0, 150.0), &ink(15.0)).unwrap();
        apart.label("two", (250.0, 150.0), &ink(15.0)).unwrap();
        assert!(apart.finish().is_ok());

        let mut close = canvas();
        close.label("one", (200.0, 150.0), &ink(15.0)).unwrap();
        close.label("two", (210.0, 152.0), &ink(15.0)).unwrap();
        let error = close.finish().unwrap_err();
        assert_eq!(error.to_string(), r#"the labels "one" and "two" overlap"#);
    }

    #[test]
    fn a_label_over_the_edge_is_refused() {
        for place in [(4.0, 150.0), (596.0, 150.0), (300.0, 2.0), (300.0, 298.0)] {
            let mut canvas = canvas();
            canvas.label("edge", place, &ink(15.0)).unwrap();
            let refused = matches!(canvas.finish(), Err(FigureError::LabelOutside(_)));
            assert!(refused, "at {place:?}");
        }
    }

    #[test]
    fn a_label_has_to_fit_its_box() {
        let mut canvas = canvas();
        let frame = Frame::new(100.0, 100.0, 60.0, 30.0);
        canvas.label_in("short", frame, &ink(15.0)).unwrap();
        let long = canvas.label_in("rather longer", frame, &ink(15.0));
        assert!(matches!(long, Err(FigureError::LabelTooBig(_))));
        let high = canvas.label_in("M", frame, &ink(45.0));
        assert!(matches!(high, Err(FigureError::LabelTooBig(_))));
    }

    #[test]
    fn a_character_without_a_glyph_is_refused() {
        let missing = canvas().label("a ⊕ b", (300.0, 150.0), &ink(15.0));
        let error = missing.unwrap_err();
        assert!(matches!(error, FigureError::MissingGlyph { character: '⊕', .. }));
    }

    #[test]
    fn small_text_is_refused() {
        let mut wide = Canvas::new(1200, 300, "a test").unwrap();
        let small = wide.label("small", (300.0, 150.0), &ink(14.0));
        assert!(matches!(small, Err(FigureError::LabelTooSmall(_))));
        assert!(wide.label("enough", (300.0, 150.0), &ink(14.75)).is_ok());
    }

    #[test]
    fn a_colour_that_has_no_dark_counterpart_is_refused() {
        let pink = RGBColor(0xFF, 0x00, 0xFF);
        let label = canvas().label("pink", (300.0, 150.0), &Lettering::centred(15.0, pink));
        assert!(matches!(label, Err(FigureError::OffPalette(_))));
        let circle = canvas().circle((300.0, 150.0), 5.0, Some(pink), None);
        assert!(matches!(circle, Err(FigureError::OffPalette(_))));
    }

    #[test]
    fn the_title_is_escaped() {
        let svg = Canvas::new(600, 300, "a < b & c > d").unwrap().finish().unwrap();
        assert!(svg.contains("<title>a &lt; b &amp; c &gt; d</title>"));
    }
}
