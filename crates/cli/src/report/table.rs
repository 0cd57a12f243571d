//! The report of `triform verify` for a reader: plain text, 80 columns.

use super::words::{
    dashed, grid, line, padded, paragraph, passage, percent, row, several, thousands, with_ulps,
};
use triform::block::BlockSpec;
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verdict::{Value, Witness};
use triform::evidence::verify::Report;

/// Writes the report. `subject` says what was verified, `repeat` is the command that does it
/// again.
pub fn render(report: &Report, forms: &[&dyn AnyForm], subject: &str, repeat: &str) -> String {
    let mut text = String::new();
    heading(&mut text, "One set of weights, one block, in these forms:", forms);
    passage(&mut text, subject);
    if report.findings.is_empty() {
        text.push_str("Interrupted before the first step was done: nothing was verified.\n");
    } else {
        if !report.blocks.is_empty() {
            shapes(&mut text, report);
            differences(&mut text, report);
        }
        ladder(&mut text, report);
        let others =
            |rung: Rung, stages: &[&str]| format!("  {rung} refutes on {} too.", stages.join(", "));
        refutations(&mut text, report.findings.iter(), others);
        conclusion(&mut text, report);
    }
    line(&mut text, &format!("Repeat: {repeat}"));
    text
}

/// Names the forms.
pub(super) fn heading(text: &mut String, words: &str, forms: &[&dyn AnyForm]) {
    line(text, words);
    for form in forms {
        line(text, &format!("  ({}) {}", form.letter(), form.name()));
    }
}

/// The map of a block's input, as 56x56; as 56x56/2 where the block has stride 2.
pub(super) fn mapped(spec: &BlockSpec, (h, w): (usize, usize)) -> String {
    match spec.stride() {
        1 => format!("{h}x{w}"),
        stride => format!("{h}x{w}/{stride}"),
    }
}

/// What the blocks are, and how long each form took.
fn shapes(text: &mut String, report: &Report) {
    let mut rows = vec![row(["block", "C_in-Cxd-C_out", "map", "parameters"])];
    rows[0].extend(report.blocks[0].times.iter().map(|(letter, _)| format!("({letter})")));
    for block in &report.blocks {
        let parameters = thousands(block.parameters.convolutions);
        let parameters = match block.parameters.shortcut {
            0 => parameters,
            shortcut => format!("{parameters}+{}", thousands(shortcut)),
        };
        let map = mapped(&block.spec, block.map);
        let mut cells = vec![block.name.clone(), block.spec.to_string(), map, parameters];
        cells.extend(block.times.iter().map(|(_, ms)| format!("{ms:.2}")));
        rows.push(cells);
    }
    grid(text, &rows, 3);
    let legend = "Map: of the input, and /2 where the block has stride 2. Parameters: three \
                  convolutions + the shortcut's projection. (a), (b), (c): milliseconds, one thread, \
                  the shortest of 3.";
    passage(text, legend);
}

/// How far apart the forms are in `f32`.
fn differences(text: &mut String, report: &Report) {
    let about = "In f32: the largest difference between two forms, in brackets in units of the last \
                 place of the largest output; the largest output; the largest difference that \
                 rounding can explain, derived (R1); and, of the dead channels, how many there \
                 are: hidden ones through whose ReLU nothing passes, where a mistake could hide.";
    paragraph(text, about);
    let pairs = report.blocks[0].differences.iter().map(|(pair, _)| dashed(pair));
    let mut rows = vec![row(["block"])];
    rows[0].extend(pairs.chain(["output", "explained", "dead"].map(str::to_owned)));
    for block in &report.blocks {
        let explained = block.rounding.map_or("-".to_owned(), |r| format!("{:.1e}", r.bound));
        let mut cells = vec![block.name.clone()];
        cells.extend(block.differences.iter().map(|(_, apart)| with_ulps(*apart, block.ulp)));
        let output = format!("{:.1}", block.largest);
        cells.extend([output, explained, block.dead_channels.to_string()]);
        rows.push(cells);
    }
    grid(text, &rows, 1);
    line(text, "");
}

