//! Split, transform, merge: what an Inception module, a ResNet bottleneck and a ResNeXt block
//! have in common, and what is left for a designer to choose in each.
//!
//! The three steps are bands across the panels, so that boxes which do the same work are in one
//! row. A colour stands for a kernel's size: a row of one colour is a row of equal boxes.

use plotters::style::RGBColor;

use super::boxes::{
    BODY, SUM, TALL, THIN, add_shortcut, boxed, dots, down, down_named, heading, plain, strong,
};
use Step::{Convolve, Pool};
use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{
    BLUE, GREEN, INK, MUTED, ORANGE, PALE_BLUE, PALE_GREEN, PALE_ORANGE, RULE, SHADE,
};
use triform_canvas::{Canvas, Pen, Picture};

const WIDTH: u32 = 1200;
const HEIGHT: u32 = 640;
const TITLE: &str = "Split, transform, merge in three blocks that read 256 channels. An Inception \
    module has four branches of different shapes, which are concatenated: a designer chooses the \
    shape of every branch. A ResNet bottleneck has one path, 256 to 64 to 64 to 256 channels, and \
    a shortcut: a designer chooses one width. A ResNeXt block has 32 paths of one shape, 256 to 4 \
    to 4 to 256 channels, which are summed, and a shortcut: a designer chooses one path's shape \
    and the number of paths, the cardinality C.";

/// Where everything begins and ends.
const LEFT: f64 = 28.0;
const RIGHT: f64 = 1172.0;
/// How far the names of the steps are from the left.
const INDENT: f64 = 14.0;

/// A panel: where it begins, and how wide its boxes reach.
#[derive(Clone, Copy)]
struct Panel {
    left: f64,
    wide: f64,
}

const INCEPTION: Panel = Panel { left: 130.0, wide: 452.0 };
const RESNET: Panel = Panel { left: 606.0, wide: 156.0 };
const RESNEXT: Panel = Panel { left: 830.0, wide: 308.0 };
/// How far right of the boxes a shortcut runs.
const LANE: f64 = 20.0;

/// The top of each row, from the input down.
const INPUT: f64 = 92.0;
const SPLIT: f64 = 188.0;
const TRANSFORM: f64 = 254.0;
const WIDEN: f64 = 320.0;
const MERGE: f64 = 376.0;
const ADD: f64 = 450.0;
const OUTPUT: f64 = 486.0;
/// The middle of a line of text.
const CHOICE: f64 = 540.0;
const LEGEND: f64 = 594.0;

/// The names of the steps, and what is to choose.
const NAME: f64 = 16.5;

/// The rows of a path's boxes.
const ROWS: [f64; 3] = [SPLIT, TRANSFORM, WIDEN];
/// The steps: a name, and the first and the last row that it takes.
const STEPS: [(&str, f64, f64); 3] =
    [("split", SPLIT, SPLIT), ("transform", TRANSFORM, TRANSFORM), ("merge", WIDEN, MERGE)];
/// How far a step's band reaches above and below its rows.
const MARGIN: f64 = 9.0;

/// What one box of a path does.
#[derive(Clone, Copy)]
enum Step {
    /// A convolution: channels in, the kernel's side, channels out.
    Convolve(u16, u8, u16),
    /// A max pool, by the side of its window.
    Pool(u8),
}

/// The branches of the module (3b) of GoogLeNet, which happens to read 256 channels.
const BRANCHES: [&[Step]; 4] = [
    &[Convolve(256, 1, 128)],
    &[Convolve(256, 1, 128), Convolve(128, 3, 192)],
    &[Convolve(256, 1, 32), Convolve(32, 5, 96)],
    &[Pool(3), Convolve(256, 1, 64)],
];
const BOTTLENECK: &[Step] = &[Convolve(256, 1, 64), Convolve(64, 3, 64), Convolve(64, 1, 256)];
const PATH: &[Step] = &[Convolve(256, 1, 4), Convolve(4, 3, 4), Convolve(4, 1, 256)];

