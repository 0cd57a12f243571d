//! Max pooling.

use ndarray::{Array4, ArrayView4};
use rayon::iter::{IndexedParallelIterator, ParallelIterator};
use rayon::slice::ParallelSliceMut;
use triform_kernels::{Plain, vectorised};

use super::spec::{Along, ConvSpec, KernelShape};
use crate::error::{Error, Result, on_both_sides};
use crate::scalar::Ordered;

/// The largest value in each window of `size` x `size`, as in PyTorch's `MaxPool2d`. Maps N x C x H x W to N x C x
/// H_out x W_out. Padding is ignored, and a window with NaN in it gives NaN. `spec` must have one group. Each channel
/// is pooled by itself.
///
/// Errors: a window of size 0 or larger than the padded map, and [`Error::Shape`] if some window
/// would cover only padding.
pub fn max_pool<S: Ordered>(
    x: ArrayView4<'_, S>,
    size: usize,
    spec: ConvSpec,
) -> Result<Array4<S>> {
    let (n, c, h, w) = x.dim();
    let window = KernelShape::new([1, 1, size, size], spec)?;
    let [_, _, h_out, w_out] = window.output([n, 1, h, w])?;
    // The rows (or columns) of the map under the window at output position `at`.
    let under = |along: Along, at: usize, length: usize| -> Vec<usize> {
        (0..size).filter_map(|tap| along.source(at, tap, length)).collect()
    };
    let rows: Vec<Vec<usize>> = (0..h_out).map(|i| under(spec.height(), i, h)).collect();
    let columns: Vec<Vec<usize>> = (0..w_out).map(|j| under(spec.width(), j, w)).collect();
    if rows.iter().chain(&columns).any(Vec::is_empty) {
        return Err(Error::Shape {
            what: "window of a pool",
            expected: format!(
                "such that none lies within the padding of {}",
                on_both_sides(&spec.height().padding)
            ),
            found: vec![size, size],
        });
    }
    // Channels last, so that a window is pooled for all channels at once; threads share the rows.
    let last = x.permuted_axes([0, 2, 3, 1]);
    let last = last.as_standard_layout();
    let mut pooled = Array4::from_elem((n, h_out, w_out, c), S::zero());
    let (Some(values), Some(all)) = (last.as_slice(), pooled.as_slice_mut()) else {
        unreachable!("standard layout")
    };
    all.par_chunks_mut((w_out * c).max(1)).enumerate().for_each(|(row, all)| {
        let (n, i) = (row / h_out, row % h_out);
        let lines = rows[i].iter().map(|row| &values[(n * h + row) * w * c..][..w * c]);
        let lines: Vec<&[S]> = lines.collect();
        let mut met = Vec::new();
        for (columns, to) in columns.iter().zip(all.chunks_mut(c)) {
            met.clear();
            for line in &lines {
                met.extend(columns.iter().map(|col| &line[col * c..][..c]));
            }
            vectorised(Largest { of: &met, to });
        }
    });
    Ok(pooled.permuted_axes([0, 3, 1, 2]))
}

/// The largest value of each channel over one or more pixels.
struct Largest<'a, S> {
    of: &'a [&'a [S]],
    to: &'a mut [S],
}

impl<S: Ordered> Plain for Largest<'_, S> {
    #[inline(always)]
    fn run(self) {
        let Some((first, rest)) = self.of.split_first() else { return };
        self.to.clone_from_slice(first);
        // Three at a time, so that the running maximum is read and written less often.
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