/// A line for each rung and stage.
fn ladder(text: &mut String, report: &Report) {
    paragraph(text, "The ladder of evidence, rung by rung:");
    let mut rows = vec![row(["stage", "what it ran on", "cases", "how far", "verdict"])];
    rows.extend(report.findings.iter().map(|finding| {
        let verdict = match &finding.verdict {
            Verdict::Refuted { .. } => "REFUTED",
            verdict => verdict.word(),
        };
        let cases = thousands(finding.cases.get());
        row([&finding.stage, &finding.scope, &cases, &far(&finding.bound), verdict])
    }));
    let mut rows = padded(&rows, 2).into_iter().map(|cells| cells.join(" "));
    line(text, &rows.next().unwrap_or_default());
    let mut rung = None;
    for (finding, cells) in report.findings.iter().zip(rows) {
        if rung != Some(finding.rung) {
            if rung.is_some() {
                line(text, "");
            }
            rung = Some(finding.rung);
            let (number, name) = (finding.rung, finding.rung.name);
            paragraph(text, &format!("{number}, {name}. {}", finding.rung.says));
        }
        line(text, &cells);
    }
    let mut qualified: Vec<(String, Vec<String>)> = Vec::new();
    for finding in &report.findings {
        let Verdict::Qualified { holds, but } = &finding.verdict else { continue };
        let (words, rung) = (format!("{holds}; {but}"), finding.rung.to_string());
        match qualified.iter_mut().find(|(known, _)| *known == words) {
            Some((_, rungs)) if rungs.contains(&rung) => {}
            Some((_, rungs)) => rungs.push(rung),
            None => qualified.push((words, vec![rung])),
        }
    }
    for (words, rungs) in qualified {
        paragraph(text, &format!("Qualified, {}: {words}.", rungs.join(" and ")));
    }
    line(text, "");
}

/// How far a finding reaches, such as "12% of 1.5e-5".
pub fn far(bound: &Bound) -> String {
    match bound {
        Bound::Tolerance { used, relative } => format!("{} of {relative:.1e}", percent(*used)),
        Bound::Rounding { used, used_at_cuts, .. } => {
            format!("{} / {}", percent(*used), percent(*used_at_cuts))
        }
        Bound::Exact { values } if *values < 10_000_000 => format!("{} values", thousands(*values)),
        Bound::Exact { values } => format!("{:.1} M values", *values as f64 / 1e6),
        Bound::Probability { at_most } => format!("P <= {at_most:.1e}"),
        Bound::Proof { monomials } => format!("{} terms", thousands(*monomials)),
        Bound::Exhausted { assignments } => format!("{} tried", thousands(*assignments)),
    }
}

/// For each rung that refutes forms: where first, in detail, and what `others` says of where else.
pub(super) fn refutations<'a>(
    text: &mut String,
    findings: impl Iterator<Item = &'a Finding>,
    others: impl Fn(Rung, &[&str]) -> String,
) {
    let findings: Vec<&Finding> = findings.filter(|finding| finding.refutes()).collect();
    for rung in Rung::ALL {
        let mut refuting = findings.iter().filter(|finding| finding.rung == rung);
        let Some(first) = refuting.next() else { continue };
        refuted(text, first);
        let stages: Vec<&str> = refuting.map(|finding| finding.stage.as_str()).collect();
        if !stages.is_empty() {
            paragraph(text, &others(rung, &stages));
        }
        line(text, "");
    }
}

/// The forms that a finding refutes, in detail.
pub(super) fn refuted(text: &mut String, finding: &Finding) {
    let Verdict::Refuted { witnesses } = &finding.verdict else { return };
    witnesses.iter().for_each(|witness| refutation(text, finding, witness));
}

