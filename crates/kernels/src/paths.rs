//! Runs C kernels at once, so that 32 separate paths are nearly as fast as one wide convolution. All paths read a
//! tile of the input while the tile is in cache. The sums of the paths are added in registers.

use std::ops::Range;

use ndarray::{Array4, ArrayView4, Axis};
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use crate::conv::{by_target, conv, over_pixels, pieces, unit_of_planes, whole};
use crate::dense::{Column, columns};
use crate::epilogue::{Elementwise, Epilogue, Fused, store};
use crate::error::{Error, Result};
use crate::kernel::Kernel;
use crate::layout::{Image, Output, Slot};
use crate::memory::Scratch;
use crate::pack::{Panels, Shared};
use crate::planes::Target;
use crate::simd::Work;
use crate::tiles::{self, balanced};
use crate::vector::{Vector, load_rows, of_size, store_rows};

/// Runs C kernels on the same input, N x C_in x H x W. The result is C tensors N x d x H_out x W_out. `function`
/// numbers the channels of all kernels consecutively: its channel `i*d + j` is channel `j` of kernel `i`.
///
/// Errors: those of [`conv`], and [`Error::Count`] if the function does not have as many channels as all kernels
/// together.
pub fn split(
    x: ArrayView4<'_, f32>,
    kernels: &[Kernel],
    function: Elementwise,
) -> Result<Vec<Array4<f32>>> {
    function.check(kernels.iter().map(Kernel::c_out).sum())?;
    match same_pixels(kernels) {
        Some(panels) => split_pointwise(x, kernels, &panels, function),
        None => each(&vec![x; kernels.len()], kernels, function),
    }
}

