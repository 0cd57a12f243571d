//! Backwards: gradients with respect to the input and all weights. The scalar that is differentiated is a sum of the
//! outputs with random coefficients.
//!
//! The forms run on numbers that remember how they were computed ([`Var`]), and one backward pass gives all
//! gradients. The gradients of a kernel are compared element by element, and so path by path.
//!
//! - **Over the field, in inference mode**: a random function at each place and channel, with a random derivative.
//! - **Over the field, in training mode**: here, batch norm makes each value of a channel depend on all values of
//!   its plane. So each place and channel has a random function of the whole plane, with a random Jacobian.
//! - **On integers in `f32`, in inference mode**: exact, with a certificate as in
//!   [R3](crate::evidence::rungs::r3_exact_integers). No sum of sizes exceeds 2^24, in the backward pass too.
//! - **On floats in training mode, in one order of sums**: equal to the bit, including gradients of gamma and beta.
//! - **On floats in training mode, in each form's own order**: within a derived bound. The inputs and outputs of each
//!   function are replaced by the same floats for all forms. The gradients that return to the function are compared
//!   and then replaced too. So each gradient is one sum of n products of given numbers, in any order:
//!
//! ```text
//! |dx - exact|  <=  gamma_n sum of |w| |g| + n eta,   and the same for a kernel
//! ```
//!
//! A gradient is a polynomial in the numbers that are drawn. The coefficients of the outputs have degree 1, and the
//! first f' makes the degree 2. On the way back through the three layers, each f' and each kernel adds 1, up to 8 for
//! the gradient of the input. The gradient of a kernel has the layer's input as its last factor, and its degree is at
//! most 8. So the bound on the probability in [R7](super) holds here too.

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use ndarray::{Array1, Array4, ArrayView4, ArrayViewMut3, Axis, Zip};
use rand::Rng as _;

use super::super::r3_exact_integers::{ExactCase, LIMIT_F32, Measured, MeasuredSums};
use super::super::r4_prime_field::{P, uniform};
use super::super::r8_training::MOMENTUM;
use super::DEGREE;
use crate::block::{
    Activation, BlockForm as _, BlockNorms, BlockWeights, Form, Functions, Layer, LayerFunctions,
    NormFunctions, RecordedNorm, Shortcut, TrainingNorm,
};
use crate::conv::{Affine, ChannelWise, ConvSpec, Fast, Recorded, Reference, kernel_gradient};
use crate::error::{Error, Result};
use crate::evidence::bound::{Ball, ETA, gamma_n};
use crate::evidence::{
    AnyForm, Between, Bound, Evidence, Forms, Planes, Problem, RandomFunctions, RealProblem, Shape,
    Value, Witness, against, against_balls, float, keep, map_functions, odd_ones_out, who,
};
use crate::random::{Rng, Seed};
use crate::scalar::{
    Additive as _, Dot, Gradients, Int, M61, Ordered as _, Scalar as _, Var, gradients,
};

