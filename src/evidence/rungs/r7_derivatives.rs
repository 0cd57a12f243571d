//! R7, derivatives: the forms are differentiated forwards and backwards. Forwards, the derivative is taken in one
//! random direction. Backwards, it is taken with respect to everything (the module `backwards`).
//!
//! Equal functions have equal derivatives, so this tests nothing new about functions that R4 has compared. It tests the
//! forms as training uses them, and convolutions of dual numbers by the product rule. Each form is run on dual numbers
//! ([`Dual`]), which also carry the derivative in one direction. The direction is random and moves everything at once:
//! the input, every weight, every scale and shift. If the derivatives of two forms differ anywhere, they differ in
//! almost every such direction.
//!
//! **Over the field**, each place and channel has a random function f, and a second random function f' for the
//! derivative. On a dual number, f(a + b eps) = f(a) + b f'(a) eps. As in [`crate::evidence::rungs::r4_prime_field`], a
//! wrong form can pass in two ways. Two arguments may be equal by accident, with a probability of at most 2/p for each
//! pair. Or a difference of derivatives may be 0 by accident, with a probability of at most their degree divided by p.
//! The degree is 2 after the first layer (w' x + w x'), and 3 after the factor f'. It is 4 after the next layer
//! (w' h + w h'), and then 5, 6 and 7. Adding the shortcut's derivative keeps 7. The last f' makes the degree 8.
//!
//! ```text
//! P(a wrong form passes)  <=  (8 + 2 sum over places and channels of C(m, 2)) / p
//! ```
//!
//! **Over floats**, the forms run with batch norm and ReLU on small integers with integer directions. These are
//! certified as in [`crate::evidence::rungs::r3_exact_integers`]. For every output, the sum of the sizes in the
//! derivative also stays within what `f32` holds exactly:
//!
//! ```text
//! |s| sum of (|w'| |h| + |w| |h'|) + |s'| (sum of |w| |h|) + |t'| + |shortcut'|  <=  2^24
//! ```
//!
//! So no value may differ, but zeros of either sign count as equal. On integers, a ReLU often meets exactly 0, which is
//! rare on other floats. There, the derivative is a matter of convention: 0 here, as in PyTorch.

pub(crate) mod backwards;

use std::sync::atomic::{AtomicI64, Ordering};

use ndarray::{Array4, ArrayViewMut3};
use rand::Rng as _;

use super::r3_exact_integers::{ExactCase, LIMIT_F32, Measured, MeasuredSums};
use super::r4_prime_field::{P, uniform};
use super::r8_training::centred;
use super::{Draw, Method, apart};
use crate::block::{Activation, BlockForm as _, BlockWeights, Form, Layer, NormFunctions};
use crate::conv::Fast;
use crate::error::Result;
use crate::evidence::{
    AnyForm, Between, Bound, Case, Duals, Evidence, Forms, Layout, Problem, RandomFunctions,
    RealProblem, Shape, Value, Watched, Witness, against, float, map_functions,
};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Dual, Int, M61, Ordered as _};

/// R7.
pub const METHOD: Method = Method {
    name: "derivatives",
    asks: "the same derivatives?",
    says: "Forwards and backwards, the forms have the same derivatives with respect to the input and all weights: \
           modulo 2^61 - 1 and on integers; in training mode, to the bit in one order of sums, and within a derived \
           bound.",
    blind_to: "what a derivative does not show",
    on_case: Some(("field and f32", on_case)),
    on_stage: |stage, (seed, number)| {
        let small = stage.small();
        // The backward test takes three times as long, so its map is smaller. A 3x3 with stride 1 still uses every tap.
        let (h, w) = small.map;
        let least = if small.spec.stride() == 1 { (h.min(2), w.min(3)) } else { (h, w) };
        let back = Shape { map: least, ..small };
        let what = format!("over the field, and back on {}x{}", least.0, least.1);
        vec![stage.piece(small, (&what, 15.0), move |forms| {
            in_both_directions(forms, [&small, &back], seed, &[number, 7])
        })]
    },
    ..Method::NONE
};

fn on_case(forms: Forms<'_>, case: &Case, (seed, number): Draw) -> Result<Option<Evidence>> {
    let Some(exact) = ExactCase::alive(case)? else { return Ok(None) };
    let mut rng = seed.stream(Purpose::Directions, &[number]);
    let Some(floats) = over_floats(forms, &exact, case.layout, &mut rng)? else {
        return Ok(None);
    };
    let Some(integers) = backwards::over_integers(forms, &exact, &mut rng)? else {
        return Ok(None);
    };
    let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
    let Some(real) = centred(&real)? else { return Ok(None) };
    let training = backwards::in_training(forms, &real, &mut rng)?;
    let shape = case.shape();
    let field = in_both_directions(forms, [&shape, &shape], seed, &[number])?;
    let witnesses = [floats, integers, training].into_iter().flat_map(|part| part.witnesses);
    // One case, with the bound of the field test.
    Ok(Some(Evidence { cases: 1, ..Evidence::of(field.bound, witnesses).and(field) }))
}

