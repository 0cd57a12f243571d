//! The reports of `triform cases`, `check`, `grade` and `adequacy`.

use std::collections::BTreeMap;
use std::path::Path;

use ndarray::ArrayD;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::json::{WhyNull, object, pretty};
use super::matrix::{kernel, labelled, planes};
use super::page::Page;
use super::words::{several, thousands};
use crate::error::{Error, Result};
use crate::onnx::can_say;
use triform::check::adequacy::{Row, Rule, Seen, smallest};
use triform::check::{Case, CaseReport, First, Kind, NOT_CHECKABLE, Report, Verdict, describe};
use triform::conv::Arrays;
use triform::gallery::convolutions::ConvMistake;

/// Says what was written, and what to do with it. `onnx` is the folder of the ONNX suite.
pub fn written(folder: &Path, cases: &[Case], onnx: Option<&Path>) -> String {
    let numbers: usize = cases.iter().flat_map(Case::inputs).map(|(_, array)| array.len()).sum();
    let mut counts: BTreeMap<(&str, Kind), usize> = BTreeMap::new();
    for case in cases {
        *counts.entry((case.op(), case.kind)).or_default() += 1;
    }
    let (folder, all) = (folder.display(), several(cases.len(), "case"));
    let mut page = Page::new(false);
    page.paragraph(&format!("Wrote {all} to {folder}, {:.1} MB.", 4.0 * numbers as f64 / 1e6));
    page.gap();
    let mut rows = vec![["operation", "kind", "cases"].map(str::to_owned).to_vec()];
    rows.extend(
        counts.into_iter().map(|((op, kind), count)| {
            vec![op.to_owned(), kind.name().to_owned(), count.to_string()]
        }),
    );
    page.table(&rows);
    page.next_paragraph(&format!(
        "The commitment, a digest of all cases, begins with {}.",
        &crate::folder::commitment(cases)[..16]
    ));
    page.next_paragraph(&format!(
        "cases.json lists each case, its attributes and its arrays. For each case, write the outputs to \
         OUTPUTS/NAME.npz, where NAME is the name of the case. Then run: triform check {folder} OUTPUTS"
    ));
    if let Some(onnx) = onnx {
        let said = cases.iter().filter(|case| can_say(case)).count();
        let others = cases.len() - said;
        let (said, onnx) = (several(said, "case"), onnx.display());
        let skipped = match others {
            0 => String::new(),
            1 => " 1 has no ONNX form, because it needs training mode or gradients.".to_owned(),
            others => {
                format!(
                    " {others} have no ONNX form, because they need training mode or gradients."
                )
            }
        };
        page.next_paragraph(&format!(
            "Wrote {said} to {onnx} as an ONNX backend test suite.{skipped} A runner of such suites has one \
             tolerance for all values of a case. If a runner does not read it from data.json, it may accept a \
             relative error of 1e-3, as ONNX's own does by default. So outputs that pass there may still be \
             wrong. Let triform check judge them."
        ));
    }
    page.into_text()
}

/// The verdict in words.
pub fn words(report: &Report, name: &str) -> String {
    let mut page = Page::new(false);
    for line in report.words(name).lines() {
        match line {
            "" => page.gap(),
            // A row of the table keeps its columns.
            row if row.contains("   ") => page.row(row),
            line => match line.strip_prefix("  ") {
                Some(line) => page.indented(line),
                None => page.paragraph(line),
            },
        }
    }
    page.into_text()
}

/// The verdict as JSON.
pub fn json<'a>(
    report: &'a Report,
    ended: Option<&'a str>,
    commitment: String,
) -> impl Serialize + 'a {
    let not_checkable = NOT_CHECKABLE.map(|(rung, why)| object! { rung: rung, why: why });
    object! {
        commitment: commitment,
        program: ended.map_or_else(|| "ended well, or was not run".to_owned(), str::to_owned),
        cases: report.cases.iter().map(case).collect::<Vec<_>>(),
        mistakes: &report.mistakes,
        pattern: &report.pattern,
        pattern_also: &report.pattern_also,
        not_checkable: not_checkable,
    }
}

