//! What the charts share: headings, legends and axes, and the code that draws line charts and bar charts.

use plotters::chart::{ChartBuilder, MeshStyle};
use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::element::{Circle, PathElement, Rectangle};
use plotters::series::LineSeries;
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};
use triform_canvas::lettering::{Lettering, width};
use triform_canvas::palette::{INK, MUTED, RULE};
use triform_canvas::plot::Plot;
use triform_canvas::{Canvas, FigureError, Pen, Picture};

/// Width of the charts.
pub(super) const WIDTH: u32 = 900;
/// Font size of labels and legends.
pub(super) const BODY: f64 = 13.0;
/// Font size of a chart's heading.
const HEADING: f64 = 17.0;

/// Makes a canvas with a heading at the top, and a line of text below the heading. Both are centred.
pub(super) fn headed(
    size: (u32, u32),
    title: &str,
    heading: &str,
    below: &str,
) -> Result<Canvas, FigureError> {
    let mut canvas = Canvas::new(size.0, size.1, title)?;
    let middle = f64::from(size.0) / 2.0;
    canvas.label(heading, (middle, 28.0), &Lettering::centred(HEADING, INK))?;
    canvas.label(below, (middle, 52.0), &Lettering::centred(BODY, MUTED))?;
    Ok(canvas)
}

/// Draws the legend, centred below the heading. Each entry is a stroke in its colour, followed by words. Plotters'
/// own legend is not used, because it would measure the words in one font and draw them in another.
pub(super) fn legend<'a>(
    canvas: &mut Canvas,
    entries: impl IntoIterator<Item = (RGBColor, &'a str)> + Clone,
) -> Result<(), FigureError> {
    const STROKE: f64 = 22.0;
    const GAP: f64 = 28.0;
    let wide = |(_, words): (_, &str)| Ok(STROKE + 8.0 + width(words, BODY)? + GAP);
    let all = entries.clone().into_iter().map(wide).sum::<Result<f64, FigureError>>()?;
    let (mut x, y) = ((f64::from(canvas.size().0) - all + GAP) / 2.0, 82.0);
    for (color, words) in entries {
        canvas.line(&[(x, y), (x + STROKE, y)], Pen { color, width: 3.0 })?;
        let style = Lettering::centred(BODY, INK).from_left();
        canvas.label(words, (x + STROKE + 8.0, y), &style)?;
        x += wide((color, words))?;
    }
    Ok(())
}

/// Gives all charts the same look: thin grid lines with no lighter lines between them, and the same lettering.
pub(super) fn look<'b, X, Y>(mesh: &mut MeshStyle<'_, 'b, X, Y, Plot<'_>>)
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let style: TextStyle<'b> = ("sans-serif", BODY).into_font().color(&INK);
    mesh.light_line_style(RULE.mix(0.0))
        .bold_line_style(RULE)
        .axis_style(MUTED)
        .label_style(style.clone())
        .axis_desc_style(style);
}

/// A chart axis: its range, the quantity it shows, the maximum number of labels, and the label format.
pub(super) struct Axis<'a, R> {
    pub(super) range: R,
    pub(super) of: &'a str,
    pub(super) labels: usize,
    pub(super) write: &'a dyn Fn(&f64) -> String,
}

pub(super) type Point = (f64, f64);

/// Points of one colour.
pub(super) struct Series {
    /// The name in the legend.
    name: &'static str,
    color: RGBColor,
    points: Vec<Point>,
    /// The width of the line through the points, and the radius of the discs at the points. A 0 means none.
    line: u32,
    disc: u32,
    /// For each text beside a point: the point, how far from it the text begins, and the text.
    words: Vec<(Point, (f64, f64), String)>,
}

impl Series {
    pub(super) fn new(
        (name, color): (&'static str, RGBColor),
        (line, disc): (u32, u32),
        points: Vec<Point>,
    ) -> Self {
        Self { name, color, points, line, disc, words: Vec::new() }
    }

    /// The same points, with words beside some of them.
    pub(super) fn beside(self, words: Vec<(Point, (f64, f64), String)>) -> Self {
        Self { words, ..self }
    }

    /// Points with words beside them.
    pub(super) fn with_words(
        named: (&'static str, RGBColor),
        look: (u32, u32),
        words: Vec<(Point, (f64, f64), String)>,
    ) -> Self {
        let points = words.iter().map(|(point, ..)| *point).collect();
        Self::new(named, look, points).beside(words)
    }
}

/// A chart of lines and points.
pub(super) struct Lines<'a, Y> {
    pub(super) title: &'a str,
    pub(super) height: u32,
    pub(super) heading: &'a str,
    pub(super) below: &'a str,
    pub(super) x: Axis<'a, std::ops::Range<f64>>,
    pub(super) y: Axis<'a, Y>,
    /// The series; each is drawn over the ones before it.
    pub(super) series: Vec<Series>,
}

impl<Y> Lines<'_, Y>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64>,
{
    pub(super) fn draw(self) -> Result<Picture, FigureError> {
        let mut canvas = headed((WIDTH, self.height), self.title, self.heading, self.below)?;
        legend(&mut canvas, self.series.iter().map(|series| (series.color, series.name)))?;
        let area = canvas.plot().margin(100, 16, 24, 56);
        let mut chart = ChartBuilder::on(&area)
            .x_label_area_size(54)
            .y_label_area_size(78)
            .build_cartesian_2d(self.x.range, self.y.range)?;
        let mut mesh = chart.configure_mesh();
        look(&mut mesh);
        mesh.x_labels(self.x.labels)
            .x_label_formatter(&self.x.write)
            .x_desc(self.x.of)
            .y_labels(self.y.labels)
            .y_label_formatter(&self.y.write)
            .y_desc(self.y.of)
            .draw()?;
        let mut words = Vec::new();
        for Series { points, color, line, disc, words: beside, .. } in self.series {
            if line > 0 {
                chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(line)))?;
            }
            if disc > 0 {
                chart.draw_series(
                    points.into_iter().map(|point| Circle::new(point, disc, color.filled())),
                )?;
            }
            let placed = |(point, shift, text)| (chart.backend_coord(&point), shift, text);
            words.extend(beside.into_iter().map(placed));
        }
        drop((chart, area));
        for ((x, y), (dx, dy), text) in words {
            let place = (f64::from(x) + dx, f64::from(y) + dy);
            canvas.label(&text, place, &Lettering::centred(BODY, INK).from_left())?;
        }
        canvas.finish()
    }
}

