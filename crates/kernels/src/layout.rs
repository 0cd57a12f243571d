//! How tensors lie in memory: channels last. The channels of a pixel are next to each other, the pixels
//! of a row follow one another, then the rows, then the images. To ndarray the axes are N, C, H, W all
//! the same; only the strides are others.
//!
//! So a pixel is a run of memory whatever the map's width, and no vector is ever partly outside a row.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Once;

use ndarray::{Array1, Array4, ArrayView4, s};

use crate::buffer::LINE;
use crate::slot::Slot;

/// A tensor N x C x H x W whose memory is channels last.
pub(crate) struct Image<'a> {
    floats: Cow<'a, [f32]>,
    pub(crate) n: usize,
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl<'a> Image<'a> {
    /// As it is, where it is channels last; or else a copy.
    pub(crate) fn new(x: ArrayView4<'a, f32>) -> Self {
        let (n, c, h, w) = x.dim();
        let floats = match x.permuted_axes([0, 2, 3, 1]).to_slice() {
            Some(floats) => Cow::Borrowed(floats),
            None => Cow::Owned(copied(x)),
        };
        Self { floats, n, c, h, w }
    }

    /// All of it.
    pub(crate) fn floats(&self) -> &[f32] {
        &self.floats
    }

    /// One image.
    pub(crate) fn image(&self, n: usize) -> &[f32] {
        let floats = self.h * self.w * self.c;
        &self.floats[n * floats..(n + 1) * floats]
    }
}

/// The elements, channels last; a cache line of each plane at a time.
fn copied(x: ArrayView4<'_, f32>) -> Vec<f32> {
    let (n, c, h, w) = x.dim();
    let Some(planes) = x.to_slice() else {
        return x.permuted_axes([0, 2, 3, 1]).iter().copied().collect();
    };
    let pixels = h * w;
    let mut floats = vec![0.0; n * c * pixels];
    if pixels == 0 || c == 0 {
        return floats;
    }
    for (planes, floats) in planes.chunks_exact(c * pixels).zip(floats.chunks_exact_mut(c * pixels))
    {
        for (run, floats) in floats.chunks_mut(LINE * c).enumerate() {
            for (channel, plane) in planes.chunks_exact(pixels).enumerate() {
                for (pixel, &value) in floats.chunks_exact_mut(c).zip(&plane[run * LINE..]) {
                    pixel[channel] = value;
                }
            }
        }
    }
    floats
}

/// Memory for a tensor that is not written yet. It starts on a cache line, so that sixteen channels of a
/// pixel are one line where the channels are a multiple of sixteen.
pub(crate) struct Output {
    /// Room for the tensor and the floats that lie before the first line's start.
    floats: Vec<f32>,
    before: usize,
    shape: [usize; 4],
    /// Whether it is planes rather than channels last.
    planes: bool,
}

impl Output {
    /// For a tensor N x C x H x W.
    pub(crate) fn new(shape: [usize; 4]) -> Self {
        let mut floats = Vec::with_capacity(shape.iter().product::<usize>() + LINE);
        let address = floats.as_ptr() as usize;
        let before =
            (address.next_multiple_of(size_of::<[f32; LINE]>()) - address) / size_of::<f32>();
        floats.resize(before, 0.0);
        Self { floats, before, shape, planes: false }
    }

    /// The same in ndarray's standard layout.
    pub(crate) fn planes(shape: [usize; 4]) -> Self {
        Self { planes: true, ..Self::new(shape) }
    }

    /// The first element of the planes.
    pub(crate) fn first(&mut self) -> *mut f32 {
        assert!(self.planes, "channels last");
        self.floats.as_mut_ptr().wrapping_add(self.before)
    }

    /// Where channel `channel` of pixel 0 of image `n` goes, and the pixels after it, each of `lanes`
    /// channels; and where the shortcut, of the same shape, has the same.
    pub(crate) fn slot(
        &mut self,
        n: usize,
        channel: usize,
        lanes: usize,
        shortcut: Option<&Image<'_>>,
    ) -> Slot {
        let [images, c, h, w] = self.shape;
        assert!(
            n < images.max(1) && channel + lanes <= c,
            "image {n}, channels {channel} + {lanes}"
        );
        let at = n * h * w * c + channel;
        let shortcut = shortcut.map(|shortcut| {
            assert_eq!([shortcut.n, shortcut.c, shortcut.h, shortcut.w], self.shape, "shortcut");
            shortcut.floats().as_ptr().wrapping_add(at)
        });
        let z = self.floats.as_mut_ptr().wrapping_add(self.before + at);
        let floats = (images * h * w * c).saturating_sub(at);
        Slot { z, shortcut, pitch: c, lanes, floats }
    }

