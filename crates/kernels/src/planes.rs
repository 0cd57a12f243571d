//! Converts between channels last and planes (ndarray's standard layout), one block of pixels at a time,
//! while the block is in cache.

use std::ops::Range;

use ndarray::ArrayView4;

use crate::epilogue::Elementwise;
use crate::layout::Slot;
use crate::memory::{LINE, Scratch};
use crate::simd::Work;
use crate::vector::Vector;

/// How many pixels, and how many channels, are transposed at a time. Each number fills a cache line.
pub(crate) const SIDE: usize = LINE;

/// How many planes ahead a cache line is prefetched. Planes are so far apart that the processor does not
/// recognise the pattern by itself.
const DISTANCE: usize = 32;

/// A tensor N x C x H x W in standard layout.
#[derive(Clone, Copy)]
pub(crate) struct Planes<'a> {
    floats: &'a [f32],
    pub(crate) channels: usize,
    /// Pixels of a plane.
    pixels: usize,
}

impl<'a> Planes<'a> {
    /// The tensor, if it is in standard layout and not also channels last.
    pub(crate) fn new(x: &ArrayView4<'a, f32>) -> Option<Self> {
        let (_, channels, h, w) = x.dim();
        let floats = x.to_slice()?;
        (channels > 1 && h * w > 1).then_some(Self { floats, channels, pixels: h * w })
    }
}

/// Divides a range of pixels among the images. The pixels are numbered across all images. Yields the number of each
/// image, and the range of its pixels.
fn in_images(pixels: usize, range: Range<usize>) -> impl Iterator<Item = (usize, Range<usize>)> {
    let images = range.start / pixels..range.end.div_ceil(pixels);
    images.map(move |n| {
        let first = n * pixels;
        (n, range.start.max(first) - first..range.end.min(first + pixels) - first)
    })
}

/// Copies a range of pixels from planes to memory that is channels last.
pub(crate) struct Gather<'a> {
    pub(crate) planes: Planes<'a>,
    /// Pixels, numbered across all images.
    pub(crate) range: Range<usize>,
    /// Receives all channels of each pixel.
    pub(crate) to: &'a mut [f32],
    /// Floats from one pixel to the next.
    pub(crate) pitch: usize,
}

impl Work for Gather<'_> {
    /// Safety: the machine has the instructions of `T`.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Self { planes, range, mut to, pitch } = self;
        let c = planes.channels;
        assert!(c <= pitch && to.len() >= range.len() * pitch, "room for the pixels");
        for (n, pixels) in in_images(planes.pixels, range) {
            let image = &planes.floats[n * c * planes.pixels..(n + 1) * c * planes.pixels];
            let (here, rest) = to.split_at_mut(pixels.len() * pitch);
            to = rest;
            for (run, to) in here.chunks_mut(SIDE * pitch).enumerate() {
                let start = pixels.start + run * SIDE;
                let count = to.len() / pitch;
                let whole = if count == SIDE { c / 4 * 4 } else { 0 };
                for channel in (0..whole).step_by(4) {
                    for prefetched in channel + DISTANCE..channel + DISTANCE + 4 {
                        let at = image.as_ptr().wrapping_add(prefetched * planes.pixels + start);
                        // SAFETY: the machine has the instructions; any address will do.
                        unsafe { T::prefetch(at) };
                    }
                    let from = &image[channel * planes.pixels + start..];
                    let to = &mut to[channel..];
                    assert!(from.len() >= 3 * planes.pixels + SIDE);
                    assert!(to.len() >= (SIDE - 1) * pitch + 4);
                    // SAFETY: there are four planes of sixteen pixels, and sixteen pixels of four
                    // channels, by the assertions.
                    unsafe {
                        exchange(from.as_ptr(), planes.pixels, to.as_mut_ptr(), pitch, [4, SIDE]);
                    }
                }
                for channel in whole..c {
                    let plane = &image[channel * planes.pixels + start..][..count];
                    for (pixel, &value) in to.chunks_exact_mut(pitch).zip(plane) {
                        pixel[channel] = value;
                    }
                }
            }
        }
    }
}

/// Where the planes of an output start, the planes of the shortcut to add, and the function to apply after that.
#[derive(Clone, Copy)]
pub(crate) struct Target<'a> {
    pub(crate) z: Slot,
    pub(crate) shortcut: Planes<'a>,
    pub(crate) output: &'a Elementwise,
}

/// The sums of some pixels and channels of an output, channels last. They are to be converted to planes. Meanwhile,
/// the shortcut is added to the sums and the function is applied.
pub(crate) struct Part<'a> {
    target: Target<'a>,
    /// Pixels, numbered across all images.
    range: Range<usize>,
    channels: Range<usize>,
    sums: Scratch,
    /// Points to the first of the sums.
    first: *mut f32,
    /// Floats from one pixel to the next.
    pitch: usize,
}

impl<'a> Part<'a> {
    /// `width` counts the channels and the padding of their panels.
    pub(crate) fn new(
        target: Target<'a>,
        [range, channels]: [Range<usize>; 2],
        width: usize,
    ) -> Self {
        // One cache line more, so that pixels do not fall into the same sets of the cache.
        let pitch = width + SIDE;
        let mut sums = Scratch::take(range.len() * pitch);
        let first = sums.as_mut_ptr();
        Self { target, range, channels, sums, first, pitch }
    }

