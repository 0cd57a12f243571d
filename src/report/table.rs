//! The report of `triform verify` for a reader: plain text, 80 columns.

use std::fmt::Write;

use crate::block::BlockSpec;
use crate::evidence::any_form::AnyForm;
use crate::evidence::compare::Witness;
use crate::evidence::verify::{BlockReport, Report, Rung};

/// Writes the report. `subject` says what was verified, `repeat` is the command that does it
/// again.
pub fn render(report: &Report, forms: &[&dyn AnyForm], subject: &str, repeat: &str) -> String {
    let mut text = String::new();
    heading(&mut text, forms, subject);
    if report.blocks.is_empty() {
        text.push_str("Interrupted before the first block was done: nothing was verified.\n");
    } else {
        shapes(&mut text, report);
        rounding(&mut text, report);
        exact(&mut text, report);
        for block in &report.blocks {
            for (rung, witness) in &block.refuted {
                refutation(&mut text, block, *rung, witness);
            }
        }
        conclusion(&mut text, report);
    }
    line(&mut text, &format!("Repeat: {repeat}"));
    text
}

fn heading(text: &mut String, forms: &[&dyn AnyForm], subject: &str) {
    line(text, "One set of weights, one block, in these forms:");
    for form in forms {
        line(text, &format!("  ({}) {}", form.letter(), form.name()));
    }
    paragraph(text, subject);
    line(text, "");
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

fn rounding(text: &mut String, report: &Report) {
    let about = "R1, rounding. The largest difference between two forms in f32, in brackets in units \
                 of the last place of the largest output; the largest output; the bound on the \
                 difference that rounding can explain, derived for each output value, at its \
                 largest; and how much of it any one value of any form uses, against the exact \
                 value (computed in f64).";
    paragraph(text, about);
    let mut head = format!("{:<8}", "block");
    for (pair, _) in &report.blocks[0].differences {
        let _ = write!(head, " {:>12}", dashed(pair));
    }
    line(text, &format!("{head} {:>6} {:>7} {:>8}  {}", "output", "bound", "used", "verdict"));
    for block in &report.blocks {
        let mut row = format!("{:<8}", block.name);
        for (_, difference) in &block.differences {
            let _ = write!(row, " {:>12}", with_ulps(*difference, block.ulp));
        }
        let (output, bound, used) = (block.largest, block.bound, percent(block.used));
        let verdict = verdict(block, Rung::R1);
        line(text, &format!("{row} {output:>6.1} {bound:>7.1e} {used:>8}  {verdict}"));
    }
    if report.blocks.iter().any(|block| block.bound_is_blunt) {
        let blunt = "Blunt: the bound is larger than the outputs themselves, so R1 says nothing of \
                     that block.";
        paragraph(text, blunt);
    }
    line(text, "");
}

fn exact(text: &mut String, report: &Report) {
    let about = "R3, exact integers. The same blocks with integers drawn for them, so small that no \
                 sum rounds, in whatever order: the output values, how many of them differ in any \
                 bit, and the largest partial sum there can be, certified, against the largest \
                 that the float holds exactly.";
    paragraph(text, about);
    let mut head = format!("{:<8} {:>9}", "block", "values");
    for (pair, _) in &report.blocks[0].exact.differing {
        let _ = write!(head, " {:>6}", dashed(pair));
    }
    line(
        text,
        &format!(
            "{head}  {:>11}  {:>11} {:>5}  {}",
            "partial sum", "exact up to", "dead", "verdict"
        ),
    );
    for block in &report.blocks {
        let exact = &block.exact;
        let mut row = format!("{:<8} {:>9}", block.name, thousands(exact.elements as u64));
        for (_, differing) in &exact.differing {
            let _ = write!(row, " {differing:>6}");
        }
        let reached = thousands(exact.reached.unsigned_abs());
        let limit = if exact.float == "f32" { "2^24 in f32" } else { "2^53 in f64" };
        let verdict = verdict(block, Rung::R3);
        let dead = block.dead_channels;
        line(text, &format!("{row}  {reached:>11}  {limit:>11} {dead:>5}  {verdict}"));
    }
    let dead = "Dead: hidden channels, in R1 or R3, through whose ReLU nothing passes, where a form \
                could hide a mistake.";
    paragraph(text, dead);
    line(text, "");
}

fn verdict(block: &BlockReport, rung: Rung) -> &'static str {
    let refuted = block.refuted.iter().any(|(by, _)| *by == rung);
    match rung {
        _ if refuted => "REFUTED",
        Rung::R1 if block.bound_is_blunt => "blunt",
        Rung::R1 => "within",
        Rung::R3 => "equal",
    }
}

