//! Convolution for `f64`, which the evidence needs for centres, radii and certificates. A plain 1x1 convolution runs as
//! a matrix product, because nearly all the work is there. All other convolutions run on the reference.

use std::borrow::Cow;

use ndarray::{Array4, ArrayView3, ArrayView4};
use triform_kernels::product;

use super::convolver::Convolver;
use super::reference::{Reference, ReferenceKernel};
use super::spec::{ConvSpec, KernelShape};
use crate::error::Result;

/// Convolution for `f64`, on one thread.
#[derive(Clone, Copy, Debug)]
pub struct Double;

/// The kernel of [`Double`].
#[derive(Debug)]
pub struct DoubleKernel {
    shape: KernelShape,
    reference: ReferenceKernel<f64>,
    /// The kernel as a matrix, C_out x C_in, if the convolution is a 1x1 that runs as a matrix product.
    matrix: Option<Vec<f64>>,
}

impl Convolver<f64> for Double {
    type Kernel = DoubleKernel;

    fn prepare(&self, weights: ArrayView4<'_, f64>, spec: ConvSpec) -> Result<DoubleKernel> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let unpadded = spec.alike().is_some_and(|along| along.padding == [0, 0]);
        let pointwise = shape.k_h == 1 && shape.k_w == 1 && unpadded && spec.groups() == 1;
        let matrix = pointwise.then(|| weights.as_standard_layout().iter().copied().collect());
        let reference = Reference::default().prepare(weights, spec)?;
        Ok(DoubleKernel { shape, reference, matrix })
    }

    fn sums(&self, x: ArrayView4<'_, f64>, kernel: &DoubleKernel) -> Result<Array4<f64>> {
        let Some(matrix) = &kernel.matrix else {
            return Reference::default().sums(x, &kernel.reference);
        };
        let output = kernel.shape.output(x.dim().into())?;
        let mut z = Array4::zeros(output);
        let x = x.as_standard_layout();
        for (x, mut z) in x.outer_iter().zip(z.outer_iter_mut()) {
            let x = subsample(x, kernel.shape.spec.width().stride);
            let Some(z) = z.as_slice_mut() else { unreachable!("freshly allocated") };
            let pixels = output[2] * output[3];
            product(matrix, &x, z, output[1], pixels);
        }
        Ok(z)
    }
}

/// Selects the pixels that a pointwise convolution of this stride reads. The input is C x H x W in standard layout. The
/// result is a flat slice of C x (H_out W_out).
fn subsample(x: ArrayView3<'_, f64>, stride: usize) -> Cow<'_, [f64]> {
    match x.to_slice() {
        Some(whole) if stride == 1 => Cow::Borrowed(whole),
        _ => {
            // All steps larger than the map give the same pixels.
            let step = isize::try_from(stride).unwrap_or(isize::MAX);
            Cow::Owned(x.slice(ndarray::s![.., ..;step, ..;step]).iter().copied().collect())
        }
    }
}
