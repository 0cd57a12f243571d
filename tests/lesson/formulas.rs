//! Tests the formulas in the evidence's module docs by computing both sides. (The formulas of the derived bound and of
//! the certificate are tested in src/evidence.)

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::Mutex;

use crate::common::wrong::{NEXT_PATH, norm_in_each_path, wrong};
use ndarray::{Array3, Array4, ArrayViewMut3, arr3};
use rand::Rng as _;
use triform::block::{
    Activation, BatchNorm, BlockForm, BlockSpec, BlockWeights, Form, Functions, Layer, TrainingNorm,
};
use triform::conv::{ChannelWise, Fast, Reference};
use triform::evidence::any_form::AnyForm;
use triform::evidence::bound::{Ball, gamma_n};
use triform::evidence::generator::{MANY, Shape, VARIETY, sample};
use triform::evidence::live::RealProblem;
use triform::evidence::rungs::r0_approximate::{self, Tolerance};
use triform::evidence::rungs::r4_prime_field::{self, with_random_functions};
use triform::evidence::rungs::r7_derivatives;
use triform::evidence::rungs::r8_training::TrainingBall;
use triform::evidence::verdict::Bound;
use triform::random::{Purpose, Rng, Seed};
use triform::scalar::{Additive, Dot, Dual, Polynomial, Prime, Real, Scalar};

const FORMS: [&dyn AnyForm; 3] = [&Form::Aggregated, &Form::EarlyConcat, &Form::Grouped];

/// New variables, one after the other.
#[derive(Default)]
struct Variables(Cell<u32>);

impl Variables {
    fn next(&self) -> Polynomial {
        self.0.set(self.0.get() + 1);
        Polynomial::variable(self.0.get())
    }
}

/// A function that is defined by what it does to an element at a layer and channel.
struct By<'a, F>(Layer, &'a F);

impl<S: Clone, F: Fn(Layer, usize, S) -> S + Sync> ChannelWise<S> for By<'_, F> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        plane.map_inplace(|z| *z = (self.1)(self.0, channel, z.clone()));
    }
}