fn refutation(text: &mut String, block: &BlockReport, rung: Rung, witness: &Witness) {
    let Witness { form, name, index: [n, c, h, w], found, expected, allowed, wrong, elements } =
        witness;
    line(text, &format!("{rung:?} refutes form ({form}), {name}, in {}:", block.name));
    line(
        text,
        &format!("  at image {n}, channel {c}, row {h}, column {w} it gives {}", *found as f32),
    );
    match rung {
        Rung::R1 => {
            line(text, &format!("  where the right value is {expected:.9}"));
            line(text, &format!("  and rounding can carry it off by {allowed:.2e} at most;"));
        }
        Rung::R3 => line(text, &format!("  where the right value is {expected}, exactly;")),
    }
    line(text, &format!("  wrong in {wrong} of {elements} elements."));
    line(text, "");
}

fn conclusion(text: &mut String, report: &Report) {
    let blocks = match report.blocks.len() {
        1 => "this block".to_owned(),
        count => format!("these {count} blocks"),
    };
    let words = if report.refutes() {
        "NOT the same function: the forms do not agree, and rounding does not explain it."
            .to_owned()
    } else if report.partial {
        format!("Interrupted: {blocks} held, the others were not verified.")
    } else {
        let used = report.blocks.iter().fold(0f64, |largest, block| largest.max(block.used));
        let elements: usize = report.blocks.iter().map(|block| block.exact.elements).sum();
        let weak = report.blocks.iter().filter(|block| block.bound_is_blunt).count();
        let differ = report.blocks.iter().flat_map(|block| &block.differences);
        let rounding = if !differ.clone().any(|(_, difference)| *difference > 0.0) {
            "in f32 they did not differ at all".to_owned()
        } else if weak == report.blocks.len() {
            "in f32 the derived bound is too blunt to say anything".to_owned()
        } else {
            let largest = differ.fold(0f64, |largest, (_, difference)| largest.max(*difference));
            format!(
                "in f32 they differed by at most {largest:.1e}, by rounding alone (no value used \
                 more than {} of what rounding can explain)",
                percent(used)
            )
        };
        format!(
            "The forms agreed on {blocks}: {rounding}; and on integers, where nothing rounds, not one \
             of {} output values differed in a single bit.",
            thousands(elements as u64)
        )
    };
    paragraph(text, &words);
}

/// Appends words, broken at 80 columns.
fn paragraph(text: &mut String, words: &str) {
    let mut row = String::new();
    for word in words.split(' ') {
        if !row.is_empty() && row.len() + 1 + word.len() > 80 {
            line(text, &row);
            row.clear();
        }
        if !row.is_empty() {
            row.push(' ');
        }
        row.push_str(word);
    }
    line(text, &row);
}

fn line(text: &mut String, row: &str) {
    text.push_str(row.trim_end());
    text.push('\n');
}

/// A difference, and how many units of the last place that is.
fn with_ulps(difference: f64, ulp: f64) -> String {
    let ulps = difference / ulp;
    match ulps {
        0.0 => "0".to_owned(),
        _ if ulps < 10.0 => format!("{difference:.1e} ({ulps:.1})"),
        _ if ulps < 1e4 => format!("{difference:.1e} ({ulps:.0})"),
        _ => format!("{difference:.1e} ({ulps:.0e})"),
    }
}

/// A part as a percentage of two digits: 0.00409 as "0.41%".
fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent >= 1e4 {
        return "beyond".to_owned();
    }
    // As many decimals as it takes to see two digits, but no more than seven.
    let decimals =
        if percent > 0.0 { (1.0 - percent.log10().floor()).clamp(0.0, 7.0) } else { 0.0 };
    format!("{percent:.*}%", decimals as usize)
}

/// "ab" as "a-b".
fn dashed(pair: &str) -> String {
    pair.chars().map(String::from).collect::<Vec<_>>().join("-")
}

/// 70144 as "70,144".
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
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

#[cfg(test)]
mod tests {
    use super::{dashed, paragraph, percent, thousands};

    #[test]
    fn numbers_and_lines_are_broken_where_they_should_be() {
        assert_eq!(
            [7, 999, 1000, 70_144, 1_234_567].map(thousands).join(" "),
            "7 999 1,000 70,144 1,234,567"
        );
        assert_eq!(dashed("ab"), "a-b");
        let percentages = [0.0, 0.00409, 0.5, 1.0, 0.000_012].map(percent).join(" ");
        assert_eq!(percentages, "0% 0.41% 50% 100% 0.0012%");
        let mut text = String::new();
        paragraph(&mut text, &"word ".repeat(40));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= 80));
    }
}
