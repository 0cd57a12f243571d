//! Computes both sides of each inequality on data that rounds badly. The true error lies within the radius and takes up
//! a large part of it. So a much smaller radius would be wrong, and a much larger one would be noticed.

use ndarray::{Array3, Array4};
use rand::Rng as _;

use super::{Ball, Balls, ETA, NormedBalls, U, gamma_n};
use crate::block::{Activation, BatchNorm};
use crate::conv::{ChannelWise, ConvSpec, Convolver, Reference};
use crate::random::{Purpose, Seed};
use crate::scalar::{Additive, Real};

/// The error of `value`, as a fraction of the radius.
fn used(ball: &Ball, value: f32) -> f64 {
    (f64::from(value) - ball.centre).abs() / ball.radius
}

/// The only output of a convolution whose kernel is as large as the map.
fn sum(weights: &Array4<f32>, x: &Array4<Ball>) -> Ball {
    let kernel = Balls.prepare(weights.mapv(Ball::exact).view(), ConvSpec::UNIT).unwrap();
    Balls.sums(x.view(), &kernel).unwrap()[[0, 0, 0, 0]]
}

/// Batch norm of one channel: gamma, beta, mean, variance.
fn norm<S: Real>(numbers: [S; 4], epsilon: S) -> BatchNorm<S> {
    BatchNorm::of_channels(&[numbers], epsilon).unwrap()
}

/// Batch norm of one value.
fn normed(norm: &BatchNorm<f64>, z: Ball) -> Ball {
    let mut plane = Array3::from_elem((1, 1, 1), z);
    NormedBalls { norm, activation: Activation::Identity }.apply(0, plane.view_mut());
    plane[[0, 0, 0]]
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

/// In the sum 1 + u + u + ..., each addition rounds u away. So the error is (n - 1) u, and the bound is n u.
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
        let ball = sum(&ones, &x.mapv(Ball::exact));
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
    assert!(error.to_string().starts_with("a sum has 16785409 terms"), "{error}");
}

/// An error in the input reaches the output multiplied by the weight's absolute value.
#[test]
fn a_sum_passes_on_the_errors_of_its_inputs() {
    let weights = Array4::from_shape_vec((1, 2, 1, 1), vec![3.0f32, -5.0]).unwrap();
    let x = Array4::from_elem((1, 2, 1, 1), Ball { centre: 1.0, radius: 0.25 });
    let ball = sum(&weights, &x);
    assert_eq!(ball.centre, -2.0);
    // 3 * 1.25 - 5 * 0.75 = 0 and 3 * 0.75 - 5 * 1.25 = -4 are both possible.
    assert!(ball.contains(0.0) && ball.contains(-4.0));
    let expected = 8.0 * 0.25 + gamma_n(2) * 8.0 * 1.25;
    assert!((ball.radius - expected).abs() < 1e-12);
}

/// Each product is below the smallest positive number and becomes 0.
#[test]
fn products_that_vanish_stay_within_eta() {
    let n = 64;
    let weights = Array4::from_elem((1, n, 1, 1), 2f32.powi(-100));
    let x = Array4::from_elem((1, n, 1, 1), 2f32.powi(-50));
    let computed = (0..n).fold(0f32, |sum, _| sum + 2f32.powi(-100) * 2f32.powi(-50));
    assert_eq!(computed, 0.0, "2^-150 rounds to even, which is 0");
    let ball = sum(&weights, &x.mapv(Ball::exact));
    assert!(ball.contains(computed));
    assert!((used(&ball, computed) - 0.5).abs() < 0.01);
}

/// Runs batch norm on many random values. The worst error takes up a good part of the radius.
#[test]
fn batch_norm_stays_within_seven_roundings() {
    let mut rng = Seed(1).stream(Purpose::Input, &[]);
    let mut worst = 0f64;
    for _ in 0..200_000 {
        let mut draw = || rng.random_range(0.5f32..2.0);
        let norm = norm([draw(), -draw(), -draw(), draw()], 1e-5f32);
        let z = draw();
        let mut computed = Array3::from_elem((1, 1, 1), z);
        norm.fold().unwrap().apply(0, computed.view_mut());
        let (exact, computed) = (norm.cast::<f64>(), computed[[0, 0, 0]]);
        let ball = normed(&exact, Ball::exact(z));
        let [gamma, beta, mean, variance] = exact.channel(0);
        let y = gamma * (z.to_f64() - mean) / (variance + exact.epsilon()).sqrt() + beta;
        assert!((ball.centre - y).abs() < 1e-14);
        assert!(ball.contains(computed));
        worst = worst.max(used(&ball, computed));
    }
    assert!(worst > 0.2, "{worst}");
}

/// The radius follows the formula. Each term is checked by itself.
#[test]
fn the_radius_of_batch_norm_is_the_formula() {
    let radius = |[s, z, e, mean, beta]: [f64; 5]| {
        normed(&norm([2.0 * s, beta, mean, 3.0], 1.0), Ball { centre: z, radius: e }).radius
    };
    let gamma_7 = gamma_n(7);
    for (given, expected) in [
        ([3.0, 5.0, 0.0, 0.0, 0.0], (3.0 * gamma_7 + ETA) * 5.0),
        ([3.0, 0.0, 0.5, 0.0, 0.0], 1.5 + (3.0 * gamma_7 + ETA) * 0.5),
        ([3.0, 0.0, 0.0, -7.0, 0.0], (3.0 * gamma_7 + ETA) * 7.0),
        ([0.0, 0.0, 0.0, 0.0, -2.0], gamma_7 * 2.0),
        ([0.0, 1e30, 0.0, 0.0, 0.0], ETA * 1e30),
        ([0.0, 0.0, 0.0, 0.0, 0.0], 2.0 * ETA),
    ] {
        let ratio = radius(given) / expected;
        assert!((ratio - 1.0).abs() < 1e-9, "{given:?}: {ratio}");
    }
}

/// An error in the sums reaches the output multiplied by the scale's absolute value.
#[test]
fn batch_norm_passes_on_the_error_of_its_input() {
    let ball = normed(&norm([-8.0, 0.0, 0.0, 4.0], 0.0), Ball { centre: 1.0, radius: 0.5 });
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

/// 1 + 1.5 u rounds to 1 + 2 u. The error is u / 2, half of what one rounding allows.
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
