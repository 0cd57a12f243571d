//! R1, the derived bound: how far off rounding can make a correct form.
//!
//! The tolerance is not chosen but computed. Each activation is a ball. Its centre c is the
//! result of exact arithmetic (computed in `f64`, which is accurate enough, see below). Its
//! radius e is how far from the centre a correct `f32` computation can be. Form (c) is run
//! over balls.
//!
//! Notation: u = 2^-24 is half the spacing of `f32` above 1; eta = 2^-149 is the smallest
//! `f32` above 0; gamma_n = n u / (1 - n u).
//!
//! **A convolution** computes each output as a sum of n products, n = C_in/groups k_h k_w. The sum may be computed in
//! `f32` in any order, with or without fused multiply-add. Its error is at most gamma_n times the sum of the products'
//! absolute values, plus eta for each product below the normal range. See Higham, Accuracy and Stability of Numerical
//! Algorithms, 2nd edition, section 3.1 and problem 3.3. The inputs already have errors of up to e:
//!
//! ```text
//! z = W c        e_z = |W| e + gamma_n |W| (|c| + e) + n eta
//! ```
//!
//! In the last layer, form (a) adds C sums of d products each, and form (c) adds C d products at once. These are the
//! same n products in another order, so the same bound holds for all three forms.
//!
//! **Batch norm** is y = s (z - mean) + beta with s = gamma / sqrt(variance + epsilon), folded to scale and shift. Each
//! term of the result is rounded at most seven times. The scale takes three roundings (sum, root, quotient), the shift
//! two (product, difference), and the result two (product, sum). So the relative error of each term is at most gamma_7:
//!
//! ```text
//! e_y = |s| e_z + (gamma_7 |s| + eta) (|z| + e_z + |mean|) + gamma_7 |beta| + 2 eta
//! ```
//!
//! **ReLU** never increases the distance between two numbers. If y > 0, e does not change. If y <= 0, the computed
//! value is at most max(0, y + e) from 0.
//!
//! **Adding the shortcut** rounds once: e_o = e_y + e_r + u (|o| + e_y + e_r).
//!
//! The centre is computed in `f64`, whose rounding error is 2^-29 times that of `f32`. To cover that error, gamma is
//! multiplied by 1 + 2^-20, which is enough because n u stays far below 1/2. Two correct forms differ by at most 2 e.
//! Three things are not covered. They are overflow, convolutions that are not sums of products (Winograd, FFT), and
//! blocks that add the shortcut before the last batch norm. The last steps must be in the paper's order: batch norm,
//! then shortcut, then ReLU.
//!
//! **End to end and at cuts.** Through three layers the radius grows as if all errors added up. So the end-to-end bound
//! is sound but blunt: an error of a thousandth in one weight stays below the bound. Therefore the block is also cut
//! after each channel-wise function ([`Cuts`]). At a cut, the values of each form are compared with balls. Then the
//! same floats replace these values in every form, so that the next layer starts from e = 0.
//!
//! A fast convolution usually applies the functions while the sums are in cache. At cuts it cannot do so, because the
//! functions' outputs are watched. The tests of the convolution check that it gives the same bits either way. A loss of
//! precision that only the fused way causes would show only end to end.

mod cuts;

pub use self::cuts::Cuts;

use std::convert::Infallible;

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Zip};

use crate::block::{
    Activation, BatchNorm, BlockForm as _, BlockNorms, BlockWeights, Form, Functions,
    LayerFunctions,
};
use crate::conv::{ChannelWise, ConvSpec, Convolver, Double, KernelShape};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// Unit roundoff of `f32`, 2^-24.
pub(crate) const U: f64 = 1.0 / (1u32 << 24) as f64;
/// Smallest `f32` above 0, 2^-149.
pub(super) const ETA: f64 = f32::from_bits(1) as f64;
/// Factor that covers the rounding error of the centre itself: 1 + 2^-20.
pub(super) const INFLATION: f64 = 1.0 + 1.0 / (1u32 << 20) as f64;

/// gamma_n = n u / (1 - n u), slightly enlarged to cover the centre's own error. It is infinite from n = 2^24 on, where
/// no bound is known.
pub fn gamma_n(n: usize) -> f64 {
    let nu = n as f64 * U;
    if nu < 1.0 { nu / (1.0 - nu) * INFLATION } else { f64::INFINITY }
}

/// The bound on the rounding error of a sum of `terms` products in `f32`, as a function of the sum of the products'
/// absolute values.
pub(crate) fn of_sum(terms: usize) -> impl Fn(f64) -> f64 {
    move |sizes| gamma_n(terms) * sizes + terms as f64 * ETA
}

/// A centre, and how far from it a correct `f32` computation can be.
///
/// The sum of two balls models an addition in `f32`, which rounds. So the radius grows, even if zero is added. Only the
/// shortcut is added in this way.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// The value in exact arithmetic.
    pub centre: f64,
    /// The largest distance of a correctly computed value from the centre.
    pub radius: f64,
}

impl Ball {
    /// A given `f32`, which is exact.
    pub fn exact(value: f32) -> Self {
        Self { centre: f64::from(value), radius: 0.0 }
    }

