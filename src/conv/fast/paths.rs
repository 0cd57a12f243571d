//! C kernels at once: what makes 32 real paths nearly as fast as one wide convolution. The paths read a
//! tile of the input while it is in cache; their sums are added in registers.
#![allow(unsafe_code)]

use std::marker::PhantomData;
use std::ops::Range;

use ndarray::{Array4, ArrayView4, Axis};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use super::FastKernel;
use super::buffer::Scratch;
use super::dense::Column;
use super::finish::{Finish, Slot, store};
use super::layout::{Image, Output};
use super::level::Work;
use super::panels::Panels;
use super::pieces::{pieces, unit_of_planes};
use super::planes::{Part, Target};
use super::pointwise::{over_pixels, pointwise};
use super::tiles::{self, balanced};
use super::vector::{Size, Vector, load_rows, store_rows};
use super::windows::convolve;
use crate::conv::after::{After, ChannelWise};
use crate::conv::convolver::check_paths;
use crate::error::Result;

/// The panels of kernels that are 1x1, at the same pixels, of as many input channels; if they are.
pub(super) fn same_pixels(kernels: &[FastKernel]) -> Option<Vec<&Panels>> {
    let first = kernels.first()?;
    let alike = |kernel: &FastKernel| {
        kernel.shape.spec == first.shape.spec
            && kernel.shape.c_in_group == first.shape.c_in_group
            && kernel.level == first.level
    };
    let panels: Vec<_> = kernels.iter().map(FastKernel::pointwise).collect::<Option<_>>()?;
    let widths_alike = panels.iter().all(|panels| panels.width == panels_width(kernels));
    (kernels.iter().all(alike) && widths_alike).then_some(panels)
}

fn panels_width(kernels: &[FastKernel]) -> usize {
    kernels.first().and_then(FastKernel::pointwise).map_or(0, |panels| panels.width)
}

/// Whether there is code to merge such paths: outputs of more than one vector, inputs of one run of taps.
pub(super) fn can_merge(panels: &[&Panels], kernel: &FastKernel) -> bool {
    let two = WIDE * kernel.level.lanes();
    kernel.shape.spec.stride() == 1
        && panels.iter().all(|panels| panels.width == two && panels.runs().len() == 1)
}

/// One input, C kernels that read the same pixels of it.
pub(super) fn split(
    x: ArrayView4<'_, f32>,
    kernels: &[FastKernel],
    panels: &[&Panels],
    function: &dyn ChannelWise<f32>,
) -> Result<Vec<Array4<f32>>> {
    let mut paths = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        paths.push(Output::new(kernel.shape.output(x.dim().into())?));
    }
    let channels = kernels.iter().map(|kernel| kernel.shape.c_out).sum();
    let finish = Finish::of_path(function, 0..channels);
    if !x.is_empty() {
        // Paths that are no wider than a vector share a panel, each in its own lanes of it.
        let lanes = kernels[0].level.lanes();
        let narrow = kernels.iter().all(|kernel| kernel.shape.c_out <= lanes);
        let fresh;
        let columns = if narrow {
            let kept = kernels[0].shared.get_or_init(|| Shared::new(kernels, panels, 2 * lanes));
            let shared = if kept.is_of(kernels) {
                kept
            } else {
                fresh = Shared::new(kernels, panels, 2 * lanes);
                &fresh
            };
            shared.columns(panels, &mut paths)
        } else {
            own_columns(panels, &mut paths)
        };
        // SAFETY: the panels have a tap for each channel of x; each slot is that of some channels of one
        // path's output, which nobody else has.
        unsafe { over_pixels(x, &kernels[0], &columns, &finish, None) };
    }
    // SAFETY: every channel of every path is in some column, and every pixel in the range.
    let mut paths: Vec<_> = paths.into_iter().map(|path| unsafe { path.written() }).collect();
    let mut first = 0;
    for path in &mut paths {
        finish.rest_of_path(function, first, path.view_mut());
        first += path.len_of(Axis(1));
    }
    Ok(paths)
}

fn own_columns<'p>(panels: &[&'p Panels], paths: &mut [Output]) -> Vec<Column<'p>> {
    let mut columns = Vec::new();
    let mut first = 0;
    for (&panels, path) in panels.iter().zip(paths) {
        for panel in 0..panels.count() {
            let channel = panel * panels.width;
            let slots = vec![path.slot(0, channel, panels.filled(panel), None)];
            columns.push(Column { panels, panel, channel: first + channel, slots });
        }
        first += panels.channels;
    }
    columns
}

/// The weights of paths side by side in panels. Made when the first of them is first used, and kept with it for
/// the same list of paths; for any other it is made at each use.
#[derive(Debug)]
pub(super) struct Shared {
    /// The numbers of the paths' kernels.
    numbers: Vec<u64>,
    /// The paths of each panel.
    panels: Vec<(Range<usize>, Panels)>,
}

