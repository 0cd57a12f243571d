//! The canvas as a backend of Plotters, for charts.

use plotters::coord::Shift;
use plotters::drawing::{DrawingArea, IntoDrawingArea};
use plotters::style::RGBColor;
use plotters_backend::{
    BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingBackend, DrawingErrorKind,
};

use super::FigureError;
use super::canvas::{Canvas, Pen};
use super::lettering::{Frame, Lettering, width};

type Drawn = Result<(), DrawingErrorKind<FigureError>>;

impl Canvas {
    /// The whole canvas as an area that Plotters draws charts on.
    pub fn plot(&mut self) -> DrawingArea<Plot<'_>, Shift> {
        Plot(self).into_drawing_area()
    }
}

/// A canvas that Plotters draws on.
pub struct Plot<'a>(pub(crate) &'a mut Canvas);

impl Plot<'_> {
    /// Draws in a colour from Plotters, which may be partly or wholly transparent.
    fn draw(
        &mut self,
        color: BackendColor,
        draw: impl FnOnce(&mut Canvas, RGBColor) -> Result<(), FigureError>,
    ) -> Drawn {
        if color.alpha <= 0.0 {
            return Ok(());
        }
        let (red, green, blue) = color.rgb;
        let rgb = RGBColor(red, green, blue);
        self.0
            .faded(color.alpha, |canvas| draw(canvas, rgb))
            .map_err(DrawingErrorKind::DrawingError)
    }
}

impl DrawingBackend for Plot<'_> {
    type ErrorType = FigureError;

    fn get_size(&self) -> (u32, u32) {
        self.0.size()
    }

    fn ensure_prepared(&mut self) -> Drawn {
        Ok(())
    }

    fn present(&mut self) -> Drawn {
        Ok(())
    }

    fn draw_pixel(&mut self, point: BackendCoord, color: BackendColor) -> Drawn {
        let (x, y) = float(point);
        self.draw(color, |canvas, rgb| {
            canvas.rect(Frame::new(x, y, 1.0, 1.0), 0.0, Some(rgb), None)
        })
    }

    fn draw_line<S: BackendStyle>(
        &mut self,
        from: BackendCoord,
        to: BackendCoord,
        style: &S,
    ) -> Drawn {
        self.draw_path([from, to], style)
    }

    fn draw_rect<S: BackendStyle>(
        &mut self,
        upper_left: BackendCoord,
        bottom_right: BackendCoord,
        style: &S,
        fill: bool,
    ) -> Drawn {
        let ((left, top), (right, bottom)) = (float(upper_left), float(bottom_right));
        let frame = Frame { left, top, right, bottom };
        self.draw(style.color(), |canvas, rgb| {
            let (fill, edge) = one_of(fill, rgb, style);
            canvas.rect(frame, 0.0, fill, edge)
        })
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        path: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<_> = path.into_iter().map(float).collect();
        self.draw(style.color(), |canvas, rgb| canvas.line(&points, pen(rgb, style)))
    }

    fn draw_circle<S: BackendStyle>(
        &mut self,
        center: BackendCoord,
        radius: u32,
        style: &S,
        fill: bool,
    ) -> Drawn {
        self.draw(style.color(), |canvas, rgb| {
            let (fill, edge) = one_of(fill, rgb, style);
            canvas.circle(float(center), f64::from(radius), fill, edge)
        })
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(
        &mut self,
        vert: I,
        style: &S,
    ) -> Drawn {
        let points: Vec<_> = vert.into_iter().map(float).collect();
        self.draw(style.color(), |canvas, rgb| canvas.polygon(&points, rgb))
    }

    fn draw_text<S: BackendTextStyle>(
        &mut self,
        text: &str,
        style: &S,
        pos: BackendCoord,
    ) -> Drawn {
        let lettering = |color| Lettering {
            em: style.size(),
            color,
            across: style.anchor().h_pos,
            down: style.anchor().v_pos,
            turn: style.transform(),
        };
        self.draw(style.color(), |canvas, color| {
            canvas.label(text, float(pos), &lettering(color)).map(drop)
        })
    }

    /// Measures the text in the embedded font, which Plotters does not know. A line is one em high.
    fn estimate_text_size<S: BackendTextStyle>(
        &self,
        text: &str,
        style: &S,
    ) -> Result<(u32, u32), DrawingErrorKind<FigureError>> {
        let em = style.size();
        let wide = width(text, em).map_err(DrawingErrorKind::DrawingError)?;
        Ok((wide as u32, em as u32))
    }
}

fn float((x, y): BackendCoord) -> (f64, f64) {
    (f64::from(x), f64::from(y))
}

fn pen(color: RGBColor, style: &impl BackendStyle) -> Pen {
    let width = f64::from(style.stroke_width());
    Pen { color, width }
}

/// Plotters either fills a shape or draws its edge, never both at once.
fn one_of(
    fill: bool,
    color: RGBColor,
    style: &impl BackendStyle,
) -> (Option<RGBColor>, Option<Pen>) {
    if fill { (Some(color), None) } else { (None, Some(pen(color, style))) }
}

#[cfg(test)]
mod tests {
    use plotters::chart::ChartBuilder;
    use plotters::drawing::DrawingAreaErrorKind;
    use plotters::series::LineSeries;
    use plotters::style::{Color, IntoFont};

    use super::*;
    use crate::palette::{BLUE, INK};

    type ChartError = DrawingAreaErrorKind<FigureError>;

    /// A chart with axes, a turned label and a line, as the figures draw them.
    fn chart(canvas: &mut Canvas, text: f64, color: RGBColor) -> Result<(), ChartError> {
        let font = || ("sans-serif", text).into_font().color(&INK);
        let area = canvas.plot();
        let mut chart = ChartBuilder::on(&area)
            .caption("a parabola", font())
            .margin(20)
            .x_label_area_size(60)
            .y_label_area_size(80)
            .build_cartesian_2d(0.0..10.0, 0.0..100.0)?;
        chart
            .configure_mesh()
            .x_desc("x")
            .y_desc("x², turned")
            .label_style(font())
            .axis_desc_style(font())
            .draw()?;
        let points = (0..=100).map(|step| f64::from(step) / 10.0);
        chart.draw_series(LineSeries::new(
            points.map(|x| (x, x * x)),
            Color::stroke_width(&color, 2),
        ))?;
        Ok(())
    }

    #[test]
    fn what_the_canvas_refuses_comes_back_through_plotters() {
        let draw = |em: f64, color: RGBColor| -> Result<(), FigureError> {
            Ok(chart(&mut Canvas::new(900, 500, "a chart")?, em, color)?)
        };
        draw(14.0, BLUE).unwrap();
        assert!(matches!(draw(8.0, BLUE), Err(FigureError::LabelTooSmall(_))));
        let pink = draw(14.0, RGBColor(0xFF, 0x00, 0xFF));
        assert!(matches!(pink, Err(FigureError::OffPalette(_))));
    }

    #[test]
    fn plotters_measures_text_by_the_embedded_font() {
        let mut canvas = Canvas::new(900, 500, "a test").unwrap();
        let style = ("sans-serif", 20.0).into_font().color(&INK);
        let measured = canvas.plot().estimate_text_size("mmmmmmmm", &style).unwrap();
        let lettering = Lettering::centred(20.0, INK);
        let ink = canvas.label("mmmmmmmm", (450.0, 250.0), &lettering).unwrap();
        // Plotters also counts the white on both sides of the ink, and only in whole units.
        let white = f64::from(measured.0) - (ink.right - ink.left);
        assert!((0.0..4.0).contains(&white), "{white}");
    }
}
