//! The figures that are matrices: the tables of mistakes, and the kernel of a grouped convolution.

use plotters_backend::FontTransform;
use plotters_backend::text_anchor::HPos;
use serde::Deserialize;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{BLUE, INK, MUTED, PAPER, RULE, SERIES, SHADE, VERMILION};
use triform_canvas::{Canvas, FigureError, Pen, Picture};

use super::chart::{BODY, WIDTH, headed};
use crate::count::{convolution, thousands};
use crate::evidence::progress::Quiet;
use crate::evidence::rungs::Rung;
use crate::gallery::matrix::{Cell, run};
use crate::gallery::{ALL, convolutions};
use crate::random::Seed;

/// A cell of a table of mistakes.
#[derive(Clone, Copy, PartialEq)]
enum Mark {
    /// The mistake was seen. The mark is a filled disc.
    Seen,
    /// The mistake was missed. The mark is an open ring.
    Missed,
    /// There was nothing to see. The mark is a dash.
    Nothing,
}

/// A table with a row for each mistake, and a column for each rung or test suite that may see the mistake. Readers
/// can tell the marks apart even without colour.
struct Table<'a> {
    width: u32,
    /// The title for a screen reader, the heading, and the line below the heading.
    words: [&'a str; 3],
    /// What each mark means, and where its entry in the legend begins.
    legend: [(f64, Mark, &'a str); 3],
    columns: Vec<&'a str>,
    /// How far apart the columns are.
    across: f64,
    /// The height available for the names of the columns. If it is above 40, the names are turned.
    names: f64,
    rows: Vec<(&'a str, Vec<Mark>)>,
}

impl Table<'_> {
    fn draw(&self) -> Result<Picture, FigureError> {
        const LEFT: f64 = 300.0;
        const DOWN: f64 = 22.0;
        let top = 110.0 + self.names;
        let column = |number: usize| LEFT + self.across * number as f64;
        let height = top + DOWN * self.rows.len() as f64 + 20.0;
        let [title, heading, below] = self.words;
        let mut canvas = headed((self.width, height as u32), title, heading, below)?;
        for (x, cell, words) in self.legend {
            mark(&mut canvas, (x, 86.0), cell)?;
            let style = Lettering::centred(BODY, MUTED).from_left();
            canvas.label(words, (x + 16.0, 86.0), &style)?;
        }
        let style = Lettering::centred(BODY, INK);
        let turned = Lettering { turn: FontTransform::Rotate270, ..style };
        for (number, name) in self.columns.iter().enumerate() {
            let style = if self.names > 40.0 { &turned } else { &style };
            canvas.label(name, (column(number), top - 14.0 - self.names / 2.0 + 10.0), style)?;
        }
        let style = Lettering { across: HPos::Right, ..style };
        for (number, (name, cells)) in self.rows.iter().enumerate() {
            let y = top + DOWN * number as f64;
            if number.is_multiple_of(2) {
                let frame = Frame::new(16.0, y - DOWN / 2.0, f64::from(self.width) - 32.0, DOWN);
                canvas.rect(frame, 3.0, Some(SHADE), None)?;
            }
            canvas.label(name, (LEFT - 36.0, y), &style)?;
            for (number, cell) in cells.iter().enumerate() {
                mark(&mut canvas, (column(number), y), *cell)?;
            }
        }
        canvas.finish()
    }
}

fn mark(canvas: &mut Canvas, at: (f64, f64), cell: Mark) -> Result<(), FigureError> {
    match cell {
        Mark::Seen => canvas.circle(at, 6.5, Some(BLUE), None),
        Mark::Missed => canvas.circle(at, 5.5, None, Some(Pen { color: VERMILION, width: 2.5 })),
        Mark::Nothing => {
            canvas.line(&[(at.0 - 3.0, at.1), (at.0 + 3.0, at.1)], Pen { color: RULE, width: 1.0 })
        }
    }
}

/// Draws which rung refutes which wrong block.
pub(super) fn gallery() -> Result<Picture, FigureError> {
    let rows = run(&ALL, &Rung::ALL.into(), Seed(0), &Quiet)?.unwrap_or_default();
    let of = |cell: Cell| match cell {
        Cell::Refuted => Mark::Seen,
        Cell::Missed => Mark::Missed,
        Cell::NotApplicable | Cell::NotRun => Mark::Nothing,
    };
    let rungs: Vec<String> = Rung::ALL.iter().map(ToString::to_string).collect();
    let title = format!(
        "Which rung of the ladder refutes which wrong block: a table of {} wrong blocks by nine \
         rungs. Every block is refuted by one rung at least.",
        rows.len()
    );
    Table {
        width: 760,
        words: [
            &title,
            "Wrong blocks, and the rungs that refute them",
            "Every cell is the result of a run.",
        ],
        legend: [
            (70.0, Mark::Seen, "refuted"),
            (185.0, Mark::Missed, "missed: ran to its end, saw nothing"),
            (470.0, Mark::Nothing, "the mistake had nothing to get wrong"),
        ],
        columns: rungs.iter().map(String::as_str).collect(),
        across: 48.0,
        names: 40.0,
        rows: rows.iter().map(|row| (row.mistake.name, row.cells.map(of).to_vec())).collect(),
    }
    .draw()
}

/// The part of the record in adequacy/ that is drawn.
#[derive(Deserialize)]
struct Adequacy {
    suites: Vec<Suite>,
}

#[derive(Deserialize)]
struct Suite {
    name: String,
    mistakes: Vec<OfMistake>,
}

#[derive(Deserialize)]
struct OfMistake {
    op: String,
    mistake: String,
    seen: String,
}

/// Draws which published test suite for convolution sees which mistake.
pub(super) fn adequacy() -> Result<Picture, FigureError> {
    const RECORD: &str = include_str!("../../adequacy/records/2026-12-01.json");
    let record: Adequacy =
        serde_json::from_str(RECORD).map_err(|error| FigureError::Data(error.to_string()))?;
    let suites: Vec<&Suite> =
        record.suites.iter().filter(|suite| suite.name != "triform-block").collect();
    let cell = |suite: &Suite, name: &str| {
        let found = suite.mistakes.iter().find(|of| of.op == "conv" && of.mistake == name);
        match found.map(|of| of.seen.as_str()) {
            Some("seen") => Mark::Seen,
            Some("missed") => Mark::Missed,
            _ => Mark::Nothing,
        }
    };
    let rows = convolutions::ALL.iter().map(|mistake| {
        (mistake.name, suites.iter().map(|suite| cell(suite, mistake.name)).collect())
    });
    let title = format!(
        "Which test data sees which mistake of a convolution: a table of {} mistakes by {} suites. \
         Every published suite misses some.",
        convolutions::ALL.len(),
        suites.len()
    );
    Table {
        width: 860,
        words: [
            &title,
            "Mistakes of a convolution, and the test data that sees them",
            "Published test data, each with its own rule of comparison; the last two are triform's cases.",
        ],
        legend: [
            (70.0, Mark::Seen, "seen"),
            (170.0, Mark::Missed, "missed: every case passes"),
            (400.0, Mark::Nothing, "not asked: no case of that kind"),
        ],
        columns: suites.iter().map(|suite| suite.name.as_str()).collect(),
        across: 38.0,
        names: 150.0,
        rows: rows.collect(),
    }
    .draw()
}

/// Draws a grouped kernel as the equivalent dense kernel, which is zero outside the diagonal blocks.
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