impl Shared {
    fn new(kernels: &[FastKernel], paths: &[&Panels], width: usize) -> Self {
        let mut shared = Vec::new();
        let mut first = 0;
        while first < paths.len() {
            let (mut end, mut channels) = (first, 0);
            while end < paths.len() && (end == first || channels + paths[end].channels <= width) {
                channels += paths[end].channels;
                end += 1;
            }
            let taps = paths[first].runs().last().map_or(0, |run| run.end);
            let mut panels = Panels::zeros(channels, taps, width);
            let mut lane = 0;
            for path in &paths[first..end] {
                panels.put(lane, path);
                lane += path.channels;
            }
            shared.push((first..end, panels));
            first = end;
        }
        Self { numbers: kernels.iter().map(|kernel| kernel.number).collect(), panels: shared }
    }

    fn is_of(&self, kernels: &[FastKernel]) -> bool {
        self.numbers.iter().eq(kernels.iter().map(|kernel| &kernel.number))
    }

    fn columns<'p>(&'p self, panels: &[&Panels], paths: &mut [Output]) -> Vec<Column<'p>> {
        let mut channel = 0;
        let column = |(range, shared): &'p (Range<usize>, Panels)| {
            let slot = |path: usize| paths[path].slot(0, 0, panels[path].channels, None);
            let slots = range.clone().map(slot).collect();
            let column = Column { panels: shared, panel: 0, channel, slots };
            channel += shared.channels;
            column
        };
        self.panels.iter().map(column).collect()
    }
}

/// One convolution for each path, its channels counted through all of them.
pub(super) fn each(
    xs: &[ArrayView4<'_, f32>],
    kernels: &[FastKernel],
    function: &dyn ChannelWise<f32>,
) -> Result<Vec<Array4<f32>>> {
    let mut first = 0;
    let mut pieces = Vec::with_capacity(kernels.len());
    let mut macs = 0;
    for (x, kernel) in xs.iter().zip(kernels) {
        let output = kernel.shape.output(x.dim().into())?;
        macs += kernel.macs(output[0] * output[2] * output[3]);
        pieces.push((x, kernel, output, first));
        first += kernel.shape.c_out;
    }
    let path =
        |(x, kernel, output, first): (&ArrayView4<'_, f32>, &FastKernel, [usize; 4], usize)| {
            let finish = Finish::of_path(function, first..first + kernel.shape.c_out);
            let mut z = match kernel.pointwise() {
                Some(panels) => pointwise(x.view(), kernel, panels, &finish, output),
                None => convolve(&Image::new(x.view()), kernel, &finish, output)?,
            };
            finish.rest_of_path(function, first, z.view_mut());
            Ok(z)
        };
    match tiles::parts(macs) {
        1 => pieces.into_iter().map(path).collect(),
        parts => {
            let length = pieces.len().div_ceil(parts).max(1);
            pieces.into_par_iter().with_min_len(length).map(path).collect()
        }
    }
}

/// C inputs, C pointwise kernels of stride 1 and one width: each path is summed by itself, and the paths'
/// sums are added in order, all of it in registers.
pub(super) fn merge(
    xs: &[Array4<f32>],
    kernels: &[FastKernel],
    panels: &[&Panels],
    after: &After<'_, f32>,
) -> Result<Array4<f32>> {
    let shape = check_paths(xs, kernels.iter().map(|kernel| &kernel.shape))?;
    after.check(&shape)?;
    let [n, c_out, h, w] = shape;
    let finish = Finish::or_planes(after, c_out);
    let planes = finish.planes.as_ref();
    let mut output = if planes.is_some() { Output::planes(shape) } else { Output::new(shape) };
    let images: Vec<_> = xs.iter().map(|x| Image::new(x.view())).collect();
    let xs: Vec<_> = images.iter().map(Image::floats).collect();
    let count = n * h * w;
    if count > 0 {
        let (d, level, width) = (kernels[0].shape.c_in_group, kernels[0].level, panels[0].width);
        let target = planes.map(|(shortcut, then)| Target {
            z: output.first(),
            shortcut: *shortcut,
            output: then,
        });
        let mut slots: Vec<Slot> = Vec::new();
        if target.is_none() {
            let shortcut = finish.shortcut.as_ref();
            let panel = |panel: usize| (panel * width, panels[0].filled(panel));
            slots.extend(
                (0..panels[0].count())
                    .map(panel)
                    .map(|(channel, filled)| output.slot(0, channel, filled, shortcut)),
            );
        }
        let parts = tiles::parts(kernels.iter().map(|kernel| kernel.macs(count)).sum());
        let unit = if target.is_some() { unit_of_planes(count) } else { 1 };
        let pieces = pieces((count, unit), panels[0].count(), BLOCK, parts);
        tiles::for_each(pieces, |(range, columns)| {
            let first = columns.start * width;
            let mut merge = Merge {
                xs: &xs,
                d,
                panels,
                columns,
                slots: &slots,
                range: range.clone(),
                finish: &finish,
            };
            // SAFETY: each path has d channels at every pixel, and a panel of as many taps for each
            // column; pieces have different pixels or different columns of an output that nobody else has.
            unsafe {
                match target {
                    None => level.run(merge),
                    Some(target) => {
                        let columns = merge.columns.clone();
                        let part = Part::new(
                            range,
                            first..c_out.min(columns.end * width),
                            columns.len() * width,
                        );
                        let slot = |column: usize| match column.checked_sub(columns.start) {
                            Some(number) => part.slot(number * width, panels[0].filled(column)),
                            None => part.slot(0, 0),
                        };
                        let slots: Vec<_> = (0..columns.end).map(slot).collect();
                        merge.slots = &slots;
                        level.run(merge);
                        level.run(part.scatter(target));
                    }
                }
            }
        });
    }
    // SAFETY: every panel is in some piece, and with each all pixels.
    let mut z = unsafe { output.written() };
    finish.rest(after, z.view_mut())?;
    Ok(z)
}

/// Some pixels by some panels, summed over the paths.
struct Merge<'a> {
    xs: &'a [&'a [f32]],
    /// Channels of a path.
    d: usize,
    panels: &'a [&'a Panels],
    columns: Range<usize>,
    slots: &'a [Slot],
    range: Range<usize>,
    finish: &'a Finish<'a>,
}

