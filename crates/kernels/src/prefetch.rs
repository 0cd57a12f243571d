//! Prefetching. While a tile sums, it prefetches what is needed next: the next panel of weights; pixels that nobody
//! has read yet; what the next tile writes and adds. A step every [`CHUNK`] taps asks for a few lines, so that never
//! more are on their way than the processor can keep track of: where there are too many, loads wait behind them.
//!
//! This is in the innermost loop but one, so all counts are ready before it begins.

use crate::layout::Slot;
use crate::memory::LINE;
use crate::vector::Vector;

/// Taps from one step to the next.
pub(crate) const CHUNK: usize = 8;

/// A run of memory to prefetch, so many lines at each step. Nothing is read or written through the pointer, so it
/// may point anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    at: *const f32,
    lines: usize,
}

impl Run {
    pub(crate) const NONE: Self = Self { at: std::ptr::null(), lines: 0 };

    /// `floats` floats from `at` on, in `steps` steps, rounded up to as many lines in each.
    pub(crate) fn new(at: *const f32, floats: usize, steps: usize) -> Self {
        Self { at, lines: floats.div_ceil(LINE * steps.max(1)) }
    }

    /// The part for the next `steps` steps; the rest is left here.
    #[inline(always)]
    pub(crate) fn take(&mut self, steps: usize) -> Self {
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

/// Some pixels of a run of channels, so many at each step.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    at: *const f32,
    pitch: usize,
    left: usize,
    of_step: usize,
}

impl Pixels {
    const NONE: Self = Self { at: std::ptr::null(), pitch: 0, left: 0, of_step: 0 };

    /// Prefetches V vectors of each.
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
pub(crate) struct Prefetch {
    weights: Run,
    x: Run,
    z: Pixels,
    shortcut: Pixels,
}

impl Prefetch {
    pub(crate) fn new(weights: Run, x: Run) -> Self {
        Self { weights, x, z: Pixels::NONE, shortcut: Pixels::NONE }
    }

    /// And `left` pixels of a slot from pixel `first` on, so many at each step.
    #[inline(always)]
    pub(crate) fn and_of_slot(
        mut self,
        slot: &Slot,
        first: usize,
        left: usize,
        of_step: usize,
    ) -> Self {
        let pitch = slot.pitch;
        let pixels = |at: *const f32| {
            let at = at.wrapping_add(first * pitch);
            Pixels { at, pitch, left, of_step }
        };
        self.shortcut = slot.shortcut.map_or(Pixels::NONE, pixels);
        self.z = pixels(slot.z);
        self
    }

    /// One step.
    /// Safety: the machine has the instructions of `T`.
    #[inline(always)]
    pub(crate) unsafe fn step<T: Vector, const V: usize>(&mut self) {
        // SAFETY: as the function's; any address will do.
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

    /// The floats from address 0 on where the lines begin that are asked for.
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
        let mut prefetch = Prefetch::new(Run::NONE, Run::NONE).and_of_slot(&slot, 2, 3, 2);
        let steps = [(); 3].map(|()| asked(|ask| prefetch.z.step::<Portable, 2>(ask)));
        assert_eq!(steps, [vec![200, 300], vec![400], vec![]]);
        assert!(asked(|ask| prefetch.shortcut.step::<Portable, 2>(ask)).is_empty());
    }
}
