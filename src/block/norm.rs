//! Batch norm in inference mode, and the affine function to which it folds.

use std::ops::Range;

use ndarray::{Array1, ArrayViewMut3};

use super::functions::{Activation, Layer};
use super::spec::{BlockSpec, Shortcut};
use crate::conv::{Affine, ChannelWise, Elementwise};
use crate::error::{Error, Result, as_many};
use crate::scalar::{Ordered, Real, Scalar};

/// Batch norm of one layer: for channel c,
/// `y = gamma_c (z - mean_c) / sqrt(variance_c + epsilon) + beta_c`
/// (Ioffe and Szegedy 2015, algorithm 2). In a PyTorch state dict, gamma, beta, mean and variance
/// are named weight, bias, running_mean and running_var.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchNorm<S> {
    gamma: Array1<S>,
    pub(crate) beta: Array1<S>,
    pub(crate) mean: Array1<S>,
    variance: Array1<S>,
    pub(crate) epsilon: S,
}

impl<S: Real> BatchNorm<S> {
    /// All four arrays must have one element for each channel.
    ///
    /// Errors: [`Error::Count`] for lengths that differ, [`Error::NotFinite`] for NaN and infinities,
    /// [`Error::Variance`] if a variance is negative or variance + epsilon is not above 0.
    pub fn new(
        gamma: Array1<S>,
        beta: Array1<S>,
        mean: Array1<S>,
        variance: Array1<S>,
        epsilon: S,
    ) -> Result<Self> {
        let expected = gamma.len();
        let norm = Self { gamma, beta, mean, variance, epsilon };
        let names =
            ["batch norm gamma", "batch norm beta", "batch norm mean", "batch norm variance"];
        for (what, array) in names.into_iter().zip(norm.arrays()) {
            as_many(what, array.len(), expected)?;
            let wild = array.iter().position(|value| !value.to_f64().is_finite());
            if let Some(channel) = wild {
                let value = array[channel].to_f64();
                return Err(Error::NotFinite { what, index: vec![channel], value });
            }
        }
        let (zero, epsilon) = (S::zero(), &norm.epsilon);
        for (channel, value) in norm.variance.iter().enumerate() {
            // Written so that a NaN epsilon fails too.
            let sum_is_positive = value.add(epsilon) > zero;
            if *value < zero || !sum_is_positive || !epsilon.to_f64().is_finite() {
                let (variance, epsilon) = (value.to_f64(), epsilon.to_f64());
                return Err(Error::Variance { channel, variance, epsilon });
            }
        }
        Ok(norm)
    }

    /// Builds a batch norm from four numbers for each channel: gamma, beta, mean, variance.
    ///
    /// Errors: those of [`BatchNorm::new`].
    pub fn of_channels(channels: &[[S; 4]], epsilon: S) -> Result<Self> {
        let all = |which: usize| channels.iter().map(|numbers| numbers[which].clone()).collect();
        Self::new(all(0), all(1), all(2), all(3), epsilon)
    }

    /// A batch norm as it is initialised in a new network: gamma 1, beta 0, mean 0, variance 1, epsilon 1e-5.
    pub fn fresh(channels: usize) -> Self {
        let [zeros, ones] = [S::zero(), S::one()].map(|value| Array1::from_elem(channels, value));
        let (gamma, beta, epsilon) = (ones.clone(), zeros.clone(), S::from_f64(1e-5));
        Self { gamma, beta, mean: zeros, variance: ones, epsilon }
    }

    /// Whether the batch norm has the initial values of a new network: gamma 1, beta 0, mean 0, variance 1.
    pub fn is_fresh(&self) -> bool {
        let (zero, one) = (S::zero(), S::one());
        (0..self.channels()).all(|channel| self.channel(channel) == [&one, &zero, &zero, &one])
    }

    /// Whether gamma is 0 in every channel, so that the output does not depend on the input. Some networks
    /// initialise the last batch norm of each block like this.
    pub fn is_silent(&self) -> bool {
        self.gamma.iter().all(|gamma| *gamma == S::zero())
    }

    /// Number of channels.
    pub fn channels(&self) -> usize {
        self.gamma.len()
    }

    /// Gamma, beta, mean and variance of one channel.
    pub fn channel(&self, channel: usize) -> [&S; 4] {
        self.arrays().map(|array| &array[channel])
    }

    /// Gamma, beta, mean, variance.
    pub(crate) fn arrays(&self) -> [&Array1<S>; 4] {
        [&self.gamma, &self.beta, &self.mean, &self.variance]
    }

    /// The number added to the variance.
    pub fn epsilon(&self) -> &S {
        &self.epsilon
    }

