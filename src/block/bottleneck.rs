//! The whole block: a form, and the shortcut around it.

use ndarray::{Array4, ArrayView4};

use super::branch::{BlockForm, Branch};
use super::functions::Functions;
use super::spec::Shortcut;
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// A block in one of its forms: y = output(F(x) + shortcut(x)), equation 3 of the
/// paper, with F the branch and its last batch norm.
pub struct Bottleneck<S: Additive, V: Convolver<S>> {
    branch: Box<dyn Branch<S, V>>,
    projection: Option<V::Kernel>,
    shortcut: Shortcut,
}

impl<S: Additive, V: Convolver<S> + 'static> Bottleneck<S, V> {
    /// Prepares the kernels that `form` reads.
    ///
    /// # Errors
    ///
    /// Those of [`Convolver::prepare`].
    pub fn prepare(
        form: &impl BlockForm,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Self> {
        let spec = weights.spec();
        let projection =
            weights.shortcut().map(|kernel| convolver.prepare(kernel, spec.projection()));
        Ok(Self {
            branch: form.prepare(weights, convolver)?,
            projection: projection.transpose()?,
            shortcut: spec.shortcut(),
        })
    }

    /// N x C_in x H x W to N x C_out x H_out x W_out. N = 0 gives an empty output.
    ///
    /// # Errors
    ///
    /// An input with other channels than the block reads, or an empty map.
    pub fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let projected = match &self.projection {
            Some(kernel) => Some(convolver.conv(x, kernel, &functions.after_shortcut())?),
            None => None,
        };
        let shortcut = match self.shortcut {
            Shortcut::None => None,
            Shortcut::Identity => Some(x),
            Shortcut::Projection => projected.as_ref().map(|x| x.view()),
        };
        self.branch.forward(x, functions, shortcut, convolver)
    }
}
