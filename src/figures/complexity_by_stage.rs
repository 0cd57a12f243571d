//! Parameters and multiply-adds of ResNet-50 and ResNeXt-50, stage by stage.

use plotters::chart::ChartBuilder;
use plotters::element::Rectangle;
use plotters::style::{Color, RGBColor};

use super::chart::{heading, legend, look};
use crate::count;
use crate::error::Result;
use crate::network::zoo;
use triform_canvas::FigureError;
use triform_canvas::palette::{BLUE, ORANGE};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 440;
const TITLE: &str = "Parameters, in millions, and multiply-adds on an image of 224 x 224, in \
    billions, of each stage of ResNet-50 and of ResNeXt-50 (32x4d).";
const NETWORKS: [(&str, &str, RGBColor); 2] =
    [("resnet50", "ResNet-50", BLUE), ("resnext50_32x4d", "ResNeXt-50 (32×4d)", ORANGE)];

/// A part of a network: its name, parameters in millions, MACs in billions.
type Part = (String, f64, f64);

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let counted = NETWORKS.map(|(name, ..)| parts(name));
    let [resnet, resnext] = counted.map(|parts| parts.map_err(FigureError::data));
    let (resnet, resnext) = (resnet?, resnext?);
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "About the same complexity, stage by stage",
        &compared(&resnet, &resnext),
    )?;
    legend(&mut canvas, (290.0, 82.0), &NETWORKS.map(|(_, words, color)| (color, words)))?;
    let area = canvas.plot();
    let (left, right) = area.margin(100, 16, 16, 24).split_horizontally(430);
    let sides = [(left, "parameters, in millions", 16.0, 0), (right, "MACs, in billions", 1.6, 1)];
    for (side, words, top, quantity) in sides {
        let mut chart = ChartBuilder::on(&side)
            .x_label_area_size(34)
            .y_label_area_size(62)
            .margin_right(12)
            .build_cartesian_2d(-0.5..5.5, 0.0..top)?;
        let name = |x: &f64| {
            let part = resnet.get(x.round() as usize).filter(|_| x.fract() == 0.0 && *x >= 0.0);
            part.map_or(String::new(), |part| part.0.clone())
        };
        let digits = usize::from(quantity == 1);
        let mut mesh = chart.configure_mesh();
        look(&mut mesh)?;
        mesh.disable_x_mesh()
            .x_labels(7)
            .x_label_formatter(&name)
            .y_labels(5)
            .y_label_formatter(&|y| format!("{y:.digits$}"))
            .y_desc(words)
            .draw()?;
        for (network, (_, _, color), start) in
            [(&resnet, NETWORKS[0], -0.36), (&resnext, NETWORKS[1], 0.02)]
        {
            chart.draw_series(network.iter().enumerate().map(|(number, part)| {
                let height = if quantity == 0 { part.1 } else { part.2 };
                let x = number as f64 + start;
                Rectangle::new([(x, 0.0), (x + 0.34, height)], color.filled())
            }))?;
        }
    }
    drop(area);
    canvas.finish()
}

/// The two networks as a whole.
fn compared(resnet: &[Part], resnext: &[Part]) -> String {
    let change = |of: fn(&Part) -> f64| {
        let [before, after]: [f64; 2] = [resnet, resnext].map(|parts| parts.iter().map(of).sum());
        let percent = 100.0 * (after / before - 1.0);
        format!("{:.1} % {}", percent.abs(), if percent < 0.0 { "fewer" } else { "more" })
    };
    format!(
        "ResNeXt-50 has {} parameters than ResNet-50, and {} multiply-adds.",
        change(|part| part.1),
        change(|part| part.2)
    )
}

fn parts(name: &str) -> Result<Vec<Part>> {
    let counted = count::network(&zoo::named(name)?, (224, 224))?;
    let part = |(place, counts): (crate::network::layers::Place, count::Counts)| {
        let (parameters, macs) = (counts.parameters.trained()?, counts.operations.macs()?);
        Ok((place.to_string(), parameters as f64 / 1e6, macs as f64 / 1e9))
    };
    counted.by_place()?.into_iter().map(part).collect()
}
