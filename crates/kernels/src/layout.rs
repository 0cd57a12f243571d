//! How tensors are laid out in memory: with the channels last. The channels of a pixel are adjacent. The pixels of a
//! row follow one another, then the rows, then the images. In ndarray, the axes are still N, C, H, W. Only the
//! strides differ.
//!
//! So the channels of a pixel are contiguous whatever the map's width, and a vector of channels never crosses the end
//! of a row.

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::Once;

use ndarray::{Array1, Array4, ArrayView4, s};

use crate::memory::LINE;
use crate::planes::{Gather, Planes};
use crate::simd::Level;

/// A tensor N x C x H x W whose memory is channels last.
pub(crate) struct Image<'a> {
    pub(crate) floats: Cow<'a, [f32]>,
    pub(crate) n: usize,
    pub(crate) c: usize,
    pub(crate) h: usize,
    pub(crate) w: usize,
}

impl<'a> Image<'a> {
    /// The tensor itself if it is channels last, otherwise a copy.
    pub(crate) fn new(x: ArrayView4<'a, f32>) -> Self {
        let (n, c, h, w) = x.dim();
        let last = x.permuted_axes([0, 2, 3, 1]);
        let floats = match (last.to_slice(), Planes::new(&x)) {
            (Some(floats), _) => Cow::Borrowed(floats),
            (None, None) => Cow::Owned(last.iter().copied().collect()),
            (None, Some(planes)) => {
                let mut floats = vec![0.0; x.len()];
                let gather = Gather { planes, range: 0..n * h * w, to: &mut floats, pitch: c };
                // SAFETY: the machine has the level.
                unsafe { Level::default().run(gather) };
                Cow::Owned(floats)
            }
        };
        Self { floats, n, c, h, w }
    }
}

/// Memory for a tensor that is not written yet. It starts on a cache line. So if the number of channels is a multiple
/// of sixteen, every sixteen channels of a pixel fill one line.
pub(crate) struct Output<'a> {
    /// Room for the tensor, and for the floats before its first cache line.
    floats: Vec<f32>,
    before: usize,
    shape: [usize; 4],
    planes: bool,
    /// The shortcut to add, of the same shape.
    shortcut: Option<&'a Image<'a>>,
}

impl<'a> Output<'a> {
    /// Memory for a tensor N x C x H x W. It is channels last or, if `planes` is true, in ndarray's standard layout.
    pub(crate) fn new(shape: [usize; 4], planes: bool, shortcut: Option<&'a Image<'a>>) -> Self {
        let as_large = |r: &Image<'_>| [r.n, r.c, r.h, r.w] == shape;
        assert!(shortcut.is_none_or(as_large), "a shortcut of another shape");
        let mut floats = Vec::with_capacity(shape.iter().product::<usize>() + LINE);
        let address = floats.as_ptr() as usize;
        let before =
            (address.next_multiple_of(size_of::<[f32; LINE]>()) - address) / size_of::<f32>();
        floats.resize(before, 0.0);
        Self { floats, before, shape, planes, shortcut }
    }

    /// The slot for `lanes` channels, from `channel` on. It begins at the first pixel of image `n` and covers all
    /// pixels after that.
    pub(crate) fn slot(&mut self, n: usize, channel: usize, lanes: usize) -> Slot {
        let [images, c, h, w] = self.shape;
        assert!(n < images.max(1) && channel + lanes <= c, "{n} of {images}, {channel} of {c}");
        let at = n * h * w * c + channel;
        let shortcut = self.shortcut.map(|image| image.floats.as_ptr().wrapping_add(at));
        let z = self.floats.as_mut_ptr().wrapping_add(self.before + at);
        let floats = (images * h * w * c).saturating_sub(at);
        Slot { z, shortcut, pitch: c, lanes, floats }
    }

    /// The slot of all channels of all pixels. For planes, only its start is meaningful.
    pub(crate) fn whole_slot(&mut self) -> Slot {
        self.slot(0, 0, self.shape[1])
    }

