//! The report of `triform verify` for a reader: plain text, 80 columns.

use std::fmt::Write;

use super::words::{dashed, line, paragraph, percent, thousands, with_ulps};
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
    paragraph(&mut text, subject);
    line(&mut text, "");
    if report.findings.is_empty() {
        text.push_str("Interrupted before the first step was done: nothing was verified.\n");
    } else {
        if !report.blocks.is_empty() {
            shapes(&mut text, report);
            differences(&mut text, report);
        }
        ladder(&mut text, report);
        refutations(&mut text, report);
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

/// What the blocks are, and how long each form took.
fn shapes(text: &mut String, report: &Report) {
    let letters: Vec<char> = report.blocks[0].times.iter().map(|(letter, _)| *letter).collect();
    let mut head =
        format!("{:<8} {:<15} {:<8} {:>19}", "block", "C_in-Cxd-C_out", "map", "parameters");
    for letter in letters {
        let _ = write!(head, " {:>6}", format!("({letter})"));
    }
    line(text, &head);
    for block in &report.blocks {
        let map = match block.spec.stride() {
            1 => format!("{}x{}", block.map.0, block.map.1),
            stride => format!("{}x{}/{stride}", block.map.0, block.map.1),
        };
        let parameters = match block.parameters.shortcut {
            0 => thousands(block.parameters.convolutions),
            shortcut => {
                format!("{}+{}", thousands(block.parameters.convolutions), thousands(shortcut))
            }
        };
        let shape = block.spec.to_string();
        let mut row = format!("{:<8} {shape:<15} {map:<8} {parameters:>19}", block.name);
        for (_, ms) in &block.times {
            let _ = write!(row, " {ms:>6.2}");
        }
        line(text, &row);
    }
    let legend = "Map: of the input, and /2 where the block has stride 2. Parameters: three \
                  convolutions + the shortcut's projection. (a), (b), (c): milliseconds, one thread, \
                  the shortest of 3.";
    paragraph(text, legend);
    line(text, "");
}

/// How far apart the forms are in `f32`.
fn differences(text: &mut String, report: &Report) {
    let about = "In f32: the largest difference between two forms, in brackets in units of the last \
                 place of the largest output; the largest output; the largest difference that \
                 rounding can explain, derived (R1); and, of the dead channels, how many there \
                 are: hidden ones through whose ReLU nothing passes, where a mistake could hide.";
    paragraph(text, about);
    let mut head = format!("{:<8}", "block");
    for (pair, _) in &report.blocks[0].differences {
        let _ = write!(head, " {:>13}", dashed(pair));
    }
    line(text, &format!("{head} {:>8} {:>10} {:>6}", "output", "explained", "dead"));
    for block in &report.blocks {
        let mut row = format!("{:<8}", block.name);
        for (_, difference) in &block.differences {
            let _ = write!(row, " {:>13}", with_ulps(*difference, block.ulp));
        }
        let (output, dead) = (block.largest, block.dead_channels);
        let explained = block.rounding.map_or("-".to_owned(), |r| format!("{:.1e}", r.bound));
        line(text, &format!("{row} {output:>8.1} {explained:>10} {dead:>6}"));
    }
    line(text, "");
}

/// A line for each rung and stage.
fn ladder(text: &mut String, report: &Report) {
    paragraph(text, "The ladder of evidence, rung by rung:");
    line(text, &row("stage", "what it ran on", "cases", "how far", "verdict"));
    let mut rung = None;
    for finding in &report.findings {
        if rung != Some(finding.rung) {
            if rung.is_some() {
                line(text, "");
            }
            rung = Some(finding.rung);
            let (number, name) = (finding.rung, finding.rung.name);
            paragraph(text, &format!("{number}, {name}. {}", finding.rung.says));
        }
        let cases = thousands(finding.cases.get());
        let verdict = match &finding.verdict {
            Verdict::Refuted { .. } => "REFUTED",
            verdict => verdict.word(),
        };
        let how_far = in_words(&finding.bound);
        line(text, &row(&finding.stage, &finding.scope, &cases, &how_far, verdict));
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

fn row(stage: &str, scope: &str, cases: &str, how_far: &str, verdict: &str) -> String {
    format!("{stage:<6} {scope:<37} {cases:>7} {how_far:>16} {verdict:>9}")
}

/// How far a finding reaches, such as "12% of 1.5e-5".
pub fn in_words(bound: &Bound) -> String {
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

/// For each rung that refutes forms: where first, in detail, and where else.
fn refutations(text: &mut String, report: &Report) {
    for rung in Rung::ALL {
        let of_rung = report.findings.iter().filter(|finding| finding.rung == rung);
        let mut refuting = of_rung.filter_map(|finding| match &finding.verdict {
            Verdict::Refuted { witnesses } => Some((finding, witnesses)),
            _ => None,
        });
        let Some((first, witnesses)) = refuting.next() else { continue };
        for witness in witnesses {
            refutation(text, first, witness);
        }
        let others: Vec<&str> = refuting.map(|(finding, _)| finding.stage.as_str()).collect();
        if !others.is_empty() {
            paragraph(text, &format!("  {rung} refutes on {} too.", others.join(", ")));
        }
        line(text, "");
    }
}

/// One form that is refuted, in detail.
pub(super) fn refutation(text: &mut String, finding: &Finding, witness: &Witness) {
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
        match spec.cardinality() {
            1 => "1 path".to_owned(),
            paths => format!("{paths} paths"),
        },
        spec.width()
    )
}