/// How wide the boxes of a branch and of a path are, and how far one branch is from the next.
const BRANCH_WIDE: f64 = 108.0;
const BRANCH_STEP: f64 = (INCEPTION.wide - BRANCH_WIDE) / 3.0;
const PATH_WIDE: f64 = 90.0;
/// The paths that are drawn, by number, and how far each is from the left of its panel; the
/// other 29 are three dots.
const PATHS: [(u8, f64); 3] = [(1, 0.0), (2, PATH_WIDE + 6.0), (32, RESNEXT.wide - PATH_WIDE)];

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let mut canvas = Canvas::new(WIDTH, HEIGHT, TITLE)?;
    bands(&mut canvas)?;
    inception(&mut canvas)?;
    resnet(&mut canvas)?;
    resnext(&mut canvas)?;
    choices(&mut canvas)?;
    legend(&mut canvas)?;
    canvas.finish()
}

/// The three steps, named once at the side.
fn bands(canvas: &mut Canvas) -> Result<(), FigureError> {
    for (name, first, last) in STEPS {
        let (top, bottom) = (first - MARGIN, last + TALL + MARGIN);
        let band = Frame { left: LEFT, top, right: RIGHT, bottom };
        canvas.rect(band, 8.0, Some(SHADE), None)?;
        let place = (LEFT + INDENT, f64::midpoint(top, bottom));
        canvas.label(name, place, &Lettering::centred(NAME, INK).from_left())?;
    }
    Ok(())
}

/// Four branches, each of a shape of its own; there is no shortcut.
fn inception(canvas: &mut Canvas) -> Result<(), FigureError> {
    let Panel { left, .. } = INCEPTION;
    heading(canvas, left, "Inception module", "four branches, each designed by hand")?;
    plain(canvas, across(INCEPTION, INPUT), "256-d in")?;
    for (number, steps) in (1_u8..).zip(BRANCHES) {
        let column = left + f64::from(number - 1) * BRANCH_STEP;
        let x = column + BRANCH_WIDE / 2.0;
        down_named(canvas, x, INPUT + TALL, SPLIT, &format!("branch {number}"))?;
        path(canvas, column, BRANCH_WIDE, steps, MERGE)?;
    }
    let channels: u16 = BRANCHES.into_iter().map(channels_out).sum();
    let merge = across(INCEPTION, MERGE);
    plain(canvas, merge, &format!("concatenate to {channels}"))?;
    down(canvas, merge.centre().0, merge.bottom, OUTPUT, THIN)?;
    output(canvas, INCEPTION, channels)
}

/// One path, and the shortcut: there is nothing to merge but these two.
fn resnet(canvas: &mut Canvas) -> Result<(), FigureError> {
    let Panel { left, wide } = RESNET;
    heading(canvas, left, "ResNet bottleneck", "one path: C = 1")?;
    let input = across(RESNET, INPUT);
    plain(canvas, input, "256-d in")?;
    down(canvas, input.centre().0, input.bottom, SPLIT, THIN)?;
    path(canvas, left, wide, BOTTLENECK, ADD - SUM)?;
    add_shortcut(canvas, input, input.right + LANE, ADD, OUTPUT)?;
    output(canvas, RESNET, channels_out(BOTTLENECK))
}

/// Many paths of one shape, and the shortcut.
fn resnext(canvas: &mut Canvas) -> Result<(), FigureError> {
    let Panel { left, .. } = RESNEXT;
    heading(canvas, left, "ResNeXt block", "32 paths of one shape: cardinality C = 32")?;
    let input = across(RESNEXT, INPUT);
    plain(canvas, input, "256-d in")?;
    for (number, column) in PATHS {
        let x = left + column + PATH_WIDE / 2.0;
        down_named(canvas, x, INPUT + TALL, SPLIT, &format!("path {number}"))?;
        path(canvas, left + column, PATH_WIDE, PATH, MERGE)?;
    }
    let gap = left + (PATHS[1].1 + PATH_WIDE + PATHS[2].1) / 2.0;
    for top in ROWS {
        dots(canvas, gap, top + TALL / 2.0)?;
    }
    plain(canvas, across(RESNEXT, MERGE), "Σ (sum of the 32 paths)")?;
    down(canvas, input.centre().0, MERGE + TALL, ADD - SUM, THIN)?;
    add_shortcut(canvas, input, input.right + LANE, ADD, OUTPUT)?;
    output(canvas, RESNEXT, channels_out(PATH))
}

