//! The roofline of a run of `triform bench`: what the forms reach, compared with what the machine can reach
//! (Williams, Waterman and Patterson 2009).
//!
//! Intensity is `2 MACs / (4 (weights + input + output))`, in FLOPs per byte. Numerator and denominator are summed
//! over the layers, as if each number were read or written once. Intensity is a property of the block, not of the
//! form, because all forms multiply the same numbers. A form that reads its input 32 times is drawn lower, not
//! further left.

use plotters::chart::ChartBuilder;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};

use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, MUTED, RULE, SERIES};
use triform_canvas::{Canvas, FigureError, Pen, Picture};

use super::chart::{BODY, WIDTH, headed, legend, look, power_of_two};
use crate::block::BlockSpec;
use crate::count;
use crate::evidence::speed::{Record, committed};

/// The smallest range of intensities that is shown, as powers of 2.
const ACROSS: (f64, f64) = (1.0, 7.0);

/// The marks of the forms and of the kinds of layer. Readers can tell them apart even without colour.
#[derive(Clone, Copy)]
enum Sign {
    Disc,
    Ring,
    Triangle,
    Square,
    Cross,
}

/// A point: intensity, GFLOP/s, colour, mark.
type Point = (f64, f64, RGBColor, Sign);

/// Draws the figure of the committed record.
pub(super) fn of_the_record() -> Result<Picture, FigureError> {
    draw(&committed()?)
}

/// Draws the roofline of a run: the layers, and the blocks that ran with the same number of threads as the roof.
///
/// Errors: [`FigureError::Data`] for a block that cannot be read, for a run that has no timed layers or too many
/// blocks, and for a rate that is not a finite number above 0.
pub fn draw(record: &Record) -> Result<Picture, FigureError> {
    let (blocks, points) = points(record)?;
    let roof = &record.roof;
    let reached = points.iter().map(|point| point.1);
    let (lowest, highest) =
        reached.fold((roof.gflops, roof.gflops), |(low, high), y| (low.min(y), high.max(y)));
    let (lowest, highest) = (lowest.log2(), highest.log2());
    // Leaves room below the lowest mark, down to a power of 2, which has a label.
    let (bottom, top) = ((lowest - 0.25).min(lowest.floor()), highest.floor() + 1.0);
    let intensities = points.iter().map(|point| point.0.log2());
    let (left, right) = intensities
        .fold(ACROSS, |(left, right), x| (f64::min(left, x.floor()), f64::max(right, x.ceil())));
    let names: Vec<&str> = blocks.iter().map(String::as_str).collect();
    let title = format!(
        "Roofline of {}: FLOPs a second against FLOPs a byte, each form under the measured peak.",
        names.join(", ")
    );
    let threads = match roof.threads {
        1 => "1 thread".to_owned(),
        count => format!("{count} threads"),
    };
    let below = format!(
        "{threads}, {}, {}: peak {:.0} GFLOP/s; {:.0} GB/s from memory (full line), {:.0} GB/s from cache (thin).",
        legible(&record.machine.cpu),
        record.date,
        roof.gflops,
        roof.memory_gb_s,
        roof.cache_gb_s
    );
    let heading = "What the three forms reach, under the roof";
    let mut canvas = headed((WIDTH, 560), &title, heading, &below)?;
    legend(&mut canvas, SERIES.into_iter().zip(names))?;
    let mut x = 80.0;
    for (sign, words) in [
        (Sign::Triangle, "form (a)"),
        (Sign::Ring, "form (b)"),
        (Sign::Disc, "form (c)"),
        (Sign::Cross, "its grouped 3×3 alone"),
        (Sign::Square, "its two 1×1 alone"),
    ] {
        mark(&mut canvas, (x, 108.0), MUTED, sign)?;
        let style = Lettering::centred(BODY, INK).from_left();
        x = canvas.label(words, (x + 14.0, 108.0), &style)?.right + 30.0;
    }
    let area = canvas.plot().margin(126, 16, 24, 36);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(70)
        .build_cartesian_2d(left..right, bottom..top)?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh);
    mesh.x_labels((right - left) as usize + 1)
        .x_label_formatter(&power_of_two)
        .y_labels((top - bottom) as usize + 1)
        .y_label_formatter(&power_of_two)
        .x_desc("FLOPs a byte of weights, input and output")
        .y_desc("GFLOP/s")
        .draw()?;
    for (bandwidth, width) in [(roof.cache_gb_s, 1), (roof.memory_gb_s, 3)] {
        let line = slope(bandwidth, roof.gflops, bottom, (left, right));
        chart.draw_series(LineSeries::new(line, INK.stroke_width(width)))?;
    }
    let places: Vec<((i32, i32), RGBColor, Sign)> = points
        .iter()
        .map(|&(x, y, color, sign)| (chart.backend_coord(&(x.log2(), y.log2())), color, sign))
        .collect();
    drop((chart, area));
    for ((x, y), color, sign) in places {
        mark(&mut canvas, (x.into(), y.into()), color, sign)?;
    }
    canvas.finish()
}

