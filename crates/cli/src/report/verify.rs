//! The report of `triform verify` in plain text, 80 columns wide, with the verdict first. It is either short, or full
//! with all tables.

use std::collections::BTreeMap;

use super::words::{
    dashed, grid, line, padded, paragraph, passage, percent, row, several, thousands, with_ulps,
};
use triform::block::{BlockSpec, Shortcut};
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::speed::map_name;
use triform::evidence::verdict::{Bound, Finding, Value, Verdict, Witness};
use triform::evidence::verify::Report;

/// What a report is about.
pub struct About<'a> {
    /// The forms.
    pub forms: &'a [&'a dyn AnyForm],
    /// What they ran on, in words.
    pub input: &'a str,
    /// The command that repeats the run.
    pub repeat: &'a str,
    /// If a form is wrong, the smallest block that shows it, worked out.
    pub example: Option<&'a str>,
}

/// The short report, in at most 30 lines: the verdict, a row for each rung, and the largest difference.
pub fn short(report: &Report, about: &About<'_>) -> String {
    let mut text = String::new();
    verdict(&mut text, report);
    if let Some(example) = about.example {
        line(&mut text, "");
        text.push_str(example);
    }
    if !report.findings.is_empty() {
        line(&mut text, "");
        rungs(&mut text, &report.findings);
        line(&mut text, "");
        qualifications(&mut text, &report.findings);
        if let Some(words) = largest_difference(report) {
            paragraph(&mut text, &words);
        }
        paragraph(&mut text, &ran_on(report, about.input));
        if report.holds() {
            let words = "Proved: equal for all weights and inputs at these shapes. Supported: equal in every \
                         case that ran. Qualified: equal under the condition named above. P: an upper limit on \
                         the probability that a wrong form passes a case. Limit, bound: the share of the \
                         allowed difference that was used.";
            paragraph(&mut text, words);
        }
        line(&mut text, "");
    }
    more(&mut text, about.repeat);
    text
}

/// Where to read more, and the command that repeats the run.
pub(super) fn more(text: &mut String, repeat: &str) {
    line(text, "All tables: add --full. Why: triform explain. Wrong blocks: triform refute.");
    line(text, &format!("Repeat: {repeat}"));
}

/// All tables.
pub fn full(report: &Report, about: &About<'_>) -> String {
    let mut text = String::new();
    verdict(&mut text, report);
    line(&mut text, "");
    heading(&mut text, "These forms ran the same block with the same weights:", about.forms);
    passage(&mut text, about.input);
    if !report.findings.is_empty() {
        if !report.blocks.is_empty() {
            shapes(&mut text, report);
            differences(&mut text, report);
        }
        ladder(&mut text, report);
        refutations(&mut text, report.findings.iter(), |rung, stages| {
            format!("  {rung} also refutes forms on {}.", stages.join(", "))
        });
    }
    line(&mut text, &format!("Repeat: {}", about.repeat));
    text
}

/// Names the forms.
pub(super) fn heading(text: &mut String, words: &str, forms: &[&dyn AnyForm]) {
    line(text, words);
    for form in forms {
        line(text, &format!("  ({}) {}", form.letter(), form.name()));
    }
}

/// The block's shortcut, in words.
pub(super) fn shortcut(spec: &BlockSpec) -> &'static str {
    match spec.shortcut() {
        Shortcut::None => "no shortcut",
        Shortcut::Identity => "identity shortcut",
        Shortcut::Projection => "projection shortcut",
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
        let map = map_name(block.map);
        let mut cells = vec![block.name.clone(), block.spec.to_string(), map, parameters];
        cells.extend(block.times.iter().map(|(_, ms)| format!("{ms:.2}")));
        rows.push(cells);
    }
    grid(text, &rows, 3);
    let legend = "C_in-Cxd-C_out: the block's sizes, with /2 for stride 2. Map: the size of the input map. \
                  Parameters: those of the three convolutions + those of the shortcut's projection. (a), (b), \
                  (c): the shortest of 3 times on one thread, in milliseconds.";
    passage(text, legend);
}

/// How far apart the forms are in `f32`.
fn differences(text: &mut String, report: &Report) {
    let about = "For each pair of forms, the largest difference in f32, and in brackets the same in ulps of \
                 the largest output. Output: the largest output. Explained: the largest difference that \
                 rounding can explain, by the bound of R1. Dead: the number of hidden channels whose ReLU is \
                 0 everywhere; a mistake could hide there.";
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
    qualifications(text, &report.findings);
    line(text, "");
}

