//! The work of one convolution in pieces: some pixels by some panels each.
#![allow(unsafe_code)]

use std::ops::Range;

use super::FastKernel;
use super::buffer::Scratch;
use super::dense::{Column, Dense, Pixels};
use super::finish::Finish;
use super::layout::Output;
use super::panels::Panels;
use super::planes::{Gather, Part, Planes, Target};
use super::tiles;

/// The panels of a group whose first channel is `channel`, and where they go in image `n`.
pub(super) fn columns<'p>(
    panels: &'p Panels,
    n: usize,
    channel: usize,
    finish: &Finish<'_>,
    z: &mut Output,
) -> Vec<Column<'p>> {
    let column = |panel: usize| {
        let channel = channel + panel * panels.width;
        let slot = z.slot(n, channel, panels.filled(panel), finish.shortcut.as_ref());
        Column { panels, panel, channel, slots: vec![slot] }
    };
    (0..panels.count()).map(column).collect()
}

/// Floats of the pixels that are worked on at a time: half of a second-level cache of 256 KiB.
pub(super) const BLOCK: usize = 1 << 15;

/// Pixels of a piece where all its taps are one run: their outputs stay in the second-level cache.
pub(super) const SHORT_BLOCK: usize = 48;

/// Pixels that are gathered at a time: lines of the cache, for any width of the floats' first.
const GATHERED: usize = 16;

/// All pixels by all columns, cut so that a piece's pixels stay in the second-level cache and all threads
/// have something to do. The pixels are gathered from planes, and the outputs written to planes, if there
/// are such.
///
/// # Safety
///
/// That of [`Dense`] and of [`over_pixels`](super::pointwise::over_pixels), for the level of the kernel.
pub(super) unsafe fn in_pieces(
    whole: Dense<'_>,
    kernel: &FastKernel,
    from: Option<Planes<'_>>,
    target: Option<Target<'_>>,
) {
    let Some(first) = whole.columns.first() else { return };
    let (count, level, width) = (whole.range.len(), kernel.level, first.panels.width);
    let depth = first.panels.weights(0, 0).len() / width;
    let block = if whole.taps.len() == 1 { SHORT_BLOCK } else { (BLOCK / depth).max(16) };
    let parts = tiles::parts(kernel.macs(count));
    let pieces = pieces(count, whole.columns.len(), block, parts);
    // Where several pieces read the same pixels, these are gathered beforehand.
    let cut = pieces.iter().any(|(_, columns)| columns.len() < whole.columns.len());
    let channels = from.map_or(0, |planes| planes.channels());
    let mut all = Scratch::take(if cut { count * channels } else { 0 });
    let (mut whole, mut from) = (whole, from);
    if cut && let Some(planes) = from.take() {
        let runs = all[..count * channels].chunks_mut(GATHERED * channels).enumerate().collect();
        tiles::in_runs(runs, parts, |(run, to)| {
            let start = whole.range.start + run * GATHERED;
            let range = start..start + to.len() / channels;
            // SAFETY: the kernel's level is here.
            unsafe { level.run(Gather { planes, range, to }) };
        });
        whole.pixels = Pixels::run(channels, count);
        (whole.x, whole.origin) = (&all, whole.range.start);
    }
    let whole = whole;
    tiles::for_each(pieces, |(range, columns)| {
        let columns = &whole.columns[columns];
        let gathered = if from.is_some() { range.len() * channels } else { 0 };
        let mut gathered = Scratch::take(gathered);
        let mut piece = Dense { range: range.clone(), columns, ..whole };
        // SAFETY: as the function's; pieces have different pixels or different columns.
        unsafe {
            if let Some(planes) = from {
                let gather = Gather { planes, range: range.clone(), to: &mut gathered };
                level.run(gather);
                piece.pixels = Pixels::run(planes.channels(), range.len());
                (piece.x, piece.origin) = (&gathered, range.start);
            }
            match target {
                None => level.run(piece),
                Some(target) => {
                    let channels = columns[0].channel..columns[0].channel + filled(columns);
                    let part = Part::new(range, channels, columns.len() * width);
                    let mut redirected = columns.to_vec();
                    for (number, column) in redirected.iter_mut().enumerate() {
                        let lanes = column.panels.filled(column.panel);
                        column.slots = vec![part.slot(number * width, lanes)];
                    }
                    level.run(Dense { columns: &redirected, ..piece });
                    level.run(part.scatter(target));
                }
            }
        }
    });
}

/// Channels of the columns that are no filling.
fn filled(columns: &[Column<'_>]) -> usize {
    columns.iter().map(|column| column.panels.filled(column.panel)).sum()
}

/// So many pixels by so many columns in pieces of about `block` pixels; if there are less of these than
/// parts, by some columns each.
pub(super) fn pieces(
    pixels: usize,
    columns: usize,
    block: usize,
    parts: usize,
) -> Vec<(Range<usize>, Range<usize>)> {
    let threads = if parts == 1 { 1 } else { tiles::threads() };
    let blocks = pixels.div_ceil(block);
    let blocks = if blocks < threads { blocks } else { blocks.next_multiple_of(threads) };
    let across = if blocks < parts { parts.div_ceil(blocks).min(columns) } else { 1 };
    let cut = |part: Range<usize>| {
        tiles::into_parts(0..columns, across).map(move |columns| (part.clone(), columns))
    };
    tiles::into_parts(0..pixels, blocks).flat_map(cut).collect()
}