fn case(case: &CaseReport) -> impl Serialize + '_ {
    let mut why_null = WhyNull::new();
    if case.first.is_none() {
        why_null.insert("first", "no value is wrong, or none could be compared");
    }
    if case.class.is_none() {
        let why = match case.differing {
            0 => "no value is wrong, or none could be compared",
            _ => "the values belong to no known class",
        };
        why_null.insert("class", why);
    }
    if case.problem.is_none() {
        why_null.insert("problem", "every array was there, with the right shape");
    }
    object! {
        name: &case.name,
        op: case.op,
        kind: case.kind,
        verdict: case.verdict,
        differing: case.differing,
        total: case.total,
        first: case.first.as_ref().map(first),
        #[serde(rename = "where")] whereabouts: &case.whereabouts,
        mistakes: &case.mistakes,
        class: &case.class,
        problem: &case.problem,
        why_null: why_null,
    }
}

/// The first wrong value. NaN and infinities become text, since JSON has no such numbers.
fn first(first: &First) -> impl Serialize + use<> {
    let number = |value: f64| match value.is_finite() {
        true => json!(value),
        false => json!(value.to_string()),
    };
    object! {
        array: first.array.clone(),
        index: first.index.clone(),
        found: number(first.found),
        expected: number(first.expected),
        allowed: first.allowed,
    }
}

/// Points for each kind of case.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Points(BTreeMap<String, f64>);

/// A file of points.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PointsFile {
    points: BTreeMap<String, f64>,
}

impl Points {
    /// 100 points, split evenly among the kinds of the cases.
    pub fn even(cases: &[Case]) -> Self {
        let kinds = kinds_of(cases);
        let each = 100.0 / kinds.len() as f64;
        Self(kinds.into_iter().map(|kind| (kind, each)).collect())
    }

    /// Reads the points from a TOML file. Its table `points` has a number for each kind.
    ///
    /// Errors: [`Error::Io`]; [`Error::Folder`] for invalid TOML, for a kind that the cases do not have, and for points
    /// that are negative or add up to 0.
    pub fn read(path: &Path, cases: &[Case]) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::Io {
            action: "read",
            path: path.to_owned(),
            source,
        })?;
        let wrong = |why: String| Error::Folder { path: path.to_owned(), why };
        let file: PointsFile =
            toml::from_str(&text).map_err(|error| wrong(error.message().to_owned()))?;
        let kinds = kinds_of(cases);
        for (kind, points) in &file.points {
            if !kinds.contains(kind) {
                let known = kinds.join(", ");
                return Err(wrong(format!("the cases have no kind `{kind}`; they have {known}")));
            }
            if !(points.is_finite() && *points >= 0.0) {
                return Err(wrong(format!("{kind} has {points} points; it must have 0 or more")));
            }
        }
        if file.points.values().sum::<f64>() <= 0.0 {
            return Err(wrong("the points add up to 0; they must add up to more".to_owned()));
        }
        Ok(Self(file.points))
    }

    fn most(&self) -> f64 {
        self.0.values().sum()
    }
}

fn kinds_of(cases: &[Case]) -> Vec<String> {
    let mut kinds: Vec<Kind> = cases.iter().map(|case| case.kind).collect();
    kinds.sort();
    kinds.dedup();
    kinds.into_iter().map(|kind| kind.name().to_owned()).collect()
}

/// A submission that was judged but has no score yet.
pub struct Unscored {
    /// Its path.
    pub name: String,
    /// The verdict, and how the program ended if it did not end well. The error says why there is no verdict.
    pub judged: Result<(Report, Option<String>), String>,
}

/// What a submission gets for one kind of case.
#[derive(Serialize)]
struct OfKind {
    kind: String,
    /// Cases that agree.
    agree: usize,
    /// All cases of the kind.
    cases: usize,
    points: f64,
    /// The points if all cases of the kind agree.
    #[serde(skip)]
    most: f64,
}

impl Unscored {
    /// What was found out about a submission.
    pub fn new(name: &str, judged: Result<(Report, Option<String>), String>) -> Self {
        Self { name: name.to_owned(), judged }
    }
}