/// Says why verdicts are qualified.
fn qualifications(text: &mut String, findings: &[Finding]) {
    let mut qualified: Vec<(String, Vec<String>)> = Vec::new();
    for finding in findings {
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
}

/// The bound of a finding in a few words, such as "12% of 1.5e-5".
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

/// For each rung that refutes forms, shows the first refutation in detail. `others` makes a sentence about the other
/// refutations of that rung.
pub(super) fn refutations<'a>(
    text: &mut String,
    findings: impl Iterator<Item = &'a Finding>,
    others: impl Fn(Rung, &[&str]) -> String,
) {
    let findings: Vec<&Finding> = findings.filter(|finding| finding.refutes()).collect();
    for rung in Rung::ALL {
        let mut refuting = findings.iter().filter(|finding| finding.rung == rung);
        let Some(first) = refuting.next() else { continue };
        let Verdict::Refuted { witnesses } = &first.verdict else { continue };
        witnesses.iter().for_each(|witness| refutation(text, first, witness));
        let stages: Vec<&str> = refuting.map(|finding| finding.stage.as_str()).collect();
        if !stages.is_empty() {
            paragraph(text, &others(rung, &stages));
        }
        line(text, "");
    }
}

/// One form that is refuted, in detail.
fn refutation(text: &mut String, finding: &Finding, witness: &Witness) {
    let Witness { form, name, wrong, elements, .. } = witness;
    let (wrong, elements) = (thousands(*wrong as u64), thousands(*elements as u64));
    let Finding { rung, stage, .. } = finding;
    let words =
        format!("{rung} refutes form ({form}), {name}, on {stage}: {wrong} of {elements} values.");
    paragraph(text, &words);
    first_value(text, finding, witness);
}

/// The verdict in a sentence. If a form is refuted, it says which form is wrong, where it is wrong first, and by how
/// much.
fn verdict(text: &mut String, report: &Report) {
    for failure in &report.failures {
        paragraph(text, &format!("Not verified: {failure}."));
    }
    let rungs = match by_rung(&report.findings).len() {
        1 => "the one rung that ran".to_owned(),
        2 => "both rungs that ran".to_owned(),
        count if count == Rung::ALL.len() => format!("all {count} rungs"),
        count => format!("all {count} rungs that ran"),
    };
    if report.refutes() {
        return refuted_forms(text, &report.findings);
    }
    let words = if report.findings.is_empty() {
        "Interrupted before the first step was done: nothing was verified.".to_owned()
    } else if !report.failures.is_empty() {
        "Not finished: all other checks held.".to_owned()
    } else if report.partial {
        "Interrupted: the checks listed below held, and the others did not run.".to_owned()
    } else {
        let of_rung = by_rung(&report.findings).into_values();
        let is_qualified =
            |finding: &&Finding| matches!(finding.verdict, Verdict::Qualified { .. });
        let qualified = of_rung.filter(|findings| findings.iter().any(is_qualified)).count();
        let but =
            if qualified > 0 { format!(", {qualified} of them qualified") } else { String::new() };
        format!(
            "The forms are equivalent on {rungs}{but}: no check found a difference beyond rounding."
        )
    };
    paragraph(text, &words);
}

/// For each refuted form: its name, how many values are wrong, and the first wrong value.
pub(super) fn refuted_forms<'a>(
    text: &mut String,
    findings: impl IntoIterator<Item = &'a Finding>,
) {
    let mut forms: BTreeMap<char, Vec<(&Finding, &Witness)>> = BTreeMap::new();
    for finding in findings {
        let Verdict::Refuted { witnesses } = &finding.verdict else { continue };
        for witness in witnesses {
            forms.entry(witness.form).or_default().push((finding, witness));
        }
    }
    for (letter, found) in forms {
        // In floats if a rung refuted it there: a residue of a prime field says little.
        let is_number = |(_, witness): &&(&Finding, &Witness)| {
            matches!(witness.expected, Value::Number(_)) && witness.elements > 1
        };
        let Some((finding, witness)) = found.iter().find(is_number).or(found.first()) else {
            continue;
        };
        let Witness { name, wrong, elements, .. } = witness;
        let (wrong, elements) = (thousands(*wrong as u64), thousands(*elements as u64));
        let words = format!(
            "NOT equivalent: form ({letter}), {name}, is wrong in {wrong} of {elements} values."
        );
        paragraph(text, &words);
        first_value(text, finding, witness);
    }
}

/// The first wrong value: its place, what was found, what was expected, and what is allowed.
fn first_value(text: &mut String, finding: &Finding, witness: &Witness) {
    let Witness { place, index: [n, c, h, w], found, expected, allowed, .. } = witness;
    let words = format!(
        "The first wrong value is in the {place}, image {n}, channel {c}, row {h}, column {w} ({} on {}):",
        finding.rung, finding.stage
    );
    paragraph(text, &words);
    line(text, &format!("  found     {}", shown(found)));
    line(text, &format!("  expected  {}", shown(expected)));
    let allowed = match allowed {
        0.0 => "no difference: nothing rounds here".to_owned(),
        allowed => format!("a difference of {allowed:.2e}, from rounding"),
    };
    line(text, &format!("  allowed   {allowed}"));
}

