//! Grouped convolution where a group is narrower than a vector, such as `d = 4` in 32x4d. The lanes of a vector are
//! output channels of several groups. A shuffle within the register gives each lane an input channel of its own
//! group. So no lane is idle, however small `d` is.
//!
//! A single path has only `d` channels. In that case, the lanes of a vector are several pixels of `d` channels each,
//! which are also adjacent in memory. The algorithm is the same. Only the distance to the next vector differs.

use crate::epilogue::{Fused, store};
use crate::layout::Slot;
use crate::memory::WeightMemory;
use crate::simd::Work;
use crate::tiles::balanced;
use crate::vector::{Vector, of_size};

/// The weights of a grouped convolution with `d` input channels and `d` output channels in each group. They are
/// ordered by vector of output channels, then by tap, then by input channel of the group, then by lane.
#[derive(Debug)]
pub(crate) struct Narrow {
    weights: WeightMemory,
    /// Channels of a group: 1, 4 or 8. The choice does not depend on the number of lanes, so sums have the same order
    /// on all machines.
    pub(crate) d: usize,
    taps: usize,
    lanes: usize,
    /// The number of pixels that share a vector. It is 1, unless there is only one group.
    pub(crate) pixels: usize,
}

impl Narrow {
    /// `weight(o, tap, c)` is the weight of output channel `o` for input channel `c` of its group.
    pub(crate) fn new(
        d: usize,
        groups: usize,
        taps: usize,
        lanes: usize,
        weight: impl Fn(usize, usize, usize) -> f32,
    ) -> Self {
        let channels = groups * d;
        let vectors = channels.div_ceil(lanes);
        let mut weights = WeightMemory::zeros(vectors * taps * d * lanes);
        // One group is repeated to fill the lanes; several groups fill them side by side.
        let pixels = if groups == 1 { lanes / d } else { 1 };
        for (at, slot) in weights.iter_mut().take(vectors * taps * d * lanes).enumerate() {
            let (lane, rest) = (at % lanes, at / lanes);
            let (c, rest) = (rest % d, rest / d);
            let (tap, vector) = (rest % taps, rest / taps);
            let channel = if groups == 1 { lane % d } else { vector * lanes + lane };
            if channel < channels {
                *slot = weight(channel, tap, c);
            }
        }
        Self { weights, d, taps, lanes, pixels }
    }
}

/// All output rows of some vectors of channels.
pub(crate) struct Rows<'a> {
    pub(crate) narrow: &'a Narrow,
    /// The index of the first vector within the weights.
    pub(crate) first: usize,
    /// The padded copy of the input.
    pub(crate) x: &'a [f32],
    /// Where each tap starts, in floats from a row's first pixel.
    pub(crate) offsets: &'a [usize],
    /// Columns of the kernel.
    pub(crate) columns: usize,
    /// Whether the kernel has three columns, which lie a vector apart, and the stride is 1.
    pub(crate) three_columns: bool,
    /// Floats in `x` from one output row to the next (`row`), from one vector of channels to the next
    /// (`part`), and from one vector of a row to the next (`step`).
    pub(crate) row: usize,
    pub(crate) part: usize,
    pub(crate) step: usize,
    /// The number of output rows, and the number of vectors in each row. The last vector may be partly filled.
    pub(crate) h_out: usize,
    pub(crate) vectors: usize,
    /// For each vector of channels, the slot of its first output row.
    pub(crate) slots: &'a [Slot],
    /// Floats of the output from one row to the next.
    pub(crate) z_row: usize,
    /// If pixels share a vector, the number of lanes to store from the last vector of a row, which may be partly
    /// filled.
    pub(crate) last: Option<usize>,
    pub(crate) epilogue: &'a Fused<'a>,
}

impl Work for Rows<'_> {
    /// # Safety
    /// - The machine has the instructions of `T`, and the weights are packed for its lanes.
    /// - `x` has all lanes that are read, for every tap of every vector of every row.
    /// - The slots, moved on by `z_row` for each row, cover the stored lanes, and nobody else reads or writes there.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        // SAFETY: upheld by the caller.
        unsafe {
            match self.narrow.d {
                1 => self.walk::<T, 1>(),
                4 => self.walk::<T, 4>(),
                8 => self.walk::<T, 8>(),
                d => unreachable!("no code for groups of {d}"),
            }
        }
    }
}

