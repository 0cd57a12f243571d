//! The three forms of the ResNeXt block side by side, as in Figure 3 of Xie et al. (2017): one
//! set of weights, cut in three ways.
//!
//! A colour stands for one path's weights and is the same in all three panels. Rows line up
//! across the panels, so that the eye can compare the forms step by step.

use plotters::style::RGBColor;

use super::boxes::{
    BODY, SUM, TALL, THIN, add_shortcut, boxed, dots, down, down_named, heading, plain, strong,
};
use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{
    BLUE, GREEN, INK, MUTED, ORANGE, PALE_BLUE, PALE_GREEN, PALE_ORANGE, PAPER, RULE,
};
use triform_canvas::{Canvas, Pen, Picture};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 736;
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
const FIRST: f64 = 180.0;
const SECOND: f64 = 236.0;
const THIRD: f64 = 292.0;
const FOURTH: f64 = 348.0;
const NORM: f64 = 404.0;
const ADD: f64 = 465.0;
const RELU: f64 = 494.0;
const OUTPUT: f64 = 548.0;
/// The first line of the legend.
const LEGEND: f64 = 686.0;

const LAW: f64 = 16.5;

/// One of the paths that are drawn; the other 29 are three dots.
struct Path {
    number: u8,
    edge: RGBColor,
    fill: RGBColor,
    /// Its boxes in a panel with separate paths: how far from the panel's left, and how wide.
    column: f64,
    /// Its slice of a box that holds all paths: how far from the panel's left.
    slice: f64,
}

const COLUMN: f64 = 98.0;
const SLICE: f64 = 30.0;
const PATHS: [Path; 3] = [
    Path { number: 1, edge: BLUE, fill: PALE_BLUE, column: 0.0, slice: 0.0 },
    Path { number: 2, edge: ORANGE, fill: PALE_ORANGE, column: COLUMN + 6.0, slice: SLICE },
    Path { number: 32, edge: GREEN, fill: PALE_GREEN, column: WIDE - COLUMN, slice: WIDE - SLICE },
];

const TICK: Pen = Pen { color: RULE, width: 1.0 };

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    summed(&mut canvas, PANELS[0])?;
    concatenated(&mut canvas, PANELS[1])?;
    grouped(&mut canvas, PANELS[2])?;
    for x in &PANELS[1..] {
        let place = (x - (PANELS[1] - PANELS[0] - WIDE - LANE) / 2.0, SECOND + TALL / 2.0);
        canvas.label("=", place, &Lettering::centred(34.0, INK))?;
    }
    laws(&mut canvas)?;
    legend(&mut canvas)?;
    canvas.finish()
}

/// Panel (a): every path ends in its own 1×1 convolution, and their outputs are added.
fn summed(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(a) aggregated transformations", "32 paths, summed")?;
    paths(canvas, left, &["256, 1×1, 4", "4, 3×3, 4", "4, 1×1, 256"])?;
    plain(canvas, wide(left, FOURTH), "Σ (sum of the 32 paths)")?;
    ending(canvas, left)
}

/// Panel (b): the paths' 4 channels each become one tensor of 128, which one 1×1 reads.
fn concatenated(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(b) early concatenation", "32 paths, concatenated, then one 1×1")?;
    paths(canvas, left, &["256, 1×1, 4", "4, 3×3, 4"])?;
    plain(canvas, wide(left, THIRD), "concatenate to 128")?;
    down(canvas, left + WIDE / 2.0, THIRD + TALL, FOURTH, THIN)?;
    striped(canvas, wide(left, FOURTH), "128, 1×1, 256")?;
    ending(canvas, left)
}

/// Panel (c): one wide convolution after another, the middle one in groups.
fn grouped(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    heading(canvas, left, "(c) grouped convolution", "one wide path, its 3×3 in 32 groups")?;
    down(canvas, left + WIDE / 2.0, INPUT + TALL, FIRST, THIN)?;
    striped(canvas, wide(left, FIRST), "256, 1×1, 128")?;
    striped(canvas, wide(left, SECOND), "128, 3×3, 128, 32 groups")?;
    striped(canvas, wide(left, FOURTH), "128, 1×1, 256")?;
    for (top, bottom) in [(FIRST + TALL, SECOND), (SECOND + TALL, FOURTH)] {
        for path in &PATHS {
            let x = left + path.slice + SLICE / 2.0;
            down(canvas, x, top, bottom, pen(path))?;
        }
        dots(canvas, left + WIDE / 2.0, f64::midpoint(top, bottom))?;
    }
    ending(canvas, left)
}

