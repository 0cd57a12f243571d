//! Blocks in which every channel is alive: the ReLU passes some of its values and stops others.
//!
//! A comparison of blocks sees nothing of a channel that is 0 after the ReLU. With a batch norm drawn at random, a
//! channel may be below 0 everywhere. Then the ReLU hides whatever the forms do with the channel. Or a channel may be
//! above 0 everywhere. Then a missing ReLU goes unseen. Drawing again until no such channel is left would be slow, and
//! would hide how often a draw fails. So the norm of a channel is set when the channel's sums are first seen. The shift
//! puts the ReLU's corner at one of the channel's own values, chosen at random. So by construction some values pass and
//! some do not.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ndarray::{Array4, ArrayView4, ArrayViewMut3};
use rand::Rng as _;

use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockWeights, Bottleneck, Form, Functions, Layer,
    NormFunctions, Normalise, Shortcut,
};
use crate::conv::{Affine, ChannelWise, Convolver, Identity, Reference};
use crate::error::{Error, Result};
use crate::evidence::{Between, Case, Problem, Shape, float};
use crate::network::init;
use crate::random::{Purpose, Rng, Seed, normal};
use crate::scalar::{Ordered, Real, Scalar};

/// The batch norm of one channel: gamma, beta, mean, variance and epsilon.
pub(crate) type ChannelNorm = [f64; 5];

/// The free parameters of a live channel's batch norm.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Choice {
    /// Whether gamma is below 0.
    pub negative: bool,
    /// How large gamma is, on a scale from 0 to 1.
    pub gamma: f64,
    /// How large the variance is, on a scale from 0 to 1.
    pub variance: f64,
    /// Where the mean is, on a scale from -1 to 1.
    pub mean: f64,
    /// Where the shift is, on a scale from -1 to 1. Used only if no ReLU follows.
    pub beta: f64,
    /// The quantile of the channel's values at which the ReLU's corner lies, from 0 to 1. Used only if a ReLU follows.
    pub quantile: f64,
}

impl Choice {
    /// Draws each parameter uniformly. The quantile is between 0.2 and 0.8.
    fn draw(rng: &mut Rng) -> Self {
        Self {
            negative: rng.random(),
            gamma: rng.random(),
            variance: rng.random(),
            mean: rng.random_range(-1.0..1.0),
            beta: rng.random_range(-1.0..1.0),
            quantile: rng.random_range(0.2..0.8),
        }
    }

    pub(crate) fn sign(&self) -> f64 {
        if self.negative { -1.0 } else { 1.0 }
    }
}

/// Numbers for which a live batch norm can be chosen.
pub(crate) trait LiveScalar: Ordered {
    fn value(&self) -> f64;
    /// Chooses the norm of a channel with these values, given in ascending order. If `gated`, a ReLU follows. Then the
    /// norm makes some values positive and some negative.
    fn norm(values: &[f64], gated: bool, choice: &Choice) -> ChannelNorm;
    /// Applies the norm, and then a ReLU if `gated`.
    fn normalise(norm: &ChannelNorm, gated: bool) -> impl Fn(&Self) -> Self;
}

/// Chooses the ReLU's corner among the channel's `values`, which are in ascending order. The corner is near the given
/// quantile, and some values pass. If `keep_above`, the values above the corner pass, otherwise the values below it.
/// `None` if all values are equal.
pub(crate) fn threshold(values: &[f64], quantile: f64, keep_above: bool) -> Option<f64> {
    let (first, last) = (*values.first()?, *values.last()?);
    let corner = values[((values.len() - 1) as f64 * quantile) as usize];
    let end = if keep_above { last } else { first };
    if corner != end {
        return Some(corner);
    }
    // No value lies beyond this corner, so take the nearest different value.
    let beside = if keep_above {
        values.iter().rev().find(|&&value| value < end)
    } else {
        values.iter().find(|&&value| value > end)
    };
    beside.copied()
}

/// Gives the choice for a channel. The arguments are the numbers of the layer and the channel.
type Choose<'a> = dyn Fn(usize, usize) -> Choice + Send + Sync + 'a;

/// The batch norms of a block. Each is set when its layer runs, so run the block only once. The layers
/// are numbered: reduce 0, transform 1, expand 2, shortcut 3.
pub struct LiveNorms<'a>([LiveLayer<'a>; 4]);

