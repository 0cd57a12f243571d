//! A convolution with its data: the inputs, and the right outputs.

use ndarray::{Array1, Array4, ArrayD, Axis};

use super::gradients::{bias_gradient, kernel_gradient};
use super::reference::{Reference, conv2d};
use super::spec::{ConvSpec, KernelShape};
use crate::error::{Result, as_many};

/// Named arrays, in a fixed order.
pub type Arrays = Vec<(String, ArrayD<f64>)>;

/// A grouped convolution with bias and all its data. If there is a `grad_output`, gradients are asked for, otherwise
/// the output.
#[derive(Clone, Debug, PartialEq)]
pub struct Convolution {
    /// The input, N x C_in x H x W.
    pub x: Array4<f64>,
    /// The kernel, C_out x C_in/groups x k_h x k_w.
    pub weight: Array4<f64>,
    /// The bias, C_out numbers.
    pub bias: Array1<f64>,
    /// Stride, padding, dilation, groups.
    pub spec: ConvSpec,
    /// The gradient of a loss with respect to the output, N x C_out x H_out x W_out.
    pub grad_output: Option<Array4<f64>>,
}

impl Convolution {
    /// Checks that the shapes of the arrays match.
    ///
    /// Errors: those of [`KernelShape::new`] and [`KernelShape::output`]; [`Error::Count`](crate::Error::Count)
    /// if the length of the bias is not C_out; [`Error::Shape`](crate::Error::Shape) if `grad_output` does not have
    /// the shape of the output.
    pub fn check(&self) -> Result<()> {
        let output = self.shape()?.output(self.x.dim().into())?;
        as_many("elements of the bias", self.bias.len(), self.shape()?.c_out)?;
        match &self.grad_output {
            Some(g) if g.shape() != output => Err(crate::Error::Shape {
                what: "grad_output",
                expected: format!("{output:?}, that of the output"),
                found: g.shape().to_vec(),
            }),
            _ => Ok(()),
        }
    }

    /// The kernel's shape.
    ///
    /// Errors: those of [`KernelShape::new`].
    pub fn shape(&self) -> Result<KernelShape> {
        KernelShape::new(self.weight.dim().into(), self.spec)
    }

    /// The output, N x C_out x H_out x W_out: the sums of products plus the bias.
    ///
    /// Errors: those of [`Convolution::check`].
    pub fn y(&self) -> Result<Array4<f64>> {
        as_many("elements of the bias", self.bias.len(), self.shape()?.c_out)?;
        let mut y = conv2d(self.x.view(), self.weight.view(), self.spec)?;
        for (mut plane, bias) in y.axis_iter_mut(Axis(1)).zip(&self.bias) {
            plane += *bias;
        }
        Ok(y)
    }

    /// The right outputs: either `y`, or the gradients `grad_x`, `grad_weight` and `grad_bias`. On integers, a sum is
    /// exact if the absolute values of its terms add up to at most 2^53.
    ///
    /// Errors: those of [`Convolution::check`].
    pub fn outputs(&self) -> Result<Arrays> {
        let Some(g) = &self.grad_output else {
            return Ok(named([("y", self.y()?.into_dyn())]));
        };
        let (_, _, h, w) = self.x.dim();
        let (_, _, k_h, k_w) = self.weight.dim();
        let reference = Reference::default();
        let by_x = reference.input_gradient(g.view(), self.weight.view(), self.spec, (h, w))?;
        let by_weight = kernel_gradient(g.view(), self.x.view(), self.spec, (k_h, k_w))?;
        Ok(named([
            ("grad_x", by_x.into_dyn()),
            ("grad_weight", by_weight.into_dyn()),
            ("grad_bias", bias_gradient(g.view()).into_dyn()),
        ]))
    }

    /// The same convolution on the absolute values of all numbers. Each of its outputs bounds all partial sums of the
    /// original output, in any order of addition.
    pub fn of_sizes(&self) -> Self {
        Self {
            x: self.x.mapv(f64::abs),
            weight: self.weight.mapv(f64::abs),
            bias: self.bias.mapv(f64::abs),
            spec: self.spec,
            grad_output: self.grad_output.as_ref().map(|g| g.mapv(f64::abs)),
        }
    }

    /// The largest number of terms in one sum, for each array in [`Convolution::outputs`].
    ///
    /// Errors: those of [`Convolution::shape`].
    pub fn terms(&self) -> Result<Vec<usize>> {
        let KernelShape { c_in_group, k_h, k_w, .. } = self.shape()?;
        let taps = k_h * k_w;
        Ok(match &self.grad_output {
            None => vec![c_in_group * taps + 1],
            Some(g) => {
                let positions = g.len() / g.len_of(Axis(1)).max(1);
                vec![self.shape()?.c_out_group() * taps, positions, positions]
            }
        })
    }

    /// The same convolution with a changed kernel: each weight comes from the index that `read` returns, or is 0 if
    /// `read` returns `None`.
    pub(crate) fn with_weight(&self, read: impl Fn([usize; 4]) -> Option<[usize; 4]>) -> Self {
        let weight = Array4::from_shape_fn(self.weight.raw_dim(), |(o, c, u, v)| {
            read([o, c, u, v]).map_or(0.0, |from| self.weight[from])
        });
        Self { weight, ..self.clone() }
    }

    /// The same convolution, except that channel `c` of a group reads input channel `source(group, c)`.
    pub(crate) fn rewired(&self, source: impl Fn(usize, usize) -> usize) -> Self {
        let width = self.weight.len_of(Axis(1));
        let channels: Vec<usize> =
            (0..self.x.len_of(Axis(1))).map(|at| source(at / width, at % width)).collect();
        Self { x: self.x.select(Axis(1), &channels), ..self.clone() }
    }
}

/// Converts the names of arrays to owned strings.
pub(crate) fn named<const N: usize>(arrays: [(&str, ArrayD<f64>); N]) -> Arrays {
    arrays.into_iter().map(|(name, array)| (name.to_owned(), array)).collect()
}
