//! The epilogue is what follows the sums of a convolution. It is applied while the sums are still in registers.

use std::iter::repeat_n;
use std::ops::Range;

use ndarray::{Array4, ArrayView4, Axis};

use crate::error::{Error, Result};
use crate::layout::{Image, Slot};
use crate::planes::Planes;
use crate::vector::{Vector, store_rows};

/// How many channels may be read beyond the last channel. It is the number of channels in the widest panel.
pub(crate) const BEYOND: usize = 32;

/// A function of each channel, applied to one element at a time. It has two optional steps. The first is `scale * z +
/// shift`, which rounds the product and then the sum. The second is a ReLU, which keeps NaN and -0.
///
/// The identity is not written as `1*z + 0`, which would turn -0 into +0.
#[derive(Clone, Debug)]
pub struct Elementwise {
    /// The scale of each channel, and [`BEYOND`] more numbers. It is empty if the function has no affine part.
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

impl Elementwise {
    /// The identity, for any number of channels.
    pub const IDENTITY: Self = Self { scale: Vec::new(), shift: Vec::new(), relu: false };

    /// `max(z, 0)`, for any number of channels.
    pub const RELU: Self = Self { scale: Vec::new(), shift: Vec::new(), relu: true };

    /// A scale and a shift for each channel. A ReLU follows if `relu` is true.
    pub fn affine(channels: impl IntoIterator<Item = (f32, f32)>, relu: bool) -> Self {
        let (scale, shift) = channels.into_iter().chain(repeat_n((0.0, 0.0), BEYOND)).unzip();
        Self { scale, shift, relu }
    }

    /// Checks that the function has a scale and shift for each of `channels` channels, or none at all.
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        let found = self.scale.len().saturating_sub(BEYOND);
        if self.scale.is_empty() || found == channels {
            return Ok(());
        }
        Err(Error::Count { what: "channels of a function", expected: channels, found })
    }

    /// The function's result for one value of a channel.
    pub(crate) fn at(&self, channel: usize, z: f32) -> f32 {
        // The product is rounded, then the sum.
        let affine = || self.scale[channel] * z + self.shift[channel];
        let y = if self.scale.is_empty() { z } else { affine() };
        if self.relu && y < 0.0 { 0.0 } else { y }
    }

    /// Applies the function to the sums of `R` pixels. Each pixel has `V` vectors of channels, starting at `channel`.
    /// Safety: the machine has the instructions of `T`; `channel` is a channel of the function. (The vectors
    /// may reach beyond its last channel.)
    #[inline(always)]
    pub(crate) unsafe fn apply<T: Vector, const R: usize, const V: usize>(
        &self,
        channel: usize,
        sums: &mut [[T; V]; R],
    ) {
        const { assert!(V * T::LANES <= BEYOND) };
        // SAFETY: there are BEYOND values after those of the last channel, enough for V vectors.
        unsafe {
            if !self.scale.is_empty() {
                debug_assert!(channel + V * T::LANES <= self.scale.len());
                for v in 0..V {
                    let scale = T::load(self.scale.as_ptr().add(channel + v * T::LANES));
                    let shift = T::load(self.shift.as_ptr().add(channel + v * T::LANES));
                    for row in &mut *sums {
                        row[v] = row[v].mul(scale).add(shift);
                    }
                }
            }
            if self.relu {
                for sum in sums.as_flattened_mut() {
                    *sum = sum.relu();
                }
            }
        }
    }

    /// The function's results for a vector of pixels of one channel.
    /// Safety: the machine has the instructions of `T`; `channel` is a channel of the function.
    #[inline(always)]
    pub(crate) unsafe fn apply_to_plane<T: Vector>(&self, channel: usize, z: T) -> T {
        // SAFETY: upheld by the caller.
        unsafe {
            let affine = || z.mul(T::splat(self.scale[channel])).add(T::splat(self.shift[channel]));
            let y = if self.scale.is_empty() { z } else { affine() };
            if self.relu { y.relu() } else { y }
        }
    }

    /// The same function, restricted to these channels.
    pub(crate) fn of(&self, channels: Range<usize>) -> Self {
        self.made_of(|values| values[channels.clone()].to_vec())
    }

