//! The three forms of the ResNeXt block side by side, as in Figure 3 of Xie et al. (2017): one
//! set of weights, cut in three ways.
//!
//! A colour stands for one path's weights and is the same in all three panels. Rows line up
//! across the panels, so that the eye can compare the forms step by step.

use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, MUTED, PAPER};
use triform_canvas::{Canvas, FigureError, Picture};

use super::boxes::{
    BODY, COLORS, HAIR, SUM, TALL, THIN, Weights, add_shortcut, boxed, column, dots, down,
    down_named, heading, legend,
};

const TITLE: &str = "The three forms of a ResNeXt block with 32 paths of width 4: (a) the \
    outputs of 32 paths are summed, (b) the paths are concatenated before one 1×1 convolution, \
    (c) the paths are the groups of one grouped convolution. All three hold the same weights.";

/// Where each panel begins, and how wide its boxes are.
const PANELS: [f64; 3] = [35.0, 425.0, 815.0];
const WIDE: f64 = 330.0;
const NARROW: f64 = 140.0;
/// How far right of the boxes the shortcut runs.
const LANE: f64 = 20.0;

/// The top of each row of boxes, from the input down to the last ReLU.
const INPUT: f64 = 92.0;
const ROWS: [f64; 4] = [180.0, 236.0, 292.0, 348.0];
const NORM: f64 = 404.0;
const ADD: f64 = 465.0;
const RELU: f64 = 494.0;
const OUTPUT: f64 = 548.0;

/// One of the paths that are drawn; the other 29 are three dots.
struct Path {
    number: u8,
    weights: Weights,
    /// Its boxes in a panel with separate paths: how far from the panel's left.
    column: f64,
    /// Its slice of a box that holds all paths: how far from the panel's left.
    slice: f64,
}

const COLUMN: f64 = 98.0;
const SLICE: f64 = 30.0;
const PATHS: [Path; 3] = [
    Path { number: 1, weights: COLORS[0], column: 0.0, slice: 0.0 },
    Path { number: 2, weights: COLORS[1], column: COLUMN + 6.0, slice: SLICE },
    Path { number: 32, weights: COLORS[2], column: WIDE - COLUMN, slice: WIDE - SLICE },
];

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(1200, 736, TITLE)?;
    summed(&mut canvas, PANELS[0])?;
    concatenated(&mut canvas, PANELS[1])?;
    grouped(&mut canvas, PANELS[2])?;
    for x in &PANELS[1..] {
        let place = (x - (PANELS[1] - PANELS[0] - WIDE - LANE) / 2.0, ROWS[1] + TALL / 2.0);
        canvas.label("=", place, &Lettering::centred(34.0, INK))?;
    }
    laws(&mut canvas)?;
    let words = [
        "One colour is the weights of one path, the same numbers in all three panels.",
        "A box reads: channels in, kernel, channels out.",
    ];
    let rest = "Batch norm and ReLU follow the other convolutions too and are not drawn there; \
        in (a) the last batch norm comes after the sum of the paths.";
    let sides = (PANELS[0], PANELS[2] + WIDE + LANE);
    legend(&mut canvas, sides, 686.0, [""; 3], &words, rest)?;
    canvas.finish()
}

/// Panel (a): every path ends in its own 1×1 convolution, and their outputs are added.
fn summed(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(a) aggregated transformations", "32 paths, summed")?;
    paths(canvas, left, &["256, 1×1, 4", "4, 3×3, 4", "4, 1×1, 256"])?;
    boxed(canvas, wide(left, ROWS[3]), "Σ (sum of the 32 paths)", None)?;
    ending(canvas, left)
}

/// Panel (b): the paths' 4 channels each become one tensor of 128, which one 1×1 reads.
fn concatenated(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(b) early concatenation", "32 paths, concatenated, then one 1×1")?;
    paths(canvas, left, &["256, 1×1, 4", "4, 3×3, 4"])?;
    boxed(canvas, wide(left, ROWS[2]), "concatenate to 128", None)?;
    down(canvas, left + WIDE / 2.0, ROWS[2] + TALL, ROWS[3], THIN)?;
    striped(canvas, wide(left, ROWS[3]), "128, 1×1, 256")?;
    ending(canvas, left)
}

