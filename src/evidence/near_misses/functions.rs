//! Mistakes in what stands between the convolutions: batch norm, activation, and which channel's
//! they are.

use ndarray::{ArrayViewMut3, Axis, Zip};

use super::concrete::on_plane;
use super::met::Met;
use crate::block::{
    Activation, BatchNorm, BlockSpec, Functions, Layer, Normalise, Running, TrainingNorm,
};
use crate::conv::{Affine, ChannelWise};
use crate::scalar::{Additive, Dual, Ordered, Spelled};

/// What is wrong with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Every path has the functions of the first path's channels.
    OwnChannel,
    /// The batch norm's shift is dropped.
    NoShift,
    /// The shift is added once for each path.
    ShiftCTimes,
    /// The activation is left out. Where nothing is known of a function, all of it is: batch norm
    /// may be the identity, and the function the activation.
    NoActivation,
    /// Epsilon is left out of batch norm.
    NoEpsilon,
    /// The running variance moves by the batch's biased variance instead of the unbiased one.
    BiasedVariance,
    /// The ReLU makes 0 of NaN.
    NanToZero,
    /// The derivative of ReLU at 0 is 1.
    DerivativeAtZero,
}

/// The functions of a block, one of them changed.
pub(super) struct Changed<'f, S> {
    given: Functions<'f, S>,
    layer: Layer,
    function: ChangedFunction<'f, S>,
}

struct ChangedFunction<'f, S> {
    given: &'f dyn ChannelWise<S>,
    change: Change,
    spec: BlockSpec,
    met: &'f Met,
}

impl<'f, S> Changed<'f, S> {
    pub(super) fn new(
        given: &Functions<'f, S>,
        (change, layer): (Change, Layer),
        spec: BlockSpec,
        met: &'f Met,
    ) -> Self {
        let at = match layer {
            Layer::Reduce => given.reduce,
            Layer::Transform => given.transform,
            Layer::Expand => given.expand,
            Layer::Shortcut => given.shortcut,
            Layer::Output => given.output,
        };
        let function = ChangedFunction { given: at, change, spec, met };
        Self { given: Functions { ..*given }, layer, function }
    }

    pub(super) fn functions(&self) -> Functions<'_, S>
    where
        S: Additive,
    {
        let mut functions = Functions { ..self.given };
        let changed: &dyn ChannelWise<S> = &self.function;
        match self.layer {
            Layer::Reduce => functions.reduce = changed,
            Layer::Transform => functions.transform = changed,
            Layer::Expand => functions.expand = changed,
            Layer::Shortcut => functions.shortcut = changed,
            Layer::Output => functions.output = changed,
        }
        functions
    }
}

/// The function itself, whoever watches it.
pub(super) fn itself<S>(given: &dyn ChannelWise<S>) -> &dyn ChannelWise<S> {
    given.watched().unwrap_or(given)
}

impl<S: Additive> ChannelWise<S> for ChangedFunction<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let function = itself(self.given);
        let changed = self.change.applies(&self.spec, channel)
            && self.change.apply(function, &self.spec, channel, &mut plane);
        self.met.meet(changed);
        if !changed {
            function.apply(channel, plane.view_mut());
        }
        self.given.see(channel, plane);
    }
}

impl Change {
    /// Whether a block of this shape has anything that could be wrong there.
    fn applies(self, spec: &BlockSpec, channel: usize) -> bool {
        match self {
            Self::OwnChannel => channel >= spec.width(),
            Self::ShiftCTimes => spec.cardinality() > 1,
            _ => true,
        }
    }