    /// The same function for vectors that hold `times` pixels side by side, each with all the channels.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        self.made_of(|values| values.repeat(times))
    }

    /// A function whose scales and shifts `make` computes from those of `self`.
    fn made_of(&self, make: impl Fn(&[f32]) -> Vec<f32>) -> Self {
        let make = |values: &[f32]| match values.len() {
            0 => Vec::new(),
            len => [make(&values[..len - BEYOND]), vec![0.0; BEYOND]].concat(),
        };
        Self { scale: make(&self.scale), shift: make(&self.shift), relu: self.relu }
    }
}

/// What follows the sums of a convolution: first a function of each channel, then the addition of a shortcut, then a
/// function of the output.
#[derive(Clone, Debug)]
pub struct Epilogue<'a> {
    /// Applied to the sums.
    pub function: Elementwise,
    /// Added next: N x C_out x H_out x W_out.
    pub shortcut: Option<ArrayView4<'a, f32>>,
    /// Applied last.
    pub output: Elementwise,
}

impl<'a> Epilogue<'a> {
    /// An epilogue that does nothing.
    pub const NONE: Self =
        Self { function: Elementwise::IDENTITY, shortcut: None, output: Elementwise::IDENTITY };

    /// Only a function of each channel.
    pub fn only(function: Elementwise) -> Self {
        Self { function, ..Self::NONE }
    }

    /// Checks the epilogue against the shape of the output.
    pub(crate) fn check(&self, output: [usize; 4]) -> Result<()> {
        self.function.check(output[1])?;
        self.output.check(output[1])?;
        match self.shortcut.as_ref().map(|shortcut| shortcut.dim().into()) {
            Some(found) if found != output => {
                let expected = format!("{output:?}, that of the sum it is added to");
                Err(Error::Shape { what: "shortcut", expected, found })
            }
            _ => Ok(()),
        }
    }

    /// Applies the epilogue to complete sums.
    pub(crate) fn apply_to(&self, z: &mut Array4<f32>) {
        let apply = |function: &Elementwise, z: &mut Array4<f32>| {
            for (channel, mut plane) in z.axis_iter_mut(Axis(1)).enumerate() {
                plane.mapv_inplace(|z| function.at(channel, z));
            }
        };
        apply(&self.function, z);
        if let Some(shortcut) = &self.shortcut {
            *z += shortcut;
        }
        apply(&self.output, z);
    }
}

/// An epilogue as the tiles apply it.
pub(crate) struct Fused<'a> {
    pub(crate) function: Elementwise,
    pub(crate) shortcut: Option<Image<'a>>,
    pub(crate) output: Elementwise,
    /// A shortcut in standard layout, and the function after it. If this is set, the output is written as planes too.
    pub(crate) planes: Option<(Planes<'a>, Elementwise)>,
}

impl<'a> Fused<'a> {
    /// Prepares an epilogue, which must have been checked.
    pub(crate) fn new(epilogue: Epilogue<'a>) -> Self {
        let Epilogue { function, shortcut, output } = epilogue;
        Self { function, shortcut: shortcut.map(Image::new), output, planes: None }
    }

    /// Does the same as `new`, for callers that can write planes.
    pub(crate) fn or_planes(epilogue: Epilogue<'a>) -> Self {
        let Some(planes) = epilogue.shortcut.as_ref().and_then(Planes::new) else {
            return Self::new(epilogue);
        };
        let planes = Some((planes, epilogue.output));
        Self { planes, ..Self::new(Epilogue::only(epilogue.function)) }
    }

    /// The functions for vectors that hold `times` pixels side by side, without the shortcut.
    pub(crate) fn repeated(&self, times: usize) -> Fused<'static> {
        let (function, output) = (self.function.repeated(times), self.output.repeated(times));
        Fused { function, shortcut: None, output, planes: None }
    }
}

