//! Weights and inputs laid out as the tile reads them.

use std::borrow::Cow;
use std::ops::Range;

use ndarray::{ArrayView3, Axis};

use super::tile::{MAX_WIDTH, QUANTUM, TILE_ROWS, Taps};
use crate::conv::spec::KernelShape;
use crate::error::{Error, Result};

/// Floats of the padded planes of one group: 8 GiB, far beyond any real convolution.
const MAX_PLANES: usize = 1 << 31;

/// Weights by group, by block of four output channels, by tap (channel, row,
/// column), by output channel. The last block of a group is filled with zeros.
#[derive(Debug)]
pub(super) struct PackedWeights {
    weights: Vec<f32>,
    block: usize,
    blocks_a_group: usize,
}

impl PackedWeights {
    /// `flat`: C_out x taps, in order.
    pub(super) fn new(flat: &[f32], shape: &KernelShape) -> Self {
        let taps = shape.c_in_group * shape.k_h * shape.k_w;
        let blocks_a_group = shape.c_out_group().div_ceil(TILE_ROWS);
        let block = taps * TILE_ROWS;
        let mut weights = vec![0.0; shape.spec.groups() * blocks_a_group * block];
        for (o, row) in flat.chunks_exact(taps).enumerate() {
            let (group, channel) = (o / shape.c_out_group(), o % shape.c_out_group());
            let start = (group * blocks_a_group + channel / TILE_ROWS) * block;
            for (tap, &weight) in row.iter().enumerate() {
                weights[start + tap * TILE_ROWS + channel % TILE_ROWS] = weight;
            }
        }
        Self { weights, block, blocks_a_group }
    }

    /// The blocks of a group.
    pub(super) fn blocks(&self, group: usize) -> impl Iterator<Item = &[f32]> {
        (0..self.blocks_a_group).map(move |block| self.block(group, block))
    }

    /// One block of a group.
    pub(super) fn block(&self, group: usize, block: usize) -> &[f32] {
        let start = (group * self.blocks_a_group + block) * self.block;
        &self.weights[start..start + self.block]
    }
}

/// One image, to be copied group by group into zero-padded planes. Where the
/// stride is s, the columns of a row are dealt to s rows, so that the pixels a
/// tap meets along an output row lie next to each other:
/// column q of the padded map is element q / s of row q mod s.
pub(super) struct PackedInput<'a> {
    x: ArrayView3<'a, f32>,
    shape: KernelShape,
    /// Rows of a padded plane that are read.
    rows: usize,
    /// Floats from one dealt row to the next.
    pitch: usize,
    taps: Taps,
}

impl<'a> PackedInput<'a> {
    /// `x`: C_in x H x W, standard layout, of channels that suit the kernel.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyElements`] for a stride or dilation whose planes would not fit in
    /// [`MAX_PLANES`].
    pub(super) fn new(x: ArrayView3<'a, f32>, shape: &KernelShape) -> Result<Self> {
        let spec = shape.spec;
        let (_, h, w) = x.dim();
        let (stride, dilation) = (spec.stride(), spec.dilation());
        let out = |size: usize, taps: usize| {
            (size + 2 * spec.padding() - (taps - 1) * dilation - 1) / stride + 1
        };
        let (h_out, w_out) = (out(h, shape.k_h), out(w, shape.k_w));
        let rows = (h_out - 1) * stride + (shape.k_h - 1) * dilation + 1;
        // Tiles may read on to the next multiple of QUANTUM.
        let last_tile = w_out.next_multiple_of(QUANTUM);
        let pitch = last_tile + (shape.k_w - 1) * dilation / stride;
        let factors = vec![shape.c_in_group, rows, stride, pitch];
        let floats = factors.iter().try_fold(1usize, |product, &f| product.checked_mul(f));
        if floats.is_none_or(|floats| floats > MAX_PLANES) {
            return Err(Error::TooManyElements { what: "padded planes of a group", factors });
        }
        let mut offsets = Vec::with_capacity(shape.c_in_group * shape.k_h * shape.k_w);
        for c in 0..shape.c_in_group {
            for row in (0..shape.k_h).map(|u| u * dilation) {
                for column in (0..shape.k_w).map(|v| v * dilation) {
                    let line = (c * rows + row) * stride + column % stride;
                    offsets.push(line * pitch + column / stride);
                }
            }
        }
        Ok(Self { x, shape: *shape, rows, pitch, taps: Taps::new(offsets) })
    }

    /// Zeros for the planes of one group. Every group writes the same elements of
    /// it and leaves the padding alone, so one workspace serves them all.
    pub(super) fn workspace(&self) -> Vec<f32> {
        let stride = self.shape.spec.stride();
        vec![0.0; self.shape.c_in_group * self.rows * stride * self.pitch + MAX_WIDTH]
    }

    /// Copies the planes of `group` into `planes`.
    pub(super) fn load_group(&self, group: usize, planes: &mut [f32]) {
        let spec = self.shape.spec;
        let (stride, padding) = (spec.stride(), spec.padding());
        let (_, h, _) = self.x.dim();
        for c in 0..self.shape.c_in_group {
            let plane = self.x.index_axis(Axis(0), group * self.shape.c_in_group + c);
            for row in padding..(h + padding).min(self.rows) {
                let line = plane.index_axis(Axis(0), row - padding);
                let start = (c * self.rows + row) * stride * self.pitch;
                let lines = &mut planes[start..start + stride * self.pitch];
                if stride == 1 {
                    let (from, to) = (line.iter(), lines[padding.min(self.pitch)..].iter_mut());
                    to.zip(from).for_each(|(to, &value)| *to = value);
                } else {
                    for (column, &value) in (padding..).zip(line) {
                        // Columns beyond the last tap's reach are never read.
                        if column / stride < self.pitch {
                            lines[column % stride * self.pitch + column / stride] = value;
                        }
                    }
                }
            }
        }
    }

    /// The taps, from the start of an output row on.
    pub(super) fn taps(&self) -> &Taps {
        &self.taps
    }

    /// Where output row `i` starts.
    pub(super) fn row(&self, i: usize) -> usize {
        let stride = self.shape.spec.stride();
        i * stride * stride * self.pitch
    }
}

/// The pixels a pointwise convolution of this stride reads: C x H x W, standard
/// layout, to C x (H_out W_out), flat.
pub(super) fn subsample<'a, T: Copy>(x: ArrayView3<'a, T>, stride: usize) -> Cow<'a, [T]> {
    match x.to_slice() {
        Some(whole) if stride == 1 => Cow::Borrowed(whole),
        _ => {
            // A step beyond the map is as good as any.
            let step = isize::try_from(stride).unwrap_or(isize::MAX);
            Cow::Owned(x.slice(ndarray::s![.., ..;step, ..;step]).iter().copied().collect())
        }
    }
}

/// Copies a run of pixels of every plane of `x` (C planes of `pixels` floats)
/// into `packed`, [`MAX_WIDTH`] floats a plane; what a plane lacks stays as it
/// is, and the sums over it are thrown away.
pub(super) fn gather_pixels(x: &[f32], pixels: usize, run: Range<usize>, packed: &mut [f32]) {
    for (plane, slot) in x.chunks_exact(pixels).zip(packed.chunks_exact_mut(MAX_WIDTH)) {
        slot[..run.len()].copy_from_slice(&plane[run.clone()]);
    }
}
