//! What follows the sums, applied while they are in registers; where a function cannot be had as data,
//! afterwards, by the specification.
#![allow(unsafe_code)]

use std::ops::Range;

use ndarray::ArrayViewMut4;

use super::layout::Image;
use super::planes::Planes;
use super::vector::{Vector, store_rows};
use crate::conv::after::{After, ChannelWise, Elementwise, apply_from};
use crate::error::Result;
use crate::scalar::Ordered;

/// Channels that may be read beyond the last one: those of the widest panel.
const BEYOND: usize = 32;

/// A function of each channel as data: perhaps scale and shift, then perhaps ReLU.
#[derive(Debug)]
pub(super) struct Stage {
    /// For each channel, and [`BEYOND`] more; empty where there is no affine.
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

impl Stage {
    /// Nothing.
    const NONE: Self = Self { scale: Vec::new(), shift: Vec::new(), relu: false };

    /// The channels of a function, if they can be had as data, with a ReLU after all or after none.
    fn new(function: &dyn ChannelWise<f32>, channels: Range<usize>) -> Option<Self> {
        let affine = match function.as_data(channels.clone())? {
            Elementwise::Identity => return Some(Self::NONE),
            Elementwise::Relu => return Some(Self { relu: true, ..Self::NONE }),
            Elementwise::Affine(affine) => affine,
        };
        let relu = affine.first().is_some_and(|affine| affine.relu);
        // Who breaks the law about their number must not have the tiles read beyond them.
        if affine.len() != channels.len() || affine.iter().any(|other| other.relu != relu) {
            return None;
        }
        let beyond = [0.0; BEYOND];
        let scale = affine.iter().map(|affine| affine.scale).chain(beyond).collect();
        let shift = affine.iter().map(|affine| affine.shift).chain(beyond).collect();
        Some(Self { scale, shift, relu })
    }

    /// The function at one value.
    pub(super) fn at(&self, channel: usize, z: f32) -> f32 {
        let y = match self.scale.is_empty() {
            true => z,
            // The product rounded, then the sum, as `Affine::at`.
            false => self.scale[channel] * z + self.shift[channel],
        };
        if self.relu { y.relu() } else { y }
    }

    /// The function at the sums of R pixels: V vectors of channels each, the first of which is `channel`.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`; `channel` is a channel of the function. (The vectors may
    /// reach beyond the last one.)
    #[inline(always)]
    unsafe fn apply<T: Vector, const R: usize, const V: usize>(
        &self,
        channel: usize,
        sums: &mut [[T; V]; R],
    ) {
        const { assert!(V * T::LANES <= BEYOND) };
        // SAFETY: there are BEYOND values after those of the last channel, no less than V vectors.
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

    /// The function at a vector of pixels of one channel.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`; `channel` is a channel of the function.
    #[inline(always)]
    pub(super) unsafe fn apply_to_plane<T: Vector>(&self, channel: usize, z: T) -> T {
        let mut y = z;
        // SAFETY: as the function's.
        unsafe {
            if !self.scale.is_empty() {
                y = y.mul(T::splat(self.scale[channel])).add(T::splat(self.shift[channel]));
            }
            if self.relu { y.relu() } else { y }
        }
    }

    /// The same function of `times` pixels side by side, each of all the channels.
    fn repeated(&self, times: usize) -> Self {
        let repeat = |values: &[f32]| match values.len() {
            0 => Vec::new(),
            len => [values[..len - BEYOND].repeat(times), vec![0.0; BEYOND]].concat(),
        };
        Self { scale: repeat(&self.scale), shift: repeat(&self.shift), relu: self.relu }
    }
}

/// All that follows the sums of one convolution.
pub(super) struct Finish<'a> {
    pub(super) function: Stage,
    pub(super) shortcut: Option<Image<'a>>,
    pub(super) output: Stage,
    /// A shortcut in standard layout, and what follows it: the output is then made planes as well.
    pub(super) planes: Option<(Planes<'a>, Stage)>,
    /// Whether that is all, or nothing of it could be had as data.
    fused: bool,
}

impl<'a> Finish<'a> {
    /// What `after` asks for.
    pub(super) fn new(after: &After<'a, f32>, channels: usize) -> Self {
        let function = Stage::new(after.function, 0..channels);
        let output = Stage::new(after.output, 0..channels);
        let (Some(function), Some(output)) = (function, output) else {
            return Self::of_stage(Stage::NONE, false);
        };
        let shortcut = after.shortcut.map(Image::new);
        Self { shortcut, output, ..Self::of_stage(function, true) }
    }

