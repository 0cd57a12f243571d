//! The report on a whole network, in words.

use std::path::Path;

use ndarray::ArrayView2;

use super::verify::{far, heading, more, refutations, refuted_forms, rungs};
use super::words::{dashed, grid, line, paragraph, passage, row, stride_word, thousands};
use triform::block::StrideOn;
use triform::count;
use triform::error::Result;
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::{OnNetwork, Rung};
use triform::evidence::speed::map_name;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::whole::{LOGITS, NetworkReport, Ran};
use triform::network::architecture::Architecture;
use triform::network::classes;
use triform::random::Seed;

/// Classes shown for each image.
pub(super) const SHOWN: usize = 5;
/// Images shown in words. The JSON has all of them.
const IMAGES: usize = 8;

/// Where a network's numbers came from, in words.
pub struct Source {
    /// The file with its weights.
    pub weights: String,
    /// The file with its input, or a description of the input.
    pub input: String,
}

/// The report on a network in several forms: short, or with all tables if `full`. `repeat` is the command that repeats
/// the run.
pub fn verified(
    report: &NetworkReport,
    forms: &[&dyn AnyForm],
    source: &Source,
    repeat: &str,
    full: bool,
) -> Result<String> {
    let mut text = String::new();
    verdict(&mut text, report);
    line(&mut text, "");
    if !report.blocks.is_empty() {
        if full {
            heading(
                &mut text,
                "The network ran with all its blocks in each of these forms, with the same weights:",
                forms,
            );
            line(&mut text, "");
            blocks(&mut text, report);
            let others = |rung: Rung, others: &[&str]| {
                format!("  {rung} also refutes forms in {} more of the blocks.", others.len())
            };
            refutations(&mut text, report.findings(), others);
        } else {
            rungs(&mut text, report.findings());
            line(&mut text, "");
        }
        logits(&mut text, report);
    }
    passage(&mut text, &subject(&report.architecture, &report.input, source)?);
    let last = report.logits.of_form.last().filter(|_| report.architecture.classes.is_some());
    if let Some((letter, logits)) = last {
        likeliest(&mut text, &format!(", form ({letter})"), logits.view());
        line(&mut text, "");
    }
    for note in &report.notes {
        passage(&mut text, &format!("Note: {note}"));
    }
    more(&mut text, repeat);
    Ok(text)
}

/// Describes a fresh checkpoint.
pub fn initialised(network: &Architecture, seed: Seed, path: &Path) -> Result<String> {
    let mut text = String::new();
    let words = format!(
        "Wrote {}: {}, {} parameters, He initialisation, seed {}.",
        path.display(),
        network.name,
        trained(network, network.usual_input())?,
        seed.0
    );
    paragraph(&mut text, &words);
    Ok(text)
}

/// The report on a network in one form.
pub fn forward(
    network: &Architecture,
    form: &dyn AnyForm,
    ran: &Ran,
    input: &[usize; 4],
    source: &Source,
) -> Result<String> {
    let mut text = String::new();
    paragraph(&mut text, &subject(network, input, source)?);
    line(
        &mut text,
        &match network.bottlenecks()?.is_empty() {
            true => "Its blocks have depth 2, so they have only one form.".to_owned(),
            false => format!("Every block ran in form ({}), {}.", form.letter(), form.name()),
        },
    );
    line(&mut text, "");
    if network.classes.is_some() {
        likeliest(&mut text, "", ran.logits.view());
    } else {
        let largest = ran.features.iter().fold(0f32, |max, value| max.max(value.abs()));
        let shape = by(ran.features.shape());
        let words =
            format!("Features: a map of {shape}. Its largest absolute value is {largest:.4}.");
        line(&mut text, &words);
    }
    Ok(text)
}

/// The number of the network's trained parameters, counted on a map of this size.
fn trained(network: &Architecture, map: (usize, usize)) -> Result<String> {
    Ok(thousands(count::network(network, map)?.total.parameters.trained()?))
}

fn subject(network: &Architecture, input: &[usize; 4], source: &Source) -> Result<String> {
    let has_top = network.classes.is_some() || network.is_block();
    let top = if has_top { "" } else { " without its top" };
    let stride = match network.stride_on {
        StrideOn::Transform => String::new(),
        stride_on => format!(", its strides on the first {}", stride_word(stride_on)),
    };
    Ok(format!(
        "Network: {}{top}{stride}, {} parameters, from {}. Input: {}, {}.",
        network.name,
        trained(network, (input[2], input[3]))?,
        source.weights,
        source.input,
        by(input)
    ))
}

/// "1x3x224x224".
fn by(shape: &[usize]) -> String {
    shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x")
}

