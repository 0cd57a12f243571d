//! The matrix rung x mistake.

use plotters_backend::text_anchor::HPos;

use super::chart::{BODY, heading};
use crate::evidence::Quiet;
use crate::evidence::rungs::Rung;
use crate::gallery::ALL;
use crate::gallery::matrix::{Cell, Row, run};
use crate::random::Seed;
use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{BLUE, INK, MUTED, RULE, SHADE, VERMILION};
use triform_canvas::{Canvas, Pen, Picture};

const WIDTH: u32 = 760;
const TITLE: &str = "Which rung of the ladder refutes which wrong block: a table of 38 wrong blocks by \
    nine rungs. Every block is refuted by one rung at least.";

/// Where the cells begin, and how far they lie apart.
const LEFT: f64 = 300.0;
const TOP: f64 = 150.0;
const ACROSS: f64 = 48.0;
const DOWN: f64 = 22.0;

/// Draws the figure.
pub(super) fn draw() -> Result<Picture, FigureError> {
    let rows = run(&ALL, Seed(0), &Quiet);
    let rows = rows.map_err(|error| FigureError::Data(error.to_string()))?.unwrap_or_default();
    let height = TOP + DOWN * rows.len() as f64 + 20.0;
    let mut canvas = Canvas::new(WIDTH, height as u32, TITLE)?;
    heading(
        &mut canvas,
        "Wrong blocks, and the rungs that refute them",
        "Every cell is the result of a run.",
    )?;
    legend(&mut canvas)?;
    let style = Lettering::centred(BODY, INK);
    for (number, rung) in Rung::ALL.into_iter().enumerate() {
        canvas.label(&rung.to_string(), (column(number), TOP - 24.0), &style)?;
    }
    for (number, row) in rows.iter().enumerate() {
        draw_row(&mut canvas, TOP + DOWN * number as f64, number, row)?;
    }
    canvas.finish()
}

fn column(number: usize) -> f64 {
    LEFT + ACROSS * number as f64
}

fn legend(canvas: &mut Canvas) -> Result<(), FigureError> {
    let (y, style) = (86.0, Lettering::centred(BODY, MUTED).from_left());
    for (x, cell, words) in [
        (70.0, Cell::Refuted, "refuted"),
        (185.0, Cell::Missed, "missed: ran to its end, saw nothing"),
        (470.0, Cell::NotApplicable, "the mistake had nothing to get wrong"),
    ] {
        mark(canvas, (x, y), cell)?;
        canvas.label(words, (x + 16.0, y), &style)?;
    }
    Ok(())
}

fn draw_row(canvas: &mut Canvas, y: f64, number: usize, row: &Row) -> Result<(), FigureError> {
    if number.is_multiple_of(2) {
        let frame = Frame::new(16.0, y - DOWN / 2.0, f64::from(WIDTH) - 32.0, DOWN);
        canvas.rect(frame, 3.0, Some(SHADE), None)?;
    }
    let style = Lettering { across: HPos::Right, ..Lettering::centred(BODY, INK) };
    canvas.label(row.mistake.name, (LEFT - 36.0, y), &style)?;
    for (number, cell) in row.cells.into_iter().enumerate() {
        mark(canvas, (column(number), y), cell)?;
    }
    Ok(())
}

/// A filled disc, an open ring, nothing: to be told apart without colour too.
fn mark(canvas: &mut Canvas, at: (f64, f64), cell: Cell) -> Result<(), FigureError> {
    match cell {
        Cell::Refuted => canvas.circle(at, 6.5, Some(BLUE), None),
        Cell::Missed => canvas.circle(at, 5.5, None, Some(Pen { color: VERMILION, width: 2.5 })),
        Cell::NotApplicable => {
            canvas.line(&[(at.0 - 3.0, at.1), (at.0 + 3.0, at.1)], Pen { color: RULE, width: 1.0 })
        }
    }
}