/// Gradients by name: with respect to the input, each kernel, and whatever else is tracked.
pub(crate) type Named<S> = Vec<(&'static str, Array4<S>)>;

const KERNELS: [&str; 4] = [
    "gradient of the first 1x1",
    "gradient of the 3x3",
    "gradient of the last 1x1",
    "gradient of the projection",
];

/// Runs a block on tracked numbers, and differentiates the sum of its outputs with the coefficients `v`.
pub(crate) fn back<S: Dot>(
    (weights, x, v): (&BlockWeights<S>, ArrayView4<'_, S>, &Array4<S>),
    run: impl FnOnce(&BlockWeights<Var<S>>, ArrayView4<'_, Var<S>>) -> Result<Array4<Var<S>>>,
) -> Result<(Gradients<S>, Named<S>)> {
    let kernels: Vec<_> = weights.owned_kernels().iter().map(Var::tracked).collect();
    let x = Var::tracked(&x.to_owned());
    let y = run(&BlockWeights::of(*weights.spec(), kernels.clone())?, x.view())?;
    let by = gradients(&y, v);
    let mut named = vec![("gradient of the input", by.of(&x))];
    named.extend(KERNELS.into_iter().zip(kernels.iter().map(|kernel| by.of(kernel))));
    Ok((by, named))
}

/// A coefficient for each output of a block.
fn for_outputs<S: Clone>(shape: &Shape, number: impl FnMut() -> S) -> Result<Array4<S>> {
    let (h, w) = shape.spec.output_map(shape.map)?;
    Ok(Array4::from_shape_simple_fn((shape.n, shape.spec.c_out(), h, w), number))
}

/// For each tensor, witnesses against the forms whose gradient differs from that of most forms.
fn odd<S: PartialEq>(
    forms: Forms<'_>,
    all: Vec<Named<S>>,
    show: impl Fn(&S) -> String,
) -> Vec<Witness> {
    let mut all: Vec<_> = all.into_iter().map(Vec::into_iter).collect();
    let mut witnesses = Vec::new();
    loop {
        let next: Option<Vec<_>> = all.iter_mut().map(Iterator::next).collect();
        let Some(next) = next.filter(|next| !next.is_empty()) else { return witnesses };
        let place = next[0].0;
        let tensors: Vec<_> = next.into_iter().map(|(_, tensor)| tensor).collect();
        let show = |l: &S, r: &S| [l, r].map(|value| Value::Text(show(value)));
        witnesses.extend(odd_ones_out(forms, &tensors, place, show));
    }
}

/// Compares the gradients over the field in training mode, and also in inference mode if `in_both`. `path` numbers the
/// draw.
pub(super) fn over_the_field(
    forms: Forms<'_>,
    shape: &Shape,
    in_both: bool,
    (seed, path): (Seed, &[u64]),
    rng: &mut Rng,
) -> Result<Evidence> {
    let (weights, x) = shape.draw(|| uniform(rng))?;
    let v = for_outputs(shape, || uniform(rng))?;
    let random = RandomFunctions::new(seed, path);
    let convolver = Recorded::<Reference>::default();
    let mut witnesses = Vec::new();
    let inference = in_both.then(|| random.functions());
    for functions in inference.into_iter().chain([random.of_planes()]) {
        let one = |form: &&dyn AnyForm| -> Result<Named<M61>> {
            let (_, named) = back((&weights, x.view(), &v), |weights, x| {
                Problem { weights, x, between: Between::from(Functions { ..functions }) }
                    .solve(*form, &convolver)
            })?;
            Ok(named)
        };
        let all = forms.iter().map(one).collect::<Result<_>>()?;
        witnesses.extend(odd(forms, all, |number| number.value().to_string()));
    }
    let at_most = (DEGREE + 2.0 * random.pairs()) / P;
    Ok(Evidence::of(Bound::Probability { at_most }, witnesses))
}

/// A scale, a shift and perhaps a ReLU over sized integers, with a backward pass. The size of a result is its absolute
/// value.
struct SizedAffine {
    affine: Vec<Affine<Int>>,
    reached: Arc<AtomicI64>,
}

fn reach(reached: &AtomicI64, g: &Measured) {
    // A poisoned size is beyond every limit.
    reached.fetch_max(g.size.value().unwrap_or(i64::MAX), Ordering::Relaxed);
}

impl ChannelWise<Var<Measured>> for SizedAffine {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Var<Measured>>) {
        let Affine { scale, shift, relu } = self.affine[channel];
        let y: Vec<Int> = plane.iter().map(|z| scale.mul(&z.value().value).add(&shift)).collect();
        let stopped: Vec<bool> = y.iter().map(|y| relu && *y <= Int::zero()).collect();
        let values = y.iter().map(|y| Measured::given(if relu { y.relu() } else { *y })).collect();
        let reached = self.reached.clone();
        let back = move |_: &[Var<Measured>], g: &[Measured]| {
            let one = |(g, stopped): (&Measured, &bool)| {
                reach(&reached, g);
                let passed = if *stopped { Int::zero() } else { scale.mul(&g.value) };
                Measured::given(passed)
            };
            g.iter().zip(&stopped).map(one).collect()
        };
        let results = Var::computed(values, plane.iter().cloned().collect(), back);
        plane.iter_mut().zip(results).for_each(|(z, y)| *z = y);
    }
}

/// The gradients, on integers, of the sum of the outputs with the coefficients `v`. Returns `None` if a sum of sizes
/// exceeds what `f32` holds exactly. The scales and shifts of the batch norms must be integers.
pub(crate) fn exact_gradients(
    (weights, x, v): (&BlockWeights<Int>, ArrayView4<'_, Int>, &Array4<Int>),
    plain: &NormFunctions<f64>,
) -> Result<Option<Named<f32>>> {
    let reached = Arc::new(AtomicI64::new(0));
    let sized = plain.map(|norm| {
        let integer = |value: f64| Int::from(value as i64);
        let affine = norm.affine().iter().map(|affine| Affine {
            scale: integer(affine.scale),
            shift: integer(affine.shift),
            relu: affine.relu,
        });
        SizedAffine { affine: affine.collect(), reached: reached.clone() }
    });
    let output = Affine { scale: Int::one(), shift: Int::zero(), relu: true };
    let c_out = weights.spec().c_out();
    let output = SizedAffine { affine: vec![output; c_out], reached: reached.clone() };
    let functions = Functions { output: &output, ..sized.functions() };
    let given = |integer: &Int| Measured::given(*integer);
    let data = (&weights.map(given), x.map(given), v.map(given));
    let (_, expected) = back((data.0, data.1.view(), &data.2), |weights, x| {
        let convolver = Recorded { forward: MeasuredSums, backward: Reference::default() };
        Form::Grouped.forward(weights, x, &functions, &convolver)
    })?;
    expected.iter().flat_map(|(_, tensor)| tensor).for_each(|g| reach(&reached, g));
    let is_exact = reached.load(Ordering::Relaxed) <= LIMIT_F32;
    let floats = |(place, tensor): (_, Array4<Measured>)| (place, tensor.map(|g| float(&g.value)));
    Ok(is_exact.then(|| expected.into_iter().map(floats).collect()))
}

/// Compares the gradients on integers in `f32`. Returns `None` if they are not exact.
pub(super) fn over_integers(
    forms: Forms<'_>,
    case: &ExactCase,
    rng: &mut Rng,
) -> Result<Option<Evidence>> {
    let v = case.expected.map(|_| Int::from(rng.random_range(-2..=2)));
    let plain = NormFunctions::new(&case.norms, Activation::Relu)?;
    let Some(expected) = exact_gradients((&case.weights, case.x.view(), &v), &plain)? else {
        return Ok(None);
    };
    let functions = map_functions(&plain, |value| Var::constant(*value as f32));
    let (weights, x, v) = (case.weights.map(float), case.x.map(float), v.map(float));
    let convolver = Recorded { forward: Fast::new(), backward: Reference::default() };
    let mut witnesses = Vec::new();
    for form in forms {
        let (_, found) = back((&weights, x.view(), &v), |weights, x| {
            Problem { weights, x, between: Between::from(&functions) }.solve(*form, &convolver)
        })?;
        for ((place, expected), (_, found)) in expected.iter().zip(&found) {
            let show = |l: &f32, r: &f32| [l, r].map(|value| Value::Number(f64::from(*value)));
            witnesses.extend(against(*form, found, expected, place, show));
        }
    }
    let values: usize = expected.iter().map(|(_, tensor)| tensor.len()).sum();
    Ok(Some(Evidence::of(Bound::Exact { values: (forms.len() * values) as u64 }, witnesses)))
}

/// The batch norms of a block in training mode, with tracked gamma and beta.
pub(crate) fn recorded(norms: &BlockNorms<f32>) -> Result<LayerFunctions<RecordedNorm<f32>>> {
    LayerFunctions::of(norms, Activation::Relu, |norm, activation| {
        Ok::<_, Error>(RecordedNorm::tracked(&TrainingNorm::new(
            norm.clone(),
            MOMENTUM,
            activation,
        )))
    })
}

/// Compares the gradients in training mode: to the bit in one order of sums, and within the bound in each form's own
/// order.
pub(super) fn in_training(forms: Forms<'_>, real: &RealProblem, rng: &mut Rng) -> Result<Evidence> {
    let (n, _, h, w) = real.x.dim();
    let (h, w) = real.weights.spec().output_map((h, w))?;
    let size = (n, real.weights.spec().c_out(), h, w);
    let v = Array4::from_shape_simple_fn(size, || rng.random_range(-1.0f32..1.0));
    let runs = Reference::in_runs_of(real.weights.spec().width());
    let convolver = Recorded { forward: runs, backward: runs };
    let data = (&real.weights, real.x.view(), &v);
    let one = |form: &&dyn AnyForm| -> Result<Named<u32>> {
        let functions = recorded(&real.norms)?;
        let (by, mut named) = back(data, |weights, x| {
            Problem { weights, x, between: Between::from(&functions) }.solve(*form, &convolver)
        })?;
        let row = |parameter: &Array1<Var<f32>>| {
            by.of(parameter).insert_axis(Axis(0)).insert_axis(Axis(2)).insert_axis(Axis(3))
        };
        for norm in functions.norms() {
            let [gamma, beta] = norm.parameters().map(row);
            named.extend([("gradient of gamma", gamma), ("gradient of beta", beta)]);
        }
        Ok(named.into_iter().map(|(place, tensor)| (place, tensor.mapv(f32::to_bits))).collect())
    };
    let all = forms.iter().map(one).collect::<Result<Vec<_>>>()?;
    let values = all.iter().flatten().map(|(_, tensor)| tensor.len() as u64).sum();
    let witnesses = odd(forms, all, |bits| format!("{:e} ({bits:#010x})", f32::from_bits(*bits)));
    let cuts = Cuts::new(real, &v)?;
    let mut witnesses: Vec<Witness> = witnesses;
    for form in forms {
        witnesses.extend(cuts.hold(*form)?);
    }
    Ok(Evidence::of(Bound::Exact { values }, witnesses))
}

/// A block in training mode, cut before and after each function, in the forward and the backward pass.
struct Cuts<'a> {
    real: &'a RealProblem,
    v: &'a Array4<f32>,
    given: Given,
    balls: Vec<(&'static str, Array4<Ball>)>,
}

/// The values at the cuts. In the forward pass, these are the values before and after each function (`before`,
/// `there`). In the backward pass, they are the gradients that enter and leave the function (`back`, `sums`).
#[derive(Clone, Default)]
struct Given {
    before: Arc<Mutex<Planes<f32>>>,
    there: Arc<Mutex<Planes<f32>>>,
    back: Arc<Mutex<Planes<f32>>>,
    sums: Arc<Mutex<Planes<f32>>>,
}

/// One function with its cuts. The values that arrive are kept in `seen`. If `replace` is given, its values replace
/// them.
struct Cut<'a> {
    layer: Layer,
    function: &'a dyn ChannelWise<Var<f32>>,
    replace: Option<&'a Given>,
    seen: &'a Given,
}

fn at(planes: &Arc<Mutex<Planes<f32>>>, key: (Layer, usize)) -> Option<Vec<f32>> {
    let planes = planes.lock().unwrap_or_else(PoisonError::into_inner);
    planes.get(&key).map(|plane| plane.iter().copied().collect())
}

impl ChannelWise<Var<f32>> for Cut<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Var<f32>>) {
        let (key, dim) = ((self.layer, channel), plane.dim());
        let (n, h, w) = dim;
        let look = |plane: &mut ArrayViewMut3<'_, Var<f32>>,
                    values: Option<Vec<f32>>,
                    seen: Arc<Mutex<Planes<f32>>>,
                    given: Option<Vec<f32>>| {
            let own = || plane.iter().map(|z| *z.value()).collect();
            let values: Vec<f32> = values.unwrap_or_else(own);
            let back = move |_: &[Var<f32>], g: &[f32]| {
                let view = ndarray::ArrayView3::from_shape(dim, g);
                if let Ok(view) = view {
                    keep(&seen, key, view);
                }
                given.clone().unwrap_or_else(|| g.to_vec())
            };
            let results = Var::computed(values, plane.iter().cloned().collect(), back);
            plane.iter_mut().zip(results).for_each(|(z, y)| *z = y);
        };
        let replaced = |of: fn(&Given) -> &Arc<Mutex<Planes<f32>>>| {
            let given = self.replace.and_then(|given| at(of(given), key));
            given.filter(|values| values.len() == n * h * w)
        };
        keep(&self.seen.before, key, plane.map(|z| *z.value()).view());
        look(&mut plane, replaced(|given| &given.before), self.seen.sums.clone(), None);
        self.function.apply(channel, plane.view_mut());
        keep(&self.seen.there, key, plane.map(|y| *y.value()).view());
        let (there, back) = (replaced(|given| &given.there), replaced(|given| &given.back));
        look(&mut plane, there, self.seen.back.clone(), back);
    }
}

