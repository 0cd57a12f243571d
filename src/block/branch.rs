//! What a form is: a way to compute a block from its weights.

use ndarray::{Array4, ArrayView4};

use super::functions::Functions;
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// The residual branch of a block, its kernels prepared.
pub trait Branch<S: Additive, V: Convolver<S>> {
    /// The branch, then the shortcut, then the output's function:
    /// N x C_in x H x W to N x C_out x H_out x W_out. `shortcut` has the output's shape.
    ///
    /// # Errors
    ///
    /// An input that does not suit the block.
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>>;
}

/// A way to compute a block from its weights. [`Form`](super::Form) has the paper's three;
/// a form that is none of them (a wrong one, say) implements this trait.
///
/// It is generic over the numbers and asks of them an addition, so a form is
/// written once and runs in every arithmetic.
pub trait BlockForm {
    /// One letter, for tables: 'a', 'b', 'c'.
    fn letter(&self) -> char;

    /// What the form does, in a few words.
    fn name(&self) -> &'static str;

    /// Takes the views of the weights that the form reads.
    ///
    /// # Errors
    ///
    /// Those of [`Convolver::prepare`].
    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>>;
}
