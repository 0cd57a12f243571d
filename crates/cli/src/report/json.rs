//! The report of `triform verify` as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use triform::evidence::rungs::Rung;
use triform::evidence::verdict::Witness;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verify::{BlockReport, Failure, Report};

#[derive(Serialize)]
struct Whole<'a> {
    seed: u64,
    blocks: Vec<Block<'a>>,
    rungs: Vec<Entry<'a>>,
    ok: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Missing<'a>>,
}

/// What could not be verified.
#[derive(Serialize)]
struct Missing<'a> {
    rung: Option<Rung>,
    stage: &'a str,
    error: String,
}

fn missing(failure: &Failure) -> Missing<'_> {
    let Failure { rung, stage, error } = failure;
    Missing { rung: *rung, stage, error: error.to_string() }
}

#[derive(Serialize)]
struct Block<'a> {
    name: &'a str,
    c_in: usize,
    cardinality: usize,
    width: usize,
    c_out: usize,
    map: [usize; 2],
    stride: usize,
    params: u64,
    params_shortcut: u64,
    forms: BTreeMap<char, Form>,
    max_abs_diff: BTreeMap<&'a str, f64>,
    largest_output: f32,
    ulp: f64,
    #[serde(flatten)]
    rounding: Option<Rounding>,
    dead_channels: usize,
    digest: &'a str,
    #[serde(flatten)]
    exact: Option<Exact<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    refuted: &'a [(Rung, Witness)],
}

/// What R1 found, if it ran.
#[derive(Serialize)]
pub(super) struct Rounding {
    pub(super) bound: f64,
    pub(super) bound_used: f64,
    pub(super) bound_used_at_cuts: f64,
    pub(super) bound_is_blunt: bool,
}

/// What R3 found, if it ran.
#[derive(Serialize)]
struct Exact<'a> {
    exact: bool,
    exact_in: &'a str,
    exact_differing: BTreeMap<&'a str, usize>,
    exact_elements: usize,
    exact_largest_sum: i64,
}

#[derive(Serialize)]
struct Form {
    ms: f64,
}

/// A finding.
#[derive(Serialize)]
pub(super) struct Entry<'a> {
    rung: Rung,
    name: &'a str,
    stage: &'a str,
    verdict: &'a str,
    scope: &'a str,
    bound: &'a Bound,
    cases: u64,
    redraws: u64,
    seed: u64,
    ms: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    qualification: Option<String>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    witnesses: &'a [Witness],
}

/// The report as JSON, indented, with a newline at its end. The same seed gives the same text
/// but for the times ("ms").
pub fn render(report: &Report) -> String {
    let whole = Whole {
        seed: report.seed,
        blocks: report.blocks.iter().map(block).collect(),
        rungs: report.findings.iter().map(entry).collect(),
        ok: report.holds(),
        partial: report.partial,
        errors: report.failures.iter().map(missing).collect(),
    };
    pretty(&whole)
}

/// Indented, with a newline at its end.
pub(super) fn pretty(report: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(report);
    text.unwrap_or_else(|error| unreachable!("a report has string keys only: {error}")) + "\n"
}

pub(super) fn entry(finding: &Finding) -> Entry<'_> {
    let Finding { rung, stage, scope, bound, cases, redraws, seed, ms, verdict } = finding;
    let (qualification, witnesses): (_, &[Witness]) = match verdict {
        Verdict::Qualified { holds, but } => (Some(format!("{holds}; {but}")), &[]),
        Verdict::Refuted { witnesses } => (None, &witnesses[..]),
        Verdict::Proved { .. } | Verdict::Supported { .. } => (None, &[]),
    };
    Entry {
        rung: *rung,
        name: rung.name,
        stage,
        verdict: verdict.word(),
        scope,
        bound,
        cases: cases.get(),
        redraws: *redraws,
        seed: *seed,
        ms: *ms,
        qualification,
        witnesses,
    }
}

fn block(block: &BlockReport) -> Block<'_> {
    let rounding = block.rounding.map(|rounding| Rounding {
        bound: rounding.bound,
        bound_used: rounding.used,
        bound_used_at_cuts: rounding.used_at_cuts,
        bound_is_blunt: rounding.is_blunt,
    });
    let exact = block.exact.as_ref().map(|exact| Exact {
        exact: !block.refuted.iter().any(|(rung, _)| rung.never_rounds),
        exact_in: exact.float,
        exact_differing: exact.differing.iter().map(|(pair, n)| (pair.as_str(), *n)).collect(),
        exact_elements: exact.elements,
        exact_largest_sum: exact.reached,
    });
    Block {
        name: &block.name,
        c_in: block.spec.c_in(),
        cardinality: block.spec.cardinality(),
        width: block.spec.width(),
        c_out: block.spec.c_out(),
        map: [block.map.0, block.map.1],
        stride: block.spec.stride(),
        params: block.parameters.convolutions,
        params_shortcut: block.parameters.shortcut,
        forms: block.times.iter().map(|&(letter, ms)| (letter, Form { ms })).collect(),
        max_abs_diff: block.differences.iter().map(|(pair, max)| (pair.as_str(), *max)).collect(),
        largest_output: block.largest,
        ulp: block.ulp,
        rounding,
        dead_channels: block.dead_channels,
        digest: &block.digest,
        exact,
        refuted: &block.refuted,
    }
}
