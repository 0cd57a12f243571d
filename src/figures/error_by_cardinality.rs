//! The error of each form against the cardinality, at fixed D.

use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::chart::{heading, legend, look};
use super::measurements::error_by_cardinality;
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, ORANGE};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 460;
const TITLE: &str = "The error of form (a) and of forms (b) and (c) in f32 against the cardinality \
    C, at D = C d = 128.";
/// D = C d.
const INNER: usize = 128;

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let data =
        error_by_cardinality(INNER, 4).map_err(|error| FigureError::Data(error.to_string()))?;
    let largest = data.iter().fold(0f64, |max, at| max.max(at.aggregated).max(at.grouped));
    let top = (largest * 1.15).ceil();
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "Rounding against cardinality, at D = C d = 128",
        "Blocks of 256 channels in f32, summed one term after the other. Form (a) sums path by path.",
    )?;
    legend(&mut canvas, (300.0, 82.0), &[(BLUE, "form (a)"), (ORANGE, "forms (b) and (c)")])?;
    let area = canvas.plot();
    let area = area.margin(100, 16, 24, 36);
    let last = (data.len() - 1) as f64;
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..last, 0.0..top)?;
    let cardinality = |power: &f64| format!("{}×{}", 1u64 << *power as u32, INNER >> *power as u32);
    let mut mesh = chart.configure_mesh();
    look(&mut mesh)?;
    mesh.x_labels(data.len())
        .x_label_formatter(&cardinality)
        .y_labels(6)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("cardinality C × width d")
        .y_desc("typical error / typical output, in 2⁻²⁴")
        .draw()?;
    let line = |of: fn(&super::measurements::AtCardinality) -> f64| {
        let points = data.iter().map(of).enumerate();
        points.map(|(power, y)| (power as f64, y)).collect::<Vec<_>>()
    };
    for (points, color) in [(line(|at| at.grouped), ORANGE), (line(|at| at.aggregated), BLUE)] {
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(3)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
    }
    drop(chart);
    drop(area);
    canvas.finish()
}
