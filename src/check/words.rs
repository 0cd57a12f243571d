//! Writes the verdict in words: first the answer, then the reasons.

use std::collections::BTreeMap;

use super::block::{EVERYWHERE, OWN_EPSILON};
use super::case::Kind;
use super::judge::{CaseReport, First, Report, Verdict};
use crate::gallery;

/// Describes a mistake in a few words.
pub fn describe(name: &str, op: &str) -> &'static str {
    match op {
        "conv" => gallery::convolutions::named(name).map_or("", |mistake| mistake.changed),
        _ if name == OWN_EPSILON => "every batch norm has an epsilon of 1e-5",
        _ => match EVERYWHERE.iter().find(|(_, everywhere, _)| *everywhere == name) {
            Some((.., changed)) => changed,
            None => gallery::named(name).map_or("", |mistake| mistake.changed),
        },
    }
}

/// Takes the name of a mistake that is made in every layer. Returns the name of the same mistake made in one layer, or
/// `None` for any other name.
pub fn in_one_layer(name: &str) -> Option<&'static str> {
    if name == OWN_EPSILON {
        return Some("epsilon-left-out");
    }
    EVERYWHERE.iter().find(|(_, everywhere, _)| *everywhere == name).map(|(one, ..)| *one)
}

impl Report {
    /// The report on the code called `name`. Long lines are not wrapped.
    pub fn words(&self, name: &str) -> String {
        let mut lines = vec![self.headline(name)];
        lines.extend(self.named_mistakes());
        if self.verdict() == "differ" {
            lines.extend(self.rounding());
        }
        let pattern = self.pattern.join(" and ");
        lines.extend(match &self.pattern_also[..] {
            _ if pattern.is_empty() => None,
            [] => Some(format!(
                "Every failing case has this property, and no passing case has it: {pattern}."
            )),
            also => Some(format!(
                "Every failing case has these properties, and no passing case has any of them: {pattern}; {}.",
                also.join("; ")
            )),
        });
        if let Some(case) = self.smallest() {
            lines.push(String::new());
            lines.push(format!("The smallest failing case is {}: {}.", case.name, case.about));
            lines.extend(
                case.words(&self.mistakes_of[case.op]).into_iter().map(|line| format!("  {line}")),
            );
        } else if let Some(case) = self.cases.iter().find(|case| case.verdict == Verdict::Rounds) {
            lines.push(String::new());
            lines.push(format!("The first case that rounds is {}: {}.", case.name, case.about));
            lines.extend(
                case.words(&self.mistakes_of[case.op]).into_iter().map(|line| format!("  {line}")),
            );
        } else if let Some(case) = self.cases.iter().find(|case| case.verdict == Verdict::Missing) {
            let why = case.problem.as_deref().unwrap_or_default();
            lines.push(format!("The first missing case is {}: {why}.", case.name));
            lines.extend(self.kinds_left_out());
        }
        lines.push(String::new());
        lines.extend(self.table());
        lines.push(String::new());
        lines.push(
            "Outputs alone cannot check R2, R4, R5, R6 and R10 (order of sums, identities, proofs)."
                .to_owned(),
        );
        lines.join("\n") + "\n"
    }

