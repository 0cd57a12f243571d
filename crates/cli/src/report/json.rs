//! The reports of `triform verify` and `triform forward` as JSON, and the envelope of all commands.
//!
//! No key is ever left out. Where there is nothing to say, the value is null and `why_null` beside it says why.

use std::collections::BTreeMap;

use ndarray::{ArrayView2, ArrayView4};
use serde::Serialize;

use super::network::{SHOWN, Source, class_name};
use super::words::stride_word;
use triform::block::BlockSpec;
use triform::evidence::speed::Machine;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verify::{self, Report, RoundingReport};
use triform::evidence::whole::{self, LOGITS, NetworkReport, Ran};
use triform::network::architecture::Architecture;
use triform::network::classes;

/// The version of the format that docs/report.schema.json documents.
pub const SCHEMA: u32 = 1;

/// A JSON object with these keys, in this order. A value is anything that can be serialised.
macro_rules! object {
    ($($(#[$attribute:meta])* $key:ident: $value:expr),* $(,)?) => {{
        #[derive(serde::Serialize)]
        struct Object<$($key),*> { $($(#[$attribute])* $key: $key),* }
        Object { $($key: $value),* }
    }};
}
pub(super) use object;

/// The key of each null value, with the reason why it is null.
pub(super) type WhyNull = BTreeMap<&'static str, &'static str>;

/// The command that was run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Command {
    /// Its name, such as `verify`.
    pub name: String,
    /// The options as the user wrote them, and the seed.
    pub options: BTreeMap<String, Vec<String>>,
    /// The command line that repeats the run.
    pub repeat: String,
}

/// What a command concluded.
pub struct Outcome {
    /// The verdict in a word. `None` for a command that judges nothing.
    pub verdict: Option<&'static str>,
    /// Whether the run was cut short.
    pub partial: bool,
    /// The machine, if the report has times.
    pub machine: Option<Machine>,
}

impl Outcome {
    /// For a command that judges nothing and times nothing.
    pub const NONE: Self = Self { verdict: None, partial: false, machine: None };

    /// For a comparison of forms.
    pub fn of_forms(refuted: bool, partial: bool, machine: Option<Machine>) -> Self {
        let verdict = match (refuted, partial) {
            (true, _) => "refuted",
            (_, true) => "unfinished",
            _ => "holds",
        };
        Self { verdict: Some(verdict), partial, machine }
    }
}

/// A command's report as indented JSON with a newline at its end: the envelope, then the command's own keys.
pub fn envelope(command: &Command, outcome: Outcome, report: impl Serialize) -> String {
    let Outcome { verdict, partial, machine } = outcome;
    let mut why_null = WhyNull::new();
    if verdict.is_none() {
        why_null.insert("verdict", "this command judges nothing");
    }
    if machine.is_none() {
        why_null.insert("machine", "no time is reported");
    }
    pretty(&object! {
        schema: SCHEMA,
        triform: env!("CARGO_PKG_VERSION"),
        command: command,
        verdict: verdict,
        partial: partial,
        machine: machine,
        why_null: why_null,
        #[serde(flatten)] report: report,
    })
}

/// Indented, with a newline at its end.
pub fn pretty(report: &impl Serialize) -> String {
    let text = serde_json::to_string_pretty(report);
    text.unwrap_or_else(|error| unreachable!("a report has string keys only: {error}")) + "\n"
}

/// A number for each pair of forms.
fn by_pair<T: Copy>(pairs: &[(String, T)]) -> BTreeMap<&str, T> {
    pairs.iter().map(|(pair, number)| (pair.as_str(), *number)).collect()
}

/// What was verified on blocks. Runs with the same seed differ only in the times ("ms").
pub fn verify(report: &Report) -> impl Serialize {
    let errors = report.failures.iter().map(|failure| {
        object! { rung: failure.rung, stage: &failure.stage, error: failure.error.to_string() }
    });
    object! {
        seed: report.seed,
        blocks: report.blocks.iter().map(block).collect::<Vec<_>>(),
        rungs: report.findings.iter().map(entry).collect::<Vec<_>>(),
        ok: report.holds(),
        errors: errors.collect::<Vec<_>>(),
    }
}

/// A finding.
pub(super) fn entry(finding: &Finding) -> impl Serialize {
    let qualification = match &finding.verdict {
        Verdict::Qualified { holds, but } => Some(format!("{holds}; {but}")),
        _ => None,
    };
    let mut why_null = WhyNull::new();
    if qualification.is_none() {
        why_null.insert("qualification", "the verdict is not qualified");
    }
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
        qualification: qualification,
        witnesses: match &finding.verdict {
            Verdict::Refuted { witnesses } => &witnesses[..],
            _ => &[],
        },
        why_null: why_null,
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

/// What R1 found, or nulls if R1 did not run.
fn rounding(found: Option<RoundingReport>) -> impl Serialize {
    object! {
        bound: found.map(|found| found.bound),
        bound_used: found.map(|found| found.used),
        bound_used_at_cuts: found.map(|found| found.used_at_cuts),
        bound_is_blunt: found.map(|found| found.is_blunt),
    }
}

fn block(block: &verify::BlockReport) -> impl Serialize {
    let exact = block.exact.as_ref();
    let mut why_null = WhyNull::new();
    if block.rounding.is_none() {
        why_null.insert("bound", "R1 did not run on this block");
    }
    if exact.is_none() {
        why_null.insert("exact", "R3 did not run on this block");
    }
    let times = block.times.iter().map(|(letter, ms)| (*letter, object! { ms: *ms }));
    object! {
        name: &block.name,
        #[serde(flatten)] shape: shape(&block.spec, block.map),
        params: block.parameters.convolutions,
        params_shortcut: block.parameters.shortcut,
        forms: times.collect::<BTreeMap<_, _>>(),
        max_abs_diff: by_pair(&block.differences),
        largest_output: block.largest,
        ulp: block.ulp,
        #[serde(flatten)] rounding: rounding(block.rounding),
        dead_channels: block.dead_channels,
        digest: &block.digest,
        exact: exact.map(|_| !block.refuted.iter().any(|(rung, _)| rung.never_rounds)),
        exact_in: exact.map(|exact| exact.float),
        exact_differing: exact.map(|exact| by_pair(&exact.differing)),
        exact_elements: exact.map(|exact| exact.elements),
        exact_largest_sum: exact.map(|exact| exact.reached),
        refuted: &block.refuted,
        why_null: why_null,
    }
}

/// A network in several forms.
pub fn network<'a>(report: &'a NetworkReport, source: &'a Source) -> impl Serialize + 'a {
    let (network, logits) = (&report.architecture, &report.logits);
    let forms = logits.of_form.iter().map(|(form, of)| (*form, output(network, of.view())));
    let blocks = report.blocks.iter().map(network_block);
    object! {
        #[serde(flatten)] network: of_network(network, source, report.input, forms.collect()),
        seed: report.seed,
        largest_logit: logits.largest,
        max_rel_diff: logits.relative().collect::<BTreeMap<_, _>>(),
        max_rel_diff_allowed: LOGITS * logits.scale / logits.largest,
        blocks: blocks.collect::<Vec<_>>(),
        notes: &report.notes,
        ok: report.holds(),
    }
}

/// A network in one form.
pub fn forward<'a>(
    network: &'a Architecture,
    form: char,
    ran: &Ran,
    input: [usize; 4],
    source: &'a Source,
) -> impl Serialize + 'a {
    let forms = [(form, output(network, ran.logits.view()))].into();
    of_network(network, source, input, forms)
}

fn of_network<'a>(
    network: &'a Architecture,
    source: &'a Source,
    input: [usize; 4],
    forms: BTreeMap<char, impl Serialize + 'a>,
) -> impl Serialize + 'a {
    object! {
        arch: &network.name,
        weights: &source.weights,
        input: &source.input,
        input_shape: input,
        stride_on: stride_word(network.stride_on),
        forms: forms,
    }
}

