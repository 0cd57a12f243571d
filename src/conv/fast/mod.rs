//! Convolution for `f32`, fast. The only unsafe code of the crate is under this
//! module; each unsafe block lists what it relies on.
//!
//! - [`layout`]: tensors lie channels last in memory.
//! - [`dense`]: pixels by output channels, for all that is wide: a 1x1, a dense k x k, wide groups.
//! - [`narrow`]: grouped k x k whose groups are narrower than a vector.
//! - [`paths`]: C kernels at once, for forms (a) and (b).
//! - [`panels`], [`padded`]: weights and inputs laid out for them.
//! - [`finish`]: what follows the sums, applied while they are in registers.
//! - [`tiles`]: how work is cut, and done by the threads.
//! - [`vector`], [`level`]: the few vector instructions that it is all written in, and which of them
//!   this machine has.
//! - [`double`], [`product`]: the same for `f64`, only as far as the evidence needs it.
//!
//! The order of a sum is whatever is fastest, so none of this need agree with the reference to the bit;
//! that it stays within the derived bound of it, and equals it to the bit on integers, is for the evidence
//! to show. It does not depend on the number of threads, nor on how the work is cut.
#![allow(unsafe_code)]

mod buffer;
mod dense;
mod double;
mod finish;
mod layout;
mod level;
mod narrow;
mod padded;
mod panels;
mod paths;
mod planes;
mod product;
mod tiles;
mod vector;

use std::ops::Range;

use ndarray::{Array4, ArrayView4};

use self::buffer::Scratch;
use self::dense::{Column, Dense, Pixels, Taps, cut};
pub use self::double::Double;
use self::finish::Finish;
use self::layout::{Image, Output};
pub use self::level::{LEVEL_VARIABLE, Level};
use self::narrow::{Narrow, Rows};
use self::padded::Padded;
use self::panels::Panels;
use self::planes::{Gather, Part, Planes, Target};
use super::after::{After, ChannelWise, Identity};
use super::convolver::{
    Convolver, concatenate_by_definition, merge_by_definition, one_input_a_path,
};
use super::spec::{ConvSpec, KernelShape};
use crate::error::Result;

/// Convolution for `f32`, with the vector instructions this machine has (AVX-512, or AVX2 with FMA, or
/// none), on the threads of the rayon pool it is called in.
///
/// The tensors it gives lie channels last in memory, and it is fastest on such. Any view will do.
#[derive(Clone, Copy, Debug)]
pub struct Fast {
    level: Level,
}

impl Fast {
    /// With the best instructions the machine has, or with those that [`LEVEL_VARIABLE`] names.
    pub fn new() -> Self {
        Self { level: Level::default() }
    }

    /// With the instructions of a level.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`](crate::error::Error::Usage) where the machine has not got them.
    pub fn with_level(level: Level) -> Result<Self> {
        Ok(Self { level: level.check()? })
    }

    /// The instructions it uses.
    pub fn level(&self) -> Level {
        self.level
    }
}

impl Default for Fast {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel of [`Fast`]: its weights, packed for the vectors of one level.
#[derive(Debug)]
pub struct FastKernel {
    shape: KernelShape,
    level: Level,
    weights: Weights,
}

#[derive(Debug)]
enum Weights {
    /// For each group.
    Dense(Vec<Panels>),
    Narrow(Narrow),
}

impl FastKernel {
    fn new(weights: ArrayView4<'_, f32>, spec: ConvSpec, level: Level) -> Result<Self> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let KernelShape { c_in_group, k_h, k_w, .. } = shape;
        let (lanes, groups, c_out_group) = (level.lanes(), spec.groups(), shape.c_out_group());
        let weights = weights.as_standard_layout();
        let Some(flat) = weights.as_slice() else { unreachable!("standard layout") };
        // One group is narrow only where the pixels of a row lie next to each other.
        let narrow = Narrow::suits(c_in_group, c_out_group, lanes)
            && k_h * k_w > 1
            && (groups > 1 || spec.stride() == 1);
        let weights = if narrow {
            let weight =
                |o: usize, tap: usize, c: usize| flat[(o * c_in_group + c) * k_h * k_w + tap];
            Weights::Narrow(Narrow::new(c_in_group, groups, k_h * k_w, lanes, weight))
        } else {
            let width = if c_out_group <= lanes { lanes } else { 2 * lanes };
            let taps = c_in_group * k_h * k_w;
            let panels = |group: usize| {
                let flat = &flat[group * c_out_group * taps..(group + 1) * c_out_group * taps];
                let weight = |o: usize, k: usize| {
                    let (tap, c) = (k / c_in_group, k % c_in_group);
                    flat[(o * c_in_group + c) * k_h * k_w + tap]
                };
                Panels::new(c_out_group, taps, width, weight)
            };
            Weights::Dense((0..groups).map(panels).collect())
        };
        Ok(Self { shape, level, weights })
    }

