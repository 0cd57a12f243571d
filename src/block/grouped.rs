//! Form (c), grouped convolution, has three convolutions, and the middle one has C groups. It is Figure 3(c) of the
//! paper, and the form that implementations run.
//!
//! The 1x1 convolution from C_in to D = C d channels is the same as C narrow 1x1 convolutions side by side. An output
//! channel of a convolution does not depend on other output channels, so the output channels may be divided anywhere.
//! In the 3x3 with C groups, output channel `i*d + j` reads only the channels `i*d..(i+1)*d`, which belong to the same
//! path. The last 1x1 reads all D channels and sums over them.
//!
//! Each convolution is followed by batch norm and then ReLU. At the end of the block, the shortcut is added after batch
//! norm and before ReLU.

use ndarray::{Array4, ArrayView4};

use super::form::{Branch, With};
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// The three kernels that form (c) reads, which are those of the block.
pub struct Grouped<K> {
    reduce: K,
    transform: K,
    expand: K,
}

impl<K> Grouped<K> {
    /// Prepares the three kernels.
    ///
    /// Errors: those of [`Convolver::prepare`].
    pub fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Self> {
        let spec = weights.spec();
        Ok(Self {
            reduce: convolver.prepare(weights.reduce(), spec.reduce())?,
            transform: convolver
                .prepare(weights.transform(), spec.transform(spec.cardinality()))?,
            expand: convolver.prepare(weights.expand(), spec.expand())?,
        })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Grouped<V::Kernel> {
    /// Maps N x C_in x H x W to N x C_out x H_out x W_out.
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        // All D channels read all of x.
        let reduced = convolver.conv(x, &self.reduce, &functions.after_reduce())?;
        // In C groups: channel i d + j reads the channels of path i.
        let transformed =
            convolver.conv(reduced.view(), &self.transform, &functions.after_transform())?;
        // One sum over all D, then batch norm, shortcut and ReLU: C_out channels.
        convolver.conv(transformed.view(), &self.expand, &functions.after_sum(shortcut))
    }
}