/// The channels of a layer side by side, N x C x H x W.
fn tensor(planes: &Arc<Mutex<Planes<f32>>>, layer: Layer) -> Option<Array4<f32>> {
    let planes = planes.lock().unwrap_or_else(PoisonError::into_inner);
    let channels: Vec<_> =
        planes.range((layer, 0)..=(layer, usize::MAX)).map(|(_, plane)| plane.view()).collect();
    ndarray::stack(Axis(1), &channels).ok()
}

impl<'a> Cuts<'a> {
    /// Cuts the block. The floats that replace values at the cuts are those of form (c), but any floats would do.
    fn new(real: &'a RealProblem, v: &'a Array4<f32>) -> Result<Self> {
        let mut cuts = Self { real, v, given: Given::default(), balls: Vec::new() };
        let (given, named) = cuts.run(&Form::Grouped, None)?;
        let (weights, spec) = (&real.weights, real.weights.spec());
        let missing = || Error::Contradiction("form (c) skipped a function".to_owned());
        let of = |planes, layer| tensor(planes, layer).ok_or_else(missing);
        let (h1, h2) = (of(&given.there, Layer::Reduce)?, of(&given.there, Layer::Transform)?);
        let [z1, z2, z3] =
            [Layer::Reduce, Layer::Transform, Layer::Expand].map(|layer| of(&given.sums, layer));
        let (z1, z2, z3) = (z1?, z2?, z3?);
        let groups = spec.cardinality();
        let (x, map) = (&real.x, |of: &Array4<f32>| (of.len_of(Axis(2)), of.len_of(Axis(3))));
        let layers = [
            (&z1, weights.reduce(), x, spec.reduce()),
            (&z2, weights.transform(), &h1, spec.transform(groups)),
            (&z3, weights.expand(), &h2, spec.expand()),
        ];
        let back = |(g, kernel, input, spec): (
            &Array4<f32>,
            ArrayView4<'_, f32>,
            &Array4<f32>,
            ConvSpec,
        )| {
            sum_in_balls(
                kernel.len_of(Axis(0)) / spec.groups()
                    * kernel.len_of(Axis(2))
                    * kernel.len_of(Axis(3)),
                &|to| {
                    let (g, kernel) = (g.mapv(to), kernel.mapv(to));
                    Reference::default().input_gradient(g.view(), kernel.view(), spec, map(input))
                },
            )
        };
        let by_kernel = |(g, kernel, input, spec): (
            &Array4<f32>,
            ArrayView4<'_, f32>,
            &Array4<f32>,
            ConvSpec,
        )| {
            let taps = (kernel.len_of(Axis(2)), kernel.len_of(Axis(3)));
            sum_in_balls(g.len() / g.len_of(Axis(1)), &|to| {
                kernel_gradient(g.mapv(to).view(), input.mapv(to).view(), spec, taps)
            })
        };
        let [first, second, third] = layers;
        let mut by_x = back(first)?;
        let shortcut = match spec.shortcut() {
            Shortcut::None => None,
            Shortcut::Identity => Some(of(&given.back, Layer::Expand)?.mapv(Ball::exact)),
            Shortcut::Projection => {
                let z = of(&given.sums, Layer::Shortcut)?;
                let kernel = weights.shortcut().ok_or_else(missing)?;
                let projection = (&z, kernel, x, spec.projection());
                cuts.balls.push((KERNELS[3], by_kernel(projection)?));
                Some(back(projection)?)
            }
        };
        if let Some(shortcut) = shortcut {
            // Adding the shortcut rounds once more.
            Zip::from(&mut by_x).and(&shortcut).for_each(|ball, other| *ball = ball.add(other));
        }
        cuts.balls.extend([
            ("gradient of the input", by_x),
            (KERNELS[0], by_kernel(first)?),
            (KERNELS[1], by_kernel(second)?),
            (KERNELS[2], by_kernel(third)?),
            (BACK[0], back(second)?),
            (BACK[1], back(third)?),
        ]);
        drop(named);
        cuts.given = given;
        Ok(cuts)
    }