/// Runs C kernels on C inputs, one kernel for each input. The channels are numbered as in [`split`].
///
/// Errors: those of [`split`], and [`Error::Count`] if the numbers of inputs and kernels differ.
pub fn each(
    xs: &[ArrayView4<'_, f32>],
    kernels: &[Kernel],
    function: Elementwise,
) -> Result<Vec<Array4<f32>>> {
    one_input_a_kernel(xs, kernels)?;
    function.check(kernels.iter().map(Kernel::c_out).sum())?;
    let mut first = 0;
    let mut pieces = Vec::with_capacity(kernels.len());
    let mut macs = 0;
    for (x, kernel) in xs.iter().zip(kernels) {
        let [n, c_out, h_out, w_out] = kernel.shape.output(x.dim().into())?;
        macs += kernel.macs(n * h_out * w_out);
        pieces.push((*x, kernel, first..first + c_out));
        first += c_out;
    }
    let path = |(x, kernel, channels): (ArrayView4<'_, f32>, &Kernel, Range<usize>)| {
        conv(x, kernel, Epilogue::only(function.of(channels)))
    };
    match tiles::parts(macs) {
        1 => pieces.into_iter().map(path).collect(),
        parts => {
            let length = pieces.len().div_ceil(parts).max(1);
            pieces.into_par_iter().with_min_len(length).map(path).collect()
        }
    }
}

/// Runs C kernels on C inputs, and adds up their outputs in the order of the kernels. The result is one tensor N x
/// C_out x H_out x W_out. The epilogue is applied to the complete sum.
///
/// Errors: those of [`each`] and [`conv`]; [`Error::Zero`] if there is no kernel, [`Error::Shape`] if the
/// kernels' outputs differ in shape.
pub fn merge(
    xs: &[ArrayView4<'_, f32>],
    kernels: &[Kernel],
    epilogue: Epilogue<'_>,
) -> Result<Array4<f32>> {
    one_input_a_kernel(xs, kernels)?;
    let mut shapes = xs.iter().zip(kernels).map(|(x, kernel)| kernel.shape.output(x.dim().into()));
    let shape = shapes.next().ok_or(Error::Zero { what: "number of paths" })??;
    for path in shapes {
        let found = path?;
        if found != shape {
            let expected = format!("{shape:?}, that of the paths before it");
            return Err(Error::Shape { what: "output of a path", expected, found });
        }
    }
    epilogue.check(shape)?;
    // The fused code is for stride 1, outputs wider than one vector, and inputs of a single run of taps.
    let can_merge = |panels: &Vec<&Panels>| {
        let width = WIDE * kernels[0].level.lanes();
        let stride = kernels[0].shape.spec.stride;
        (stride, panels[0].width, panels[0].runs.len()) == ([1, 1], width, 1)
    };
    if let Some(panels) = same_pixels(kernels).filter(can_merge) {
        return Ok(merge_pointwise(xs, kernels, &panels, &Fused::or_planes(epilogue), shape));
    }
    let mut total = conv(xs[0], &kernels[0], Epilogue::NONE)?;
    for (x, kernel) in xs.iter().zip(kernels).skip(1) {
        total += &conv(*x, kernel, Epilogue::NONE)?;
    }
    epilogue.apply_to(&mut total);
    Ok(total)
}

/// Concatenates C tensors N x d x H x W, in the given order, to one tensor N x C d x H x W.
///
/// Errors: [`Error::Shape`] if the tensors differ in more than their number of channels, or [`Error::Zero`] if there
/// are none.
pub fn concatenate(xs: &[ArrayView4<'_, f32>]) -> Result<Array4<f32>> {
    let (n, _, h, w) = xs.first().ok_or(Error::Zero { what: "number of paths" })?.dim();
    let alike = |x: &&ArrayView4<'_, f32>| (x.dim().0, x.dim().2, x.dim().3) == (n, h, w);
    if let Some(other) = xs.iter().find(|x| !alike(x)) {
        let expected = format!("{n} x C x {h} x {w}, as that of the first");
        return Err(Error::Shape { what: "output of a path", expected, found: other.dim().into() });
    }
    let last = xs.iter().map(|x| x.permuted_axes([0, 2, 3, 1]).to_slice());
    let Some(paths) = last.collect::<Option<Vec<&[f32]>>>() else {
        let together = ndarray::concatenate(Axis(1), xs);
        return Ok(together.unwrap_or_else(|_| unreachable!("alike but for their channels")));
    };
    let widths: Vec<usize> = xs.iter().map(|x| x.len_of(Axis(1))).collect();
    Ok(concatenate_pixels(&paths, &widths, [n, h, w]))
}

fn one_input_a_kernel(xs: &[ArrayView4<'_, f32>], kernels: &[Kernel]) -> Result<()> {
    let (expected, found) = (kernels.len(), xs.len());
    let wrong = Error::Count { what: "inputs, one for each path", expected, found };
    if found == expected { Ok(()) } else { Err(wrong) }
}

/// The panels of the kernels, if all are 1x1, read the same pixels, and have the same number of input channels.
fn same_pixels(kernels: &[Kernel]) -> Option<Vec<&Panels>> {
    let first = kernels.first()?;
    let panels: Vec<_> = kernels.iter().map(Kernel::pointwise).collect::<Option<_>>()?;
    let alike = |(kernel, panels): (&Kernel, &&Panels)| {
        kernel.shape.spec == first.shape.spec
            && kernel.shape.c_in_group == first.shape.c_in_group
            && kernel.level == first.level
            && panels.width == first.pointwise().map_or(0, |panels| panels.width)
    };
    kernels.iter().zip(&panels).all(alike).then_some(panels)
}

/// Does the work of [`split`] for 1x1 kernels that read the same pixels of the input.
fn split_pointwise(
    x: ArrayView4<'_, f32>,
    kernels: &[Kernel],
    panels: &[&Panels],
    function: Elementwise,
) -> Result<Vec<Array4<f32>>> {
    let mut paths = Vec::with_capacity(kernels.len());
    for kernel in kernels {
        paths.push(Output::new(kernel.shape.output(x.dim().into())?, false, None));
    }
    let epilogue = Fused::new(Epilogue::only(function));
    if !x.is_empty() {
        // Paths that are no wider than a vector share a panel. Each path has its own lanes.
        let lanes = kernels[0].level.lanes();
        let fresh;
        let columns = if kernels.iter().all(|kernel| kernel.shape.c_out <= lanes) {
            let numbers: Vec<u64> = kernels.iter().map(|kernel| kernel.number).collect();
            let make = || Shared::new(numbers.clone(), panels, 2 * lanes);
            let mut shared = kernels[0].shared.get_or_init(make);
            if shared.numbers != numbers {
                fresh = make();
                shared = &fresh;
            }
            shared.columns(&mut paths)
        } else {
            let mut first = 0;
            let mut own = Vec::new();
            for (panels, path) in panels.iter().zip(&mut paths) {
                let slots = |c: usize, lanes: usize| vec![path.slot(0, c, lanes)];
                own.extend(columns(panels, first, slots));
                first += panels.channels;
            }
            own
        };
        // SAFETY: the panels have a tap for each channel of x; each slot covers some channels of one path's
        // output, which nobody else uses.
        unsafe { over_pixels(x, &kernels[0], &columns, &epilogue, None) };
    }
    // SAFETY: every channel of every path is in some column, and every pixel is in the range.
    Ok(paths.into_iter().map(|path| unsafe { path.written() }).collect())
}

/// Does the work of [`merge`] for 1x1 kernels of stride 1 and the same width. Each path is summed by itself. Then the
/// sums of the paths are added in order, in registers.
fn merge_pointwise(
    xs: &[ArrayView4<'_, f32>],
    kernels: &[Kernel],
    panels: &[&Panels],
    epilogue: &Fused<'_>,
    shape: [usize; 4],
) -> Array4<f32> {
    let images: Vec<_> = xs.iter().map(|x| Image::new(*x)).collect();
    let xs = &images.iter().map(|image| &image.floats[..]).collect::<Vec<_>>()[..];
    let [n, _, h, w] = shape;
    let (count, d, level) = (n * h * w, kernels[0].shape.c_in_group, kernels[0].level);
    let work = |columns: &[Column<'_>], target: Option<Target<'_>>| {
        let parts = tiles::parts(kernels.iter().map(|kernel| kernel.macs(count)).sum());
        let unit = if target.is_some() { unit_of_planes(count) } else { 1 };
        let pieces = pieces((count, unit), columns.len(), BLOCK, parts);
        tiles::in_runs(pieces, usize::MAX, |(range, part)| {
            // SAFETY: each path has d channels at every pixel, and a panel of as many taps for each column;
            // pieces have different pixels or different columns of an output that nobody else uses.
            unsafe {
                by_target(level, target, &range, &columns[part], |columns| {
                    let range = range.clone();
                    level.run(Merge { xs, d, panels, columns, range, epilogue });
                });
            }
        });
    };
    // SAFETY: together, the pieces combine every panel with every pixel.
    unsafe { whole(panels[0], epilogue, shape, work) }
}

/// The work of multiplying some pixels by some panels, and summing the products over the paths.
struct Merge<'a> {
    xs: &'a [&'a [f32]],
    /// Channels of a path.
    d: usize,
    panels: &'a [&'a Panels],
    /// The panel number of a column is the same in every path.
    columns: &'a [Column<'a>],
    range: Range<usize>,
    epilogue: &'a Fused<'a>,
}

impl Work for Merge<'_> {
    /// # Safety
    /// - The machine has the instructions of `T`, and the panels are two vectors of `T` wide.
    /// - Each path has `d` channels at every pixel of the range, and its panels have one run of `d` taps.
    /// - The slots of the columns cover the pixels of the range, and nobody else reads or writes there.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        // SAFETY: upheld by the caller; each of these widths divides d, and there is code for it.
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
    /// Sums `D` taps at a time, in code without a loop over them.
    /// Safety: as for `run`, and `D` divides `d`.
    #[inline(always)]
    unsafe fn columns_of<T: Vector, const D: usize>(&self) {
        debug_assert!(self.d.is_multiple_of(D) && self.panels.len() == self.xs.len());
        debug_assert!(self.xs.iter().all(|x| x.len() >= self.range.end * self.d));
        debug_assert!(self.panels.iter().all(|panels| panels.width == WIDE * T::LANES));
        // For narrow paths the totals change so often that they must stay in registers beside a path's
        // sums, so a tile has half the rows.
        let most = if self.d < 8 { T::ROWS / 2 } else { T::ROWS };
        let width = WIDE * T::LANES;
        let column = self.range.len() * width;
        let count = self.xs.len();
        let runs: Vec<_> = balanced(0..count, (CHANNELS / self.d).max(1)).collect();
        let mut totals =
            Scratch::take(if runs.len() > 1 { self.columns.len() * column } else { 0 });
        let mut weights: Vec<&[f32]> = Vec::with_capacity(count);
        for paths in runs {
            for (number, to) in self.columns.iter().enumerate() {
                weights.clear();
                let panels = self.panels[paths.clone()].iter();
                weights.extend(panels.map(|panels| panels.weights(0, to.panel)));
                debug_assert!(weights.iter().all(|w| w.len() == self.d * width));
                let mut at = number * column;
                for tile in balanced(self.range.clone(), most) {
                    let totals = totals.get_mut(at..).unwrap_or_default().as_mut_ptr();
                    at += tile.len() * width;
                    let (first, paths) = (tile.start, paths.clone());
                    // SAFETY: upheld by the caller; there is room for the totals of each pixel and panel
                    // if there is more than one run of paths.
                    unsafe {
                        of_size!(tile.len(), T::ROWS, R => {
                            self.tile::<T, D, R>(paths, to, first, &weights, totals)
                        });
                    }
                }
            }
        }
    }

    /// Computes `R` pixels from `first` on, for one panel. Sums over the given paths with the given weights.
    /// `partial` has the sums of the earlier paths.
    /// Safety: as for `columns_of`. If these are not all paths, `partial` has room for `R` times the panel's width.
    #[inline(always)]
    unsafe fn tile<T: Vector, const D: usize, const R: usize>(
        &self,
        paths: Range<usize>,
        to: &Column<'_>,
        first: usize,
        weights: &[&[f32]],
        partial: *mut f32,
    ) {
        let width = WIDE * T::LANES;
        // SAFETY: upheld by the caller.
        unsafe {
            if paths.end == self.xs.len() {
                // Prefetches where the next pixels go, which may be outside the slot.
                let Slot { z, shortcut, pitch, .. } = to.slots[0];
                let next = |start: *const f32, r: usize| {
                    T::prefetch(start.wrapping_add((first + R) * pitch).wrapping_add(r * pitch));
                };
                (0..R).for_each(|r| next(z, r));
                if let Some(shortcut) = shortcut {
                    (0..R).for_each(|r| next(shortcut, r));
                }
            }
            let mut totals = [[T::splat(0.0); WIDE]; R];
            if paths.start > 0 {
                load_rows(&mut totals, partial, width);
            }
            // If a path is D channels wide, the compiler knows all distances.
            let d = if self.d == D { D } else { self.d };
            for (x, weights) in self.xs[paths.clone()].iter().zip(weights) {
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
            if paths.end < self.xs.len() {
                store_rows(&totals, partial, width);
                return;
            }
            store(self.epilogue, &to.slots, to.channel, first, totals, None);
        }
    }
}

/// The most channels in a run of paths, chosen so that they and their weights stay in the L1 cache.
const CHANNELS: usize = 128;
/// Pixels per piece, chosen so that they stay in the L1 cache too.
const BLOCK: usize = 32;

/// Concatenates channels-last tensors along the channels. Tensor `i` has `widths[i]` channels.
fn concatenate_pixels(paths: &[&[f32]], widths: &[usize], [n, h, w]: [usize; 3]) -> Array4<f32> {
    let (channels, pixels) = (widths.iter().sum::<usize>(), n * h * w);
    let mut output = Output::new([n, channels, h, w], false, None);
    if channels * pixels > 0 {
        let slot = output.whole_slot();
        let parts = match channels * pixels {
            floats if floats < 1 << 16 => 1,
            _ => 4 * tiles::threads(),
        };
        let pieces = tiles::into_parts(0..pixels, parts).collect();
        tiles::in_runs(pieces, parts, |range: Range<usize>| {
            // The pointer by value: otherwise the compiler must assume that writing changes the slot.
            let (slot, z) = (&slot, slot.z);
            // A run of pixels at a time, whose memory stays in cache for all the paths.
            for range in balanced(range, 64) {
                let mut first = 0;
                for (path, &width) in paths.iter().zip(widths).filter(|(_, width)| **width > 0) {
                    let from = path[range.start * width..range.end * width].chunks_exact(width);
                    for (pixel, from) in range.clone().zip(from) {
                        debug_assert!(slot.holds(pixel + 1, None) && first + width <= channels);
                        // SAFETY: these are `width` floats of one pixel of the output, from channel
                        // `first` on; nobody else uses them, as the ranges have different pixels.
                        unsafe {
                            let to = z.add(pixel * channels + first);
                            // A copy of known length is an instruction rather than a call.
                            match width {
                                4 => to.cast::<[f32; 4]>().write_unaligned(*from.as_ptr().cast()),
                                8 => to.cast::<[f32; 8]>().write_unaligned(*from.as_ptr().cast()),
                                _ => to.copy_from_nonoverlapping(from.as_ptr(), width),
                            }
                        }
                    }
                    first += width;
                }
            }
        });
    }
    // SAFETY: every channel of every pixel belongs to a path and was written.
    unsafe { output.written() }
}
