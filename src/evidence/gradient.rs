//! R7, derivatives: the forms differentiated, in every direction at once.
//!
//! Equal functions have equal derivatives, so this tests nothing new about functions that R4 has
//! compared; it tests the forms as they are used in training, and their convolution by the product
//! rule. Each form is run on dual numbers ([`Dual`]), which carry the derivative in one direction
//! along: of the input, of every weight (and of every scale and shift) at once, each in a random
//! direction of its own. Two forms whose derivatives differ anywhere differ in such a direction.
//!
//! **Over the field**, with a random function f at each place and channel and, for its derivative, a
//! second one: f(a + b eps) = f(a) + b f'(a) eps. As in [`super::field`], a wrong form passes if two
//! arguments are equal by accident, with a probability of 2/p for each pair; or else if a difference
//! of derivatives vanishes. What is the degree of a derivative? The first layer's is w' x + w x', 2;
//! times f', 3; the next layer's w' h + w h', 4; and so on, 5, 6, 7; the sum with the shortcut's
//! keeps 7, times the last f' it is 8.
//!
//! ```text
//! P(a wrong form passes)  <=  (8 + 2 sum over places and channels of C(m, 2)) / p
//! ```
//!
//! **Over floats**, with batch norm and ReLU, on small integers with integer directions, certified
//! as in [`super::exact`]: for every output, also the derivative's sum of sizes stays within what
//! the float holds exactly,
//!
//! ```text
//! |s| sum of (|w'| |h| + |w| |h'|) + |s'| (sum of |w| |h|) + |t'| + |shortcut'|  <=  2^24
//! ```
//!
//! so that not a bit may differ. Integers are the only data on which a ReLU often meets exactly 0,
//! where its derivative is a matter of convention (0 here, as in PyTorch).

use std::sync::atomic::{AtomicI64, Ordering};

use ndarray::{Array4, ArrayView4, ArrayViewMut3};
use rand::Rng as _;

use super::any_form::{AnyForm, Problem};
use super::compare::{Value, Witnesses, odd_ones_out};
use super::duals::Duals;
use super::exact::{ExactCase, LIMIT_F32, Measured, MeasuredSums, float};
use super::field::{P, Shape, uniform};
use super::random_functions::RandomFunctions;
use super::verdict::{Bound, Evidence};
use crate::block::{Activation, BatchNorm, Bottleneck, Form, Functions, Normalise};
use crate::conv::{Affine, ChannelWise, Fast, Identity, Reference};
use crate::error::Result;
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Dual, Int, M61, Ordered as _, Scalar};

/// Degree of the derivative of the block's output.
pub const DEGREE: f64 = 8.0;

/// The forms over dual numbers of the field, with random functions; `path` numbers the draw.
///
/// # Errors
///
/// A form that is none of the block.
pub fn over_the_field(
    forms: &[&dyn AnyForm],
    shape: &Shape,
    seed: Seed,
    path: &[u64],
) -> Result<Evidence> {
    let mut rng = seed.stream(Purpose::Directions, path);
    let (weights, x) =
        shape.draw(|| Dual { value: uniform(&mut rng), derivative: uniform(&mut rng) })?;
    let functions = RandomFunctions::new(seed, path);
    let problem = Problem { weights: &weights, x: x.view(), functions: functions.functions() };
    let outputs = problem.solve_all(forms, &Reference::default())?;
    let show = |z: &Dual<M61>| {
        Value::Text(format!("{}, derivative {}", z.value.value(), z.derivative.value()))
    };
    let witnesses =
        odd_ones_out(forms, &outputs, "output", |left, right| (show(left), show(right)));
    let at_most = (DEGREE + 2.0 * functions.pairs()) / P;
    Ok(Evidence::of(Bound::Probability { at_most }, witnesses))
}

