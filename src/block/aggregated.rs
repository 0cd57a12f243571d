//! Form (a), aggregated transformations, sums C paths. It is Figure 3(a) and equation 2 of the paper, `F(x) = T_1(x) +
//! ... + T_C(x)`.
//!
//! Every path reads *all* C_in channels and reduces them to d channels. It transforms these d channels alone and
//! expands them to C_out channels. Then the C results are summed.
//!
//! **The last batch norm** comes after the sum and before the shortcut, as the paper's footnote on form (a) says. If
//! each path had this batch norm, its shift would be added C times. In training mode, its statistics would be those of
//! a single path.
//!
//! **Why it equals (b).** In form (b), an output of the last 1x1 is a sum over D = C d channels. Form (a) sums the same
//! products path by path, d at a time, and then adds the C partial sums. The paper's footnote writes this as `A1 B1 +
//! A2 B2 = [A1 A2][B1; B2]`. There, `A_i` are the weights of path `i` in the last layer, and `B_i` is the input that
//! path `i` gives to this layer. The equation needs only that addition is associative and that adding zero changes
//! nothing. The product may be any operation. Float addition is not associative, so over floats the two forms may
//! differ, but only by rounding.

use ndarray::{Array4, ArrayView4};

use super::form::{Branch, With};
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// The kernels that form (a) reads: three for each path.
pub struct Aggregated<K> {
    reduce: Vec<K>,
    transform: Vec<K>,
    expand: Vec<K>,
}

impl<K> Aggregated<K> {
    /// Prepares three kernels for each path. They are views of the block's weights: the path's d output channels in the
    /// first two layers, and its d input channels in the last layer.
    ///
    /// Errors: those of [`Convolver::prepare`].
    pub fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Self> {
        let spec = weights.spec();
        let (mut reduce, mut transform, mut expand) = (Vec::new(), Vec::new(), Vec::new());
        for path in weights.paths() {
            reduce.push(convolver.prepare(path.reduce, spec.reduce())?);
            transform.push(convolver.prepare(path.transform, spec.transform(1))?);
            expand.push(convolver.prepare(path.expand, spec.expand())?);
        }
        Ok(Self { reduce, transform, expand })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Aggregated<V::Kernel> {
    /// Maps N x C_in x H x W to N x C_out x H_out x W_out.
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>> {
        let With { functions, shortcut, convolver } = *with;
        // Every path reads all of x: C tensors of d channels.
        let reduced = convolver.split(x, &self.reduce, functions.reduce)?;
        // Path i reads its own d channels: C tensors of d channels.
        let transformed = convolver.each(&reduced, &self.transform, functions.transform)?;
        // The sum over the paths, then batch norm, shortcut and ReLU: C_out channels.
        convolver.merge(&transformed, &self.expand, &functions.after_sum(shortcut))
    }
}
