//! The width that preserves the block's complexity, against the cardinality.

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::IntoLogRange;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::chart::{beside, heading, legend, look};
use crate::block::BlockSpec;
use crate::count::{self, exact_width};
use crate::error::Result;
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, ORANGE, VERMILION};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 480;
const TITLE: &str = "The width d of a path that preserves the number of parameters of ResNet's block, \
    against the cardinality C, with the five settings of the paper's Table 2 on the curve.";
/// Table 2.
const PAPER: [(usize, usize); 5] = [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)];
/// The whole widths on either side of the curve at 16 paths, and where their labels stand.
const BETWEEN: [(usize, usize, (f64, f64)); 2] = [(16, 8, (12.0, -12.0)), (16, 7, (-118.0, 14.0))];
/// Points of the curve for each doubling of C. It is all but straight, and Plotters puts points on whole
/// pixels: more of them would make it shiver.
const PER_OCTAVE: u32 = 2;

/// A point of the chart: log2 C, and d.
type Point = (f64, f64);

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let curve = curve().map_err(FigureError::data)?;
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "Cardinality against width, at preserved complexity",
        "256 channels in and out. With 16 paths, which the paper's Table 2 lacks, no whole width comes near.",
    )?;
    let entries = [(BLUE, "exact width"), (ORANGE, "Table 2"), (VERMILION, "C = 16")];
    legend(&mut canvas, (240.0, 82.0), &entries)?;
    let paper: Vec<Point> = PAPER.map(|(c, d)| (f64::from(c.ilog2()), d as f64)).to_vec();
    let between: Vec<Point> = BETWEEN.map(|(c, d, _)| (f64::from(c.ilog2()), d as f64)).to_vec();
    let area = canvas.plot();
    let area = area.margin(100, 16, 24, 36);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..6.0, (1.0..128.0).log_scale().base(2.0))?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh)?;
    mesh.x_labels(7)
        .x_label_formatter(&|power| (1u64 << *power as u32).to_string())
        .y_labels(8)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("cardinality C")
        .y_desc("width d of a path")
        .draw()?;
    chart.draw_series(LineSeries::new(curve, BLUE.stroke_width(3)))?;
    chart.draw_series(between.iter().map(|point| Circle::new(*point, 5, VERMILION.filled())))?;
    chart.draw_series(paper.iter().map(|point| Circle::new(*point, 7, ORANGE.filled())))?;
    let place = |point: &Point| chart.backend_coord(point);
    let (places, others): (Vec<_>, Vec<_>) =
        (paper.iter().map(place).collect(), between.iter().map(place).collect());
    drop(chart);
    drop(area);
    for ((c, d, shift), place) in BETWEEN.into_iter().zip(others) {
        let parameters = parameters(c, d).map_err(FigureError::data)?;
        beside(&mut canvas, place, shift, &format!("{c}×{d}d: {parameters}"))?;
    }
    for ((c, d), place) in PAPER.into_iter().zip(places) {
        let parameters = parameters(c, d).map_err(FigureError::data)?;
        beside(&mut canvas, place, (12.0, -12.0), &format!("{c}×{d}d: {parameters}"))?;
    }
    canvas.finish()
}

/// The exact width, along the curve.
fn curve() -> Result<Vec<Point>> {
    let template = BlockSpec::new(256, 1, 64, 256)?;
    let power = |step: u32| f64::from(step) / f64::from(PER_OCTAVE);
    (0..=6 * PER_OCTAVE)
        .map(|step| Ok((power(step), exact_width(&template, power(step).exp2())?)))
        .collect()
}

fn parameters(cardinality: usize, width: usize) -> Result<String> {
    let spec = BlockSpec::new(256, cardinality, width, 256)?;
    Ok(crate::count::thousands(count::block(&spec)?.convolutions))
}