impl Rows<'_> {
    /// Computes all the rows, for groups of `D` channels.
    /// Safety: as for `run`, and groups have `D` channels.
    #[inline(always)]
    unsafe fn walk<T: Vector, const D: usize>(&self) {
        debug_assert_eq!((self.narrow.lanes, self.narrow.d), (T::LANES, D));
        let reach = self.offsets.iter().copied().max().unwrap_or(0);
        let last = (self.h_out - 1) * self.row + (self.slots.len() - 1) * self.part;
        let end = last + (self.vectors - 1) * self.step + reach + T::LANES;
        debug_assert!(end <= self.x.len());
        for i in 0..self.h_out {
            for part in 0..self.slots.len() {
                for tile in balanced(0..self.vectors, T::OUTPUTS) {
                    // SAFETY: upheld by the caller.
                    unsafe {
                        of_size!(tile.len(), T::OUTPUTS, P => self.tile::<T, D, P>(i, part, tile.start));
                    }
                }
            }
        }
    }

    /// Computes `P` vectors of output row `i`, from vector `first` on, for one vector of channels.
    /// Safety: as for `walk`.
    #[inline(always)]
    unsafe fn tile<T: Vector, const D: usize, const P: usize>(
        &self,
        i: usize,
        part: usize,
        first: usize,
    ) {
        let (vector, slot) = (self.first + part, &self.slots[part]);
        // SAFETY: upheld by the caller.
        unsafe {
            let narrow = self.narrow;
            let floats = narrow.taps * narrow.d * narrow.lanes;
            let weights = narrow.weights[vector * floats..(vector + 1) * floats].as_ptr();
            let x = self.x.as_ptr().add(i * self.row + part * self.part + first * self.step);
            let sums: [T; P] = match self.three_columns {
                true => self.row_of_three::<T, D, P>(x, weights),
                false => self.tap_by_tap::<T, D, P>(x, weights),
            };
            // If pixels share a vector, the functions are repeated for them, from channel 0 on.
            let channel = if self.narrow.pixels == 1 { vector * T::LANES } else { 0 };
            let slot = slot.after(i * self.z_row + first * slot.pitch);
            // The last vector may be partly filled.
            let last = self.last.filter(|&last| first + P == self.vectors && last < slot.lanes);
            debug_assert!((first + P - 1) * slot.pitch + last.unwrap_or(slot.lanes) <= self.z_row);
            store(self.epilogue, &[slot], channel, 0, sums.map(|sum| [sum]), last);
        }
    }

    /// Computes the sums for any kernel. Terms are added by kernel row, then by channel of the group, then by kernel
    /// column.
    /// Safety: as for `run`, and `x` is where the first tap reads the first vector.
    #[inline(always)]
    unsafe fn tap_by_tap<T: Vector, const D: usize, const P: usize>(
        &self,
        x: *const f32,
        mut weights: *const f32,
    ) -> [T; P] {
        // SAFETY: upheld by the caller.
        unsafe {
            let mut sums = [T::splat(0.0); P];
            for row in self.offsets.chunks_exact(self.columns) {
                for j in 0..D {
                    for (column, &offset) in row.iter().enumerate() {
                        let x = x.add(offset);
                        let weight = T::load(weights.add((column * D + j) * T::LANES));
                        for (p, sum) in sums.iter_mut().enumerate() {
                            *sum = sum.add_product(pick::<T, D>(x.add(p * self.step), j), weight);
                        }
                    }
                }
                weights = weights.add(self.columns * D * T::LANES);
            }
            sums
        }
    }

    /// Computes the same sums as `tap_by_tap` in the same order, for three kernel columns at stride 1. There, each
    /// pixel contributes to three outputs of a row, so it is shuffled once and used three times.
    /// Safety: as for `tap_by_tap`. Also, the columns are a vector apart, and so are the outputs.
    #[inline(always)]
    unsafe fn row_of_three<T: Vector, const D: usize, const P: usize>(
        &self,
        x: *const f32,
        mut weights: *const f32,
    ) -> [T; P] {
        debug_assert_eq!(self.step, T::LANES);
        // SAFETY: upheld by the caller.
        unsafe {
            let mut sums = [T::splat(0.0); P];
            for row in self.offsets.chunks_exact(3) {
                let x = x.add(row[0]);
                for j in 0..D {
                    let [left, middle, right] =
                        [0, D, 2 * D].map(|column| T::load(weights.add((column + j) * T::LANES)));
                    for q in 0..P + 2 {
                        let pixel = pick::<T, D>(x.add(q * T::LANES), j);
                        if q < P {
                            sums[q] = sums[q].add_product(pixel, left);
                        }
                        if (1..=P).contains(&q) {
                            sums[q - 1] = sums[q - 1].add_product(pixel, middle);
                        }
                        if q >= 2 {
                            sums[q - 2] = sums[q - 2].add_product(pixel, right);
                        }
                    }
                }
                weights = weights.add(3 * D * T::LANES);
            }
            sums
        }
    }
}

/// A vector in which all lanes of each group hold channel `j` of that group.
/// Safety: the machine has the instructions of `T`, and a vector can be read from `x`.
#[inline(always)]
unsafe fn pick<T: Vector, const D: usize>(x: *const f32, j: usize) -> T {
    // SAFETY: upheld by the caller; j < D, and D is at most the number of lanes.
    unsafe { if D == T::LANES { T::splat(*x.add(j)) } else { T::load(x).spread::<D>(j) } }
}
