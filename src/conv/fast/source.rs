//! Pixels that must be copied before a tile reads them, and how far apart they lie then.
#![allow(unsafe_code)]

use std::ops::Range;

use super::dense::{LINE, Pixels};
use super::level::Level;
use super::planes::{Gather, Planes};

/// Pixels that are copied before they are read.
#[derive(Clone, Copy)]
pub(super) enum Source<'a> {
    /// Since they are planes.
    Planes(Planes<'a>),
    /// Since they would meet in the same few lines of the first-level cache: pixels of so many channels.
    Apart(&'a [f32], Pixels, usize),
}

/// Floats of a page. Whatever lies a multiple of it apart goes to the same lines of the first-level cache.
const PAGE: usize = 1024;

/// Lines that such a cache has for one address.
const WAYS: usize = 8;

/// So many floats and a few more: an odd number of lines, so that what lies as far apart is never pages apart.
pub(super) fn apart(floats: usize) -> usize {
    (floats.div_ceil(LINE) | 1) * LINE
}

impl Source<'_> {
    /// Whether a tile of so many rows needs its pixels copied off each other's lines of the cache.
    pub(super) fn needed(pixels: &Pixels, rows: usize) -> bool {
        rows > WAYS && pixels.column.is_multiple_of(PAGE)
    }

    fn channels(&self) -> usize {
        match self {
            Self::Planes(planes) => planes.channels(),
            Self::Apart(_, _, channels) => *channels,
        }
    }

    /// Floats from one copied pixel to the next.
    pub(super) fn pitch(&self) -> usize {
        apart(self.channels())
    }

    /// Copies a range of pixels, [`Source::pitch`] floats each. What lies between them is left as it is.
    ///
    /// # Safety
    ///
    /// The machine has the level.
    pub(super) unsafe fn copy(self, level: Level, range: Range<usize>, to: &mut [f32]) {
        let pitch = self.pitch();
        match self {
            // SAFETY: as the function's.
            Self::Planes(planes) => unsafe { level.run(Gather { planes, range, to, pitch }) },
            Self::Apart(x, pixels, channels) => {
                for (q, to) in range.zip(to.chunks_mut(pitch)) {
                    let [offset] = pixels.from(q);
                    to[..channels].copy_from_slice(&x[offset..offset + channels]);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{LINE, Level, PAGE, Pixels, Range, Source, apart};

    #[test]
    fn what_is_apart_is_never_pages_apart() {
        for floats in 1..5 * PAGE {
            let pitch = apart(floats);
            assert!((floats..floats + 2 * LINE).contains(&pitch) && pitch.is_multiple_of(LINE));
            assert!(!pitch.is_multiple_of(PAGE), "{floats}: {pitch}");
        }
    }

    /// On any machine, whatever the rows of its tiles.
    #[test]
    fn pixels_pages_apart_are_copied_from_where_they_lie() {
        let x: Vec<f32> = (0..6 * PAGE).map(|at| at as f32).collect();
        // Two images of two columns; only a few of the channels.
        let pixels = Pixels { image: 3 * PAGE, row: 0, column: PAGE, h_out: 1, w_out: 2 };
        assert!(Source::needed(&pixels, 14) && !Source::needed(&pixels, 6));
        assert!(!Source::needed(&Pixels::run(PAGE + LINE, 4), 14));
        let source = Source::Apart(&x, pixels, 5);
        let all: Range<usize> = 0..4;
        for range in [all, 1..4, 3..4] {
            let mut to = vec![-1.0; range.len() * source.pitch()];
            // SAFETY: every machine has it.
            unsafe { source.copy(Level::Portable, range.clone(), &mut to) };
            for (q, pixel) in range.zip(to.chunks_exact(source.pitch())) {
                let first = [0, PAGE, 3 * PAGE, 4 * PAGE][q];
                assert_eq!(pixel[..5], x[first..first + 5]);
                assert!(pixel[5..].iter().all(|&rest| rest == -1.0));
            }
        }
    }
}
