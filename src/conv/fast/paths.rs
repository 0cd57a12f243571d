//! C pointwise kernels at once: what makes 32 real paths nearly as fast as one
//! wide convolution. A run of pixels is copied together once, and all the paths
//! read it while it is in cache.

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Axis};

use super::finish::Finish;
use super::pack::{gather_pixels, subsample};
use super::tile::{MAX_WIDTH, Segment, TILE_ROWS, Taps, Tile};
use super::{Fast, FastKernel, write};
use crate::conv::after::{After, ChannelWise, Elementwise};
use crate::conv::convolver::{Convolver, check_paths};
use crate::error::Result;

impl Fast {
    /// One input, C pointwise kernels that read the same pixels of it.
    pub(super) fn split_pointwise(
        &self,
        x: ArrayView4<'_, f32>,
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        let mut paths = Vec::with_capacity(kernels.len());
        for kernel in kernels {
            paths.push(Array4::zeros(kernel.shape.output(x.dim().into())?));
        }
        let widths: Vec<usize> = kernels.iter().map(|kernel| kernel.shape.c_out).collect();
        let finishes = Finish::for_paths(function, &widths);
        let first = &kernels[0].shape;
        let taps = Taps::planes(first.c_in_group, MAX_WIDTH);
        let mut packed = vec![0.0; first.c_in_group * MAX_WIDTH];
        let x = x.as_standard_layout();
        for (n, x) in x.outer_iter().enumerate() {
            let x = subsample(x, first.spec.stride());
            let pixels = x.len() / first.c_in_group;
            for start in (0..pixels).step_by(MAX_WIDTH) {
                let run = start..(start + MAX_WIDTH).min(pixels);
                gather_pixels(&x, pixels, run.clone(), &mut packed);
                let mut tile = Tile::new(run.len());
                for ((kernel, path), finish) in kernels.iter().zip(&mut paths).zip(&finishes) {
                    let mut z = path.index_axis_mut(Axis(0), n);
                    for (block, weights) in kernel.packed.blocks(0).enumerate() {
                        tile.compute(self.level, &[Segment { weights, x: &packed }], &taps, 0);
                        let channel = block * TILE_ROWS;
                        write(&tile, &mut z, channel, kernel.shape.c_out, start, finish, n);
                    }
                }
            }
        }
        let mut first = 0;
        for (path, finish) in paths.iter_mut().zip(&finishes) {
            finish.rest_of_path(function, first, path.view_mut());
            first += path.len_of(Axis(1));
        }
        Ok(paths)
    }

    /// C inputs, C pointwise kernels of stride 1 and one width: each path is summed by
    /// itself, and the paths' sums are added in order, all of it in registers.
    pub(super) fn merge_pointwise(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        let shape = check_paths(xs, kernels.iter().map(|kernel| &kernel.shape))?;
        after.check(&shape)?;
        let [_, c_out, h, w] = shape;
        let (pixels, width) = (h * w, kernels[0].shape.c_in_group);
        let finish = Finish::new(after, c_out);
        let taps = Taps::planes(width, MAX_WIDTH);
        let mut z = Array4::zeros(shape);
        let mut packed = vec![0.0; xs.len() * width * MAX_WIDTH];
        let inputs: Vec<_> = xs.iter().map(|x| x.as_standard_layout()).collect();
        for (n, mut z) in z.outer_iter_mut().enumerate() {
            let images: Vec<_> =
                inputs.iter().map(|x| subsample(x.index_axis(Axis(0), n), 1)).collect();
            for start in (0..pixels).step_by(MAX_WIDTH) {
                let run = start..(start + MAX_WIDTH).min(pixels);
                for (image, slot) in images.iter().zip(packed.chunks_exact_mut(width * MAX_WIDTH)) {
                    gather_pixels(image, pixels, run.clone(), slot);
                }
                let mut tile = Tile::new(run.len());
                for block in 0..c_out.div_ceil(TILE_ROWS) {
                    let slots = packed.chunks_exact(width * MAX_WIDTH);
                    let segment =
                        |(kernel, x)| Segment { weights: FastKernel::block(kernel, block), x };
                    let segments: Vec<_> = kernels.iter().zip(slots).map(segment).collect();
                    tile.compute(self.level, &segments, &taps, 0);
                    write(&tile, &mut z, block * TILE_ROWS, c_out, start, &finish, n);
                }
            }
        }
        finish.rest(after, z.view_mut())?;
        Ok(z)
    }

    /// One convolution for each path, its channels counted through all of them.
    pub(super) fn path_by_path<'x>(
        &self,
        xs: impl Iterator<Item = ArrayView4<'x, f32>>,
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        let mut first = 0;
        xs.zip(kernels)
            .map(|(x, kernel)| {
                let shifted = Shifted { function, first };
                first += kernel.shape.c_out;
                self.conv(x, kernel, &After::only(&shifted))
            })
            .collect()
    }
}

/// A function whose channel 0 is another's channel `first`.
struct Shifted<'a> {
    function: &'a dyn ChannelWise<f32>,
    first: usize,
}

impl ChannelWise<f32> for Shifted<'_> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, f32>) {
        self.function.apply(self.first + channel, plane);
    }

    fn as_data(&self, channel: usize) -> Option<Elementwise<f32>> {
        self.function.as_data(self.first + channel)
    }
}
