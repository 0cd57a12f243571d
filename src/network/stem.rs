//! The stem of ResNet and ResNeXt: 7x7 convolution of stride 2, batch norm, ReLU,
//! 3x3 max pool of stride 2. An image of 224 x 224 becomes a map of 56 x 56.

use ndarray::{Array4, ArrayView4};

use super::architecture::Stem;
use crate::conv::{ChannelWise, ConvSpec, Convolver, Epilogue, max_pool};
use crate::error::Result;
use crate::scalar::Ordered;

/// The stem's convolution: `conv1.weight`, 64 x 3 x 7 x 7.
pub const KERNEL: [usize; 4] = [64, 3, 7, 7];

/// N x 3 x H x W to N x 64 x H/4 x W/4 (rounded up). `function` stands for batch
/// norm and ReLU.
///
/// Errors: a kernel or an image that do not suit each other.
pub fn forward<S: Ordered, V: Convolver<S>>(
    x: ArrayView4<'_, S>,
    kernel: ArrayView4<'_, S>,
    function: &dyn ChannelWise<S>,
    convolver: &V,
) -> Result<Array4<S>> {
    let kernel = convolver.prepare(kernel, ConvSpec::of(2, 3, 1))?;
    run(Stem::ImageNet, x, &kernel, function, convolver)
}

/// A stem whose kernel is prepared.
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

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{KERNEL, forward};
    use crate::conv::{Identity, Reference};

    /// A kernel that is 1 at its centre and 0 elsewhere picks every second pixel; the pool takes
    /// the largest of three by three of those, around every second.
    #[test]
    fn the_stem_is_centred_and_halves_twice() {
        let x = Array4::from_shape_fn((1, 3, 9, 12), |(_, c, i, j)| {
            if c == 1 { ((7 * i + 5 * j) % 23) as f64 } else { 100.0 }
        });
        let mut kernel = Array4::zeros(KERNEL);
        kernel[[2, 1, 3, 3]] = 1.0;
        let y = forward(x.view(), kernel.view(), &Identity, &Reference::default()).unwrap();
        assert_eq!(y.dim(), (1, 64, 3, 3));
        let picked = |i: usize, j: usize| x[[0, 1, 2 * i, 2 * j]];
        for i in 0..3usize {
            for j in 0..3usize {
                let rows = (2 * i).saturating_sub(1)..(2 * i + 2).min(5);
                let around = rows.flat_map(|u| {
                    ((2 * j).saturating_sub(1)..(2 * j + 2).min(6)).map(move |v| (u, v))
                });
                let largest = around.map(|(u, v)| picked(u, v)).fold(0.0, f64::max);
                assert_eq!(y[[0, 2, i, j]], largest, "{i} {j}");
            }
        }
    }
}
