//! Times of the three forms, and of ResNeXt-50 against ResNet-50, from the committed record; beside the
//! paper's.

use plotters::chart::ChartBuilder;
use plotters::element::{PathElement, Rectangle};
use plotters::style::{Color, RGBColor};
use plotters_backend::text_anchor::VPos;

use super::chart::{BODY, heading, legend, look};
use crate::block::BlockSpec;
use crate::error::Result;
use crate::evidence::speed::{
    PAPER_RESNET101, PAPER_RESNEXT101, Record, committed, map_name, name, stages,
};
use triform_canvas::FigureError;
use triform_canvas::lettering::Lettering;
use triform_canvas::palette::{BLUE, GREEN, INK, MUTED, ORANGE, VERMILION};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 480;
const TITLE: &str = "The time of the three forms of a block relative to form (c) at the four stages of \
    ResNeXt-50, measured; and the time of ResNeXt over that of ResNet, measured here and in the paper.";
const FORMS: [(char, RGBColor, &str); 3] =
    [('a', BLUE, "form (a)"), ('b', GREEN, "form (b)"), ('c', ORANGE, "form (c)")];

/// A bar: where it begins and ends, how high it is, its colour.
type Bar = (f64, f64, f64, RGBColor);
/// The block of a stage, and its map.
type Stage = (BlockSpec, (usize, usize));

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let record = committed().map_err(FigureError::data)?;
    let stages = stages().map_err(FigureError::data)?;
    let (names, bars) = forms(&record, &stages).map_err(FigureError::data)?;
    let here = record.networks().map_err(FigureError::data)?;
    let paper = PAPER_RESNEXT101 / PAPER_RESNET101;
    let networks = [(-0.3, 0.3, here, VERMILION), (0.7, 1.3, paper, MUTED)];
    let heights = bars.iter().chain(&networks).map(|bar| bar.2);
    let top = (heights.fold(1.0, f64::max) * 5.0 + 0.6).ceil() / 5.0;

    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    let below = format!(
        "Measured on 1 thread of {} on {}; other machines and kernels may order them otherwise.",
        record.machine.cpu, record.date
    );
    heading(&mut canvas, "Time at equal complexity, in ratios", &below)?;
    legend(&mut canvas, (170.0, 82.0), &FORMS.map(|(_, color, words)| (color, words)))?;
    let area = canvas.plot();
    let (left, right) = area.margin(100, 16, 16, 24).split_horizontally(560);
    let pairs = ["50 layers, here", "101 layers, paper"].map(str::to_owned);
    let maps: Vec<String> = stages.iter().map(|(_, map)| map_name(*map)).collect();
    let blocks = format!("the block of each stage, on {}", maps.join(", "));
    let sides = [
        (left, "time / form (c)'s", blocks.as_str(), &bars[..], 3.5, &names[..]),
        (right, "ResNeXt's time / ResNet's", "networks", &networks, 1.5, &pairs),
    ];
    let mut labels = Vec::new();
    for (side, words, axis, bars, end, names) in sides {
        let name = |x: &f64| at_whole(*x, names);
        let mut chart = ChartBuilder::on(&side)
            .x_label_area_size(56)
            .y_label_area_size(62)
            .margin_right(12)
            .build_cartesian_2d(-0.5..end, 0.0..top)?;
        let mut mesh = chart.configure_mesh();
        look(&mut mesh)?;
        mesh.disable_x_mesh()
            .x_labels(end as usize + 2)
            .x_label_formatter(&name)
            .y_labels(6)
            .y_label_formatter(&|y| format!("{y:.1}"))
            .x_desc(axis)
            .y_desc(words)
            .draw()?;
        chart.draw_series(bars.iter().map(|&(from, to, height, color)| {
            Rectangle::new([(from, 0.0), (to, height)], color.filled())
        }))?;
        let one = vec![(-0.5, 1.0), (end, 1.0)];
        chart.draw_series([PathElement::new(one, INK.stroke_width(1))])?;
        labels.extend(bars.iter().map(|&(from, to, height, _)| {
            (chart.backend_coord(&((from + to) / 2.0, height)), height)
        }));
    }
    drop(area);
    for ((x, y), height) in labels {
        let style = Lettering { down: VPos::Bottom, ..Lettering::centred(BODY, INK) };
        canvas.label(&format!("{height:.2}"), (x.into(), f64::from(y) - 5.0), &style)?;
    }
    canvas.finish()
}

/// The name at an integer.
fn at_whole(x: f64, names: &[String]) -> String {
    let name = names.get(x.round() as usize).filter(|_| x.fract() == 0.0 && x >= 0.0);
    name.cloned().unwrap_or_default()
}

/// The blocks, and a bar for each form of each.
fn forms(record: &Record, stages: &[Stage]) -> Result<(Vec<String>, Vec<Bar>)> {
    let (mut names, mut bars) = (Vec::new(), Vec::new());
    for (number, (spec, _)) in stages.iter().enumerate() {
        let block = name(spec);
        let grouped = record.one_thread(&block, 'c')?;
        for ((form, color, _), start) in FORMS.into_iter().zip([-0.39, -0.13, 0.13]) {
            let from = number as f64 + start;
            let ratio = record.one_thread(&block, form)? / grouped;
            bars.push((from, from + 0.24, ratio, color));
        }
        names.push(block);
    }
    Ok((names, bars))
}
