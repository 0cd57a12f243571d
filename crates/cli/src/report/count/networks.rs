//! Networks beside one another, and beside what others have published.

use super::{Counted, stride_word};
use crate::report::grid::{grid, row};
use crate::report::page::Page;
use crate::report::words::{line, paragraph, thousands};
use triform::block::StrideOn;
use triform::count::published::{Published, about};
use triform::count::{ParameterRule, Quantity};
use triform::error::Result;

/// Parameters by kind, work by kind, and the published figures.
///
/// # Errors
///
/// [`Error::CountTooLarge`](triform::Error::CountTooLarge).
pub fn networks(counted: &[Counted]) -> Result<String> {
    let mut text = parameters(counted)?;
    text.push('\n');
    text += &work(counted)?;
    text += &published(counted)?;
    Ok(text)
}

fn parameters(counted: &[Counted]) -> Result<String> {
    let head = ["parameters", "convolution", "batch norm", "fc", "bias", "sum"];
    let mut rows = vec![row(head)];
    for each in counted {
        let kinds = each.counts.total.parameters;
        let numbers = [
            kinds.convolution,
            kinds.batch_norm,
            kinds.fully_connected,
            kinds.bias,
            kinds.trained()?,
        ];
        rows.push([vec![each.network.name.clone()], numbers.map(thousands).to_vec()].concat());
    }
    let mut text = String::new();
    grid(&mut text, &rows, 1);
    let mut note = "Batch norm: scale and shift; its running statistics, as many again, are no \
                    parameters. fc, bias: of the fully connected layer."
        .to_owned();
    if counted.iter().any(|each| each.network.is_block()) {
        note += " A block's figure in the paper is its convolutions alone.";
    }
    paragraph(&mut text, &note);
    Ok(text)
}

fn work(counted: &[Counted]) -> Result<String> {
    let Some(first) = counted.first() else { return Ok(String::new()) };
    // The options give all networks one place for the stride.
    let other = match first.network.stride_on {
        StrideOn::Transform => StrideOn::Reduce,
        StrideOn::Reduce => StrideOn::Transform,
    };
    let elsewhere = format!("stride on {}", stride_word(other));
    let head = ["one image", "size", "MACs", &elsewhere, "inside", "weights", "peak"];
    let mut rows = vec![row(head)];
    for each in counted {
        let operations = each.counts.total.operations;
        let (macs, elsewhere) = (operations.macs()?, each.macs_with(other)?);
        let memory = each.counts.memory;
        rows.push(vec![
            each.network.name.clone(),
            format!("{}x{}", each.input.0, each.input.1),
            thousands(macs),
            if elsewhere == macs { "same".to_owned() } else { thousands(elsewhere) },
            part(operations.macs_inside()?, macs),
            megabytes(memory.weights),
            megabytes(memory.peak),
        ]);
    }
    let mut text = String::new();
    grid(&mut text, &rows, 2);
    let note = format!(
        "MACs: multiply-adds of convolutions and the fully connected layer, every tap, with the \
         stride on the {}; FLOPs are twice as many. Inside: the part of them whose tap is not on \
         padding. Weights, peak: megabytes in f32, stored and at most in use at once.",
        stride_word(first.network.stride_on)
    );
    paragraph(&mut text, &note);
    Ok(text)
}

fn part(of: u64, all: u64) -> String {
    format!("{:.2} %", 100.0 * of as f64 / all as f64)
}

fn megabytes(bytes: u64) -> String {
    format!("{:.1}", bytes as f64 / 1e6)
}

/// The published figures of those that are as published.
fn published(counted: &[Counted]) -> Result<String> {
    let text = listed(counted, false, "Published, and what it is here:")?;
    Ok(text + &listed(counted, true, "Published, and wrong in ways that are known:")?)
}

/// Those that are mistakes, or those that are not.
fn listed(counted: &[Counted], mistakes: bool, heading: &str) -> Result<String> {
    let mut page = Page::new(false);
    let several = counted.len() > 1;
    for each in counted {
        if !each.is_as_published()? {
            continue;
        }
        for published in about(&each.network.name) {
            if published.is_mistake()? != mistakes {
                continue;
            }
            let name = if several { format!("{}, ", published.network) } else { String::new() };
            page.item(published.text, &format!("{name}{}", said(published)?));
        }
    }
    let items = page.into_text();
    if items.is_empty() {
        return Ok(items);
    }
    let mut text = String::from("\n");
    line(&mut text, heading);
    Ok(text + &items)
}

/// A published figure, the count by its rule, and what that rule is.
fn said(published: &Published) -> Result<String> {
    let what = match published.quantity {
        Quantity::Parameters => "parameters",
        Quantity::Macs => "MACs",
    };
    let computed = published.computed()?;
    let met = if published.is_met()? { "" } else { ", which is NOT that" };
    let conventions: Vec<&str> = published.conventions()?.iter().map(|d| d.words).collect();
    let rule = match conventions[..] {
        [] => String::new(),
        _ => format!(": {}", conventions.join("; ")),
    };
    let computed = thousands(computed);
    let here = if computed == published.text { "the same" } else { &computed };
    Ok(format!("{what}, {}. Here {here}{met}{rule}.", published.source))
}

/// What the two quantities of a network come to, for a table elsewhere.
pub(super) fn plain(counted: &Counted) -> Result<(u64, u64)> {
    let parameters = ParameterRule::TRAINED.count(&counted.counts.total)?;
    Ok((parameters, counted.counts.total.operations.macs()?))
}
