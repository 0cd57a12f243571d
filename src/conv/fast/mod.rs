//! Convolution for `f32`, fast. The only unsafe code of the crate is under this
//! module; each unsafe block lists what it relies on.
//!
//! - [`product`]: a 1x1 convolution is a matrix product, by the `gemm` crate.
//! - [`tile`]: everything else. Four output channels by up to 64 pixels are held
//!   in registers while the taps go by.
//! - [`paths`]: C 1x1 kernels at once, for forms (a) and (b).
//! - [`pack`]: weights and inputs laid out for the tile.
//! - [`finish`]: what follows the sums, applied while they are in cache.
//! - [`vector`]: the few vector instructions that the tile is written in.
//! - [`peak`]: what this machine can do at most.
//! - [`double`]: the same for `f64`, only as far as the evidence needs it.
//!
//! The order of a sum is whatever is fastest, so no two of these need agree to
//! the bit; that they stay within the derived bound of the reference, and equal
//! it to the bit on integers, is for the evidence to show.

mod double;
mod finish;
mod pack;
mod paths;
mod peak;
mod product;
mod tile;
mod vector;

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Axis};

pub use self::double::Double;
use self::finish::Finish;
use self::pack::{PackedInput, PackedWeights, subsample};
pub use self::peak::{Peak, read_bandwidth};
use self::tile::{Level, MAX_WIDTH, Segment, TILE_ROWS, Tile};
use super::after::{After, ChannelWise, Identity};
use super::convolver::{Convolver, merge_by_definition, one_input_a_path};
use super::spec::{ConvSpec, KernelShape};
use crate::error::Result;

/// Convolution for `f32`, on one thread, with the vector instructions this
/// machine has (AVX-512, or AVX2 with FMA, or none).
#[derive(Clone, Copy, Debug)]
pub struct Fast {
    level: Level,
}

impl Fast {
    /// Finds out which instructions the machine has.
    pub fn new() -> Self {
        Self { level: Level::detect() }
    }
}

impl Default for Fast {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel of [`Fast`]: the weights as they are for the matrix product, and
/// packed for the tile.
#[derive(Debug)]
pub struct FastKernel {
    shape: KernelShape,
    packed: PackedWeights,
    /// C_out x C_in, only for a 1x1 that is a plain matrix product.
    matrix: Option<Vec<f32>>,
}

impl FastKernel {
    /// Block `block` of an ungrouped kernel's packed weights.
    fn block(&self, block: usize) -> &[f32] {
        self.packed.block(0, block)
    }

    /// Whether all the kernels, of which there is at least one, are 1x1, of as many
    /// input channels, at the same pixels.
    fn read_the_same_pixels(kernels: &[Self]) -> bool {
        let alike = |kernel: &Self, first: &Self| {
            kernel.matrix.is_some()
                && kernel.shape.spec == first.shape.spec
                && kernel.shape.c_in_group == first.shape.c_in_group
        };
        kernels.first().is_some_and(|first| kernels.iter().all(|kernel| alike(kernel, first)))
    }
}

impl Convolver<f32> for Fast {
    type Kernel = FastKernel;

    fn prepare(&self, weights: ArrayView4<'_, f32>, spec: ConvSpec) -> Result<FastKernel> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let weights = weights.as_standard_layout();
        let flat: Vec<f32> = weights.iter().copied().collect();
        let packed = PackedWeights::new(&flat, &shape);
        let pointwise =
            shape.k_h == 1 && shape.k_w == 1 && spec.padding() == 0 && spec.groups() == 1;
        Ok(FastKernel { shape, packed, matrix: pointwise.then_some(flat) })
    }

    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &FastKernel) -> Result<Array4<f32>> {
        self.conv(x, kernel, &After::only(&Identity))
    }

    fn conv(
        &self,
        x: ArrayView4<'_, f32>,
        kernel: &FastKernel,
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        let shape = kernel.shape.output(x.dim().into())?;
        after.check(&shape)?;
        let mut z = Array4::zeros(shape);
        let finish = Finish::new(after, kernel.shape.c_out);
        let x = x.as_standard_layout();
        for (n, (x, mut z)) in x.outer_iter().zip(z.outer_iter_mut()).enumerate() {
            match &kernel.matrix {
                Some(matrix) => {
                    let x = subsample(x, kernel.shape.spec.stride());
                    product::conv(matrix, &x, &mut z, &finish, n);
                }
                None => {
                    self.grouped(&PackedInput::new(x, &kernel.shape)?, kernel, &mut z, &finish, n)
                }
            }
        }
        finish.rest(after, z.view_mut())?;
        Ok(z)
    }

    fn split(
        &self,
        x: ArrayView4<'_, f32>,
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        if FastKernel::read_the_same_pixels(kernels) {
            return self.split_pointwise(x, kernels, function);
        }
        let xs = kernels.iter().map(|_| x);
        self.path_by_path(xs, kernels, function)
    }

    fn each(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        one_input_a_path(xs, kernels.len())?;
        self.path_by_path(xs.iter().map(|x| x.view()), kernels, function)
    }

    fn merge(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        if FastKernel::read_the_same_pixels(kernels) && kernels[0].shape.spec.stride() == 1 {
            return self.merge_pointwise(xs, kernels, after);
        }
        merge_by_definition(self, xs, kernels, after)
    }
}

impl Fast {
    /// A k x k convolution of one image, group by group.
    fn grouped(
        &self,
        x: &PackedInput,
        kernel: &FastKernel,
        z: &mut ArrayViewMut3<'_, f32>,
        finish: &Finish<'_>,
        n: usize,
    ) {
        let (_, h_out, w_out) = z.dim();
        let shape = &kernel.shape;
        let mut planes = x.workspace();
        for group in 0..shape.spec.groups() {
            x.load_group(group, &mut planes);
            let last = (group + 1) * shape.c_out_group();
            for (block, weights) in kernel.packed.blocks(group).enumerate() {
                let channel = group * shape.c_out_group() + block * TILE_ROWS;
                let segment = [Segment { weights, x: &planes }];
                for row in 0..h_out {
                    for start in (0..w_out).step_by(MAX_WIDTH) {
                        let mut tile = Tile::new((w_out - start).min(MAX_WIDTH));
                        tile.compute(self.level, &segment, x.taps(), x.row(row) + start);
                        write(&tile, z, channel, last, row * w_out + start, finish, n);
                    }
                }
            }
        }
    }
}

/// Copies a tile to channels `channel..` of image `n`, below channel `end`, from
/// pixel `start` on, and finishes it there.
fn write(
    tile: &Tile,
    z: &mut ArrayViewMut3<'_, f32>,
    channel: usize,
    end: usize,
    start: usize,
    finish: &Finish<'_>,
    n: usize,
) {
    for (c, sums) in (channel..end).zip(tile.rows()) {
        let mut plane = z.index_axis_mut(Axis(0), c);
        let Some(plane) = plane.as_slice_mut() else { unreachable!("freshly allocated") };
        let target = &mut plane[start..start + sums.len()];
        target.copy_from_slice(sums);
        finish.pixels(n, c, start, target);
    }
}
