//! Draws what an Inception module, a ResNet bottleneck and a ResNeXt block have in common: they split, transform and
//! merge. The figure also shows what a designer must choose in each of them.
//!
//! Each of the three steps is a band across the panels, so boxes that do the same work share a row. Each kernel size
//! has its colour. So a row of one colour is a row of equal boxes.

use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, SHADE};
use triform_canvas::{Canvas, FigureError, Picture};

use super::boxes::{
    BODY, COLORS, SUM, TALL, THIN, add_shortcut, boxed, column, dots, down, down_named, heading,
    legend,
};
use Step::{Convolve, Pool};

const TITLE: &str = "Split, transform, merge in three blocks that read 256 channels. An Inception \
    module has four branches of different shapes, which are concatenated: a designer chooses the \
    shape of every branch. A ResNet bottleneck has one path, 256 to 64 to 64 to 256 channels, and \
    a shortcut: a designer chooses one width. A ResNeXt block has 32 paths of one shape, 256 to 4 \
    to 4 to 256 channels, which are summed, and a shortcut: a designer chooses one path's shape \
    and the number of paths, the cardinality C.";

/// The left and right edges of the drawing.
const LEFT: f64 = 28.0;
const RIGHT: f64 = 1172.0;
/// Distance of the names of the steps from the left edge.
const INDENT: f64 = 14.0;

/// A panel: its left edge, and the total width of its boxes.
type Panel = (f64, f64);
const INCEPTION: Panel = (130.0, 452.0);
const RESNET: Panel = (606.0, 156.0);
const RESNEXT: Panel = (830.0, 308.0);
/// How far the shortcut is to the right of the boxes.
const LANE: f64 = 20.0;

/// The top of each row, from the input down.
const INPUT: f64 = 92.0;
/// The rows of a path's boxes: split, transform, and 1×1 back to many channels.
const ROWS: [f64; 3] = [188.0, 254.0, 320.0];
const MERGE: f64 = 376.0;
const ADD: f64 = 450.0;
const OUTPUT: f64 = 486.0;

/// The steps. Each has a name, a first row and a last row.
const STEPS: [(&str, f64, f64); 3] =
    [("split", ROWS[0], ROWS[0]), ("transform", ROWS[1], ROWS[1]), ("merge", ROWS[2], MERGE)];
/// How far a step's band reaches above and below its rows.
const MARGIN: f64 = 9.0;
/// Font size of the names of the steps, and of what there is to choose.
const NAME: f64 = 16.5;

/// What one box of a path does.
#[derive(Clone, Copy)]
enum Step {
    /// A convolution: input channels, kernel size, output channels.
    Convolve(u16, u8, u16),
    /// A max pool, with the size of its window.
    Pool(u8),
}

/// The branches of GoogLeNet's module (3b), which happens to read 256 channels.
const BRANCHES: [&[Step]; 4] = [
    &[Convolve(256, 1, 128)],
    &[Convolve(256, 1, 128), Convolve(128, 3, 192)],
    &[Convolve(256, 1, 32), Convolve(32, 5, 96)],
    &[Pool(3), Convolve(256, 1, 64)],
];
const BOTTLENECK: &[Step] = &[Convolve(256, 1, 64), Convolve(64, 3, 64), Convolve(64, 1, 256)];
const PATH: &[Step] = &[Convolve(256, 1, 4), Convolve(4, 3, 4), Convolve(4, 1, 256)];

/// Width of a branch's boxes, distance from one branch to the next, and width of a path's boxes.
const BRANCH_WIDE: f64 = 108.0;
const BRANCH_STEP: f64 = (INCEPTION.1 - BRANCH_WIDE) / 3.0;
const PATH_WIDE: f64 = 90.0;
/// The paths that are drawn, each with its number and its distance from the left of its panel. Three dots stand for
/// the other 29 paths.
const PATHS: [(u8, f64); 3] = [(1, 0.0), (2, PATH_WIDE + 6.0), (32, RESNEXT.1 - PATH_WIDE)];

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(1200, 640, TITLE)?;
    // The three steps, named once at the side.
    for (name, first, last) in STEPS {
        let (top, bottom) = (first - MARGIN, last + TALL + MARGIN);
        let band = Frame { left: LEFT, top, right: RIGHT, bottom };
        canvas.rect(band, 8.0, Some(SHADE), None)?;
        let place = (LEFT + INDENT, f64::midpoint(top, bottom));
        canvas.label(name, place, &Lettering::centred(NAME, INK).from_left())?;
    }
    inception(&mut canvas)?;
    resnet(&mut canvas)?;
    resnext(&mut canvas)?;
    let (style, y) = (Lettering::centred(NAME, INK), 540.0);
    canvas.label("to choose", (LEFT + INDENT, y), &style.clone().from_left())?;
    for (panel, choice) in [
        (INCEPTION, "the shape of every branch"),
        (RESNET, "one width, here 64"),
        (RESNEXT, "one path's shape, and the cardinality C"),
    ] {
        canvas.label(choice, (across(panel, y).centre().0, y), &style)?;
    }
    let boxes = "A box reads: channels in, kernel, channels out; a grey box holds no weights.";
    let rest = "The Inception module is (3b) of GoogLeNet: its branch 1 is a 1×1 alone, its branch 4 \
        pools before its 1×1. Batch norm and ReLU are not drawn.";
    legend(&mut canvas, (LEFT, RIGHT), 594.0, ["1×1", "3×3", "5×5"], &[boxes], rest)?;
    canvas.finish()
}

