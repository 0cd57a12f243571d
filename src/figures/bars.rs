//! The bar charts. They show the cost of each stage of two networks, the cost of each layer of a block, and times.

use plotters::style::RGBColor;
use plotters_backend::text_anchor::VPos;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{
    BLUE, GREEN, INK, MUTED, ORANGE, PALE_BLUE, PALE_GREEN, PALE_ORANGE, VERMILION,
};
use triform_canvas::{FigureError, Picture};

use super::chart::{BODY, Bar, Bars, WIDTH, bars, headed, legend};
use crate::count::{self, thousands};
use crate::error::Result;
use crate::evidence::speed::{PAPER_RESNET101, PAPER_RESNEXT101, committed, map_name, stages};
use crate::network::layers::Operation;
use crate::network::zoo;

/// Draws the parameters and multiply-adds of ResNet-50 and ResNeXt-50, stage by stage.
pub(super) fn complexity_by_stage() -> Result<Picture, FigureError> {
    const NETWORKS: [(RGBColor, &str); 2] = [(BLUE, "ResNet-50"), (ORANGE, "ResNeXt-50 (32×4d)")];
    let [resnet, resnext] = ["resnet50", "resnext50_32x4d"].map(parts);
    let networks = [resnet?, resnext?];
    let names: Vec<String> = networks[0].iter().map(|(name, _)| name.clone()).collect();
    let [parameters, macs] = [0, 1].map(|quantity| {
        let sums = networks.each_ref().map(|parts| parts.iter().map(|(_, of)| of[quantity]).sum());
        let [before, after]: [f64; 2] = sums;
        let percent = 100.0 * (after / before - 1.0);
        format!("{:.1} % {}", percent.abs(), if percent < 0.0 { "fewer" } else { "more" })
    });
    let mut canvas = headed(
        (WIDTH, 440),
        "Parameters, in millions, and multiply-adds on an image of 224 x 224, in billions, of each \
         stage of ResNet-50 and of ResNeXt-50 (32x4d).",
        "About the same complexity, stage by stage",
        &format!(
            "ResNeXt-50 has {parameters} parameters than ResNet-50, and {macs} multiply-adds."
        ),
    )?;
    legend(&mut canvas, NETWORKS)?;
    let of_quantity = |quantity: usize| -> Vec<Bar> {
        let bars = networks.iter().zip(NETWORKS).zip([-0.36, 0.02]);
        let bars = bars.flat_map(|((parts, (color, _)), start)| {
            parts.iter().enumerate().map(move |(number, (_, of))| {
                let x = number as f64 + start;
                (x, x + 0.34, of[quantity], color)
            })
        });
        bars.collect()
    };
    let side = |of, top, decimals, bars| Bars {
        of,
        top,
        labels: 5,
        decimals,
        names: &names,
        below: "",
        line: None,
        bars,
    };
    let both = [
        side("parameters, in millions", 16.0, 0, of_quantity(0)),
        side("MACs, in billions", 1.6, 1, of_quantity(1)),
    ];
    bars(&mut canvas, 430, both)?;
    canvas.finish()
}

/// The parts of a network. Each has its name, its parameters in millions and its MACs in billions.
fn parts(name: &str) -> Result<Vec<(String, [f64; 2])>> {
    let counted = count::network(&zoo::named(name)?, (224, 224))?.by_place()?;
    let part = |(place, counts): (crate::network::layers::Place, count::Counts)| {
        let (parameters, macs) = (counts.parameters.trained()?, counts.operations.macs()?);
        Ok((place.to_string(), [parameters as f64 / 1e6, macs as f64 / 1e9]))
    };
    counted.into_iter().map(part).collect()
}

