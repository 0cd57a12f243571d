//! R1, the derived bound: how far rounding can carry a correct form.
//!
//! No tolerance is chosen here; it is computed. Each activation is a ball: a
//! centre c, what exact arithmetic gives (in `f64`, near enough, see below), and a
//! radius e, how far from it a correct `f32` computation can be. Form (c) is run
//! over balls.
//!
//! Letters: u = 2^-24, half the spacing of `f32` above 1, relative; eta = 2^-149, its
//! smallest number above 0; gamma_n = n u / (1 - n u).
//!
//! **A convolution** is, for each output, a sum of n products, n = C_in/groups k_h k_w.
//! Computed in `f32`, in any order, with or without fused multiply-add, it is off by at
//! most gamma_n times the sum of the products' sizes (Higham, Accuracy and Stability of
//! Numerical Algorithms, 2nd ed., section 3.1 and problem 3.3), and by eta for each
//! product that falls below the normal range. The inputs are themselves off by e:
//!
//! ```text
//! z = W c        e_z = |W| e + gamma_n |W| (|c| + e) + n eta
//! ```
//!
//! Form (a) adds C sums of d products where (c) adds C d products: the same n and just
//! another order, so one bound holds for all three forms.
//!
//! **Batch norm** y = s (z - mean) + beta with s = gamma / sqrt(variance + epsilon), folded to
//! scale and shift, rounds at most seven times on the way to any term of the result (sum,
//! root, quotient; product with the mean, difference; product with z, sum), so each term is
//! off by at most gamma_7 of its size:
//!
//! ```text
//! e_y = |s| e_z + (gamma_7 |s| + eta) (|z| + e_z + |mean|) + gamma_7 |beta| + 2 eta
//! ```
//!
//! **ReLU** moves no two numbers apart: e is kept where y > 0, and where y <= 0 the computed
//! value is at most max(0, y + e) from 0. **Adding the shortcut** rounds once:
//! e_o = e_y + e_r + u (|o| + e_y + e_r).
//!
//! The centre is computed in `f64`, whose own error is 2^-29 times as large; gamma is
//! inflated by 2^-20, which covers it, as n u stays far below 1/2. Not covered: overflow,
//! convolutions that are no sums of products (Winograd, FFT), and a block that adds the shortcut
//! before it scales, for the order of the last steps is taken as the paper draws it: batch norm, then
//! shortcut, then ReLU. Two correct forms differ by at most 2 e.

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Zip};

use crate::block::{Activation, BatchNorm, BlockNorms, BlockWeights, Bottleneck, Form, Functions};
use crate::conv::{ChannelWise, ConvSpec, Convolver, Identity, KernelShape, Reference};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// Unit roundoff of `f32`, 2^-24.
const U: f64 = 1.0 / (1u32 << 24) as f64;
/// Smallest `f32` above 0, 2^-149.
const ETA: f64 = f32::from_bits(1) as f64;
/// For the centre's own error: 1 + 2^-20.
const INFLATION: f64 = 1.0 + 1.0 / (1u32 << 20) as f64;

/// gamma_n = n u / (1 - n u), inflated for the centre's own error; infinite from n = 2^24
/// on, where nothing is known.
pub fn gamma_n(n: usize) -> f64 {
    let nu = n as f64 * U;
    if nu < 1.0 { nu / (1.0 - nu) * INFLATION } else { f64::INFINITY }
}

/// A centre, and how far from it a correct `f32` computation can be.
///
/// Addition is the one that `f32` performs, so it widens the radius: a zero is the unit only
/// up to that. Nothing but the addition of the shortcut uses it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Ball {
    /// The value in exact arithmetic.
    pub centre: f64,
    /// The largest distance of a correctly computed one.
    pub radius: f64,
}

impl Ball {
    /// An `f32` that is given, hence exact.
    pub fn exact(value: f32) -> Self {
        Self { centre: f64::from(value), radius: 0.0 }
    }

    /// Whether a computed value is one that rounding explains. NaN is not.
    pub fn contains(&self, value: f32) -> bool {
        (f64::from(value) - self.centre).abs() <= self.radius
    }

