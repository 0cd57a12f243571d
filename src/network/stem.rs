//! The stem of ResNet and ResNeXt: a 7x7 convolution with stride 2, batch norm, ReLU, and a 3x3 max pool, also with
//! stride 2. It turns an image of 224 x 224 into a map of 56 x 56.

use ndarray::{Array4, ArrayView4};

use super::architecture::Stem;
use crate::conv::{ChannelWise, ConvSpec, Convolver, Epilogue, max_pool};
use crate::error::Result;
use crate::scalar::Ordered;

/// The shape of the stem's kernel, `conv1.weight`.
pub const KERNEL: [usize; 4] = [64, 3, 7, 7];

/// Runs the stem on N x 3 x H x W. The result is N x 64 x H/4 x W/4, rounded up. `function` takes the place of batch
/// norm and ReLU.
///
/// Errors: a kernel that does not fit the image.
pub fn forward<S: Ordered, V: Convolver<S>>(
    x: ArrayView4<'_, S>,
    kernel: ArrayView4<'_, S>,
    function: &dyn ChannelWise<S>,
    convolver: &V,
) -> Result<Array4<S>> {
    let kernel = convolver.prepare(kernel, ConvSpec::of(2, 3, 1))?;
    run(Stem::ImageNet, x, &kernel, function, convolver)
}

/// Runs a stem with a prepared kernel.
pub(super) fn run<S: Ordered, V: Convolver<S>>(
    stem: Stem,
    x: ArrayView4<'_, S>,
    kernel: &V::Kernel,
    function: &dyn ChannelWise<S>,
    convolver: &V,
) -> Result<Array4<S>> {
    let features = convolver.conv(x, kernel, &Epilogue::only(function))?;
    match stem {
        Stem::ImageNet => max_pool(features.view(), 3, ConvSpec::of(2, 1, 1)),
        Stem::Cifar | Stem::None { .. } => Ok(features),
    }
}