    /// Applies the changed function; nothing, and `false`, where there is nothing to change.
    fn apply<S: Additive>(
        self,
        function: &dyn ChannelWise<S>,
        spec: &BlockSpec,
        channel: usize,
        plane: &mut ArrayViewMut3<'_, S>,
    ) -> bool {
        match self {
            Self::OwnChannel => {
                function.apply(channel % spec.width(), plane.view_mut());
                true
            }
            Self::ShiftCTimes => {
                shift_c_times(function, spec.cardinality(), channel, plane);
                true
            }
            Self::NoActivation => {
                without_activation(function, channel, plane);
                true
            }
            Self::NoShift => {
                let without = |affine: &Affine<f32>| Affine { shift: 0.0, ..*affine };
                let dual = |affine: &Affine<Dual<f32>>| Affine { shift: Dual::zero(), ..*affine };
                let spelled = |affine: &Affine<Spelled>| Affine {
                    shift: Spelled::from(0.0),
                    ..affine.clone()
                };
                affine(function, channel, plane, without)
                    || affine(function, channel, plane, dual)
                    || affine(function, channel, plane, spelled)
                    || in_training(function, channel, plane, |norm| {
                        TrainingNorm::new(
                            norm_with(norm.norm(), |beta| 0.0 * beta, 1.0),
                            *norm.momentum(),
                            norm.activation(),
                        )
                    })
            }
            Self::NoEpsilon => {
                without_epsilon(function, channel, plane)
                    || in_training(function, channel, plane, |norm| {
                        TrainingNorm::new(
                            norm_with(norm.norm(), |beta| beta, 0.0),
                            *norm.momentum(),
                            norm.activation(),
                        )
                    })
            }
            Self::BiasedVariance => biased(function, channel, plane),
            Self::NanToZero => {
                if function.as_any().is_none() {
                    return false;
                }
                let mut copy = plane.to_owned();
                without_activation(function, channel, &mut copy.view_mut());
                // Of a number and NaN, `f32::max` is the number.
                let relu = |z: f32| z.max(0.0);
                let dual = |z: Dual<f32>| if z.value > 0.0 { z } else { Dual::zero() };
                let mut copy = copy.view_mut();
                let done =
                    on_plane(&mut copy, |mut z: ArrayViewMut3<'_, f32>| z.mapv_inplace(relu))
                        || on_plane(&mut copy, |mut z: ArrayViewMut3<'_, Dual<f32>>| {
                            z.mapv_inplace(dual);
                        });
                if done {
                    plane.assign(&copy);
                }
                done
            }
            Self::DerivativeAtZero => {
                let without = |affine: &Affine<Dual<f32>>| Affine { relu: false, ..*affine };
                let relu = |z: Dual<f32>| if z.value >= 0.0 { z } else { Dual::zero() };
                affine(function, channel, plane, without)
                    && on_plane(plane, |mut plane: ArrayViewMut3<'_, Dual<f32>>| {
                        plane.mapv_inplace(relu);
                    })
            }
        }
    }
}

/// What comes of a function at 0 is its shift.
fn shift_c_times<S: Additive>(
    function: &dyn ChannelWise<S>,
    paths: usize,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
) {
    let mut shift = ndarray::Array3::from_elem(plane.raw_dim(), S::zero());
    // In training mode its statistics are none of the batch's.
    if !in_training(function, channel, &mut shift.view_mut(), |norm| {
        TrainingNorm::new(norm.norm().clone(), *norm.momentum(), norm.activation())
    }) {
        function.apply(channel, shift.view_mut());
    }
    function.apply(channel, plane.view_mut());
    for _ in 1..paths {
        Zip::from(&mut *plane).and(&shift).for_each(|y, t| *y = y.add(t));
    }
}

fn without_activation<S: Additive>(
    function: &dyn ChannelWise<S>,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
) {
    let _ = affine(function, channel, plane, |a: &Affine<f32>| Affine { relu: false, ..*a })
        || affine(function, channel, plane, |a: &Affine<Dual<f32>>| Affine { relu: false, ..*a })
        || affine(function, channel, plane, |a: &Affine<Spelled>| Affine {
            relu: false,
            ..a.clone()
        })
        || in_training(function, channel, plane, |norm| {
            TrainingNorm::new(norm.norm().clone(), *norm.momentum(), Activation::Identity)
        });
}