/// Draws the times of the three forms of a block, and the ratio of ResNeXt-50's time to ResNet-50's. Both come from
/// the committed record. The paper's ratio stands beside them.
pub(super) fn speed() -> Result<Picture, FigureError> {
    const FORMS: [(char, RGBColor, &str); 3] =
        [('a', BLUE, "form (a)"), ('b', GREEN, "form (b)"), ('c', ORANGE, "form (c)")];
    let record = committed()?;
    let stages = stages()?;
    let blocks: Vec<String> = stages.iter().map(|(spec, _)| spec.name()).collect();
    let mut forms: Vec<Bar> = Vec::new();
    for (number, block) in blocks.iter().enumerate() {
        let time = |form| record.one_thread(block, form);
        for ((form, color, _), start) in FORMS.into_iter().zip([-0.39, -0.13, 0.13]) {
            let from = number as f64 + start;
            forms.push((from, from + 0.24, time(form)? / time('c')?, color));
        }
    }
    let here = record.networks()?;
    let paper = PAPER_RESNEXT101 / PAPER_RESNET101;
    let networks = [(-0.3, 0.3, here, VERMILION), (0.7, 1.3, paper, MUTED)];
    let highest = forms.iter().chain(&networks).map(|bar| bar.2).fold(1.0, f64::max);
    let top = (highest * 5.0 + 0.6).ceil() / 5.0;
    let mut canvas = headed(
        (WIDTH, 480),
        "The time of the three forms of a block relative to form (c) at the four stages of \
         ResNeXt-50, measured; and the time of ResNeXt over that of ResNet, measured here and in the \
         paper.",
        "Time at equal complexity, in ratios",
        &format!(
            "Measured on 1 thread of {} on {}; other machines and kernels may order them otherwise.",
            record.machine.cpu, record.date
        ),
    )?;
    legend(&mut canvas, FORMS.map(|(_, color, words)| (color, words)))?;
    let maps: Vec<String> = stages.iter().map(|(_, map)| map_name(*map)).collect();
    let maps = format!("the block of each stage, on {}", maps.join(", "));
    let pairs = ["50 layers, here", "101 layers, paper"].map(str::to_owned);
    let side = |of, names, below, bars| Bars {
        of,
        top,
        labels: 6,
        decimals: 1,
        names,
        below,
        line: Some(1.0),
        bars,
    };
    let both = [
        side("time / form (c)'s", &blocks[..], &maps, forms),
        side("ResNeXt's time / ResNet's", &pairs, "networks", networks.to_vec()),
    ];
    for ((x, y), height) in bars(&mut canvas, 560, both)? {
        let style = Lettering { down: VPos::Bottom, ..Lettering::centred(BODY, INK) };
        canvas.label(&format!("{height:.2}"), (x, y - 5.0), &style)?;
    }
    canvas.finish()
}

/// Draws each layer's share of a block's parameters, which is also its share of the MACs.
pub(super) fn layer_shares() -> Result<Picture, FigureError> {
    const TALL: f64 = 58.0;
    /// Canvas units per parameter.
    const UNIT: f64 = 720.0 / 71_456.0;
    let mut canvas = headed(
        (WIDTH, 330),
        "The share of the first 1x1, the 3x3 and the last 1x1 in the parameters of ResNet's block \
         and of ResNeXt's, in 8 and in 32 paths.",
        "Where a block's parameters are",
        "Groups make the 3×3 cheap, and the 1×1 around it wide. Shares of the MACs are the same.",
    )?;
    for (block, name, top) in [
        ("256x1x64", "ResNet, 1×64d", 90.0),
        ("256x8x14", "ResNeXt, 8×14d", 166.0),
        ("256x32x4", "ResNeXt, 32×4d", 242.0),
    ] {
        let layers = convolutions(block)?;
        let total: u64 = layers.iter().map(|(_, count)| count).sum();
        let style = Lettering::centred(BODY, INK);
        let (first, second) = (top + TALL / 2.0 - 9.0, top + TALL / 2.0 + 11.0);
        canvas.label(name, (24.0, first), &style.clone().from_left())?;
        canvas.label(&thousands(total), (24.0, second), &style.clone().from_left())?;
        let mut left = 150.0;
        for ((kernel, count), fill) in layers.iter().zip([PALE_BLUE, PALE_ORANGE, PALE_GREEN]) {
            let frame = Frame::new(left, top, *count as f64 * UNIT, TALL);
            canvas.rect(frame, 0.0, Some(fill), None)?;
            let share = format!("{:.1} %", 100.0 * *count as f64 / total as f64);
            let (middle, _) = frame.centre();
            canvas.label(kernel, (middle, first), &style)?;
            canvas.label(&share, (middle, second), &style)?;
            left = frame.right;
        }
    }
    canvas.finish()
}

/// The three convolutions of a block, each with its kernel size and its number of parameters.
fn convolutions(block: &str) -> Result<Vec<(String, u64)>> {
    let counted = count::network(&zoo::named(block)?, (56, 56))?;
    let layers = counted.layers.iter().filter_map(|(layer, counts)| match layer.operation {
        Operation::Convolution { k, .. } => {
            Some((format!("{k}×{k}"), counts.parameters.convolution))
        }
        _ => None,
    });
    Ok(layers.collect())
}
