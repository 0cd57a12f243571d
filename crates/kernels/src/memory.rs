//! Memory that starts on a cache line: scratch memory, which is reused, and memory for weights.
//!
//! A forward pass reads a network's weights once, from beginning to end. With pages of 4 KiB, page lookups take about
//! a hundredth of the time. So on Linux, large weights are stored together, and the system is asked to keep them in
//! pages of 2 MiB.

use std::any::Any;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, PoisonError};

/// Floats of a cache line.
pub(crate) const LINE: usize = 16;

#[repr(C, align(64))]
#[derive(Clone, Copy, Debug)]
struct Line([f32; LINE]);

/// Floats that start on a cache line.
#[derive(Debug, Default)]
pub(crate) struct Buffer(Vec<Line>);

impl Buffer {
    /// At least `floats` zeros.
    pub(crate) fn zeros(floats: usize) -> Self {
        Self(vec![Line([0.0; LINE]); floats.div_ceil(LINE)])
    }
}

impl Deref for Buffer {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: a Line is LINE floats and nothing else (repr(C), 64 bytes, the same alignment), so these
        // are valid floats, borrowed as `self` is.
        unsafe { std::slice::from_raw_parts(self.0.as_ptr().cast(), self.0.len() * LINE) }
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, borrowed mutably.
        unsafe { std::slice::from_raw_parts_mut(self.0.as_mut_ptr().cast(), self.0.len() * LINE) }
    }
}

/// Buffers that are not in use.
static FREE: Mutex<Vec<Buffer>> = Mutex::new(Vec::new());
/// At most this number of buffers is kept. None has more than [`LARGEST_KEPT`] floats (16 MiB).
const KEPT: usize = 64;
const LARGEST_KEPT: usize = 1 << 22;

/// A buffer to work in, with arbitrary contents. When it is dropped, it is kept for reuse. [`Scratch::take`] takes
/// the smallest kept buffer that is large enough.
#[derive(Debug)]
pub(crate) struct Scratch(Buffer);

impl Scratch {
    /// At least `floats` floats.
    pub(crate) fn take(floats: usize) -> Self {
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = (0..free.len()).filter(|&at| free[at].len() >= floats);
        let best = fits.min_by_key(|&at| free[at].len());
        let kept = best.map(|at| free.swap_remove(at));
        drop(free);
        Self(kept.unwrap_or_else(|| Buffer::zeros(floats)))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let buffer = std::mem::take(&mut self.0);
        if buffer.len() > LARGEST_KEPT {
            return;
        }
        let mut free = FREE.lock().unwrap_or_else(PoisonError::into_inner);
        free.push(buffer);
        if free.len() > KEPT {
            let smallest = (0..=KEPT).min_by_key(|&at| free[at].len());
            smallest.map(|at| free.swap_remove(at));
        }
    }
}

impl Deref for Scratch {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.0
    }
}

impl DerefMut for Scratch {
    fn deref_mut(&mut self) -> &mut [f32] {
        &mut self.0
    }
}

/// Memory for weights.
#[derive(Debug)]
pub(crate) struct WeightMemory {
    floats: NonNull<[f32]>,
    /// Frees the floats when it is dropped. Only this `WeightMemory` reads or writes them.
    _owner: Arc<dyn Any + Send + Sync>,
}

impl WeightMemory {
    /// At least `floats` zeros.
    pub(crate) fn zeros(floats: usize) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(mut large) = together::part(floats) {
            // The memory may have been used before.
            large.fill(0.0);
            return large;
        }
        let mut buffer = Buffer::zeros(floats);
        Self { floats: NonNull::from(&mut buffer[..]), _owner: Arc::new(buffer) }
    }
}

// SAFETY: the floats are borrowed as `self` is, and any thread may free them.
unsafe impl Send for WeightMemory {}
// SAFETY: as above.
unsafe impl Sync for WeightMemory {}

impl Deref for WeightMemory {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        // SAFETY: the floats live as long as the owner, only `self` has them, and they are borrowed as it is.
        unsafe { self.floats.as_ref() }
    }
}

impl DerefMut for WeightMemory {
    fn deref_mut(&mut self) -> &mut [f32] {
        // SAFETY: as in `deref`, borrowed mutably.
        unsafe { self.floats.as_mut() }
    }
}

#[cfg(target_os = "linux")]
mod together {
    use std::ptr::NonNull;
    use std::sync::{Arc, Mutex, PoisonError};

    use memmap2::{Advice, MmapOptions, MmapRaw};

    use super::{LINE, WeightMemory};

    /// Weights with fewer floats than this take few pages anyway, so they are allocated and freed individually.
    const LARGE: usize = 1 << 14;
    /// The size of a chunk, in bytes. Larger weights get their own chunk, which is freed with them.
    const CHUNK: usize = 32 << 20;

    /// A chunk whose memory is handed out in parts, from beginning to end. Once all parts have been freed, the memory
    /// is handed out again.
    #[derive(Debug, Default)]
    pub(crate) struct Open {
        chunk: Option<Arc<MmapRaw>>,
        /// Floats handed out so far.
        used: usize,
    }