    /// The tensor.
    ///
    /// # Safety
    ///
    /// Every element was written.
    pub(crate) unsafe fn written(mut self) -> Array4<f32> {
        let [n, c, h, w] = self.shape;
        let end = self.before + n * c * h * w;
        debug_assert!(end <= self.floats.capacity());
        // SAFETY: the capacity is as large; what lies before the tensor was written by `new`, and the
        // caller vouches for the tensor.
        unsafe { self.floats.set_len(end) };
        let tensor = Array1::from_vec(self.floats).slice_move(s![self.before..]);
        let tensor = match self.planes {
            true => tensor.into_shape_with_order((n, c, h, w)),
            false => tensor
                .into_shape_with_order((n, h, w, c))
                .map(|tensor| tensor.permuted_axes([0, 3, 1, 2])),
        };
        tensor.unwrap_or_else(|_| unreachable!("as many floats as the shape has"))
    }
}

/// Lets the allocator keep what is freed for the next tensor. As it starts, glibc's gives large blocks back to
/// the system, and each comes anew as pages that must be cleared: up to a fifth of a block's time. It stops
/// once a large block was freed: from then on it keeps blocks up to that size, at most 32 MiB (mallopt(3),
/// M_MMAP_THRESHOLD). Elsewhere this does nothing. It is done where kernels are prepared, so that no pass takes
/// that block, not even for a moment.
pub(crate) fn keep_freed_memory() {
    const LARGEST: usize = (32 << 20) - (64 << 10);
    static KEPT: Once = Once::new();
    KEPT.call_once(|| {
        let mut block = Vec::<u8>::new();
        // Where there is not so much memory, all stays as it is.
        let _ = block.try_reserve_exact(LARGEST);
        drop(black_box(block));
    });
}

/// Floats that are channels last as a tensor of shape N x C x H x W.
#[cfg(test)]
fn tensor(floats: Vec<f32>, [n, c, h, w]: [usize; 4]) -> Array4<f32> {
    Array4::from_shape_vec((n, h, w, c), floats).unwrap().permuted_axes([0, 3, 1, 2])
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, s};

    use super::{Image, Output, tensor};

    #[test]
    fn what_is_written_through_the_slots_is_the_tensor() {
        for shape in [[2, 5, 3, 4], [1, 16, 2, 2], [0, 3, 1, 1]] {
            let [n, c, h, w] = shape;
            let mut output = Output::new(shape);
            for image in 0..n {
                let slot = output.slot(image, 1, c - 1, None);
                assert_eq!((slot.pitch, slot.lanes), (c, c - 1));
                let pixels = (n - image) * h * w;
                assert!(slot.holds(pixels, None) && !slot.holds(pixels + 1, None));
                assert!(
                    slot.after(c).holds(pixels - 1, None) && !slot.after(c).holds(pixels, None)
                );
                for pixel in 0..h * w {
                    for lane in 0..c {
                        // SAFETY: the slot starts at channel 1 of a pixel of the output.
                        unsafe {
                            *slot.z.sub(1).add(pixel * c + lane) = (100 * image + pixel) as f32
                        };
                    }
                }
                assert_eq!((slot.z as usize - 4) % 64, image * h * w * c * 4 % 64);
            }
            // SAFETY: written, all of it.
            let written = unsafe { output.written() };
            let expected = |(n, _, i, j)| (100 * n + i * w + j) as f32;
            assert_eq!(written, Array4::from_shape_fn((n, c, h, w), expected));
        }
    }

    #[test]
    fn an_image_is_channels_last_whatever_the_view() {
        let x = Array4::from_shape_fn((2, 3, 5, 7), |(n, c, i, j)| {
            (1000 * n + 100 * c + 10 * i + j) as f32
        });
        let last = tensor(Image::new(x.view()).floats().to_vec(), [2, 3, 5, 7]);
        assert_eq!(last, x);
        assert_eq!(last.strides(), [105, 1, 21, 3]);
        let image = Image::new(last.view());
        assert!(matches!(image.floats, std::borrow::Cow::Borrowed(_)));
        assert_eq!(image.image(1)[3 * 8 + 2], x[[1, 2, 1, 1]]);
        let odd = x.slice(s![.., ..;-1, 1.., ..;2]);
        assert_eq!(tensor(Image::new(odd).floats().to_vec(), [2, 3, 4, 4]), odd);
    }
}