    /// Whether rounding can explain a computed value. It never explains NaN.
    pub fn contains(&self, value: f32) -> bool {
        (f64::from(value) - self.centre).abs() <= self.radius
    }

    pub(super) fn relu(self) -> Self {
        let known = self.centre.is_finite() && self.radius.is_finite();
        if self.centre > 0.0 || !known {
            self
        } else {
            Self { centre: 0.0, radius: (self.centre + self.radius).max(0.0) }
        }
    }
}

impl Additive for Ball {
    fn zero() -> Self {
        Self { centre: 0.0, radius: 0.0 }
    }
    fn add(&self, other: &Self) -> Self {
        let centre = self.centre + other.centre;
        let radius = self.radius + other.radius;
        Self { centre, radius: radius + U * INFLATION * (centre.abs() + radius) }
    }
}

/// A kernel in `f64`, and the kernel of its elements' absolute values.
pub(super) type SizedKernel = [<Double as Convolver<f64>>::Kernel; 2];

/// Prepares two convolutions: with the weights, and with their absolute values.
pub(super) fn sized(weights: &Array4<f64>, spec: ConvSpec) -> Result<SizedKernel> {
    let sizes = weights.mapv(f64::abs);
    Ok([Double.prepare(weights.view(), spec)?, Double.prepare(sizes.view(), spec)?])
}

/// Convolution of balls: two convolutions in `f64`, one for the centres and one for the radii.
struct Balls;

impl Convolver<Ball> for Balls {
    /// The kernels, and how many terms each sum has.
    type Kernel = (SizedKernel, usize);

    fn prepare(&self, weights: ArrayView4<'_, Ball>, spec: ConvSpec) -> Result<Self::Kernel> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let terms = shape.c_in_group * shape.k_h * shape.k_w;
        Ok((sized(&weights.mapv(|weight| weight.centre), spec)?, terms))
    }

    fn sums(
        &self,
        x: ArrayView4<'_, Ball>,
        ([weights, sizes], terms): &Self::Kernel,
    ) -> Result<Array4<Ball>> {
        let gamma = gamma_n(*terms);
        if gamma.is_infinite() {
            return Err(Error::TooManyTerms { terms: *terms });
        }
        let centres = x.mapv(|ball| ball.centre);
        // |W| e + gamma |W| (|c| + e) in one convolution, since |W| is linear.
        let errors = x.mapv(|ball| ball.radius + gamma * (ball.centre.abs() + ball.radius));
        let z = Double.sums(centres.view(), weights)?;
        let e = Double.sums(errors.view(), sizes)?;
        let underflow = *terms as f64 * ETA;
        Ok(Zip::from(&z).and(&e).map_collect(|&centre, &e| Ball { centre, radius: e + underflow }))
    }
}

/// Batch norm in inference mode over balls.
pub struct NormedBalls<'a> {
    norm: &'a BatchNorm<f64>,
    activation: Activation,
}

impl ChannelWise<Ball> for NormedBalls<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Ball>) {
        let [gamma, beta, mean, variance] = self.norm.channel(channel);
        let s = gamma / (variance + self.norm.epsilon()).sqrt();
        let rounding = gamma_n(7);
        plane.mapv_inplace(|z| {
            let centre = s * (z.centre - mean) + beta;
            let size = z.centre.abs() + z.radius + mean.abs();
            let radius = s.abs() * z.radius
                + (rounding * s.abs() + ETA) * size
                + rounding * beta.abs()
                + 2.0 * ETA;
            let y = Ball { centre, radius };
            if self.activation == Activation::Relu { y.relu() } else { y }
        });
    }
}

impl ChannelWise<Ball> for Activation {
    fn apply(&self, _channel: usize, mut plane: ArrayViewMut3<'_, Ball>) {
        if *self == Self::Relu {
            plane.mapv_inplace(Ball::relu);
        }
    }
}

/// The batch norms of a block in inference mode over balls.
pub type NormBalls<'a> = LayerFunctions<NormedBalls<'a>>;

impl<'a> NormBalls<'a> {
    /// Takes these batch norms, each followed by a ReLU where the paper puts one.
    pub fn new(norms: &'a BlockNorms<f64>) -> Self {
        let ball = |norm, activation| Ok::<_, Infallible>(NormedBalls { norm, activation });
        let Ok(balls) = Self::of(norms, Activation::Relu, ball);
        balls
    }
}

/// The block's output as balls, which contain the output of every correct form in `f32`.
///
/// `x`: N x C_in x H x W; returns N x C_out x H_out x W_out. The block has batch norm and ReLU
/// where the paper puts them.
pub fn balls(
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: ArrayView4<'_, f32>,
) -> Result<Array4<Ball>> {
    norms.check(weights.spec())?;
    let norms = norms.cast();
    balls_by(weights, x, &NormBalls::new(&norms).functions())
}

/// The block's output as balls, with these functions between the convolutions.
pub(crate) fn balls_by(
    weights: &BlockWeights<f32>,
    x: ArrayView4<'_, f32>,
    functions: &Functions<'_, Ball>,
) -> Result<Array4<Ball>> {
    let (weights, x) = (weights.map(|&w| Ball::exact(w)), x.mapv(Ball::exact));
    Form::Grouped.forward(&weights, x.view(), functions, &Balls)
}

#[cfg(test)]
mod tests;
