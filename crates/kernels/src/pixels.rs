//! Describes where the pixels that a tile reads lie in memory, and which runs of memory are the taps. Also decides
//! which pixels must be copied before the tile reads them, and copies them.

use std::array::from_fn;
use std::ops::Range;

use crate::dense::Dense;
use crate::error::{Error, Result};
use crate::kernel::Shape;
use crate::layout::Image;
use crate::memory::LINE;
use crate::planes::{Gather, Planes};
use crate::simd::Level;
use crate::tiles;

/// Floats of a page. Memory locations that are a multiple of a page apart use the same lines of the L1 cache.
pub(crate) const PAGE: usize = 1024;

/// How many lines of the L1 cache can hold the data of a given address.
const WAYS: usize = 8;

/// For each output pixel, the place of the first input pixel that it reads. For the output pixel in row `i` and
/// column `j` of image `n`, that is `n * image + i * row + j * column`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pixels {
    pub(crate) image: usize,
    pub(crate) row: usize,
    pub(crate) column: usize,
    pub(crate) h_out: usize,
    pub(crate) w_out: usize,
}

impl Pixels {
    /// Whether a tile of `rows` rows has pixels that compete for the same cache lines, so that a copy pays off.
    pub(crate) fn collide(&self, rows: usize) -> bool {
        rows > WAYS && self.column.is_multiple_of(PAGE)
    }

    /// `count` contiguous pixels of `channels` channels.
    pub(crate) fn run(channels: usize, count: usize) -> Self {
        Self { image: 0, row: 0, column: channels, h_out: 1, w_out: count }
    }

    /// The offsets of `R` pixels, from pixel `q` on.
    #[inline(always)]
    pub(crate) fn from<const R: usize>(&self, q: usize) -> [usize; R] {
        // A division takes as long as many multiply-adds, and is rarely needed.
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

/// Adjacent taps: `length` floats from `offset` on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Taps {
    pub(crate) offset: usize,
    pub(crate) length: usize,
}

/// Rounds `floats` up to an odd number of cache lines. Neighbouring pixels at this distance are never a multiple of a
/// page apart.
pub(crate) fn apart(floats: usize) -> usize {
    (floats.div_ceil(LINE) | 1) * LINE
}

/// The most floats in the padded planes of one block of channels, before [`Padded::apart`] adds to them. They take 8
/// GiB, far more than any real convolution needs.
const MAX_PLANES: usize = 1 << 31;

/// The plan of a padded copy: which rows and columns a convolution reads.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Padded {
    /// Channels that are stored together.
    width: usize,
    /// Floats from one pixel to the next. This is `width`, unless [`Padded::apart`] increased it.
    pitch: usize,
    /// The copy has `parts * width` channels. Within a row, each part of `width` channels is stored separately.
    parts: usize,
    rows: usize,
    columns: usize,
    shape: Shape,
    h_out: usize,
    w_out: usize,
}

impl Padded {
    /// The plan for `parts` times `width` channels of an image. The size of the output, H_out x W_out, is `out`. If
    /// the stride or the dilation makes the planes exceed [`MAX_PLANES`], that is an error.
    pub(crate) fn new(shape: Shape, [width, parts]: [usize; 2], out: [usize; 2]) -> Result<Self> {
        let ([h_out, w_out], spec) = (out, shape.spec);
        let read = |axis: usize, out: usize, taps: usize| {
            ((out - 1).checked_mul(spec.stride[axis]))
                .zip((taps - 1).checked_mul(spec.dilation[axis]))
                .and_then(|(steps, reach)| steps.checked_add(reach)?.checked_add(1))
                .unwrap_or(usize::MAX)
        };
        let (rows, columns) = (read(0, h_out, shape.k_h), read(1, w_out, shape.k_w));
        let factors = vec![parts, width, rows, columns];
        let floats = factors.iter().try_fold(1usize, |product, &f| product.checked_mul(f));
        if floats.is_none_or(|floats| floats > MAX_PLANES) {
            return Err(Error::TooManyElements { what: "padded planes of a group", factors });
        }
        Ok(Self { width, pitch: width, parts, rows, columns, shape, h_out, w_out })
    }