    /// Memory for at least `floats` floats. The result is `None` if `floats` is less than [`LARGE`], or if the system
    /// has no memory for a chunk.
    pub(crate) fn part(floats: usize) -> Option<WeightMemory> {
        static OPEN: Mutex<Open> = Mutex::new(Open { chunk: None, used: 0 });
        if floats < LARGE {
            return None;
        }
        OPEN.lock().unwrap_or_else(PoisonError::into_inner).part(floats)
    }

    impl Open {
        /// An unused part, if the system has the memory.
        pub(crate) fn part(&mut self, floats: usize) -> Option<WeightMemory> {
            let floats = floats.checked_next_multiple_of(LINE)?;
            let bytes = floats.checked_mul(size_of::<f32>())?;
            let (chunk, first) = if bytes > CHUNK {
                (Arc::new(map(bytes)?), 0)
            } else {
                // Unlike counting the owners, this synchronises with their last accesses to their parts.
                let nobodys =
                    self.chunk.as_mut().is_some_and(|chunk| Arc::get_mut(chunk).is_some());
                let full = (self.used + floats) * size_of::<f32>() > CHUNK;
                if self.chunk.is_none() || (full && !nobodys) {
                    self.chunk = Some(Arc::new(map(CHUNK)?));
                    self.used = 0;
                } else if nobodys {
                    self.used = 0;
                }
                self.used += floats;
                (self.chunk.clone()?, self.used - floats)
            };
            debug_assert!((first + floats) * size_of::<f32>() <= chunk.len());
            // The chunk has this number of floats, is mapped as long as somebody owns it, and starts on a page.
            // Any bytes are valid floats, and mapped ones are initialised. Parts of a chunk do not overlap:
            // each part starts after all earlier ones. `used` goes back to 0 only when `self` is the chunk's
            // only owner, and only `self` makes owners, so by then all parts have been dropped.
            // SAFETY: `first` floats of the chunk come before the part.
            let first = NonNull::new(unsafe { chunk.as_mut_ptr().cast::<f32>().add(first) })?;
            Some(WeightMemory {
                floats: NonNull::slice_from_raw_parts(first, floats),
                _owner: chunk,
            })
        }
    }

    /// Mapped memory. It takes up only the pages that are used.
    fn map(bytes: usize) -> Option<MmapRaw> {
        let map = MmapOptions::new().len(bytes).map_anon().ok()?;
        // Only advice: if there are no huge pages, ordinary ones will do.
        let _ = map.advise(Advice::HugePage);
        Some(MmapRaw::from(map))
    }
}

#[cfg(test)]
mod tests {
    use super::{Scratch, WeightMemory};

    #[test]
    fn scratch_is_large_enough_whatever_was_given_back() {
        for floats in [1, 100, 10_000, 50, 1 << 23, 0] {
            let mut scratch = Scratch::take(floats);
            assert!(scratch.len() >= floats && (scratch.as_ptr() as usize).is_multiple_of(64));
            scratch.fill(f32::NAN);
        }
    }

    /// Several threads take small and large weights, more than a chunk in all, and free some for reuse.
    #[test]
    fn weights_are_zeros_on_a_cache_line_and_nobody_elses() {
        let work = |thread: usize| {
            let sizes = [1, 17, 1 << 14, (1 << 14) + 5, 3 << 20, 1 << 22, 9 << 20, 1 << 14];
            let mut kept = Vec::<(f32, WeightMemory)>::new();
            for (number, floats) in sizes.into_iter().cycle().take(40).enumerate() {
                let mut memory = WeightMemory::zeros(floats);
                assert!(memory.len() >= floats && memory.len() < floats + 16);
                assert_eq!(memory.as_ptr() as usize % 64, 0);
                assert!(memory.iter().all(|&weight| weight == 0.0), "{number}");
                let own = (100 * thread + number) as f32;
                memory.fill(own);
                kept.push((own, memory));
                let is_own = |(own, memory): &(f32, WeightMemory)| {
                    memory.iter().step_by(999).all(|w| w == own)
                };
                assert!(kept.iter().all(is_own));
                if kept.len() == 6 {
                    kept.drain(..5 + number / 6 % 2);
                }
            }
        };
        std::thread::scope(|scope| {
            (0..3).for_each(|thread| drop(scope.spawn(move || work(thread))));
        });
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn memory_is_given_out_once_more_when_nobody_has_any_of_it() {
        let mut open = super::together::Open::default();
        let mut part = |floats| open.part(floats).unwrap();
        let address = |part: &WeightMemory| part.as_ptr() as usize;
        let (a, b) = (part(100), part(1 << 20));
        assert_eq!(address(&b), address(&a) + 112 * 4);
        let first = address(&a);
        drop(a);
        // The second part is still in use, so the first is not handed out again.
        let c = part(100);
        assert_eq!(address(&c), address(&b) + (4 << 20));
        // Weights larger than a chunk get one of their own; the open one does not change.
        let own = part(9 << 20);
        assert_eq!(own.len(), 9 << 20);
        assert_eq!(address(&part(16)), address(&c) + 112 * 4);
        drop((b, c));
        assert_eq!(address(&part(16)), first);
    }
}