/// Compares the forms forwards on the first shape, and backwards on the second; `path` numbers the draw. If the maps
/// differ, the backward test runs only in training mode, whose functions of whole planes are more general.
fn in_both_directions(
    forms: Forms<'_>,
    [there, back]: [&Shape; 2],
    seed: Seed,
    path: &[u64],
) -> Result<Evidence> {
    let forwards = over_the_field(forms, there, seed, path)?;
    let (in_both, path) = (there.map == back.map, [path, &[2]].concat());
    let mut rng = seed.stream(Purpose::Directions, &path);
    let backwards = backwards::over_the_field(forms, back, in_both, (seed, &path), &mut rng)?;
    Ok(Evidence { cases: 1, ..forwards.and(backwards) })
}

/// Degree of the derivative of the block's output, as a polynomial in what is drawn.
pub const DEGREE: f64 = 8.0;

/// Compares the forms on dual numbers of the field, with random functions; `path` numbers the draw.
fn over_the_field(forms: Forms<'_>, shape: &Shape, seed: Seed, path: &[u64]) -> Result<Evidence> {
    let mut rng = seed.stream(Purpose::Directions, path);
    let (weights, x) =
        shape.draw(|| Dual { value: uniform(&mut rng), derivative: uniform(&mut rng) })?;
    let functions = RandomFunctions::new(seed, path);
    let between = functions.functions().into();
    let problem = Problem { weights: &weights, x: x.view(), between };
    let witnesses = apart(forms, &problem, |z: &Dual<M61>| {
        format!("{}, derivative {}", z.value.value(), z.derivative.value())
    })?;
    let at_most = (DEGREE + 2.0 * functions.pairs()) / P;
    Ok(Evidence::of(Bound::Probability { at_most }, witnesses))
}

/// Compares the forms on dual numbers of `f32`, on a case of integers. The input has the memory layout `layout`.
/// Returns `None` if the derivatives exceed what `f32` holds exactly.
pub fn over_floats(
    forms: Forms<'_>,
    case: &ExactCase,
    layout: Layout,
    rng: &mut Rng,
) -> Result<Option<Evidence>> {
    let moving = Moving::draw(case, rng)?;
    let (expected, reached) = moving.measure()?;
    if reached > LIMIT_F32 { Ok(None) } else { moving.hold(forms, &expected, layout).map(Some) }
}

/// A block of integers, each with its derivative in a direction.
struct Moving {
    weights: BlockWeights<Dual<Int>>,
    x: Array4<Dual<Int>>,
    /// The batch norms, without a ReLU.
    functions: NormFunctions<Dual<Int>>,
}

impl Moving {
    /// Draws a derivative for every number in a case.
    fn draw(case: &ExactCase, rng: &mut Rng) -> Result<Self> {
        let mut moving =
            |value: Int| Dual { value, derivative: Int::from(rng.random_range(-2..=2)) };
        let weights = case.weights.map(|&value| moving(value));
        let x = case.x.map(|&value| moving(value));
        // The shifts are integers, and the scales are plus or minus 1; see R3.
        let functions = NormFunctions::new(&case.norms, Activation::Identity)?;
        let functions = map_functions(&functions, |value| moving(Int::from(*value as i64)));
        Ok(Self { weights, x, functions })
    }

    /// The output that every form must give, and the largest sum of sizes in the computation.
    fn measure(&self) -> Result<(Array4<Dual<f32>>, i64)> {
        let reached = AtomicI64::new(0);
        let see = |layer: Layer, _: usize, mut plane: ArrayViewMut3<'_, Dual<Measured>>| {
            plane.mapv_inplace(|z| {
                let size = |part: &Measured| part.size.value().unwrap_or(i64::MAX);
                reached.fetch_max(size(&z.value).max(size(&z.derivative)), Ordering::Relaxed);
                match layer {
                    // The shortcut is still to be added.
                    Layer::Expand => z,
                    Layer::Shortcut => given(&value_of(&z)),
                    _ => given(&value_of(&z.relu())),
                }
            });
        };
        let functions = map_functions(&self.functions, given);
        let functions = functions.functions();
        let watched = Watched::new(&functions, &see);
        let convolver = Duals(MeasuredSums);
        let (weights, x) = (self.weights.map(given), self.x.map(given));
        let output = Form::Grouped.forward(&weights, x.view(), &watched.functions(), &convolver)?;
        Ok((output.map(|z| floats(&value_of(z))), reached.into_inner()))
    }

    /// Compares each form in `f32` with the expected output.
    fn hold(
        &self,
        forms: Forms<'_>,
        expected: &Array4<Dual<f32>>,
        layout: Layout,
    ) -> Result<Evidence> {
        let relu = Activation::Relu;
        let plain = map_functions(&self.functions, floats);
        let [reduce, transform] = [plain.reduce, plain.transform].map(|norm| norm.then(relu));
        let functions = NormFunctions { reduce, transform, output: relu, ..plain };
        let (weights, x) = (self.weights.map(floats), layout.lay(&self.x.map(floats)));
        let between = Between::from(&functions);
        let problem = Problem { weights: &weights, x: x.view(), between };
        let mut witnesses = Vec::new();
        for form in forms {
            let output = problem.solve(*form, &Duals(Fast::new()))?;
            witnesses.extend(differing(*form, &output, expected));
        }
        let values = 2 * (forms.len() * expected.len()) as u64;
        Ok(Evidence::of(Bound::Exact { values }, witnesses))
    }
}