    /// Adds a cache line between the pixels, if the pixels of a tile of `rows` rows would otherwise compete for the
    /// same lines of the L1 cache. If the pixels have few channels, it does not, because the copy would grow too
    /// much.
    pub(crate) fn apart(mut self, rows: usize) -> Self {
        if self.width >= 8 * LINE && self.pixels().collide(rows) {
            self.pitch = apart(self.width);
        }
        self
    }

    /// The rows that pixels of the output read.
    pub(crate) fn rows_of(&self, pixels: &Range<usize>) -> Range<usize> {
        let Shape { k_h, spec, .. } = self.shape;
        if pixels.is_empty() {
            return 0..0;
        }
        let [first, last] = [pixels.start, pixels.end - 1].map(|q| {
            // With only one row, the step to the next is never taken, however long it is.
            (q / self.w_out).saturating_mul(spec.stride[0])
        });
        first..last + (k_h - 1) * spec.dilation[0] + 1
    }

    /// Floats of the copy.
    pub(crate) fn floats(&self) -> usize {
        self.rows * self.row()
    }

    /// Floats of a row of the copy, in all its parts.
    pub(crate) fn row(&self) -> usize {
        self.parts * self.part()
    }

    /// Floats of a part of a row.
    pub(crate) fn part(&self) -> usize {
        self.columns * self.pitch
    }

    /// Copies row `row` of the plan to `to`, for the channels of image `n` from `first` on. Values outside the image
    /// or its channels are 0.
    fn copy_row(&self, x: &Image<'_>, [n, first, row]: [usize; 3], to: &mut [f32]) {
        let [[above, _], [left, _]] = self.shape.spec.padding;
        let row = row.checked_sub(above).filter(|&row| row < x.h);
        for (part, to) in to.chunks_exact_mut(self.part()).enumerate() {
            let first = first + part * self.width;
            let Some(row) = row.filter(|_| first < x.c) else {
                to.fill(0.0);
                continue;
            };
            let line = &x.floats[(n * x.h + row) * x.w * x.c..][..x.w * x.c];
            let channels = self.width.min(x.c - first);
            let (before, rest) = to.split_at_mut(left.min(self.columns) * self.pitch);
            before.fill(0.0);
            let inside = x.w.min(rest.len() / self.pitch);
            let (pixels, after) = rest.split_at_mut(inside * self.pitch);
            after.fill(0.0);
            if channels == self.pitch && channels == x.c {
                pixels.copy_from_slice(&line[..pixels.len()]);
                continue;
            }
            let from = line.chunks_exact(x.c).map(|pixel| &pixel[first..first + channels]);
            let to = pixels.chunks_exact_mut(self.pitch).map(|to| &mut to[..self.width]);
            match (channels == self.width, self.width) {
                // A copy of known length is one instruction rather than a call.
                (true, 4) => to.zip(from).for_each(|(to, from)| copy_of::<4>(to, from)),
                (true, 8) => to.zip(from).for_each(|(to, from)| copy_of::<8>(to, from)),
                (true, 16) => to.zip(from).for_each(|(to, from)| copy_of::<16>(to, from)),
                (true, 32) => to.zip(from).for_each(|(to, from)| copy_of::<32>(to, from)),
                _ => to.zip(from).for_each(|(to, from)| {
                    to[..channels].copy_from_slice(from);
                    to[channels..].fill(0.0);
                }),
            }
        }
    }

    /// Copies all rows, for the channels of image `n` from `first` on.
    pub(crate) fn copy(&self, x: &Image<'_>, n: usize, first: usize, to: &mut [f32]) {
        for (row, to) in to[..self.floats()].chunks_exact_mut(self.row()).enumerate() {
            self.copy_row(x, [n, first, row], to);
        }
    }

    /// Where the input of each output pixel starts in the copy.
    pub(crate) fn pixels(&self) -> Pixels {
        let [down, along] = self.shape.spec.stride;
        Pixels {
            image: 0,
            // With only one row or column, the step to the next is never taken, however long it is.
            row: down.saturating_mul(self.row()),
            column: along.saturating_mul(self.pitch),
            h_out: self.h_out,
            w_out: self.w_out,
        }
    }

    /// The taps, ordered by row, column and channel of the kernel. If the columns are adjacent in memory, each row of
    /// the kernel is one run.
    pub(crate) fn taps(&self) -> Vec<Taps> {
        let Shape { k_w, spec, .. } = self.shape;
        let together = if spec.dilation[1] == 1 && self.pitch == self.width { k_w } else { 1 };
        let offsets = self.offsets().step_by(together);
        offsets.map(|offset| Taps { offset, length: together * self.width }).collect()
    }

