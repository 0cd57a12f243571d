//! Draws the three forms of the ResNeXt block side by side, as in Figure 3 of Xie et al. (2017). All three have the
//! same weights, cut in three ways.
//!
//! Each path's weights have one colour, the same in all three panels. Rows line up across the panels, so a reader can
//! compare the forms step by step.

use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, MUTED, PAPER};
use triform_canvas::{Canvas, FigureError, Picture};

use crate::block::BlockSpec;
use crate::error::Error;

use super::boxes::{
    BODY, COLORS, HAIR, SUM, TALL, THIN, Weights, add_shortcut, boxed, column, dots, down,
    down_named, heading, legend,
};

/// The left edge of each panel, and the widths of its boxes.
const PANELS: [f64; 3] = [35.0, 425.0, 815.0];
const WIDE: f64 = 330.0;
const NARROW: f64 = 140.0;
/// How far the shortcut is to the right of the boxes.
const LANE: f64 = 20.0;

/// The top of each row of boxes, from the input down to the last ReLU.
const INPUT: f64 = 92.0;
const ROWS: [f64; 4] = [180.0, 236.0, 292.0, 348.0];
const NORM: f64 = 404.0;
const ADD: f64 = 465.0;
const RELU: f64 = 494.0;
const OUTPUT: f64 = 548.0;

/// One of the paths that are drawn; three dots stand for the other paths.
struct Path {
    /// Its number; `None` for the last path of the block.
    number: Option<usize>,
    weights: Weights,
    /// Distance of its boxes from the panel's left, in a panel with separate paths.
    column: f64,
    /// Distance of its slice from the panel's left, in a box that holds all paths.
    slice: f64,
}

impl Path {
    fn number(&self, spec: &BlockSpec) -> usize {
        self.number.unwrap_or(spec.cardinality())
    }
}

const COLUMN: f64 = 98.0;
const SLICE: f64 = 30.0;
const PATHS: [Path; 3] = [
    Path { number: Some(1), weights: COLORS[0], column: 0.0, slice: 0.0 },
    Path { number: Some(2), weights: COLORS[1], column: COLUMN + 6.0, slice: SLICE },
    Path { number: None, weights: COLORS[2], column: WIDE - COLUMN, slice: WIDE - SLICE },
];

/// The fewest paths of a block that can be drawn. With this number, the dots stand for one path.
const FEWEST: usize = 4;