/// The boxes of one path in their rows, each with an arrow to the next, the last one to `end`.
fn path(
    canvas: &mut Canvas,
    left: f64,
    wide: f64,
    steps: &[Step],
    end: f64,
) -> Result<(), FigureError> {
    for (row, step) in steps.iter().enumerate() {
        let frame = Frame::new(left, ROWS[row], wide, TALL);
        let next = if row + 1 < steps.len() { ROWS[row + 1] } else { end };
        let x = frame.centre().0;
        match *step {
            Convolve(from, side, to) => {
                let (edge, fill) = colors(side);
                let text = format!("{from}, {side}×{side}, {to}");
                boxed(canvas, frame, &text, fill, strong(edge))?;
                down(canvas, x, frame.bottom, next, strong(edge))?;
            }
            Pool(side) => {
                plain(canvas, frame, &format!("{side}×{side} max pool"))?;
                down(canvas, x, frame.bottom, next, THIN)?;
            }
        }
    }
    Ok(())
}

/// The edge and the fill of a convolution's box, by the side of its kernel.
fn colors(side: u8) -> (RGBColor, RGBColor) {
    match side {
        1 => (BLUE, PALE_BLUE),
        3 => (ORANGE, PALE_ORANGE),
        _ => (GREEN, PALE_GREEN),
    }
}

/// The channels with which a path ends: those of its last convolution, as a pool leaves them.
fn channels_out(steps: &[Step]) -> u16 {
    let channels = |step: &Step| match *step {
        Convolve(_, _, to) => Some(to),
        Pool(_) => None,
    };
    steps.iter().rev().find_map(channels).unwrap_or_default()
}

fn output(canvas: &mut Canvas, panel: Panel, channels: u16) -> Result<(), FigureError> {
    let x = across(panel, OUTPUT).centre().0;
    let text = format!("{channels}-d out");
    canvas.label(&text, (x, OUTPUT + 11.0), &Lettering::centred(BODY, INK))?;
    Ok(())
}

/// Below each panel: what is left to choose there.
fn choices(canvas: &mut Canvas) -> Result<(), FigureError> {
    let style = Lettering::centred(NAME, INK);
    canvas.label("to choose", (LEFT + INDENT, CHOICE), &style.clone().from_left())?;
    for (panel, choice) in [
        (INCEPTION, "the shape of every branch"),
        (RESNET, "one width, here 64"),
        (RESNEXT, "one path's shape, and the cardinality C"),
    ] {
        canvas.label(choice, (across(panel, CHOICE).centre().0, CHOICE), &style)?;
    }
    Ok(())
}

/// The last lines: how to read the colours and the boxes, and what is left out of them.
fn legend(canvas: &mut Canvas) -> Result<(), FigureError> {
    let rule = Pen { color: RULE, width: 1.0 };
    canvas.line(&[(LEFT, LEGEND - 25.0), (RIGHT, LEGEND - 25.0)], rule)?;
    let style = Lettering::centred(BODY, MUTED).from_left();
    let mut x = LEFT + 1.0;
    for side in [1, 3, 5] {
        let (edge, fill) = colors(side);
        let swatch = Frame::new(x, LEGEND - 7.0, 14.0, 14.0);
        canvas.rect(swatch, 3.0, Some(fill), Some(strong(edge)))?;
        let ink = canvas.label(&format!("{side}×{side}"), (x + 22.0, LEGEND), &style)?;
        x = ink.right + 18.0;
    }
    let boxes = "A box reads: channels in, kernel, channels out; a grey box holds no weights.";
    canvas.label(boxes, (x + 10.0, LEGEND), &style)?;
    let rest = "The Inception module is (3b) of GoogLeNet: its branch 1 is a 1×1 alone, its branch 4 pools before \
        its 1×1. Batch norm and ReLU are not drawn.";
    canvas.label(rest, (LEFT, LEGEND + 25.0), &style)?;
    Ok(())
}

fn across(panel: Panel, top: f64) -> Frame {
    Frame::new(panel.left, top, panel.wide, TALL)
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