    /// Runs a form with the floats of `replace` at its cuts. Returns what was seen there, and the form's gradients.
    fn run(&self, form: &dyn AnyForm, replace: Option<&Given>) -> Result<(Given, Named<f32>)> {
        let norms = recorded(&self.real.norms)?;
        let functions = norms.functions();
        let seen = Given::default();
        let cut = |layer, function| Cut { layer, function, replace, seen: &seen };
        let (reduce, transform) =
            (cut(Layer::Reduce, functions.reduce), cut(Layer::Transform, functions.transform));
        let (expand, shortcut) =
            (cut(Layer::Expand, functions.expand), cut(Layer::Shortcut, functions.shortcut));
        let functions = Functions {
            reduce: &reduce,
            transform: &transform,
            expand: &expand,
            shortcut: &shortcut,
            output: functions.output,
        };
        let convolver = Recorded { forward: Fast::new(), backward: Reference::default() };
        let data = (&self.real.weights, self.real.x.view(), self.v);
        let (_, named) = back(data, |weights, x| {
            Problem { weights, x, between: functions.into() }.solve(form, &convolver)
        })?;
        Ok((seen, named))
    }

    /// Runs a form with the cuts. Returns a witness for each place where the form exceeds its bounds.
    fn hold(&self, form: &dyn AnyForm) -> Result<Vec<Witness>> {
        let (seen, mut named) = self.run(form, Some(&self.given))?;
        for (place, layer) in BACK.into_iter().zip([Layer::Reduce, Layer::Transform]) {
            named.extend(tensor(&seen.back, layer).map(|tensor| (place, tensor)));
        }
        let mut witnesses = Vec::new();
        for (place, balls) in &self.balls {
            let found = named.iter().find(|(name, _)| name == place);
            let witness = match found.filter(|(_, found)| found.shape() == balls.shape()) {
                Some((_, found)) => against_balls(who(form), found, balls).1,
                None => {
                    let values = ["nothing of this shape", "a gradient"].map(str::to_owned);
                    let [found, expected] = values;
                    let values = [Value::Misplaced(found), Value::Text(expected)];
                    Some(Witness::new(who(form), place, [0; 4], values))
                }
            };
            witnesses.extend(witness.map(|witness| Witness { place, ..witness }));
        }
        Ok(witnesses)
    }
}

