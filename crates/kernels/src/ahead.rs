//! Memory that a tile asks for while it sums, since it is needed next: the next panel of weights; pixels that nobody
//! has read yet; what the next tile will write and add. A few lines every [`CHUNK`] taps, so that never more are on
//! their way than the processor can keep track of: where too many are, loads wait behind them.
//!
//! This is in the innermost loop but one, so all counts are ready before it begins.

use crate::buffer::LINE;
use crate::slot::Slot;
use crate::vector::Vector;

/// Taps between two looks ahead.
pub(crate) const CHUNK: usize = 8;

/// A run of memory to ask for, so many lines at each look. Nothing is read or written through the pointer, so it
/// may point anywhere.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Run {
    at: *const f32,
    lines: usize,
}

impl Run {
    pub(crate) const NONE: Self = Self { at: std::ptr::null(), lines: 0 };

    /// So many floats at so many looks, or a little more.
    pub(crate) fn new(at: *const f32, floats: usize, looks: usize) -> Self {
        Self { at, lines: floats.div_ceil(LINE * looks.max(1)) }
    }

    /// What is asked for at so many looks; the rest is left here.
    #[inline(always)]
    pub(crate) fn take(&mut self, looks: usize) -> Self {
        let at = self.at.wrapping_add(self.lines * looks * LINE);
        Self { at: std::mem::replace(&mut self.at, at), lines: self.lines }
    }

    #[inline(always)]
    fn look(&mut self, ask: impl Fn(*const f32)) {
        for _ in 0..self.lines {
            ask(self.at);
            self.at = self.at.wrapping_add(LINE);
        }
    }
}

/// Some pixels of a run of channels, so many at each look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    at: *const f32,
    pitch: usize,
    left: usize,
    of_look: usize,
}

impl Pixels {
    const NONE: Self = Self { at: std::ptr::null(), pitch: 0, left: 0, of_look: 0 };

    /// Asks for V vectors of each.
    #[inline(always)]
    fn look<T: Vector, const V: usize>(&mut self, ask: impl Fn(*const f32)) {
        for _ in 0..self.of_look.min(self.left) {
            for floats in (0..V * T::LANES).step_by(LINE) {
                ask(self.at.wrapping_add(floats));
            }
            self.at = self.at.wrapping_add(self.pitch);
        }
        self.left = self.left.saturating_sub(self.of_look);
    }
}

/// What a tile asks for.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ahead {
    weights: Run,
    x: Run,
    z: Pixels,
    shortcut: Pixels,
}

impl Ahead {
    pub(crate) fn new(weights: Run, x: Run) -> Self {
        Self { weights, x, z: Pixels::NONE, shortcut: Pixels::NONE }
    }

    /// And `left` pixels of a slot from pixel `first` on, so many at each look.
    #[inline(always)]
    pub(crate) fn and_of_slot(
        mut self,
        slot: &Slot,
        first: usize,
        left: usize,
        of_look: usize,
    ) -> Self {
        let pitch = slot.pitch;
        let pixels = |at: *const f32| {
            let at = at.wrapping_add(first * pitch);
            Pixels { at, pitch, left, of_look }
        };
        self.shortcut = slot.shortcut.map_or(Pixels::NONE, pixels);
        self.z = pixels(slot.z);
        self
    }

    /// One look.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`.
    #[inline(always)]
    pub(crate) unsafe fn look<T: Vector, const V: usize>(&mut self) {
        // SAFETY: as the function's; any address will do.
        let soon = |at: *const f32| unsafe { T::prefetch(at) };
        // SAFETY: as above.
        let later = |at: *const f32| unsafe { T::prefetch_for_later(at) };
        self.weights.look(later);
        self.x.look(later);
        self.z.look::<T, V>(soon);
        self.shortcut.look::<T, V>(soon);
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::{Ahead, LINE, Pixels, Run, Slot};
    use crate::vector::Portable;

    /// The floats from `start` on where the lines begin that are asked for.
    fn asked(start: *const f32, look: impl FnOnce(&dyn Fn(*const f32))) -> Vec<usize> {
        let found = RefCell::new(Vec::new());
        look(&|at| found.borrow_mut().push((at as usize - start as usize) / 4));
        found.into_inner()
    }

    #[test]
    fn the_parts_of_a_run_are_all_of_it_and_little_more() {
        let memory = [0.0f32; 2000];
        for floats in [0, 1, 16, 17, 1000] {
            for (parts, looks) in [(1, 1), (3, 4), (7, 2)] {
                let mut run = Run::new(memory.as_ptr(), floats, parts * looks);
                let mut lines = Vec::new();
                for _ in 0..parts {
                    let mut part = run.take(looks);
                    for _ in 0..looks {
                        lines.extend(asked(memory.as_ptr(), |ask| part.look(ask)));
                    }
                }
                let all: Vec<usize> = (0..lines.len() * LINE).step_by(LINE).collect();
                assert_eq!(lines, all, "{floats}");
                assert!(floats <= lines.len() * LINE);
                assert!(lines.len() < floats.div_ceil(LINE) + parts * looks);
            }
        }
    }

    #[test]
    fn every_pixel_of_a_slot_is_asked_for_once() {
        let mut memory = [0.0f32; 1000];
        let start = memory.as_mut_ptr();
        let slot = Slot { z: start, shortcut: None, pitch: 100, lanes: 16, floats: 1000 };
        let mut ahead = Ahead::new(Run::NONE, Run::NONE).and_of_slot(&slot, 2, 3, 2);
        let look = |pixels: &mut Pixels| asked(start, |ask| pixels.look::<Portable, 2>(ask));
        assert_eq!([(); 3].map(|()| look(&mut ahead.z)), [vec![200, 300], vec![400], vec![]]);
        assert_eq!(look(&mut ahead.shortcut), [0; 0]);
    }
}
