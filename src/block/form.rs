//! The trait that every form implements, the block around a form, and the paper's three forms.

use ndarray::{Array4, ArrayView4};

use super::aggregated::Aggregated;
use super::early_concat::EarlyConcat;
use super::functions::Functions;
use super::grouped::Grouped;
use super::spec::Shortcut;
use super::weights::BlockWeights;
use crate::conv::{Convolver, Epilogue};
use crate::error::Result;
use crate::scalar::Additive;

/// The residual branch of a block, with prepared kernels.
pub trait Branch<S: Additive, V: Convolver<S>> {
    /// Runs the branch, adds the shortcut, then applies the function of the output. Maps N x C_in x H x W to N x C_out
    /// x H_out x W_out.
    ///
    /// Errors: an input that does not suit the block.
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> Result<Array4<S>>;
}

/// What a branch needs besides its input.
pub struct With<'a, S, V> {
    /// The functions between the convolutions.
    pub functions: &'a Functions<'a, S>,
    /// The shortcut that is added at the end. It has the shape of the output.
    pub shortcut: Option<ArrayView4<'a, S>>,
    /// The convolver that prepared the kernels.
    pub convolver: &'a V,
}

/// A way to compute a block from its weights. [`Form`](super::Form) has the paper's three forms. Any other form, right
/// or wrong, implements this trait too.
///
/// A form is generic over the number type. It calls a convolver for its convolutions, and otherwise needs only
/// addition. So it is written once and runs over every number type.
pub trait BlockForm {
    /// The letter of the form in tables. The paper's forms are 'a', 'b' and 'c'.
    fn letter(&self) -> char {
        'x'
    }

    /// What the form does, in a few words.
    fn name(&self) -> &'static str {
        "a custom form"
    }

    /// Prepares the kernels that the form reads.
    ///
    /// Errors: those of [`Convolver::prepare`].
    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>>;

    /// Runs the whole block once in this form, from N x C_in x H x W to N x C_out x H_out x W_out. To run the block
    /// repeatedly, prepare a [`Bottleneck`].
    ///
    /// Errors: those of [`Bottleneck::prepare`] and [`Bottleneck::forward`].
    fn forward<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        convolver: &V,
    ) -> Result<Array4<S>>
    where
        Self: Sized,
    {
        Bottleneck::prepare(self, weights, convolver)?.forward(x, functions, convolver)
    }
}

/// A block in one of its forms. It computes `y = output(F(x) + shortcut(x))`, equation 3 of the paper, where `F` is the
/// branch with its last batch norm.
pub struct Bottleneck<S: Additive, V: Convolver<S>> {
    pub(crate) branch: Box<dyn Branch<S, V>>,
    pub(crate) projection: Option<V::Kernel>,
    pub(crate) shortcut: Shortcut,
}

impl<S: Additive, V: Convolver<S> + 'static> Bottleneck<S, V> {
    /// Prepares the kernels that `form` reads.
    ///
    /// Errors: those of [`Convolver::prepare`].
    pub fn prepare(
        form: &impl BlockForm,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Self> {
        let spec = weights.spec();
        let project = |kernel| convolver.prepare(kernel, spec.projection());
        let projection = weights.shortcut().map(project).transpose()?;
        let branch = form.prepare(weights, convolver)?;
        Ok(Self { branch, projection, shortcut: spec.shortcut() })
    }

    /// Maps N x C_in x H x W to N x C_out x H_out x W_out. If N is 0, the output is empty.
    ///
    /// Errors: an input with the wrong number of channels, or an empty map.
    pub fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let after = Epilogue::only(functions.shortcut);
        let project = |kernel| convolver.conv(x, kernel, &after);
        let projected = self.projection.as_ref().map(project).transpose()?;
        let shortcut = match self.shortcut {
            Shortcut::None => None,
            Shortcut::Identity => Some(x),
            Shortcut::Projection => projected.as_ref().map(|x| x.view()),
        };
        self.branch.forward(x, &With { functions, shortcut, convolver })
    }
}

/// The three forms of the paper's Figure 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// (a) aggregated transformations.
    Aggregated,
    /// (b) early concatenation.
    EarlyConcat,
    /// (c) grouped convolution.
    Grouped,
}

impl Form {
    /// All three forms, in the paper's order.
    pub const ALL: [Self; 3] = [Self::Aggregated, Self::EarlyConcat, Self::Grouped];
}

impl BlockForm for Form {
    fn letter(&self) -> char {
        ['a', 'b', 'c'][*self as usize]
    }

    fn name(&self) -> &'static str {
        ["aggregated transformations", "early concatenation", "grouped convolution"][*self as usize]
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        Ok(match self {
            Self::Aggregated => Box::new(Aggregated::prepare(weights, convolver)?),
            Self::EarlyConcat => Box::new(EarlyConcat::prepare(weights, convolver)?),
            Self::Grouped => Box::new(Grouped::prepare(weights, convolver)?),
        })
    }
}