impl Work for Merge<'_> {
    /// # Safety
    ///
    /// - The machine has the instructions of `T`, and the panels are two of its vectors wide.
    /// - Each path has d channels at every pixel of the range, and panels of one run of d taps.
    /// - The slots of the columns have the pixels of the range, and nobody else reads or writes there.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        // SAFETY: as the function's; each of these widths divides d, and there is code for it.
        unsafe {
            match self.d {
                4 => self.columns_of::<T, 4>(),
                d if d.is_multiple_of(8) => self.columns_of::<T, 8>(),
                _ => self.columns_of::<T, 1>(),
            }
        }
    }
}

/// Vectors of a panel.
const WIDE: usize = 2;

impl Merge<'_> {
    /// D taps at a time, without a loop.
    ///
    /// # Safety
    ///
    /// That of `run`; D divides d.
    #[inline(always)]
    unsafe fn columns_of<T: Vector, const D: usize>(&self) {
        debug_assert!(self.d.is_multiple_of(D) && self.panels.len() == self.xs.len());
        debug_assert!(self.xs.iter().all(|x| x.len() >= self.range.end * self.d));
        debug_assert!(self.panels.iter().all(|panels| panels.width == WIDE * T::LANES));
        // The sums of a path, and the totals beside them, if these change so often that it would cost to
        // have them out of the registers.
        let most = if self.d < 8 { T::ROWS / 2 } else { T::ROWS };
        let width = WIDE * T::LANES;
        let column = self.range.len() * width;
        let count = self.xs.len();
        let runs: Vec<_> = balanced(0..count, (CHANNELS / self.d).max(1)).collect();
        let mut totals =
            Scratch::take(if runs.len() > 1 { self.columns.len() * column } else { 0 });
        let mut weights: Vec<&[f32]> = Vec::with_capacity(count);
        for paths in runs {
            for (number, panel) in self.columns.clone().enumerate() {
                weights.clear();
                weights.extend(self.panels[paths.clone()].iter().map(|all| all.weights(0, panel)));
                debug_assert!(weights.iter().all(|w| w.len() == self.d * width));
                let mut at = number * column;
                for tile in balanced(self.range.clone(), most) {
                    let totals = totals.get_mut(at..).unwrap_or_default().as_mut_ptr();
                    at += tile.len() * width;
                    let (rows, first, weights) = (tile.len(), tile.start, &weights[..]);
                    let (merge, paths) = (self, paths.clone());
                    #[rustfmt::skip]
                    let tile = Tile::<T, D> { merge, paths, panel, first, weights, totals, of: PhantomData };
                    // SAFETY: as the function's; there is room for the totals of each pixel and panel if
                    // there is more than one run of paths.
                    unsafe { T::rows(rows, tile) };
                }
            }
        }
    }
}

/// Channels of the paths that are summed before the next pixels: they and their weights stay in the
/// first-level cache meanwhile.
const CHANNELS: usize = 128;
/// Pixels of a piece, for the same reason.
const BLOCK: usize = 32;

