//! Mistakes between the convolutions: in batch norm, in the activation, or in the choice of channel.

use ndarray::{Array3, ArrayViewMut3, Zip};

use super::{Met, as_a, over};
use crate::block::{BlockSpec, Layer};
use crate::conv::ChannelWise;
use crate::error::Result;
use crate::evidence::{Data, Function, Part};
use crate::scalar::{Additive, Dual, Var};

/// What is wrong with a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Every path uses the functions of the first path's channels.
    OwnChannel,
    /// The batch norm's shift is dropped.
    NoShift,
    /// The shift is added once for each path.
    ShiftCTimes,
    /// The activation is left out. If the function is unknown, the whole function is left out.
    NoActivation,
    /// Epsilon is left out of batch norm.
    NoEpsilon,
    /// The running variance uses the biased variance of the batch instead of the unbiased variance.
    BiasedVariance,
    /// The running statistics move twice per batch.
    MovedTwice,
    /// In training mode, gradients treat the statistics of the batch as constants.
    ConstantStatistics,
    /// The ReLU turns NaN into 0.
    NanToZero,
    /// The derivative of ReLU at 0 is 1.
    DerivativeAtZero,
}

impl Change {
    /// Whether the function after a layer has the part that this mistake changes: an activation or a batch norm.
    pub(super) fn concerns(self, layer: Layer) -> bool {
        match self {
            Self::NoActivation | Self::NanToZero | Self::DerivativeAtZero => {
                matches!(layer, Layer::Reduce | Layer::Transform | Layer::Output)
            }
            _ => layer != Layer::Output,
        }
    }

    /// Builds the function from these data, with the mistake in it.
    pub(super) fn function<'a, S: Additive>(
        self,
        data: &Data<'a, S>,
        spec: &BlockSpec,
        met: &Met,
    ) -> Result<Function<'a, S>> {
        let wrong = self.wrong(data, spec)?;
        met.meet(wrong.is_some());
        wrong.map_or_else(|| data.function(), Ok)
    }

    /// The wrong function. `None` where the mistake does not apply.
    fn wrong<'a, S: Additive>(
        self,
        data: &Data<'a, S>,
        spec: &BlockSpec,
    ) -> Result<Option<Function<'a, S>>> {
        let (paths, width) = (spec.cardinality(), spec.width());
        Ok(match self {
            Self::OwnChannel | Self::ShiftCTimes if paths == 1 => None,
            Self::OwnChannel => Some(Box::new(OwnChannel { function: data.function()?, width })),
            Self::ShiftCTimes => Some(Box::new(ShiftTimes { function: data.function()?, paths })),
            Self::NoShift => data.without(Part::Shift)?,
            Self::NoActivation => data.without(Part::Activation)?,
            Self::NoEpsilon => data.without(Part::Epsilon)?,
            Self::BiasedVariance => data.without(Part::Correction)?,
            // Only training mode has a correction, and running statistics that move.
            Self::MovedTwice => match data.without(Part::Correction)? {
                Some(_) => Some(Box::new(Twice(data.function()?))),
                None => None,
            },
            Self::ConstantStatistics => data.without(Part::StatisticsGradient)?,
            Self::NanToZero if over::<S, f32>() || over::<S, f64>() || over::<S, Dual<f32>>() => {
                with_relu(data, nan_to_zero)?
            }
            Self::DerivativeAtZero if over::<S, Dual<f32>>() || over::<S, Var<f32>>() => {
                with_relu(data, derivative_at_zero)?
            }
            Self::NanToZero | Self::DerivativeAtZero => None,
        })
    }
}

/// A function that is first applied to a copy, and then to the plane itself.
struct Twice<'a, S>(Function<'a, S>);

impl<S: Clone> ChannelWise<S> for Twice<'_, S> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>) {
        self.0.apply(channel, plane.to_owned().view_mut());
        self.0.apply(channel, plane);
    }
}

/// Applies the functions of the first path's channels in every path.
struct OwnChannel<'a, S> {
    function: Function<'a, S>,
    width: usize,
}

impl<S> ChannelWise<S> for OwnChannel<'_, S> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>) {
        self.function.apply(channel % self.width, plane);
    }
}

/// A function whose shift is added once for each path. The value of the function at 0 is taken as its shift. (In
/// training mode, this also moves the running statistics.)
struct ShiftTimes<'a, S> {
    function: Function<'a, S>,
    paths: usize,
}

impl<S: Additive> ChannelWise<S> for ShiftTimes<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        let mut shift = Array3::from_elem(plane.raw_dim(), S::zero());
        self.function.apply(channel, shift.view_mut());
        self.function.apply(channel, plane.view_mut());
        for _ in 1..self.paths {
            Zip::from(&mut plane).and(&shift).for_each(|y, t| *y = y.add(t));
        }
    }
}

/// A function followed by a wrong ReLU.
struct WrongRelu<'a, S> {
    function: Function<'a, S>,
    relu: fn(&mut S),
}

impl<S> ChannelWise<S> for WrongRelu<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        self.function.apply(channel, plane.view_mut());
        plane.iter_mut().for_each(self.relu);
    }
}

/// The function with `relu` as its activation, if it has an activation.
fn with_relu<'a, S: Additive>(
    data: &Data<'a, S>,
    relu: fn(&mut S),
) -> Result<Option<Function<'a, S>>> {
    let function = data.without(Part::Activation)?;
    Ok(function.map(|function| Box::new(WrongRelu { function, relu }) as Function<'a, S>))
}

/// Turns NaN into 0, for `f32`, `f64` and dual numbers of `f32`. In Rust, `max` of a number and NaN is the number.
fn nan_to_zero<S: Additive>(z: &mut S) {
    if let Some(z) = as_a::<f32>(z) {
        *z = z.max(0.0);
    } else if let Some(z) = as_a::<f64>(z) {
        *z = z.max(0.0);
    } else if let Some(z) = as_a::<Dual<f32>>(z) {
        *z = if z.value > 0.0 { *z } else { Dual::zero() };
    }
}

/// A ReLU whose derivative at 0 is 1, for dual numbers of `f32` and for `f32` that remember how they were computed.
fn derivative_at_zero<S: Additive>(z: &mut S) {
    if let Some(z) = as_a::<Dual<f32>>(z) {
        *z = if z.value >= 0.0 { *z } else { Dual::zero() };
    } else if let Some(z) = as_a::<Var<f32>>(z)
        && *z.value() < 0.0
    {
        *z = Var::zero();
    }
}