/// The input and the paths below it, one row of boxes for each convolution.
fn paths(canvas: &mut Canvas, left: f64, convolutions: &[&str]) -> Result<(), FigureError> {
    let gap = (left + PATHS[1].column + COLUMN + left + PATHS[2].column) / 2.0;
    for path in &PATHS {
        let x = left + path.column + COLUMN / 2.0;
        let name = format!("path {}", path.number);
        down_named(canvas, x, INPUT + TALL, FIRST, &name)?;
        for (row, text) in convolutions.iter().enumerate() {
            let top = [FIRST, SECOND, THIRD][row];
            let frame = Frame::new(left + path.column, top, COLUMN, TALL);
            boxed(canvas, frame, text, path.fill, pen(path))?;
            down(canvas, x, top + TALL, [SECOND, THIRD, FOURTH][row], pen(path))?;
        }
    }
    for top in [FIRST, SECOND, THIRD].iter().take(convolutions.len()) {
        dots(canvas, gap, top + TALL / 2.0)?;
    }
    Ok(())
}

/// What the three forms share: the input, and everything after the last convolution or the sum.
fn ending(canvas: &mut Canvas, left: f64) -> Result<(), FigureError> {
    let x = left + WIDE / 2.0;
    let narrow = |top| Frame::new(x - NARROW / 2.0, top, NARROW, TALL);
    plain(canvas, wide(left, INPUT), "256-d in")?;
    down(canvas, x, FOURTH + TALL, NORM, THIN)?;
    plain(canvas, narrow(NORM), "batch norm")?;

    down(canvas, x, NORM + TALL, ADD - SUM, THIN)?;
    add_shortcut(canvas, wide(left, INPUT), left + WIDE + LANE, ADD, RELU)?;
    plain(canvas, narrow(RELU), "ReLU")?;
    down(canvas, x, RELU + TALL, OUTPUT, THIN)?;
    canvas.label("256-d out", (x, OUTPUT + 11.0), &Lettering::centred(BODY, INK))?;
    Ok(())
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
        canvas.label(law, (x, low + 21.0), &Lettering::centred(LAW, INK))?;
        canvas.label(meaning, (x, low + 43.0), &Lettering::centred(BODY, MUTED))?;
    }
    Ok(())
}

/// The lowest lines: how to read the colours and the boxes, and what is left out of them.
fn legend(canvas: &mut Canvas) -> Result<(), FigureError> {
    let left = PANELS[0];
    let right = PANELS[2] + WIDE + LANE;
    let rule = Pen { color: RULE, width: 1.0 };
    canvas.line(&[(left, LEGEND - 25.0), (right, LEGEND - 25.0)], rule)?;

    let mut x = left + 1.0;
    for path in &PATHS {
        let swatch = Frame::new(x, LEGEND - 7.0, 14.0, 14.0);
        canvas.rect(swatch, 3.0, Some(path.fill), Some(pen(path)))?;
        x += 21.0;
    }
    let style = Lettering::centred(BODY, MUTED).from_left();
    let colors = "One colour is the weights of one path, the same numbers in all three panels.";
    let ink = canvas.label(colors, (x + 3.0, LEGEND), &style)?;
    let boxes = "A box reads: channels in, kernel, channels out.";
    canvas.label(boxes, (ink.right + 28.0, LEGEND), &style)?;
    let rest = "Batch norm and ReLU follow the other convolutions too and are not drawn there; \
        in (a) the last batch norm comes after the sum of the paths.";
    canvas.label(rest, (left, LEGEND + 25.0), &style)?;
    Ok(())
}

/// A box that carries the weights of all paths, each path's in a slice of its own.
fn striped(canvas: &mut Canvas, frame: Frame, text: &str) -> Result<(), FigureError> {
    canvas.rect(frame, 5.0, Some(PAPER), Some(THIN))?;
    for path in &PATHS {
        let slice = Frame::new(frame.left + path.slice, frame.top, SLICE, TALL);
        boxed(canvas, slice, &path.number.to_string(), path.fill, pen(path))?;
    }
    let middle = Frame { left: frame.left + 2.0 * SLICE, right: frame.right - SLICE, ..frame };
    // The slices of the 29 other paths are only marked at the edges: there is text between.
    let step = (middle.right - middle.left) / 29.0;
    for cut in 1..29 {
        let x = middle.left + f64::from(cut) * step;
        canvas.line(&[(x, frame.top + 1.0), (x, frame.top + 5.0)], TICK)?;
        canvas.line(&[(x, frame.bottom - 5.0), (x, frame.bottom - 1.0)], TICK)?;
    }
    canvas.label_in(text, middle, &Lettering::centred(BODY, INK))
}

fn wide(left: f64, top: f64) -> Frame {
    Frame::new(left, top, WIDE, TALL)
}

fn pen(path: &Path) -> Pen {
    strong(path.edge)
}