/// Four branches, each of a different shape, without a shortcut.
fn inception(canvas: &mut Canvas) -> Result<(), FigureError> {
    let left = INCEPTION.0;
    heading(canvas, left, "Inception module", "four branches, each designed by hand")?;
    boxed(canvas, across(INCEPTION, INPUT), "256-d in", None)?;
    for (number, steps) in (1_u8..).zip(BRANCHES) {
        let x = left + f64::from(number - 1) * BRANCH_STEP;
        let name = format!("branch {number}");
        down_named(canvas, x + BRANCH_WIDE / 2.0, INPUT + TALL, ROWS[0], &name)?;
        path(canvas, (x, BRANCH_WIDE), steps, MERGE)?;
    }
    let channels: u16 = BRANCHES.into_iter().map(channels_out).sum();
    let merge = across(INCEPTION, MERGE);
    boxed(canvas, merge, &format!("concatenate to {channels}"), None)?;
    down(canvas, merge.centre().0, merge.bottom, OUTPUT, THIN)?;
    output(canvas, INCEPTION, channels)
}

/// One path and the shortcut, which are the only two things to merge.
fn resnet(canvas: &mut Canvas) -> Result<(), FigureError> {
    heading(canvas, RESNET.0, "ResNet bottleneck", "one path: C = 1")?;
    let input = across(RESNET, INPUT);
    boxed(canvas, input, "256-d in", None)?;
    down(canvas, input.centre().0, input.bottom, ROWS[0], THIN)?;
    path(canvas, RESNET, BOTTLENECK, ADD - SUM)?;
    add_shortcut(canvas, input, input.right + LANE, ADD, OUTPUT)?;
    output(canvas, RESNET, channels_out(BOTTLENECK))
}

/// Many paths of one shape, and the shortcut.
fn resnext(canvas: &mut Canvas) -> Result<(), FigureError> {
    let left = RESNEXT.0;
    heading(canvas, left, "ResNeXt block", "32 paths of one shape: cardinality C = 32")?;
    let input = across(RESNEXT, INPUT);
    boxed(canvas, input, "256-d in", None)?;
    for (number, column) in PATHS {
        let x = left + column;
        let name = format!("path {number}");
        down_named(canvas, x + PATH_WIDE / 2.0, INPUT + TALL, ROWS[0], &name)?;
        path(canvas, (x, PATH_WIDE), PATH, MERGE)?;
    }
    let gap = left + f64::midpoint(PATHS[1].1 + PATH_WIDE, PATHS[2].1);
    ROWS.into_iter().try_for_each(|top| dots(canvas, gap, top + TALL / 2.0))?;
    boxed(canvas, across(RESNEXT, MERGE), "Σ (sum of the 32 paths)", None)?;
    down(canvas, input.centre().0, MERGE + TALL, ADD - SUM, THIN)?;
    add_shortcut(canvas, input, input.right + LANE, ADD, OUTPUT)?;
    output(canvas, RESNEXT, channels_out(PATH))
}

/// Draws the boxes of one path in their rows. An arrow leads from each box to the next, and from the last box to
/// `end`.
fn path(
    canvas: &mut Canvas,
    place: (f64, f64),
    steps: &[Step],
    end: f64,
) -> Result<(), FigureError> {
    let boxes = ROWS.into_iter().zip(steps).map(|(top, step)| match *step {
        Convolve(from, side, to) => {
            let weights = COLORS[usize::from(side / 2)];
            (top, format!("{from}, {side}×{side}, {to}"), Some(weights))
        }
        Pool(side) => (top, format!("{side}×{side} max pool"), None),
    });
    column(canvas, place, boxes, end)
}

/// The number of output channels of a path. It is that of the path's last convolution, because a pool does not change
/// it.
fn channels_out(steps: &[Step]) -> u16 {
    let channels = |step: &Step| match *step {
        Convolve(_, _, to) => Some(to),
        Pool(_) => None,
    };
    steps.iter().rev().find_map(channels).unwrap_or_default()
}

fn output(canvas: &mut Canvas, panel: Panel, channels: u16) -> Result<(), FigureError> {
    let place = (across(panel, OUTPUT).centre().0, OUTPUT + 11.0);
    canvas.label(&format!("{channels}-d out"), place, &Lettering::centred(BODY, INK)).map(drop)
}

fn across((left, wide): Panel, top: f64) -> Frame {
    Frame::new(left, top, wide, TALL)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_convolution_reads_what_the_steps_before_it_leave() {
        for steps in BRANCHES.into_iter().chain([BOTTLENECK, PATH]) {
            let mut channels = 256;
            for step in steps {
                if let Convolve(from, _, to) = *step {
                    assert_eq!(from, channels);
                    channels = to;
                }
            }
            assert_eq!(channels, channels_out(steps));
        }
    }

    #[test]
    fn a_shortcut_needs_as_many_channels_out_as_in() {
        assert_eq!([BOTTLENECK, PATH].map(channels_out), [256, 256]);
    }
}
