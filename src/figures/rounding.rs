//! Draws how far apart forms (a) and (c) are in `f32`, at each stage. Beside that, it draws the largest difference
//! that rounding can explain.

use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Polygon};
use plotters::style::Color;

use triform_canvas::lettering::Lettering;
use triform_canvas::palette::{BLUE, GREEN, INK, MUTED, ORANGE};
use triform_canvas::{Canvas, FigureError, Picture};

use super::chart::{WIDTH, headed, legend, look, power_of_ten};
use super::measurements::{Differences, differences};
use crate::block::BlockSpec;
use crate::error::Result;
use crate::evidence::generator::Shape;
use crate::random::Seed;

const HEIGHT: u32 = 576;
/// The top of the first histogram, and the distance from each histogram to the next.
const TOP: i32 = 100;
const DOWN: i32 = 104;

/// The powers of ten at the left and at the right edge.
const DECADES: (i32, i32) = (-10, 1);
/// Bins per decade.
const FINE: i32 = 4;

/// Draws the figure.
pub(super) fn draw() -> std::result::Result<Picture, FigureError> {
    let stages = stages()?;
    let mut canvas = headed(
        (WIDTH, HEIGHT),
        "Four histograms, one for each stage of ResNeXt-50: the differences between forms (a) and \
         (c) in f32 are around a millionth, far below what rounding can explain.",
        "How far apart forms (a) and (c) are, value by value",
        "One block of each stage in f32, on a map of 7 × 7. Each histogram has its own height.",
    )?;
    let entries = [
        (BLUE, "the difference of the forms"),
        (GREEN, "explained, last layer alone"),
        (ORANGE, "explained, end to end"),
    ];
    legend(&mut canvas, entries)?;
    for (row, (name, shape, data)) in stages.iter().enumerate() {
        let top = TOP + DOWN * row as i32;
        let (equal, all) = (data.differences.iter().filter(|d| **d == 0.0), &data.differences);
        let equal = format!("{:.0}% equal", 100.0 * equal.count() as f64 / all.len() as f64);
        let small = Lettering::centred(12.0, MUTED);
        for (words, x, down, style) in [
            (name, 24.0, 60, Lettering::centred(15.0, INK)),
            (shape, 24.0, 82, small.clone()),
            (&equal, 220.0, 60, small),
        ] {
            canvas.label(words, (x, f64::from(top + down)), &style.from_left())?;
        }
        panel(&mut canvas, top, data, row + 1 == stages.len())?;
    }
    canvas.finish()
}

type Stage = (String, String, Differences);

fn stages() -> Result<Vec<Stage>> {
    (0..4)
        .map(|stage| {
            let spec = BlockSpec::new(256 << stage, 32, 4 << stage, 256 << stage)?;
            let data = differences(&Shape::new(spec, (7, 7)), Seed(0))?;
            Ok((format!("conv{}", stage + 2), spec.to_string(), data))
        })
        .collect()
}

/// One stage's three histograms.
fn panel(
    canvas: &mut Canvas,
    top: i32,
    data: &Differences,
    last: bool,
) -> std::result::Result<(), FigureError> {
    let axis = if last { 50 } else { 0 };
    let below = HEIGHT as i32 - top - 98 - axis;
    let area = canvas.plot().margin(top, below, 150, 24);
    let (from, to) = (f64::from(DECADES.0), f64::from(DECADES.1));
    let mut chart =
        ChartBuilder::on(&area).x_label_area_size(axis).build_cartesian_2d(from..to, 0.0..1.08)?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh);
    mesh.disable_y_mesh().disable_y_axis();
    mesh.x_labels(12).x_label_formatter(&|power| power_of_ten(power.round() as i32));
    if last {
        mesh.x_desc("size of a difference (outputs are about 1)");
    }
    mesh.draw()?;
    for (values, color) in
        [(&data.explained, ORANGE), (&data.explained_at_cut, GREEN), (&data.differences, BLUE)]
    {
        let steps = outline(values);
        chart.draw_series([Polygon::new(steps.clone(), color.mix(0.25))])?;
        chart.draw_series([PathElement::new(steps, color.stroke_width(2))])?;
    }
    Ok(())
}

/// The outline of a histogram over powers of ten. Its highest bin has height 1.
fn outline(values: &[f64]) -> Vec<(f64, f64)> {
    let bins = ((DECADES.1 - DECADES.0) * FINE) as usize;
    let mut counts = vec![0f64; bins];
    for value in values.iter().filter(|value| **value > 0.0) {
        let bin = ((value.log10() - f64::from(DECADES.0)) * f64::from(FINE)).floor();
        counts[(bin.max(0.0) as usize).min(bins - 1)] += 1.0;
    }
    let highest = counts.iter().fold(1f64, |highest, count| highest.max(*count));
    let edge = |bin: usize| f64::from(DECADES.0) + bin as f64 / f64::from(FINE);
    let mut steps = Vec::new();
    for (bin, count) in counts.iter().enumerate().filter(|(_, count)| **count > 0.0) {
        if steps.is_empty() {
            steps.push((edge(bin), 0.0));
        }
        steps.push((edge(bin), count / highest));
        steps.push((edge(bin + 1), count / highest));
    }
    if let Some((x, _)) = steps.last().copied() {
        steps.push((x, 0.0));
    }
    steps
}