    /// The same for who can write planes.
    pub(super) fn or_planes(after: &After<'a, f32>, channels: usize) -> Self {
        let planes = after.shortcut.as_ref().and_then(Planes::new);
        let Some(planes) = planes else { return Self::new(after, channels) };
        let mut finish = Self::new(&After { shortcut: None, ..*after }, channels);
        if finish.fused {
            finish.planes = Some((planes, std::mem::replace(&mut finish.output, Stage::NONE)));
        }
        finish
    }

    fn of_stage(function: Stage, fused: bool) -> Self {
        Self { function, shortcut: None, output: Stage::NONE, planes: None, fused }
    }

    /// For a path, which nothing but its function follows.
    pub(super) fn of_path(function: &dyn ChannelWise<f32>, channels: Range<usize>) -> Self {
        let stage = Stage::new(function, channels);
        let fused = stage.is_some();
        Self::of_stage(stage.unwrap_or(Stage::NONE), fused)
    }

    /// The functions for vectors that hold `times` pixels side by side; without the shortcut.
    pub(super) fn repeated(&self, times: usize) -> Finish<'static> {
        let (function, output) = (self.function.repeated(times), self.output.repeated(times));
        Finish { output, ..Finish::of_stage(function, self.fused) }
    }

    /// Finishes what could not be had as data.
    pub(super) fn rest(&self, after: &After<'_, f32>, z: ArrayViewMut4<'_, f32>) -> Result<()> {
        if self.fused { Ok(()) } else { after.apply(z) }
    }

    /// The same for a path whose first channel is channel `first`.
    pub(super) fn rest_of_path(
        &self,
        function: &dyn ChannelWise<f32>,
        first: usize,
        z: ArrayViewMut4<'_, f32>,
    ) {
        if !self.fused {
            apply_from(function, first, z);
        }
    }
}

/// Where the sums of a run of channels go: pixel `q` to `z + q * pitch`, a few lanes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Slot {
    /// The first channel of pixel 0.
    pub(super) z: *mut f32,
    /// What is added there, if anything: the same place in the shortcut.
    pub(super) shortcut: Option<*const f32>,
    /// Floats from one pixel to the next, or from some pixels to the next few, where these share a vector.
    pub(super) pitch: usize,
    /// Channels; of all the pixels that share a vector.
    pub(super) lanes: usize,
    /// Floats from `z` to where the memory of the pixels ends, for assertions.
    pub(super) floats: usize,
}

// SAFETY: a pointer is as good in one thread as in another; who writes through it vouches that no other
// thread writes there.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Whether the `lanes` of the pixels `..end` lie in its memory, the last of which may have less.
    pub(super) fn holds(&self, end: usize, last: Option<usize>) -> bool {
        end > 0 && (end - 1) * self.pitch + last.unwrap_or(self.lanes) <= self.floats
    }

    /// The slot `floats` further on.
    #[inline(always)]
    pub(super) fn after(&self, floats: usize) -> Self {
        debug_assert!(floats <= self.floats);
        Self {
            z: self.z.wrapping_add(floats),
            shortcut: self.shortcut.map(|shortcut| shortcut.wrapping_add(floats)),
            floats: self.floats - floats,
            ..*self
        }
    }

    /// Asks for the memory of R pixels, which need not be of the slot's, before it is needed.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`.
    #[inline(always)]
    pub(super) unsafe fn prefetch<T: Vector, const R: usize>(&self, first: usize) {
        let Self { z, shortcut, pitch, .. } = *self;
        for r in 0..R {
            // SAFETY: as the function's; any address will do.
            unsafe { T::prefetch(z.wrapping_add(first * pitch).wrapping_add(r * pitch)) };
        }
        if let Some(shortcut) = shortcut {
            for r in 0..R {
                // SAFETY: as above.
                unsafe {
                    T::prefetch(shortcut.wrapping_add(first * pitch).wrapping_add(r * pitch))
                };
            }
        }
    }
}

