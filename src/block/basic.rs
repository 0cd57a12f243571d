//! The block of depth 2 of ResNet-18 and 34: two 3x3 and the shortcut. It has no forms: C paths of depth
//! 2 are one dense pair C times as wide (paper, Figure 4).

use ndarray::{Array4, ArrayView4};

use super::functions::Functions;
use crate::conv::{ConvSpec, Convolver};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// The kernels of a block of depth 2: `conv1.weight` D x C_in x 3 x 3, with the block's stride,
/// `conv2.weight` C_out x D x 3 x 3, and `downsample.0.weight` C_out x C_in x 1 x 1 where stride or
/// channels ask for a projection.
#[derive(Clone, Debug, PartialEq)]
pub struct BasicWeights<S> {
    stride: usize,
    first: Array4<S>,
    second: Array4<S>,
    shortcut: Option<Array4<S>>,
}

impl<S: Additive> BasicWeights<S> {
    /// Checks that the kernels suit one another.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`]; [`Error::Zero`] for a stride of 0; [`Error::Count`] for a projection that is
    /// missing or not wanted.
    pub fn new(
        stride: usize,
        first: Array4<S>,
        second: Array4<S>,
        shortcut: Option<Array4<S>>,
    ) -> Result<Self> {
        if stride == 0 {
            return Err(Error::Zero { what: "stride" });
        }
        let (inner, c_in, ..) = first.dim();
        let (c_out, ..) = second.dim();
        let expected = usize::from(stride > 1 || c_in != c_out);
        if usize::from(shortcut.is_some()) != expected {
            let found = usize::from(shortcut.is_some());
            return Err(Error::Count { what: "projections of the shortcut", expected, found });
        }
        for (what, kernel, expected) in [
            ("kernel of the first 3x3", Some(&first), [inner, c_in, 3, 3]),
            ("kernel of the second 3x3", Some(&second), [c_out, inner, 3, 3]),
            ("kernel of the projection", shortcut.as_ref(), [c_out, c_in, 1, 1]),
        ] {
            if let Some(kernel) = kernel
                && kernel.shape() != expected
            {
                let (expected, found) = (format!("{expected:?}"), kernel.shape().to_vec());
                return Err(Error::Shape { what, expected, found });
            }
        }
        Ok(Self { stride, first, second, shortcut })
    }

    /// D x C_in x 3 x 3.
    pub fn first(&self) -> ArrayView4<'_, S> {
        self.first.view()
    }

    /// C_out x D x 3 x 3.
    pub fn second(&self) -> ArrayView4<'_, S> {
        self.second.view()
    }

    /// C_out x C_in x 1 x 1, where the shortcut is a projection.
    pub fn shortcut(&self) -> Option<ArrayView4<'_, S>> {
        self.shortcut.as_ref().map(|kernel| kernel.view())
    }

    /// The same block over other numbers.
    pub fn map<T: Additive>(&self, to: impl Fn(&S) -> T) -> BasicWeights<T> {
        BasicWeights {
            stride: self.stride,
            first: self.first.map(&to),
            second: self.second.map(&to),
            shortcut: self.shortcut.as_ref().map(|kernel| kernel.map(&to)),
        }
    }
}

/// A block of depth 2, its kernels prepared.
pub struct Basic<S: Additive, V: Convolver<S>> {
    first: V::Kernel,
    second: V::Kernel,
    projection: Option<V::Kernel>,
}

impl<S: Additive, V: Convolver<S>> Basic<S, V> {
    /// Prepares the kernels.
    ///
    /// # Errors
    ///
    /// Those of [`Convolver::prepare`].
    pub fn prepare(weights: &BasicWeights<S>, convolver: &V) -> Result<Self> {
        let project = ConvSpec::new(weights.stride, 0, 1, 1)?;
        let projection = weights.shortcut().map(|kernel| convolver.prepare(kernel, project));
        Ok(Self {
            first: convolver.prepare(weights.first(), ConvSpec::new(weights.stride, 1, 1, 1)?)?,
            second: convolver.prepare(weights.second(), ConvSpec::new(1, 1, 1, 1)?)?,
            projection: projection.transpose()?,
        })
    }

    /// N x C_in x H x W to N x C_out x H_out x W_out. Of the functions, `reduce` follows the first 3x3 and
    /// `expand` the second; `transform` is not used.
    ///
    /// # Errors
    ///
    /// An input with other channels than the block reads, or an empty map.
    pub fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let projected = match &self.projection {
            Some(kernel) => Some(convolver.conv(x, kernel, &functions.after_shortcut())?),
            None => None,
        };
        let shortcut = projected.as_ref().map_or(x, |projected| projected.view());
        let hidden = convolver.conv(x, &self.first, &functions.after_reduce())?;
        convolver.conv(hidden.view(), &self.second, &functions.after_sum(Some(shortcut)))
    }
}