    /// The panels of a 1x1 without padding, in one group.
    fn pointwise(&self) -> Option<&Panels> {
        let KernelShape { k_h, k_w, spec, .. } = self.shape;
        match &self.weights {
            Weights::Dense(panels) if k_h * k_w == 1 && spec.padding() == 0 => match &panels[..] {
                [panels] => Some(panels),
                _ => None,
            },
            _ => None,
        }
    }

    /// Multiply-adds for so many pixels of output.
    fn macs(&self, pixels: usize) -> usize {
        let KernelShape { c_out, c_in_group, k_h, k_w, .. } = self.shape;
        pixels * c_out * c_in_group * k_h * k_w
    }
}

impl Convolver<f32> for Fast {
    type Kernel = FastKernel;

    fn prepare(&self, weights: ArrayView4<'_, f32>, spec: ConvSpec) -> Result<FastKernel> {
        FastKernel::new(weights, spec, self.level)
    }

    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &FastKernel) -> Result<Array4<f32>> {
        self.conv(x, kernel, &After::only(&Identity))
    }

    fn conv(
        &self,
        x: ArrayView4<'_, f32>,
        kernel: &FastKernel,
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        let output = kernel.shape.output(x.dim().into())?;
        after.check(&output)?;
        let mut z;
        let finish;
        if let Some(panels) = kernel.pointwise() {
            finish = Finish::or_planes(after, kernel.shape.c_out);
            z = pointwise(x, kernel, panels, &finish, output);
        } else {
            finish = Finish::new(after, 0, kernel.shape.c_out);
            z = convolve(&Image::new(x), kernel, &finish, output)?;
        }
        finish.rest(after, z.view_mut())?;
        Ok(z)
    }

    fn split(
        &self,
        x: ArrayView4<'_, f32>,
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        match paths::same_pixels(kernels) {
            Some(panels) => paths::split(x, kernels, &panels, function),
            None => paths::each(&vec![x; kernels.len()], kernels, function),
        }
    }

    fn each(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        one_input_a_path(xs, kernels.len())?;
        let views: Vec<_> = xs.iter().map(|x| x.view()).collect();
        paths::each(&views, kernels, function)
    }

    fn merge(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        match paths::same_pixels(kernels) {
            Some(panels) if paths::can_merge(&panels, &kernels[0]) => {
                paths::merge(xs, kernels, &panels, after)
            }
            _ => merge_by_definition(self, xs, kernels, after),
        }
    }

    fn concatenate(&self, xs: &[Array4<f32>]) -> Result<Array4<f32>> {
        match paths::concatenate(xs) {
            Some(together) => Ok(together),
            None => concatenate_by_definition(xs),
        }
    }
}

/// One convolution, and what follows it.
fn convolve(
    x: &Image<'_>,
    kernel: &FastKernel,
    finish: &Finish<'_>,
    output: [usize; 4],
) -> Result<Array4<f32>> {
    let mut z = Output::new(output);
    if output.contains(&0) {
        // SAFETY: there is no element.
        return Ok(unsafe { z.written() });
    }
    match &kernel.weights {
        Weights::Dense(panels) if panels.len() == 1 => dense(x, kernel, finish, output, &mut z)?,
        Weights::Dense(panels) => grouped(x, kernel, panels, finish, output, &mut z)?,
        Weights::Narrow(narrow) => narrowly(x, kernel, narrow, finish, output, &mut z)?,
    }
    // SAFETY: each of the three writes every channel of every pixel.
    Ok(unsafe { z.written() })
}

/// A 1x1: all pixels of all images, where they lie.
fn pointwise(
    x: ArrayView4<'_, f32>,
    kernel: &FastKernel,
    panels: &Panels,
    finish: &Finish<'_>,
    output: [usize; 4],
) -> Array4<f32> {
    let planes = finish.planes.as_ref();
    let mut z = if planes.is_some() { Output::planes(output) } else { Output::new(output) };
    if !output.contains(&0) {
        let target =
            planes.map(|(shortcut, output)| Target { z: z.first(), shortcut: *shortcut, output });
        let columns = match target {
            Some(_) => bare_columns(panels),
            None => columns(panels, 0, 0, finish, &mut z),
        };
        // SAFETY: the slots are those of the whole output, which nobody else has.
        unsafe { over_pixels(x, kernel, &columns, finish, target) };
    }
    // SAFETY: every panel is a column, and every pixel was computed.
    unsafe { z.written() }
}