/// A line for each block.
fn blocks(text: &mut String, report: &NetworkReport) {
    let rungs: Vec<Rung> = report.blocks[0].findings.iter().map(|finding| finding.rung).collect();
    let judges = |rung: &Rung| rung.on_network.map(|judge| (*rung, judge));
    let columns: Vec<(Rung, OnNetwork)> = rungs.iter().filter_map(judges).collect();
    let mut rows = vec![row(["block", "C_in-Cxd-C_out", "map"])];
    rows[0].extend(columns.iter().map(|(rung, judge)| format!("{rung}: {}", judge.column)));
    rows[0].push("dead".to_owned());
    let mut qualified = false;
    for block in &report.blocks {
        let map = map_name(block.map);
        let mut cells = vec![block.name.clone(), block.spec.to_string(), map];
        for finding in &block.findings {
            qualified |= matches!(finding.verdict, Verdict::Qualified { .. });
            cells.push(cell(finding));
        }
        cells.push(format!("{}/{}", block.dead_channels, 2 * block.spec.inner()));
        rows.push(cells);
    }
    grid(text, &rows, 3);
    let mut legend = "Each block ran on the input that it receives in the network.".to_owned();
    for (rung, judge) in columns {
        legend += &format!(" {rung}: {}", judge.legend);
    }
    legend += " Dead: the number of hidden channels whose ReLU is 0 everywhere; a mistake there could hide \
               from R1 and R2.";
    if qualified {
        legend +=
            " *: qualified, by a note below or because the end-to-end bound exceeds the output.";
    }
    passage(text, &legend);
}

fn cell(finding: &Finding) -> String {
    let star = if matches!(finding.verdict, Verdict::Qualified { .. }) { "*" } else { "" };
    let text = match &finding.bound {
        _ if finding.refutes() => "REFUTED".to_owned(),
        bound @ Bound::Rounding { .. } => far(bound),
        Bound::Exact { values } => thousands(*values),
        Bound::Probability { at_most } => format!("{at_most:.0e}"),
        _ => finding.verdict.word().to_owned(),
    };
    text + star
}

/// How far apart the final outputs of the forms are.
fn logits(text: &mut String, report: &NetworkReport) {
    let (what, scale) = match report.architecture.classes {
        Some(_) => ("logits", "the sum of their terms' absolute values"),
        None => ("pooled features", "the largest one"),
    };
    let apart = report.logits.relative();
    let apart: Vec<String> =
        apart.map(|(pair, relative)| format!("{} {relative:.1e}", dashed(pair))).collect();
    let words = format!(
        "The {what} differ by at most {} of the largest, {:.4}. The tolerance is {LOGITS:.0e} of {scale}. \
         It is chosen, because a bound derived over so many layers would allow anything.",
        apart.join(", "),
        report.logits.largest,
    );
    passage(text, &words);
}

fn verdict(text: &mut String, report: &NetworkReport) {
    if report.findings().any(Finding::refutes) {
        return refuted_forms(text, report.findings());
    }
    let blocks = match report.blocks.len() {
        1 => "the block".to_owned(),
        count => format!("all {count} blocks"),
    };
    let words = if report.blocks.is_empty() {
        "Interrupted before the first block was done: nothing was verified.".to_owned()
    } else if !report.logits.agree() {
        "NOT equivalent: no block was refuted, but the network's outputs differ too much."
            .to_owned()
    } else if report.partial {
        format!("Interrupted: {blocks} listed below held, and the rest was not verified.")
    } else {
        let unseen = report.blocks.iter().filter(|block| block.is_unseen()).count();
        let but = match unseen {
            0 => String::new(),
            _ => format!(
                " But in {unseen} of them no rung saw everything, as the notes below say, so this is no \
                 evidence for those blocks."
            ),
        };
        format!(
            "The forms are equivalent in {blocks}, and the network's outputs agree. This supports the \
             equivalence for these weights.{but}"
        )
    };
    paragraph(text, &words);
}

/// The name of a class, if the network has the thousand classes of ImageNet.
pub(super) fn class_name(class: usize, classes: usize) -> Option<&'static str> {
    let names = classes::imagenet();
    if names.len() == classes { names.get(class).copied() } else { None }
}

/// The likeliest classes of each image, from the logits, N x classes. `whose` says which form the logits come from.
fn likeliest(text: &mut String, whose: &str, logits: ArrayView2<'_, f32>) {
    let (images, classes) = logits.dim();
    for (number, logits) in logits.rows().into_iter().enumerate().take(IMAGES) {
        if number > 0 {
            line(text, "");
        }
        let image = if images > 1 { format!(", image {number}") } else { String::new() };
        line(text, &format!("Likeliest classes{whose}{image}:"));
        let logits = logits.to_vec();
        let mut rows = vec![row(["", "class", "", "logit", "probability"])];
        for (place, (class, probability)) in classes::top(&logits, SHOWN).into_iter().enumerate() {
            rows.push(vec![
                format!("  {}", place + 1),
                class.to_string(),
                class_name(class, classes).unwrap_or_default().to_owned(),
                format!("{:.4}", logits[class]),
                if probability < 5e-5 {
                    "< 0.01 %".to_owned()
                } else {
                    format!("{:.2} %", 100.0 * probability)
                },
            ]);
        }
        grid(text, &rows, 3);
    }
    if images > IMAGES {
        line(text, &format!("{} more images: see --json or --output.", images - IMAGES));
    }
}