/// The part of the roof that lies within the chart. It rises along the bandwidth, then stays at the peak.
fn slope(bandwidth: f64, peak: f64, bottom: f64, (left, right): (f64, f64)) -> Vec<(f64, f64)> {
    let (bandwidth, peak) = (bandwidth.log2(), peak.log2());
    let start = left.max(bottom - bandwidth).min(right);
    let ridge = (peak - bandwidth).clamp(start, right);
    let roof = |x: f64| (x, (bandwidth + x).min(peak));
    [start, ridge, right].map(roof).to_vec()
}

/// The names of the blocks, and all points in their colours.
fn points(record: &Record) -> Result<(Vec<String>, Vec<Point>), FigureError> {
    let mut blocks: Vec<(String, String)> = Vec::new();
    for layer in &record.layers {
        let block = (layer.block.clone(), layer.map.clone());
        if !blocks.contains(&block) {
            blocks.push(block);
        }
    }
    if blocks.is_empty() || blocks.len() > SERIES.len() {
        let words = format!("{} blocks with timed layers, not 1 to {}", blocks.len(), SERIES.len());
        return Err(FigureError::Data(words));
    }
    let mut points = Vec::new();
    for ((block, map), color) in blocks.iter().zip(SERIES) {
        let of_block =
            record.layers.iter().filter(|layer| (&layer.block, &layer.map) == (block, map));
        for layer in of_block {
            let sign = if layer.layer == "3x3" { Sign::Cross } else { Sign::Square };
            points.push((layer.intensity, layer.gflops, color, sign));
        }
        let intensity = intensity(block, map)?;
        let of_block = record.rows.iter().filter(|row| (&row.block, &row.map) == (block, map));
        for row in of_block.filter(|row| row.threads == record.roof.threads) {
            let sign = match row.form {
                'a' => Sign::Triangle,
                'b' => Sign::Ring,
                _ => Sign::Disc,
            };
            points.push((intensity, row.gflops, color, sign));
        }
    }
    let unsound = |(x, y, ..): &Point| !(x.is_finite() && y.is_finite() && *x > 0.0 && *y > 0.0);
    if points.iter().any(unsound) {
        return Err(FigureError::Data("a rate that is not a finite number above 0".to_owned()));
    }
    Ok((blocks.into_iter().map(|(block, _)| block).collect(), points))
}

fn intensity(block: &str, map: &str) -> crate::error::Result<f64> {
    let spec: BlockSpec = block.parse()?;
    let wrong = || crate::error::Error::Contradiction(format!("a record with the map {map}"));
    let (h, w) = map.split_once('x').ok_or_else(wrong)?;
    let size = |text: &str| text.parse().map_err(|_| wrong());
    count::block_work(&spec, (size(h)?, size(w)?))?.intensity()
}

/// A processor's name without characters outside ASCII, cut to 40 characters. The figures' font has all of ASCII.
fn legible(name: &str) -> String {
    name.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(40).collect()
}

fn mark(
    canvas: &mut Canvas,
    (x, y): (f64, f64),
    color: RGBColor,
    sign: Sign,
) -> Result<(), FigureError> {
    let pen = Pen { color, width: 2.5 };
    match sign {
        Sign::Disc => canvas.circle((x, y), 5.0, Some(color), None),
        // Not filled, so that what lies below it shows.
        Sign::Ring => canvas.circle((x, y), 7.5, None, Some(pen)),
        Sign::Triangle => {
            canvas.polygon(&[(x, y - 8.0), (x + 7.5, y + 5.5), (x - 7.5, y + 5.5)], color)
        }
        Sign::Square => {
            let edge = Pen { color: RULE, width: 1.0 };
            canvas.rect(Frame::new(x - 4.0, y - 4.0, 8.0, 8.0), 0.0, Some(color), Some(edge))
        }
        Sign::Cross => {
            canvas.line(&[(x - 5.0, y - 5.0), (x + 5.0, y + 5.0)], pen)?;
            canvas.line(&[(x - 5.0, y + 5.0), (x + 5.0, y - 5.0)], pen)
        }
    }
}