/// The panels of a whole convolution, for who says later where they go.
fn bare_columns(panels: &Panels) -> Vec<Column<'_>> {
    let column = |panel: usize| {
        let channel = panel * panels.width;
        Column { panels, panel, channel, slots: Vec::new() }
    };
    (0..panels.count()).map(column).collect()
}

/// The pixels that a 1x1 like `kernel` meets, by some columns: where they lie, or gathered from planes.
///
/// # Safety
///
/// - The columns have as many taps as x has channels.
/// - Where there is no target, the slots have all pixels of the output; where there is one, it has, and the
///   columns are all its channels. Nobody else reads or writes there.
unsafe fn over_pixels(
    x: ArrayView4<'_, f32>,
    kernel: &FastKernel,
    columns: &[Column<'_>],
    finish: &Finish<'_>,
    target: Option<Target<'_>>,
) {
    let (n, c, h, w) = x.dim();
    let stride = kernel.shape.spec.stride();
    let planes = Planes::new(&x).filter(|_| stride == 1);
    let image = if planes.is_none() { Some(Image::new(x)) } else { None };
    let floats = image.as_ref().map_or(&[][..], Image::floats);
    let (h_out, w_out) = ((h - 1) / stride + 1, (w - 1) / stride + 1);
    let range = 0..n * h_out * w_out;
    let pixels = match stride {
        1 => Pixels::run(c, range.len()),
        _ => {
            let (row, column) = (stride.saturating_mul(w * c), stride.saturating_mul(c));
            Pixels { image: h * w * c, row, column, h_out, w_out }
        }
    };
    let taps = [Taps { offset: 0, length: c }];
    let runs = columns.first().map_or(&[][..], |column| column.panels.runs());
    let taps: Vec<_> = runs.iter().map(|run| cut(&taps, run)).collect();
    let whole = Dense { x: floats, pixels, origin: 0, taps: &taps, columns, range, finish };
    // SAFETY: the pixels are those of x, each of as many channels as the panels have taps; the rest is the
    // caller's.
    unsafe { in_pieces(whole, kernel, planes, target) };
}

/// A k x k in one group.
fn dense(
    x: &Image<'_>,
    kernel: &FastKernel,
    finish: &Finish<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let Weights::Dense(panels) = &kernel.weights else { unreachable!("looked at by the caller") };
    let padded = Padded::new(kernel.shape, x.c, output)?;
    let taps = padded.taps();
    let taps: Vec<_> = panels[0].runs().iter().map(|run| cut(&taps, run)).collect();
    let mut copy = Scratch::take(padded.floats());
    for n in 0..x.n {
        let rows = copy[..padded.floats()].chunks_mut(padded.row()).enumerate().collect();
        tiles::for_each(rows, |(row, to)| padded.copy_row(x, n, 0, row, to));
        let columns = columns(&panels[0], n, 0, finish, z);
        let range = 0..output[2] * output[3];
        let pixels = padded.pixels();
        let (columns, taps) = (&columns[..], &taps[..]);
        let whole = Dense { x: &copy, pixels, origin: 0, taps, columns, range, finish };
        // SAFETY: the copy has every tap of every pixel; the slots are those of an image of the output,
        // which nobody else has.
        unsafe { in_pieces(whole, kernel, None, None) };
    }
    Ok(())
}

/// The panels of a group whose first channel is `channel`, and where they go in image `n`.
fn columns<'p>(
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
const BLOCK: usize = 1 << 15;

/// Pixels of a piece where all its taps are one run: their outputs stay in the second-level cache.
const SHORT_BLOCK: usize = 48;

/// All pixels by all columns, cut so that a piece's pixels stay in the second-level cache and all threads
/// have something to do. The pixels are gathered from planes, and the outputs written to planes, if there
/// are such.
///
/// # Safety
///
/// That of [`Dense`] and of [`over_pixels`], for the level of the kernel.
unsafe fn in_pieces(
    whole: Dense<'_>,
    kernel: &FastKernel,
    from: Option<Planes<'_>>,
    target: Option<Target<'_>>,
) {
    let Some(first) = whole.columns.first() else { return };
    let (count, level, width) = (whole.range.len(), kernel.level, first.panels.width);
    let depth = first.panels.weights(0, 0).len() / width;
    let block = if whole.taps.len() == 1 { SHORT_BLOCK } else { (BLOCK / depth).max(16) };
    let pieces = pieces(count, whole.columns.len(), block, tiles::parts(kernel.macs(count)));
    tiles::for_each(pieces, |(range, columns)| {
        let columns = &whole.columns[columns];
        let mut gathered = Scratch::take(from.map_or(0, |planes| range.len() * planes.channels()));
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
fn pieces(
    pixels: usize,
    columns: usize,
    block: usize,
    parts: usize,
) -> Vec<(Range<usize>, Range<usize>)> {
    let threads = if parts == 1 { 1 } else { rayon::current_num_threads() };
    let blocks = pixels.div_ceil(block);
    let blocks = if blocks < threads { blocks } else { blocks.next_multiple_of(threads) };
    let across = if blocks < parts { parts.div_ceil(blocks).min(columns) } else { 1 };
    let cut = |part: Range<usize>| {
        tiles::into_parts(0..columns, across).map(move |columns| (part.clone(), columns))
    };
    tiles::into_parts(0..pixels, blocks).flat_map(cut).collect()
}

/// A k x k in groups that are no narrower than a vector, or not suited to [`Narrow`]: group by group.
fn grouped(
    x: &Image<'_>,
    kernel: &FastKernel,
    panels: &[Panels],
    finish: &Finish<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let shape = &kernel.shape;
    let padded = Padded::new(*shape, shape.c_in_group, output)?;
    let taps = padded.taps();
    let taps: Vec<_> = panels[0].runs().iter().map(|run| cut(&taps, run)).collect();
    let mut pieces = Vec::with_capacity(x.n * panels.len());
    for n in 0..x.n {
        for (group, panels) in panels.iter().enumerate() {
            let columns = columns(panels, n, group * shape.c_out_group(), finish, z);
            pieces.push((n, group, columns));
        }
    }
    let pixels = output[2] * output[3];
    let parts = tiles::parts(kernel.macs(x.n * pixels));
    tiles::in_runs(pieces, parts, |(n, group, columns)| {
        let mut copy = Scratch::take(padded.floats());
        padded.copy(x, n, group * shape.c_in_group, &mut copy);
        for range in tiles::balanced(0..pixels, (BLOCK / shape.c_in_group / 9).max(16)) {
            let pixels = padded.pixels();
            let (x, taps, columns) = (&copy[..], &taps[..], &columns[..]);
            let piece = Dense { x, pixels, origin: 0, taps, columns, range, finish };
            // SAFETY: the copy has every tap of every pixel; the slots are those of one group of one
            // image of the output, which nobody else has.
            unsafe { kernel.level.run(piece) };
        }
    });
    Ok(())
}

/// A k x k in groups that are narrower than a vector: vector by vector of the channels.
fn narrowly(
    x: &Image<'_>,
    kernel: &FastKernel,
    narrow: &Narrow,
    finish: &Finish<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let [_, c_out, h_out, w_out] = output;
    let lanes = kernel.level.lanes();
    // Either a vector's channels at every pixel, or the few there are, several pixels to a vector.
    let width = if narrow.pixels == 1 { lanes } else { c_out };
    let padded = Padded::new(kernel.shape, width, output)?;
    let repeated = (narrow.pixels > 1).then(|| finish.repeated(narrow.pixels));
    let offsets: Vec<usize> = padded.offsets().collect();
    let spec = &kernel.shape.spec;
    let three_columns = narrow.pixels == 1
        && kernel.shape.k_w == 3
        && (spec.stride(), spec.dilation(), width) == (1, 1, lanes);
    let mut pieces = Vec::new();
    for n in 0..x.n {
        for vector in 0..c_out.div_ceil(width) {
            let filled = width.min(c_out - vector * width);
            pieces.push((n, vector, z.slot(n, vector * width, filled, finish.shortcut.as_ref())));
        }
    }
    let parts = tiles::parts(kernel.macs(x.n * h_out * w_out));
    tiles::in_runs(pieces, parts, |(n, vector, mut slot)| {
        // A row's last vector may reach beyond it.
        let mut copy = Scratch::take(padded.floats() + lanes);
        padded.copy(x, n, vector * width, &mut copy);
        let (vectors, step, last) = match narrow.pixels {
            1 => (w_out, padded.pixels().column, slot.lanes),
            several => {
                (slot.pitch, slot.lanes) = (lanes, lanes);
                let vectors = w_out.div_ceil(several);
                (vectors, lanes, (w_out - (vectors - 1) * several) * c_out)
            }
        };
        let (channel, row) = (vector * width, padded.pixels().row);
        let (x, offsets, z_row) = (&copy[..], &offsets[..], w_out * c_out);
        let finish = repeated.as_ref().unwrap_or(finish);
        #[rustfmt::skip]
        let rows = Rows {
            narrow, vector, x, offsets, three_columns, row, step, h_out, vectors, channel, slot, z_row,
            last, finish,
        };
        // SAFETY: the copy has every tap of every vector, and a vector's lanes beyond the last; the slot
        // is that of some channels of one image of the output, which nobody else has.
        unsafe { kernel.level.run(rows) };
    });
    Ok(())
}
