//! Form (b), early concatenation, concatenates C paths and then applies one 1x1. It is Figure 3(b) of the paper.
//!
//! The first two layers run path by path, as in form (a). Then the C results of d channels each are concatenated in the
//! order of the paths, to D = C d channels. One 1x1 over all D channels gives the output.
//!
//! **Why it equals (c).** Channel `j` of path `i` *is* channel `i d + j` of form (c). Both are sums of the same
//! products, followed by the same batch norm and ReLU, which look at one channel at a time. Only the index is written
//! differently. So if both forms add in the same order, they agree to the bit, and this needs no law of arithmetic. A
//! fast convolution may choose an order that depends on the number of channels. Then even (b) and (c) may differ by
//! rounding.

use ndarray::{Array4, ArrayView4};

use super::form::{Branch, With};
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// The kernels that form (b) reads: two for each path, and one for all paths together.
pub struct EarlyConcat<K> {
    reduce: Vec<K>,
    transform: Vec<K>,
    expand: K,
}

impl<K> EarlyConcat<K> {
    /// Prepares two kernels for each path, and one for all paths together. The kernels of a path are views of the
    /// block's weights: the path's d output channels in each of the first two layers. The last kernel is that of the
    /// whole block.
    ///
    /// Errors: those of [`Convolver::prepare`].
    pub fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Self> {
        let spec = weights.spec();
        let (mut reduce, mut transform) = (Vec::new(), Vec::new());
        for path in weights.paths() {
            reduce.push(convolver.prepare(path.reduce, spec.reduce())?);
            transform.push(convolver.prepare(path.transform, spec.transform(1))?);
        }
        let expand = convolver.prepare(weights.expand(), spec.expand())?;
        Ok(Self { reduce, transform, expand })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for EarlyConcat<V::Kernel> {
    /// Maps N x C_in x H x W to N x C_out x H_out x W_out.
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        // Every path reads all of x: C tensors of d channels.
        let reduced = convolver.split(x, &self.reduce, functions.reduce)?;
        // Path i reads its own d channels: C tensors of d channels.
        let transformed = convolver.each(&reduced, &self.transform, functions.transform)?;
        // All paths side by side: D channels.
        let concatenated = convolver.concatenate(&transformed)?;
        // One sum over all D, then batch norm, shortcut and ReLU: C_out channels.
        convolver.conv(concatenated.view(), &self.expand, &functions.after_sum(shortcut))
    }
}
