//! The gradients of a convolution, computed in plain loops over any ring.
//!
//! Here `z = conv(x, w) + b`, and `g` is the gradient of a loss with respect to `z`, of shape N x C_out x H_out x
//! W_out. The chain rule, applied to the definition (see [`reference`](super::reference)), gives
//!
//! ```text
//! input:   dx[n, c, a, b] = sum over o, u, v of  w[o, c - first, u, v] * g[n, o, i, j]
//! kernel:  dw[o, c, u, v] = sum over n, i, j of  g[n, o, i, j] * x[n, first + c, i s + u e - p, j s + v e - p]
//! bias:    db[o]          = sum over n, i, j of  g[n, o, i, j]
//! ```
//!
//! In the first line, `o` runs over the output channels of the group that contains `c`. For each tap `(u, v)`, the
//! output position `(i, j)` is the position at which this tap reads `(a, b)`. Its row `i` satisfies `a = i s + u e -
//! p`, and its column `j` likewise. If there is no such position, the sum has no term. `first` is the first input
//! channel of the group. Frameworks often get these sums wrong, especially where the stride is not 1.

use ndarray::{Array1, Array4, ArrayView4, Axis, s};

use super::reference::Reference;
use super::spec::{ConvSpec, KernelShape};
use crate::error::{Error, Result};
use crate::scalar::{Additive, Dot};

impl Reference {
    /// The gradient with respect to the input of a convolution, N x C_in x H x W. `kernel` is C_out x C_in/groups x k_h
    /// x k_w. `g` is the gradient with respect to the output, and `(h, w)` is the size of the input map.
    ///
    /// The terms of each sum are ordered by output channel, then by kernel row, then by kernel column. If the reference
    /// adds in runs, these are runs of output channels here. With runs of d channels, the three forms of a block agree
    /// to the bit in the backward pass, as they do in the forward pass.
    ///
    /// Errors: [`Error::Shape`] if `g` does not have the output's shape, and those of [`KernelShape::new`] and
    /// [`KernelShape::output`].
    pub fn input_gradient<S: Dot>(
        &self,
        g: ArrayView4<'_, S>,
        kernel: ArrayView4<'_, S>,
        spec: ConvSpec,
        (h, w): (usize, usize),
    ) -> Result<Array4<S>> {
        let shape = KernelShape::new(kernel.dim().into(), spec)?;
        let n = g.len_of(Axis(0));
        let (c_in, c_in_group, c_out_group) = (shape.c_in(), shape.c_in_group, shape.c_out_group());
        check(g.shape(), &shape, [n, c_in, h, w])?;
        let run = self.run().unwrap_or(c_out_group);
        // Channels last, so that the innermost loop runs over neighbours in memory.
        let weights: Vec<S> = kernel.permuted_axes([0, 2, 3, 1]).iter().cloned().collect();
        let (h_out, w_out) = (g.len_of(Axis(2)), g.len_of(Axis(3)));
        let g = g.as_standard_layout();
        let mut dx = Array4::from_elem((n, h, w, c_in), S::zero());
        for (g, mut dx) in g.outer_iter().zip(dx.outer_iter_mut()) {
            let g = g.to_slice().unwrap_or_default();
            for (group, channels) in (0..c_in).step_by(c_in_group).enumerate() {
                let all = group * c_out_group..(group + 1) * c_out_group;
                for first in all.clone().step_by(run) {
                    let mut sums = vec![S::empty(); h * w * c_in_group];
                    for o in first..(first + run).min(all.end) {
                        for (u, v) in ndarray::indices((shape.k_h, shape.k_w)) {
                            let tap = ((o * shape.k_h + u) * shape.k_w + v) * c_in_group;
                            let weights = &weights[tap..][..c_in_group];
                            for i in 0..h_out {
                                let Some(a) = spec.height().source(i, u, h) else { continue };
                                let row = &g[(o * h_out + i) * w_out..][..w_out];
                                for (j, g) in row.iter().enumerate() {
                                    let Some(b) = spec.width().source(j, v, w) else { continue };
                                    let sums = &mut sums[(a * w + b) * c_in_group..][..c_in_group];
                                    accumulate(sums, g, weights);
                                }
                            }
                        }
                    }
                    let to = dx.slice_mut(s![.., .., channels..channels + c_in_group]);
                    for (z, sum) in to.into_iter().zip(sums) {
                        let sum = S::total(sum);
                        *z = if first == all.start { sum } else { z.add(&sum) };
                    }
                }
            }
        }
        Ok(dx.permuted_axes([0, 3, 1, 2]))
    }
}

