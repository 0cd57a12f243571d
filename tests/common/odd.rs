//! Forms that are wrong in one way only: right but for a bit, a derivative, a running statistic, the
//! second call. Each is there for a part of a rung that nothing coarser would miss.

use std::any::Any;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Axis};
use triform::block::{BlockForm, BlockWeights, Branch, Form, Functions};
use triform::conv::{ChannelWise, Convolver, Identity};
use triform::error::Result;
use triform::evidence::any_form::Subject;
use triform::scalar::{Additive, Dual, M61};

/// What is odd about a form.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Oddity {
    /// The block's last function is left out.
    NoOutputFunction,
    /// Every channel gets the first function of the first channel.
    FirstFunctionForAll,
    /// The functions after the first 1x1 and after the 3x3 are exchanged.
    FunctionsExchanged,
    /// Each function after the first 1x1 is applied to a copy first: running statistics move twice.
    StatisticsMovedTwice,
    /// The same to a copy of the same mean and twice the deviations: the variance alone is off.
    VarianceMovedTwice,
    /// The first image's result is given for all images.
    FirstImageForAll,
    /// From its second call on, it gives zeros.
    Tired,
    /// In `f32`, outputs above 1 are 1.
    ClampedInF32,
    /// In `f32`, zeros are negative.
    NegativeZeroInF32,
    /// In `f32`, the first 1x1's weights have 15 bits.
    RoundedInF32,
    /// Over dual numbers of `f32`, a derivative is off by 1.
    DerivativeOffInF32,
    /// Over dual numbers of the field, a derivative is off by 1.
    DerivativeOffInTheField,
    /// The first two output channels are exchanged, after everything.
    OutputsExchanged,
}

/// A form of the paper with an oddity.
pub struct Odd(pub Form, pub Oddity);

struct OddBranch<S: Additive, V: Convolver<S>> {
    branch: Box<dyn Branch<S, V>>,
    oddity: Oddity,
    calls: AtomicUsize,
}

impl Subject for Odd {}

impl BlockForm for Odd {
    fn letter(&self) -> char {
        self.0.letter()
    }

    fn name(&self) -> &'static str {
        "an odd one"
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        let branch = if self.1 == Oddity::RoundedInF32 {
            let round = |weight: &S| match (weight as &dyn Any).downcast_ref::<f32>() {
                Some(value) => {
                    let rounded = f32::from_bits((value.to_bits() + 0x100) & !0x1ff);
                    (&rounded as &dyn Any).downcast_ref::<S>().unwrap().clone()
                }
                None => weight.clone(),
            };
            let reduce = weights.reduce().map(round);
            let [transform, expand] = [weights.transform(), weights.expand()].map(|k| k.to_owned());
            let shortcut = weights.shortcut().map(|kernel| kernel.to_owned());
            let rounded = BlockWeights::new(*weights.spec(), reduce, transform, expand, shortcut)?;
            self.0.prepare(&rounded, convolver)?
        } else {
            self.0.prepare(weights, convolver)?
        };
        Ok(Box::new(OddBranch { branch, oddity: self.1, calls: AtomicUsize::new(0) }))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for OddBranch<S, V> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let first = First(functions.reduce);
        let copied = Copied(functions.reduce, self.oddity);
        let functions = match self.oddity {
            Oddity::NoOutputFunction => Functions { output: &Identity, ..*functions },
            Oddity::FirstFunctionForAll => Functions { reduce: &first, ..*functions },
            Oddity::FunctionsExchanged => {
                Functions { reduce: functions.transform, transform: functions.reduce, ..*functions }
            }
            Oddity::StatisticsMovedTwice | Oddity::VarianceMovedTwice => {
                Functions { reduce: &copied, ..*functions }
            }
            _ => Functions { ..*functions },
        };
        let mut y = self.branch.forward(x, &functions, shortcut, convolver)?;
        let calls = self.calls.fetch_add(1, Ordering::Relaxed);
        match self.oddity {
            Oddity::FirstImageForAll if y.len_of(Axis(0)) > 1 => {
                let first = y.index_axis(Axis(0), 0).to_owned();
                y.outer_iter_mut().for_each(|mut image| image.assign(&first));
            }
            Oddity::Tired if calls > 0 => y.fill(S::zero()),
            Oddity::OutputsExchanged if y.len_of(Axis(1)) > 1 => {
                let (mut left, mut right) = y.view_mut().split_at(Axis(1), 1);
                let mut right = right.index_axis_mut(Axis(1), 0);
                let mut left = left.index_axis_mut(Axis(1), 0);
                ndarray::Zip::from(&mut left).and(&mut right).for_each(std::mem::swap);
            }
            _ => {}
        }
        if let Some(y) = (&mut y as &mut dyn Any).downcast_mut::<Array4<f32>>() {
            match self.oddity {
                Oddity::ClampedInF32 => y.mapv_inplace(|y| if y > 1.0 { 1.0 } else { y }),
                Oddity::NegativeZeroInF32 => y.mapv_inplace(|y| if y == 0.0 { -0.0 } else { y }),
                _ => {}
            }
        }
        if let Some(y) = (&mut y as &mut dyn Any).downcast_mut::<Array4<Dual<f32>>>()
            && self.oddity == Oddity::DerivativeOffInF32
        {
            y.iter_mut().last().unwrap().derivative += 1.0;
        }
        if let Some(y) = (&mut y as &mut dyn Any).downcast_mut::<Array4<Dual<M61>>>()
            && self.oddity == Oddity::DerivativeOffInTheField
        {
            let last = y.iter_mut().last().unwrap();
            last.derivative = last.derivative.add(&M61::new(1));
        }
        Ok(y)
    }
}

/// The function of the first channel.
struct First<'a, S>(&'a dyn ChannelWise<S>);

impl<S> ChannelWise<S> for First<'_, S> {
    fn apply(&self, _channel: usize, plane: ArrayViewMut3<'_, S>) {
        self.0.apply(0, plane);
    }
}

/// A function that is applied to a copy first.
struct Copied<'a, S>(&'a dyn ChannelWise<S>, Oddity);

impl<S: Additive> ChannelWise<S> for Copied<'_, S> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>) {
        let mut copy = plane.to_owned();
        if self.1 == Oddity::VarianceMovedTwice {
            let Some(floats) = (&mut copy as &mut dyn Any).downcast_mut::<ndarray::Array3<f32>>()
            else {
                return self.0.apply(channel, plane);
            };
            // The running mean first moves to the batch's mean and then stays, if it starts there;
            // so what differs afterwards is the variance.
            let mean = floats.mean().unwrap();
            floats.mapv_inplace(|z| 2.0 * z - mean);
        }
        self.0.apply(channel, copy.view_mut());
        self.0.apply(channel, plane);
    }
}
