//! Batch norm in training mode, which uses the statistics of the batch.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, ArrayViewMut3};

use super::functions::{Activation, LayerFunctions};
use super::norm::{BatchNorm, BlockNorms};
use super::spec::BlockSpec;
use crate::conv::ChannelWise;
use crate::error::{Error, Result};
use crate::scalar::{Real, Var};

/// Batch norm of one layer in training mode, optionally followed by a ReLU. A channel `c` has `n = N H W` values `z`.
/// Batch norm computes (Ioffe and Szegedy 2015, algorithm 1):
///
/// ```text
/// mean = sum of z / n            variance = sum of (z - mean)^2 / n
/// y = gamma_c (z - mean) / sqrt(variance + epsilon) + beta_c
/// ```
///
/// A batch with statistics `batch` moves the running statistics by the momentum `m`, as in PyTorch: `running = (1 - m)
/// running + m batch`. The variance in this formula is the unbiased variance of the batch, which is n / (n - 1) times
/// as large.
///
/// This function sees one channel at a time, so it cannot tell whether the channel belongs to a path or to one wide
/// layer. Clones share their running statistics.
#[derive(Clone)]
pub struct TrainingNorm<S> {
    pub(crate) norm: BatchNorm<S>,
    momentum: S,
    /// Bessel's correction. The running variance divides by `n` minus this number.
    pub(crate) correction: S,
    pub(crate) activation: Activation,
    running: Arc<Mutex<BTreeMap<usize, Running<S>>>>,
}

/// Running statistics of a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Running<S> {
    /// The running mean.
    pub mean: S,
    /// The running unbiased variance.
    pub variance: S,
}

impl<S: Real> TrainingNorm<S> {
    /// Starts from the statistics of `norm`. The momentum is the weight of a new batch in the running statistics.
    /// PyTorch's default is 0.1.
    pub fn new(norm: BatchNorm<S>, momentum: S, activation: Activation) -> Self {
        Self { norm, momentum, correction: S::one(), activation, running: Arc::default() }
    }

    /// The running statistics of each channel seen so far.
    pub fn running(&self) -> BTreeMap<usize, Running<S>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl<S: Real> ChannelWise<S> for TrainingNorm<S> {
    /// # Panics
    ///
    /// If the batch norm does not have this channel.
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
    /// The functions for a batch of N images with a map of size H x W.
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
        self.norms().map(TrainingNorm::running).collect()
    }
}

/// Batch norm in training mode over numbers that remember how they were computed. Each channel is one recorded
/// operation. [`TrainingNorm`] also runs on such numbers, but records about nine operations for each value.
///
/// A channel has `n` values `z`, on which mean and variance depend. With `x = (z - mean) / sqrt(variance + epsilon)`,
/// the gradients are
///
/// ```text
/// dbeta = sum of g        dgamma = sum of g x        dz = gamma / sqrt(variance + epsilon) (g - dbeta / n - x dgamma / n)
/// ```
///
/// Here `g` is the gradient with respect to `y`, or 0 where a ReLU stops it (Ioffe and Szegedy 2015, section 3).
pub struct RecordedNorm<S> {
    pub(crate) norm: TrainingNorm<S>,
    pub(crate) gamma: Array1<Var<S>>,
    pub(crate) beta: Array1<Var<S>>,
    /// Whether gradients also flow back to the values through mean and variance. Without this, the gradients are wrong.
    pub(crate) statistics_move: bool,
}

impl<S: Real> RecordedNorm<S> {
    /// Tracks gamma and beta of `norm`. Using the result updates the running statistics of `norm`.
    pub fn tracked(norm: &TrainingNorm<S>) -> Self {
        let [gamma, beta, ..] = norm.norm.arrays().map(Var::tracked);
        Self { norm: norm.clone(), gamma, beta, statistics_move: true }
    }

    /// The current running means and variances. A channel that has not been seen yet has its initial statistics.
    pub fn statistics(&self) -> [Vec<S>; 2] {
        let [.., means, variances] = self.norm.norm.arrays();
        let [mut means, mut variances] = [means, variances].map(|numbers| numbers.to_vec());
        for (channel, Running { mean, variance }) in self.norm.running() {
            (means[channel], variances[channel]) = (mean, variance);
        }
        [means, variances]
    }

    /// Gamma and beta of each channel. Results can be differentiated with respect to them.
    pub fn parameters(&self) -> [&Array1<Var<S>>; 2] {
        [&self.gamma, &self.beta]
    }
}

impl<S: Real> ChannelWise<Var<S>> for RecordedNorm<S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Var<S>>) {
        let mut y = plane.map(|z| z.value().clone());
        self.norm.apply(channel, y.view_mut());
        let stopped: Vec<bool> = match self.norm.activation {
            Activation::Relu => y.iter().map(|y| *y <= S::zero()).collect(),
            Activation::Identity => vec![false; y.len()],
        };
        let (epsilon, n) = (self.norm.norm.epsilon().clone(), plane.len());
        let statistics_move = self.statistics_move;
        let back = move |inputs: &[Var<S>], g: &[S]| {
            let (z, parameters) = inputs.split_at(n);
            let z: Vec<S> = z.iter().map(|z| z.value().clone()).collect();
            let passed = |(g, stopped): (&S, &bool)| if *stopped { S::zero() } else { g.clone() };
            let g: Vec<S> = g.iter().zip(&stopped).map(passed).collect();
            let count = S::from_f64(n as f64);
            let mean = sum(z.iter().cloned()).div(&count);
            let deviations: Vec<S> = z.iter().map(|z| z.sub(&mean)).collect();
            let variance = sum(deviations.iter().map(|d| d.mul(d))).div(&count);
            let root = variance.add(&epsilon).sqrt();
            let x: Vec<S> = deviations.iter().map(|d| d.div(&root)).collect();
            let by_beta = sum(g.iter().cloned());
            let by_gamma = sum(g.iter().zip(&x).map(|(g, x)| g.mul(x)));
            let scale = parameters[0].value().div(&root);
            let (of_mean, of_variance) = match statistics_move {
                true => (by_beta.div(&count), by_gamma.div(&count)),
                false => (S::zero(), S::zero()),
            };
            let by_z = g
                .iter()
                .zip(&x)
                .map(|(g, x)| scale.mul(&g.sub(&of_mean).sub(&x.mul(&of_variance))));
            by_z.chain([by_gamma, by_beta]).collect()
        };
        let parameters = [&self.gamma[channel], &self.beta[channel]];
        let inputs = plane.iter().chain(parameters).cloned().collect();
        let results = Var::computed(y.into_iter().collect(), inputs, back);
        plane.iter_mut().zip(results).for_each(|(z, y)| *z = y);
    }
}