    /// The slot for `lanes` channels, from channel `first` of this part on. Pixels are numbered as in the whole
    /// output.
    pub(crate) fn slot(&self, first: usize, lanes: usize) -> Slot {
        assert!(first + lanes <= self.pitch);
        let z = self.first.wrapping_add(first);
        let z = z.wrapping_sub(self.range.start * self.pitch);
        let floats = self.range.end * self.pitch - first;
        Slot { z, shortcut: None, pitch: self.pitch, lanes, floats }
    }
}

impl Work for Part<'_> {
    /// # Safety
    /// - The machine has the instructions of `T`.
    /// - `target.z` has the shape of the shortcut. For these pixels and channels, nobody else reads it or writes to
    ///   it.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let Self { target, range, channels, sums, pitch, .. } = self;
        let (planes, to) = (target.shortcut, target.z.z);
        assert!(
            range.end * planes.channels <= planes.floats.len() && channels.end <= planes.channels
        );
        assert!(channels.len() <= pitch && sums.len() >= range.len() * pitch);
        let mut before = 0;
        for (n, pixels) in in_images(planes.pixels, range) {
            for start in pixels.clone().step_by(SIDE) {
                let count = SIDE.min(pixels.end - start);
                let from = &sums[(before + start - pixels.start) * pitch..];
                for first in channels.clone().step_by(SIDE) {
                    let wide = SIDE.min(channels.end - first);
                    let from = &from[first - channels.start..];
                    for channel in first + SIDE..first + 2 * SIDE {
                        let at = (n * planes.channels + channel) * planes.pixels + start;
                        // SAFETY: the machine has the instructions; any address will do.
                        unsafe {
                            T::prefetch(planes.floats.as_ptr().wrapping_add(at));
                            T::prefetch(to.wrapping_add(at));
                        }
                    }
                    let mut block = [[0.0; SIDE]; SIDE];
                    if count == SIDE && wide == SIDE {
                        assert!(from.len() >= (SIDE - 1) * pitch + SIDE);
                        // SAFETY: there are sixteen pixels of sixteen channels, by the assertion.
                        unsafe {
                            let block = block.as_mut_ptr().cast::<f32>();
                            exchange(from.as_ptr(), pitch, block, SIDE, [SIDE; 2]);
                        }
                    } else {
                        for pixel in 0..count {
                            for channel in 0..wide {
                                block[channel][pixel] = from[pixel * pitch + channel];
                            }
                        }
                    }
                    for (channel, row) in (first..).zip(&mut block).take(wide) {
                        let at = (n * planes.channels + channel) * planes.pixels + start;
                        let shortcut = &planes.floats[at..at + count];
                        // SAFETY: `at` and `count` pixels after it lie in the shortcut, hence in z.
                        unsafe {
                            if count == SIDE {
                                for lane in (0..SIDE).step_by(T::LANES) {
                                    let z = T::load(row.as_ptr().add(lane));
                                    let z = z.add(T::load(shortcut.as_ptr().add(lane)));
                                    let z = target.output.apply_to_plane(channel, z);
                                    z.store(to.add(at + lane));
                                }
                            } else {
                                for (pixel, (z, r)) in row.iter().zip(shortcut).enumerate() {
                                    *to.add(at + pixel) = target.output.at(channel, z + r);
                                }
                            }
                        }
                    }
                }
            }
            before += pixels.len();
        }
    }
}

/// Transposes `rows` rows of `columns` floats, in blocks of four by four.
/// Safety: `from` is valid for `rows` rows of `columns` floats, and `to` for `columns` rows of `rows` floats, each at
/// its pitch. Both numbers are multiples of four.
#[inline(always)]
unsafe fn exchange(
    from: *const f32,
    from_pitch: usize,
    to: *mut f32,
    to_pitch: usize,
    [rows, columns]: [usize; 2],
) {
    for row in (0..rows).step_by(4) {
        for column in (0..columns).step_by(4) {
            // SAFETY: upheld by the caller; no alignment is assumed.
            unsafe {
                let from = from.add(row * from_pitch + column);
                let to = to.add(column * to_pitch + row);
                // Every x86-64 has SSE.
                #[cfg(target_arch = "x86_64")]
                {
                    use std::arch::x86_64::*;
                    let row = |r: usize| _mm_loadu_ps(from.add(r * from_pitch));
                    let (mut a, mut b, mut c, mut d) = (row(0), row(1), row(2), row(3));
                    _MM_TRANSPOSE4_PS(&mut a, &mut b, &mut c, &mut d);
                    for (column, four) in [a, b, c, d].iter().enumerate() {
                        _mm_storeu_ps(to.add(column * to_pitch), *four);
                    }
                }
                #[cfg(not(target_arch = "x86_64"))]
                for at in 0..16 {
                    *to.add(at / 4 * to_pitch + at % 4) = *from.add(at % 4 * from_pitch + at / 4);
                }
            }
        }
    }
}