    fn relu(self) -> Self {
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

/// Convolution of balls: two of the reference's, of centres and of sizes.
struct Balls;

/// Weights, their absolute values, and n.
struct BallKernel {
    weights: <Reference as Convolver<f64>>::Kernel,
    sizes: <Reference as Convolver<f64>>::Kernel,
    n: usize,
}

impl Convolver<Ball> for Balls {
    type Kernel = BallKernel;

    fn prepare(&self, weights: ArrayView4<'_, Ball>, spec: ConvSpec) -> Result<BallKernel> {
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let reference = Reference::default();
        let centres = weights.mapv(|weight| weight.centre);
        Ok(BallKernel {
            sizes: reference.prepare(centres.mapv(f64::abs).view(), spec)?,
            weights: reference.prepare(centres.view(), spec)?,
            n: shape.c_in_group * shape.k_h * shape.k_w,
        })
    }

    fn sums(&self, x: ArrayView4<'_, Ball>, kernel: &BallKernel) -> Result<Array4<Ball>> {
        let gamma = gamma_n(kernel.n);
        if gamma.is_infinite() {
            return Err(Error::TooManyTerms { terms: kernel.n });
        }
        let reference = Reference::default();
        let centres = x.mapv(|ball| ball.centre);
        // |W| e + gamma |W| (|c| + e) in one convolution, since |W| is linear.
        let errors = x.mapv(|ball| ball.radius + gamma * (ball.centre.abs() + ball.radius));
        let z = reference.sums(centres.view(), &kernel.weights)?;
        let e = reference.sums(errors.view(), &kernel.sizes)?;
        let underflow = kernel.n as f64 * ETA;
        Ok(Zip::from(&z).and(&e).map_collect(|&centre, &e| Ball { centre, radius: e + underflow }))
    }
}

/// Batch norm over balls.
struct NormedBalls<'a> {
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

/// A ReLU over balls.
struct ReluBalls;

impl ChannelWise<Ball> for ReluBalls {
    fn apply(&self, _channel: usize, mut plane: ArrayViewMut3<'_, Ball>) {
        plane.mapv_inplace(Ball::relu);
    }
}

/// The block's output as balls: every correct form, in `f32`, lies in them.
///
/// `x`: N x C_in x H x W; gives N x C_out x H_out x W_out. The block has batch norm and ReLU
/// where the paper puts them.
///
/// # Errors
///
/// An input or batch norms that do not suit the block.
pub fn balls(
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: ArrayView4<'_, f32>,
) -> Result<Array4<Ball>> {
    norms.check(weights.spec())?;
    let norms: BlockNorms<f64> = norms.cast();
    let relu = |norm| NormedBalls { norm, activation: Activation::Relu };
    let plain = |norm| NormedBalls { norm, activation: Activation::Identity };
    let (reduce, transform) = (relu(&norms.reduce), relu(&norms.transform));
    let (expand, shortcut) = (plain(&norms.expand), norms.shortcut.as_ref().map(plain));
    let functions = Functions {
        reduce: &reduce,
        transform: &transform,
        expand: &expand,
        shortcut: shortcut.as_ref().map_or(&Identity, |norm| norm),
        output: &ReluBalls,
    };
    let block = Bottleneck::prepare(&Form::Grouped, &weights.map(|&w| Ball::exact(w)), &Balls)?;
    block.forward(x.mapv(Ball::exact).view(), &functions, &Balls)
}

/// Both sides of each inequality, computed: on data that rounds as badly as it can, the true error
/// lies within the radius, and takes up so much of it that a radius much smaller would be wrong and
/// one much larger would be seen.
#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array3, Array4};
    use rand::Rng as _;

    use super::{Ball, Balls, ETA, NormedBalls, U, gamma_n};
    use crate::block::{Activation, BatchNorm};
    use crate::conv::{ChannelWise, ConvSpec, Convolver, Reference};
    use crate::random::{Purpose, Seed};
    use crate::scalar::{Additive, Real};

    /// How much of the radius the error of `value` takes up.
    fn used(ball: &Ball, value: f32) -> f64 {
        (f64::from(value) - ball.centre).abs() / ball.radius
    }

    #[test]
    fn gamma_is_what_it_says() {
        assert_eq!(U, 2f64.powi(-24));
        assert_eq!(ETA, 2f64.powi(-149));
        let plain = |n: f64| n * U / (1.0 - n * U);
        for n in [1usize, 7, 256, 4608] {
            let ratio = gamma_n(n) / plain(n as f64);
            assert!((1.0..1.0 + 2f64.powi(-19)).contains(&ratio), "{n}: {ratio}");
        }
        assert_eq!(gamma_n(1 << 24), f64::INFINITY);
    }

    /// 1 + u + u + ...: each addition rounds u away, so the error is (n - 1) u of the bound's n u.
    #[test]
    fn a_sum_that_loses_every_term_stays_within_gamma() {
        for (channels, k) in [(100, 1), (1000, 1), (4, 5), (12, 3)] {
            let n = channels * k * k;
            let x = Array4::from_shape_fn((1, channels, k, k), |(_, c, i, j)| {
                if (c, i, j) == (0, 0, 0) { 1.0f32 } else { U as f32 }
            });
            let ones = Array4::from_elem((1, channels, k, k), 1.0f32);
            let reference = Reference::default();
            let kernel = reference.prepare(ones.view(), ConvSpec::UNIT).unwrap();
            let computed = reference.sums(x.view(), &kernel).unwrap()[[0, 0, 0, 0]];
            assert_eq!(computed, 1.0);
            let kernel = Balls.prepare(ones.mapv(Ball::exact).view(), ConvSpec::UNIT).unwrap();
            let ball = Balls.sums(x.mapv(Ball::exact).view(), &kernel).unwrap()[[0, 0, 0, 0]];
            assert!(ball.contains(computed));
            let expected = (n as f64 - 1.0) / n as f64;
            assert!((used(&ball, computed) - expected).abs() < 0.01, "{}", used(&ball, computed));
        }
    }

    #[test]
    fn sums_too_long_for_a_bound_are_refused() {
        let weights = Array4::from_elem((1, 1, 4097, 4097), Ball::exact(0.0));
        let kernel = Balls.prepare(weights.view(), ConvSpec::new(1, 4096, 1, 1).unwrap()).unwrap();
        let x = Array4::from_elem((1, 1, 1, 1), Ball::exact(0.0));
        let error = Balls.sums(x.view(), &kernel).unwrap_err();
        assert!(error.to_string().starts_with("sums of 16785409 terms"), "{error}");
    }

    /// An error in the input reaches the output times the weight's size.
    #[test]
    fn a_sum_passes_on_the_errors_of_its_inputs() {
        let weights = Array4::from_shape_vec((1, 2, 1, 1), vec![3.0f32, -5.0]).unwrap();
        let x = Array4::from_elem((1, 2, 1, 1), Ball { centre: 1.0, radius: 0.25 });
        let kernel = Balls.prepare(weights.mapv(Ball::exact).view(), ConvSpec::UNIT).unwrap();
        let ball = Balls.sums(x.view(), &kernel).unwrap()[[0, 0, 0, 0]];
        assert_eq!(ball.centre, -2.0);
        // 3 * 1.25 - 5 * 0.75 = 0 and 3 * 0.75 - 5 * 1.25 = -4 are both possible.
        assert!(ball.contains(0.0) && ball.contains(-4.0));
        let expected = 8.0 * 0.25 + gamma_n(2) * 8.0 * 1.25;
        assert!((ball.radius - expected).abs() < 1e-12);
    }

    /// Products below the smallest number vanish, each by itself.
    #[test]
    fn products_that_vanish_stay_within_eta() {
        let n = 64;
        let weights = Array4::from_elem((1, n, 1, 1), 2f32.powi(-100));
        let x = Array4::from_elem((1, n, 1, 1), 2f32.powi(-50));
        let computed = (0..n).fold(0f32, |sum, _| sum + 2f32.powi(-100) * 2f32.powi(-50));
        assert_eq!(computed, 0.0, "2^-150 rounds to even, which is 0");
        let kernel = Balls.prepare(weights.mapv(Ball::exact).view(), ConvSpec::UNIT).unwrap();
        let ball = Balls.sums(x.mapv(Ball::exact).view(), &kernel).unwrap()[[0, 0, 0, 0]];
        assert!(ball.contains(computed));
        assert!((used(&ball, computed) - 0.5).abs() < 0.01);
    }

    /// Batch norm over many random values and their roundings: the worst comes close.
    #[test]
    fn batch_norm_stays_within_seven_roundings() {
        let mut rng = Seed(1).stream(Purpose::Input, &[]);
        let mut worst = 0f64;
        for _ in 0..200_000 {
            let mut draw = || rng.random_range(0.5f32..2.0);
            let one = |value| Array1::from_elem(1, value);
            let norm =
                BatchNorm::new(one(draw()), one(-draw()), one(-draw()), one(draw()), 1e-5f32);
            let norm = norm.unwrap();
            let z = draw();
            let mut computed = Array3::from_elem((1, 1, 1), z);
            norm.fold().unwrap().apply(0, computed.view_mut());
            let exact = norm.cast::<f64>();
            let mut ball = Array3::from_elem((1, 1, 1), Ball::exact(z));
            NormedBalls { norm: &exact, activation: Activation::Identity }
                .apply(0, ball.view_mut());
            let [gamma, beta, mean, variance] = exact.channel(0);
            let y = gamma * (z.to_f64() - mean) / (variance + exact.epsilon()).sqrt() + beta;
            assert!((ball[[0, 0, 0]].centre - y).abs() < 1e-14);
            assert!(ball[[0, 0, 0]].contains(computed[[0, 0, 0]]));
            worst = worst.max(used(&ball[[0, 0, 0]], computed[[0, 0, 0]]));
        }
        assert!(worst > 0.2, "{worst}");
    }

    /// An error of the sums reaches the output times the scale's size.
    #[test]
    fn batch_norm_passes_on_the_error_of_its_input() {
        let one = |value| Array1::from_elem(1, value);
        let norm = BatchNorm::<f64>::new(one(-8.0), one(0.0), one(0.0), one(4.0), 0.0).unwrap();
        let mut ball = Array3::from_elem((1, 1, 1), Ball { centre: 1.0, radius: 0.5 });
        NormedBalls { norm: &norm, activation: Activation::Identity }.apply(0, ball.view_mut());
        let ball = ball[[0, 0, 0]];
        assert!(ball.contains(-6.0) && ball.contains(-2.0) && !ball.contains(-6.001));
    }

    #[test]
    fn relu_moves_no_two_numbers_apart() {
        let relu = |centre, radius| Ball { centre, radius }.relu();
        assert_eq!(relu(1.0, 0.5), Ball { centre: 1.0, radius: 0.5 });
        assert_eq!(relu(-1.0, 0.5), Ball { centre: 0.0, radius: 0.0 });
        assert_eq!(relu(-1.0, 1.5), Ball { centre: 0.0, radius: 0.5 });
        assert!(!relu(f64::NAN, 0.0).contains(0.0), "what is not known stays so");
        assert!(relu(-1.0, f64::NAN).radius.is_nan());
    }

    /// 1 + 1.5 u rounds to 1 + 2 u: half a unit off, as far as it goes.
    #[test]
    fn adding_the_shortcut_rounds_once() {
        let (left, right) = (1f32, 1.5 * U as f32);
        let ball = Ball::exact(left).add(&Ball::exact(right));
        assert_ne!(f64::from(left + right), ball.centre);
        assert!(ball.contains(left + right));
        assert!((used(&ball, left + right) - 0.5).abs() < 0.01);
        let wide = Ball { centre: 1.0, radius: 0.5 }.add(&Ball { centre: 2.0, radius: 0.25 });
        assert!(wide.contains(3.75) && wide.contains(2.25) && !wide.contains(3.76));
    }
}
