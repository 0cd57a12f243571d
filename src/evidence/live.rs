//! Batch norms under which every channel is alive: it passes some of its values through the
//! ReLU and stops others.
//!
//! A comparison of blocks is blind where nothing passes: with a batch norm drawn at
//! random, a channel may lie below 0 everywhere, and whatever the forms do with it is lost
//! in the ReLU; or above 0 everywhere, and a ReLU left out goes unseen. Drawing again until
//! it fits is slow and hides how often it did not. So a channel's norm is set when its
//! sums are first seen, and its shift such that the ReLU's corner lies at a random
//! one of the channel's own values: values on either side exist, by construction.

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, ArrayViewMut3};
use rand::Rng as _;

use crate::block::{BatchNorm, BlockNorms, Functions};
use crate::conv::{ChannelWise, Identity};
use crate::error::{Error, Result};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Additive, Real};

/// Batch norm of one channel, gamma and the rest as floats that hold them exactly.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChannelNorm {
    /// Factor.
    pub gamma: f64,
    /// Shift.
    pub beta: f64,
    /// Mean.
    pub mean: f64,
    /// Variance.
    pub variance: f64,
}

/// All that is free in the batch norm of a live channel, whatever draws it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Whether gamma is below 0.
    pub negative: bool,
    /// How large gamma is, 0 to 1.
    pub gamma: f64,
    /// How large the variance is, 0 to 1.
    pub variance: f64,
    /// Where the mean is, -1 to 1.
    pub mean: f64,
    /// Where the shift is, -1 to 1, if no ReLU follows.
    pub beta: f64,
    /// At which of the channel's values the ReLU's corner is to be, 0 to 1, if one follows.
    pub quantile: f64,
}

impl Choice {
    /// Draws each part evenly; the quantile from the middle, 0.2 to 0.8.
    pub fn draw(rng: &mut Rng) -> Self {
        Self {
            negative: rng.random(),
            gamma: rng.random(),
            variance: rng.random(),
            mean: rng.random_range(-1.0..1.0),
            beta: rng.random_range(-1.0..1.0),
            quantile: rng.random_range(0.2..0.8),
        }
    }

    fn sign(&self) -> f64 {
        if self.negative { -1.0 } else { 1.0 }
    }
}

/// Numbers for which a live batch norm can be chosen.
pub trait LiveScalar: Additive {
    /// Added to the variance, for these numbers.
    const EPSILON: f64;
    /// The value, exactly.
    fn value(&self) -> f64;
    /// The norm of a channel with these values, in ascending order. `gated`: a ReLU
    /// follows, so the norm is to put its corner among them.
    fn norm(values: &[f64], gated: bool, choice: &Choice) -> ChannelNorm;
    /// The norm applied, and a ReLU if `gated`.
    fn normalise(norm: &ChannelNorm, gated: bool) -> impl Fn(&Self) -> Self;
    /// The ReLU of the block's output, and whatever ends a block for these numbers.
    fn finish(&self) -> Self;
}

/// One of the channel's `values` (ascending) at which a ReLU's corner leaves values that
/// pass: above it if `keep_above`, else below. Near the given quantile; `None` where all the
/// values are one.
pub fn threshold(values: &[f64], quantile: f64, keep_above: bool) -> Option<f64> {
    let (first, last) = (*values.first()?, *values.last()?);
    let corner = values[((values.len() - 1) as f64 * quantile) as usize];
    let end = if keep_above { last } else { first };
    if corner != end {
        return Some(corner);
    }
    // The quantile lies in the run of values that must pass: the nearest one beside it.
    let beside = if keep_above {
        values.iter().rev().find(|&&value| value < end)
    } else {
        values.iter().find(|&&value| value > end)
    };
    beside.copied()
}

/// How the choice for a channel is made: by number of the layer, and channel.
type Choose<'a> = dyn Fn(usize, usize) -> Choice + Send + Sync + 'a;

/// The batch norms of a block, set as its layers are run; run them once.
pub struct LiveNorms<'a, S> {
    layers: [LiveLayer<'a, S>; 4],
}

/// One layer of [`LiveNorms`].
pub struct LiveLayer<'a, S> {
    number: usize,
    gated: bool,
    choose: Arc<Choose<'a>>,
    seen: Mutex<BTreeMap<usize, Seen>>,
    scalar: PhantomData<fn() -> S>,
}

#[derive(Clone, Copy)]
struct Seen {
    norm: ChannelNorm,
    /// Nothing passed.
    dead: bool,
    /// Everything did.
    open: bool,
}