/// Panel (c): one wide convolution after another, the middle one in groups.
fn grouped(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(c) grouped convolution", "one wide path, its 3×3 in 32 groups")?;
    down(canvas, left + WIDE / 2.0, INPUT + TALL, ROWS[0], THIN)?;
    striped(canvas, wide(left, ROWS[0]), "256, 1×1, 128")?;
    striped(canvas, wide(left, ROWS[1]), "128, 3×3, 128, 32 groups")?;
    striped(canvas, wide(left, ROWS[3]), "128, 1×1, 256")?;
    for (top, bottom) in [(ROWS[0] + TALL, ROWS[1]), (ROWS[1] + TALL, ROWS[3])] {
        for path in &PATHS {
            down(canvas, left + path.slice + SLICE / 2.0, top, bottom, path.weights.0)?;
        }
        dots(canvas, left + WIDE / 2.0, f64::midpoint(top, bottom))?;
    }
    ending(canvas, left)
}

/// The input and the paths below it, one row of boxes for each convolution.
fn paths(canvas: &mut Canvas, left: f64, convolutions: &[&str]) -> Result<(), FigureError> {
    for path in &PATHS {
        let x = left + path.column;
        let name = format!("path {}", path.number);
        down_named(canvas, x + COLUMN / 2.0, INPUT + TALL, ROWS[0], &name)?;
        let boxes = ROWS.into_iter().zip(convolutions);
        let boxes = boxes.map(|(top, text)| (top, (*text).to_owned(), Some(path.weights)));
        column(canvas, (x, COLUMN), boxes, ROWS[convolutions.len()])?;
    }
    let gap = left + f64::midpoint(PATHS[1].column + COLUMN, PATHS[2].column);
    let mut rows = ROWS.iter().take(convolutions.len());
    rows.try_for_each(|top| dots(canvas, gap, top + TALL / 2.0))
}

/// What the three forms share: the input, and everything after the last convolution or the sum.
fn ending(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    let x = left + WIDE / 2.0;
    let narrow = |top| Frame::new(x - NARROW / 2.0, top, NARROW, TALL);
    boxed(canvas, wide(left, INPUT), "256-d in", None)?;
    down(canvas, x, ROWS[3] + TALL, NORM, THIN)?;
    boxed(canvas, narrow(NORM), "batch norm", None)?;
    down(canvas, x, NORM + TALL, ADD - SUM, THIN)?;
    add_shortcut(canvas, wide(left, INPUT), left + WIDE + LANE, ADD, RELU)?;
    boxed(canvas, narrow(RELU), "ReLU", None)?;
    down(canvas, x, RELU + TALL, OUTPUT, THIN)?;
    canvas.label("256-d out", (x, OUTPUT + 11.0), &Lettering::centred(BODY, INK)).map(drop)
}

/// Below the panels: what it takes to get from one form to the one on its left.
fn laws(canvas: &mut Canvas) -> Result<(), FigureError> {
    let steps = [
        ["(b) → (a): associativity", "the sum over 128 channels, taken 4 at a time"],
        ["(c) → (b): re-indexing only", "the same sums of the same products: no algebra"],
    ];
    for (pair, [law, meaning]) in PANELS.windows(2).zip(steps) {
        // Each bracket keeps clear of the middle, where the other one begins or ends.
        let (to, from) = (pair[0] + WIDE / 2.0 + 12.0, pair[1] + WIDE / 2.0 - 12.0);
        let (top, low) = (OUTPUT + 28.0, OUTPUT + 44.0);
        canvas.arrow(&[(from, top), (from, low), (to, low), (to, top)], THIN)?;
        let x = f64::midpoint(to, from);
        canvas.label(law, (x, low + 21.0), &Lettering::centred(16.5, INK))?;
        canvas.label(meaning, (x, low + 43.0), &Lettering::centred(BODY, MUTED))?;
    }
    Ok(())
}

/// A box that carries the weights of all paths, each path's in a slice of its own.
fn striped(canvas: &mut Canvas, frame: Frame, text: &str) -> Result<(), FigureError> {
    canvas.rect(frame, 5.0, Some(PAPER), Some(THIN))?;
    for path in &PATHS {
        let slice = Frame::new(frame.left + path.slice, frame.top, SLICE, TALL);
        boxed(canvas, slice, &path.number.to_string(), Some(path.weights))?;
    }
    let middle = Frame { left: frame.left + 2.0 * SLICE, right: frame.right - SLICE, ..frame };
    // The slices of the 29 other paths are only marked at the edges: there is text between.
    let step = (middle.right - middle.left) / 29.0;
    for x in (1..29).map(|cut| middle.left + f64::from(cut) * step) {
        canvas.line(&[(x, frame.top + 1.0), (x, frame.top + 5.0)], HAIR)?;
        canvas.line(&[(x, frame.bottom - 5.0), (x, frame.bottom - 1.0)], HAIR)?;
    }
    canvas.label_in(text, middle, &Lettering::centred(BODY, INK))
}

fn wide(left: f64, top: f64) -> Frame {
    Frame::new(left, top, WIDE, TALL)
}