/// The forms over dual numbers of `f32`, on a case of integers; `None` where its derivatives are
/// beyond what `f32` holds exactly.
///
/// # Errors
///
/// A form that is none of the block.
pub fn over_floats(
    forms: &[&dyn AnyForm],
    case: &ExactCase,
    rng: &mut Rng,
) -> Result<Option<Evidence>> {
    let weights = case.weights.map(|&value| Dual { value, derivative: small(rng) });
    let x = case.x.map(|&value| Dual { value, derivative: small(rng) });
    let norms = &case.norms;
    let mut affine = |norm: &BatchNorm<f64>| -> Vec<DualAffine> {
        (0..norm.channels()).map(|channel| DualAffine::of(norm, channel, rng)).collect()
    };
    let layers = [affine(&norms.reduce), affine(&norms.transform), affine(&norms.expand)];
    let shortcut = norms.shortcut.as_ref().map(&mut affine);

    // What every form must give, and how large the sums are on the way.
    let reached = AtomicI64::new(0);
    let layer = |affine, relu, afresh| Measurer { affine, relu, afresh, reached: &reached };
    let projected = shortcut.as_ref().map(|affine| layer(affine.as_slice(), false, true));
    let output = layer(&[], true, true);
    let functions = Functions {
        reduce: &layer(&layers[0], true, true),
        transform: &layer(&layers[1], true, true),
        expand: &layer(&layers[2], false, false),
        shortcut: projected.as_ref().map_or(&Identity as &dyn ChannelWise<_>, |layer| layer),
        output: &output,
    };
    let given = |z: &Dual<Int>| Dual {
        value: Measured::given(z.value),
        derivative: Measured::given(z.derivative),
    };
    let convolver = Duals(MeasuredSums);
    let block = Bottleneck::prepare(&Form::Grouped, &weights.map(given), &convolver)?;
    let expected = block.forward(x.map(given).view(), &functions, &convolver)?;
    if reached.load(Ordering::Relaxed) > LIMIT_F32 {
        return Ok(None);
    }
    let expected = expected
        .map(|z| Dual { value: float(&z.value.value), derivative: float(&z.derivative.value) });

    let floats = |z: &Dual<Int>| Dual { value: float(&z.value), derivative: float(&z.derivative) };
    let normalise = |affine: &[DualAffine], activation| {
        let affine = affine.iter().map(|affine| Affine {
            scale: floats(&affine.scale),
            shift: floats(&affine.shift),
            relu: false,
        });
        Normalise::<Dual<f32>>::new(affine.collect()).then(activation)
    };
    let [reduce, transform] = [0, 1].map(|i| normalise(&layers[i], Activation::Relu));
    let expand = normalise(&layers[2], Activation::Identity);
    let projected = shortcut.as_ref().map(|affine| normalise(affine, Activation::Identity));
    let functions = Functions {
        reduce: &reduce,
        transform: &transform,
        expand: &expand,
        shortcut: projected.as_ref().map_or(&Identity as &dyn ChannelWise<_>, |norm| norm),
        output: &Activation::Relu,
    };
    let (weights, x) = (weights.map(floats), x.map(floats));
    let problem = Problem { weights: &weights, x: x.view(), functions };
    let mut witnesses = Witnesses::default();
    for form in forms {
        let output = problem.solve(*form, &Duals(Fast::new()))?;
        witnesses.add(differing(*form, output.view(), expected.view()));
    }
    let values = 2 * (forms.len() * expected.len()) as u64;
    Ok(Some(Evidence::of(Bound::Exact { values }, witnesses)))
}

/// The elements of a dual tensor, value and derivative side by side, that are not as they must be.
fn differing(
    form: &dyn AnyForm,
    output: ArrayView4<'_, Dual<f32>>,
    expected: ArrayView4<'_, Dual<f32>>,
) -> Witnesses {
    let split = |x: ArrayView4<'_, Dual<f32>>| -> [Array4<f32>; 2] {
        [x.map(|z| z.value), x.map(|z| z.derivative)]
    };
    let number = |value: &f32| Value::Number(f64::from(*value));
    let pairs = split(output).into_iter().zip(split(expected)).zip(["output", "derivative"]);
    for ((found, expected), place) in pairs {
        let pair = [found, expected];
        let show = |l: &f32, r: &f32| (number(l), number(r));
        let witnesses = odd_ones_out(&[form, form], &pair, place, show);
        if !witnesses.is_empty() {
            return witnesses;
        }
    }
    Witnesses::default()
}

fn small(rng: &mut Rng) -> Int {
    Int::from(rng.random_range(-2..=2))
}

/// Scale and shift of a channel, and how they move.
struct DualAffine {
    scale: Dual<Int>,
    shift: Dual<Int>,
}

impl DualAffine {
    fn of(norm: &BatchNorm<f64>, channel: usize, rng: &mut Rng) -> Self {
        // Integers, and a scale of plus or minus 1: see `super::exact`.
        let [gamma, beta, mean, variance] = norm.channel(channel).map(|value| *value);
        let scale = gamma / variance.sqrt();
        let moving = |value: f64, rng: &mut Rng| Dual {
            value: Int::from(value as i64),
            derivative: small(rng),
        };
        Self { scale: moving(scale, rng), shift: moving(beta - mean * scale, rng) }
    }
}

/// One layer over dual integers that carry the size of their sums.
struct Measurer<'a> {
    /// None at the block's end.
    affine: &'a [DualAffine],
    relu: bool,
    afresh: bool,
    reached: &'a AtomicI64,
}

impl ChannelWise<Dual<Measured>> for Measurer<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Dual<Measured>>) {
        plane.mapv_inplace(|z| {
            let z = self.affine.get(channel).map_or(z, |affine| affine.at(&z));
            let size = |part: &Measured| part.size.value().unwrap_or(i64::MAX);
            let size = size(&z.value).max(size(&z.derivative));
            self.reached.fetch_max(size, Ordering::Relaxed);
            let [mut value, mut derivative] = [z.value, z.derivative];
            if self.relu {
                let passes = value.value > Int::from(0);
                value.value = value.value.relu();
                derivative.value = if passes { derivative.value } else { Int::from(0) };
            }
            if self.afresh {
                [value, derivative] = [value, derivative].map(|part| Measured::given(part.value));
            }
            Dual { value, derivative }
        });
    }
}

impl DualAffine {
    /// s z + t by the product rule, and the sums of sizes.
    fn at(&self, z: &Dual<Measured>) -> Dual<Measured> {
        use crate::scalar::Additive as _;
        let Self { scale, shift } = self;
        let value = scale.value.mul(&z.value.value).add(&shift.value);
        let size = scale.value.abs().mul(&z.value.size).add(&shift.value.abs());
        let moved = scale.value.mul(&z.derivative.value);
        let scaled = scale.derivative.mul(&z.value.value);
        let sizes = scale.value.abs().mul(&z.derivative.size);
        let sizes = sizes.add(&scale.derivative.abs().mul(&z.value.size));
        Dual {
            value: Measured { value, size },
            derivative: Measured {
                value: moved.add(&scaled).add(&shift.derivative),
                size: sizes.add(&shift.derivative.abs()),
            },
        }
    }
}
