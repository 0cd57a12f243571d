//! Memory that a tile asks for while it sums, since it is needed next: what lies behind its weights, which is
//! the next panel (of paths that share a panel it is the next run of taps), and what the next tile will write
//! and add. A few lines every [`CHUNK`] taps, so that never more
//! are on their way than the processor can keep track of: where too many are, loads wait behind them.
#![allow(unsafe_code)]

use super::dense::LINE;
use super::finish::Slot;
use super::vector::Vector;

/// Taps between two looks ahead.
pub(super) const CHUNK: usize = 8;

/// What to ask for. Nothing is read or written through the pointers, so they may point anywhere.
#[derive(Clone, Copy)]
pub(super) struct Ahead {
    /// The next line of the weights, and how many of them in a chunk.
    weights: *const f32,
    lines: usize,
    chunks: usize,
    /// Floats of the weights that no tile has asked for yet.
    left: usize,
    /// The next row of the output and of the shortcut (or else of the output again), how far it is to the
    /// row after it, how many rows are left, and how many of them in a chunk.
    z: *const f32,
    shortcut: *const f32,
    pitch: usize,
    rows: usize,
    rows_of_chunk: usize,
}

impl Ahead {
    /// What lies behind `weights`, to be asked for by so many tiles of so many chunks.
    pub(super) fn new(weights: &[f32], chunks: usize, tiles: usize) -> Self {
        let end = weights.as_ptr().wrapping_add(weights.len());
        let lines = weights.len().div_ceil(LINE * (tiles * chunks).max(1));
        let (left, z) = (weights.len(), std::ptr::null());
        Self {
            weights: end,
            lines,
            chunks,
            left,
            z,
            shortcut: z,
            pitch: 0,
            rows: 0,
            rows_of_chunk: 0,
        }
    }

    /// The part of the next tile, and `rows` pixels of a slot from pixel `first` on, if there is one.
    pub(super) fn of_tile(&mut self, slot: Option<(&Slot, usize)>, rows: usize) -> Self {
        let mut part = Self { lines: if self.left == 0 { 0 } else { self.lines }, ..*self };
        let asked = self.lines * self.chunks * LINE;
        self.weights = self.weights.wrapping_add(asked);
        self.left = self.left.saturating_sub(asked);
        if let Some((slot, first)) = slot {
            let at = first * slot.pitch;
            part.z = slot.z.wrapping_add(at);
            part.shortcut = slot.shortcut.map_or(part.z, |shortcut| shortcut.wrapping_add(at));
            (part.pitch, part.rows) = (slot.pitch, rows);
            part.rows_of_chunk = rows.div_ceil(self.chunks.max(1));
        }
        part
    }

    /// One look: V vectors of each row.
    ///
    /// # Safety
    ///
    /// The machine has the instructions of `T`.
    #[inline(always)]
    pub(super) unsafe fn look<T: Vector, const V: usize>(&mut self) {
        // SAFETY: as the function's; any address will do.
        unsafe {
            for _ in 0..self.lines {
                T::prefetch_for_later(self.weights);
                self.weights = self.weights.wrapping_add(LINE);
            }
            for _ in 0..self.rows_of_chunk.min(self.rows) {
                for floats in (0..V * T::LANES).step_by(LINE) {
                    T::prefetch(self.z.wrapping_add(floats));
                    T::prefetch(self.shortcut.wrapping_add(floats));
                }
                self.z = self.z.wrapping_add(self.pitch);
                self.shortcut = self.shortcut.wrapping_add(self.pitch);
            }
            self.rows = self.rows.saturating_sub(self.rows_of_chunk);
        }
    }
}