/// A submission's row.
pub struct Graded {
    name: String,
    judged: Result<(Report, Option<String>), String>,
    kinds: Vec<OfKind>,
    score: f64,
}

impl Unscored {
    /// Adds the score. Each kind gives its points times the share of its cases that agree.
    pub fn scored(self, points: &Points) -> Graded {
        let of_kind = |kind: &str| {
            let cases =
                self.judged.as_ref().map(|(report, _)| &report.cases[..]).unwrap_or_default();
            let all = cases.iter().filter(|case| case.kind.name() == kind);
            let agree = all.clone().filter(|case| case.verdict == Verdict::Agree).count();
            (agree, all.count())
        };
        let kinds = points.0.iter().map(|(kind, &most)| {
            let (agree, cases) = of_kind(kind);
            let points = most * agree as f64 / cases.max(1) as f64;
            OfKind { kind: kind.clone(), agree, cases, points, most }
        });
        let kinds: Vec<OfKind> = kinds.collect();
        let score = kinds.iter().map(|of| of.points).sum();
        let Self { name, judged } = self;
        Graded { name, judged, kinds, score }
    }
}

/// Rounds to two decimals, since nobody grades more finely.
fn hundredths(points: f64) -> f64 {
    (points * 100.0).round() / 100.0
}

impl Graded {
    fn verdict(&self) -> &'static str {
        match &self.judged {
            Ok((report, Some(_))) if ["agree", "rounds"].contains(&report.verdict()) => {
                "incomplete"
            }
            Ok((report, _)) => report.verdict(),
            Err(_) => "unusable",
        }
    }

    /// The mistake in a few words, or what else is wrong.
    fn remark(&self) -> String {
        let (report, ended) = match &self.judged {
            Ok(judged) => judged,
            Err(why) => return why.clone(),
        };
        let named = match &report.mistakes[..] {
            [] => report.smallest().map(|case| match (&case.problem, &case.class) {
                (Some(problem), _) => problem.clone(),
                (_, Some(class)) => class.clone(),
                _ => case.whereabouts.first().cloned().unwrap_or_default(),
            }),
            names => Some(names.join(" or ")),
        };
        let missing = || {
            let case = report.cases.iter().find(|case| case.verdict == Verdict::Missing)?;
            case.problem.clone()
        };
        let rounds = || report.cases.iter().find_map(|case| case.class.clone());
        let said = named.or_else(missing).or_else(rounds).unwrap_or_default();
        match ended {
            Some(ended) if said.is_empty() => format!("the program {ended}"),
            Some(ended) => format!("the program {ended}; {said}"),
            None => said,
        }
    }

    /// Gradescope's results.json: a score, and a test for each kind.
    pub fn gradescope(&self) -> String {
        let output = match &self.judged {
            Ok((report, Some(ended))) => {
                format!("The program {ended}.\n\n{}", report.words(&self.name))
            }
            Ok((report, None)) => report.words(&self.name),
            Err(why) => format!("{why}\n"),
        };
        let tests: Vec<_> = self
            .kinds
            .iter()
            .map(|OfKind { kind, agree, cases, points, most }| {
                json!({
                    "name": kind,
                    "score": hundredths(*points),
                    "max_score": hundredths(*most),
                    "status": if agree == cases && *cases > 0 { "passed" } else { "failed" },
                    "output": format!("{agree} of {cases} cases agree"),
                })
            })
            .collect();
        pretty(&json!({ "score": hundredths(self.score), "output": output, "tests": tests }))
    }
}