pub(crate) struct LiveLayer<'a> {
    number: usize,
    gated: bool,
    choose: Arc<Choose<'a>>,
    seen: Mutex<BTreeMap<usize, Seen>>,
}

#[derive(Clone, Copy)]
struct Seen {
    norm: ChannelNorm,
    /// No value passed.
    dead: bool,
    /// All values passed.
    open: bool,
}

impl<'a> LiveNorms<'a> {
    pub(crate) fn new(choose: impl Fn(usize, usize) -> Choice + Send + Sync + 'a) -> Self {
        let choose: Arc<Choose<'a>> = Arc::new(choose);
        let layer = |number| LiveLayer {
            number,
            gated: number < 2,
            choose: Arc::clone(&choose),
            seen: Mutex::default(),
        };
        Self([0, 1, 2, 3].map(layer))
    }

    /// Norms drawn from `seed`, in the stream of this purpose and path.
    pub(crate) fn drawn(seed: Seed, purpose: Purpose, path: &[u64]) -> Self {
        Self::new(drawn(seed, purpose, path))
    }

    /// The functions to pass to a form. Run them only once.
    pub(crate) fn functions<S: LiveScalar>(&self, projection: bool) -> Functions<'_, S> {
        let [reduce, transform, expand, shortcut] = &self.0;
        let shortcut: &dyn ChannelWise<S> = if projection { shortcut } else { &Identity };
        Functions { reduce, transform, expand, shortcut, output: &Activation::Relu }
    }

    pub(crate) fn norms<R: Real>(&self, projection: bool) -> Result<BlockNorms<R>> {
        BlockNorms::from_fn(projection, |layer| self.0[layer as usize].norm())
    }

    /// How many hidden channels are dead (nothing passed), and how many are open (everything passed). The hidden
    /// channels are those of the first two layers.
    pub(crate) fn dead_and_open(&self) -> [usize; 2] {
        let count = |what: fn(&Seen) -> bool| {
            let of =
                |layer: &LiveLayer<'_>| layer.seen().values().filter(|seen| what(seen)).count();
            self.0[..2].iter().map(of).sum()
        };
        [count(|seen| seen.dead), count(|seen| seen.open)]
    }
}

/// Draws the choice for each layer and channel from a separate stream.
fn drawn(
    seed: Seed,
    purpose: Purpose,
    path: &[u64],
) -> impl Fn(usize, usize) -> Choice + Send + Sync + use<> {
    let path = path.to_vec();
    move |layer, channel| {
        let path = [&path[..], &[layer as u64, channel as u64]].concat();
        Choice::draw(&mut seed.stream(purpose, &path))
    }
}

impl LiveLayer<'_> {
    /// A single layer, drawn from `seed`; a ReLU follows.
    pub(crate) fn seeded(seed: Seed, purpose: Purpose) -> Self {
        let choose = Arc::new(drawn(seed, purpose, &[0]));
        Self { number: 0, gated: true, choose, seen: Mutex::default() }
    }

    fn seen(&self) -> MutexGuard<'_, BTreeMap<usize, Seen>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The batch norm that was set.
    fn norm<R: Real>(&self) -> Result<BatchNorm<R>> {
        let seen = self.seen();
        let norms = seen.values().map(|seen| seen.norm.map(R::from_f64));
        let epsilon = norms.clone().next().map(|[.., epsilon]| epsilon);
        let epsilon = epsilon.ok_or(Error::Zero { what: "number of channels seen" })?;
        let channels: Vec<_> = norms.map(|[g, b, m, v, _]| [g, b, m, v]).collect();
        BatchNorm::of_channels(&channels, epsilon)
    }
}

impl<S: LiveScalar> ChannelWise<S> for LiveLayer<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let mut values: Vec<f64> = plane.iter().map(S::value).collect();
        values.sort_unstable_by(f64::total_cmp);
        let norm = S::norm(&values, self.gated, &(self.choose)(self.number, channel));
        let normalise = S::normalise(&norm, self.gated);
        plane.mapv_inplace(|z| normalise(&z));
        // Counted from the values, not inferred from how the norm was set.
        let dead = self.gated && !plane.iter().any(|y| y.value() > 0.0);
        let open = self.gated && plane.iter().all(|y| y.value() > 0.0);
        self.seen().insert(channel, Seen { norm, dead, open });
    }
}