/// Finishes and stores the sums of R pixels, the first of which is `first`: V vectors of channels each, the
/// first of which is `channel`. The last pixel may have fewer lanes than the
/// slot.
///
/// # Safety
///
/// - The machine has the instructions of `T`.
/// - The slots hold at most V vectors of channels, and the pixels are of each slot's: there are `lanes`
///   floats at `pitch` times each (of the last pixel `last`, if it is given), of the tensor and of the
///   shortcut.
/// - Where `last` is given there is one slot, of no fewer lanes.
/// - Nobody else reads or writes there.
#[inline(always)]
pub(super) unsafe fn store<T: Vector, const R: usize, const V: usize>(
    finish: &Finish<'_>,
    slots: &[Slot],
    channel: usize,
    first: usize,
    mut sums: [[T; V]; R],
    last: Option<usize>,
) {
    debug_assert!(slots.iter().map(|slot| slot.lanes).sum::<usize>() <= V * T::LANES);
    debug_assert!(
        slots.iter().all(|slot| slot.holds(first + R, last)),
        "{first} + {R} in {slots:?}"
    );
    debug_assert!(last.is_none_or(|last| slots.len() == 1 && (1..=slots[0].lanes).contains(&last)));
    // SAFETY: as the function's.
    unsafe {
        finish.function.apply(channel, &mut sums);
        match slots {
            // By value: what is written might else be the slot, for all that the compiler knows.
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
                finish.output.apply(channel, &mut sums);
                store_rows(&sums, z.wrapping_add(first * pitch), pitch);
            }
            _ => {
                let rows = to_memory(sums);
                let Some(lanes) = last else {
                    return store_lanes(finish, slots, channel, first, &rows);
                };
                let (row, rows) = (&rows[R - 1..], &rows[..R - 1]);
                store_lanes(finish, slots, channel, first, rows);
                let [slot] = slots else {
                    unreachable!("only of a single slot is the last pixel shorter")
                };
                store_lanes(finish, &[Slot { lanes, ..*slot }], channel, first + R - 1, row);
            }
        }
    }
}

/// The sums of R pixels as floats: else, for the sake of who walks over their lanes, the compiler would
/// have them in memory from the first tap on.
///
/// # Safety
///
/// The machine has the instructions of `T`.
#[inline(always)]
unsafe fn to_memory<T: Vector, const R: usize, const V: usize>(
    sums: [[T; V]; R],
) -> [[f32; BEYOND]; R] {
    const { assert!(V * T::LANES <= BEYOND) };
    let mut rows = [[0.0; BEYOND]; R];
    // SAFETY: the instructions are the caller's; a row holds V vectors.
    unsafe { store_rows(&sums, rows.as_mut_ptr().cast(), BEYOND) };
    rows
}

/// Stores the sums of some pixels, the function already applied, where the channels end within a vector or
/// go to several slots.
///
/// # Safety
///
/// That of [`store`]; a row has the lanes of all slots.
unsafe fn store_lanes(
    finish: &Finish<'_>,
    slots: &[Slot],
    channel: usize,
    first: usize,
    rows: &[[f32; BEYOND]],
) {
    if finish.output.is_none()
        && slots.iter().all(|slot| slot.lanes == 4 && slot.shortcut.is_none())
    {
        // Paths of 32x4d, each a run of memory: path by path, so that it is written as one.
        for (number, slot) in slots.iter().enumerate() {
            for (row, pixel) in rows.iter().zip(first..) {
                let Some(four) = row[4 * number..].first_chunk::<4>() else {
                    unreachable!("lanes")
                };
                // SAFETY: as the function's.
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
            // SAFETY: as the function's.
            unsafe {
                let z = slot.z.wrapping_add(pixel * slot.pitch);
                let shortcut =
                    slot.shortcut.map(|shortcut| shortcut.wrapping_add(pixel * slot.pitch));
                for (lane, &sum) in sums.iter().enumerate() {
                    let sum = shortcut.map_or(sum, |shortcut| sum + *shortcut.add(lane));
                    *z.add(lane) = finish.output.at(channel + lane, sum);
                }
            }
            channel += slot.lanes;
        }
    }
}

impl Stage {
    fn is_none(&self) -> bool {
        self.scale.is_empty() && !self.relu
    }
}
