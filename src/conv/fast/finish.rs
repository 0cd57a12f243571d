//! What follows the sums, applied while they are in registers; where a function cannot be had as data,
//! afterwards, by the specification.
#![allow(unsafe_code)]

use ndarray::ArrayViewMut4;

use super::layout::Image;
use super::planes::Planes;
use super::vector::Vector;
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

    /// The channels `first..first + channels` of a function, if they can be had as data and all are of
    /// the same kind.
    fn new(function: &dyn ChannelWise<f32>, first: usize, channels: usize) -> Option<Self> {
        let all: Option<Vec<_>> = (first..first + channels).map(|c| function.as_data(c)).collect();
        let all = all?;
        match all.first()? {
            Elementwise::Identity => {
                let alike = all.iter().all(|kind| *kind == Elementwise::Identity);
                alike.then_some(Self::NONE)
            }
            Elementwise::Relu => {
                let alike = all.iter().all(|kind| *kind == Elementwise::Relu);
                alike.then_some(Self { relu: true, ..Self::NONE })
            }
            Elementwise::Affine(first) => {
                let relu = first.relu;
                let affine = all.iter().map(|kind| match kind {
                    Elementwise::Affine(affine) if affine.relu == relu => Some(affine),
                    _ => None,
                });
                let affine: Vec<_> = affine.collect::<Option<_>>()?;
                let padded = |values: Vec<f32>| [values, vec![0.0; BEYOND]].concat();
                let scale = padded(affine.iter().map(|affine| affine.scale).collect());
                let shift = padded(affine.iter().map(|affine| affine.shift).collect());
                Some(Self { scale, shift, relu })
            }
        }
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

    /// The function at a vector of channels, the first of which is `channel`.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`; `channel` is a channel of the function.
    #[inline(always)]
    pub(super) unsafe fn apply<T: Vector>(&self, channel: usize, z: T) -> T {
        let mut y = z;
        // SAFETY: there are LANES <= BEYOND values after those of the last channel.
        unsafe {
            if !self.scale.is_empty() {
                debug_assert!(channel + T::LANES <= self.scale.len());
                let scale = T::load(self.scale.as_ptr().add(channel));
                y = y.mul(scale).add(T::load(self.shift.as_ptr().add(channel)));
            }
            if self.relu { y.relu() } else { y }
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
    /// What `after` asks for. The channels of `after.function` are counted from `first`.
    pub(super) fn new(after: &After<'a, f32>, first: usize, channels: usize) -> Self {
        let function = Stage::new(after.function, first, channels);
        let output = Stage::new(after.output, first, channels);
        let (Some(function), Some(output)) = (function, output) else {
            return Self::of_stage(Stage::NONE, false);
        };
        let shortcut = after.shortcut.map(Image::new);
        Self { shortcut, output, ..Self::of_stage(function, true) }
    }

    /// The same for who can write planes.
    pub(super) fn or_planes(after: &After<'a, f32>, channels: usize) -> Self {
        let planes = after.shortcut.as_ref().and_then(Planes::new);
        let Some(planes) = planes else { return Self::new(after, 0, channels) };
        let mut finish = Self::new(&After { shortcut: None, ..*after }, 0, channels);
        if finish.fused {
            finish.planes = Some((planes, std::mem::replace(&mut finish.output, Stage::NONE)));
        }
        finish
    }

    fn of_stage(function: Stage, fused: bool) -> Self {
        Self { function, shortcut: None, output: Stage::NONE, planes: None, fused }
    }

    /// For a path, which nothing but its function follows.
    pub(super) fn of_path(function: &dyn ChannelWise<f32>, first: usize, channels: usize) -> Self {
        let stage = Stage::new(function, first, channels);
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
    /// Floats from one pixel to the next.
    pub(super) pitch: usize,
    /// Channels.
    pub(super) lanes: usize,
    /// Pixels, for assertions.
    pub(super) pixels: usize,
}

// SAFETY: a pointer is as good in one thread as in another; who writes through it vouches that no other
// thread writes there.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Asks for the memory of a pixel, which need not be one of the slot's, before it is needed.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`.
    #[inline(always)]
    pub(super) unsafe fn prefetch<T: Vector>(&self, pixel: usize) {
        let at = pixel * self.pitch;
        // SAFETY: as the function's; any address will do.
        unsafe {
            T::prefetch(self.z.wrapping_add(at));
            if let Some(shortcut) = self.shortcut {
                T::prefetch(shortcut.wrapping_add(at));
            }
        }
    }
}

/// Finishes and stores the sums of a pixel: V vectors of channels, the first of which is `channel`.
///
/// # Safety
///
/// - The machine has the instructions of `T`.
/// - The slots hold at most V vectors of channels, and `pixel` is one of each slot's pixels: there are
///   `lanes` floats at `pitch` times it, of the tensor and of the shortcut.
/// - Nobody else reads or writes there.
#[inline(always)]
pub(super) unsafe fn store<T: Vector, const V: usize>(
    finish: &Finish<'_>,
    slots: &[Slot],
    channel: usize,
    pixel: usize,
    sums: [T; V],
) {
    debug_assert!(slots.iter().map(|slot| slot.lanes).sum::<usize>() <= V * T::LANES);
    debug_assert!(slots.iter().all(|slot| pixel < slot.pixels));
    // SAFETY: as the function's; `row` holds V vectors.
    unsafe {
        let mut sums = sums;
        for (v, sum) in sums.iter_mut().enumerate() {
            *sum = finish.function.apply(channel + v * T::LANES, *sum);
        }
        if let [slot] = slots
            && slot.lanes == V * T::LANES
        {
            for (v, sum) in sums.into_iter().enumerate() {
                let at = pixel * slot.pitch + v * T::LANES;
                let sum = match slot.shortcut {
                    Some(shortcut) => sum.add(T::load(shortcut.add(at))),
                    None => sum,
                };
                finish.output.apply(channel + v * T::LANES, sum).store(slot.z.add(at));
            }
            return;
        }
        let mut row = [0.0; BEYOND];
        for (v, sum) in sums.into_iter().enumerate() {
            sum.store(row.as_mut_ptr().add(v * T::LANES));
        }
        let mut first = 0;
        for slot in slots {
            let at = pixel * slot.pitch;
            if slot.shortcut.is_none() && slot.lanes == 4 && finish.output.is_none() {
                let four = row.as_ptr().add(first).cast::<[f32; 4]>().read_unaligned();
                slot.z.add(at).cast::<[f32; 4]>().write_unaligned(four);
                first += 4;
                continue;
            }
            for lane in 0..slot.lanes {
                let sum = row[first + lane];
                let sum = slot.shortcut.map_or(sum, |shortcut| sum + *shortcut.add(at + lane));
                *slot.z.add(at + lane) = finish.output.at(channel + first + lane, sum);
            }
            first += slot.lanes;
        }
    }
}

impl Stage {
    fn is_none(&self) -> bool {
        self.scale.is_empty() && !self.relu
    }
}