/// A folder name for each submission, made of the last parts of its path. It has as few parts as keep all names
/// different, at most four. If four are not enough, the last parts get numbers.
pub fn file_names(graded: &[Graded]) -> Vec<String> {
    let last = |row: &Graded, parts: usize| {
        let components = Path::new(&row.name).components();
        let names = components.filter_map(|component| match component {
            std::path::Component::Normal(name) => Some(name.to_string_lossy().into_owned()),
            _ => None,
        });
        let names: Vec<String> = names.collect();
        match names[names.len().saturating_sub(parts)..].join("-") {
            name if name.is_empty() => "submission".to_owned(),
            name => name,
        }
    };
    let differ = |names: &[String]| {
        names.iter().collect::<std::collections::BTreeSet<_>>().len() == names.len()
    };
    let by_parts = |parts| graded.iter().map(|row| last(row, parts)).collect::<Vec<String>>();
    if let Some(names) = (1..=4).map(by_parts).find(|names| differ(names)) {
        return names;
    }
    let numbered = by_parts(1).into_iter().enumerate();
    numbered.map(|(at, name)| format!("{}-{name}", at + 1)).collect()
}

fn number(points: f64) -> String {
    let text = format!("{points:.1}");
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// One row for each submission.
pub fn graded_words(graded: &[Graded], points: &Points) -> String {
    let mut page = Page::new(false);
    let agree = graded.iter().filter(|row| row.verdict() == "agree").count();
    page.paragraph(&format!(
        "{agree} of {} submissions {} with every case. The highest possible score is {} points.",
        graded.len(),
        if agree == 1 { "agrees" } else { "agree" },
        number(points.most()),
    ));
    page.gap();
    let names = file_names(graded);
    let wide = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).clamp(10, 24);
    page.row(&format!("{:<wide$}  {:>6}  {:<10}  remark", "submission", "score", "verdict"));
    for (name, row) in names.iter().zip(graded) {
        let room = 78usize.saturating_sub(wide + 22);
        let mut remark = row.remark();
        if remark.chars().count() > room {
            remark =
                remark.chars().take(room - 3).collect::<String>().trim_end().to_owned() + "...";
        }
        let count = name.chars().count();
        let short = match count > wide {
            // Both ends tell names apart.
            true => {
                let kept = wide - 3;
                let first: String = name.chars().take(kept / 2).collect();
                let last: String = name.chars().skip(count - (kept - kept / 2)).collect();
                format!("{first}...{last}")
            }
            false => name.clone(),
        };
        let line =
            format!("{short:<wide$}  {:>6}  {:<10}  {remark}", number(row.score), row.verdict());
        page.row(line.trim_end());
    }
    page.into_text()
}

/// One line for each submission, after a header.
pub fn graded_csv(graded: &[Graded]) -> String {
    let quoted =
        |text: &str| format!("\"{}\"", text.replace('"', "\"\"").replace(['\n', '\r'], " "));
    let kinds: Vec<String> =
        graded.first().into_iter().flat_map(|row| &row.kinds).map(|of| of.kind.clone()).collect();
    // Not "4/4": spreadsheets take that for a date.
    let columns: Vec<String> =
        kinds.iter().map(|kind| format!("{kind}_agree,{kind}_cases")).collect();
    let mut csv = format!("submission,score,verdict,{},remark\n", columns.join(","));
    for row in graded {
        let counts: Vec<String> =
            row.kinds.iter().map(|of| format!("{},{}", of.agree, of.cases)).collect();
        csv += &format!(
            "{},{},{},{},{}\n",
            quoted(&row.name),
            number(row.score),
            row.verdict(),
            counts.join(","),
            quoted(&row.remark())
        );
    }
    csv
}

/// The same as JSON.
pub fn graded_json<'a>(graded: &'a [Graded], points: &'a Points) -> impl Serialize + 'a {
    let row = |row: &'a Graded| {
        let mistakes = row.judged.as_ref().map(|(report, _)| report.mistakes.clone());
        object! {
            submission: &row.name,
            score: row.score,
            verdict: row.verdict(),
            kinds: &row.kinds,
            mistakes: mistakes.unwrap_or_default(),
            remark: row.remark(),
        }
    };
    object! {
        points: points,
        submissions: graded.iter().map(row).collect::<Vec<_>>(),
    }
}

/// Which mistakes are caught by the cases and the rule of a test.
pub struct Adequacy {
    /// The number of cases in the test.
    pub cases: usize,
    /// The rule by which the test compares.
    pub rule: Rule,
    /// All mistakes, and whether the test sees them.
    pub rows: Vec<Row>,
    /// The smallest cases that would catch the missed mistakes of convolutions, where such a case was found.
    pub catches: Vec<Case>,
    /// How many of the test's own cases were written.
    pub kept: usize,
    /// How many of `catches` were written along with them.
    pub added: usize,
}