/// The norm's mean and variance are near the channel's own, but less near than after training.
impl LiveScalar for f32 {
    fn value(&self) -> f64 {
        f64::from(*self)
    }

    fn norm(values: &[f64], gated: bool, choice: &Choice) -> ChannelNorm {
        let epsilon = 1e-5;
        let n = values.len().max(1) as f64;
        let centre = values.iter().sum::<f64>() / n;
        let spread = values.iter().map(|z| (z - centre).powi(2)).sum::<f64>() / n;
        // If all values are equal, the spread is 0, and dividing by it would blow the channel up.
        let spread = if spread > 0.0 { spread } else { 1.0 };
        let mean = centre + 0.5 * spread.sqrt() * choice.mean;
        let variance = spread * (0.5 + 1.5 * choice.variance);
        let gamma = choice.sign() * (0.5 + choice.gamma);
        let mut beta = 0.5 * choice.beta;
        if gated {
            let scale = gamma / (variance + epsilon).sqrt();
            // If all values are equal, let them pass.
            beta = match threshold(values, choice.quantile, gamma > 0.0) {
                Some(corner) => -scale * (corner - mean),
                None => 1.0 - scale * (centre - mean),
            };
        }
        // Rounded to `f32`, because the block holds `f32`.
        let [gamma, beta, mean, variance] =
            [gamma, beta, mean, variance].map(|value| f64::from(value as f32));
        [gamma, beta, mean, variance, epsilon]
    }

    fn normalise(norm: &ChannelNorm, gated: bool) -> impl Fn(&Self) -> Self {
        let [gamma, beta, mean, variance, epsilon] = norm.map(|value| value as f32);
        let scale = gamma / (variance + epsilon).sqrt();
        let shift = beta - mean * scale;
        let affine = Affine { scale, shift, relu: gated };
        move |z| affine.at(z)
    }
}

/// A block in `f32` with its batch norms and an input.
#[derive(Clone, Debug)]
pub struct RealProblem {
    /// The kernels.
    pub weights: BlockWeights<f32>,
    /// The batch norms, in inference mode.
    pub norms: BlockNorms<f32>,
    /// N x C_in x H x W.
    pub x: Array4<f32>,
    /// How many hidden channels are dead: nothing passes.
    pub dead: usize,
    /// How many hidden channels are open: everything passes.
    pub open: usize,
}

impl RealProblem {
    /// The `f32` version of a case of the generator.
    pub fn of(case: &Case) -> Result<Self> {
        // Divided, so that the floats are not integers and sums round. The norms are set with the
        // reference convolution, so that they are the same on every machine.
        let weights = case.weights.map(|w| float::<f32>(w) / 7.0);
        let x = case.layout.lay(&case.x.map(|x| float::<f32>(x) / 3.0));
        Ok(Self::set(weights, x, &case.live(), &Reference::default())?.0)
    }

    /// The `f32` version of a case of the generator; `None` if a hidden channel is dead or open.
    pub fn alive(case: &Case) -> Result<Option<Self>> {
        Ok(Some(Self::of(case)?).filter(|real| real.dead + real.open == 0))
    }

    /// He-initialised kernels and a standard normal input; `path` numbers the draw.
    pub fn draw(shape: &Shape, seed: Seed, path: &[u64]) -> Result<Self> {
        let weights = init::block(shape.spec, &mut seed.stream(Purpose::Weights, path))?;
        let (h, w) = shape.map;
        let size = (shape.n, shape.spec.c_in(), h, w);
        let x = normal(size, &mut seed.stream(Purpose::Input, path));
        let live = LiveNorms::drawn(seed, Purpose::Norms, path);
        Ok(Self::set(weights, shape.layout.lay(&x), &live, &Reference::default())?.0)
    }