/// Applies a folded batch norm over `T`, changed.
fn affine<S: Additive, T: Ordered>(
    function: &dyn ChannelWise<S>,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
    change: impl Fn(&Affine<T>) -> Affine<T>,
) -> bool {
    let normalise = function.as_any().and_then(|any| any.downcast_ref::<Normalise<T>>());
    let Some(normalise) = normalise else { return false };
    let changed = change(&normalise.affine()[channel]);
    on_plane(plane, |mut plane: ArrayViewMut3<'_, T>| plane.mapv_inplace(|z| changed.at(&z)))
}

fn without_epsilon<S: Additive>(
    function: &dyn ChannelWise<S>,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
) -> bool {
    let normalise = function.as_any().and_then(|any| any.downcast_ref::<Normalise<f32>>());
    let norm = normalise.and_then(Normalise::norm);
    let epsilon_counts = norm.is_some_and(|norm| *norm.epsilon() != 0.0);
    norm.filter(|_| epsilon_counts).is_some_and(|norm| {
        let [gamma, beta, mean, variance] = norm.channel(channel);
        affine(function, channel, plane, |affine: &Affine<f32>| {
            let scale = gamma / variance.sqrt();
            Affine { scale, shift: beta - mean * scale, relu: affine.relu }
        })
    })
}

/// Applies another batch norm in training mode; its running statistics become those of `function`.
fn in_training<S: Additive>(
    function: &dyn ChannelWise<S>,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
    change: impl Fn(&TrainingNorm<f32>) -> TrainingNorm<f32>,
) -> bool {
    let norm = function.as_any().and_then(|any| any.downcast_ref::<TrainingNorm<f32>>());
    let Some(norm) = norm else { return false };
    let changed = change(norm);
    let done = on_plane(plane, |plane: ArrayViewMut3<'_, f32>| changed.apply(channel, plane));
    if let Some(running) = changed.running().remove(&channel) {
        norm.set_running(channel, running);
    }
    done
}

/// The shift and epsilon of a batch norm changed.
fn norm_with(norm: &BatchNorm<f32>, beta: impl Fn(f32) -> f32, epsilon: f32) -> BatchNorm<f32> {
    let all = |which: usize| (0..norm.channels()).map(move |c| *norm.channel(c)[which]);
    let epsilon = epsilon * norm.epsilon();
    let changed = BatchNorm::new(
        all(0).collect(),
        all(1).map(beta).collect(),
        all(2).collect(),
        all(3).collect(),
        epsilon,
    );
    // A variance of 0 needs its epsilon.
    changed.unwrap_or_else(|_| norm.clone())
}

fn biased<S: Additive>(
    function: &dyn ChannelWise<S>,
    channel: usize,
    plane: &mut ArrayViewMut3<'_, S>,
) -> bool {
    let norm = function.as_any().and_then(|any| any.downcast_ref::<TrainingNorm<f32>>());
    let Some(norm) = norm else { return false };
    let [_, _, mean, variance] = norm.norm().channel(channel).map(|value| *value);
    let before = norm.running().remove(&channel).unwrap_or(Running { mean, variance });
    // The sums of squares as batch norm itself takes them.
    let n = plane.len() as f32;
    let mut variance_of_batch = 0.0;
    on_plane(&mut plane.to_owned().view_mut(), |z: ArrayViewMut3<'_, f32>| {
        let mean = z.iter().sum::<f32>() / n;
        variance_of_batch = z.iter().map(|z| (z - mean) * (z - mean)).sum::<f32>() / n;
    });
    function.apply(channel, plane.view_mut());
    let Some(after) = norm.running().remove(&channel) else { return false };
    let moved = norm.momentum() * variance_of_batch;
    let variance = (1.0 - norm.momentum()) * before.variance + moved;
    norm.set_running(channel, Running { mean: after.mean, variance });
    true
}

/// The planes of all channels of a tensor, changed by a function.
pub(super) fn apply_all<S>(function: &dyn ChannelWise<S>, x: &mut ndarray::Array4<S>) {
    for (channel, plane) in x.axis_iter_mut(Axis(1)).enumerate() {
        function.apply(channel, plane);
    }
}
