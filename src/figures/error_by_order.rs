//! The error of a long sum against the order in which it is taken.

use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::chart::{heading, legend, look};
use super::measurements::error_by_order;
use crate::random::Seed;
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, GREEN, ORANGE, VERMILION};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 460;
const TITLE: &str = "The error of sums over 128, 256, 512 and 1024 channels in f32 against the \
    length of the runs in which they are taken: least where the runs are as long as they are many.";

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let of = |terms: usize| {
        error_by_order(terms, Seed(0)).map_err(|error| FigureError::Data(error.to_string()))
    };
    let series = [(128, BLUE), (256, GREEN), (512, ORANGE), (1024, VERMILION)];
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "Rounding against the order of summation",
        "The last 1×1 over D channels, in runs: each run from zero, then the runs. Form (a) takes runs of d.",
    )?;
    let names = series.map(|(terms, color)| (color, format!("D = {terms}")));
    let names: Vec<_> = names.iter().map(|(color, name)| (*color, name.as_str())).collect();
    legend(&mut canvas, (230.0, 82.0), &names)?;
    let area = canvas.plot();
    let area = area.margin(100, 16, 24, 36);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..10.0, 0.0..8.0)?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh)?;
    mesh.x_labels(11)
        .x_label_formatter(&|power| (1u64 << *power as u32).to_string())
        .y_labels(5)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("length of a run, in terms (1 and D: one after the other)")
        .y_desc("typical error / typical sum, in 2⁻²⁴")
        .draw()?;
    for (terms, color) in series {
        let points: Vec<(f64, f64)> =
            of(terms)?.iter().map(|at| (at.run.ilog2().into(), at.typical)).collect();
        chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(3)))?;
        chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, color.filled())))?;
    }
    drop(chart);
    drop(area);
    canvas.finish()
}
