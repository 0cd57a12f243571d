//! The functions between a block's convolutions. The caller passes them in.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut3};

use super::norm::{BatchNorm, BlockNorms, Normalise};
use crate::conv::{ChannelWise, Elementwise, Epilogue, Identity};
use crate::error::Result;
use crate::scalar::{Additive, Ordered, Real};

/// The places in a block where a channel-wise function is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// After the first 1x1, which maps C_in to D channels.
    Reduce,
    /// After the 3x3, which maps D to D channels.
    Transform,
    /// After the last 1x1 and the sum over the paths, which map D to C_out channels.
    Expand,
    /// After the projection of the shortcut, which maps C_in to C_out channels.
    Shortcut,
    /// After the shortcut is added.
    Output,
}

impl Layer {
    /// All places, in this order.
    pub const ALL: [Self; 5] =
        [Self::Reduce, Self::Transform, Self::Expand, Self::Shortcut, Self::Output];
}

/// The channel-wise function for each place in a block.
#[derive(Clone, Copy)]
pub struct Functions<'a, S> {
    /// The function at [`Layer::Reduce`], for D channels.
    pub reduce: &'a dyn ChannelWise<S>,
    /// The function at [`Layer::Transform`], for D channels.
    pub transform: &'a dyn ChannelWise<S>,
    /// The function at [`Layer::Expand`], for C_out channels.
    pub expand: &'a dyn ChannelWise<S>,
    /// The function at [`Layer::Shortcut`], for C_out channels.
    pub shortcut: &'a dyn ChannelWise<S>,
    /// The function at [`Layer::Output`], for C_out channels.
    pub output: &'a dyn ChannelWise<S>,
}

impl<'a, S> Functions<'a, S> {
    /// Calls `function` for each place, and takes the functions that it returns.
    pub fn of(function: impl Fn(Layer) -> &'a dyn ChannelWise<S>) -> Self {
        let [reduce, transform, expand, shortcut, output] = Layer::ALL.map(function);
        Self { reduce, transform, expand, shortcut, output }
    }
}

impl<'a, S: Additive> Functions<'a, S> {
    /// The identity at each place, so that only the convolutions and the shortcut remain.
    pub fn none() -> Functions<'static, S> {
        Functions::of(|_| &Identity)
    }

    /// The epilogue of the first 1x1.
    pub fn after_reduce(&self) -> Epilogue<'a, S> {
        Epilogue::only(self.reduce)
    }

    /// The epilogue of the 3x3.
    pub fn after_transform(&self) -> Epilogue<'a, S> {
        Epilogue::only(self.transform)
    }

    /// The epilogue after the last 1x1 and the sum over the paths: batch norm, then the shortcut, then the block's last
    /// ReLU. The paper (section 4) puts ReLU right after each batch norm. At the end of the block, however, the
    /// shortcut is added before ReLU. The paper's footnote on form (a) puts the last batch norm after the sum of the
    /// paths and before the shortcut.
    pub fn after_sum<'b>(&self, shortcut: Option<ArrayView4<'b, S>>) -> Epilogue<'b, S>
    where
        'a: 'b,
    {
        Epilogue { function: self.expand, shortcut, output: self.output }
    }
}

/// A block's batch norms, each as a function of type `F`, and the block's activation. They are placed as in the paper.
pub struct LayerFunctions<F> {
    /// After the first 1x1.
    pub reduce: F,
    /// After the 3x3.
    pub transform: F,
    /// After the sum over the paths.
    pub expand: F,
    /// After the projection.
    pub shortcut: Option<F>,
    /// After the shortcut is added.
    pub output: Activation,
}

/// Batch norms in inference mode, each folded into an affine function.
pub type NormFunctions<S> = LayerFunctions<Normalise<S>>;

impl<F> LayerFunctions<F> {
    /// Turns each batch norm into a function. The first two functions include the activation. The third does not,
    /// because the shortcut is added before the activation.
    pub(crate) fn of<'a, S, E>(
        norms: &'a BlockNorms<S>,
        activation: Activation,
        function: impl Fn(&'a BatchNorm<S>, Activation) -> Result<F, E>,
    ) -> Result<Self, E> {
        let shortcut = norms.shortcut.as_ref();
        Ok(Self {
            reduce: function(&norms.reduce, activation)?,
            transform: function(&norms.transform, activation)?,
            expand: function(&norms.expand, Activation::Identity)?,
            shortcut: shortcut.map(|norm| function(norm, Activation::Identity)).transpose()?,
            output: activation,
        })
    }

    /// Converts each function with `to`.
    pub(crate) fn map<G>(&self, mut to: impl FnMut(&F) -> G) -> LayerFunctions<G> {
        LayerFunctions {
            reduce: to(&self.reduce),
            transform: to(&self.transform),
            expand: to(&self.expand),
            shortcut: self.shortcut.as_ref().map(to),
            output: self.output,
        }
    }

    /// The functions of the batch norms. The function for the shortcut comes last.
    pub(crate) fn norms(&self) -> impl Iterator<Item = &F> {
        [&self.reduce, &self.transform, &self.expand].into_iter().chain(&self.shortcut)
    }

    /// The functions that [`BlockForm::forward`](super::BlockForm::forward) takes.
    pub fn functions<S>(&self) -> Functions<'_, S>
    where
        F: ChannelWise<S>,
        Activation: ChannelWise<S>,
    {
        Functions {
            reduce: &self.reduce,
            transform: &self.transform,
            expand: &self.expand,
            shortcut: self.shortcut.as_ref().map_or(&Identity, |norm| norm),
            output: &self.output,
        }
    }
}

impl<S: Real> NormFunctions<S> {
    /// Folds each batch norm into an affine function.
    ///
    /// Errors: those of [`BatchNorm::fold`].
    pub fn new(norms: &BlockNorms<S>, activation: Activation) -> Result<Self> {
        Self::of(norms, activation, |norm, activation| Ok(norm.fold()?.then(activation)))
    }
}

/// The activation of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// No activation.
    Identity,
    /// `max(x, 0)`. NaN stays NaN.
    Relu,
}

impl<S: Ordered> ChannelWise<S> for Activation {
    fn apply(&self, _channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        if *self == Self::Relu {
            plane.mapv_inplace(|z| z.relu());
        }
    }

    fn as_data(&self, _channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        Some(match self {
            Self::Identity => Elementwise::Identity,
            Self::Relu => Elementwise::Relu,
        })
    }
}
