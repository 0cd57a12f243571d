//! Rungs on what the forms gave for one real block.

use std::collections::BTreeSet;

use ndarray::ArrayView4;

use super::findings::{BlockReport, Failure, RoundingReport};
use super::run::Run;
use crate::error::Result;
use crate::evidence::any_form::AnyForm;
use crate::evidence::compare::{compare, largest, pairs, ulp};
use crate::evidence::progress::Progress;
use crate::evidence::rungs::{Draw, Rung};
use crate::evidence::verdict::{Bound, Evidence, Finding};

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
        let what = rung.block_scope().unwrap_or_default();
        Finding::conclude((rung, &stage, format!("{blocks}, {what}")), evidence, seed, ms)
    };
    stages.into_iter().map(conclude).collect()
}

/// Those of `rungs` that run on real blocks, on one block.
pub(super) fn judge(
    forms: &[&dyn AnyForm],
    run: &Run,
    rungs: &BTreeSet<Rung>,
    (seed, number): Draw,
    say: &dyn Fn(&str),
    progress: &dyn Progress,
) -> (BlockReport, Vec<Part>, Vec<Failure>) {
    let Run { named, real, parameters, outputs, times } = run;
    let stage = named.name.split('_').next().unwrap_or_default();
    let (mut refuted, mut parts, mut failures) = (Vec::new(), Vec::new(), Vec::new());
    let (mut rounding, mut exact, mut dead_channels) = (None, None, real.dead);
    for &rung in rungs {
        if rung.block_scope().is_none() {
            continue;
        }
        say(rung.name());
        let since = progress.now();
        let evidence = match rung.on_block(forms, real, outputs, (seed, number)) {
            Ok(Some(evidence)) => evidence,
            Ok(None) => continue,
            Err(error) => {
                failures.push(Failure { rung: Some(rung), stage: named.name.clone(), error });
                continue;
            }
        };
        if let Bound::Rounding { difference: bound, used, used_at_cuts } = evidence.bound {
            let is_blunt = evidence.blunt;
            rounding = Some(RoundingReport { bound, used, used_at_cuts, is_blunt });
        }
        if let Some(report) = &evidence.exact {
            dead_channels += report.dead_channels;
            exact = Some(report.clone());
        }
        refuted.extend(evidence.witnesses.all().iter().map(|witness| (rung, witness.clone())));
        let ms = progress.now() - since;
        parts.push(Part { stage: stage.to_owned(), rung, evidence, ms });
    }
    let activation = outputs.iter().fold(0f32, |max, output| max.max(largest(output.view())));
    let (_, _, h, w) = real.x.dim();
    let grouped = forms.iter().position(|form| form.letter() == 'c');
    let report = BlockReport {
        name: named.name.clone(),
        spec: named.spec,
        map: (h, w),
        parameters: *parameters,
        times: times.clone(),
        differences: pairs(forms, |i, j| compare(outputs[i].view(), outputs[j].view()).max_abs),
        largest: activation,
        ulp: ulp(activation),
        rounding,
        digest: digest(outputs[grouped.unwrap_or(forms.len() - 1)].view()),
        exact,
        dead_channels,
        refuted,
    };
    (report, parts, failures)
}

/// SHA-256 of a tensor's bits, in order, little-endian.
fn digest(x: ArrayView4<'_, f32>) -> String {
    let mut hasher = hmac_sha256::Hash::new();
    for value in x {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
