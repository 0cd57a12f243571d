//! The reports of `triform verify` and `triform forward` as JSON.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, ArrayView4};
use serde::Serialize;

use super::network::{SHOWN, Source, class_name};
use super::words::stride_word;
use triform::block::BlockSpec;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verify::{self, Report, RoundingReport};
use triform::evidence::whole::{self, LOGITS, NetworkReport, Ran};
use triform::network::architecture::Architecture;
use triform::network::classes;

/// An object with these keys, in this order, whatever serialises as their values. A key that may be missing
/// is one of an object in an `Option`, which `#[serde(flatten)]` lets in.
macro_rules! object {
    ($($(#[$attribute:meta])* $key:ident: $value:expr),* $(,)?) => {{
        #[derive(serde::Serialize)]
        struct Object<$($key),*> { $($(#[$attribute])* $key: $key),* }
        Object { $($key: $value),* }
    }};
}
pub(super) use object;

/// Indented, with a newline at its end.
pub(super) fn pretty(report: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(report);
    text.unwrap_or_else(|error| unreachable!("a report has string keys only: {error}")) + "\n"
}

/// A number for each pair of forms.
fn by_pair<T: Copy>(pairs: &[(String, T)]) -> BTreeMap<&str, T> {
    pairs.iter().map(|(pair, number)| (pair.as_str(), *number)).collect()
}

/// The report as JSON, indented, with a newline at its end. The same seed gives the same text
/// but for the times ("ms").
pub fn render(report: &Report) -> String {
    let errors = report.failures.iter().map(|failure| {
        object! { rung: failure.rung, stage: &failure.stage, error: failure.error.to_string() }
    });
    let errors: Vec<_> = errors.collect();
    pretty(&object! {
        seed: report.seed,
        blocks: report.blocks.iter().map(block).collect::<Vec<_>>(),
        rungs: report.findings.iter().map(entry).collect::<Vec<_>>(),
        ok: report.holds(),
        #[serde(flatten)] partial: report.partial.then(|| object! { partial: true }),
        #[serde(flatten)] errors: (!errors.is_empty()).then(|| object! { errors: errors }),
    })
}

/// A finding.
fn entry(finding: &Finding) -> impl Serialize {
    let qualification = match &finding.verdict {
        Verdict::Qualified { holds, but } => Some(format!("{holds}; {but}")),
        _ => None,
    };
    let witnesses = match &finding.verdict {
        Verdict::Refuted { witnesses } => Some(witnesses),
        _ => None,
    };
    object! {
        rung: finding.rung,
        name: finding.rung.name,
        stage: &finding.stage,
        verdict: finding.verdict.word(),
        scope: &finding.scope,
        bound: finding.bound,
        cases: finding.cases,
        redraws: finding.redraws,
        seed: finding.seed,
        ms: finding.ms,
        #[serde(flatten)]
        qualification: qualification.map(|words| object! { qualification: words }),
        #[serde(flatten)]
        witnesses: witnesses.map(|witnesses| object! { witnesses: witnesses }),
    }
}

/// A block's sizes and its map.
pub(super) fn shape(spec: &BlockSpec, map: (usize, usize)) -> impl Serialize + use<> {
    object! {
        c_in: spec.c_in(),
        cardinality: spec.cardinality(),
        width: spec.width(),
        c_out: spec.c_out(),
        map: map,
        stride: spec.stride(),
    }
}

/// What R1 found.
fn rounding(found: RoundingReport) -> impl Serialize {
    object! {
        bound: found.bound,
        bound_used: found.used,
        bound_used_at_cuts: found.used_at_cuts,
        bound_is_blunt: found.is_blunt,
    }
}

fn block(block: &verify::BlockReport) -> impl Serialize {
    let exact = block.exact.as_ref().map(|exact| {
        object! {
            exact: !block.refuted.iter().any(|(rung, _)| rung.never_rounds),
            exact_in: exact.float,
            exact_differing: by_pair(&exact.differing),
            exact_elements: exact.elements,
            exact_largest_sum: exact.reached,
        }
    });
    let times = block.times.iter().map(|(letter, ms)| (*letter, object! { ms: *ms }));
    let refuted = &block.refuted;
    object! {
        name: &block.name,
        #[serde(flatten)] shape: shape(&block.spec, block.map),
        params: block.parameters.convolutions,
        params_shortcut: block.parameters.shortcut,
        forms: times.collect::<BTreeMap<_, _>>(),
        max_abs_diff: by_pair(&block.differences),
        largest_output: block.largest,
        ulp: block.ulp,
        #[serde(flatten)] rounding: block.rounding.map(rounding),
        dead_channels: block.dead_channels,
        digest: &block.digest,
        #[serde(flatten)] exact: exact,
        #[serde(flatten)]
        refuted: (!refuted.is_empty()).then(|| object! { refuted: refuted }),
    }
}

/// A network in several forms.
pub fn network(report: &NetworkReport, source: &Source) -> String {
    let (network, logits, notes) = (&report.architecture, &report.logits, &report.notes);
    let forms = logits.of_form.iter().map(|(form, of)| (*form, output(network, of.view())));
    let blocks = report.blocks.iter().map(network_block);
    let several = object! {
        seed: report.seed,
        largest_logit: logits.largest,
        max_rel_diff: logits.relative().collect::<BTreeMap<_, _>>(),
        max_rel_diff_allowed: LOGITS * logits.scale / logits.largest,
        blocks: blocks.collect::<Vec<_>>(),
        #[serde(flatten)] notes: (!notes.is_empty()).then(|| object! { notes: notes }),
        ok: report.holds(),
        #[serde(flatten)] partial: report.partial.then(|| object! { partial: true }),
    };
    of_network(network, source, report.input, forms.collect(), Some(several))
}

/// A network in one form.
pub fn forward(
    network: &Architecture,
    form: char,
    ran: &Ran,
    input: [usize; 4],
    source: &Source,
) -> String {
    let forms = [(form, output(network, ran.logits.view()))].into();
    of_network(network, source, input, forms, None::<()>)
}

fn of_network(
    network: &Architecture,
    source: &Source,
    input: [usize; 4],
    forms: BTreeMap<char, impl Serialize>,
    several: Option<impl Serialize>,
) -> String {
    pretty(&object! {
        arch: &network.name,
        weights: &source.weights,
        input: &source.input,
        input_shape: input,
        stride_on: stride_word(network.stride_on),
        forms: forms,
        #[serde(flatten)] several: several,
    })
}

/// What a form gave: logits, N x classes, and the likeliest classes; or the pooled features.
fn output(network: &Architecture, values: ArrayView2<'_, f32>) -> impl Serialize + use<> {
    let rows: Vec<Vec<f32>> = values.rows().into_iter().map(|row| row.to_vec()).collect();
    let likeliest = |row: &Vec<f32>| {
        let class = |(class, probability)| {
            let name = class_name(class, row.len()).map(|name| object! { name: name });
            object! { class: class, #[serde(flatten)] name: name, probability: probability }
        };
        classes::top(row, SHOWN).into_iter().map(class).collect::<Vec<_>>()
    };
    let (logits, features) = match network.classes {
        Some(_) => {
            let top: Vec<_> = rows.iter().map(likeliest).collect();
            (Some(object! { logits: rows, top: top }), None)
        }
        None => (None, Some(object! { pooled_features: rows })),
    };
    object! { #[serde(flatten)] logits: logits, #[serde(flatten)] features: features }
}

fn network_block(block: &whole::BlockReport) -> impl Serialize {
    let findings = &block.findings;
    let found = findings.iter().find_map(|finding| match finding.bound {
        Bound::Rounding { difference: bound, used, used_at_cuts } => {
            let is_blunt = matches!(finding.verdict, Verdict::Qualified { .. });
            Some(RoundingReport { bound, used, used_at_cuts, is_blunt })
        }
        _ => None,
    });
    object! {
        name: &block.name,
        #[serde(flatten)] shape: shape(&block.spec, block.map),
        dead_channels: block.dead_channels,
        max_abs_diff: by_pair(&block.differences),
        #[serde(flatten)] rounding: found.map(rounding),
        ok: !findings.is_empty() && !findings.iter().any(Finding::refutes),
        rungs: findings.iter().map(entry).collect::<Vec<_>>(),
    }
}

/// Elements in the order N, C, H, W (or output, input, row, column); null for NaN.
pub(super) fn tensor(x: ArrayView4<'_, f32>) -> impl Serialize + use<> {
    object! { shape: <[usize; 4]>::from(x.dim()), data: x.iter().copied().collect::<Vec<_>>() }
}
