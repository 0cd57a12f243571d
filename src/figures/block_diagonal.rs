//! A grouped kernel, drawn as the dense one that does the same: zero outside the blocks.

use super::chart::{BODY, heading};
use crate::count::convolution;
use crate::count::thousands;
use plotters_backend::FontTransform;
use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, MUTED, PAPER, RULE, SERIES, SHADE};
use triform_canvas::{Canvas, Pen, Picture};

const WIDTH: u32 = 900;
const HEIGHT: u32 = 450;
const TITLE: &str = "The kernel of a convolution from 16 to 16 channels as a matrix of k x k \
    kernels: full when dense, four blocks on the diagonal in 4 groups, the diagonal alone when \
    depthwise. All else is zero.";
/// Channels in and out.
const CHANNELS: usize = 16;
const PANELS: [(usize, &str, f64); 3] = [
    (1, "dense, g = 1", 66.0),
    (4, "grouped, g = 4", 346.0),
    (CHANNELS, "depthwise, g = 16", 626.0),
];
const TOP: f64 = 116.0;
const CELL: f64 = 15.0;

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    heading(
        &mut canvas,
        "A grouped convolution is a dense one with zeros",
        "16 to 16 channels. A cell is one k × k kernel, a colour one group; what is grey is zero.",
    )?;
    for (groups, words, left) in PANELS {
        panel(&mut canvas, groups, words, left)?;
    }
    canvas.finish()
}

fn panel(canvas: &mut Canvas, groups: usize, words: &str, left: f64) -> Result<(), FigureError> {
    let side = CELL * CHANNELS as f64;
    let (middle, centred) = (left + side / 2.0, Lettering::centred(BODY, INK));
    canvas.label(words, (middle, TOP - 20.0), &centred)?;
    let width = CHANNELS / groups;
    let pen = Pen { color: PAPER, width: 1.0 };
    for row in 0..CHANNELS {
        for column in 0..CHANNELS {
            let group = row / width;
            let fill = if group == column / width { SERIES[group % SERIES.len()] } else { SHADE };
            let (x, y) = (left + CELL * column as f64, TOP + CELL * row as f64);
            canvas.rect(Frame::new(x, y, CELL, CELL), 0.0, Some(fill), Some(pen))?;
        }
    }
    let edge = Pen { color: RULE, width: 1.0 };
    canvas.rect(Frame::new(left, TOP, side, side), 0.0, None, Some(edge))?;
    let muted = Lettering::centred(BODY, MUTED);
    canvas.label("input channel", (middle, TOP + side + 18.0), &muted)?;
    let turned = Lettering { turn: FontTransform::Rotate270, ..muted };
    canvas.label("output channel", (left - 16.0, TOP + side / 2.0), &turned)?;
    let kernels = convolution(1, 1, CHANNELS, CHANNELS, groups).map_err(FigureError::data)?;
    let count = format!("{} k k parameters", thousands(kernels));
    canvas.label(&count, (middle, TOP + side + 48.0), &centred)?;
    Ok(())
}
