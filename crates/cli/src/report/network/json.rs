//! A network's report as JSON.

use std::collections::BTreeMap;

use ndarray::ArrayView2;
use serde::Serialize;

use super::{Source, top};
use crate::report::json::{Entry, Rounding, entry, pretty};
use triform::block::StrideOn;
use triform::evidence::verdict::{Bound, Verdict};
use triform::evidence::whole::{BlockReport, LOGITS, NetworkReport, Ran};
use triform::network::architecture::Architecture;
use triform::network::classes;

#[derive(Serialize)]
struct Whole<'a> {
    arch: &'a str,
    weights: &'a str,
    input: &'a str,
    input_shape: [usize; 4],
    stride_on: &'static str,
    forms: BTreeMap<char, Output>,
    #[serde(flatten)]
    comparison: Option<Comparison<'a>>,
}

/// What only several forms have.
#[derive(Serialize)]
struct Comparison<'a> {
    seed: u64,
    largest_logit: f64,
    max_rel_diff: BTreeMap<&'a str, f64>,
    max_rel_diff_allowed: f64,
    blocks: Vec<Block<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    notes: &'a [String],
    ok: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

/// What a form gave.
#[derive(Serialize)]
struct Output {
    /// N x classes, or the pooled features.
    #[serde(skip_serializing_if = "Option::is_none")]
    logits: Option<Vec<Vec<f32>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    top: Option<Vec<Vec<Class>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pooled_features: Option<Vec<Vec<f32>>>,
}

#[derive(Serialize)]
struct Class {
    class: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<&'static str>,
    probability: f64,
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
    dead_channels: usize,
    max_abs_diff: BTreeMap<&'a str, f64>,
    #[serde(flatten)]
    rounding: Option<Rounding>,
    ok: bool,
    rungs: Vec<Entry<'a>>,
}

/// A network in several forms.
pub fn verify_json(report: &NetworkReport, source: &Source) -> String {
    let logits = &report.logits;
    let forms = logits.of_form.iter();
    pretty(&Whole {
        arch: &report.architecture.name,
        weights: &source.weights,
        input: &source.input,
        input_shape: report.input,
        stride_on: stride_on(&report.architecture),
        forms: forms.map(|(form, of)| (*form, output(&report.architecture, of.view()))).collect(),
        comparison: Some(Comparison {
            seed: report.seed,
            largest_logit: logits.largest,
            max_rel_diff: logits.relative().collect(),
            max_rel_diff_allowed: LOGITS * logits.scale / logits.largest,
            blocks: report.blocks.iter().map(block).collect(),
            notes: &report.notes,
            ok: report.holds(),
            partial: report.partial,
        }),
    })
}

/// A network in one form.
pub fn forward_json(
    network: &Architecture,
    letter: char,
    ran: &Ran,
    input_shape: [usize; 4],
    source: &Source,
) -> String {
    pretty(&Whole {
        arch: &network.name,
        weights: &source.weights,
        input: &source.input,
        input_shape,
        stride_on: stride_on(network),
        forms: [(letter, output(network, ran.logits.view()))].into(),
        comparison: None,
    })
}

fn stride_on(network: &Architecture) -> &'static str {
    match network.stride_on {
        StrideOn::Transform => "3x3",
        StrideOn::Reduce => "1x1",
    }
}

fn output(network: &Architecture, values: ArrayView2<'_, f32>) -> Output {
    let rows: Vec<Vec<f32>> = values.rows().into_iter().map(|row| row.to_vec()).collect();
    if network.classes.is_none() {
        return Output { logits: None, top: None, pooled_features: Some(rows) };
    }
    let of = |row: &Vec<f32>| {
        let class =
            |(class, probability)| Class { class, name: top::name(class, row.len()), probability };
        classes::top(row, top::SHOWN).into_iter().map(class).collect()
    };
    let top = rows.iter().map(of).collect();
    Output { logits: Some(rows), top: Some(top), pooled_features: None }
}

fn block(block: &BlockReport) -> Block<'_> {
    let BlockReport { name, spec, map, differences, dead_channels, findings, .. } = block;
    let rounding = findings.iter().find_map(|finding| match finding.bound {
        Bound::Rounding { difference: bound, used, used_at_cuts } => Some(Rounding {
            bound,
            bound_used: used,
            bound_used_at_cuts: used_at_cuts,
            bound_is_blunt: matches!(finding.verdict, Verdict::Qualified { .. }),
        }),
        _ => None,
    });
    Block {
        name,
        c_in: spec.c_in(),
        cardinality: spec.cardinality(),
        width: spec.width(),
        c_out: spec.c_out(),
        map: [map.0, map.1],
        stride: spec.stride(),
        dead_channels: *dead_channels,
        max_abs_diff: differences.iter().map(|(pair, apart)| (pair.as_str(), *apart)).collect(),
        rounding,
        ok: !findings.is_empty() && !findings.iter().any(|finding| finding.refutes()),
        rungs: findings.iter().map(entry).collect(),
    }
}