    /// The same batch norm in another float type.
    pub fn cast<T: Real>(&self) -> BatchNorm<T> {
        let cast = |value: &S| T::from_f64(value.to_f64());
        let [gamma, beta, mean, variance] = self.arrays().map(|array| array.map(cast));
        BatchNorm { gamma, beta, mean, variance, epsilon: cast(&self.epsilon) }
    }

    /// The affine function that this batch norm computes in inference mode. Its scale is `gamma / sqrt(variance +
    /// epsilon)`, and its shift is `beta - mean * scale`. Each operation is rounded once.
    ///
    /// Errors: [`Error::NotFinite`] if a scale or shift overflows.
    pub fn fold(&self) -> Result<Normalise<S>> {
        let affine = |channel: usize| {
            let [gamma, beta, mean, variance] = self.channel(channel);
            let scale = gamma.div(&variance.add(&self.epsilon).sqrt());
            let shift = beta.sub(&mean.mul(&scale));
            for (what, value) in [("batch norm scale", &scale), ("batch norm shift", &shift)] {
                let value = value.to_f64();
                if !value.is_finite() {
                    return Err(Error::NotFinite { what, index: vec![channel], value });
                }
            }
            Ok(Affine { scale, shift, relu: false })
        };
        Ok(Normalise::new((0..self.channels()).map(affine).collect::<Result<_>>()?))
    }
}

/// An affine function for each channel, optionally followed by a ReLU. Batch norm in inference mode can be folded into
/// such a function.
#[derive(Clone, Debug, PartialEq)]
pub struct Normalise<S> {
    pub(crate) affine: Vec<Affine<S>>,
}

impl<S: Scalar> Normalise<S> {
    /// Takes one affine function for each channel of the layer.
    pub fn new(affine: Vec<Affine<S>>) -> Self {
        Self { affine }
    }

    /// The affine function of each channel.
    pub fn affine(&self) -> &[Affine<S>] {
        &self.affine
    }

    /// The same functions, followed by an activation.
    pub fn then(mut self, activation: Activation) -> Self {
        for affine in &mut self.affine {
            affine.relu = activation == Activation::Relu;
        }
        self
    }
}

impl<S: Ordered> ChannelWise<S> for Normalise<S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let affine = &self.affine[channel];
        plane.mapv_inplace(|z| affine.at(&z));
    }

    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        self.affine.get(channels).map(Elementwise::Affine)
    }
}

/// The batch norms of a block.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockNorms<S> {
    /// bn1, D channels.
    pub reduce: BatchNorm<S>,
    /// bn2, D channels.
    pub transform: BatchNorm<S>,
    /// bn3, C_out channels.
    pub expand: BatchNorm<S>,
    /// downsample.1, C_out channels. It exists only if the shortcut is a projection.
    pub shortcut: Option<BatchNorm<S>>,
}

impl<S: Real> BlockNorms<S> {
    /// Calls `norm` for each layer that has a batch norm. The shortcut has a batch norm only if `projection` is true.
    ///
    /// Errors: those of `norm`.
    pub fn from_fn(
        projection: bool,
        mut norm: impl FnMut(Layer) -> Result<BatchNorm<S>>,
    ) -> Result<Self> {
        Ok(Self {
            reduce: norm(Layer::Reduce)?,
            transform: norm(Layer::Transform)?,
            expand: norm(Layer::Expand)?,
            shortcut: projection.then(|| norm(Layer::Shortcut)).transpose()?,
        })
    }

    /// Checks that each batch norm has the number of channels of its layer.
    ///
    /// Errors: [`Error::Count`].
    pub fn check(&self, spec: &BlockSpec) -> Result<()> {
        let projection = usize::from(spec.shortcut() == Shortcut::Projection);
        for (what, found, expected) in [
            ("channels of the first batch norm", self.reduce.channels(), spec.inner()),
            ("channels of the second batch norm", self.transform.channels(), spec.inner()),
            ("channels of the last batch norm", self.expand.channels(), spec.c_out()),
            ("batch norms of the shortcut", usize::from(self.shortcut.is_some()), projection),
            (
                "channels of the shortcut's batch norm",
                self.shortcut.as_ref().map_or(spec.c_out(), BatchNorm::channels),
                spec.c_out(),
            ),
        ] {
            as_many(what, found, expected)?;
        }
        Ok(())
    }

    /// All batch norms. The batch norm of the shortcut comes last.
    pub(crate) fn all(&self) -> impl Iterator<Item = &BatchNorm<S>> {
        [&self.reduce, &self.transform, &self.expand].into_iter().chain(&self.shortcut)
    }

    /// The same batch norms in another float type.
    pub fn cast<T: Real>(&self) -> BlockNorms<T> {
        BlockNorms {
            reduce: self.reduce.cast(),
            transform: self.transform.cast(),
            expand: self.expand.cast(),
            shortcut: self.shortcut.as_ref().map(BatchNorm::cast),
        }
    }
}
