//! Rungs R0, R1 and R3 on what the forms gave for one real block.

use std::collections::BTreeSet;
use std::time::Instant;

use ndarray::{Array4, ArrayView4};
use sha2::{Digest, Sha256};

use super::findings::{BlockReport, ExactReport, RoundingReport};
use super::run::Run;
use crate::block::Activation;
use crate::conv::{Convolver, Fast, Reference};
use crate::count;
use crate::error::{Error, Result};
use crate::evidence::any_form::{AnyForm, Over, Problem};
use crate::evidence::approximate::{self, Tolerance};
use crate::evidence::between::Between;
use crate::evidence::bound::{self, NormBalls};
use crate::evidence::compare::{Witnesses, against_exact, compare, largest, pairs, ulp};
use crate::evidence::exact::{self, ExactCase, LIMIT_F32, LIMIT_F64};
use crate::evidence::verdict::{Bound, Evidence, Finding, Rung};
use crate::random::Seed;
use crate::scalar::Real;

/// What a rung found on one block.
pub(super) struct Part {
    stage: String,
    rung: Rung,
    evidence: Evidence,
    ms: f64,
}

/// The findings of the blocks, rung by rung and stage by stage.
pub(super) fn findings(parts: Vec<Vec<Part>>, seed: u64) -> Result<Vec<Finding>> {
    // By rung, then in the order of the blocks.
    let mut stages: Vec<(Rung, String, usize, Evidence, f64)> = Vec::new();
    for part in parts.into_iter().flatten() {
        let Part { stage, rung, evidence, ms } = part;
        match stages.iter_mut().find(|(r, s, ..)| (*r, s.as_str()) == (rung, stage.as_str())) {
            Some((_, _, blocks, sum, time)) => {
                *blocks += 1;
                *sum = sum.clone().and(evidence);
                *time += ms;
            }
            None => stages.push((rung, stage, 1, evidence, ms)),
        }
    }
    let conclude = |(rung, stage, blocks, evidence, ms): (Rung, String, usize, Evidence, f64)| {
        let blocks = if blocks == 1 { "1 block".to_owned() } else { format!("{blocks} blocks") };
        let what = match rung {
            Rung::R0 => "f32",
            Rung::R1 => "whole and layer by layer",
            _ => "integers",
        };
        Finding::conclude((rung, &stage, format!("{blocks}, {what}")), evidence, seed, ms)
    };
    stages.into_iter().map(conclude).collect()
}

/// Those of R0, R1 and R3 that are asked for, on one block.
pub(super) fn judge(
    forms: &[&dyn AnyForm],
    run: &Run,
    rungs: &BTreeSet<Rung>,
    seed: Seed,
    number: usize,
    say: &dyn Fn(&str),
) -> Result<(BlockReport, Vec<Part>)> {
    let mut refuted = Vec::new();
    let mut parts = Vec::new();
    let mut part = |rung, evidence: Evidence, since: Instant| {
        let stage = run.named.name.split('_').next().unwrap_or_default().to_owned();
        refuted.extend(evidence.witnesses.all().iter().map(|witness| (rung, witness.clone())));
        parts.push(Part { stage, rung, evidence, ms: since.elapsed().as_secs_f64() * 1e3 });
    };
    if rungs.contains(&Rung::R0) {
        let since = Instant::now();
        let tolerance = Tolerance::of(&run.weights, &run.norms, run.x.view())?;
        part(Rung::R0, approximate::close(forms, &run.outputs, &tolerance), since);
    }
    let mut rounding = None;
    if rungs.contains(&Rung::R1) {
        say("the derived bound");
        let since = Instant::now();
        let (report, evidence) = rounding_run(forms, run)?;
        rounding = Some(report);
        part(Rung::R1, evidence, since);
    }
    let (mut exact, mut dead_channels) = (None, run.dead_channels);
    if rungs.contains(&Rung::R3) {
        say("exact integers");
        let since = Instant::now();
        let (report, evidence, dead) = integers(forms, run, seed, number)?;
        exact = Some(report);
        dead_channels += dead;
        part(Rung::R3, evidence, since);
    }
    let activation = run.outputs.iter().fold(0f32, |max, output| max.max(largest(output.view())));
    let (spec, (_, _, h, w)) = (run.named.spec, run.x.dim());

    let grouped = forms.iter().position(|form| form.letter() == 'c');
    let report = BlockReport {
        name: run.named.name.clone(),
        spec,
        map: (h, w),
        parameters: count::block(&spec)?,
        times: run.times.clone(),
        differences: pairs(forms, |i, j| {
            compare(run.outputs[i].view(), run.outputs[j].view()).max_abs
        }),
        largest: activation,
        ulp: ulp(activation),
        rounding,
        digest: digest(run.outputs[grouped.unwrap_or(forms.len() - 1)].view()),
        exact,
        dead_channels,
        refuted,
    };
    Ok((report, parts))
}