/// A value of any ring.
fn shown(value: &Value) -> String {
    match value {
        Value::Number(value) => format!("{value:.9}"),
        Value::Text(text) | Value::Misplaced(text) => text.clone(),
    }
}

/// The findings of each rung that ran, in order.
fn by_rung<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
) -> BTreeMap<Rung, Vec<&'a Finding>> {
    let mut by_rung: BTreeMap<Rung, Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_rung.entry(finding.rung).or_default().push(finding);
    }
    by_rung
}

/// A row for each rung: what it asks, how far it got, and its verdict.
pub(super) fn rungs<'a>(text: &mut String, findings: impl IntoIterator<Item = &'a Finding>) {
    let mut rows = vec![row(["rung", "what it asks", "how far it got", "verdict"])];
    for (rung, findings) in by_rung(findings) {
        let worst =
            findings.iter().map(|finding| &finding.verdict).max_by_key(|verdict| match verdict {
                Verdict::Proved { .. } => 0,
                Verdict::Supported { .. } => 1,
                Verdict::Qualified { .. } => 2,
                Verdict::Refuted { .. } => 3,
            });
        let verdict = worst.map_or("", |verdict| match verdict {
            Verdict::Refuted { .. } => "REFUTED",
            verdict => verdict.word(),
        });
        let name = format!("{rung} {}", rung.name);
        rows.push(row([&name, rung.asks, &reach(&findings), verdict]));
    }
    grid(text, &rows, 4);
}

/// The bounds of all findings of one rung, combined in a few words.
fn reach(findings: &[&Finding]) -> String {
    let bounds = findings.iter().map(|finding| finding.bound);
    match bounds.reduce(Bound::and) {
        Some(Bound::Proof { .. } | Bound::Exhausted { .. }) => several(findings.len(), "shape"),
        Some(Bound::Tolerance { used, .. }) => part_of(used, "limit"),
        Some(Bound::Rounding { used, used_at_cuts, .. }) => {
            part_of(used.max(used_at_cuts), "bound")
        }
        Some(bound) => far(&bound),
        None => String::new(),
    }
}

/// "45% of bound", "beyond bound".
fn part_of(part: f64, whole: &str) -> String {
    if part > 1.0 { format!("beyond {whole}") } else { format!("{} of {whole}", percent(part)) }
}

/// The largest difference between the forms in `f32`, and what rounding allows there.
fn largest_difference(report: &Report) -> Option<String> {
    let apart = |block: &triform::evidence::verify::BlockReport| {
        block.differences.iter().fold(0f64, |largest, (_, apart)| largest.max(*apart))
    };
    let block = report.blocks.iter().max_by(|l, r| apart(l).total_cmp(&apart(r)))?;
    let used = report.blocks.iter().filter_map(|block| Some(block.rounding?.used_at_cuts));
    let used = used.fold(0.0, f64::max);
    let allowed = block.rounding.map_or(String::new(), |found| {
        let bound = found.bound;
        let bound = if bound < 0.1 { format!("{bound:.1e}") } else { format!("{bound:.1}") };
        let by_layer = match used {
            0.0..=1.0 => {
                format!("; layer by layer, at most {} of the bound was used", percent(used))
            }
            _ => String::new(),
        };
        format!(". Rounding allows {bound} there{by_layer}")
    });
    Some(match apart(block) {
        0.0 => "Largest difference in f32: none.".to_owned(),
        apart => format!(
            "Largest difference in f32: {apart:.1e}, in {}, where values go up to {:.1}{allowed}.",
            block.name, block.largest
        ),
    })
}

/// What the rungs ran on.
fn ran_on(report: &Report, input: &str) -> String {
    let random = report.findings.iter().filter(|finding| finding.stage == "random");
    let cases = random.map(|finding| finding.cases.get()).max();
    let random = cases
        .map_or(String::new(), |cases| format!(" Random blocks per rung: {}.", thousands(cases)));
    format!("{input}{random}")
}

/// The description of a run on a photograph.
pub fn about_photograph(source: &str) -> String {
    format!(
        "Input: {source}, through the first two blocks of each ResNeXt-50 stage, at real size, with random weights."
    )
}

/// The description of a run on one block.
pub fn about_block(spec: &BlockSpec, (h, w): (usize, usize)) -> String {
    format!(
        "Input: a random {h}x{w} map into the block {spec}: {} in, {} of width {}, {} out, {}.",
        several(spec.c_in(), "channel"),
        several(spec.cardinality(), "path"),
        spec.width(),
        spec.c_out(),
        shortcut(spec),
    )
}