/// Applies the epilogue to the sums of `R` pixels from pixel `first` on, and stores the results. Each pixel has `V`
/// vectors of channels, starting at `channel`. The last pixel may have fewer lanes than the slot.
/// # Safety
/// - The machine has the instructions of `T`.
/// - Together, the slots hold at most `V` vectors of channels.
/// - Each slot has room for these pixels, both in the tensor and in the shortcut: `lanes` floats for each pixel,
///   `pitch` apart. If `last` is given, `last` floats are enough for the last pixel.
/// - If `last` is given, there is one slot, with `last` lanes or more.
/// - Nobody else reads or writes there.
#[inline(always)]
pub(crate) unsafe fn store<T: Vector, const R: usize, const V: usize>(
    epilogue: &Fused<'_>,
    slots: &[Slot],
    channel: usize,
    first: usize,
    mut sums: [[T; V]; R],
    last: Option<usize>,
) {
    debug_assert!(slots.iter().map(|slot| slot.lanes).sum::<usize>() <= V * T::LANES);
    debug_assert!(slots.iter().all(|slot| slot.holds(first + R, last)), "{first} of {slots:?}");
    debug_assert!(last.is_none_or(|last| slots.len() == 1 && (1..=slots[0].lanes).contains(&last)));
    // SAFETY: upheld by the caller.
    unsafe {
        epilogue.function.apply(channel, &mut sums);
        match slots {
            // By value: otherwise the compiler must assume that writing changes the slot.
            &[Slot { z, shortcut, pitch, lanes, .. }]
                if lanes == V * T::LANES && last.is_none() =>
            {
                if let Some(shortcut) = shortcut {
                    let mut shortcut = shortcut.wrapping_add(first * pitch);
                    for row in &mut sums {
                        for (v, sum) in row.iter_mut().enumerate() {
                            *sum = sum.add(T::load(shortcut.add(v * T::LANES)));
                        }
                        shortcut = shortcut.wrapping_add(pitch);
                    }
                }
                epilogue.output.apply(channel, &mut sums);
                store_rows(&sums, z.wrapping_add(first * pitch), pitch);
            }
            _ => {
                let rows = to_memory(sums);
                let (rows, row) = rows.split_at(R - usize::from(last.is_some()));
                store_lanes(epilogue, slots, channel, first, rows);
                if let Some(lanes) = last {
                    let slot = Slot { lanes, ..slots[0] };
                    store_lanes(epilogue, &[slot], channel, first + R - 1, row);
                }
            }
        }
    }
}

/// A copy of the sums of `R` pixels as floats. If callers walked over the lanes of the sums themselves, the compiler
/// would keep the sums in memory from the first tap on.
/// Safety: the machine has the instructions of `T`.
#[inline(always)]
unsafe fn to_memory<T: Vector, const R: usize, const V: usize>(
    sums: [[T; V]; R],
) -> [[f32; BEYOND]; R] {
    const { assert!(V * T::LANES <= BEYOND) };
    let mut rows = [[0.0; BEYOND]; R];
    // SAFETY: the caller vouches for the instructions; a row holds V vectors.
    unsafe { store_rows(&sums, rows.as_mut_ptr().cast(), BEYOND) };
    rows
}

/// Does the rest of [`store`] after the function was applied. It is for channels that end within a vector or go to
/// several slots.
/// Safety: as for [`store`], and each row has the lanes of all slots.
unsafe fn store_lanes(
    epilogue: &Fused<'_>,
    slots: &[Slot],
    channel: usize,
    first: usize,
    rows: &[[f32; BEYOND]],
) {
    let identity = epilogue.output.scale.is_empty() && !epilogue.output.relu;
    if identity && slots.iter().all(|slot| slot.lanes == 4 && slot.shortcut.is_none()) {
        // The paths of 32x4d: path by path, so that each path's memory is written contiguously.
        for (number, slot) in slots.iter().enumerate() {
            for (row, pixel) in rows.iter().zip(first..) {
                let four = &row.as_chunks::<4>().0[number];
                // SAFETY: upheld by the caller.
                unsafe {
                    let z = slot.z.wrapping_add(pixel * slot.pitch);
                    z.cast::<[f32; 4]>().write_unaligned(*four);
                }
            }
        }
        return;
    }
    for (row, pixel) in rows.iter().zip(first..) {
        let mut lanes = &row[..];
        let mut channel = channel;
        for slot in slots {
            let (sums, rest) = lanes.split_at(slot.lanes);
            lanes = rest;
            // SAFETY: upheld by the caller.
            unsafe {
                let slot = slot.after(pixel * slot.pitch);
                for (lane, &sum) in sums.iter().enumerate() {
                    let sum = slot.shortcut.map_or(sum, |shortcut| sum + *shortcut.add(lane));
                    *slot.z.add(lane) = epilogue.output.at(channel + lane, sum);
                }
            }
            channel += slot.lanes;
        }
    }
}