/// The result of `run` with these functions.
fn with<S: Clone, T>(
    at: impl Fn(Layer, usize, S) -> S + Sync,
    run: impl FnOnce(&Functions<'_, S>) -> T,
) -> T {
    let places = Layer::ALL.map(|layer| By(layer, &at));
    run(&Functions::of(|layer| &places[layer as usize]))
}

/// The output of form (c) with these functions, over the reference.
fn grouped<S: Dot>(
    weights: &BlockWeights<S>,
    x: &Array4<S>,
    at: impl Fn(Layer, usize, S) -> S + Sync,
) -> Array4<S> {
    let reference = Reference::default();
    with(at, |functions| Form::Grouped.forward(weights, x.view(), functions, &reference)).unwrap()
}

/// R4, linear: as a polynomial in input, weights, scales and shifts, the output has degree 8.
#[test]
fn the_linear_block_has_degree_8() {
    let variables = Variables::default();
    let spec = BlockSpec::new(2, 2, 1, 2).unwrap();
    let (weights, x) = Shape::new(spec, (2, 2)).draw(|| variables.next()).unwrap();
    let affine = |layer: Layer, channel: usize, z: Polynomial| {
        let number = 1000 + 10 * channel as u32 + 100 * layer as u32;
        let [scale, shift] = [number, number + 1].map(Polynomial::variable);
        scale.mul(&z).add(&shift)
    };
    let output = grouped(&weights, &x, affine);
    let degree = output.iter().map(Polynomial::degree).max().unwrap();
    assert_eq!(f64::from(degree), r4_prime_field::DEGREE);
}

/// R7: if function values and their derivatives are unknowns, the derivative of the output has degree 8.
#[test]
fn the_derivative_has_degree_8() {
    let variables = Variables::default();
    let spec = BlockSpec::new(2, 2, 1, 3).unwrap(); // with a projection
    let dual = || Dual { value: variables.next(), derivative: variables.next() };
    let (weights, x) = Shape::new(spec, (2, 1)).draw(dual).unwrap();
    let memo: Mutex<HashMap<String, u32>> = Mutex::default();
    let unknown = |layer: Layer, channel: usize, z: Dual<Polynomial>| {
        let mut memo = memo.lock().unwrap();
        let next = 5000 + 2 * memo.len() as u32;
        let number = *memo.entry(format!("{layer:?} {channel} {}", z.value)).or_insert(next);
        let [value, slope] = [number, number + 1].map(Polynomial::variable);
        Dual { value, derivative: z.derivative.mul(&slope) }
    };
    let output = grouped(&weights, &x, unknown);
    let degree = output.iter().map(|y| y.derivative.degree()).max().unwrap();
    assert_eq!(f64::from(degree), r7_derivatives::DEGREE);
}

/// The size of a field that is so small that wrong forms sometimes agree by accident.
const P: u64 = 101;
type Small = Prime<P>;

/// How often a wrong form agrees with form (c), in `trials` trials on a block with one image and one pixel. `functions`
/// draws the functions for each trial.
fn accidents<F>(wrong: &impl BlockForm, trials: u32, functions: F) -> u32
where
    F: Fn(&mut Rng, &mut dyn FnMut(&Functions<'_, Small>) -> bool) -> bool,
{
    let mut rng = Seed(5).stream(Purpose::Field, &[]);
    let spec = BlockSpec::new(1, 2, 1, 1).unwrap().with_kernel(1).unwrap();
    let reference = Reference::default();
    let mut accidents = 0;
    for _ in 0..trials {
        let shape = Shape::new(spec, (1, 1));
        let (weights, x): (BlockWeights<Small>, Array4<Small>) =
            shape.draw(|| Small::new(rng.random_range(0..P))).unwrap();
        let mut agree = |functions: &Functions<'_, Small>| {
            let right = Form::Grouped.forward(&weights, x.view(), functions, &reference);
            right.unwrap() == wrong.forward(&weights, x.view(), functions, &reference).unwrap()
        };
        accidents += u32::from(functions(&mut rng, &mut agree));
    }
    accidents
}

/// The expected count plus five standard deviations, which allow for chance.
fn slack(expected: f64) -> f64 {
    expected + 5.0 * expected.sqrt()
}

/// R4, linear: the Schwartz-Zippel bound. In a field of 101 elements, wrong forms agree by accident, but no more often
/// than in 8 of 101 trials.
#[test]
fn linear_accidents_are_no_likelier_than_the_bound() {
    let trials = 20_000;
    let bound = r4_prime_field::DEGREE / P as f64;
    for mistake in ["3x3-shared", "last-path-dropped", NEXT_PATH] {
        let seen = accidents(&wrong(Form::Aggregated, mistake), trials, |rng, agree| {
            let table: Vec<[Small; 2]> =
                (0..20).map(|_| [(); 2].map(|()| Small::new(rng.random_range(0..P)))).collect();
            let affine = |layer: Layer, channel: usize, z: Small| {
                let [scale, shift] = table[4 * layer as usize + channel];
                scale.mul(&z).add(&shift)
            };
            with(affine, agree)
        });
        let rate = f64::from(seen) / f64::from(trials);
        println!("{mistake:?}: {rate:.4} of {bound:.4}");
        assert!(seen > 0, "a bound that is never near says nothing");
        assert!(f64::from(seen) <= slack(bound * f64::from(trials)));
    }
}

/// R4, with any functions: the union bound, with `m (m - 1) / 2` pairs of queries for each function.
#[test]
fn accidents_with_random_functions_are_no_likelier_than_the_bound() {
    let trials = 20_000;
    let mut largest = 0f64;
    let total = Cell::new(0f64);
    let run = |rng: &mut Rng, agree: &mut dyn FnMut(&Functions<'_, Small>) -> bool| {
        let table: Vec<Small> =
            (0..5 * 4 * P).map(|_| Small::new(rng.random_range(0..P))).collect();
        let queries: Mutex<HashMap<(Layer, usize), u64>> = Mutex::default();
        let random = |layer: Layer, channel: usize, z: Small| {
            *queries.lock().unwrap().entry((layer, channel)).or_default() += 1;
            table[((layer as usize * 4 + channel) as u64 * P + z.value()) as usize]
        };
        let agreed = with(random, agree);
        let pairs: u64 = queries.lock().unwrap().values().map(|m| m * (m - 1) / 2).sum();
        total.set(total.get() + (1.0 + 2.0 * pairs as f64) / P as f64);
        agreed
    };
    for form in [
        wrong(Form::Grouped, "last-path-dropped"),
        wrong(Form::EarlyConcat, NEXT_PATH),
        norm_in_each_path(),
    ] {
        let seen = accidents(&form, trials, run);
        let bound = total.replace(0.0);
        println!("{seen} accidents, at most {bound:.0} expected");
        assert!(seen > 0 && f64::from(seen) <= slack(bound));
        largest = largest.max(f64::from(seen) / bound);
    }
    println!("at most {largest:.2} of the bound");
}

/// The formula gives the stated probability of 3e-8 for three forms at 56 x 56 with 256 channels. A run reports what
/// the formula gives for its block.
#[test]
fn the_probability_is_the_one_that_is_stated() {
    let of = |queries: f64, channels: f64| {
        (1.0 + 2.0 * channels * queries * (queries - 1.0) / 2.0) / r4_prime_field::P
    };
    let stated = of(3.0 * 56.0 * 56.0, 128.0 + 128.0 + 256.0 + 256.0);
    assert!((2.9e-8..3.0e-8).contains(&stated), "{stated}");
    assert!((3.4e-18..3.5e-18).contains(&(r4_prime_field::DEGREE / r4_prime_field::P)));
    assert_eq!(r4_prime_field::P, 2f64.powi(61), "to the nearest f64");

    let shape = Shape::new(BlockSpec::new(6, 4, 3, 6).unwrap(), (5, 4));
    let evidence = with_random_functions(&FORMS, &shape, Seed(1), &[]).unwrap();
    let Bound::Probability { at_most } = evidence.bound else { panic!() };
    let expected = of(3.0 * 20.0, 12.0 + 12.0 + 6.0 + 6.0);
    assert!((at_most / expected - 1.0).abs() < 1e-12, "{at_most} {expected}");
}

/// Batch norm of one channel.
fn norm<S: Real>(gamma: S, beta: S, epsilon: S) -> BatchNorm<S> {
    BatchNorm::of_channels(&[[gamma, beta, S::zero(), S::one()]], epsilon).unwrap()
}

/// Applies batch norm in training mode to `values` and to `balls`. Asserts that each new value lies in its new ball.
/// Returns the largest used fraction of a radius.
fn used_in_training(norm: BatchNorm<f32>, mut values: Array3<f32>, mut balls: Array3<Ball>) -> f64 {
    TrainingBall::new(&norm.cast(), Activation::Identity).apply(0, balls.view_mut());
    TrainingNorm::new(norm, 0.1, Activation::Identity).apply(0, values.view_mut());
    let used = balls.iter().zip(&values).map(|(ball, value)| {
        assert!(ball.contains(*value), "{}: {ball:?} {value}", values.len());
        (f64::from(*value) - ball.centre).abs() / ball.radius
    });
    used.fold(0.0, f64::max)
}

/// R8: batch norm in training mode in `f32` stays within the bound, wherever the values lie in their balls. It uses
/// more than a tenth of the bound.
#[test]
fn training_stays_within_its_bound() {
    let mut rng = Seed(8).stream(Purpose::Input, &[]);
    let mut worst = [0f64; 2];
    for trial in 0..3000 {
        let n = [2, 6, 40, 500][trial % 4];
        let mut draw = |range: std::ops::Range<f32>| rng.random_range(range);
        let (gamma, beta) = (draw(-2.0..2.0), draw(-2.0..2.0));
        // At times the mean is large against the spread, so that the deviations cancel.
        let (offset, radius) =
            (draw(-1.0..1.0) * [0.0, 30.0][trial % 2], [0.0, 1e-4][trial / 2 % 2]);
        let centres = Array3::from_shape_simple_fn((1, 1, n), || offset + draw(-1.0..1.0));
        let values = centres.mapv(|c| {
            let off = if radius > 0.0 { draw(-1.0..1.0) } else { 0.0 };
            c + off * 0.999 * radius
        });
        let balls = centres.mapv(|c| Ball { centre: f64::from(c), radius: f64::from(radius) });
        let kind = usize::from(radius > 0.0);
        worst[kind] = used_in_training(norm(gamma, beta, 1e-5), values, balls).max(worst[kind]);
    }
    println!(
        "used of the bound: {:.2} by rounding, {:.2} with errors in the input",
        worst[0], worst[1]
    );
    assert!(worst[0] > 0.1 && worst[1] > 0.1, "{worst:?}");
}

/// Centre and radius equal the formulas of the docs, written out term by term once more.
#[test]
fn the_balls_of_training_are_the_formulas() {
    const U: f64 = 1.0 / 16_777_216.0 * (1.0 + 1.0 / 1_048_576.0);
    const ETA: f64 = 1.401_298_464_324_817e-45;
    let (gamma, beta, epsilon) = (-3.0, 0.5, 0.25);
    let z = [(1.0, 0.01), (2.0, 0.0), (6.0, 0.02), (-30.0, 0.001)];
    let mut balls =
        Array3::from_shape_fn((1, 1, 4), |(_, _, i)| Ball { centre: z[i].0, radius: z[i].1 });
    let norm = norm(gamma, beta, epsilon);
    TrainingBall::new(&norm, Activation::Identity).apply(0, balls.view_mut());

    let avg = |of: &dyn Fn(f64, f64) -> f64| z.iter().map(|(c, e)| of(*c, *e)).sum::<f64>() / 4.0;
    let m = avg(&|c, _| c);
    let e_m = avg(&|_, e| e) + gamma_n(4) * avg(&|c, e| c.abs() + e) + ETA;
    let e_d = |c: f64, e: f64| e + e_m + U * ((c - m).abs() + e + e_m);
    let v = avg(&|c, _| (c - m).powi(2));
    let e_v = avg(&|c, e| 2.0 * (c - m).abs() * e_d(c, e) + e_d(c, e).powi(2))
        + gamma_n(5) * avg(&|c, e| ((c - m).abs() + e_d(c, e)).powi(2))
        + 2.0 * ETA;
    let s = gamma / (v + epsilon).sqrt();
    let s_above = gamma.abs() / ((v - e_v).max(0.0) + epsilon).sqrt();
    let s_below = gamma.abs() / (v + e_v + epsilon).sqrt();
    let e_s = (s_above - s.abs()).max(s.abs() - s_below) + gamma_n(3) * s_above + ETA;
    for ((c, e), ball) in z.into_iter().zip(&balls) {
        let size = (c - m).abs() + e_d(c, e);
        let e_y = s.abs() * e_d(c, e)
            + e_s * size
            + gamma_n(2) * (s.abs() + e_s) * size
            + gamma_n(1) * beta.abs()
            + 2.0 * ETA;
        assert!((ball.radius / e_y - 1.0).abs() < 1e-12, "{} {e_y}", ball.radius);
        let y = s * (c - m) + beta;
        assert!((ball.centre - y).abs() < 1e-12, "{ball:?} {y}");
    }
}

/// The bound also covers underflow, with a subnormal scale and large deviations.
#[test]
fn training_stays_within_its_bound_where_the_scale_underflows() {
    for (gamma, spread) in [(1e-40f32, 1e5f32), (1e-38, 1e4), (3e-42, 3e3)] {
        let z = arr3(&[[[spread, -spread, 0.5 * spread, 3.0 * spread]]]);
        let balls = z.mapv(Ball::exact);
        used_in_training(norm(gamma, 0.0, 1e-5), z, balls);
    }
}

/// Each kind of case makes up at least a fifth of the cases that the generator draws. So the probability that 100 cases
/// lack any kind is below 10^-8.
#[test]
fn variety_is_as_frequent_as_is_said() {
    let cases = 4000;
    let mut seen = [0f64; VARIETY.len()];
    for number in 0..cases {
        let case = sample(Seed(0), number, 0);
        for (count, (_, holds)) in seen.iter_mut().zip(VARIETY) {
            *count += f64::from(u8::from(holds(&case)));
        }
    }
    for (count, (name, _)) in seen.iter().zip(VARIETY) {
        println!("{name}: {:.3}", count / cases as f64);
        assert!(*count >= cases as f64 / 5.0, "{name}: {count} of {cases}");
    }
    assert!(VARIETY.len() as f64 * 0.8f64.powi(MANY as i32) < 1e-8);
}

/// R0's lesson: on pixels from 0 to 255, PyTorch's tolerances for `float32` refute right forms, while R0's own
/// tolerance accepts them. (`testing.assert_close` allows 1e-5, or 1.3e-6 of the value.)
#[test]
fn a_chosen_tolerance_raises_false_alarms() {
    let spec = BlockSpec::new(64, 32, 4, 256).unwrap();
    let mut real = RealProblem::draw(&Shape::new(spec, (8, 8)), Seed(1), &[0]).unwrap();
    let alarms = |real: &RealProblem| {
        let outputs = real.problem().solve_all(&FORMS, &Fast::new()).unwrap();
        let pairs = outputs[0].iter().zip(&outputs[2]);
        let alarms = pairs.filter(|(a, c)| {
            !approx::relative_eq!(**a, **c, epsilon = 1e-5, max_relative = 1.3e-6)
        });
        let tolerance = Tolerance::of(&real.weights, &real.norms, real.x.view()).unwrap();
        (alarms.count(), r0_approximate::close(&FORMS, &outputs, &tolerance).witnesses.is_empty())
    };
    assert_eq!(alarms(&real), (0, true), "on values about 1");
    // The same network on a larger input, as if nobody had normalised it.
    real.x.mapv_inplace(|x| (x.abs() * 100.0).min(255.0));
    let (false_alarms, close) = alarms(&real);
    println!("{false_alarms} false alarms");
    assert!(false_alarms > 0 && close);
}