impl<'a, S: LiveScalar> LiveNorms<'a, S> {
    /// Norms by these choices; the layers are numbered reduce 0, transform 1, expand 2,
    /// shortcut 3.
    pub fn new(choose: impl Fn(usize, usize) -> Choice + Send + Sync + 'a) -> Self {
        let choose: Arc<Choose<'a>> = Arc::new(choose);
        let layer = |number, gated| LiveLayer::shared(number, gated, Arc::clone(&choose));
        Self { layers: [layer(0, true), layer(1, true), layer(2, false), layer(3, false)] }
    }

    /// Norms drawn from `seed`, for the block of this purpose and number.
    pub fn seeded(seed: Seed, purpose: Purpose, block: u64) -> Self {
        Self::drawn(seed, purpose, &[block])
    }

    /// Norms drawn from `seed`, for the block of this purpose and path of numbers.
    pub fn drawn(seed: Seed, purpose: Purpose, path: &[u64]) -> Self {
        Self::new(drawn(seed, purpose, path.to_vec()))
    }

    /// The functions, to be handed to a form, once.
    pub fn functions(&self, projection: bool) -> Functions<'_, S> {
        let [reduce, transform, expand, shortcut] = &self.layers;
        Functions {
            reduce,
            transform,
            expand,
            shortcut: if projection { shortcut } else { &Identity },
            output: &Finished,
        }
    }

    /// The norms that were set.
    ///
    /// # Errors
    ///
    /// Those of [`BatchNorm::new`].
    pub fn norms<R: Real>(&self, projection: bool) -> Result<BlockNorms<R>> {
        let [reduce, transform, expand, shortcut] = &self.layers;
        Ok(BlockNorms {
            reduce: reduce.norm()?,
            transform: transform.norm()?,
            expand: expand.norm()?,
            shortcut: if projection { Some(shortcut.norm()?) } else { None },
        })
    }

    /// Hidden channels, of the first two layers, through which nothing passed.
    pub fn dead_channels(&self) -> usize {
        self.count(|seen| seen.dead)
    }

    /// Hidden channels of which everything passed.
    pub fn open_channels(&self) -> usize {
        self.count(|seen| seen.open)
    }

    fn count(&self, what: fn(&Seen) -> bool) -> usize {
        let of = |layer: &LiveLayer<'_, S>| {
            let seen = layer.seen.lock().unwrap_or_else(PoisonError::into_inner);
            seen.values().filter(|seen| what(seen)).count()
        };
        self.layers[..2].iter().map(of).sum()
    }
}

/// Choices drawn from a stream of their own for each layer and channel.
fn drawn(seed: Seed, purpose: Purpose, path: Vec<u64>) -> impl Fn(usize, usize) -> Choice {
    move |layer, channel| {
        let path = [&path[..], &[layer as u64, channel as u64]].concat();
        Choice::draw(&mut seed.stream(purpose, &path))
    }
}

impl<'a, S: LiveScalar> LiveLayer<'a, S> {
    /// A layer by itself, drawn from `seed`; a ReLU follows if `gated`.
    pub fn seeded(seed: Seed, purpose: Purpose, gated: bool) -> Self {
        Self::shared(0, gated, Arc::new(drawn(seed, purpose, vec![0])))
    }

    fn shared(number: usize, gated: bool, choose: Arc<Choose<'a>>) -> Self {
        Self { number, gated, choose, seen: Mutex::default(), scalar: PhantomData }
    }

    /// The batch norm that was set.
    ///
    /// # Errors
    ///
    /// Those of [`BatchNorm::new`], and [`Error::Zero`] where no channel was seen yet.
    pub fn norm<R: Real>(&self) -> Result<BatchNorm<R>> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.is_empty() {
            return Err(Error::Zero { what: "number of channels seen" });
        }
        let all = |field: fn(&ChannelNorm) -> f64| -> Array1<R> {
            seen.values().map(|seen| R::from_f64(field(&seen.norm))).collect()
        };
        let gamma = all(|norm| norm.gamma);
        let beta = all(|norm| norm.beta);
        let mean = all(|norm| norm.mean);
        let variance = all(|norm| norm.variance);
        BatchNorm::new(gamma, beta, mean, variance, R::from_f64(S::EPSILON))
    }
}

impl<S: LiveScalar> ChannelWise<S> for LiveLayer<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let mut values: Vec<f64> = plane.iter().map(S::value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let norm = S::norm(&values, self.gated, &(self.choose)(self.number, channel));
        let normalise = S::normalise(&norm, self.gated);
        plane.mapv_inplace(|z| normalise(&z));
        // Looked at, not concluded from how the norm was set.
        let dead = self.gated && !plane.iter().any(|y| y.value() > 0.0);
        let open = self.gated && plane.iter().all(|y| y.value() > 0.0);
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(channel, Seen { norm, dead, open });
    }
}

