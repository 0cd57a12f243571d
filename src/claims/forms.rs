//! Checks of the three forms.

use super::theorem::{self, COMMITTED};
use super::{Given, refuted};
use crate::block::{BatchNorm, BlockNorms, BlockSpec, Form, Layer};
use crate::count;
use crate::error::Result;
use crate::evidence::rungs::{Rung, r4_prime_field};
use crate::evidence::{AnyForm, Bound, Evidence, Finding, Shape, Verdict, float, sample};
use crate::gallery::witness::{Example, Mode, trace};
use crate::gallery::{matrix, named};
use crate::random::Seed;

const SEED: Seed = Seed(0);

/// Random blocks for each claim.
const CASES: u64 = 20;

/// Runs a rung on the three forms. If the check is given the wrong thing, a block with this mistake replaces one of the
/// forms.
pub(super) fn climb(given: Given, mistake: &str, rung: Rung, scope: &str) -> Result<Verdict> {
    let mistake = named(mistake)?;
    let wrong = mistake.wrong();
    let forms: [&dyn AnyForm; 3] = Form::ALL.each_ref().map(|form| {
        let replaced = given == Given::Wrong && *form == mistake.form;
        if replaced { &wrong as &dyn AnyForm } else { form }
    });
    conclude(rung, scope, matrix::climb(rung, &forms, CASES, SEED)?)
}

fn conclude(rung: Rung, scope: &str, evidence: Evidence) -> Result<Verdict> {
    Ok(Finding::conclude((rung, "claim", scope.to_owned()), evidence, SEED.0, 0.0)?.verdict)
}

pub(super) fn at_the_real_size(given: Given) -> Result<Verdict> {
    let wrong = named("last-path-dropped")?.wrong();
    let a: &dyn AnyForm = given.pick(&Form::Aggregated, &wrong);
    let forms = [a, &Form::EarlyConcat, &Form::Grouped];
    let shape = Shape::new(BlockSpec::new(256, 32, 4, 256)?, (56, 56));
    let evidence = r4_prime_field::with_random_functions(&forms, &shape, SEED, &[1])?;
    conclude(Rung::R4, "256-32x4-256 on 56 x 56", evidence)
}

/// Checks that the forms compute what the theorem's formulas say. Coq checks the theorem itself.
pub(super) fn at_all_sizes(given: Given) -> Result<Verdict> {
    let wrong = named("last-path-dropped")?.wrong();
    let a: &dyn AnyForm = given.pick(&Form::Aggregated, &wrong);
    for form in [a, &Form::EarlyConcat, &Form::Grouped] {
        let cases = theorem::cases(form)?;
        if let Some((_, [found, expected])) = theorem::first_difference(&cases, COMMITTED) {
            let what = "the first number that differs from proofs/Cases.v";
            return Ok(refuted(what, found, expected));
        }
    }
    let scope =
        "all sizes, by Coq; Coq does not run here, but it checked the same blocks of integers";
    Ok(Verdict::Proved { scope: scope.to_owned() })
}

pub(super) fn c_to_b(given: Given) -> Result<Verdict> {
    let other: &dyn AnyForm = given.pick(&Form::EarlyConcat, &Form::Aggregated);
    same_sums(other, &Form::Grouped, str::to_owned)
}

pub(super) fn b_to_a(given: Given) -> Result<Verdict> {
    let wrong = named("concatenated-in-reverse")?.wrong();
    let other: &dyn AnyForm = given.pick(&Form::EarlyConcat, &wrong);
    same_sums(other, &Form::Aggregated, |sum| {
        let sum = sum.replace("relu", "").replace(['(', ')'], "");
        // A long sum does not write its zeros, a short one does.
        let is_zero = |product: &&str| {
            *product == "0" || product.starts_with("0·") || product.ends_with("·0")
        };
        sum.split(" + ").filter(|product| !is_zero(product)).collect::<Vec<_>>().join(" + ")
    })
}

/// Compares two forms on random blocks of integers. Each sum of each layer is written out as text, in terms of the
/// values of the layer before. `but_for` removes the parts of a text that do not matter. The rest must be equal.
fn same_sums(
    left: &dyn AnyForm,
    right: &dyn AnyForm,
    but_for: impl Fn(&str) -> String,
) -> Result<Verdict> {
    let mut values = 0;
    for number in 0..CASES {
        let case = sample(SEED, number, 0);
        let weights = case.weights.map(float::<f32>);
        let spec = *weights.spec();
        let norms = BlockNorms::from_fn(weights.shortcut().is_some(), |layer| {
            let hidden = matches!(layer, Layer::Reduce | Layer::Transform);
            let channels = if hidden { spec.inner() } else { spec.c_out() };
            BatchNorm::of_channels(&vec![[1.0, 0.0, 0.0, 1.0]; channels], 0.0)
        })?;
        let (x, layout, mode) = (case.x.map(float::<f32>), case.layout, Mode::Evaluation);
        let example = Example { weights, norms, x, layout, second_call: false, mode };
        let [left, right] = [trace(left, &example)?, trace(right, &example)?];
        for (place, plane) in &right {
            let Some(other) = left.get(place).filter(|other| other.dim() == plane.dim()) else {
                return Ok(refuted("sums", "none", "one for each value"));
            };
            for (found, expected) in other.iter().zip(plane) {
                let [found, expected] = [found, expected].map(|sum| but_for(&sum.to_string()));
                if found != expected {
                    return Ok(refuted("a sum", &found, &expected));
                }
                values += 1;
            }
        }
    }
    let evidence = Evidence { cases: CASES, ..Evidence::of(Bound::Exact { values }, None) };
    conclude(Rung::R2, "random blocks", evidence)
}

/// Checks that a block with this mistake and form (c) give different results on at least one random block.
pub(super) fn another_function(given: Given, mistake: &str, scope: &str) -> Result<Verdict> {
    let wrong = named(mistake)?.wrong();
    let other: &dyn AnyForm = given.pick(&wrong, &Form::EarlyConcat);
    let evidence = matrix::climb(Rung::R3, &[other, &Form::Grouped], CASES, SEED)?;
    if evidence.witnesses.is_empty() {
        return Ok(refuted("random blocks on which the two differ", "none", "at least one"));
    }
    Ok(Verdict::Proved { scope: format!("{scope}; one block on which they differ is enough") })
}

/// Checks that with C = 1 the block is ResNet's bottleneck: one path of width 64, with as many parameters as three
/// ordinary convolutions.
pub(super) fn resnet_is_one_path(given: Given) -> Result<Verdict> {
    let spec = BlockSpec::new(256, given.pick(1, 2), 64, 256)?;
    let dense = [
        count::convolution(1, 1, 256, 64, 1)?,
        count::convolution(3, 3, 64, 64, 1)?,
        count::convolution(1, 1, 64, 256, 1)?,
    ];
    let ordinary = spec.transform(spec.cardinality()).groups() as u64;
    super::equal(
        &[
            ("parameters", count::block(&spec)?.convolutions, dense.iter().sum()),
            ("groups of the 3x3", ordinary, 1),
        ],
        "256-1x64-256",
    )
}