/// A bar: its left and right ends on an axis of integers, its height, and its colour.
pub(super) type Bar = (f64, f64, f64, RGBColor);

/// One of two bar charts that stand side by side.
pub(super) struct Bars<'a> {
    /// The quantity that the heights show.
    pub(super) of: &'a str,
    pub(super) top: f64,
    pub(super) labels: usize,
    pub(super) decimals: usize,
    /// The names below the bars, one for each integer.
    pub(super) names: &'a [String],
    /// The text below the names.
    pub(super) below: &'a str,
    /// The height of a line across the chart, if there is one.
    pub(super) line: Option<f64>,
    pub(super) bars: Vec<Bar>,
}

/// Draws two bar charts side by side, divided at `split`. Returns the middle of each bar's top, and the bar's height.
pub(super) fn bars(
    canvas: &mut Canvas,
    split: i32,
    both: [Bars<'_>; 2],
) -> Result<Vec<(Point, f64)>, FigureError> {
    let area = canvas.plot().margin(100, 16, 16, 24);
    let (left, right) = area.split_horizontally(split);
    let mut tops = Vec::new();
    for (side, Bars { of, top, labels, decimals, names, below, line, bars }) in
        [left, right].iter().zip(both)
    {
        let end = names.len() as f64 - 0.5;
        let mut chart = ChartBuilder::on(side)
            .x_label_area_size(if below.is_empty() { 34 } else { 56 })
            .y_label_area_size(62)
            .margin_right(12)
            .build_cartesian_2d(-0.5..end, 0.0..top)?;
        let name = |x: &f64| {
            let name = names.get(x.round() as usize).filter(|_| x.fract() == 0.0 && *x >= 0.0);
            name.cloned().unwrap_or_default()
        };
        let mut mesh = chart.configure_mesh();
        look(&mut mesh);
        mesh.disable_x_mesh()
            .x_labels(names.len() + 1)
            .x_label_formatter(&name)
            .x_desc(below)
            .y_labels(labels)
            .y_label_formatter(&|y| format!("{y:.decimals$}"))
            .y_desc(of)
            .draw()?;
        chart.draw_series(bars.iter().map(|&(from, to, height, color)| {
            Rectangle::new([(from, 0.0), (to, height)], color.filled())
        }))?;
        let line = line.map(|y| PathElement::new([(-0.5, y), (end, y)], INK.stroke_width(1)));
        chart.draw_series(line)?;
        tops.extend(bars.iter().map(|&(from, to, height, _)| {
            let (x, y) = chart.backend_coord(&(f64::midpoint(from, to), height));
            ((x.into(), y.into()), height)
        }));
    }
    Ok(tops)
}

/// Writes a power of 2 as 16 or 1/16. The text is empty if the exponent is not an integer.
pub(super) fn power_of_two(power: &f64) -> String {
    match power.fract() {
        0.0 if *power < 0.0 => format!("1/{}", (-power).exp2()),
        0.0 => power.exp2().to_string(),
        _ => String::new(),
    }
}

/// Writes a power of 10 as 10⁻⁶.
pub(super) fn power_of_ten(power: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let sign = if power < 0 { "⁻" } else { "" };
    let digit = |byte: u8| digits[usize::from(byte - b'0')];
    let power: String = power.unsigned_abs().to_string().bytes().map(digit).collect();
    format!("10{sign}{power}")
}

#[cfg(test)]
mod tests {
    use super::{power_of_ten, power_of_two};

    #[test]
    fn powers_are_written_short() {
        assert_eq!([-12, -6, 0, 3].map(power_of_ten), ["10⁻¹²", "10⁻⁶", "10⁰", "10³"]);
        assert_eq!([-2.0, 0.0, 0.5, 7.0].map(|x| power_of_two(&x)), ["1/4", "1", "", "128"]);
    }
}
