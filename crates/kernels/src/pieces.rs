//! The work of one convolution in pieces: some pixels by some panels each.

use std::ops::Range;

use crate::buffer::Scratch;
use crate::dense::{Column, Dense};
use crate::epilogue::Fused;
use crate::kernel::Kernel;
use crate::layout::Output;
use crate::pack::Panels;
use crate::planes::{Part, SIDE, Target};
use crate::source::Source;
use crate::tiles;

/// The panels of a group whose first channel is `channel`, and where they go in image `n`.
pub(crate) fn columns<'p>(
    panels: &'p Panels,
    n: usize,
    channel: usize,
    epilogue: &Fused<'_>,
    z: &mut Output,
) -> Vec<Column<'p>> {
    let column = |panel: usize| {
        let channel = channel + panel * panels.width;
        let slot = z.slot(n, channel, panels.filled(panel), epilogue.shortcut.as_ref());
        Column { panels, panel, channel, slots: vec![slot] }
    };
    (0..panels.count()).map(column).collect()
}

/// Floats of the pixels that are worked on at a time: half of a second-level cache of 256 KiB.
pub(crate) const BLOCK: usize = 1 << 15;

/// Pixels of a piece of a 1x1 whose taps are one run: their outputs stay in the second-level cache. Twice as
/// many where planes are read or written: whole tiles of 14 pixels, and whole lines of 16.
pub(crate) const SHORT_BLOCK: usize = 56;

/// How often a pixel may be copied, by pieces that share it, rather than once beforehand; and how many floats by
/// one piece: a second-level cache of 1 MiB.
const SHARED: usize = 3;
const CACHE: usize = 1 << 18;

/// All pixels by all columns, cut so that a piece's pixels stay in the second-level cache and all threads
/// have something to do. The pixels are copied from a source first, if there is one, which counts them as
/// `whole.range` does; the outputs are written to planes, if there are such.
///
/// # Safety
///
/// That of [`Dense`] and of [`over_pixels`](crate::pointwise::over_pixels), for the level of the kernel; but where
/// there is a source, it is the source's copy of a range that has every tap of its pixels, rather than `x`.
pub(crate) unsafe fn in_pieces(
    whole: Dense<'_>,
    kernel: &Kernel,
    from: Option<Source<'_>>,
    target: Option<Target<'_>>,
) {
    let Some(first) = whole.columns.first() else { return };
    let (count, level, width) = (whole.range.len(), kernel.level, first.panels.width);
    let planes = matches!(from, Some(Source::Planes(_))) || target.is_some();
    let depth = first.panels.weights(0, 0).len() / width;
    let block = match (whole.taps.len(), planes) {
        _ if matches!(from, Some(Source::Windows(..))) => BLOCK / depth,
        (1, false) => SHORT_BLOCK,
        (1, true) => 2 * SHORT_BLOCK,
        _ => BLOCK / depth,
    };
    let block = block.max(16);
    let unit = match from {
        // Whole rows, so that few pieces share them.
        Some(Source::Windows(..)) if whole.pixels.w_out <= block => whole.pixels.w_out,
        _ if planes => unit_of_planes(count),
        _ => 1,
    };
    let parts = tiles::parts(kernel.macs(count));
    let pieces = pieces((count, unit), whole.columns.len(), block, parts);
    let (mut whole, mut from) = (whole, from);
    // Where several pieces read the same pixels, these are copied beforehand.
    let mut all = None;
    if let Some(source) = from {
        let floats = source.floats(&whole.range);
        let together: usize = pieces.iter().map(|(range, _)| source.floats(range)).sum();
        let cut = pieces.iter().any(|(_, columns)| columns.len() < whole.columns.len());
        let largest = pieces.iter().map(|(range, _)| source.floats(range)).max();
        if cut || together > SHARED * floats || (together > floats && largest > Some(CACHE)) {
            let (all, _) = all.insert((Scratch::take(floats), floats));
            // SAFETY: the kernel's level is here.
            unsafe { source.copy_at_once(level, whole.range.clone(), &mut all[..floats], parts) };
            (whole.pixels, whole.origin) = source.pixels(&whole.range);
            from = None;
        }
    }
    let whole = match &all {
        Some((all, floats)) => Dense { x: &all[..*floats], cold: false, ..whole },
        None => whole,
    };
    tiles::for_each(pieces, |(range, columns)| {
        let columns = &whole.columns[columns];
        let floats = from.map_or(0, |from| from.floats(&range));
        let mut copy = Scratch::take(floats);
        let mut piece = Dense { range: range.clone(), columns, ..whole };
        // SAFETY: as the function's; a copy is of the piece's own range, or of the whole range; pieces have
        // different pixels or different columns, and together all of them.
        unsafe {
            if let Some(from) = from {
                from.copy(level, range.clone(), &mut copy[..floats]);
                (piece.pixels, piece.origin) = from.pixels(&range);
                (piece.x, piece.cold) = (&copy[..floats], false);
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

/// At multiples of how many pixels pieces start that read or write planes: of a whole line of each; or of a
/// part, where the pixels are so few that the threads would have too unequal pieces.
pub(crate) fn unit_of_planes(pixels: usize) -> usize {
    if pixels >= 16 * SIDE * tiles::threads() { SIDE } else { SIDE / 4 }
}

/// Channels of the columns that are no filling.
fn filled(columns: &[Column<'_>]) -> usize {
    columns.iter().map(|column| column.panels.filled(column.panel)).sum()
}

/// So many pixels by so many columns in pieces of about `block` pixels, which start at multiples of `unit`; if
/// there are less of these than threads, by some columns each, which makes as many as parts.
pub(crate) fn pieces(
    (pixels, unit): (usize, usize),
    columns: usize,
    block: usize,
    parts: usize,
) -> Vec<(Range<usize>, Range<usize>)> {
    let threads = if parts == 1 { 1 } else { tiles::threads() };
    let blocks = pixels.div_ceil(block);
    let blocks = if blocks < threads { blocks } else { blocks.next_multiple_of(threads) };
    let across = if blocks < threads { parts.div_ceil(blocks).min(columns) } else { 1 };
    let cut = |part: Range<usize>| {
        tiles::into_parts(0..columns, across).map(move |columns| (part.clone(), columns))
    };
    let units = tiles::into_parts(0..pixels.div_ceil(unit), blocks);
    let parts = units.map(|part| part.start * unit..pixels.min(part.end * unit));
    parts.filter(|part| !part.is_empty()).flat_map(cut).collect()
}