/// The end of a block.
struct Finished;

impl<S: LiveScalar> ChannelWise<S> for Finished {
    fn apply(&self, _channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        plane.mapv_inplace(|y| y.finish());
    }
}

/// Statistics near the channel's own, as training would leave them, and then some.
impl LiveScalar for f32 {
    const EPSILON: f64 = 1e-5;

    fn value(&self) -> f64 {
        f64::from(*self)
    }

    fn norm(values: &[f64], gated: bool, choice: &Choice) -> ChannelNorm {
        let n = values.len().max(1) as f64;
        let centre = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|z| (z - centre).powi(2)).sum::<f64>() / n;
        // A channel of one value has no spread to go by, and would be blown up without one.
        let spread = if spread > 0.0 { spread } else { 1.0 };
        let mean = centre + 0.5 * spread.sqrt() * choice.mean;
        let variance = spread * (0.5 + 1.5 * choice.variance);
        let gamma = choice.sign() * (0.5 + choice.gamma);
        let mut beta = 0.5 * choice.beta;
        if gated {
            let scale = gamma / (variance + <Self as LiveScalar>::EPSILON).sqrt();
            // Where the channel has one value only, let it pass.
            beta = match threshold(values, choice.quantile, gamma > 0.0) {
                Some(corner) => -scale * (corner - mean),
                None => 1.0 - scale * (centre - mean),
            };
        }
        // As `f32`s, for that is what the block will have.
        let [gamma, beta, mean, variance] =
            [gamma, beta, mean, variance].map(|value| f64::from(value as f32));
        ChannelNorm { gamma, beta, mean, variance }
    }

    fn normalise(norm: &ChannelNorm, gated: bool) -> impl Fn(&Self) -> Self {
        let scale = norm.gamma as f32
            / (norm.variance as f32 + <Self as LiveScalar>::EPSILON as f32).sqrt();
        let shift = norm.beta as f32 - norm.mean as f32 * scale;
        let affine = crate::conv::Affine { scale, shift, relu: gated };
        move |z| affine.at(z)
    }

    fn finish(&self) -> Self {
        crate::scalar::Ordered::relu(self)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::{Choice, LiveNorms, threshold};

    /// Dead is what was looked at: a channel of NaN passes nothing that counts.
    #[test]
    fn dead_channels_are_counted() {
        let choice = Choice {
            negative: true,
            gamma: 0.5,
            variance: 0.5,
            mean: 0.5,
            beta: 0.5,
            quantile: 0.5,
        };
        let live = LiveNorms::<f32>::new(|_, _| choice);
        let functions = live.functions(false);
        let mut alive = Array3::from_shape_fn((1, 2, 3), |(_, i, j)| (3 * i + j) as f32);
        functions.reduce.apply(0, alive.view_mut());
        assert!(alive.iter().any(|y| *y > 0.0) && alive.iter().any(|y| *y == 0.0), "{alive}");
        let mut constant = Array3::from_elem((1, 2, 3), -4.0f32);
        functions.reduce.apply(1, constant.view_mut());
        assert!(constant.iter().all(|y| *y > 0.0), "let pass: {constant}");
        assert_eq!((live.dead_channels(), live.open_channels()), (0, 1));
        functions.reduce.apply(2, Array3::from_elem((1, 2, 3), f32::NAN).view_mut());
        functions.transform.apply(0, Array3::from_elem((1, 2, 3), f32::NAN).view_mut());
        assert_eq!(live.dead_channels(), 2);
    }

    #[test]
    fn a_threshold_has_values_that_pass() {
        let values = [-3.0, -1.0, -1.0, 0.0, 2.0, 2.0];
        for step in 0..=20 {
            let quantile = f64::from(step) / 20.0;
            for keep_above in [true, false] {
                let corner = threshold(&values, quantile, keep_above).unwrap();
                assert!(values.contains(&corner));
                let passes =
                    |value: &f64| if keep_above { *value > corner } else { *value < corner };
                assert!(values.iter().any(passes), "{corner}, {keep_above}");
            }
        }
        assert_eq!(threshold(&[4.0, 4.0], 0.5, true), None);
        assert_eq!(threshold(&[4.0, 4.0], 0.5, false), None);
        assert_eq!(threshold(&[], 0.5, true), None);
    }
}
