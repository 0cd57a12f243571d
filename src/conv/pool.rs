//! Max pooling.

use ndarray::{Array4, ArrayView4};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use triform_kernels::{Plain, vectorised};

use super::spec::{ConvSpec, KernelShape};
use crate::error::{Error, Result};
use crate::scalar::Ordered;

/// The largest value under a window of `size` x `size`, as PyTorch's
/// `MaxPool2d`: N x C x H x W to N x C x H_out x W_out. Padding never wins, NaN
/// always does. `spec` must have one group; each channel is pooled by itself.
///
/// # Errors
///
/// A window of size 0 or larger than the padded map, and [`Error::Shape`] where some window would
/// lie on nothing but padding.
pub fn max_pool<S: Ordered>(
    x: ArrayView4<'_, S>,
    size: usize,
    spec: ConvSpec,
) -> Result<Array4<S>> {
    let (n, c, h, w) = x.dim();
    let window = KernelShape::new([1, 1, size, size], spec)?;
    let [_, _, h_out, w_out] = window.output([n, 1, h, w])?;
    let source = |at: usize, tap: usize, size: usize| {
        (at * spec.stride() + tap * spec.dilation())
            .checked_sub(spec.padding())
            .filter(|&from| from < size)
    };
    let met = |at: usize, length: usize| (0..size).any(|tap| source(at, tap, length).is_some());
    if !(0..h_out).all(|i| met(i, h)) || !(0..w_out).all(|j| met(j, w)) {
        return Err(Error::Shape {
            what: "window of a pool",
            expected: format!("such that none lies within the padding of {}", spec.padding()),
            found: vec![size, size],
        });
    }
    let last = x.permuted_axes([0, 2, 3, 1]);
    if let Some(floats) = last.to_slice() {
        // Channels last: the windows of all channels at once, pixel by pixel, row by row on all threads.
        let under =
            |at: usize, length: usize| (0..size).filter_map(move |tap| source(at, tap, length));
        let columns: Vec<Vec<usize>> = (0..w_out).map(|j| under(j, w).collect()).collect();
        let mut pooled = Array4::from_elem((n, h_out, w_out, c), S::zero());
        let Some(all) = pooled.as_slice_mut() else { unreachable!("freshly allocated") };
        all.par_chunks_mut((w_out * c).max(1)).enumerate().for_each(|(row, all)| {
            let (n, i) = (row / h_out, row % h_out);
            let lines: Vec<&[S]> =
                under(i, h).map(|row| &floats[(n * h + row) * w * c..][..w * c]).collect();
            let mut met = Vec::new();
            for (columns, to) in columns.iter().zip(all.chunks_mut(c)) {
                met.clear();
                for line in &lines {
                    met.extend(columns.iter().map(|col| &line[col * c..][..c]));
                }
                vectorised(Largest { of: &met, to });
            }
        });
        return Ok(pooled.permuted_axes([0, 3, 1, 2]));
    }
    Ok(Array4::from_shape_fn((n, c, h_out, w_out), |(n, c, i, j)| {
        let rows = (0..size).filter_map(|u| source(i, u, h));
        let values = rows.flat_map(|row| {
            (0..size).filter_map(move |v| source(j, v, w)).map(move |col| (row, col))
        });
        let largest = values.map(|(row, col)| x[[n, c, row, col]].clone());
        largest.reduce(|a, b| a.max(&b)).unwrap_or_else(|| unreachable!("looked at above"))
    }))
}

/// Of each channel the largest of some pixels, of which there is one at least.
struct Largest<'a, S> {
    of: &'a [&'a [S]],
    to: &'a mut [S],
}

impl<S: Ordered> Plain for Largest<'_, S> {
    #[inline(always)]
    fn run(self) {
        let Some((first, rest)) = self.of.split_first() else { return };
        self.to.clone_from_slice(first);
        // Three at a time, so that the largest so far is read and written less often.
        let mut threes = rest.chunks_exact(3);
        for three in &mut threes {
            let channels = three[0].iter().zip(three[1]).zip(three[2]);
            for (to, ((a, b), c)) in self.to.iter_mut().zip(channels) {
                *to = to.max(a).max(b).max(c);
            }
        }
        for pixel in threes.remainder() {
            for (to, a) in self.to.iter_mut().zip(*pixel) {
                *to = to.max(a);
            }
        }
    }
}
