//! Memory that starts on a cache line: for weights, and for scratch that is used again.

use std::ops::{Deref, DerefMut};
use std::sync::{Mutex, PoisonError};

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([f32; LINE]);

/// Floats that start on a cache line.
#[derive(Debug, Default)]
pub(crate) struct Buffer {
    lines: Vec<Line>,
}

impl Buffer {
    /// At least so many zeros.
    pub(crate) fn zeros(floats: usize) -> Self {
        Self { lines: vec![Line([0.0; LINE]); floats.div_ceil(LINE)] }
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        self.lines.as_flattened_floats()
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        let floats = self.lines.len() * LINE;
        // SAFETY: a Line is LINE floats and nothing else (repr(C), 64 bytes, aligned to as many), so
        // these are `floats` valid floats, borrowed mutably as `self` is.
        unsafe { std::slice::from_raw_parts_mut(self.lines.as_mut_ptr().cast(), floats) }
    }
}

/// Lines as the floats they are.
trait Flattened {
    fn as_flattened_floats(&self) -> &[f32];
}

impl Flattened for [Line] {
    fn as_flattened_floats(&self) -> &[f32] {
        // SAFETY: as in `deref_mut`; borrowed as `self` is.
        unsafe { std::slice::from_raw_parts(self.as_ptr().cast(), self.len() * LINE) }
    }
}

/// Buffers that nobody uses at the moment.
static FREE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
/// No more are kept than so many, nor any larger than so many floats (16 MiB).
const KEPT: usize = 64;
const LARGEST_KEPT: usize = 1 << 22;

/// A buffer to work in, whose contents are whatever was left there. It is given back when dropped, and
/// the next one is the smallest that is large enough.
#[derive(Debug)]
pub(crate) struct Scratch {
    buffer: Buffer,
}

impl Scratch {
    /// At least so many floats.
    pub(crate) fn take(floats: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = free.iter().enumerate().filter(|(_, buffer)| buffer.len() >= floats);
        let best = fits.min_by_key(|(_, buffer)| buffer.len()).map(|(at, _)| at);
        let kept = best.map(|at| free.swap_remove(at));
        drop(free);
        Self { buffer: kept.unwrap_or_else(|| Buffer::zeros(floats)) }
    }
}

impl Scratch {
    /// Its first float, for who writes to it through several pointers.
    pub(crate) fn first(&mut self) -> *mut f32 {
        self.buffer.as_mut_ptr()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.buffer);
        if buffer.len() > LARGEST_KEPT {
            return;
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
        if free.len() > KEPT {
            let smallest = free.iter().enumerate().min_by_key(|(_, buffer)| buffer.len());
            if let Some(at) = smallest.map(|(at, _)| at) {
                free.swap_remove(at);
            }
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.buffer
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.buffer
    }
}

#[cfg(test)]
mod tests {
    use super::{Buffer, Scratch};

    #[test]
    fn a_buffer_starts_on_a_cache_line() {
        let buffer = Buffer::zeros(17);
        assert_eq!((buffer.len(), buffer.as_ptr() as usize % 64), (32, 0));
        assert!(buffer.iter().all(|&zero| zero == 0.0));
        assert!(Buffer::zeros(0).is_empty());
    }

    #[test]
    fn scratch_is_large_enough_whatever_was_given_back() {
        for floats in [1, 100, 10_000, 50, 1 << 23, 0] {
            let mut scratch = Scratch::take(floats);
            assert!(scratch.len() >= floats);
            scratch.fill(f32::NAN);
        }
    }
}