/// The names of the gradients that return to the functions after the first two layers.
const BACK: [&str; 2] = ["gradient after the first 1x1", "gradient after the 3x3"];

/// Computes sums of products in `f64`, with each factor converted by the given function.
type Sums<'a> = dyn Fn(fn(f32) -> f64) -> Result<Array4<f64>> + 'a;

/// Sums of `n` products, computed in `f64`, with the bound on the error of a sum in `f32`.
fn sum_in_balls(n: usize, sums: &Sums<'_>) -> Result<Array4<Ball>> {
    let centres = sums(f64::from)?;
    let sizes = sums(|value| f64::from(value.abs()))?;
    let ball =
        |&centre: &f64, &size: &f64| Ball { centre, radius: gamma_n(n) * size + n as f64 * ETA };
    Ok(Zip::from(&centres).and(&sizes).map_collect(ball))
}

#[cfg(test)]
mod tests {
    use super::{in_training, over_integers, over_the_field};
    use crate::block::Form;
    use crate::evidence::rungs::r3_exact_integers::ExactCase;
    use crate::evidence::rungs::r8_training::centred;
    use crate::evidence::{AnyForm, RealProblem, sample};
    use crate::random::{Purpose, Seed};

    const FORMS: [&dyn AnyForm; 3] = [&Form::Aggregated, &Form::EarlyConcat, &Form::Grouped];

