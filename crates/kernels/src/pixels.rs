//! Where the pixels that a tile reads lie in memory, and which runs of memory from there on are its taps.

use std::array::from_fn;
use std::ops::Range;

use crate::buffer::LINE;

/// Floats of a page. Whatever lies a multiple of it apart goes to the same lines of the first-level cache.
pub(crate) const PAGE: usize = 1024;

/// Lines that such a cache has for one address.
const WAYS: usize = 8;

/// Where the pixels that an output pixel meets first lie: pixel (n, i, j) of the output, the q-th, at
/// `n * image + i * row + j * column`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) h_out: usize,
    pub(crate) w_out: usize,
}

impl Pixels {
    /// Whether a tile of so many rows needs its pixels copied off each other's lines of the cache.
    pub(crate) fn collide(&self, rows: usize) -> bool {
        rows > WAYS && self.column.is_multiple_of(PAGE)
    }

    /// Pixels of so many channels that follow one another.
    pub(crate) fn run(channels: usize, count: usize) -> Self {
        Self { image: 0, row: 0, column: channels, h_out: 1, w_out: count }
    }

    /// The offsets of the pixels `q..`.
    #[inline(always)]
    pub(crate) fn from<const R: usize>(&self, q: usize) -> [usize; R] {
        // A division takes as long as many a multiply-add, and is seldom needed.
        let (row, mut j) = if q < self.w_out { (0, q) } else { (q / self.w_out, q % self.w_out) };
        let (mut n, mut i) =
            if row < self.h_out { (0, row) } else { (row / self.h_out, row % self.h_out) };
        let offset = n * self.image + i * self.row + j * self.column;
        if j + R <= self.w_out {
            return from_fn(|r| offset + r * self.column);
        }
        from_fn(|_| {
            let offset = n * self.image + i * self.row + j * self.column;
            j += 1;
            if j == self.w_out {
                (j, i) = (0, i + 1);
            }
            if i == self.h_out {
                (i, n) = (0, n + 1);
            }
            offset
        })
    }
}

/// Taps that lie next to each other: `length` floats from `offset` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

/// The taps of `run`, where all the taps are `segments` in this order.
pub(crate) fn cut(segments: &[Taps], run: &Range<usize>) -> Vec<Taps> {
    let mut start = 0;
    let inside = segments.iter().filter_map(|segment| {
        let (first, end) = (start, start + segment.length);
        start = end;
        let (from, to) = (first.max(run.start), end.min(run.end));
        (from < to).then(|| Taps { offset: segment.offset + from - first, length: to - from })
    });
    inside.collect()
}

/// So many floats and a few more: an odd number of lines, so that what lies as far apart is never pages apart.
pub(crate) fn apart(floats: usize) -> usize {
    (floats.div_ceil(LINE) | 1) * LINE
}

#[cfg(test)]
mod tests {
    use super::{LINE, PAGE, Taps, apart, cut};

    #[test]
    fn a_run_is_cut_from_the_segments_it_meets() {
        let taps = |offset, length| Taps { offset, length };
        let segments = [taps(0, 10), taps(100, 10), taps(200, 5)];
        assert_eq!(cut(&segments, &(0..25)), segments);
        assert_eq!(cut(&segments, &(4..12)), [taps(4, 6), taps(100, 2)]);
        assert_eq!(cut(&segments, &(10..20)), [taps(100, 10)]);
        assert_eq!(cut(&segments, &(22..25)), [taps(202, 3)]);
    }

    #[test]
    fn what_is_apart_is_never_pages_apart() {
        for floats in 1..5 * PAGE {
            let pitch = apart(floats);
            assert!((floats..floats + 2 * LINE).contains(&pitch) && pitch.is_multiple_of(LINE));
            assert!(!pitch.is_multiple_of(PAGE), "{floats}: {pitch}");
        }
    }
}
