//! The activation of a block, as a channel-wise function.

use std::ops::Range;

use ndarray::ArrayViewMut3;

use crate::conv::{ChannelWise, Elementwise};
use crate::scalar::Ordered;

/// The activation of a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// None.
    Identity,
    /// `max(x, 0)`; NaN stays NaN.
    Relu,
}

impl<S: Ordered> ChannelWise<S> for Activation {
    fn apply(&self, _channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        if *self == Self::Relu {
            plane.mapv_inplace(|z| z.relu());
        }
    }

    fn as_data(&self, _channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        Some(match self {
            Self::Identity => Elementwise::Identity,
            Self::Relu => Elementwise::Relu,
        })
    }
}