    /// Runs form (c), which sets the batch norms. Also returns form (c)'s output.
    pub(super) fn set<V: Convolver<f32> + 'static>(
        weights: BlockWeights<f32>,
        x: Array4<f32>,
        live: &LiveNorms<'_>,
        convolver: &V,
    ) -> Result<(Self, Array4<f32>)> {
        let projection = weights.spec().shortcut() == Shortcut::Projection;
        let block = Bottleneck::prepare(&Form::Grouped, &weights, convolver)?;
        let output = block.forward(x.view(), &live.functions(projection), convolver)?;
        let (norms, [dead, open]) = (live.norms(projection)?, live.dead_and_open());
        Ok((Self { weights, norms, x, dead, open }, output))
    }

    /// The problem that the forms are run on.
    pub fn problem(&self) -> Problem<'_, f32> {
        self.with(&[]).problem()
    }

    /// The same data together with each form's output.
    pub fn with<'a>(&'a self, outputs: &'a [Array4<f32>]) -> OnReal<'a> {
        OnReal { weights: &self.weights, norms: &self.norms, x: self.x.view(), outputs }
    }
}

/// A block in `f32` with batch norm in inference mode, an input, and each form's output.
pub struct OnReal<'a> {
    /// The kernels.
    pub weights: &'a BlockWeights<f32>,
    /// The batch norms.
    pub norms: &'a BlockNorms<f32>,
    /// N x C_in x H x W.
    pub x: ArrayView4<'a, f32>,
    /// The outputs, in the order of the forms.
    pub outputs: &'a [Array4<f32>],
}

impl<'a> OnReal<'a> {
    /// The problem that the forms are run on.
    pub fn problem(&self) -> Problem<'a, f32> {
        let between = Between::norms(self.norms, Activation::Relu);
        Problem { weights: self.weights, x: self.x, between }
    }
}

/// Applies `change` to the numbers of each channel (gamma, beta, mean, variance).
pub(crate) fn change_norms<S: Real>(
    norms: &BlockNorms<S>,
    mut change: impl FnMut(Layer, [S; 4]) -> [S; 4],
) -> Result<BlockNorms<S>> {
    let mut changed = |layer, norm: &BatchNorm<S>| {
        let numbers = (0..norm.channels()).map(|channel| norm.channel(channel).map(S::clone));
        let numbers: Vec<[S; 4]> = numbers.map(|numbers| change(layer, numbers)).collect();
        BatchNorm::of_channels(&numbers, norm.epsilon().clone())
    };
    Ok(BlockNorms {
        reduce: changed(Layer::Reduce, &norms.reduce)?,
        transform: changed(Layer::Transform, &norms.transform)?,
        expand: changed(Layer::Expand, &norms.expand)?,
        shortcut: norms.shortcut.as_ref().map(|norm| changed(Layer::Shortcut, norm)).transpose()?,
    })
}

/// The same functions over another number type.
pub(crate) fn map_functions<S: Scalar, T: Scalar>(
    functions: &NormFunctions<S>,
    mut to: impl FnMut(&S) -> T,
) -> NormFunctions<T> {
    functions.map(|norm| {
        let affine = norm.affine().iter().map(|affine| Affine {
            scale: to(&affine.scale),
            shift: to(&affine.shift),
            relu: affine.relu,
        });
        Normalise::new(affine.collect())
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::{Choice, LiveNorms, threshold};

    /// Dead channels are counted from the values seen, so a channel of NaN counts as dead.
    #[test]
    fn dead_channels_are_counted() {
        let [gamma, variance, mean, beta, quantile] = [0.5; 5];
        let choice = Choice { negative: true, gamma, variance, mean, beta, quantile };
        let live = LiveNorms::new(|_, _| choice);
        let functions = live.functions::<f32>(false);
        let mut alive = Array3::from_shape_fn((1, 2, 3), |(_, i, j)| (3 * i + j) as f32);
        functions.reduce.apply(0, alive.view_mut());
        assert!(alive.iter().any(|y| *y > 0.0) && alive.iter().any(|y| *y == 0.0), "{alive}");
        let mut constant = Array3::from_elem((1, 2, 3), -4.0f32);
        functions.reduce.apply(1, constant.view_mut());
        assert!(constant.iter().all(|y| *y > 0.0), "let pass: {constant}");
        assert_eq!(live.dead_and_open(), [0, 1]);
        functions.reduce.apply(2, Array3::from_elem((1, 2, 3), f32::NAN).view_mut());
        functions.transform.apply(0, Array3::from_elem((1, 2, 3), f32::NAN).view_mut());
        assert_eq!(live.dead_and_open(), [2, 1]);
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
        assert_eq!([true, false].map(|above| threshold(&[4.0, 4.0], 0.5, above)), [None; 2]);
        assert_eq!(threshold(&[], 0.5, true), None);
    }
}