    /// The offset of the first channel that each tap of the kernel reads, ordered by row and column.
    pub(crate) fn offsets(&self) -> impl Iterator<Item = usize> {
        let (Shape { k_h, k_w, spec, .. }, line, pitch) = (self.shape, self.row(), self.pitch);
        (0..k_h).flat_map(move |u| {
            let [down, along] = spec.dilation;
            (0..k_w).map(move |v| u * down * line + v * along * pitch)
        })
    }
}

fn copy_of<const N: usize>(to: &mut [f32], from: &[f32]) {
    if let (Some(to), Some(from)) = (to.first_chunk_mut::<N>(), from.first_chunk::<N>()) {
        *to = *from;
    }
}

/// Pixels that are copied before they are read.
#[derive(Clone, Copy)]
pub(crate) enum Source<'a> {
    /// Pixels that are copied because they are in planes.
    Planes(Planes<'a>),
    /// Pixels that are copied because they compete for the same few lines of the L1 cache. The last field is their
    /// number of channels.
    Apart(&'a [f32], Pixels, usize),
    /// Pixels of one image that are copied because there is padding around them. Only what the output pixels read is
    /// copied.
    Windows(Padded, &'a Image<'a>, usize),
}

impl Source<'_> {
    /// Floats from one unit of the copy to the next. A unit is a row for windows, otherwise a pixel.
    fn pitch(&self) -> usize {
        match self {
            Self::Planes(planes) => apart(planes.channels),
            Self::Apart(_, _, channels) => apart(*channels),
            Self::Windows(padded, ..) => padded.row(),
        }
    }

    /// The units in the copy of a range of pixels.
    fn units(&self, range: &Range<usize>) -> Range<usize> {
        match self {
            Self::Windows(padded, ..) => padded.rows_of(range),
            _ => range.clone(),
        }
    }

    /// Floats of the copy of a range of pixels.
    pub(crate) fn floats(&self, range: &Range<usize>) -> usize {
        self.units(range).len() * self.pitch()
    }

    /// Copies the range of pixels that `dense` reads, and returns the same work on the copy.
    /// Safety: the machine has the level.
    pub(crate) unsafe fn read_by<'d>(
        self,
        dense: Dense<'d>,
        level: Level,
        to: &'d mut [f32],
        parts: usize,
    ) -> Dense<'d> {
        let to = &mut to[..self.floats(&dense.range)];
        // SAFETY: upheld by the caller.
        unsafe { self.copy(level, &dense.range, to, parts) };
        let (pixels, origin) = self.pixels(&dense.range);
        Dense { x: to, pixels, origin, cold: false, ..dense }
    }

    /// Where the output pixels find their input in the copy of a range. Also returns which output pixel comes first.
    fn pixels(&self, range: &Range<usize>) -> (Pixels, usize) {
        match self {
            Self::Windows(padded, ..) => {
                (padded.pixels(), range.start / padded.w_out * padded.w_out)
            }
            _ => (Pixels::run(self.pitch(), range.len()), range.start),
        }
    }

    /// Copies a range of pixels, in `parts` parts for the threads. Memory between the pixels is not changed.
    /// Safety: the machine has the level.
    unsafe fn copy(self, level: Level, range: &Range<usize>, to: &mut [f32], parts: usize) {
        let (units, pitch) = (self.units(range), self.pitch());
        let together = match self {
            Self::Windows(..) => 1,
            _ if parts == 1 => units.len().max(1),
            _ => LINE,
        };
        let runs = units.step_by(together).zip(to.chunks_mut(together * pitch));
        let copy = |(start, to): (usize, &mut [f32])| match self {
            Self::Planes(planes) => {
                let range = start..start + to.len() / pitch;
                // SAFETY: upheld by the caller.
                unsafe { level.run(Gather { planes, range, to, pitch }) }
            }
            Self::Apart(x, pixels, channels) => {
                for (q, to) in (start..).zip(to.chunks_exact_mut(pitch)) {
                    let [offset] = pixels.from(q);
                    to[..channels].copy_from_slice(&x[offset..offset + channels]);
                }
            }
            Self::Windows(padded, image, n) => padded.copy_row(image, [n, 0, start], to),
        };
        if parts == 1 { runs.for_each(copy) } else { tiles::in_runs(runs.collect(), parts, copy) }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;
    use crate::kernel::Spec;

    #[test]
    fn what_is_apart_is_never_pages_apart() {
        for floats in 1..5 * PAGE {
            let pitch = apart(floats);
            assert!((floats..floats + 2 * LINE).contains(&pitch) && pitch.is_multiple_of(LINE));
            assert!(!pitch.is_multiple_of(PAGE), "{floats}: {pitch}");
        }
    }

    /// Copies the same range twice: first in one piece, then in several. Then calls `check` for each pixel, with the copy
    /// from the pixel's first tap on.
    fn copied(source: Source<'_>, range: Range<usize>, check: impl Fn(usize, &[f32])) {
        for parts in [1, 3] {
            let mut to = vec![-1.0; source.floats(&range)];
            // SAFETY: every machine has this level.
            unsafe { source.copy(Level::Portable, &range, &mut to, parts) };
            let (pixels, first) = source.pixels(&range);
            for q in range.clone() {
                let [start] = pixels.from(q - first);
                check(q, &to[start..]);
            }
        }
    }

    #[test]
    fn pixels_pages_apart_are_copied_from_where_they_lie() {
        let x: Vec<f32> = (0..6 * PAGE).map(|at| at as f32).collect();
        // Two images of two columns; only a few of the channels.
        let pixels = Pixels { image: 3 * PAGE, row: 0, column: PAGE, h_out: 1, w_out: 2 };
        assert!(pixels.collide(14) && !pixels.collide(6));
        assert!(!Pixels::run(PAGE + LINE, 4).collide(14));
        for range in [0..4, 1..4, 3..4] {
            copied(Source::Apart(&x, pixels, 5), range, |q, pixel| {
                let first = [0, PAGE, 3 * PAGE, 4 * PAGE][q];
                assert_eq!(pixel[..5], x[first..first + 5]);
                assert!(pixel[5..LINE].iter().all(|&rest| rest == -1.0));
            });
        }
    }

    #[test]
    fn every_tap_of_every_pixel_is_in_the_copy() {
        let mut seen = [0, 0];
        let around = |padding: usize| [[padding; 2]; 2];
        for (c, k, stride, padding, dilation, [h, w]) in [
            (5, 3, [1, 1], around(1), [1, 1], [4, 5]),
            (16, 3, [2, 2], around(1), [1, 1], [7, 6]),
            (3, 7, [2, 2], around(3), [1, 1], [9, 8]),
            (2, 3, [1, 1], around(2), [2, 2], [5, 4]),
            (4, 3, [1, 3], [[2, 0], [0, 1]], [2, 1], [6, 7]),
            (1024, 3, [1, 1], around(1), [1, 1], [3, 4]),
            (512, 1, [2, 2], around(0), [1, 1], [5, 3]),
        ] {
            let x = Array4::from_shape_fn((2, c, h, w), |(n, c, i, j)| {
                (1 + n + 2 * (c + 1024 * (j + w * i))) as f32
            });
            let spec = Spec { stride, padding, dilation, groups: 1 };
            let shape = Shape::new([1, c, k, k], spec).unwrap();
            let [_, _, h_out, w_out] = shape.output([2, c, h, w]).unwrap();
            let padded = Padded::new(shape, [c, 1], [h_out, w_out]).unwrap().apart(14);
            seen[usize::from(padded.pitch > c)] += 1;
            let (pixels, image) = (h_out * w_out, Image::new(x.view()));
            for range in [0..pixels, 0..1, pixels - 1..pixels, pixels / 3..pixels - 1] {
                copied(Source::Windows(padded, &image, 1), range, |q, copy| {
                    for (at, offset) in padded.offsets().enumerate() {
                        let place = |axis: usize, out: usize, tap: usize, length: usize| {
                            let place = out * stride[axis] + tap * dilation[axis];
                            place.checked_sub(padding[axis][0]).filter(|&place| place < length)
                        };
                        let row = place(0, q / w_out, at / k, h);
                        let inside = row.zip(place(1, q % w_out, at % k, w));
                        for c in 0..c {
                            let expected = inside.map_or(0.0, |(i, j)| x[[1, c, i, j]]);
                            assert_eq!(copy[offset + c], expected, "{q} {at} {c}");
                        }
                    }
                });
            }
        }
        assert_eq!(seen, [5, 2], "close and apart");
    }
}
