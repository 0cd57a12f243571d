//! The dense tile: a few pixels by one or two vectors of output channels, summed in registers. A weight
//! is loaded once for all the pixels, a pixel's channel once for all the output channels.
//!
//! Every convolution is, for one output pixel, a sum over taps of an input channel times a row of weights.
//! So the tile knows nothing of kernels, strides or groups: it is told where each pixel starts, and which
//! runs of memory from there on are its taps.

use std::ops::Range;

use crate::epilogue::{Fused, store};
use crate::layout::Slot;
use crate::memory::Scratch;
use crate::pack::Panels;
use crate::pixels::{Pixels, Taps};
use crate::prefetch::{CHUNK, Prefetch, Run};
use crate::simd::Work;
use crate::tiles::balanced;
use crate::vector::{Vector, load_rows, of_size, store_rows};

/// A panel of weights, and where what it gives goes.
#[derive(Clone, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) panels: &'a Panels,
    pub(crate) panel: usize,
    /// Its first channel, to the function.
    pub(crate) channel: usize,
    pub(crate) slots: Vec<Slot>,
}

/// The panels, the first of whose channels is `channel` to the function; `slots` says where so many lanes from a
/// channel of the panels on go.
pub(crate) fn columns<'p>(
    panels: &'p Panels,
    channel: usize,
    mut slots: impl FnMut(usize, usize) -> Vec<Slot>,
) -> Vec<Column<'p>> {
    let column = |panel: usize| {
        let first = panel * panels.width;
        let slots = slots(first, panels.filled(panel));
        Column { panels, panel, channel: channel + first, slots }
    };
    (0..panels.count()).map(column).collect()
}

/// Some pixels by some panels.
pub(crate) struct Dense<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) pixels: Pixels,
    /// The pixel of the output that is the first of `pixels`.
    pub(crate) origin: usize,
    /// For each run of the panels' taps.
    pub(crate) taps: &'a [Vec<Taps>],
    pub(crate) columns: &'a [Column<'a>],
    /// The pixels to compute.
    pub(crate) range: Range<usize>,
    /// Whether `x` lies where it was left, and may not be in the caches; a copy was just made.
    pub(crate) cold: bool,
    pub(crate) epilogue: &'a Fused<'a>,
}

impl Work for Dense<'_> {
    /// # Safety
    ///
    /// - The machine has the instructions of `T`.
    /// - All columns' panels are one or two vectors of `T` wide and have as many runs as there are `taps`,
    ///   each as long as its taps together.
    /// - Every tap of every pixel of the range lies in `x`.
    /// - The slots of the columns have the pixels of the range, and nobody else reads or writes there.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Some(first) = self.columns.first() else { return };
        // SAFETY: as the function's.
        unsafe {
            if first.panels.width == T::LANES {
                self.walk::<T, 1>();
            } else {
                debug_assert_eq!(first.panels.width, 2 * T::LANES);
                self.walk::<T, 2>();
            }
        }
    }
}

