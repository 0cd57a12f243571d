//! Published top-1 errors against multiply-adds.

use plotters::chart::ChartBuilder;
use plotters::element::Circle;
use plotters::series::LineSeries;
use plotters::style::{Color, RGBColor};

use super::chart::{beside, heading, legend, look};
use crate::count::{PublishedError, published_error};
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, MUTED, ORANGE};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 500;
const TITLE: &str = "Top-1 error on ImageNet as published in the ResNeXt paper, single crop of 224, \
    against multiply-adds as counted here: at each cost ResNeXt has the lower error.";
/// The crop of all.
const CROP: usize = 224;

/// A point: network, words beside it, where they stand.
type Point = (&'static str, &'static str, (f64, f64));

/// Networks without paths, or with wider ones, by cost.
const RESNET: [Point; 3] = [
    ("resnet50", "ResNet-50", (12.0, 0.0)),
    ("resnet101", "ResNet-101", (6.0, -16.0)),
    ("resnet200", "ResNet-200", (-92.0, -14.0)),
];
const RESNEXT: [Point; 3] = [
    ("resnext50_32x4d", "ResNeXt-50, 32×4d", (-98.0, 24.0)),
    ("resnext101_32x4d", "ResNeXt-101, 32×4d", (-118.0, 20.0)),
    ("resnext101_64x4d", "ResNeXt-101, 64×4d", (-148.0, 14.0)),
];
/// The other settings of Tables 3 and 4, without a line.
const OTHERS: [Point; 8] = [
    ("resnext50_2x40d", "2×40d", (12.0, 0.0)),
    ("resnext50_4x24d", "4×24d", (12.0, 0.0)),
    ("resnext50_8x14d", "8×14d", (12.0, -4.0)),
    ("resnext101_2x40d", "2×40d", (12.0, 0.0)),
    ("resnext101_4x24d", "4×24d", (12.0, -5.0)),
    ("resnext101_8x14d", "8×14d", (12.0, 3.0)),
    ("resnext101_1x100d", "ResNet-101, 1×100d", (-156.0, 0.0)),
    ("resnext101_2x64d", "ResNeXt-101, 2×64d", (-150.0, -16.0)),
];

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "Published error against cost",
        "Errors: Tables 3 and 4 of the paper, quoted, not measured here. MACs: counted here.",
    )?;
    let entries = [(BLUE, "ResNet"), (ORANGE, "ResNeXt"), (MUTED, "other settings")];
    legend(&mut canvas, (290.0, 82.0), &entries)?;
    let series = [
        (at(&RESNET)?, &RESNET[..], BLUE),
        (at(&RESNEXT)?, &RESNEXT[..], ORANGE),
        (at(&OTHERS)?, &OTHERS[..], MUTED),
    ];
    let area = canvas.plot();
    let area = area.margin(100, 16, 24, 36);
    let mut chart = ChartBuilder::on(&area)
        .x_label_area_size(54)
        .y_label_area_size(70)
        .build_cartesian_2d(2.0..17.0, 20.0..24.5)?;
    let mut mesh = chart.configure_mesh();
    look(&mut mesh)?;
    mesh.x_labels(8)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .y_labels(5)
        .y_label_formatter(&|y| format!("{y:.0}"))
        .x_desc("MACs at 224 × 224, in billions")
        .y_desc("top-1 error, in percent")
        .draw()?;
    let mut places = Vec::new();
    for (points, named, color) in &series {
        let color: RGBColor = *color;
        if color != MUTED {
            chart.draw_series(LineSeries::new(points.clone(), color.stroke_width(2)))?;
        }
        let radius = if color == MUTED { 4 } else { 6 };
        chart
            .draw_series(points.iter().map(|point| Circle::new(*point, radius, color.filled())))?;
        places.extend(
            points.iter().zip(*named).map(|(point, named)| (chart.backend_coord(point), named)),
        );
    }
    drop(chart);
    drop(area);
    for (place, (_, words, shift)) in places {
        beside(&mut canvas, place, *shift, words)?;
    }
    canvas.finish()
}

/// MACs in billions, and the error.
fn at(points: &[Point]) -> Result<Vec<(f64, f64)>, FigureError> {
    let one = |(network, ..): &Point| {
        let missing = || FigureError::Data(format!("no error is published for {network}"));
        let error: &PublishedError = published_error(network, CROP).ok_or_else(missing)?;
        let macs = error.macs(CROP).map_err(FigureError::data)?;
        Ok((macs as f64 / 1e9, error.top1))
    };
    points.iter().map(one).collect()
}