    /// The finished tensor.
    /// Safety: every element was written.
    pub(crate) unsafe fn written(mut self) -> Array4<f32> {
        let [n, c, h, w] = self.shape;
        let end = self.before + n * c * h * w;
        debug_assert!(end <= self.floats.capacity());
        // SAFETY: the capacity is large enough; `new` wrote the floats before the tensor, and the
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

/// Where the sums of some adjacent channels are stored. The sums of pixel `q` are at `z + q * pitch`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot {
    /// The first channel of pixel 0.
    pub(crate) z: *mut f32,
    /// The same place in the shortcut, if there is one to add.
    pub(crate) shortcut: Option<*const f32>,
    /// Floats from one pixel to the next or, if pixels share a vector, from one vector to the next.
    pub(crate) pitch: usize,
    /// The number of channels. If pixels share a vector, it counts the channels of all pixels in the vector.
    pub(crate) lanes: usize,
    /// Floats from `z` to the end of the pixels' memory, for assertions.
    pub(crate) floats: usize,
}

// SAFETY: a pointer is valid in every thread; the code that writes through it vouches that no other thread
// writes there.
unsafe impl Send for Slot {}
// SAFETY: as above.
unsafe impl Sync for Slot {}

impl Slot {
    /// Whether its memory holds pixels `..end` of `lanes` floats each. If `last` is given, the last pixel has
    /// only `last` floats.
    pub(crate) fn holds(&self, end: usize, last: Option<usize>) -> bool {
        end > 0 && (end - 1) * self.pitch + last.unwrap_or(self.lanes) <= self.floats
    }

    /// The slot that starts `floats` floats further on.
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
}

/// Lets the allocator keep freed memory for the next tensor. By default, glibc returns large allocations to the
/// system. Each new allocation then consists of pages that must be cleared, which takes up to a fifth of the time of
/// a ResNeXt block. Once a large allocation has been freed, glibc keeps freed allocations up to that size, at most 32
/// MiB (mallopt(3), M_MMAP_THRESHOLD). So this function makes one large allocation and frees it. Without glibc it
/// does nothing. It is called when kernels are prepared, so that no forward pass makes the large allocation.
pub(crate) fn keep_freed_memory() {
    const LARGEST: usize = (32 << 20) - (64 << 10);
    static KEPT: Once = Once::new();
    if cfg!(target_env = "gnu") {
        KEPT.call_once(|| {
            let mut block = Vec::<u8>::new();
            // If there is not enough memory for it, nothing changes.
            let _ = block.try_reserve_exact(LARGEST);
            drop(black_box(block));
        });
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::Output;

    /// Outputs start on a cache line, and their slots know where the memory ends.
    #[test]
    fn what_is_written_through_the_slots_is_the_tensor() {
        for shape in [[2, 5, 3, 4], [1, 16, 2, 2], [0, 3, 1, 1]] {
            let [n, c, h, w] = shape;
            let mut output = Output::new(shape, false, None);
            for image in 0..n {
                let slot = output.slot(image, 1, c - 1);
                let (next, pixels) = (slot.after(c), (n - image) * h * w);
                assert!(slot.holds(pixels, None) && !slot.holds(pixels + 1, None));
                assert!(next.holds(pixels - 1, None) && !next.holds(pixels, None));
                assert_eq!((slot.z as usize - 4) % 64, image * h * w * c * 4 % 64);
                for at in 0..h * w * c {
                    // SAFETY: the slot starts at channel 1 of a pixel of the output.
                    unsafe { *slot.z.sub(1).add(at) = (100 * image + at / c) as f32 };
                }
            }
            // SAFETY: all of it was written.
            let written = unsafe { output.written() };
            let expected = |(n, _, i, j)| (100 * n + i * w + j) as f32;
            assert_eq!(written, Array4::from_shape_fn((n, c, h, w), expected));
        }
    }
}