impl Dense<'_> {
    /// The weights that come after those of a run and column, to be prefetched in `steps` steps.
    fn weights_after(&self, run: usize, number: usize, steps: usize) -> Run {
        let (run, number) =
            if number + 1 < self.columns.len() { (run, number + 1) } else { (run + 1, 0) };
        if run == self.taps.len() {
            return Run::NONE;
        }
        let Column { panels, panel, .. } = &self.columns[number];
        let weights = panels.weights(run, *panel);
        Run::new(weights.as_ptr(), weights.len(), steps)
    }

    /// The pixels that come after the range, likewise; if nobody has read them yet and they follow one another.
    fn pixels_after(&self, steps: usize) -> Run {
        let [floats, column] = [self.pixels.image, self.pixels.column];
        if !self.cold || floats > 0 {
            return Run::NONE;
        }
        let at = self.x.as_ptr().wrapping_add((self.range.end - self.origin) * column);
        Run::new(at, self.range.len() * column, steps)
    }

    /// Where the tile is written that comes after one of column `number` which ends at pixel `end`: the slot,
    /// if it is one, and the tile's first pixel.
    fn slot_after(&self, number: usize, end: usize) -> Option<(&Slot, usize)> {
        let (number, first) =
            if end < self.range.end { (number, end) } else { (number + 1, self.range.start) };
        match &self.columns.get(number)?.slots[..] {
            [slot] => Some((slot, first)),
            _ => None,
        }
    }

    /// Run of taps by run of taps, so that the pixels' channels stay in the second-level cache while all
    /// the panels go by; panel by panel, so that its weights stay in the first.
    /// Safety: that of `run`; V vectors are the panels' width.
    #[inline(always)]
    unsafe fn walk<T: Vector, const V: usize>(&self) {
        let width = V * T::LANES;
        let floats = self.range.len() * self.columns.len() * width;
        let mut partial = Scratch::take(if self.taps.len() > 1 { floats } else { 0 });
        let tiles = self.range.len().div_ceil(T::ROWS);
        let mut pixels = self.pixels_after(
            self.taps.iter().map(|taps| steps(taps)).sum::<usize>() * tiles * self.columns.len(),
        );
        for run in 0..self.taps.len() {
            let steps = steps(&self.taps[run]);
            let rows_of_step = T::ROWS.div_ceil(steps.max(1));
            let last = run + 1 == self.taps.len();
            for (number, column) in self.columns.iter().enumerate() {
                let mut at = number * self.range.len() * width;
                let mut weights = self.weights_after(run, number, steps * tiles);
                for tile in balanced(self.range.clone(), T::ROWS) {
                    let partial = partial.get_mut(at..).unwrap_or_default().as_mut_ptr();
                    at += tile.len() * width;
                    let mut prefetch = Prefetch::new(weights.take(steps), pixels.take(steps));
                    if last && let Some((slot, first)) = self.slot_after(number, tile.end) {
                        let rows = T::ROWS.min(self.range.end - first);
                        prefetch = prefetch.and_of_slot(slot, first, rows, rows_of_step);
                    }
                    let first = tile.start;
                    // SAFETY: as the function's; `partial` has room for the sums of each pixel and
                    // column if there is more than one run.
                    unsafe {
                        of_size!(tile.len(), T::ROWS, R => {
                            self.tile::<T, V, R>(run, column, first, partial, prefetch)
                        });
                    }
                }
            }
        }
    }

    /// R pixels from `first` on, for one run of taps; `partial` has the sums of the runs before.
    /// Safety: that of `walk`; if there is more than one run, `partial` has room for R times the panel's width.
    #[inline(always)]
    unsafe fn tile<T: Vector, const V: usize, const R: usize>(
        &self,
        run: usize,
        column: &Column<'_>,
        first: usize,
        partial: *mut f32,
        prefetch: Prefetch,
    ) {
        let taps = &self.taps[run];
        let weights = column.panels.weights(run, column.panel);
        let length: usize = taps.iter().map(|taps| taps.length).sum();
        debug_assert_eq!(weights.len(), length * V * T::LANES);
        let offsets: [usize; R] = self.pixels.from(first - self.origin);
        debug_assert!(
            offsets.iter().all(|offset| {
                taps.iter().all(|taps| offset + taps.offset + taps.length <= self.x.len())
            }),
            "{offsets:?} {taps:?} {}",
            self.x.len()
        );
        // SAFETY: as the function's.
        unsafe {
            let mut sums = [[T::splat(0.0); V]; R];
            if run > 0 {
                load_rows(&mut sums, partial, V * T::LANES);
            }
            let x = offsets.map(|offset| self.x.as_ptr().add(offset));
            sums = add_taps(sums, x, taps, weights.as_ptr(), prefetch);
            if run + 1 < self.taps.len() {
                store_rows(&sums, partial, V * T::LANES);
            } else {
                store(self.epilogue, &column.slots, column.channel, first, sums, None);
            }
        }
    }
}

/// Steps of prefetching while all of these are summed.
fn steps(taps: &[Taps]) -> usize {
    taps.iter().map(|taps| taps.length.div_ceil(CHUNK)).sum()
}

/// Adds to the sums, tap after tap, the pixels' channels times the weights; meanwhile prefetches.
///
/// # Safety
///
/// - The machine has the instructions of `T`.
/// - Each pixel has all the taps, and `weights` V vectors for each of them.
#[inline(always)]
unsafe fn add_taps<T: Vector, const R: usize, const V: usize>(
    mut sums: [[T; V]; R],
    x: [*const f32; R],
    taps: &[Taps],
    mut weights: *const f32,
    mut prefetch: Prefetch,
) -> [[T; V]; R] {
    // SAFETY: as the function's.
    unsafe {
        for taps in taps {
            let x = x.map(|x| x.add(taps.offset));
            for tap in 0..taps.length {
                if tap.is_multiple_of(CHUNK) {
                    prefetch.step::<T, V>();
                }
                let mut row = [T::splat(0.0); V];
                for (v, weight) in row.iter_mut().enumerate() {
                    *weight = T::load(weights.add(v * T::LANES));
                }
                weights = weights.add(V * T::LANES);
                for (sums, x) in sums.iter_mut().zip(x) {
                    let pixel = T::splat(*x.add(tap));
                    for (sum, weight) in sums.iter_mut().zip(row) {
                        *sum = sum.add_product(pixel, weight);
                    }
                }
            }
        }
    }
    sums
}
