//! Parameters of a convolution against its groups, from dense to depthwise.

use plotters::chart::ChartBuilder;
use plotters::coord::combinators::IntoLogRange;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::Color;

use super::chart::{beside, heading, legend, look};
use crate::count::convolution;
use crate::count::thousands;
use crate::error::Result;
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, ORANGE};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 460;
const TITLE: &str = "Parameters of a 3x3 convolution from 128 to 128 channels against its number of \
    groups, from dense to depthwise: all are on the line 1/g.";
const CHANNELS: usize = 128;

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let counts: Result<Vec<(f64, u64)>> =
        (0..=7).map(|power| Ok((f64::from(power), parameters(1 << power)?))).collect();
    let counts = counts.map_err(FigureError::data)?;
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "A convolution in g groups has 1/g of the parameters",
        "3×3 from 128 to 128 channels: k·k·C_in·C_out / g. With as many groups as channels: depthwise.",
    )?;
    legend(&mut canvas, (320.0, 82.0), &[(BLUE, "counted"), (ORANGE, "dense / g")])?;
    let dense = counts.first().map_or(0.0, |first| first.1 as f64);
    let area = canvas.plot();
    let area = area.margin(100, 16, 24, 56);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(84)
        .build_cartesian_2d(0.0..7.0, (500.0..500_000.0).log_scale())?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh)?;
    mesh.x_labels(8)
        .x_label_formatter(&|power| (1u64 << *power as u32).to_string())
        .y_labels(4)
        .y_label_formatter(&|y| thousands(*y as u64))
        .x_desc("groups g")
        .y_desc("parameters")
        .draw()?;
    let line = [0.0, 7.0].map(|x: f64| (x, dense / x.exp2()));
    chart.draw_series(LineSeries::new(line, ORANGE.stroke_width(3)))?;
    let points: Vec<(f64, f64)> = counts.iter().map(|(x, count)| (*x, *count as f64)).collect();
    chart.draw_series(points.iter().map(|point| Circle::new(*point, 6, BLUE.filled())))?;
    let places: Vec<_> = points.iter().map(|point| chart.backend_coord(point)).collect();
    drop(chart);
    drop(area);
    for ((power, count), place) in counts.iter().zip(places) {
        let words = match power {
            0.0 => "dense: ",
            5.0 => "ResNeXt-50, conv2: ",
            7.0 => "depthwise: ",
            _ => continue,
        };
        // The last stands at the chart's right edge.
        let shift = if *power == 7.0 { (-122.0, 20.0) } else { (12.0, -12.0) };
        beside(&mut canvas, place, shift, &format!("{words}{}", thousands(*count)))?;
    }
    canvas.finish()
}

fn parameters(groups: usize) -> Result<u64> {
    convolution(3, 3, CHANNELS, CHANNELS, groups)
}
