//! Runs one convolution. A 1x1 usually reads the pixels in place. A k x k reads copies of the input with the padding
//! around it. Both are divided into pieces, each of which multiplies some pixels by some panels.

use std::ops::Range;

use ndarray::{Array4, ArrayView4};

use crate::dense::{Column, Dense, columns};
use crate::epilogue::{Epilogue, Fused};
use crate::error::Result;
use crate::kernel::{Kernel, Weights};
use crate::layout::{Image, Output, Slot};
use crate::memory::Scratch;
use crate::narrow::{Narrow, Rows};
use crate::pack::Panels;
use crate::pixels::{Padded, Pixels, Source, Taps};
use crate::planes::{Part, Planes, SIDE, Target};
use crate::simd::Level;
use crate::tiles;

/// Runs one convolution and its epilogue: N x C_in x H x W becomes N x C_out x H_out x W_out. The input can be any
/// view. A view that is channels last in memory is fastest. The result is channels last, with one exception: if a 1x1
/// has a shortcut in ndarray's standard layout, the result has that layout too.
///
/// Errors: an input whose channels or map do not suit the kernel; an epilogue whose channels or shortcut do not
/// suit the output; sizes that no memory can hold.
pub fn conv(
    x: ArrayView4<'_, f32>,
    kernel: &Kernel,
    epilogue: Epilogue<'_>,
) -> Result<Array4<f32>> {
    let output = kernel.shape.output(x.dim().into())?;
    epilogue.check(output)?;
    if let Some(panels) = kernel.pointwise() {
        let epilogue = Fused::or_planes(epilogue);
        let work = |columns: &[Column<'_>], target: Option<Target<'_>>| {
            // SAFETY: the columns are those of the whole output.
            unsafe { over_pixels(x, kernel, columns, &epilogue, target) }
        };
        // SAFETY: every pixel is computed.
        return Ok(unsafe { whole(panels, &epilogue, output, work) });
    }
    let (x, epilogue) = (Image::new(x), Fused::new(epilogue));
    let mut z = Output::new(output, false, epilogue.shortcut.as_ref());
    if !output.contains(&0) {
        let windows = Windows { x: &x, kernel, epilogue: &epilogue, output };
        match &kernel.weights {
            Weights::Dense(panels) => match &panels[..] {
                [panels] => windows.dense(panels, &mut z)?,
                _ => windows.grouped(panels, &mut z)?,
            },
            Weights::Narrow(narrow) => windows.narrow(narrow, &mut z)?,
        }
    }
    // SAFETY: each of the three methods writes every channel of every pixel.
    Ok(unsafe { z.written() })
}

/// Returns the output that `work` writes. `work` gets the columns of a 1x1, whose slots cover the whole output.
/// If the epilogue has planes, `work` also gets a target, and the columns have no slots. Nothing else uses the slots
/// or the target.
/// Safety: `work` writes all of the output.
pub(crate) unsafe fn whole(
    panels: &Panels,
    epilogue: &Fused<'_>,
    output: [usize; 4],
    work: impl FnOnce(&[Column<'_>], Option<Target<'_>>),
) -> Array4<f32> {
    let planes = epilogue.planes.as_ref();
    let mut z = Output::new(output, planes.is_some(), epilogue.shortcut.as_ref());
    if !output.contains(&0) {
        let target = planes.map(|(shortcut, output)| Target {
            z: z.whole_slot(),
            shortcut: *shortcut,
            output,
        });
        let slots = |channel: usize, lanes: usize| match target {
            Some(_) => Vec::new(),
            None => vec![z.slot(0, channel, lanes)],
        };
        work(&columns(panels, 0, slots), target);
    }
    // SAFETY: upheld by the caller.
    unsafe { z.written() }
}

/// Does `work` for some pixels and some columns of a [`whole`] output. `work` writes to the slots of the columns that
/// it is given. If there is a target, the results are then moved from those slots to the target.
/// Safety: the machine has the level, and nobody else reads or writes these pixels and channels of the target.
pub(crate) unsafe fn by_target(
    level: Level,
    target: Option<Target<'_>>,
    range: &Range<usize>,
    columns: &[Column<'_>],
    work: impl FnOnce(&[Column<'_>]),
) {
    let Some(target) = target else { return work(columns) };
    let width = columns[0].panels.width;
    let filled = |column: &Column<'_>| column.panels.filled(column.panel);
    let channel = columns[0].channel;
    let channels = channel..channel + columns.iter().map(filled).sum::<usize>();
    let part = Part::new(target, [range.clone(), channels], columns.len() * width);
    let slot = |column: &Column<'_>| part.slot(column.channel - channel, filled(column));
    let slots: Vec<Slot> = columns.iter().map(slot).collect();
    let redirected = columns.iter().zip(slots.chunks(1));
    let redirected = redirected.map(|(column, slot)| Column { slots: slot.into(), ..*column });
    work(&redirected.collect::<Vec<_>>());
    // SAFETY: upheld by the caller.
    unsafe { level.run(part) }
}

/// Multiplies the pixels that a 1x1 like `kernel` reads by some columns. The pixels are read in place, or from a copy
/// if they are in planes or lie multiples of a page apart.
/// # Safety
/// - The columns have as many taps as x has channels.
/// - Without a target, the slots cover all pixels of the output. With a target, the target covers them, and
///   the columns cover all its channels. Nobody else reads or writes there.
pub(crate) unsafe fn over_pixels(
    x: ArrayView4<'_, f32>,
    kernel: &Kernel,
    columns: &[Column<'_>],
    epilogue: &Fused<'_>,
    target: Option<Target<'_>>,
) {
    let (n, c, h, w) = x.dim();
    let [down, along] = kernel.shape.spec.stride;
    let planes = Planes::new(&x).filter(|_| (down, along) == (1, 1));
    let image = planes.is_none().then(|| Image::new(x));
    let floats = image.as_ref().map_or(&[][..], |image| &image.floats);
    let (h_out, w_out) = ((h - 1) / down + 1, (w - 1) / along + 1);
    let range = 0..n * h_out * w_out;
    let pixels = match (down, along) {
        (1, 1) => Pixels::run(c, range.len()),
        _ => {
            let (row, column) = (down.saturating_mul(w * c), along.saturating_mul(c));
            Pixels { image: h * w * c, row, column, h_out, w_out }
        }
    };
    let from = match planes {
        Some(planes) => Some(Source::Planes(planes)),
        None if pixels.collide(kernel.level.rows()) => Some(Source::Apart(floats, pixels, c)),
        None => None,
    };
    let taps = [Taps { offset: 0, length: c }];
    let taps = columns.first().map_or(Vec::new(), |column| column.panels.cut(&taps));
    let (x, taps) = (floats, &taps[..]);
    let whole = Dense { x, pixels, origin: 0, taps, columns, range, cold: true, epilogue };
    // SAFETY: the pixels are those of x, and each has a channel for each tap of the panels; the rest is
    // upheld by the caller.
    unsafe { in_pieces(whole, kernel, from, target) };
}

/// Floats of the input pixels in a block. They fill half of an L2 cache of 256 KiB.
const BLOCK: usize = 1 << 15;

/// Pixels per block in a 1x1 convolution whose taps form a single run. The number is chosen so that the block's
/// outputs stay in the L2 cache. If planes are read or written, a block has twice as many pixels. They fill whole
/// tiles of 14 pixels, and whole cache lines of 16.
const SHORT_BLOCK: usize = 56;

/// If pixels must be copied, each piece copies those that it reads. In three cases, however, all pixels are copied
/// once beforehand:
///
/// - the columns are divided too;
/// - together, the pieces would copy more than `SHARED` times all pixels;
/// - the pieces overlap, and one of them would copy more than `CACHE` floats, which fill an L2 cache of 1 MiB.
const SHARED: usize = 3;
const CACHE: usize = 1 << 18;

/// Multiplies all pixels by all columns. The pixels of a piece stay in the L2 cache, and the pieces keep all threads
/// busy. If there is a source, the pixels are copied from it first. The source numbers the pixels as `whole.range`
/// does. If there is a target, the outputs are written to its planes.
/// Safety: as for [`Dense`] and [`over_pixels`], at the level of the kernel. With a source, however, every tap of a
/// range's pixels must lie in the copy of that range, rather than in `x`.
unsafe fn in_pieces(
    whole: Dense<'_>,
    kernel: &Kernel,
    from: Option<Source<'_>>,
    target: Option<Target<'_>>,
) {
    let Some(first) = whole.columns.first() else { return };
    let (count, level) = (whole.range.len(), kernel.level);
    let planes = matches!(from, Some(Source::Planes(_))) || target.is_some();
    let windows = matches!(from, Some(Source::Windows(..)));
    let depth = first.panels.weights(0, 0).len() / first.panels.width;
    let block = match (whole.taps.len(), planes) {
        (1, false) if !windows => SHORT_BLOCK,
        (1, true) => 2 * SHORT_BLOCK,
        _ => (BLOCK / depth).max(16),
    };
    let unit = match planes {
        // Whole rows, so that few pieces read the same rows.
        false if windows && whole.pixels.w_out <= block => whole.pixels.w_out,
        false => 1,
        true => unit_of_planes(count),
    };
    let parts = tiles::parts(kernel.macs(count));
    let pieces = pieces((count, unit), whole.columns.len(), block, parts);
    // Pixels that the pieces would copy too often are copied beforehand.
    let beforehand = from.filter(|source| {
        let floats = source.floats(&whole.range);
        let together: usize = pieces.iter().map(|(range, _)| source.floats(range)).sum();
        let cut = pieces.iter().any(|(_, columns)| columns.len() < whole.columns.len());
        let largest = pieces.iter().map(|(range, _)| source.floats(range)).max();
        cut || together > SHARED * floats || (together > floats && largest > Some(CACHE))
    });
    let from = if beforehand.is_some() { None } else { from };
    let mut all = beforehand.map(|source| Scratch::take(source.floats(&whole.range)));
    let whole = match (beforehand, &mut all) {
        // SAFETY: the machine has the kernel's level.
        (Some(source), Some(all)) => unsafe { source.read_by(whole, level, all, parts) },
        _ => whole,
    };
    tiles::in_runs(pieces, usize::MAX, |(range, columns)| {
        let columns = &whole.columns[columns];
        let mut copy = Scratch::take(from.map_or(0, |from| from.floats(&range)));
        let mut piece = Dense { range: range.clone(), columns, ..whole };
        // SAFETY: upheld by the caller; a copy holds the piece's own range, or the whole range; pieces have
        // different pixels or different columns, and together they have all.
        unsafe {
            if let Some(from) = from {
                piece = from.read_by(piece, level, &mut copy, 1);
            }
            by_target(level, target, &range, columns, |columns| {
                level.run(Dense { columns, ..piece });
            });
        }
    });
}

/// Pieces that read or write planes start at multiples of this number of pixels. The number is a whole cache line. If
/// there are so few pixels that the threads would get very unequal pieces, it is a quarter of a line.
pub(crate) fn unit_of_planes(pixels: usize) -> usize {
    if pixels >= 16 * SIDE * tiles::threads() { SIDE } else { SIDE / 4 }
}

/// Divides the work on all pixels and all columns into pieces of about `block` pixels. Each piece starts at a
/// multiple of `unit` pixels. If that gives fewer pieces than threads, the columns are divided too, to make about
/// `parts` pieces.
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

/// A k x k convolution.
struct Windows<'a> {
    x: &'a Image<'a>,
    kernel: &'a Kernel,
    epilogue: &'a Fused<'a>,
    output: [usize; 4],
}

impl Windows<'_> {
    /// Runs a convolution with one group.
    fn dense(&self, panels: &Panels, z: &mut Output<'_>) -> Result<()> {
        let Self { x, kernel, epilogue, output: [n, _, h_out, w_out] } = *self;
        let padded =
            Padded::new(kernel.shape, [x.c, 1], [h_out, w_out])?.apart(kernel.level.rows());
        let taps = &panels.cut(&padded.taps())[..];
        for n in 0..n {
            let columns = &columns(panels, 0, |c, lanes| vec![z.slot(n, c, lanes)])[..];
            let (pixels, range) = (padded.pixels(), 0..h_out * w_out);
            let whole =
                Dense { x: &[], pixels, origin: 0, taps, columns, range, cold: false, epilogue };
            // SAFETY: the source's copy of a range has the rows that its pixels read, with the padding
            // around them; the slots are those of an image of the output, which nobody else uses.
            unsafe { in_pieces(whole, kernel, Some(Source::Windows(padded, x, n)), None) };
        }
        Ok(())
    }

    /// Runs a convolution with several groups that are not suited to [`Narrow`], group by group.
    fn grouped(&self, panels: &[Panels], z: &mut Output<'_>) -> Result<()> {
        let Self { x, kernel, epilogue, output: [n, _, h_out, w_out] } = *self;
        let (c_in, c_out) = (kernel.shape.c_in_group, kernel.shape.c_out / panels.len());
        let padded = Padded::new(kernel.shape, [c_in, 1], [h_out, w_out])?;
        let taps = &panels[0].cut(&padded.taps())[..];
        let mut pieces = Vec::with_capacity(n * panels.len());
        for n in 0..n {
            for (group, panels) in panels.iter().enumerate() {
                let first = group * c_out;
                let slots = |c, lanes| vec![z.slot(n, first + c, lanes)];
                pieces.push((n, group, columns(panels, first, slots)));
            }
        }
        let parts = tiles::parts(kernel.macs(n * h_out * w_out));
        tiles::in_runs(pieces, parts, |(n, group, columns)| {
            let mut copy = Scratch::take(padded.floats());
            padded.copy(x, n, group * c_in, &mut copy);
            let (x, pixels, columns) = (&copy[..padded.floats()], padded.pixels(), &columns[..]);
            for range in tiles::balanced(0..h_out * w_out, (BLOCK / c_in / 9).max(16)) {
                let piece =
                    Dense { x, pixels, origin: 0, taps, columns, range, cold: false, epilogue };
                // SAFETY: the copy has every tap of every pixel; the slots are those of one group of one
                // image of the output, which nobody else uses.
                unsafe { kernel.level.run(piece) };
            }
        });
        Ok(())
    }

    /// Runs a convolution with groups that are suited to [`Narrow`], a few vectors of channels at a time.
    fn narrow(&self, narrow: &Narrow, z: &mut Output<'_>) -> Result<()> {
        let Self { x, kernel, epilogue, output: [n, c_out, h_out, w_out] } = *self;
        let lanes = kernel.level.lanes();
        // With several groups, the copy has two vectors of channels side by side in each row (for eight lanes, a
        // cache line of each pixel). With one group, it has all its channels, and several pixels share a vector.
        let (width, parts) = if narrow.pixels == 1 { (lanes, 2) } else { (c_out, 1) };
        let padded = Padded::new(kernel.shape, [width, parts], [h_out, w_out])?;
        let repeated = (narrow.pixels > 1).then(|| epilogue.repeated(narrow.pixels));
        let epilogue = repeated.as_ref().unwrap_or(epilogue);
        let offsets = &padded.offsets().collect::<Vec<usize>>()[..];
        let (spec, columns) = (&kernel.shape.spec, kernel.shape.k_w);
        let three_columns =
            narrow.pixels == 1 && columns == 3 && (spec.stride[1], spec.dilation[1]) == (1, 1);
        let mut pieces = Vec::new();
        for n in 0..n {
            for first in (0..c_out.div_ceil(width)).step_by(parts) {
                let vectors = first..c_out.div_ceil(width).min(first + parts);
                let slots = vectors
                    .map(|vector| vector * width)
                    .map(|c| z.slot(n, c, width.min(c_out - c)));
                pieces.push((n, first, slots.collect::<Vec<Slot>>()));
            }
        }
        let runs = tiles::parts(kernel.macs(n * h_out * w_out));
        tiles::in_runs(pieces, runs, |(n, first, mut slots)| {
            // A row's last vector may reach beyond the row.
            let floats = padded.floats() + lanes;
            let mut copy = Scratch::take(floats);
            padded.copy(x, n, first * width, &mut copy);
            let Pixels { row, column, .. } = padded.pixels();
            let (vectors, step, last) = match narrow.pixels {
                1 => (w_out, column, None),
                several => {
                    (slots[0].pitch, slots[0].lanes) = (lanes, lanes);
                    let vectors = w_out.div_ceil(several);
                    (vectors, lanes, Some((w_out - (vectors - 1) * several) * c_out))
                }
            };
            let (x, part, z_row, slots) = (&copy[..floats], padded.part(), w_out * c_out, &slots);
            #[rustfmt::skip]
            let rows = Rows {
                narrow, first, x, offsets, columns, three_columns, row, part, step, h_out, vectors, slots,
                z_row, last, epilogue,
            };
            // SAFETY: the copy has every tap of every vector, and a vector's lanes beyond the last; the
            // slots are those of some channels of one image of the output, which nobody else uses.
            unsafe { kernel.level.run(rows) };
        });
        Ok(())
    }
}

/// Writes the product of `a` (`m` x `k`) and `b` (`k` x `columns`) to `c` (`m` x `columns`). All three are row-major.
/// The `gemm` crate computes the product.
#[rustfmt::skip]
pub fn product(a: &[f64], b: &[f64], c: &mut [f64], m: usize, columns: usize) {
    let k = a.len() / m;
    assert!(a.len() == m * k && b.len() == k * columns && c.len() == m * columns);
    // SAFETY: with the strides given, gemm reads element (i, j) of a at i k + j, and of
    // b at j columns + p, and writes element (i, p) of c at i columns + p, for i < m,
    // j < k and p < columns: all inside the slices, by the assertion above. `c` is borrowed
    // mutably, so it overlaps neither input. With read_dst false nothing of c is read.
    unsafe {
        gemm::gemm(
            m, columns, k,
            c.as_mut_ptr(), 1, columns as isize, false,
            a.as_ptr(), 1, k as isize,
            b.as_ptr(), 1, columns as isize,
            0.0, 1.0, false, false, false, gemm::Parallelism::None,
        );
    }
}
