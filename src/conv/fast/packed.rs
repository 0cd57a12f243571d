//! Memory for packed weights. A network's are read once a pass, from beginning to end: in pages of 4 KiB these
//! are so many that to find them takes about a hundredth of the pass. So large ones lie together, in memory that
//! the system is asked to keep in pages of 2 MiB where it has such.
#![allow(unsafe_code)]

use std::ops::{Deref, DerefMut};

use super::buffer::Buffer;

/// Weights that start on a cache line.
#[derive(Debug)]
pub(super) enum Packed {
    /// By themselves.
    Alone(Buffer),
    /// Together with others.
    #[cfg(target_os = "linux")]
    Together(together::Part),
}

impl Packed {
    /// At least so many zeros.
    pub(super) fn zeros(floats: usize) -> Self {
        #[cfg(target_os = "linux")]
        if let Some(part) = together::Part::zeros(floats) {
            return Self::Together(part);
        }
        Self::Alone(Buffer::zeros(floats))
    }
}

impl Deref for Packed {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        match self {
            Self::Alone(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Self::Together(part) => part.floats(),
        }
    }
}

impl DerefMut for Packed {
    fn deref_mut(&mut self) -> &mut [f32] {
        match self {
            Self::Alone(buffer) => buffer,
            #[cfg(target_os = "linux")]
            Self::Together(part) => part.floats_mut(),
        }
    }
}

#[cfg(target_os = "linux")]
mod together {
    use std::sync::{Arc, Mutex, PoisonError};

    use memmap2::{Advice, MmapOptions, MmapRaw};

    /// Floats of a cache line.
    const LINE: usize = 16;

    /// Floats below which weights are few pages anyway, and better freed by themselves.
    const LARGE: usize = 1 << 14;

    /// Bytes of a chunk, unless the weights are more. What is not used of it takes no memory.
    const CHUNK: usize = 32 << 20;

    /// A chunk is given out from its beginning to its end, and once more when nobody has any of it.
    struct Open {
        chunk: Arc<MmapRaw>,
        /// Floats that are given out.
        used: usize,
    }

    static OPEN: Mutex<Option<Open>> = Mutex::new(None);

    /// A part of a chunk that nobody else has.
    #[derive(Debug)]
    pub(in super::super) struct Part {
        chunk: Arc<MmapRaw>,
        first: usize,
        floats: usize,
    }

    impl Part {
        /// At least so many zeros, if these are many and the system has a chunk for them.
        pub(in super::super) fn zeros(floats: usize) -> Option<Self> {
            if floats < LARGE {
                return None;
            }
            let floats = floats.next_multiple_of(LINE);
            let mut open = OPEN.lock().unwrap_or_else(PoisonError::into_inner);
            let mut kept = open.take().filter(|open| {
                let used = if Arc::strong_count(&open.chunk) == 1 { 0 } else { open.used };
                used + floats <= open.chunk.len() / size_of::<f32>()
            });
            if let Some(open) = &mut kept
                && Arc::strong_count(&open.chunk) == 1
            {
                open.used = 0;
            }
            let Open { chunk, used: first } = match kept {
                Some(open) => open,
                None => Open { chunk: Arc::new(chunk(floats)?), used: 0 },
            };
            *open = Some(Open { chunk: chunk.clone(), used: first + floats });
            drop(open);
            let mut part = Self { chunk, first, floats };
            // It may have been somebody's before.
            part.floats_mut().fill(0.0);
            Some(part)
        }

        pub(in super::super) fn floats(&self) -> &[f32] {
            debug_assert!((self.first + self.floats) * size_of::<f32>() <= self.chunk.len());
            // SAFETY: the chunk has as many floats, is mapped as long as `self` has it, and starts on a
            // page; any bytes are floats, and mapped ones are initialised. Parts of it do not overlap: `OPEN`
            // gives out what comes after all it has given out, and begins anew only when no part is left.
            unsafe {
                let first = self.chunk.as_ptr().cast::<f32>().add(self.first);
                std::slice::from_raw_parts(first, self.floats)
            }
        }

        pub(in super::super) fn floats_mut(&mut self) -> &mut [f32] {
            debug_assert!((self.first + self.floats) * size_of::<f32>() <= self.chunk.len());
            // SAFETY: as in `floats`; borrowed mutably as `self` is.
            unsafe {
                let first = self.chunk.as_mut_ptr().cast::<f32>().add(self.first);
                std::slice::from_raw_parts_mut(first, self.floats)
            }
        }
    }

    /// Memory for so many floats, or more.
    fn chunk(floats: usize) -> Option<MmapRaw> {
        let bytes = floats.checked_mul(size_of::<f32>())?.max(CHUNK);
        let map = MmapOptions::new().len(bytes).map_anon().ok()?;
        // Only advice: where there are no such pages, the others do.
        let _ = map.advise(Advice::HugePage);
        Some(MmapRaw::from(map))
    }
}

#[cfg(test)]
mod tests {
    use super::Packed;

    #[test]
    fn weights_are_zeros_on_a_cache_line_and_nobody_elses() {
        // Small and large ones, more than a chunk of them, some freed and their memory used again.
        let sizes = [1, 17, 1 << 14, (1 << 14) + 5, 3 << 20, 1 << 22, 9 << 20, 1 << 14];
        let mut kept: Vec<(usize, Packed)> = Vec::new();
        for (number, floats) in sizes.into_iter().cycle().take(40).enumerate() {
            let mut packed = Packed::zeros(floats);
            assert!(packed.len() >= floats && packed.len() < floats + 16);
            assert_eq!(packed.as_ptr() as usize % 64, 0);
            assert!(packed.iter().all(|&weight| weight == 0.0), "{number}");
            packed.fill(number as f32);
            kept.push((number, packed));
            let all_right = |(number, packed): &(usize, Packed)| {
                let ends = [packed[0], packed[packed.len() - 1]];
                ends == [*number as f32; 2]
            };
            assert!(kept.iter().all(all_right));
            if kept.len() == 6 {
                kept.drain(..if number % 2 == 0 { 5 } else { 6 });
            }
        }
    }
}
