//! The dense tile multiplies a few pixels by one or two vectors of output channels, and sums in registers. A weight
//! is loaded once for all the pixels. A pixel's channel is loaded once for all the output channels.
//!
//! Every convolution computes an output pixel as a sum over taps. Each tap is an input channel times a row of
//! weights. So the tile knows nothing about kernels, strides or groups. It only knows where each pixel starts, and
//! which runs of memory are the pixel's taps.
//!
//! While a tile sums, it prefetches what is needed next: the next panel of weights, pixels that have not been read
//! yet, and the memory of the next tile's outputs and shortcut. Every [`CHUNK`] taps, a step prefetches a few cache
//! lines. If more lines were in flight than the processor can track, loads would have to wait. All counts are
//! computed before the innermost loops begin.

use std::borrow::Cow;
use std::ops::Range;

use crate::epilogue::{Fused, store};
use crate::layout::Slot;
use crate::memory::{LINE, Scratch};
use crate::pack::Panels;
use crate::pixels::{Pixels, Taps};
use crate::simd::Work;
use crate::tiles::balanced;
use crate::vector::{Vector, load_rows, of_size, store_rows};

/// A panel of weights, and where its results are stored.
#[derive(Clone, Debug)]
pub(crate) struct Column<'a> {
    pub(crate) panels: &'a Panels,
    pub(crate) panel: usize,
    /// The panel's first channel, as the epilogue's function numbers the channels.
    pub(crate) channel: usize,
    pub(crate) slots: Cow<'a, [Slot]>,
}

/// Makes the panels into columns. The first channel of the first panel is channel `channel` of the function.
/// `slots(first, lanes)` returns where `lanes` channels of the panels are stored, from channel `first` on.
pub(crate) fn columns<'p>(
    panels: &'p Panels,
    channel: usize,
    mut slots: impl FnMut(usize, usize) -> Vec<Slot>,
) -> Vec<Column<'p>> {
    let column = |panel: usize| {
        let first = panel * panels.width;
        let slots = slots(first, panels.filled(panel)).into();
        Column { panels, panel, channel: channel + first, slots }
    };
    (0..panels.count()).map(column).collect()
}

/// The work of multiplying some pixels by some panels.
pub(crate) struct Dense<'a> {
    pub(crate) x: &'a [f32],
    pub(crate) pixels: Pixels,
    /// The number of the output pixel that comes first in `pixels`.
    pub(crate) origin: usize,
    /// The taps of each run of the panels.
    pub(crate) taps: &'a [Vec<Taps>],
    pub(crate) columns: &'a [Column<'a>],
    /// The pixels to compute.
    pub(crate) range: Range<usize>,
    /// Whether `x` may be missing from the caches, because it is the input itself rather than a fresh copy.
    pub(crate) cold: bool,
    pub(crate) epilogue: &'a Fused<'a>,
}

