//! Pixels that must be copied before a tile reads them, and how they lie then.

use std::ops::Range;

use crate::buffer::LINE;
use crate::layout::Image;
use crate::padded::Padded;
use crate::pixels::{Pixels, apart};
use crate::planes::{Gather, Planes};
use crate::simd::Level;
use crate::tiles;

/// Pixels that are copied before they are read.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Since they are planes.
    Planes(Planes<'a>),
    /// Since they would meet in the same few lines of the first-level cache: pixels of so many channels.
    Apart(&'a [f32], Pixels, usize),
    /// Since there is padding around them: what the pixels of the output see of one image.
    Windows(Padded, &'a Image<'a>, usize),
}

impl Source<'_> {
    /// Floats from one copied pixel to the next, where they follow one another.
    fn pitch(&self) -> usize {
        apart(match self {
            Self::Planes(planes) => planes.channels(),
            Self::Apart(_, _, channels) => *channels,
            Self::Windows(..) => unreachable!("they lie in rows"),
        })
    }

    /// Floats of the copy of a range of pixels.
    pub(crate) fn floats(&self, range: &Range<usize>) -> usize {
        match self {
            Self::Windows(padded, ..) => padded.rows_of(range).len() * padded.row(),
            _ => range.len() * self.pitch(),
        }
    }

    /// How the pixels of the output find those they see in the copy of a range, and which of them comes first.
    pub(crate) fn pixels(&self, range: &Range<usize>) -> (Pixels, usize) {
        match self {
            Self::Windows(padded, ..) => {
                let pixels = padded.pixels();
                (pixels, range.start / pixels.w_out * pixels.w_out)
            }
            _ => (Pixels::run(self.pitch(), range.len()), range.start),
        }
    }

    /// Copies a range of pixels. What lies between them is left as it is.
    ///
    /// # Safety
    ///
    /// The machine has the level.
    pub(crate) unsafe fn copy(self, level: Level, range: Range<usize>, to: &mut [f32]) {
        match self {
            Self::Planes(planes) => {
                let pitch = self.pitch();
                // SAFETY: as the function's.
                unsafe { level.run(Gather { planes, range, to, pitch }) }
            }
            Self::Apart(x, pixels, channels) => {
                for (q, to) in range.zip(to.chunks_mut(self.pitch())) {
                    let [offset] = pixels.from(q);
                    to[..channels].copy_from_slice(&x[offset..offset + channels]);
                }
            }
            Self::Windows(padded, image, n) => {
                for (row, to) in padded.rows_of(&range).zip(to.chunks_exact_mut(padded.row())) {
                    padded.copy_row(image, n, 0, row, to);
                }
            }
        }
    }

    /// The same for who has so many threads' work to do with them.
    ///
    /// # Safety
    ///
    /// The machine has the level.
    pub(crate) unsafe fn copy_at_once(
        self,
        level: Level,
        range: Range<usize>,
        to: &mut [f32],
        parts: usize,
    ) {
        if let Self::Windows(padded, image, n) = self {
            let rows = padded.rows_of(&range).zip(to.chunks_exact_mut(padded.row())).collect();
            return tiles::in_runs(rows, parts, |(row, to)| padded.copy_row(image, n, 0, row, to));
        }
        let pitch = self.pitch();
        let runs = to.chunks_mut(LINE * pitch).enumerate().collect();
        tiles::in_runs(runs, parts, |(run, to)| {
            let start = range.start + run * LINE;
            // SAFETY: as the function's.
            unsafe { self.copy(level, start..start + to.len() / pitch, to) };
        });
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, Pixels, Range, Source};
    use crate::buffer::LINE;
    use crate::pixels::PAGE;

    /// On any machine, whatever the rows of its tiles.
    #[test]
    fn pixels_pages_apart_are_copied_from_where_they_lie() {
        let x: Vec<f32> = (0..6 * PAGE).map(|at| at as f32).collect();
        // Two images of two columns; only a few of the channels.
        let pixels = Pixels { image: 3 * PAGE, row: 0, column: PAGE, h_out: 1, w_out: 2 };
        assert!(pixels.collide(14) && !pixels.collide(6));
        assert!(!Pixels::run(PAGE + LINE, 4).collide(14));
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
