//! Checks of the three forms.

use super::{Given, refuted};
use crate::block::{Activation, BlockSpec, Bottleneck, Form, NormFunctions};
use crate::conv::Reference;
use crate::count;
use crate::error::Result;
use crate::evidence::any_form::AnyForm;
use crate::evidence::bitwise::differing;
use crate::evidence::field::{self, Shape};
use crate::evidence::generator::sample;
use crate::evidence::matrix;
use crate::evidence::near_misses::named;
use crate::evidence::problem::RealProblem;
use crate::evidence::verdict::{Bound, Evidence, Finding, Rung, Verdict};
use crate::random::Seed;

const SEED: Seed = Seed(0);

/// Random blocks for a claim.
const CASES: u64 = 20;

/// The three forms, or with a near-miss in the place of one, up a rung.
fn climb(given: Given, near_miss: &str, rung: Rung, scope: &str) -> Result<Verdict> {
    let near_miss = named(near_miss)?;
    let wrong = near_miss.wrong();
    let forms: [&dyn AnyForm; 3] = Form::ALL.each_ref().map(|form| {
        let replaced = given == Given::Wrong && *form == near_miss.form;
        if replaced { &wrong as &dyn AnyForm } else { form }
    });
    conclude(rung, scope, matrix::climb(rung, &forms, CASES, SEED)?)
}

fn conclude(rung: Rung, scope: &str, evidence: Evidence) -> Result<Verdict> {
    Ok(Finding::conclude((rung, "claim", scope.to_owned()), evidence, SEED.0, 0.0)?.verdict)
}

pub(super) fn equivalent(given: Given) -> Result<Verdict> {
    let scope = "five small shapes: for all weights, inputs and channel-wise functions";
    climb(given, "next-path-3x3", Rung::R5, scope)
}

pub(super) fn at_the_real_size(given: Given) -> Result<Verdict> {
    let near_miss = named("last-path-dropped")?;
    let wrong = near_miss.wrong();
    let a: &dyn AnyForm = given.pick(&Form::Aggregated, &wrong);
    let forms = [a, &Form::EarlyConcat, &Form::Grouped];
    let shape = Shape::new(BlockSpec::new(256, 32, 4, 256)?, (56, 56));
    let evidence = field::with_random_functions(&forms, &shape, SEED, &[1])?;
    conclude(Rung::R4, "256-32x4-256 on 56 x 56", evidence)
}

/// (b) and (c) over floats, each sum in the reference's own order. The wrong thing is form (a) for
/// (b), whose sums are taken path by path.
pub(super) fn c_to_b(given: Given) -> Result<Verdict> {
    let other = given.pick(Form::EarlyConcat, Form::Aggregated);
    bits(&[other, Form::Grouped], |_| Reference::default())
}

/// All three over floats, the sums taken in runs of d channels. The wrong thing is another order.
pub(super) fn b_to_a(given: Given) -> Result<Verdict> {
    bits(&Form::ALL, |width| given.pick(Reference::in_runs_of(width), Reference::default()))
}

/// The forms on random blocks of floats, to the bit.
fn bits(forms: &[Form], convolver: impl Fn(usize) -> Reference) -> Result<Verdict> {
    let mut sum: Option<Evidence> = None;
    for number in 0..CASES {
        let case = sample(SEED, number, 0);
        let real = RealProblem::of(&case)?;
        let functions = NormFunctions::new(&real.norms, Activation::Relu)?;
        let convolver = convolver(case.spec.width());
        let mut outputs = Vec::new();
        for form in forms {
            let block = Bottleneck::prepare(form, &real.weights, &convolver)?;
            let output = block.forward(real.x.view(), &functions.functions(), &convolver)?;
            outputs.push(output.mapv(f32::to_bits));
        }
        let values = outputs.iter().map(|output| output.len() as u64).sum();
        let forms: Vec<&dyn AnyForm> = forms.iter().map(|form| form as &dyn AnyForm).collect();
        let witnesses = differing(&forms, &outputs, "output");
        let evidence = Evidence::of(Bound::Exact { values }, witnesses);
        sum = Some(match sum {
            Some(sum) => sum.and(evidence),
            None => evidence,
        });
    }
    let Some(evidence) = sum else { unreachable!("some cases") };
    conclude(Rung::R2, "random blocks of floats", evidence)
}

pub(super) fn any_function(given: Given) -> Result<Verdict> {
    climb(given, "norm-by-own-channel", Rung::R4, "random blocks, random functions")
}

pub(super) fn last_norm(given: Given) -> Result<Verdict> {
    climb(given, "norm-in-each-path", Rung::R3, "random blocks of integers")
}

pub(super) fn every_path_reads_all(given: Given) -> Result<Verdict> {
    climb(given, "input-split", Rung::R3, "random blocks of integers")
}

pub(super) fn rounding(given: Given) -> Result<Verdict> {
    climb(given, "weights-in-f16", Rung::R1, "random blocks in f32")
}

pub(super) fn training(given: Given) -> Result<Verdict> {
    climb(given, "biased-variance", Rung::R8, "random blocks and batches")
}

pub(super) fn derivatives(given: Given) -> Result<Verdict> {
    climb(given, "gradient-to-next-path", Rung::R7, "random blocks and directions")
}

/// The same number of parameters and another function: a near-miss has the kernels of the right block
/// in another order. The wrong thing is the right block, which is no other function.
pub(super) fn same_count(given: Given) -> Result<Verdict> {
    let near_miss = named("next-path-3x3")?;
    let wrong = near_miss.wrong();
    let other: &dyn AnyForm = given.pick(&wrong as &dyn AnyForm, &Form::EarlyConcat);
    another_function(other, "random blocks, with the same kernels in another order")
}

/// Where the stride sits makes another function. The wrong thing is to leave it where it was.
pub(super) fn place_of_stride(given: Given) -> Result<Verdict> {
    let near_miss = named("stride-on-1x1")?;
    let wrong = near_miss.wrong();
    let other: &dyn AnyForm = given.pick(&wrong as &dyn AnyForm, &Form::EarlyConcat);
    another_function(other, "random blocks of stride 2")
}

/// That some random block tells `other` from form (c).
fn another_function(other: &dyn AnyForm, scope: &str) -> Result<Verdict> {
    let evidence = matrix::climb(Rung::R3, &[other, &Form::Grouped], CASES, SEED)?;
    if evidence.witnesses.is_empty() {
        return Ok(refuted("random blocks on which the two differ", "none", "one at least"));
    }
    Ok(Verdict::Proved { scope: format!("{scope}; one on which they differ is enough") })
}

/// C = 1 is ResNet's bottleneck: one path, which is an ordinary block of width 64 with as many
/// parameters. The wrong thing is C = 2, d = 64.
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