impl Work for Dense<'_> {
    /// # Safety
    /// - The machine has the instructions of `T`.
    /// - The panels of all columns are one or two vectors of `T` wide. They have as many runs as there are `taps`,
    ///   and each run is as long as its taps together.
    /// - Every tap of every pixel of the range lies in `x`.
    /// - The slots of the columns cover the pixels of the range, and nobody else reads or writes there.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Some(first) = self.columns.first() else { return };
        // SAFETY: upheld by the caller.
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
    /// The weights that are needed after those of this run and column. They are to be prefetched in `steps` steps.
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

    /// The pixels after the range, also to be prefetched in `steps` steps. There are none unless the pixels are
    /// contiguous and may be missing from the caches.
    fn pixels_after(&self, steps: usize) -> Run {
        let Pixels { image, column, .. } = self.pixels;
        if !self.cold || image > 0 {
            return Run::NONE;
        }
        let at = self.x.as_ptr().wrapping_add((self.range.end - self.origin) * column);
        Run::new(at, self.range.len() * column, steps)
    }

    /// Where the next tile is written, after the tile of column `number` that ends at pixel `end`. Returns the slot
    /// and the first pixel, or `None` if there is no next tile, or if the next tile has several slots.
    fn slot_after(&self, number: usize, end: usize) -> Option<(&Slot, usize)> {
        let (number, first) =
            if end < self.range.end { (number, end) } else { (number + 1, self.range.start) };
        match &self.columns.get(number)?.slots[..] {
            [slot] => Some((slot, first)),
            _ => None,
        }
    }

    /// Takes one run of taps after another, so that the channels of the pixels stay in the L2 cache for all the
    /// panels. Within a run it takes one panel after another, so that the panel's weights stay in the L1 cache.
    /// Safety: as for `run`, and the panels are `V` vectors wide.
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
                        prefetch = prefetch.and_of_slot(slot, [first, rows, rows_of_step]);
                    }
                    // SAFETY: upheld by the caller; `partial` has room for the sums of each pixel
                    // and column if there is more than one run.
                    unsafe {
                        of_size!(tile.len(), T::ROWS, R => {
                            self.tile::<T, V, R>(run, column, tile.start, partial, prefetch)
                        });
                    }
                }
            }
        }
    }

    /// Computes `R` pixels from `first` on, for one run of taps. `partial` has the sums of the earlier runs.
    /// Safety: as for `walk`. If there is more than one run, `partial` has room for `R` times the panel's width.
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
        let inside = |at: &usize| taps.iter().all(|t| at + t.offset + t.length <= self.x.len());
        debug_assert!(offsets.iter().all(inside), "{offsets:?} {taps:?} {}", self.x.len());
        // SAFETY: upheld by the caller.
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

/// How many prefetching steps there are while all of these taps are summed.
fn steps(taps: &[Taps]) -> usize {
    taps.iter().map(|taps| taps.length.div_ceil(CHUNK)).sum()
}