/// The same integers with sizes, which are their absolute values.
fn given(z: &Dual<Int>) -> Dual<Measured> {
    Dual { value: Measured::given(z.value), derivative: Measured::given(z.derivative) }
}

fn value_of(z: &Dual<Measured>) -> Dual<Int> {
    Dual { value: z.value.value, derivative: z.derivative.value }
}

fn floats(z: &Dual<Int>) -> Dual<f32> {
    Dual { value: float(&z.value), derivative: float(&z.derivative) }
}

/// The first wrong element of a dual tensor, if there is one. The values are compared before the
/// derivatives.
fn differing(
    form: &dyn AnyForm,
    output: &Array4<Dual<f32>>,
    expected: &Array4<Dual<f32>>,
) -> Option<Witness> {
    let apart = |place, part: fn(&Dual<f32>) -> f32| {
        let show = |l: &f32, r: &f32| [l, r].map(|value| Value::Number(f64::from(*value)));
        against(form, &output.map(part), &expected.map(part), place, show)
    };
    apart("output", |z| z.value).or_else(|| apart("derivative", |z| z.derivative))
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::Moving;
    use crate::block::{Activation, BlockSpec, BlockWeights, NormFunctions, Normalise};
    use crate::conv::Affine;
    use crate::scalar::{Dual, Int};

    fn dual(value: i64, derivative: i64) -> Dual<Int> {
        Dual { value: Int::from(value), derivative: Int::from(derivative) }
    }

    /// A block of one path, one channel, one pixel.
    fn moving(x: Dual<Int>, w: [Dual<Int>; 3], affine: [[Dual<Int>; 2]; 3]) -> Moving {
        let one = |value| Array4::from_elem((1, 1, 1, 1), value);
        let spec = BlockSpec::new(1, 1, 1, 1).unwrap().with_kernel(1).unwrap();
        let weights = BlockWeights::new(spec, one(w[0]), one(w[1]), one(w[2]), None).unwrap();
        let [reduce, transform, expand] =
            affine.map(|[scale, shift]| Normalise::new(vec![Affine { scale, shift, relu: false }]));
        let (shortcut, output) = (None, Activation::Identity);
        let functions = NormFunctions { reduce, transform, expand, shortcut, output };
        Moving { weights, x: one(x), functions }
    }

    /// The values by hand, each with its two sizes. After `h1`, a size is again the absolute value.
    ///
    /// ```text
    /// z1 = (3 + 2e) (5 - e)    = 15 + 7e      15,  2 5 + 3 1 = 13
    /// h1 = (1 + e) z1 + 2 - e  = 17 + 21e     17,  13 + 15 + 1 = 29
    /// z2 = -2 h1               = -34 - 42e    34,  42
    /// h2 = -z2                 = 34 + 42e     34,  42
    /// z3 = (1 + e) h2          = 34 + 76e     34,  34 + 42 = 76
    /// y  = z3 + 1 + 5 - e      = 40 + 75e     40,  77
    /// ```
    #[test]
    fn the_certificate_is_the_sum_of_all_sizes() {
        let [zero, one] = [dual(0, 0), dual(1, 0)];
        let block = moving(
            dual(5, -1),
            [dual(3, 2), dual(-2, 0), dual(1, 1)],
            [[dual(1, 1), dual(2, -1)], [dual(-1, 0), zero], [one, one]],
        );
        let (expected, reached) = block.measure().unwrap();
        assert_eq!(expected[[0, 0, 0, 0]], Dual { value: 40.0, derivative: 75.0 });
        assert_eq!(reached, 77);
        // A first layer in which only the derivative is large.
        let block = moving(
            dual(1, 1000),
            [dual(1, 0), dual(1, 0), one],
            [[one, dual(-1, 0)], [one, zero], [one, zero]],
        );
        let (expected, reached) = block.measure().unwrap();
        // The first ReLU meets exactly 0, where its derivative is 0.
        assert_eq!(expected[[0, 0, 0, 0]], Dual { value: 1.0, derivative: 1000.0 });
        assert_eq!(reached, 1000);
    }
}