impl Adequacy {
    fn with(&self, wanted: impl Fn(Seen) -> bool) -> impl Iterator<Item = &Row> {
        self.rows.iter().filter(move |row| wanted(row.seen))
    }
}

/// The report in words. First comes the answer, then each missed mistake, with the smallest case that would catch it.
pub fn adequacy_words(found: &Adequacy, added: Option<&Path>) -> String {
    let mut page = Page::new(false);
    let missed: Vec<&Row> = found.with(Seen::is_missed).collect();
    let not_asked = found.with(|seen| seen == Seen::NotAsked).count();
    let asked = found.rows.len() - not_asked;
    let cases = several(found.cases, "case");
    page.paragraph(&match missed.len() {
        0 => format!("This test sees all {asked} mistakes ({cases}, rule {}).", found.rule),
        count => {
            format!("This test misses {count} of {asked} mistakes ({cases}, rule {}).", found.rule)
        }
    });
    if not_asked > 0 {
        page.paragraph(&format!(
            "{} more {} kinds of cases that this test does not have, such as gradients.",
            thousands(not_asked as u64),
            if not_asked == 1 { "mistake needs" } else { "mistakes need" },
        ));
    }
    for (seen, why) in [
        (
            Seen::MissedByCases,
            "No case shows these mistakes. The line below a mistake gives the smallest convolution that would:",
        ),
        (
            Seen::MissedByRule,
            "Cases show these mistakes, but the rule accepts the wrong values. The line below a mistake gives a \
             small convolution that shows it, at least if values are compared exactly:",
        ),
    ] {
        let of: Vec<&&Row> = missed.iter().filter(|row| row.seen == seen).collect();
        if !of.is_empty() {
            page.next_paragraph(why);
            page.gap();
        }
        for row in of {
            page.indented(&format!("{} ({}): {}", row.name, row.op, describe(row.name, row.op)));
            let name = format!("catches-{}", row.name);
            if let Some(case) = found.catches.iter().find(|case| case.name == name) {
                page.row(&format!("    {}", case.in_short()));
            }
        }
    }
    if let Some(folder) = added {
        let folder = folder.display();
        page.next_paragraph(&match found.catches.is_empty() {
            true => format!("There is no case to add; {folder} was not written."),
            false => format!(
                "Wrote {} of the test's {} and {} more to {folder}. The answers to the new cases are exact.",
                found.kept,
                several(found.cases, "case"),
                found.added
            ),
        });
        if found.kept < found.cases {
            page.paragraph(
                "The others are left out, because they ask for gradients or special values, but their numbers are not \
                 small integers. Only small integers have exact answers.",
            );
        }
    }
    page.into_text()
}

/// The same as JSON.
pub fn adequacy_json(found: &Adequacy) -> impl Serialize + '_ {
    let row = |row: &Row| {
        let (seen, cases) = match row.seen {
            Seen::In(cases) => ("seen", cases),
            Seen::MissedByCases => ("missed_by_cases", 0),
            Seen::MissedByRule => ("missed_by_rule", 0),
            Seen::NotAsked => ("not_asked", 0),
        };
        object! { op: row.op, mistake: row.name, seen: seen, cases: cases }
    };
    let catches = found.catches.iter().map(|case| {
        let inputs = numbers(&case.inputs());
        object! { name: case.name.clone(), kind: case.kind, attributes: case.attributes(), inputs: inputs }
    });
    object! {
        rule: found.rule.to_string(),
        cases: found.cases,
        mistakes: found.rows.iter().map(row).collect::<Vec<_>>(),
        catches: catches.collect::<Vec<_>>(),
    }
}

/// Arrays by name: shape and numbers.
fn numbers(arrays: &Arrays) -> BTreeMap<String, serde_json::Value> {
    let of = |array: &ArrayD<f64>| {
        let data: Vec<f64> = array.iter().copied().collect();
        json!({ "shape": array.shape(), "data": data })
    };
    arrays.iter().map(|(name, array)| (name.clone(), of(array))).collect()
}