/// Multiplies each value by `factor`, and adds the product to the sum at the same position.
fn accumulate<S: Dot>(sums: &mut [S::Sum], factor: &S, values: &[S]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        S::accumulate(sum, factor, value);
    }
}

/// The gradient with respect to the kernel of a convolution, C_out x C_in/groups x k_h x k_w. `x` is the input, and `g`
/// is the gradient with respect to the output. The terms of each sum are ordered by image, then by output row, then by
/// output column.
///
/// Errors: those of [`Reference::input_gradient`]; [`Error::GroupsDoNotDivide`].
pub fn kernel_gradient<S: Dot>(
    g: ArrayView4<'_, S>,
    x: ArrayView4<'_, S>,
    spec: ConvSpec,
    (k_h, k_w): (usize, usize),
) -> Result<Array4<S>> {
    let (_, c_in, h, w) = x.dim();
    let c_out = g.len_of(Axis(1));
    crate::error::divide(spec.groups(), c_in, "input")?;
    let shape = KernelShape::new([c_out, c_in / spec.groups(), k_h, k_w], spec)?;
    check(g.shape(), &shape, x.dim().into())?;
    let (n, _, h_out, w_out) = g.dim();
    let x: Vec<S> = x.permuted_axes([0, 2, 3, 1]).iter().cloned().collect();
    let g = g.as_standard_layout();
    let g = g.as_slice().unwrap_or_default();
    let mut dw = Array4::from_elem(shape.dimensions(), S::zero());
    for (o, mut dw) in dw.outer_iter_mut().enumerate() {
        let first = o / shape.c_out_group() * shape.c_in_group;
        for (u, v) in ndarray::indices((k_h, k_w)) {
            let mut sums = vec![S::empty(); shape.c_in_group];
            for (n, i) in ndarray::indices((n, h_out)) {
                let Some(a) = spec.height().source(i, u, h) else { continue };
                let row = &g[((n * c_out + o) * h_out + i) * w_out..][..w_out];
                for (j, g) in row.iter().enumerate() {
                    let Some(b) = spec.width().source(j, v, w) else { continue };
                    let x = &x[((n * h + a) * w + b) * c_in + first..][..shape.c_in_group];
                    accumulate(&mut sums, g, x);
                }
            }
            let sums = sums.into_iter().map(S::total);
            dw.slice_mut(s![.., u, v]).iter_mut().zip(sums).for_each(|(dw, sum)| *dw = sum);
        }
    }
    Ok(dw)
}

/// The gradient with respect to the bias, C_out numbers. `g` is the gradient with respect to the output.
pub fn bias_gradient<S: Additive>(g: ArrayView4<'_, S>) -> Array1<S> {
    g.axis_iter(Axis(1)).map(|plane| plane.iter().fold(S::zero(), |sum, g| sum.add(g))).collect()
}

/// Checks that the gradient with respect to the output has the output's shape.
fn check(g: &[usize], shape: &KernelShape, input: [usize; 4]) -> Result<()> {
    let output = shape.output(input)?;
    if g == output {
        return Ok(());
    }
    let expected = format!("{output:?}, that of the output");
    Err(Error::Shape {
        what: "gradient with respect to the output of a convolution",
        expected,
        found: g.to_vec(),
    })
}
