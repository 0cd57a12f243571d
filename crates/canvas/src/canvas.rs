//! A canvas that records marks: shapes and labels in the order drawn, on a card of paper.
//!
//! A diagram draws on it directly; a chart is drawn by Plotters through [`Canvas::plot`]. In
//! both, letters are outlines, and [`Canvas::finish`] refuses a picture that reads badly.

use plotters::style::RGBColor;

use super::FigureError;
use super::lettering::{Frame, Lettering, SetLabel, font, set};
use super::palette::{PAPER, RULE, contains, hex};

/// A README shows a picture at about this many pixels across ...
const SHOWN_WIDTH: f64 = 900.0;
/// ... and text is then at least this many pixels to the em.
const LEAST_EM: f64 = 11.0;

/// What a line is drawn with.
#[derive(Clone, Copy, Debug)]
pub struct Pen {
    /// The line's colour.
    pub color: RGBColor,
    /// The line's width.
    pub width: f64,
}

/// What a mark looks like, colours apart.
#[derive(Clone, Debug)]
pub enum Shape {
    /// A rectangle with rounded corners.
    Rect {
        /// Where it is.
        frame: Frame,
        /// The corners' radius; none are rounded at zero.
        radius: f64,
    },
    /// A circle.
    Circle {
        /// Its middle.
        centre: (f64, f64),
        /// Its radius.
        radius: f64,
    },
    /// A line through these points, which stays open.
    Line(Vec<(f64, f64)>),
    /// The outline through these points, closed.
    Polygon(Vec<(f64, f64)>),
    /// The outlines of a label's glyphs.
    Label(SetLabel),
}

/// A shape in its colours.
#[derive(Clone, Debug)]
pub struct Mark {
    /// The shape.
    pub shape: Shape,
    /// What its inside is filled with, under the edge.
    pub fill: Option<RGBColor>,
    /// What its outline is drawn with; half of the width is inside.
    pub edge: Option<Pen>,
    /// The opacity of fill and edge together, so that the one does not show through the other.
    pub opacity: f64,
}

/// What was drawn, to be written as SVG or as PNG.
#[derive(Clone, Debug)]
pub struct Picture {
    /// Width and height.
    pub size: (u32, u32),
    /// What a screen reader says in the picture's place.
    pub title: String,
    /// The marks, each over those before it.
    pub marks: Vec<Mark>,
}

/// A picture in the making.
pub struct Canvas {
    picture: Picture,
    /// The opacity of what is drawn next.
    opacity: f64,
    labels: Vec<(String, Frame)>,
}

impl Canvas {
    /// An empty card of paper. The title is what a screen reader says in the picture's place.
    pub fn new(width: u32, height: u32, title: &str) -> Result<Self, FigureError> {
        // Plotters looks a font up as soon as a text style is made, so it must be known by now.
        font()?;
        let picture = Picture { size: (width, height), title: title.to_owned(), marks: Vec::new() };
        let mut canvas = Self { picture, opacity: 1.0, labels: Vec::new() };
        let edge = Pen { color: RULE, width: 1.0 };
        let card = Frame::new(0.5, 0.5, f64::from(width) - 1.0, f64::from(height) - 1.0);
        canvas.rect(card, 12.0, Some(PAPER), Some(edge))?;
        Ok(canvas)
    }

    /// Width and height.
    pub fn size(&self) -> (u32, u32) {
        self.picture.size
    }

    /// A rectangle with rounded corners.
    pub fn rect(
        &mut self,
        frame: Frame,
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        self.mark(Shape::Rect { frame, radius }, fill, edge)
    }

    /// A circle.
    pub fn circle(
        &mut self,
        centre: (f64, f64),
        radius: f64,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        self.mark(Shape::Circle { centre, radius }, fill, edge)
    }

    /// A line through these points.
    pub fn line(&mut self, points: &[(f64, f64)], pen: Pen) -> Result<(), FigureError> {
        self.mark(Shape::Line(points.to_vec()), None, Some(pen))
    }

    /// The inside of the outline through these points.
    pub fn polygon(&mut self, points: &[(f64, f64)], fill: RGBColor) -> Result<(), FigureError> {
        self.mark(Shape::Polygon(points.to_vec()), Some(fill), None)
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
        if style.em * SHOWN_WIDTH / f64::from(self.picture.size.0) < LEAST_EM {
            return Err(FigureError::LabelTooSmall(text.to_owned()));
        }
        let Some(ink) = label.ink else {
            return Ok(Frame::new(place.0, place.1, 0.0, 0.0));
        };
        self.mark(Shape::Label(label), Some(style.color), None)?;
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

    /// The picture, once its labels have passed: all on the canvas, none on another.
    pub fn finish(self) -> Result<Picture, FigureError> {
        let (width, height) = self.picture.size;
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
        Ok(self.picture)
    }

    /// Draws with an opacity below one, as Plotters asks for grid lines and bands: each mark by
    /// itself, so that one shows through the next.
    pub(super) fn faded(
        &mut self,
        opacity: f64,
        draw: impl FnOnce(&mut Self) -> Result<(), FigureError>,
    ) -> Result<(), FigureError> {
        let outside = self.opacity;
        self.opacity *= opacity.min(1.0);
        let drawn = draw(self);
        self.opacity = outside;
        drawn
    }

    /// Records a mark; a colour that the dark style does not know is refused.
    fn mark(
        &mut self,
        shape: Shape,
        fill: Option<RGBColor>,
        edge: Option<Pen>,
    ) -> Result<(), FigureError> {
        let colors = fill.into_iter().chain(edge.map(|pen| pen.color));
        if let Some(unknown) = colors.into_iter().find(|color| !contains(*color)) {
            return Err(FigureError::OffPalette(hex(unknown)));
        }
        self.picture.marks.push(Mark { shape, fill, edge, opacity: self.opacity });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::palette::INK;

    fn canvas() -> Canvas {
        Canvas::new(600, 300, "a test").unwrap()
    }

    fn ink(em: f64) -> Lettering {
        Lettering::centred(em, INK)
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
    fn opacities_multiply_and_end_with_what_is_faded() {
        let mut canvas = canvas();
        let dot = |canvas: &mut Canvas| canvas.circle((9.0, 9.0), 5.0, Some(INK), None);
        canvas.faded(0.5, |canvas| canvas.faded(0.5, dot).and_then(|()| dot(canvas))).unwrap();
        dot(&mut canvas).unwrap();
        let opacities: Vec<_> = canvas.picture.marks.iter().map(|mark| mark.opacity).collect();
        assert_eq!(opacities, [1.0, 0.25, 0.5, 1.0]);
    }
}
