//! The share of each layer in a block's parameters, which is also its share of the MACs.

use super::chart::{BODY, heading};
use crate::count::thousands;
use crate::count::{self, Counts};
use crate::error::Result;
use crate::network::layers::{Layer, Operation};
use crate::network::zoo;
use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, PALE_BLUE, PALE_GREEN, PALE_ORANGE};
use triform_canvas::{Canvas, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 330;
const TITLE: &str = "The share of the first 1x1, the 3x3 and the last 1x1 in the parameters of \
    ResNet's block and of ResNeXt's, in 8 and in 32 paths.";
const ROWS: [(&str, &str, f64); 3] = [
    ("256x1x64", "ResNet, 1×64d", 90.0),
    ("256x8x14", "ResNeXt, 8×14d", 166.0),
    ("256x32x4", "ResNeXt, 32×4d", 242.0),
];
const LEFT: f64 = 150.0;
/// Canvas units for a parameter.
const UNIT: f64 = 720.0 / 71_456.0;
const TALL: f64 = 58.0;

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "Where a block's parameters are",
        "Groups make the 3×3 cheap, and the 1×1 around it wide. Shares of the MACs are the same.",
    )?;
    for (block, name, top) in ROWS {
        let layers = convolutions(block).map_err(FigureError::data)?;
        let total: u64 = layers.iter().map(|(_, count)| count).sum();
        let style = Lettering::centred(BODY, INK).from_left();
        canvas.label(name, (24.0, top + TALL / 2.0 - 9.0), &style)?;
        canvas.label(&thousands(total), (24.0, top + TALL / 2.0 + 11.0), &style)?;
        let mut left = LEFT;
        for ((words, count), fill) in layers.iter().zip([PALE_BLUE, PALE_ORANGE, PALE_GREEN]) {
            let frame = Frame::new(left, top, *count as f64 * UNIT, TALL);
            canvas.rect(frame, 0.0, Some(fill), None)?;
            let share = format!("{:.1} %", 100.0 * *count as f64 / total as f64);
            let (x, y) = frame.centre();
            let centred = Lettering::centred(BODY, INK);
            canvas.label(words, (x, y - 9.0), &centred)?;
            canvas.label(&share, (x, y + 11.0), &centred)?;
            left = frame.right;
        }
    }
    canvas.finish()
}

/// The three convolutions of a block, each with its parameters.
fn convolutions(block: &str) -> Result<Vec<(String, u64)>> {
    let counted = count::network(&zoo::named(block)?, (56, 56))?;
    let named = |(layer, counts): &(Layer, Counts)| match layer.operation {
        Operation::Convolution { k, .. } => {
            Some((format!("{k}×{k}"), counts.parameters.convolution))
        }
        _ => None,
    };
    Ok(counted.layers.iter().filter_map(named).collect())
}