    fn headline(&self, name: &str) -> String {
        let all = self.cases.len();
        let values: usize = self.cases.iter().map(|case| case.total).sum();
        let [differ, misshapen, missing, rounds] =
            [Verdict::Differ, Verdict::Misshapen, Verdict::Missing, Verdict::Rounds]
                .map(|verdict| self.count(verdict));
        let mut others = Vec::new();
        if rounds > 0 && self.verdict() != "rounds" {
            others.push(format!("{rounds} {}", if rounds == 1 { "rounds" } else { "round" }));
        }
        if missing > 0 && self.verdict() != "incomplete" {
            others.push(format!("{missing} {}", is_missing(missing)));
        }
        let others = match others.is_empty() {
            true => String::new(),
            false => format!("; {}", others.join(", ")),
        };
        let do_differ = if differ == 1 { "differs" } else { "differ" };
        match self.verdict() {
            "agree" => format!("{name} agrees: all {all} cases, {values} values."),
            "rounds" => {
                let are = if rounds == 1 { "is" } else { "are" };
                format!("{name} rounds: {rounds} of {all} cases {are} off, but only by rounding.")
            }
            "incomplete" => {
                format!(
                    "{name} is incomplete: {missing} of {all} cases {}{others}.",
                    is_missing(missing)
                )
            }
            _ if differ == 0 => {
                let have = if misshapen == 1 { "has" } else { "have" };
                format!(
                    "{name} is wrong: {misshapen} of {all} cases {have} a wrong shape or dtype{others}."
                )
            }
            _ if misshapen == 0 => {
                format!("{name} is wrong: {differ} of {all} cases {do_differ}{others}.")
            }
            _ => format!(
                "{name} is wrong: {differ} of {all} cases {do_differ}, {misshapen} with a wrong shape or dtype{others}."
            ),
        }
    }

    /// Says what explains most of the cases that round.
    fn rounding(&self) -> Option<String> {
        let rounds = self.cases.iter().filter(|case| case.verdict == Verdict::Rounds);
        let mut counts = BTreeMap::new();
        for class in rounds.clone().filter_map(|case| case.class.as_deref()) {
            *counts.entry(class).or_insert(0) += 1;
        }
        let (class, count) = counts.into_iter().max_by_key(|(_, count)| *count)?;
        let of = match rounds.count() {
            all if all == count => "In the cases that round".to_owned(),
            all => format!("In {count} of the {all} cases that round"),
        };
        Some(format!("{of}, the values are {class}."))
    }

    /// Lines about the mistakes that explain every case.
    fn named_mistakes(&self) -> Vec<String> {
        let fails =
            |op: &&str| self.cases.iter().any(|case| case.op == *op && case.verdict.fails());
        let failing: Vec<&str> = ["conv", "block"].into_iter().filter(fails).collect();
        if failing.iter().all(|op| self.mistakes_of[op].is_empty()) {
            return Vec::new();
        }
        let mut lines = Vec::new();
        for &op in &failing {
            let whose = match (failing.len(), op) {
                (1, _) => "It",
                (_, "conv") => "The convolution",
                _ => "The block",
            };
            let one = |name: &&'static str| format!("`{name}` ({})", describe(name, op));
            lines.push(match &self.mistakes_of[op][..] {
                [] => format!("{whose} is wrong too, and no known mistake explains it."),
                [name] => format!("{whose} behaves like the known mistake {}.", one(name)),
                several => {
                    let all: Vec<String> = several.iter().map(one).collect();
                    let all = all.join(", ");
                    format!("{whose} behaves like these known mistakes, which no case here tells apart: {all}.")
                }
            });
            lines.extend(self.unexplained(op));
        }
        lines
    }

    /// Says how to leave out the kinds of cases that have no outputs, if other kinds have outputs.
    fn kinds_left_out(&self) -> Option<String> {
        let of = |kind: Kind| self.cases.iter().filter(move |case| case.kind == kind);
        let is_there = |kind: &Kind| of(*kind).any(|case| case.verdict != Verdict::Missing);
        let all = Kind::ALL.into_iter().filter(|kind| of(*kind).next().is_some());
        let (there, left): (Vec<Kind>, Vec<Kind>) = all.partition(is_there);
        let names =
            |kinds: &[Kind]| kinds.iter().map(|kind| kind.name()).collect::<Vec<_>>().join(",");
        (!there.is_empty() && !left.is_empty()).then(|| {
            let (there, left) = (names(&there), names(&left));
            format!(
                "No outputs came back for the kinds {left}. If your code does not compute these kinds, write cases \
                 without them, with --kind {there}."
            )
        })
    }