/// A mistake of a bare convolution, and the smallest case found that shows it.
pub struct OfConvolution {
    /// The mistake.
    pub mistake: &'static ConvMistake,
    /// The case.
    pub case: Case,
    /// What is right.
    pub right: Arrays,
    /// What the mistake gives.
    pub wrong: Arrays,
}

impl OfConvolution {
    /// Errors: those of [`Case::answers`].
    pub fn new(mistake: &'static ConvMistake) -> Result<Option<Self>> {
        let Some(case) = smallest(mistake.name, Rule::Exact) else { return Ok(None) };
        let right = case.answers()?.into_iter().map(|answer| (answer.name, answer.value)).collect();
        let wrong = case.mistakes().find(|(name, _)| *name == mistake.name);
        let wrong = wrong.and_then(|(_, wrong)| wrong()).unwrap_or_default();
        Ok(Some(Self { mistake, case, right, wrong }))
    }

    /// The numbers of the case, and both answers.
    pub fn words(&self, repeat: &str, markdown: bool) -> String {
        let mut page = Page::new(markdown);
        let ConvMistake { name, changed, seen_in, .. } = self.mistake;
        page.heading(1, name);
        page.item("What", &format!("in a grouped convolution, {changed}."));
        page.item("Seen in", &format!("{}.", seen_in.unwrap_or("no public code known to us")));
        page.heading(2, "The smallest convolution that shows it");
        page.paragraph(&format!("{}.", self.case.in_short()));
        let lines = |arrays: &Arrays, label: &dyn Fn(&str) -> String| -> String {
            let all =
                arrays.iter().map(|(name, array)| labelled(&label(name), &array_lines(array)));
            all.collect()
        };
        page.block(&lines(&self.case.inputs(), &str::to_owned));
        page.heading(2, "Right and wrong");
        page.paragraph("They differ here:");
        let differ = |(name, right): &(String, ArrayD<f64>)| {
            let wrong = self.wrong.iter().find(|(known, _)| known == name);
            wrong.is_none_or(|(_, wrong)| format!("{wrong}") != format!("{right}"))
        };
        let shown: Vec<&str> =
            self.right.iter().filter(|of| differ(of)).map(|(name, _)| &**name).collect();
        let of = |arrays: &Arrays| -> Arrays {
            arrays.iter().filter(|(name, _)| shown.contains(&&**name)).cloned().collect()
        };
        let mut both = lines(&of(&self.right), &|name| format!("{name}, right"));
        both += &lines(&of(&self.wrong), &|name| format!("{name}, wrong"));
        if self.wrong.is_empty() {
            both += "It gives nothing at all, because its sizes leave no output.\n";
        }
        page.block(&both);
        page.next_paragraph(&format!("Repeat: {repeat}"));
        page.into_text()
    }

    /// The same as JSON.
    pub fn json(&self) -> impl Serialize + '_ {
        object! {
            convolution: object! {
                name: self.mistake.name,
                changed: self.mistake.changed,
                seen_in: self.mistake.seen_in.unwrap_or("no public code known to us"),
                attributes: self.case.attributes(),
                inputs: numbers(&self.case.inputs()),
                right: numbers(&self.right),
                wrong: numbers(&self.wrong),
            },
        }
    }
}

/// An array of one or four axes.
fn array_lines(array: &ArrayD<f64>) -> Vec<String> {
    let array = array.mapv(|value| value as f32).as_standard_layout().into_owned();
    let shape = array.shape().to_vec();
    let four = match shape[..] {
        [length] => array.into_shape_with_order((1, 1, 1, length)),
        [n, c, h, w] => array.into_shape_with_order((n, c, h, w)),
        _ => unreachable!("arrays of convolutions have one axis or four: {shape:?}"),
    };
    let four = four.unwrap_or_else(|error| unreachable!("the same number of values: {error}"));
    if four.dim().2 * four.dim().3 == 1 { kernel(four.view()) } else { planes(four.view()) }
}
