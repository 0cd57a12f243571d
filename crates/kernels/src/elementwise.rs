//! Functions of each channel that look at one element at a time, as data, so that they can be applied
//! while the sums are in registers.

use std::iter::repeat_n;
use std::ops::Range;

use ndarray::{Array4, Axis};

use crate::error::{Error, Result};
use crate::vector::Vector;

/// Channels that may be read beyond the last one: those of the widest panel.
pub(crate) const BEYOND: usize = 32;

/// A function of each channel, of one element at a time: perhaps `scale * z + shift`, the product rounded and
/// then the sum; then perhaps a ReLU, which leaves NaN and -0 as they are.
///
/// The identity is not `1 z + 0`, which would make +0 of -0.
#[derive(Clone, Debug)]
pub struct Elementwise {
    /// For each channel, and [`BEYOND`] more; empty where there is no affine.
    scale: Vec<f32>,
    shift: Vec<f32>,
    relu: bool,
}

impl Elementwise {
    /// z, whatever the number of channels.
    pub const IDENTITY: Self = Self { scale: Vec::new(), shift: Vec::new(), relu: false };

    /// max(z, 0), whatever the number of channels.
    pub const RELU: Self = Self { scale: Vec::new(), shift: Vec::new(), relu: true };

    /// Scale and shift of each channel; then a ReLU after all of them, if `relu`.
    pub fn affine(channels: impl IntoIterator<Item = (f32, f32)>, relu: bool) -> Self {
        let (scale, shift) = channels.into_iter().chain(repeat_n((0.0, 0.0), BEYOND)).unzip();
        Self { scale, shift, relu }
    }

    pub(crate) fn is_identity(&self) -> bool {
        self.scale.is_empty() && !self.relu
    }

    /// Checks that there is an affine for each of so many channels, or none.
    pub(crate) fn check(&self, channels: usize) -> Result<()> {
        match self.scale.len() {
            0 => Ok(()),
            found if found == channels + BEYOND => Ok(()),
            found => Err(Error::Count {
                what: "channels of a function",
                expected: channels,
                found: found - BEYOND,
            }),
        }
    }

    /// The function at one value.
    pub(crate) fn at(&self, channel: usize, z: f32) -> f32 {
        let y = match self.scale.is_empty() {
            true => z,
            // The product rounded, then the sum.
            false => self.scale[channel] * z + self.shift[channel],
        };
        if self.relu && y < 0.0 { 0.0 } else { y }
    }

    /// The function at the sums of R pixels: V vectors of channels each, the first of which is `channel`.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`; `channel` is a channel of the function. (The vectors may
    /// reach beyond the last one.)
    #[inline(always)]
    pub(crate) unsafe fn apply<T: Vector, const R: usize, const V: usize>(
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
    pub(crate) unsafe fn apply_to_plane<T: Vector>(&self, channel: usize, z: T) -> T {
        let mut y = z;
        // SAFETY: as the function's.
        unsafe {
            if !self.scale.is_empty() {
                y = y.mul(T::splat(self.scale[channel])).add(T::splat(self.shift[channel]));
            }
            if self.relu { y.relu() } else { y }
        }
    }

    /// The function at all of N x C x H x W.
    pub(crate) fn apply_to(&self, z: &mut Array4<f32>) {
        for (channel, mut plane) in z.axis_iter_mut(Axis(1)).enumerate() {
            plane.mapv_inplace(|z| self.at(channel, z));
        }
    }

    /// The function of some of the channels.
    pub(crate) fn of(&self, channels: Range<usize>) -> Self {
        let of = |values: &[f32]| match values.len() {
            0 => Vec::new(),
            _ => [&values[channels.clone()], &[0.0; BEYOND]].concat(),
        };
        Self { scale: of(&self.scale), shift: of(&self.shift), relu: self.relu }
    }

    /// The same function of `times` pixels side by side, each of all the channels.
    pub(crate) fn repeated(&self, times: usize) -> Self {
        let repeat = |values: &[f32]| match values.len() {
            0 => Vec::new(),
            len => [values[..len - BEYOND].repeat(times), vec![0.0; BEYOND]].concat(),
        };
        Self { scale: repeat(&self.scale), shift: repeat(&self.shift), relu: self.relu }
    }
}
