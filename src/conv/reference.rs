//! The specification of convolution, in plain loops over any ring.
//!
//! ```text
//! z[n, o, i, j] = sum over c, u, v of  w[o, c, u, v] * x[n, g C_in/groups + c, i s + u e - p, j s + v e - p]
//! ```
//!
//! `s` is the stride, `p` the padding above and to the left, and `e` the dilation, each along its own axis. `g` is the
//! group of output channel `o`. `c` runs over the input channels of that group, and `u` and `v` run over the taps that
//! lie inside the map. So a grouped convolution is *defined* by restricting `c` to a group, not by filling a dense
//! kernel with zeros. If the groups are computed one by one, the sums are only renumbered.
//!
//! This file never imports the fast convolver.

use std::ops::Range;

use ndarray::{Array4, ArrayView4};

use super::convolver::Convolver;
use super::spec::{Along, ConvSpec, KernelShape};
use crate::error::Result;
use crate::scalar::Dot;

/// Convolution by the definition, over any ring.
///
/// The terms of each output are ordered by channel, then by kernel row, then by kernel column.
/// [`Reference::in_runs_of`] gives another order, in which all three forms of a block agree to the bit.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reference {
    run: Option<usize>,
}

impl Reference {
    /// Splits the input channels into runs of `channels`. For each output, every run is summed from zero, and the sums
    /// of the runs are then added in order.
    ///
    /// With runs of d channels, all three forms of a block add in the same order: first over the d channels of each
    /// path, then over the C paths. So they agree to the bit, on any floats.
    ///
    /// # Panics
    ///
    /// If `channels` is 0.
    pub fn in_runs_of(channels: usize) -> Self {
        assert!(channels > 0, "a run has at least one channel");
        Self { run: Some(channels) }
    }

    /// The number of channels in a run, if the reference adds in runs.
    pub(super) fn run(&self) -> Option<usize> {
        self.run
    }
}

/// Convolves by the definition, like PyTorch's `conv2d` without bias. `x` is N x C_in x H x W, `kernel` is C_out x
/// C_in/groups x k_h x k_w, and the result is N x C_out x H_out x W_out.
///
/// Errors: those of [`Convolver::prepare`] and [`Convolver::sums`].
///
/// ```
/// use ndarray::Array4;
/// use triform::conv::{ConvSpec, conv2d};
///
/// let x = Array4::from_elem((1, 4, 5, 5), 1);
/// let x = x.mapv(triform::scalar::Int::from);
/// let kernel = Array4::from_elem((6, 2, 3, 3), triform::scalar::Int::from(1));
/// let grouped = ConvSpec::new(1, 1, 1, 2)?; // stride, padding, dilation, groups
/// let z = conv2d(x.view(), kernel.view(), grouped)?;
/// assert_eq!(z.dim(), (1, 6, 5, 5));
/// assert_eq!(z[[0, 0, 2, 2]].value(), Some(2 * 9)); // the 2 channels of its group, 9 taps
/// # Ok::<(), triform::Error>(())
/// ```
pub fn conv2d<S: Dot>(
    x: ArrayView4<'_, S>,
    kernel: ArrayView4<'_, S>,
    spec: ConvSpec,
) -> Result<Array4<S>> {
    let reference = Reference::default();
    reference.sums(x, &reference.prepare(kernel, spec)?)
}

/// The kernel of [`Reference`]: the unchanged weights.
#[derive(Clone, Debug)]
pub struct ReferenceKernel<S> {
    weights: Array4<S>,
    shape: KernelShape,
}

impl<S: Dot> Convolver<S> for Reference {
    type Kernel = ReferenceKernel<S>;

    fn prepare(&self, weights: ArrayView4<'_, S>, spec: ConvSpec) -> Result<Self::Kernel> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        Ok(ReferenceKernel { weights: weights.as_standard_layout().into_owned(), shape })
    }

    fn sums(&self, x: ArrayView4<'_, S>, kernel: &Self::Kernel) -> Result<Array4<S>> {
        let shape = &kernel.shape;
        let output = shape.output(x.dim().into())?;
        let run = self.run.unwrap_or(shape.c_in_group);
        // In standard layout the rows are slices, whatever the view's strides.
        let x = x.as_standard_layout();
        let (_, _, mut h, mut w) = x.dim();
        let mut as_computed = output;
        let [height, width] = [shape.spec.height(), shape.spec.width()];
        if (shape.k_h, shape.k_w, height, width) == (1, 1, Along::UNIT, Along::UNIT) {
            // Such a kernel treats every pixel alike, so the map can be one long row.
            (h, w) = (1, h * w);
            as_computed = [output[0], output[1], h, w];
        }
        let mut z = Array4::from_elem(as_computed, S::zero());

        for (x, mut z) in x.outer_iter().zip(z.outer_iter_mut()) {
            let Some(x) = x.to_slice() else { unreachable!("standard layout") };
            let image = Image { x, h, w };
            for (o, mut z) in z.outer_iter_mut().enumerate() {
                for (i, mut row) in z.outer_iter_mut().enumerate() {
                    for (number, first) in (0..shape.c_in_group).step_by(run).enumerate() {
                        let channels = first..(first + run).min(shape.c_in_group);
                        let sums = row_of_sums(&image, kernel, (o, i), channels, row.len());
                        for (z, sum) in row.iter_mut().zip(sums) {
                            let sum = S::total(sum);
                            *z = if number == 0 { sum } else { z.add(&sum) };
                        }
                    }
                }
            }
        }
        z.into_shape_with_order(output).map_err(|_| unreachable!("as many elements as before"))
    }
}

/// One image, C_in x H x W, as a flat slice.
struct Image<'a, S> {
    x: &'a [S],
    h: usize,
    w: usize,
}

/// Computes row `i` of output channel `o`, summed over `channels` of its group. The loop along the row is innermost,
/// because it then reads adjacent memory, which is fastest. The order of each sum is the same as if this loop were
/// outermost.
fn row_of_sums<S: Dot>(
    image: &Image<'_, S>,
    kernel: &ReferenceKernel<S>,
    (o, i): (usize, usize),
    channels: Range<usize>,
    w_out: usize,
) -> Vec<S::Sum> {
    let &Image { x, h, w } = image;
    let KernelShape { c_in_group, k_h, k_w, spec, .. } = kernel.shape;
    let (group, along) = (o / kernel.shape.c_out_group(), spec.width());
    let mut sums = vec![S::empty(); w_out];
    for c in channels {
        let first = (group * c_in_group + c) * h * w;
        let plane = &x[first..first + h * w];
        for u in 0..k_h {
            // Here row i of the output reads row i s + u e - p of the map, if there is one.
            let Some(from) = spec.height().source(i, u, h) else { continue };
            let line = &plane[from * w..(from + 1) * w];
            for v in 0..k_w {
                let weight = &kernel.weights[[o, c, u, v]];
                let (columns, start) = along.inside(v, w, w_out);
                add_along_the_row::<S>(&mut sums[columns], weight, &line[start..], along.stride);
            }
        }
    }
    sums
}

/// Takes every `stride`-th of `values`, multiplies it by `weight`, and adds the product to the next sum.
fn add_along_the_row<S: Dot>(sums: &mut [S::Sum], weight: &S, values: &[S], stride: usize) {
    // The same loop twice: the compiler vectorises the one with stride 1.
    if stride == 1 {
        for (sum, value) in sums.iter_mut().zip(values) {
            S::accumulate(sum, weight, value);
        }
    } else {
        for (sum, value) in sums.iter_mut().zip(values.iter().step_by(stride)) {
            S::accumulate(sum, weight, value);
        }
    }
}