/// The output of a form: the logits, N x classes, with the likeliest classes. A network without its top gives the
/// pooled features instead.
fn output(network: &Architecture, values: ArrayView2<'_, f32>) -> impl Serialize + use<> {
    let rows: Vec<Vec<f32>> = values.rows().into_iter().map(|row| row.to_vec()).collect();
    let likeliest = |row: &Vec<f32>| {
        let class = |(class, probability)| {
            let name = class_name(class, row.len());
            object! { class: class, name: name, probability: probability }
        };
        classes::top(row, SHOWN).into_iter().map(class).collect::<Vec<_>>()
    };
    let top: Option<Vec<_>> = network.classes.map(|_| rows.iter().map(likeliest).collect());
    let (logits, features, why_null) = match network.classes {
        Some(_) => (Some(rows), None, ("pooled_features", "the network has its top")),
        None => (None, Some(rows), ("logits", "the network is without its top")),
    };
    object! {
        logits: logits,
        top: top,
        pooled_features: features,
        why_null: WhyNull::from([why_null]),
    }
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
    let why_null = found.is_none().then_some(("bound", "R1 did not run on this block"));
    object! {
        name: &block.name,
        #[serde(flatten)] shape: shape(&block.spec, block.map),
        dead_channels: block.dead_channels,
        max_abs_diff: by_pair(&block.differences),
        #[serde(flatten)] rounding: rounding(found),
        ok: !findings.is_empty() && !findings.iter().any(Finding::refutes),
        rungs: findings.iter().map(entry).collect::<Vec<_>>(),
        why_null: why_null.into_iter().collect::<WhyNull>(),
    }
}

/// The shape and the elements of a tensor, in the order N, C, H, W. For a kernel, the order is output, input, row,
/// column. NaN becomes null.
pub(super) fn tensor(x: ArrayView4<'_, f32>) -> impl Serialize + use<> {
    object! { shape: <[usize; 4]>::from(x.dim()), data: x.iter().copied().collect::<Vec<_>>() }
}