/// One form that is refuted, in detail.
fn refutation(text: &mut String, finding: &Finding, witness: &Witness) {
    let Witness { form, name, place, index, found, expected, allowed, wrong, elements } = witness;
    let [n, c, h, w] = index;
    let Finding { rung, stage, .. } = finding;
    line(text, &format!("{rung} refutes form ({form}), {name}, in {stage}:"));
    let shown = |value: &Value| match value {
        Value::Number(value) => format!("{value:.9}"),
        Value::Text(text) | Value::Misplaced(text) => text.clone(),
    };
    let sentence = format!(
        "  at image {n}, channel {c}, row {h}, column {w} ({place}) it gives {}",
        shown(found)
    );
    paragraph(text, &sentence);
    paragraph(text, &format!("  where the right value is {}", shown(expected)));
    if *allowed > 0.0 {
        line(text, &format!("  and at most {allowed:.2e} off is allowed;"));
    }
    line(text, &format!("  wrong in {wrong} of {elements} elements."));
}

fn conclusion(text: &mut String, report: &Report) {
    for failure in &report.failures {
        paragraph(text, &format!("Not verified: {failure}."));
    }
    let words = if report.refutes() {
        "NOT the same function: the forms do not agree, and rounding does not explain it."
            .to_owned()
    } else if !report.failures.is_empty() {
        "Not finished: the rest held.".to_owned()
    } else if report.partial {
        "Interrupted: what is above held, the rest was not verified.".to_owned()
    } else {
        let mut parts = Vec::new();
        if let Some(rounding) = rounding(report) {
            parts.push(rounding);
        }
        let exact = report.findings.iter().filter_map(|finding| match finding.bound {
            Bound::Exact { values } if finding.rung.never_rounds => Some(values),
            _ => None,
        });
        let values: u64 = exact.sum();
        if values > 0 {
            parts.push(format!(
                "on integers, where nothing rounds, not one of {} values differed in a single bit",
                thousands(values)
            ));
        }
        let proved = report.findings.iter().filter(|f| matches!(f.verdict, Verdict::Proved { .. }));
        let proved = proved.count();
        if proved > 0 {
            parts.push(format!("at {proved} small shapes they are proved to be equal"));
        }
        let rungs: std::collections::BTreeSet<Rung> =
            report.findings.iter().map(|finding| finding.rung).collect();
        let rungs = match rungs.len() {
            1 => "the one rung climbed".to_owned(),
            2 => "both rungs".to_owned(),
            count => format!("all {count} rungs"),
        };
        let details =
            if parts.is_empty() { String::new() } else { format!(": {}", parts.join("; ")) };
        format!("The forms agreed on {rungs}{details}.")
    };
    paragraph(text, &words);
}

/// What happened in `f32`.
fn rounding(report: &Report) -> Option<String> {
    let differ = report.blocks.iter().flat_map(|block| &block.differences);
    let largest = differ.fold(0f64, |largest, (_, difference)| largest.max(*difference));
    if report.blocks.is_empty() {
        None
    } else if largest == 0.0 {
        Some("in f32 they did not differ at all".to_owned())
    } else {
        let used = report.blocks.iter().filter_map(|block| block.rounding);
        let used = used.map(|rounding| rounding.used_at_cuts).reduce(f64::max);
        let explained = used.map_or_else(String::new, |used| {
            let used = percent(used);
            format!(
                ", by rounding alone (no layer used more than {used} of what rounding can explain)"
            )
        });
        Some(format!("in f32 they differed by at most {largest:.1e}{explained}"))
    }
}

/// What a run on a photograph is about.
pub fn about_photograph(source: &str) -> String {
    format!(
        "Input: {source}; through the stem of ResNeXt-50, then the first two blocks of each stage, \
         each on what form (c) of the block before gave."
    )
}

/// What a run on one block is about.
pub fn about_block(spec: &BlockSpec, (h, w): (usize, usize)) -> String {
    format!(
        "Block: {} channels in and out, {} of width {}, identity shortcut, on a seeded random map \
         of {h} x {w}.",
        spec.c_in(),
        several(spec.cardinality(), "path"),
        spec.width()
    )
}
