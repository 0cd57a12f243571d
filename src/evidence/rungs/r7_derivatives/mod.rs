//! R7, derivatives: the forms differentiated, in every direction at once.
//!
//! Equal functions have equal derivatives, so this tests nothing new about functions that R4 has
//! compared; it tests the forms as they are used in training, and their convolution by the product
//! rule. Each form is run on dual numbers ([`Dual`]), which carry the derivative in one direction
//! along: of the input, of every weight (and of every scale and shift) at once, each in a random
//! direction of its own. Two forms whose derivatives differ anywhere differ in such a direction.
//!
//! **Over the field**, with a random function f at each place and channel and, for its derivative, a
//! second one: f(a + b eps) = f(a) + b f'(a) eps. As in [`crate::evidence::rungs::r4_prime_field`], a wrong form passes if two
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
//! as in [`crate::evidence::rungs::r3_exact_integers`]: for every output, also the derivative's sum of sizes stays within what
//! the float holds exactly,
//!
//! ```text
//! |s| sum of (|w'| |h| + |w| |h'|) + |s'| (sum of |w| |h|) + |t'| + |shortcut'|  <=  2^24
//! ```
//!
//! so that not a value may differ (zeros of either sign are one value). Integers are the only data on which a ReLU often meets exactly 0,
//! where its derivative is a matter of convention (0 here, as in PyTorch).

mod integers;

pub use self::integers::over_floats;

use crate::conv::Reference;
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::between::Between;
use crate::evidence::compare::{Value, odd_ones_out};
use crate::evidence::generator::Case;
use crate::evidence::generator::Shape;
use crate::evidence::random_functions::RandomFunctions;
use crate::evidence::rungs::r3_exact_integers::ExactCase;
use crate::evidence::rungs::r4_prime_field::{P, uniform};
use crate::evidence::rungs::{Climb, Draw, Piece, Stage};
use crate::evidence::verdict::{Bound, Evidence};
use crate::random::{Purpose, Seed};
use crate::scalar::{Dual, M61};

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
    let between = Between::from(functions.functions());
    let problem = Problem { weights: &weights, x: x.view(), between };
    let outputs = problem.solve_all(forms, &Reference::default())?;
    let show = |z: &Dual<M61>| {
        Value::Text(format!("{}, derivative {}", z.value.value(), z.derivative.value()))
    };
    let witnesses =
        odd_ones_out(forms, &outputs, "output", |left, right| (show(left), show(right)));
    let at_most = (DEGREE + 2.0 * functions.pairs()) / P;
    Ok(Evidence::of(Bound::Probability { at_most }, witnesses))
}

/// R7.
pub struct Derivatives;

impl Climb for Derivatives {
    fn name(&self) -> &'static str {
        "derivatives"
    }

    fn asks(&self) -> &'static str {
        "equal derivatives, by the input and all weights?"
    }

    fn says(&self) -> &'static str {
        "The forms have the same derivatives, modulo 2^61 - 1 and on integers, by the input and \
         all weights."
    }

    fn blind_to(&self) -> &'static str {
        "what a derivative does not show"
    }

    fn case_scope(&self) -> Option<&'static str> {
        Some("field and f32")
    }

    fn on_case(
        &self,
        forms: &[&dyn AnyForm],
        case: &Case,
        (seed, number): Draw,
    ) -> Result<Option<Evidence>> {
        let Some(exact) = ExactCase::alive(case)? else { return Ok(None) };
        let mut rng = seed.stream(Purpose::Directions, &[number]);
        let Some(floats) = over_floats(forms, &exact, case.layout, &mut rng)? else {
            return Ok(None);
        };
        let field = over_the_field(forms, &case.shape(), seed, &[number])?;
        // One case, of which the field says how sure it is.
        Ok(Some(Evidence { cases: 1, ..Evidence::of(field.bound, floats.witnesses).and(field) }))
    }

    fn on_stage(&self, stage: &Stage, (seed, number): Draw) -> Vec<Piece> {
        let small = stage.small();
        vec![stage.piece(small, ("over the field", 9.0), move |forms| {
            over_the_field(forms, &small, seed, &[number, 7])
        })]
    }
}