/// Multiplies the channels of the pixels by the weights, and adds the products to the sums, tap by tap. Meanwhile, it
/// prefetches.
/// # Safety
/// - The machine has the instructions of `T`.
/// - Each pixel has all the taps, and `weights` has `V` vectors for each tap.
#[inline(always)]
unsafe fn add_taps<T: Vector, const R: usize, const V: usize>(
    mut sums: [[T; V]; R],
    x: [*const f32; R],
    taps: &[Taps],
    mut weights: *const f32,
    mut prefetch: Prefetch,
) -> [[T; V]; R] {
    // SAFETY: upheld by the caller.
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

/// Taps from one prefetching step to the next.
const CHUNK: usize = 8;

/// A run of memory to prefetch, `lines` cache lines at each step. Nothing is read or written through the
/// pointer, so it may point anywhere.
#[derive(Clone, Copy, Debug)]
struct Run {
    at: *const f32,
    lines: usize,
}

impl Run {
    const NONE: Self = Self { at: std::ptr::null(), lines: 0 };

    /// The `floats` floats from `at` on, to be prefetched in `steps` steps. Each step takes the same number of lines,
    /// which is rounded up.
    fn new(at: *const f32, floats: usize, steps: usize) -> Self {
        Self { at, lines: floats.div_ceil(LINE * steps.max(1)) }
    }

    /// Takes the part for the next `steps` steps. The rest stays in `self`.
    #[inline(always)]
    fn take(&mut self, steps: usize) -> Self {
        let at = self.at.wrapping_add(self.lines * steps * LINE);
        Self { at: std::mem::replace(&mut self.at, at), lines: self.lines }
    }

    #[inline(always)]
    fn step(&mut self, ask: impl Fn(*const f32)) {
        for _ in 0..self.lines {
            ask(self.at);
            self.at = self.at.wrapping_add(LINE);
        }
    }
}

/// Some adjacent channels of some pixels, which are to be prefetched. Each step prefetches `of_step` pixels.
#[derive(Clone, Copy, Debug)]
struct Outputs {
    at: *const f32,
    pitch: usize,
    left: usize,
    of_step: usize,
}

impl Outputs {
    const NONE: Self = Self { at: std::ptr::null(), pitch: 0, left: 0, of_step: 0 };

    /// Prefetches `V` vectors of each pixel.
    #[inline(always)]
    fn step<T: Vector, const V: usize>(&mut self, ask: impl Fn(*const f32)) {
        for _ in 0..self.of_step.min(self.left) {
            for floats in (0..V * T::LANES).step_by(LINE) {
                ask(self.at.wrapping_add(floats));
            }
            self.at = self.at.wrapping_add(self.pitch);
        }
        self.left = self.left.saturating_sub(self.of_step);
    }
}

/// What a tile prefetches.
#[derive(Clone, Copy, Debug)]
struct Prefetch {
    weights: Run,
    x: Run,
    z: Outputs,
    shortcut: Outputs,
}

impl Prefetch {
    fn new(weights: Run, x: Run) -> Self {
        Self { weights, x, z: Outputs::NONE, shortcut: Outputs::NONE }
    }

    /// Also prefetches `left` pixels of a slot from pixel `first` on, `of_step` of them at each step.
    #[inline(always)]
    fn and_of_slot(mut self, slot: &Slot, [first, left, of_step]: [usize; 3]) -> Self {
        let pitch = slot.pitch;
        let pixels = |at: *const f32| {
            let at = at.wrapping_add(first * pitch);
            Outputs { at, pitch, left, of_step }
        };
        self.shortcut = slot.shortcut.map_or(Outputs::NONE, pixels);
        self.z = pixels(slot.z);
        self
    }

    /// Does one step.
    /// Safety: the machine has the instructions of `T`.
    #[inline(always)]
    unsafe fn step<T: Vector, const V: usize>(&mut self) {
        // SAFETY: upheld by the caller; any address will do.
        let soon = |at: *const f32| unsafe { T::prefetch(at) };
        // SAFETY: as above.
        let later = |at: *const f32| unsafe { T::prefetch_for_later(at) };
        self.weights.step(later);
        self.x.step(later);
        self.z.step::<T, V>(soon);
        self.shortcut.step::<T, V>(soon);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{LINE, Prefetch, Run, Slot};
    use crate::vector::Portable;

    /// Where the prefetched lines begin, in floats from address 0.
    fn asked(step: impl FnOnce(&dyn Fn(*const f32))) -> Vec<usize> {
        let found = RefCell::new(Vec::new());
        step(&|at| found.borrow_mut().push(at as usize / 4));
        found.into_inner()
    }

    #[test]
    fn the_parts_of_a_run_are_all_of_it_and_little_more() {
        for floats in [0, 1, 16, 17, 1000] {
            for (parts, steps) in [(1, 1), (3, 4), (7, 2)] {
                let mut run = Run::new(std::ptr::null(), floats, parts * steps);
                let parts_of_run = (0..parts).map(|_| run.take(steps)).collect::<Vec<_>>();
                let step = |mut part: Run| asked(|ask| (0..steps).for_each(|_| part.step(ask)));
                let lines: Vec<usize> = parts_of_run.into_iter().flat_map(step).collect();
                assert!(lines.iter().copied().eq((0..lines.len()).map(|line| line * LINE)));
                assert!(floats <= lines.len() * LINE);
                assert!(lines.len() < floats.div_ceil(LINE) + parts * steps);
            }
        }
    }

    #[test]
    fn every_pixel_of_a_slot_is_asked_for_once() {
        let z = std::ptr::null_mut();
        let slot = Slot { z, shortcut: None, pitch: 100, lanes: 16, floats: 1000 };
        let mut prefetch = Prefetch::new(Run::NONE, Run::NONE).and_of_slot(&slot, [2, 3, 2]);
        let steps = [(); 3].map(|()| asked(|ask| prefetch.z.step::<Portable, 2>(ask)));
        assert_eq!(steps, [vec![200, 300], vec![400], vec![]]);
        assert!(asked(|ask| prefetch.shortcut.step::<Portable, 2>(ask)).is_empty());
    }
}