/// R1.
fn rounding_run(forms: &[&dyn AnyForm], run: &Run) -> Result<(RoundingReport, Evidence)> {
    let between = Between::norms(&run.norms, Activation::Relu);
    let problem = Problem { weights: &run.weights, x: run.x.view(), between };
    let norms = run.norms.cast();
    let exact = NormBalls::new(&norms);
    let evidence = bound::judge(forms, &problem, &run.outputs, &exact.functions())?;
    let report = match evidence.bound {
        Bound::Rounding { difference: bound, used, used_at_cuts } => {
            RoundingReport { bound, used, used_at_cuts, is_blunt: evidence.blunt }
        }
        _ => unreachable!("R1 gives a rounding bound"),
    };
    Ok((report, evidence))
}

/// R3, and how many hidden channels of its data are dead.
fn integers(
    forms: &[&dyn AnyForm],
    run: &Run,
    seed: Seed,
    number: usize,
) -> Result<(ExactReport, Evidence, usize)> {
    let (spec, (_, _, h, w)) = (run.named.spec, run.x.dim());
    let draw = |limit| exact::draw(spec, (1, h, w), limit, seed, number as u64);
    let (case, float, limit) = match draw(LIMIT_F32) {
        Ok(case) => (case, "f32", LIMIT_F32),
        Err(Error::NoExactCase { .. }) => (draw(LIMIT_F64)?, "f64", LIMIT_F64),
        Err(error) => return Err(error),
    };
    let (differing, witnesses) = if limit == LIMIT_F32 {
        exact_run::<f32, _>(forms, &case, &Fast::new())?
    } else {
        exact_run::<f64, _>(forms, &case, &Reference::default())?
    };
    let elements = case.expected.len();
    let report = ExactReport { float, reached: case.reached, limit, differing, elements };
    let values = (forms.len() * elements) as u64;
    Ok((report, Evidence::of(Bound::Exact { values }, witnesses), case.dead_channels))
}

/// Each form on an exact case: how many elements differ between each two, and where one differs
/// from the integers, if one does.
fn exact_run<S: Real, V: Convolver<S> + 'static>(
    forms: &[&dyn AnyForm],
    case: &ExactCase,
    convolver: &V,
) -> Result<(Vec<(String, usize)>, Witnesses)>
where
    for<'f> dyn AnyForm + 'f: Over<S, V>,
{
    let (weights, x, expected) = (case.weights::<S>(), case.x::<S>(), case.expected::<S>());
    let norms = case.norms.cast();
    let between = Between::norms(&norms, Activation::Relu);
    let problem = Problem { weights: &weights, x: x.view(), between };
    let outputs = problem.solve_all(forms, convolver)?;
    let held = |(form, output): (&&dyn AnyForm, &Array4<S>)| {
        against_exact(form.letter(), form.name(), output.view(), expected.view())
    };
    let witnesses = forms.iter().zip(&outputs).filter_map(held).collect();
    let differing = pairs(forms, |i, j| compare(outputs[i].view(), outputs[j].view()).differing);
    Ok((differing, witnesses))
}

/// SHA-256 of a tensor's bits, in order, little-endian.
fn digest(x: ArrayView4<'_, f32>) -> String {
    let mut hasher = Sha256::new();
    for value in x {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