/// Draws the figure of a block.
///
/// Errors: a block with fewer than four paths, or with numbers that do not fit in their boxes.
pub(super) fn draw(spec: &BlockSpec) -> Result<Picture, FigureError> {
    let (paths, width) = (spec.cardinality(), spec.width());
    if paths < FEWEST {
        let words = format!("{spec} has too few paths to draw, {paths}; it needs {FEWEST}");
        return Err(Error::Unsuitable(words).into());
    }
    let title = format!(
        "The three forms of a ResNeXt block with {paths} paths of width {width}: (a) the \
         outputs of {paths} paths are summed, (b) the paths are concatenated before one 1×1 convolution, \
         (c) the paths are the groups of one grouped convolution. All three hold the same weights.",
    );
    let mut canvas = Canvas::new(1200, 736, &title)?;
    summed(&mut canvas, PANELS[0], spec)?;
    concatenated(&mut canvas, PANELS[1], spec)?;
    grouped(&mut canvas, PANELS[2], spec)?;
    for x in &PANELS[1..] {
        let place = (x - (PANELS[1] - PANELS[0] - WIDE - LANE) / 2.0, ROWS[1] + TALL / 2.0);
        canvas.label("=", place, &Lettering::centred(34.0, INK))?;
    }
    laws(&mut canvas, spec)?;
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

/// Panel (a): every path ends in its own 1×1 convolution, and the outputs of the paths are added.
fn summed(canvas: &mut Canvas, left: f64, spec: &BlockSpec) -> Result<(), FigureError> {
    let (paths, d) = (spec.cardinality(), spec.width());
    heading(canvas, left, "(a) aggregated transformations", &format!("{paths} paths, summed"))?;
    let last = format!("{d}, 1×1, {}", spec.c_out());
    rows_of_paths(canvas, left, spec, &[first(spec, d), middle(spec, d), last])?;
    boxed(canvas, wide(left, ROWS[3]), &format!("Σ (sum of the {paths} paths)"), None)?;
    ending(canvas, left, spec)
}

/// Panel (b): the paths, of d channels each, are concatenated to one tensor of C d channels. One 1×1 reads that
/// tensor.
fn concatenated(canvas: &mut Canvas, left: f64, spec: &BlockSpec) -> Result<(), FigureError> {
    let (paths, d, inner) = (spec.cardinality(), spec.width(), spec.inner());
    let what = format!("{paths} paths, concatenated, then one 1×1");
    heading(canvas, left, "(b) early concatenation", &what)?;
    rows_of_paths(canvas, left, spec, &[first(spec, d), middle(spec, d)])?;
    boxed(canvas, wide(left, ROWS[2]), &format!("concatenate to {inner}"), None)?;
    down(canvas, left + WIDE / 2.0, ROWS[2] + TALL, ROWS[3], THIN)?;
    striped(canvas, wide(left, ROWS[3]), spec, &format!("{inner}, 1×1, {}", spec.c_out()))?;
    ending(canvas, left, spec)
}

/// Panel (c): one wide convolution after another, the middle one in groups.
fn grouped(canvas: &mut Canvas, left: f64, spec: &BlockSpec) -> Result<(), FigureError> {
    let (paths, inner) = (spec.cardinality(), spec.inner());
    let what = format!("one wide path, its 3×3 in {paths} groups");
    heading(canvas, left, "(c) grouped convolution", &what)?;
    down(canvas, left + WIDE / 2.0, INPUT + TALL, ROWS[0], THIN)?;
    striped(canvas, wide(left, ROWS[0]), spec, &first(spec, inner))?;
    let grouped = format!("{}, {paths} groups", middle(spec, inner));
    striped(canvas, wide(left, ROWS[1]), spec, &grouped)?;
    striped(canvas, wide(left, ROWS[3]), spec, &format!("{inner}, 1×1, {}", spec.c_out()))?;
    for (top, bottom) in [(ROWS[0] + TALL, ROWS[1]), (ROWS[1] + TALL, ROWS[3])] {
        for path in &PATHS {
            down(canvas, left + path.slice + SLICE / 2.0, top, bottom, path.weights.0)?;
        }
        dots(canvas, left + WIDE / 2.0, f64::midpoint(top, bottom))?;
    }
    ending(canvas, left, spec)
}

/// The text for the first 1×1, with this number of output channels.
fn first(spec: &BlockSpec, channels: usize) -> String {
    format!("{}, 1×1, {channels}", spec.c_in())
}

/// The text for the 3×3 over this number of channels.
fn middle(spec: &BlockSpec, channels: usize) -> String {
    let stride = if spec.stride() > 1 { format!("/{}", spec.stride()) } else { String::new() };
    format!("{channels}, 3×3{stride}, {channels}")
}

/// Draws the paths below the input, with one row of boxes for each convolution.
fn rows_of_paths(
    canvas: &mut Canvas,
    left: f64,
    spec: &BlockSpec,
    convolutions: &[String],
) -> Result<(), FigureError> {
    for path in &PATHS {
        let x = left + path.column;
        let name = format!("path {}", path.number(spec));
        down_named(canvas, x + COLUMN / 2.0, INPUT + TALL, ROWS[0], &name)?;
        let boxes = ROWS.into_iter().zip(convolutions);
        let boxes = boxes.map(|(top, text)| (top, text.clone(), Some(path.weights)));
        column(canvas, (x, COLUMN), boxes, ROWS[convolutions.len()])?;
    }
    let gap = left + f64::midpoint(PATHS[1].column + COLUMN, PATHS[2].column);
    let mut rows = ROWS.iter().take(convolutions.len());
    rows.try_for_each(|top| dots(canvas, gap, top + TALL / 2.0))
}

/// Draws what the three forms share: the input, and everything after the last convolution or after the sum.
fn ending(canvas: &mut Canvas, left: f64, spec: &BlockSpec) -> Result<(), FigureError> {
    let x = left + WIDE / 2.0;
    let narrow = |top| Frame::new(x - NARROW / 2.0, top, NARROW, TALL);
    boxed(canvas, wide(left, INPUT), &format!("{}-d in", spec.c_in()), None)?;
    down(canvas, x, ROWS[3] + TALL, NORM, THIN)?;
    boxed(canvas, narrow(NORM), "batch norm", None)?;
    down(canvas, x, NORM + TALL, ADD - SUM, THIN)?;
    add_shortcut(canvas, wide(left, INPUT), left + WIDE + LANE, ADD, RELU)?;
    boxed(canvas, narrow(RELU), "ReLU", None)?;
    down(canvas, x, RELU + TALL, OUTPUT, THIN)?;
    let out = format!("{}-d out", spec.c_out());
    canvas.label(&out, (x, OUTPUT + 11.0), &Lettering::centred(BODY, INK)).map(drop)
}

/// Writes, below the panels, which law is needed to get from each form to the form on its left.
fn laws(canvas: &mut Canvas, spec: &BlockSpec) -> Result<(), FigureError> {
    let (inner, d) = (spec.inner(), spec.width());
    let regrouped = format!("the sum over {inner} channels, taken {d} at a time");
    let steps = [
        ["(b) → (a): associativity", &regrouped],
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

/// Draws a box that carries the weights of all paths. Each path that is drawn has its own slice.
fn striped(
    canvas: &mut Canvas,
    frame: Frame,
    spec: &BlockSpec,
    text: &str,
) -> Result<(), FigureError> {
    canvas.rect(frame, 5.0, Some(PAPER), Some(THIN))?;
    for path in &PATHS {
        let slice = Frame::new(frame.left + path.slice, frame.top, SLICE, TALL);
        boxed(canvas, slice, &path.number(spec).to_string(), Some(path.weights))?;
    }
    let middle = Frame { left: frame.left + 2.0 * SLICE, right: frame.right - SLICE, ..frame };
    // The slices of the other paths (29 at most) are only marked at the edges, because there is text
    // between.
    let others = (spec.cardinality() - PATHS.len()).min(29) as u32;
    let step = (middle.right - middle.left) / f64::from(others);
    for x in (1..others).map(|cut| middle.left + f64::from(cut) * step) {
        canvas.line(&[(x, frame.top + 1.0), (x, frame.top + 5.0)], HAIR)?;
        canvas.line(&[(x, frame.bottom - 5.0), (x, frame.bottom - 1.0)], HAIR)?;
    }
    canvas.label_in(text, middle, &Lettering::centred(BODY, INK))
}

fn wide(left: f64, top: f64) -> Frame {
    Frame::new(left, top, WIDE, TALL)
}
