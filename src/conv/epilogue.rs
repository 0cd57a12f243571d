//! The epilogue: the steps after the sums of a convolution. First comes a function of each channel, then optionally a
//! shortcut, then optionally another function.

use std::ops::Range;

use ndarray::{ArrayView4, ArrayViewMut3, ArrayViewMut4, Axis, Zip};

use crate::error::{Error, Result};
use crate::scalar::{Additive, Ordered};

/// A function that is applied to one channel at a time, such as batch norm, an activation or both. A function that only
/// records its values is possible too.
///
/// Channels are numbered across the whole layer, no matter which path computed them. If the paths have width `d`,
/// channel `j` of path `i` is channel `i*d + j`. For batch norm, this numbering is all that a form must get right, and
/// several published forms get it wrong.
pub trait ChannelWise<S>: Sync {
    /// Applies the function to the plane of one channel, N x H x W, in place.
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, S>);

    /// The functions of a range of channels as data. A fast convolver can apply such data while the sums are in cache.
    /// `None` if a function is not simple enough, or if a channel does not exist.
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

/// Functions of some channels, as data. Each function looks at one element at a time.
///
/// The identity is not written as `1*z + 0`, which would turn -0 into +0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Elementwise<'a, S> {
    /// The identity: `z` is unchanged.
    Identity,
    /// ReLU.
    Relu,
    /// Scale, shift and perhaps a ReLU, for each channel.
    Affine(&'a [Affine<S>]),
}

/// `scale * z + shift`, then a ReLU if `relu`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Affine<S> {
    /// The factor of `z`.
    pub scale: S,
    /// The number that is added.
    pub shift: S,
    /// Whether a ReLU follows.
    pub relu: bool,
}

impl<S: Ordered> Affine<S> {
    /// The value of the function at `z`. The product is rounded first, then the sum.
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

/// The steps after a convolution's sums, in this order: a channel-wise function, a shortcut, a function of the output.
pub struct Epilogue<'a, S> {
    /// The function that is applied to the sums.
    pub function: &'a dyn ChannelWise<S>,
    /// The shortcut, which is added next: N x C_out x H_out x W_out.
    pub shortcut: Option<ArrayView4<'a, S>>,
    /// The function that is applied last.
    pub output: &'a dyn ChannelWise<S>,
}

impl<'a, S: Additive> Epilogue<'a, S> {
    /// An epilogue that is only a channel-wise function.
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

    /// Applies the epilogue to the sums `z`, N x C_out x H_out x W_out. This method is the specification of an
    /// epilogue.
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

/// Applies a function to each channel of `z`, N x C x H x W. The first channel of `z` is channel `first` of its layer.
pub(crate) fn apply_from<S>(
    function: &dyn ChannelWise<S>,
    first: usize,
    mut z: ArrayViewMut4<'_, S>,
) {
    for (j, plane) in z.axis_iter_mut(Axis(1)).enumerate() {
        function.apply(first + j, plane);
    }
}
