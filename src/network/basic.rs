//! The block of ResNet-18 and 34, which has depth 2: two 3x3 convolutions and the shortcut. It has no grouped form,
//! because C paths of depth 2 compute the same as one path C times as wide (paper, Figure 4).

use ndarray::{Array4, ArrayView4};

use crate::block::{Bottleneck, Branch, Shortcut, With};
use crate::conv::{ConvSpec, Convolver};
use crate::error::Result;
use crate::scalar::Additive;

/// The kernels of a block of depth 2:
///
/// - `conv1.weight`, D x C_in x 3 x 3, which has the block's stride;
/// - `conv2.weight`, C_out x D x 3 x 3;
/// - `downsample.0.weight`, C_out x C_in x 1 x 1, if the stride or the channels require a projection.
#[derive(Clone, Debug, PartialEq)]
pub struct BasicWeights {
    pub(super) stride: usize,
    /// The two 3x3 kernels, and the projection's kernel if there is a projection.
    pub(super) kernels: Vec<Array4<f32>>,
}

/// The branch, with its kernels prepared. The function `reduce` follows the first 3x3, and `expand` follows the
/// second. `transform` is not used.
struct Basic<K> {
    first: K,
    second: K,
}

impl BasicWeights {
    /// Prepares the kernels of the block. `to` converts each number to the type that the block runs on.
    pub(super) fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        to: impl Fn(&f32) -> S + Copy,
        convolver: &V,
    ) -> Result<Bottleneck<S, V>> {
        let prepare = |number: usize, stride, padding| {
            let spec = ConvSpec::new(stride, padding, 1, 1)?;
            convolver.prepare(self.kernels[number].map(to).view(), spec)
        };
        let (first, second) = (prepare(0, self.stride, 1)?, prepare(1, 1, 1)?);
        let branch = Box::new(Basic { first, second });
        let (projection, shortcut) = match self.kernels.len() {
            2 => (None, Shortcut::Identity),
            _ => (Some(prepare(2, self.stride, 0)?), Shortcut::Projection),
        };
        Ok(Bottleneck { branch, projection, shortcut })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Basic<V::Kernel> {
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        let hidden = convolver.conv(x, &self.first, &functions.after_reduce())?;
        convolver.conv(hidden.view(), &self.second, &functions.after_sum(shortcut))
    }
}