    /// Says which kinds of failing cases the named mistakes do not explain.
    fn unexplained(&self, op: &str) -> Option<String> {
        let names = &self.mistakes_of[op];
        let is_left = |case: &&CaseReport| {
            let explained = case.mistakes.iter().any(|name| names.contains(name));
            !names.is_empty() && case.op == op && case.verdict.fails() && !explained
        };
        let mut kinds: Vec<Kind> =
            self.cases.iter().filter(is_left).map(|case| case.kind).collect();
        kinds.sort();
        kinds.dedup();
        let kinds: Vec<&str> = kinds.into_iter().map(Kind::name).collect();
        (!kinds.is_empty()).then(|| {
            let kinds = kinds.join(", ");
            format!("Cases of these kinds fail too: {kinds}. Fix this first, then check again.")
        })
    }

    /// A line for each operation and kind.
    fn table(&self) -> Vec<String> {
        let columns = ["agree", "round", "differ", "shape", "missing"];
        let head: String = columns.iter().map(|name| format!("{name:>9}")).collect();
        let mut lines = vec![format!("{:<18}{head}", "cases")];
        for op in ["conv", "block"] {
            for kind in Kind::ALL {
                let of = |case: &&CaseReport| (case.op, case.kind) == (op, kind);
                let cases: Vec<&CaseReport> = self.cases.iter().filter(of).collect();
                if cases.is_empty() {
                    continue;
                }
                let counts = [
                    Verdict::Agree,
                    Verdict::Rounds,
                    Verdict::Differ,
                    Verdict::Misshapen,
                    Verdict::Missing,
                ]
                .map(|verdict| cases.iter().filter(|case| case.verdict == verdict).count());
                let row: String = counts
                    .iter()
                    .map(|count| match count {
                        0 => format!("{:>9}", "-"),
                        count => format!("{count:>9}"),
                    })
                    .collect();
                lines.push(format!("{:<18}{row}", format!("{op} {}", kind.name())));
            }
        }
        lines
    }
}

fn is_missing(count: usize) -> &'static str {
    if count == 1 { "is missing" } else { "are missing" }
}

impl CaseReport {
    /// Says what is wrong with the case, in one line for each point. `explain_all` lists the mistakes that explain all
    /// cases.
    pub fn words(&self, explain_all: &[&str]) -> Vec<String> {
        let mut lines: Vec<String> =
            self.problem.iter().map(|problem| format!("{problem}.")).collect();
        if self.differing == 0 {
            return lines;
        }
        let are = if self.differing == 1 { "is" } else { "are" };
        lines.push(format!("{} of {} values {are} wrong.", self.differing, self.total));
        if let Some(First { array, index, found, expected, allowed }) = &self.first {
            let off = match *allowed == 0.0 {
                true => "exactly".to_owned(),
                false => format!("within {allowed:.2e}"),
            };
            lines
                .push(format!("First: {array}{index:?} is {found}; it must be {expected}, {off}."));
        }
        lines.extend(self.whereabouts.iter().take(3).map(|line| format!("Where: {line}.")));
        if let Some(more) = self.whereabouts.len().checked_sub(3).filter(|more| *more > 0) {
            lines.push(format!("Values are wrong in {more} more arrays."));
        }
        if let Some(class) = &self.class {
            lines.push(format!("The values are {class}."));
        }
        for name in &self.mistakes {
            let also = match explain_all.contains(name) {
                true => "",
                false => " here, but does not explain every case",
            };
            lines.push(format!(
                "`{name}` gives exactly these values{also}: {}.",
                describe(name, self.op)
            ));
        }
        let is_searched = self.class.is_none() && self.problem.is_none();
        if self.mistakes.is_empty() && is_searched && self.verdict == Verdict::Differ {
            lines.push("No known mistake gives these values.".to_owned());
        }
        lines
    }
}
