//! Where the sums of a tile go.

use crate::vector::Vector;

/// Where the sums of a run of channels go: pixel `q` to `z + q * pitch`, a few lanes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// The first channel of pixel 0.
    pub(crate) z: *mut f32,
    /// What is added there, if anything: the same place in the shortcut.
    pub(crate) shortcut: Option<*const f32>,
    /// Floats from one pixel to the next, or from some pixels to the next few, where these share a vector.
    pub(crate) pitch: usize,
    /// Channels; of all the pixels that share a vector.
    pub(crate) lanes: usize,
    /// Floats from `z` to where the memory of the pixels ends, for assertions.
    pub(crate) floats: usize,
}

// SAFETY: a pointer is as good in one thread as in another; who writes through it vouches that no other
// thread writes there.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Whether the `lanes` of the pixels `..end` lie in its memory, the last of which may have less.
    pub(crate) fn holds(&self, end: usize, last: Option<usize>) -> bool {
        end > 0 && (end - 1) * self.pitch + last.unwrap_or(self.lanes) <= self.floats
    }

    /// The slot `floats` further on.
    #[inline(always)]
    pub(crate) fn after(&self, floats: usize) -> Self {
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
    pub(crate) unsafe fn prefetch<T: Vector, const R: usize>(&self, first: usize) {
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