    /// Correct forms are not refuted, and each part of the rung gets evidence from most cases.
    #[test]
    fn the_three_forms_have_the_same_gradients() {
        let (mut exact, mut training) = (0, 0);
        for number in 0..20 {
            let case = sample(Seed(1), number, 0);
            let rng = &mut Seed(1).stream(Purpose::Directions, &[number]);
            let field =
                over_the_field(&FORMS, &case.shape(), true, (Seed(1), &[number]), rng).unwrap();
            assert_eq!(field.witnesses, []);
            if let Some(integers) = ExactCase::alive(&case).unwrap()
                && let Some(evidence) = over_integers(&FORMS, &integers, rng).unwrap()
            {
                assert_eq!(evidence.witnesses, []);
                exact += 1;
            }
            if let Some(real) = RealProblem::alive(&case).unwrap()
                && let Some(real) = centred(&real).unwrap()
            {
                assert_eq!(in_training(&FORMS, &real, rng).unwrap().witnesses, []);
                training += 1;
            }
        }
        assert!(exact >= 15 && training >= 15, "{exact} {training}");
    }

    /// Each mistake in the backward pass is refuted by the parts of the rung that can see it.
    #[test]
    fn wrong_gradients_are_refuted() {
        use crate::gallery;
        let refuted = |name: &str| {
            let wrong = gallery::named(name).unwrap().wrong();
            let forms: [&dyn AnyForm; 2] = [&wrong, &Form::EarlyConcat];
            let mut by = [0; 3];
            for number in 0..20 {
                let case = sample(Seed(1), number, 0);
                let rng = &mut Seed(1).stream(Purpose::Directions, &[number]);
                let field =
                    over_the_field(&forms, &case.shape(), true, (Seed(1), &[number]), rng).unwrap();
                by[0] += field.witnesses.len();
                if let Some(integers) = ExactCase::alive(&case).unwrap()
                    && let Some(evidence) = over_integers(&forms, &integers, rng).unwrap()
                {
                    by[1] += evidence.witnesses.len();
                }
                if let Some(real) = RealProblem::alive(&case).unwrap()
                    && let Some(real) = centred(&real).unwrap()
                {
                    by[2] += in_training(&forms, &real, rng).unwrap().witnesses.len();
                }
            }
            by
        };
        for name in ["gradient-to-next-path", "gradient-c-times", "stride-lost-backwards"] {
            assert!(refuted(name).iter().all(|by| *by >= 5), "{name}: {:?}", refuted(name));
        }
        let [field, integers, training] = refuted("statistics-constant");
        assert_eq!([field, integers], [0, 0], "in inference mode nothing is wrong");
        assert!(training >= 15, "{training}");
    }
}