/// Some pixels, from `first` on, by one panel, summed over some of the paths.
struct Tile<'a, T, const D: usize> {
    merge: &'a Merge<'a>,
    paths: Range<usize>,
    panel: usize,
    first: usize,
    /// Of each of the paths.
    weights: &'a [&'a [f32]],
    /// The sums of the paths before.
    totals: *mut f32,
    of: PhantomData<T>,
}

impl<T: Vector, const D: usize> Size for Tile<'_, T, D> {
    /// # Safety
    ///
    /// That of `Merge::columns_of`; if these are not all paths, `totals` has room for R times the panel's
    /// width.
    #[inline(always)]
    unsafe fn run<const R: usize>(self) {
        let Self { merge, panel, first, .. } = self;
        let width = WIDE * T::LANES;
        // SAFETY: as the function's.
        unsafe {
            let slot = &merge.slots[panel];
            if self.paths.end == merge.xs.len() {
                slot.prefetch::<T, R>(first + R);
            }
            let mut totals = [[T::splat(0.0); WIDE]; R];
            if self.paths.start > 0 {
                load_rows(&mut totals, self.totals, width);
            }
            // Where a path is D channels wide, all distances are known to the compiler.
            let d = if merge.d == D { D } else { merge.d };
            for (x, weights) in merge.xs[self.paths.clone()].iter().zip(self.weights) {
                let mut x = x.as_ptr().add(first * d);
                let mut weights = weights.as_ptr();
                let mut sums = [[T::splat(0.0); WIDE]; R];
                for _ in 0..d / D {
                    for tap in 0..D {
                        let row = [0, 1].map(|v| T::load(weights.add((tap * WIDE + v) * T::LANES)));
                        for (r, sums) in sums.iter_mut().enumerate() {
                            let pixel = T::splat(*x.add(r * d + tap));
                            for (sum, weight) in sums.iter_mut().zip(row) {
                                *sum = sum.add_product(pixel, weight);
                            }
                        }
                    }
                    x = x.add(D);
                    weights = weights.add(D * WIDE * T::LANES);
                }
                for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                    *total = total.add(*sum);
                }
            }
            if self.paths.end < merge.xs.len() {
                store_rows(&totals, self.totals, width);
                return;
            }
            store(merge.finish, &merge.slots[panel..=panel], panel * width, first, totals, None);
        }
    }
}

/// Tensors that are channels last, side by side; if they are, and alike but for their channels.
pub(super) fn concatenate(xs: &[Array4<f32>]) -> Option<Array4<f32>> {
    let (n, _, h, w) = xs.first()?.dim();
    let views = xs.iter().map(|x| x.view().permuted_axes([0, 2, 3, 1]).to_slice());
    let paths: Vec<&[f32]> = views.collect::<Option<_>>()?;
    if xs.iter().any(|x| (x.dim().0, x.dim().2, x.dim().3) != (n, h, w)) {
        return None;
    }
    let widths: Vec<usize> = xs.iter().map(|x| x.len_of(Axis(1))).collect();
    let (channels, pixels) = (widths.iter().sum::<usize>(), n * h * w);
    let mut output = Output::new([n, channels, h, w]);
    if channels * pixels > 0 {
        let slot = output.slot(0, 0, channels, None);
        let parts = match channels * pixels {
            floats if floats < 1 << 16 => 1,
            _ => 4 * tiles::threads(),
        };
        tiles::for_each(tiles::into_parts(0..pixels, parts).collect(), |range: Range<usize>| {
            let slot = &slot;
            // A run of pixels at a time, whose memory stays in cache while the paths go by.
            for range in balanced(range, 64) {
                let mut first = 0;
                for (path, &width) in paths.iter().zip(&widths).filter(|(_, width)| **width > 0) {
                    let from = path[range.start * width..range.end * width].chunks_exact(width);
                    for (pixel, from) in range.clone().zip(from) {
                        debug_assert!(slot.holds(pixel + 1, None) && first + width <= channels);
                        // SAFETY: `width` floats from channel `first` of a pixel of the output on, which
                        // nobody else has: the ranges have different pixels.
                        unsafe { copy(from, slot.z.add(pixel * channels + first)) };
                    }
                    first += width;
                }
            }
        });
    }
    // SAFETY: every channel of every pixel is some path's.
    Some(unsafe { output.written() })
}

/// Copies a few floats.
///
/// # Safety
///
/// There is room for them.
#[inline(always)]
unsafe fn copy(from: &[f32], to: *mut f32) {
    // SAFETY: as the function's; of known length, a copy is an instruction rather than a call.
    unsafe {
        match from.len() {
            4 => to.cast::<[f32; 4]>().write_unaligned(*from.as_ptr().cast()),
            8 => to.cast::<[f32; 8]>().write_unaligned(*from.as_ptr().cast()),
            len => to.copy_from_nonoverlapping(from.as_ptr(), len),
        }
    }
}
