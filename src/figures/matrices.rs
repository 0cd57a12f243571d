//! The pictures that are matrices: rung x mistake, and the kernel of a grouped convolution.

use plotters_backend::FontTransform;
use plotters_backend::text_anchor::HPos;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{BLUE, INK, MUTED, PAPER, RULE, SERIES, SHADE, VERMILION};
use triform_canvas::{Canvas, FigureError, Pen, Picture};

use super::chart::{BODY, WIDTH, headed};
use crate::count::{convolution, thousands};
use crate::evidence::progress::Quiet;
use crate::evidence::rungs::Rung;
use crate::gallery::ALL;
use crate::gallery::matrix::{Cell, run};
use crate::random::Seed;

/// Which rung refutes which wrong block.
pub(super) fn gallery() -> Result<Picture, FigureError> {
    const ACROSS: u32 = 760;
    const LEFT: f64 = 300.0;
    const TOP: f64 = 150.0;
    const DOWN: f64 = 22.0;
    let column = |number: usize| LEFT + 48.0 * number as f64;
    let rows = run(&ALL, &Rung::ALL.into(), Seed(0), &Quiet)?.unwrap_or_default();
    let height = TOP + DOWN * rows.len() as f64 + 20.0;
    let mut canvas = headed(
        (ACROSS, height as u32),
        "Which rung of the ladder refutes which wrong block: a table of 42 wrong blocks by nine \
         rungs. Every block is refuted by one rung at least.",
        "Wrong blocks, and the rungs that refute them",
        "Every cell is the result of a run.",
    )?;
    for (x, cell, words) in [
        (70.0, Cell::Refuted, "refuted"),
        (185.0, Cell::Missed, "missed: ran to its end, saw nothing"),
        (470.0, Cell::NotApplicable, "the mistake had nothing to get wrong"),
    ] {
        mark(&mut canvas, (x, 86.0), cell)?;
        let style = Lettering::centred(BODY, MUTED).from_left();
        canvas.label(words, (x + 16.0, 86.0), &style)?;
    }
    let style = Lettering::centred(BODY, INK);
    for (number, rung) in Rung::ALL.into_iter().enumerate() {
        canvas.label(&rung.to_string(), (column(number), TOP - 24.0), &style)?;
    }
    let style = Lettering { across: HPos::Right, ..style };
    for (number, row) in rows.iter().enumerate() {
        let y = TOP + DOWN * number as f64;
        if number.is_multiple_of(2) {
            let frame = Frame::new(16.0, y - DOWN / 2.0, f64::from(ACROSS) - 32.0, DOWN);
            canvas.rect(frame, 3.0, Some(SHADE), None)?;
        }
        canvas.label(row.mistake.name, (LEFT - 36.0, y), &style)?;
        for (number, cell) in row.cells.into_iter().enumerate() {
            mark(&mut canvas, (column(number), y), cell)?;
        }
    }
    canvas.finish()
}

/// A filled disc, an open ring, a dash: distinguishable without colour too.
fn mark(canvas: &mut Canvas, at: (f64, f64), cell: Cell) -> Result<(), FigureError> {
    match cell {
        Cell::Refuted => canvas.circle(at, 6.5, Some(BLUE), None),
        Cell::Missed => canvas.circle(at, 5.5, None, Some(Pen { color: VERMILION, width: 2.5 })),
        Cell::NotApplicable | Cell::NotRun => {
            canvas.line(&[(at.0 - 3.0, at.1), (at.0 + 3.0, at.1)], Pen { color: RULE, width: 1.0 })
        }
    }
}

/// A grouped kernel, drawn as the equivalent dense one: zero outside the blocks.
pub(super) fn block_diagonal() -> Result<Picture, FigureError> {
    /// Channels in and out.
    const CHANNELS: usize = 16;
    const TOP: f64 = 116.0;
    const CELL: f64 = 15.0;
    const SIDE: f64 = CELL * CHANNELS as f64;
    let mut canvas = headed(
        (WIDTH, 450),
        "The kernel of a convolution from 16 to 16 channels as a matrix of k x k kernels: full when \
         dense, four blocks on the diagonal in 4 groups, the diagonal alone when depthwise. All else \
         is zero.",
        "A grouped convolution is a dense one with zeros",
        "16 to 16 channels. A cell is one k × k kernel, a colour one group; what is grey is zero.",
    )?;
    for (groups, words, left) in [
        (1, "dense, g = 1", 66.0),
        (4, "grouped, g = 4", 346.0),
        (CHANNELS, "depthwise, g = 16", 626.0),
    ] {
        let (width, pen) = (CHANNELS / groups, Pen { color: PAPER, width: 1.0 });
        for (row, column) in (0..CHANNELS).flat_map(|i| (0..CHANNELS).map(move |j| (i, j))) {
            let group = row / width;
            let fill = if group == column / width { SERIES[group % SERIES.len()] } else { SHADE };
            let (x, y) = (left + CELL * column as f64, TOP + CELL * row as f64);
            canvas.rect(Frame::new(x, y, CELL, CELL), 0.0, Some(fill), Some(pen))?;
        }
        let edge = Pen { color: RULE, width: 1.0 };
        canvas.rect(Frame::new(left, TOP, SIDE, SIDE), 0.0, None, Some(edge))?;
        let (ink, muted) = (Lettering::centred(BODY, INK), Lettering::centred(BODY, MUTED));
        let (middle, bottom) = (left + SIDE / 2.0, TOP + SIDE);
        let kernels = convolution(1, 1, CHANNELS, CHANNELS, groups)?;
        let count = format!("{} k k parameters", thousands(kernels));
        canvas.label(words, (middle, TOP - 20.0), &ink)?;
        canvas.label("input channel", (middle, bottom + 18.0), &muted)?;
        canvas.label(&count, (middle, bottom + 48.0), &ink)?;
        let turned = Lettering { turn: FontTransform::Rotate270, ..muted };
        canvas.label("output channel", (left - 16.0, TOP + SIDE / 2.0), &turned)?;
    }
    canvas.finish()
}
