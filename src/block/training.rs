//! Batch norm in training mode: the statistics are those of the batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::ArrayViewMut3;

use super::functions::{Activation, LayerFunctions};
use super::norm::{BatchNorm, BlockNorms};
use super::spec::BlockSpec;
use crate::conv::ChannelWise;
use crate::error::{Error, Result};
use crate::scalar::Real;

/// Batch norm in training mode of one layer, and perhaps a ReLU after it. For channel c with n =
/// N H W values z,
///
/// ```text
/// mean = sum of z / n            variance = sum of (z - mean)^2 / n
/// y = gamma_c (z - mean) / sqrt(variance + epsilon) + beta_c
/// ```
///
/// (Ioffe and Szegedy 2015, algorithm 1). The running statistics move towards those of the batch by
/// the momentum m, as in PyTorch: `running = (1 - m) running + m batch`, where the variance is the
/// unbiased one, n / (n - 1) times as large.
///
/// It is a function of one channel's plane, so it cannot distinguish a path from a part of a wide layer.
/// A clone moves the same running statistics.
#[derive(Clone)]
pub struct TrainingNorm<S> {
    pub(crate) norm: BatchNorm<S>,
    momentum: S,
    /// Bessel's: the unbiased variance divides by n less this.
    pub(crate) correction: S,
    pub(crate) activation: Activation,
    running: Arc<Mutex<BTreeMap<usize, Running<S>>>>,
}

/// Running statistics of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Running<S> {
    /// Of the mean.
    pub mean: S,
    /// Of the unbiased variance.
    pub variance: S,
}

impl<S: Real> TrainingNorm<S> {
    /// Starts from the statistics of `norm`; the momentum is how far a batch moves them, 0.1 in
    /// PyTorch.
    pub fn new(norm: BatchNorm<S>, momentum: S, activation: Activation) -> Self {
        Self { norm, momentum, correction: S::one(), activation, running: Arc::default() }
    }

    /// The running statistics of each channel that was seen.
    pub fn running(&self) -> BTreeMap<usize, Running<S>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Real> ChannelWise<S> for TrainingNorm<S> {
    /// # Panics
    ///
    /// For a channel that the batch norm does not have.
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let n = S::from_f64(plane.len() as f64);
        let mean = sum(plane.iter().cloned()).div(&n);
        let square = |z: &S| {
            let difference = z.sub(&mean);
            difference.mul(&difference)
        };
        let squares = sum(plane.iter().map(square));
        let variance = squares.div(&n);

        let [gamma, beta, ..] = self.norm.channel(channel);
        let scale = gamma.div(&variance.add(self.norm.epsilon()).sqrt());
        plane.mapv_inplace(|z| {
            let y = scale.mul(&z.sub(&mean)).add(beta);
            if self.activation == Activation::Relu { y.relu() } else { y }
        });

        let unbiased = squares.div(&n.sub(&self.correction));
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let statistics = running.entry(channel).or_insert_with(|| {
            let [_, _, mean, variance] = self.norm.channel(channel);
            Running { mean: mean.clone(), variance: variance.clone() }
        });
        let rest = S::one().sub(&self.momentum);
        let moved = |old: &S, new: &S| rest.mul(old).add(&self.momentum.mul(new));
        *statistics = Running {
            mean: moved(&statistics.mean, &mean),
            variance: moved(&statistics.variance, &unbiased),
        };
    }
}

fn sum<S: Real>(values: impl Iterator<Item = S>) -> S {
    values.fold(S::zero(), |sum, value| sum.add(&value))
}

/// A block's batch norms in training mode.
pub type TrainingFunctions<S> = LayerFunctions<TrainingNorm<S>>;

impl<S: Real> TrainingFunctions<S> {
    /// For a batch of N images on an H x W map.
    ///
    /// Errors: [`Error::Statistics`] if a channel has fewer than two values, and so no variance;
    /// those of [`BlockNorms::check`]; an error if the map is too small.
    pub fn new(
        norms: &BlockNorms<S>,
        momentum: S,
        activation: Activation,
        spec: &BlockSpec,
        (n, map): (usize, (usize, usize)),
    ) -> Result<Self> {
        norms.check(spec)?;
        let (h, w) = spec.output_map(map)?;
        if n * h * w < 2 {
            return Err(Error::Statistics { values: n * h * w });
        }
        Self::of(norms, activation, |norm, activation| {
            Ok(TrainingNorm::new(norm.clone(), momentum.clone(), activation))
        })
    }

    /// The running statistics, layer by layer: reduce, transform, expand, shortcut.
    pub fn running(&self) -> Vec<BTreeMap<usize, Running<S>>> {
        let layers = [Some(&self.reduce), Some(&self.transform), Some(&self.expand)];
        let layers = layers.into_iter().chain([self.shortcut.as_ref()]);
        layers.flatten().map(TrainingNorm::running).collect()
    }
}
