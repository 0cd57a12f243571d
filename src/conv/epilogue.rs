//! What follows the sums of a convolution: a function of each channel, then optionally a shortcut,
//! then optionally another function.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis, Zip};

use crate::error::{Error, Result};
use crate::scalar::{Additive, Ordered};

/// A function of one channel: batch norm, an activation or both, or one that records what it sees.
///
/// Channels are numbered across the whole layer, whichever path computed them: channel j of path i
/// of width d is channel `i*d + j`. That is all a form has to get right about batch norm, and
/// several published forms get it wrong.
pub trait ChannelWise<S>: Sync {
    /// Changes the plane of one channel, of shape N x H x W.
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>);

    /// The functions of a range of channels as data, if they are simple enough and all those channels
    /// exist. A fast convolver may then apply them while the sums are in cache.
    ///
    /// # Laws
    ///
    /// Applying the data gives the same bits as [`ChannelWise::apply`].
    fn as_data(&self, _channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        None
    }
}

impl<S, F: ChannelWise<S> + ?Sized> ChannelWise<S> for &F {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>) {
        (**self).apply(channel, plane);
    }

    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        (**self).as_data(channels)
    }
}

/// Functions of some channels, as data. They look at one element at a time.
///
/// The identity is not written as `1*z + 0`, which would turn -0 into +0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elementwise<'a, S> {
    /// z.
    Identity,
    /// ReLU.
    Relu,
    /// Scale, shift and perhaps a ReLU, for each channel.
    Affine(&'a [Affine<S>]),
}

/// `scale * z + shift`, then a ReLU if `relu`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine<S> {
    /// Factor.
    pub scale: S,
    /// Summand.
    pub shift: S,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl<S: Ordered> Affine<S> {
    /// The value of the function at `z`: the product is rounded, then the sum.
    pub fn at(&self, z: &S) -> S {
        let y = self.scale.mul(z).add(&self.shift);
        if self.relu { y.relu() } else { y }
    }
}

/// The function that changes nothing.
#[derive(Clone, Copy, Debug)]
pub struct Identity;

impl<S> ChannelWise<S> for Identity {
    fn apply(&self, _channel: usize, _plane: ArrayViewMut3<'_, S>) {}

    fn as_data(&self, _channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        Some(Elementwise::Identity)
    }
}

/// All that follows a convolution's sums, in this order: a channel-wise
/// function, a shortcut, a function of the output.
pub struct Epilogue<'a, S> {
    /// Applied to the sums.
    pub function: &'a dyn ChannelWise<S>,
    /// Added next: N x C_out x H_out x W_out.
    pub shortcut: Option<ArrayView4<'a, S>>,
    /// Applied last.
    pub output: &'a dyn ChannelWise<S>,
}

impl<'a, S: Additive> Epilogue<'a, S> {
    /// Only a channel-wise function.
    pub fn only(function: &'a dyn ChannelWise<S>) -> Self {
        Self { function, shortcut: None, output: &Identity }
    }

    /// Checks that the shortcut, if any, has the shape of the output.
    ///
    /// Errors: [`Error::Shape`].
    pub fn check(&self, output: &[usize]) -> Result<()> {
        match &self.shortcut {
            Some(shortcut) if shortcut.shape() != output => Err(Error::Shape {
                what: "shortcut",
                expected: format!("{output:?}, that of the sum it is added to"),
                found: shortcut.shape().to_vec(),
            }),
            _ => Ok(()),
        }
    }

    /// Applies the epilogue to the sums `z`, N x C_out x H_out x W_out. This is its specification.
    ///
    /// Errors: those of [`Epilogue::check`].
    pub fn apply(&self, mut z: ArrayViewMut4<'_, S>) -> Result<()> {
        self.check(z.shape())?;
        apply_from(self.function, 0, z.view_mut());
        if let Some(shortcut) = &self.shortcut {
            Zip::from(&mut z).and(shortcut).for_each(|z, r| *z = z.add(r));
        }
        apply_from(self.output, 0, z);
        Ok(())
    }
}

/// Applies a function to each channel of `z`, N x C x H x W, whose first channel
/// is channel `first` of its layer.
pub(crate) fn apply_from<S>(
    function: &dyn ChannelWise<S>,
    first: usize,
    mut z: ArrayViewMut4<'_, S>,
) {
    for (j, plane) in z.axis_iter_mut(Axis(1)).enumerate() {
        function.apply(first + j, plane);
    }
}
