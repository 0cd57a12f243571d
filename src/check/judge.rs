//! The verdict on the outputs that came back.

use std::collections::{BTreeMap, BTreeSet};

use ndarray::{ArrayD, Axis, Dimension, Slice};
use rayon::iter::{IntoParallelRefIterator, ParallelExtend, ParallelIterator};
use serde::Serialize;

use super::case::{Answer, Case, Handed, Kind, Operation, Received};
use super::locate::{Pattern, pattern, whereabouts};
use crate::conv::{Arrays, ConvSpec, Convolution};
use crate::error::Result;

/// The verdict on one case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Every value is right.
    Agree,
    /// Some values are off, but rounding explains the errors. For example, the operands were rounded to bf16, or the
    /// code does not compute plain sums of products in `f32`.
    Rounds,
    /// Some value is wrong.
    Differ,
    /// An array has the wrong shape or the wrong kind of numbers.
    Misshapen,
    /// Nothing came back, or some arrays are missing.
    Missing,
}

impl Verdict {
    /// Whether the verdict is `Differ` or `Misshapen`.
    pub fn fails(self) -> bool {
        matches!(self, Self::Differ | Self::Misshapen)
    }
}

/// The first value that is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct First {
    /// The array it is in.
    pub array: String,
    /// The index of the value, counted from 0.
    pub index: Vec<usize>,
    /// The value that came back.
    pub found: f64,
    /// The right value.
    pub expected: f64,
    /// How far off a value may be.
    pub allowed: f64,
}

/// The report on one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The name of the case.
    pub name: String,
    /// "conv" or "block".
    pub op: &'static str,
    /// The kind of the case.
    pub kind: Kind,
    /// The verdict.
    pub verdict: Verdict,
    /// How many values are wrong.
    pub differing: usize,
    /// How many values the case asks for.
    pub total: usize,
    /// The first wrong value, if there is one.
    pub first: Option<First>,
    /// For each array with wrong values, where these values are.
    pub whereabouts: Vec<String>,
    /// The mistakes that give exactly these values.
    pub mistakes: Vec<&'static str>,
    /// A class that the values belong to, such as "as if the operands were rounded to bf16".
    pub class: Option<String>,
    /// What is missing, or has a wrong shape or type.
    pub problem: Option<String>,
    /// The sizes of the case in a few words.
    pub about: String,
    /// How large the case is.
    size: usize,
}

/// The verdict on a whole suite.
#[derive(Clone, Debug)]
pub struct Report {
    /// The report on each case, in order.
    pub cases: Vec<CaseReport>,
    /// Features that all failing cases have. No passing case has all of them. Empty if there are no such features.
    pub pattern: Vec<&'static str>,
    /// If `pattern` is one feature, other features that tell the cases apart equally well.
    pub pattern_also: Vec<&'static str>,
    /// The mistakes that explain all cases: they give the same wrong values in every failing case, and the right values
    /// in every passing case.
    pub mistakes: Vec<&'static str>,
    /// The same mistakes, by operation: "conv" or "block".
    pub mistakes_of: BTreeMap<&'static str, Vec<&'static str>>,
}

/// The kinds of evidence that outputs cannot give, and why.
pub const NOT_CHECKABLE: [(&str, &str); 5] = [
    ("R2", "an output does not show the order of its sums"),
    ("R4", "a black box does not run over a prime field"),
    ("R5", "a black box does not run over polynomials"),
    ("R6", "a black box does not run over the smallest fields"),
    ("R10", "a theorem is about formulas, not about a program"),
];

/// If cases are still unexplained, every mistake is tried on about this many of them, and on at most twice as many.
const SEARCHED: usize = 12;

/// Judges the outputs that came back, case by case. For each case, `handed` returns the arrays, or says why there are
/// none.
///
/// Errors: those of [`Case::answers`].
pub fn judge(
    cases: &[Case],
    handed: impl Fn(&Case) -> Result<Handed, String> + Sync,
) -> Result<Report> {
    let first_look = |case: &Case| -> Result<(CaseReport, Looked)> {
        let answers = case.answers()?;
        Ok(match handed(case) {
            Ok(handed) => (compare(case, &answers, &handed), (answers, Some(handed))),
            Err(why) => (CaseReport::missing(case, &answers, why), (answers, None)),
        })
    };
    let looked: Vec<_> = cases.par_iter().map(first_look).collect::<Result<_>>()?;
    let (mut reports, looked): (Vec<CaseReport>, Vec<Looked>) = looked.into_iter().unzip();

    // A mistake may change values so little that rounding could explain them. So such cases are searched too.
    let is_doubtful = |at: usize| reports[at].verdict == Verdict::Rounds;
    let is_searched =
        |at: &usize| looked[*at].1.is_some() && (reports[*at].verdict.fails() || is_doubtful(*at));
    let mut searched: Vec<usize> = (0..cases.len()).filter(is_searched).collect();
    // The smallest first: they are searched fastest, and a person looks at them first.
    searched.sort_by_key(|&at| (cases[at].op(), reports[at].size));
    let explained = |known: Option<&BTreeSet<&'static str>>, at: usize| {
        let (answers, handed) = &looked[at];
        let names = handed.as_ref().map(|handed| explain(&cases[at], answers, handed, known));
        (at, names.unwrap_or_default())
    };
    // A mistake that explains every case of a kind explains the smallest. So only the mistakes found there are tried on
    // the other cases. Then every mistake is tried on some of the cases that are still unexplained.
    let mut met = BTreeSet::new();
    let is_first = |at: &usize| met.insert((cases[*at].op(), cases[*at].kind, is_doubtful(*at)));
    let smallest: Vec<usize> = searched.iter().copied().filter(is_first).collect();
    let mut found: Vec<_> = smallest.par_iter().map(|&at| explained(None, at)).collect();
    let mut known: BTreeSet<_> = found.iter().flat_map(|(_, names)| names).copied().collect();
    let others: Vec<usize> = searched.iter().copied().filter(|at| !smallest.contains(at)).collect();
    found.par_extend(others.par_iter().map(|&at| explained(Some(&known), at)));
    let left: Vec<usize> =
        found.iter().filter(|(_, names)| names.is_empty()).map(|(at, _)| *at).collect();
    let left = some_of(&left);
    found.par_extend(left.par_iter().map(|&at| explained(None, at)));
    for (at, names) in found {
        known.extend(&names);
        if !names.is_empty() && reports[at].verdict == Verdict::Rounds {
            (reports[at].verdict, reports[at].class) = (Verdict::Differ, None);
        }
        reports[at].mistakes = names;
    }
    let of_op = |op| (op, consistent(op, cases, &reports, &looked, &known));
    let mistakes_of: BTreeMap<_, _> = ["conv", "block"].map(of_op).into();
    let mistakes: BTreeSet<&'static str> = mistakes_of.values().flatten().copied().collect();
    let mistakes: Vec<&'static str> = mistakes.into_iter().collect();
    // What explains every case comes first.
    for report in &mut reports {
        report.mistakes.sort_by_key(|name| !mistakes_of[report.op].contains(name));
    }
    let Pattern { features: pattern, also: pattern_also } = pattern(cases, &reports);
    Ok(Report { cases: reports, pattern, pattern_also, mistakes, mistakes_of })
}

/// The right outputs of a case, and the arrays that came back, if there are any.
type Looked = (Vec<Answer>, Option<Handed>);

/// Picks some of these cases, evenly spread.
fn some_of(left: &[usize]) -> Vec<usize> {
    left.iter().step_by((left.len() / SEARCHED).max(1)).copied().collect()
}

impl CaseReport {
    fn new(case: &Case, answers: &[Answer], verdict: Verdict) -> Self {
        Self {
            name: case.name.clone(),
            op: case.op(),
            kind: case.kind,
            verdict,
            differing: 0,
            total: answers.iter().map(|answer| answer.value.len()).sum(),
            first: None,
            whereabouts: Vec::new(),
            mistakes: Vec::new(),
            class: None,
            problem: None,
            about: case.in_short(),
            size: case.size(),
        }
    }

    fn missing(case: &Case, answers: &[Answer], why: String) -> Self {
        Self { problem: Some(why), ..Self::new(case, answers, Verdict::Missing) }
    }
}

/// Whether the value `found` that came back is right, if `value` is expected. If `value` is NaN or an infinity, `found`
/// must be the same. Otherwise, `found` may be off by at most `allowed`. Zero may have either sign.
fn is_right(found: f64, value: f64, allowed: f64) -> bool {
    if value.is_finite() {
        (found - value).abs() <= allowed
    } else {
        found == value || (found.is_nan() && value.is_nan())
    }
}

/// The verdict on one case, without the search for mistakes.
fn compare(case: &Case, answers: &[Answer], handed: &Handed) -> CaseReport {
    let mut report = CaseReport::new(case, answers, Verdict::Agree);
    let (mut problems, mut missing) = (Vec::new(), Vec::new());
    let mut within_rounding = true;
    for answer in answers {
        let wanted = answer.value.shape();
        let array = match handed.get(&answer.name) {
            None => {
                report.verdict = Verdict::Missing;
                missing.push(format!("`{}`", answer.name));
                continue;
            }
            Some(Received::Other { dtype, shape }) => {
                if report.verdict == Verdict::Agree {
                    report.verdict = Verdict::Misshapen;
                }
                let with_shape = match shape == wanted {
                    true => String::new(),
                    false => format!(" and has shape {shape:?}"),
                };
                let name = &answer.name;
                problems.push(format!(
                    "`{name}` is {dtype}{with_shape}; float32 {wanted:?} is asked for"
                ));
                continue;
            }
            Some(Received::Floats(array)) => array,
        };
        if array.shape() != wanted {
            if report.verdict == Verdict::Agree {
                report.verdict = Verdict::Misshapen;
            }
            let (name, found) = (&answer.name, array.shape());
            problems.push(format!("`{name}` has shape {found:?}; {wanted:?} is asked for"));
            continue;
        }
        let wrong = ndarray::Zip::from(array)
            .and(&answer.value)
            .and(&answer.allowed)
            .map_collect(|&found, &value, &allowed| !is_right(f64::from(found), value, allowed));
        let count = wrong.iter().filter(|wrong| **wrong).count();
        if count == 0 {
            continue;
        }
        report.differing += count;
        within_rounding &= array
            .iter()
            .zip(&answer.value)
            .zip(&answer.rounding)
            .all(|((&found, &value), &rounding)| is_right(f64::from(found), value, rounding));
        if report.first.is_none() {
            report.first = first(answer, array, &wrong);
        }
        report.whereabouts.push(whereabouts(case, &answer.name, &wrong));
    }
    if !missing.is_empty() {
        let others =
            handed.keys().filter(|name| answers.iter().all(|answer| answer.name != **name));
        let others: Vec<String> =
            others.take(3).map(|name| format!("`{}`", name.escape_debug())).collect();
        let instead = match others.is_empty() {
            true => String::new(),
            false => format!(", but {} came back", others.join(", ")),
        };
        let is = if missing.len() == 1 { "is" } else { "are" };
        problems.insert(0, format!("{} {is} missing{instead}", missing.join(", ")));
    }
    if !problems.is_empty() {
        report.problem = Some(problems.join("; "));
        // What came back and is wrong is not hidden by what is missing.
        if report.differing > 0 {
            report.verdict = Verdict::Differ;
        }
        return report;
    }
    if report.differing == 0 {
        return report;
    }
    report.verdict = Verdict::Differ;
    // Values this near may come from many formats, and from none.
    let mut class = match within_rounding {
        true => None,
        false => rounded_operands(case, answers, handed),
    };
    // Rounding can explain errors only in exact integers: other kinds allow for it already.
    if case.kind.is_exact() {
        // Values within the bound for `f32` may come from any such algorithm.
        class = class.or_else(|| within_rounding.then(|| ANOTHER_ALGORITHM.to_owned()));
    }
    class = class.or_else(|| rounded_outputs(answers, handed));
    if class.is_some() {
        report.verdict = Verdict::Rounds;
    } else if case.kind == Kind::Specials {
        class = spread(answers, handed);
    } else if case.kind.is_exact() {
        class = narrow_sums(answers, handed).or_else(|| garbage(answers, handed));
    }
    report.class = class;
    report
}

const ANOTHER_ALGORITHM: &str = "off by no more than rounding, as with Winograd's algorithm, an FFT, or another that is not a plain sum of products";

fn first(answer: &Answer, array: &ArrayD<f32>, wrong: &ArrayD<bool>) -> Option<First> {
    let (index, _) = wrong.indexed_iter().find(|(_, wrong)| **wrong)?;
    let at = index.slice();
    Some(First {
        array: answer.name.clone(),
        index: at.to_vec(),
        found: f64::from(array[at]),
        expected: answer.value[at],
        allowed: answer.allowed[at],
    })
}

/// The array that came back for an answer, if it has the right shape.
fn received<'a>(answer: &Answer, handed: &'a Handed) -> Option<&'a ArrayD<f32>> {
    match handed.get(&answer.name) {
        Some(Received::Floats(array)) if array.shape() == answer.value.shape() => Some(array),
        _ => None,
    }
}

/// Whether every value that came back is close to its value in `values`. They may differ by at most `allowed` times the
/// rounding bound.
fn near(answers: &[Answer], values: &Arrays, handed: &Handed, allowed: f64) -> bool {
    answers.iter().zip(values).all(|(answer, (_, values))| {
        received(answer, handed).is_some_and(|found| {
            let all = found.iter().zip(values).zip(&answer.rounding);
            all.into_iter().all(|((&found, &value), &rounding)| {
                is_right(f64::from(found), value, allowed * rounding)
            })
        })
    })
}

/// A floating-point format: its name, how many significant bits it has, and a function that rounds to it.
type Format = (&'static str, i32, fn(f64) -> f64);

/// The narrow formats that kernels use. The narrowest formats come first. Processors round to TF32 in three ways.
const FORMATS: [Format; 6] = [
    ("bf16", 8, |value| to_bits(value, 16, Ties::Even)),
    ("bf16, cut off", 8, |value| to_bits(value, 16, Ties::CutOff)),
    ("f16", 11, |value| half::f16::from_f32(value as f32).to_f64()),
    ("TF32", 11, |value| to_bits(value, 13, Ties::Even)),
    ("TF32, ties away from zero", 11, |value| to_bits(value, 13, Ties::Away)),
    ("TF32, cut off", 11, |value| to_bits(value, 13, Ties::CutOff)),
];

/// How a number is rounded to fewer bits.
#[derive(Clone, Copy)]
enum Ties {
    /// To the nearest number, with ties to even.
    Even,
    /// To the nearest number, with ties away from zero.
    Away,
    /// The extra bits are dropped.
    CutOff,
}

/// Rounds an `f32` to a format with `dropped` bits fewer.
fn to_bits(value: f64, dropped: u32, ties: Ties) -> f64 {
    let value = value as f32;
    if !value.is_finite() {
        return f64::from(value);
    }
    let (bits, half) = (value.to_bits(), 1u32 << (dropped - 1));
    let added = match ties {
        Ties::Even => half - 1 + ((bits >> dropped) & 1),
        Ties::Away => half,
        Ties::CutOff => 0,
    };
    f64::from(f32::from_bits(bits.wrapping_add(added) & !((1u32 << dropped) - 1)))
}

/// The operands that code may round.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Operands {
    All,
    Weights,
    Inputs,
}

impl Operands {
    const EACH: [(&'static str, Self); 3] = [
        ("the operands were", Self::All),
        ("the weights were", Self::Weights),
        ("the input was", Self::Inputs),
    ];

    /// A function for the weights and one for the inputs: `round` for those that are rounded.
    pub(super) fn each(self, round: fn(f64) -> f64) -> [fn(f64) -> f64; 2] {
        let same: fn(f64) -> f64 = |value| value;
        let of = |other: Self| if self == other { same } else { round };
        [of(Self::Inputs), of(Self::Weights)]
    }
}

/// Looks for narrow formats that explain the outputs: if the operands are rounded to them, these outputs result. Names
/// all formats of the same precision, because some numbers do not tell them apart.
fn rounded_operands(case: &Case, answers: &[Answer], handed: &Handed) -> Option<String> {
    let gives = |operands: Operands, (_, _, round): &Format| match &case.operation {
        Operation::Conv(conv) => {
            // One channel rules out most formats, for a fraction of the work.
            let one = of_first_wrong_channel(conv, answers, handed);
            let could_be = one.is_none_or(|(conv, answers, handed)| {
                operands_give((operands, *round), &conv, &answers, &handed) != Some(false)
            });
            could_be && operands_give((operands, *round), conv, answers, handed) == Some(true)
        }
        Operation::Block(block) => {
            let values = block.with_operands(operands, *round);
            values.is_some_and(|values| near(answers, &values, handed, 1.0))
        }
    };
    Operands::EACH.into_iter().find_map(|(whose, operands)| {
        let at = FORMATS.iter().position(|format| gives(operands, format))?;
        let (_, bits, _) = FORMATS[at];
        let alike = FORMATS[at + 1..].iter().filter(|format| format.1 == bits);
        let alike = alike.filter(|format| gives(operands, format));
        let names: Vec<&str> = [&FORMATS[at]].into_iter().chain(alike).map(|of| of.0).collect();
        Some(format!("as if {whose} rounded to {}", names.join(" or ")))
    })
}

/// Looks for a narrow format to which the right outputs were rounded at the end.
fn rounded_outputs(answers: &[Answer], handed: &Handed) -> Option<String> {
    let is_it = |(_, _, round): &&Format| {
        answers.iter().all(|answer| {
            received(answer, handed).is_some_and(|found| {
                found.iter().zip(&answer.value).zip(&answer.rounding).all(
                    |((&found, &value), &rounding)| {
                        // The right value, or the nearest to it that code without an error can reach.
                        let ends = [value, value - rounding, value + rounding].map(round);
                        let found = f64::from(found);
                        let between = ends[1] <= found && found <= ends[2];
                        is_right(found, ends[0], 0.0) || (round(found) == found && between)
                    },
                )
            })
        })
    };
    let (name, ..) = FORMATS.iter().find(is_it)?;
    Some(format!("as if the outputs were rounded to {name}"))
}

/// Whether a convolution of rounded operands gives the outputs that came back. `None` if rounding changes no operand.
fn operands_give(
    (operands, round): (Operands, fn(f64) -> f64),
    conv: &Convolution,
    answers: &[Answer],
    handed: &Handed,
) -> Option<bool> {
    let [of_weights, of_inputs] = operands.each(round);
    let rounded = Convolution {
        x: conv.x.mapv(of_inputs),
        weight: conv.weight.mapv(of_weights),
        grad_output: conv.grad_output.as_ref().map(|g| g.mapv(of_inputs)),
        ..conv.clone()
    };
    if rounded == *conv {
        return None;
    }
    let gives =
        |conv: &Convolution| conv.outputs().is_ok_and(|values| near(answers, &values, handed, 1.0));
    // The bias may be added in `f32`, or be rounded too.
    let with_bias = Convolution { bias: conv.bias.mapv(round), ..rounded.clone() };
    Some(gives(&rounded) || (with_bias.bias != conv.bias && gives(&with_bias)))
}

/// The part of a convolution that computes the first output channel with a wrong value. `None` if gradients are asked
/// for.
fn of_first_wrong_channel(
    conv: &Convolution,
    answers: &[Answer],
    handed: &Handed,
) -> Option<(Convolution, Vec<Answer>, Handed)> {
    let [answer] = answers else { return None };
    let found = received(answer, handed)?;
    let (o, _) =
        found.axis_iter(Axis(1)).zip(answer.value.axis_iter(Axis(1))).enumerate().find(
            |(_, (found, value))| found.iter().zip(value).any(|(f, v)| f64::from(*f) != *v),
        )?;
    let shape = conv.shape().ok()?;
    let first = o / shape.c_out_group() * shape.c_in_group;
    let channels = Slice::from(first..first + shape.c_in_group);
    let this = |array: &ArrayD<f64>| array.slice_axis(Axis(1), Slice::from(o..=o)).to_owned();
    let one = Convolution {
        x: conv.x.slice_axis(Axis(1), channels).to_owned(),
        weight: conv.weight.slice_axis(Axis(0), Slice::from(o..=o)).to_owned(),
        bias: conv.bias.slice_axis(Axis(0), Slice::from(o..=o)).to_owned(),
        spec: ConvSpec::by_axis(conv.spec.height(), conv.spec.width(), 1).ok()?,
        grad_output: None,
    };
    let found = found.slice_axis(Axis(1), Slice::from(o..=o)).to_owned();
    let answer = Answer {
        name: answer.name.clone(),
        value: this(&answer.value),
        allowed: this(&answer.allowed),
        rounding: this(&answer.rounding),
    };
    let handed = [(answer.name.clone(), Received::Floats(found))].into();
    Some((one, vec![answer], handed))
}

/// Looks for a narrow format in which the sums may have been kept. The format must hold every value that came back, and
/// its rounding must explain the errors. Since other mistakes may change values as little, this excuses nothing.
fn narrow_sums(answers: &[Answer], handed: &Handed) -> Option<String> {
    let right: Arrays =
        answers.iter().map(|answer| (answer.name.clone(), answer.value.clone())).collect();
    let is_it = |(_, bits, round): &&Format| {
        let holds = |value: f64| round(value) == value;
        let all_held = answers.iter().all(|answer| {
            let found = received(answer, handed);
            found.is_some_and(|found| found.iter().all(|&found| holds(f64::from(found))))
        });
        // The bound is nearly proportional to the unit roundoff.
        let factor = 2.0 * 2f64.powi(24 - bits);
        // The bound says nothing where it is as large as the values.
        let is_sharp = |answer: &Answer| {
            let pairs = answer.value.iter().zip(&answer.rounding);
            let sharp = pairs.filter(|(value, radius)| factor * **radius < value.abs()).count();
            2 * sharp > answer.value.len()
        };
        let some_right_is_not =
            answers.iter().any(|answer| answer.value.iter().any(|&v| !holds(v)));
        all_held
            && some_right_is_not
            && answers.iter().all(is_sharp)
            && near(answers, &right, handed, factor)
    };
    let (name, ..) = FORMATS.iter().find(is_it)?;
    Some(format!("no further off than sums kept in {name} can be"))
}

/// Describes values that came back although no sum of the inputs can have them. `None` if there are no such values.
fn garbage(answers: &[Answer], handed: &Handed) -> Option<String> {
    let most = f64::from(1u32 << 30);
    let wild = answers.iter().filter_map(|answer| received(answer, handed)).flatten();
    let wild = wild.filter(|found| found.is_nan() || f64::from(found.abs()) > most).count();
    (wild > 0).then(|| {
        format!(
            "NaN, or larger than any sum of these numbers can be, in {wild} places: an overflow of a narrow format, \
             or memory that was read out of bounds or never written"
        )
    })
}

/// Describes outputs that are right but for NaN or infinities in too many places. `None` for other outputs.
fn spread(answers: &[Answer], handed: &Handed) -> Option<String> {
    let mut finite = 0;
    let all = answers.iter().all(|answer| {
        received(answer, handed).is_some_and(|found| {
            let pairs = found.iter().zip(&answer.value).zip(&answer.rounding);
            pairs.into_iter().filter(|((found, _), _)| found.is_finite()).all(
                |((&found, &value), &rounding)| {
                    finite += 1;
                    is_right(f64::from(found), value, rounding)
                },
            )
        })
    });
    (all && finite > 0).then(|| SPREAD.to_owned())
}

const SPREAD: &str = "right where they are finite, but NaN or infinities reach too many outputs. Winograd's algorithm \
                      and an FFT do that, because they mix neighbouring inputs";

/// The mistakes that give exactly the outputs that came back for a case. If `known` is given, only the mistakes in it
/// are tried.
fn explain(
    case: &Case,
    answers: &[Answer],
    handed: &Handed,
    known: Option<&BTreeSet<&'static str>>,
) -> Vec<&'static str> {
    let wanted = |name: &&'static str| known.is_none_or(|known| known.contains(name));
    let all = case.suspects().filter(|(name, _)| wanted(name));
    let explains = |name: &'static str, wrong: &Arrays| {
        // A mistake that gives the right values here explains nothing, however near they are.
        refuted(answers, wrong)
            && wrong.iter().all(|(array, values)| {
                let Some(Received::Floats(found)) = handed.get(array) else { return false };
                let integers = case.kind.is_exact()
                    && values.iter().all(|value| !value.is_finite() || value.fract() == 0.0);
                let allowed =
                    if integers { 0.0 } else { 2.0 * case.rounding_of(name, array, answers) };
                found.shape() == values.shape()
                    && found.iter().zip(values).all(|(&found, &value)| {
                        is_right(f64::from(found), f64::from(value as f32), allowed)
                    })
            })
    };
    // Wrong code that fails gives no arrays, so it explains nothing.
    let gives = |name, wrong: Option<Arrays>| {
        wrong.is_some_and(|wrong| !wrong.is_empty() && explains(name, &wrong))
    };
    all.filter(|(name, wrong)| gives(name, wrong())).map(|(name, _)| name).collect()
}

/// The mistakes that explain every failing case of an operation, and give the right values in every passing case.
///
/// If cases with plain outputs fail, only these cases decide. In other cases (NaN, statistics, gradients), the same
/// mistake can show in several ways. For example, code that leaves out a channel may skip it or multiply it by 0.
fn consistent(
    op: &str,
    cases: &[Case],
    reports: &[CaseReport],
    looked: &[Looked],
    known: &BTreeSet<&'static str>,
) -> Vec<&'static str> {
    let all = cases.iter().zip(reports).zip(looked);
    let of_op = all.filter(|((case, _), _)| case.op() == op);
    let fails_plainly =
        |case: &Case, report: &CaseReport| case.kind.is_plain() && report.verdict.fails();
    let by_plain = of_op.clone().any(|((case, report), _)| fails_plainly(case, report));
    let deciding = of_op.filter(|((case, _), _)| case.kind.is_plain() || !by_plain);
    let explains = |name: &&'static str| {
        let mut explained = 0;
        for ((case, report), (answers, _)) in deciding.clone() {
            if report.verdict.fails() {
                if !report.mistakes.contains(name) {
                    return false;
                }
                explained += 1;
            } else if report.verdict == Verdict::Agree && differs(case, answers, name) {
                return false;
            }
        }
        explained > 0
    };
    known.iter().copied().filter(explains).collect()
}

/// Whether a mistake gives a wrong value in a case.
fn differs(case: &Case, answers: &[Answer], name: &str) -> bool {
    let wrong = case.suspects().find(|(known, _)| *known == name).and_then(|(_, wrong)| wrong());
    wrong.is_some_and(|wrong| refuted(answers, &wrong))
}

/// The mistakes that a case refutes. A mistake is refuted if it gives a wrong value in the case.
///
/// Errors: those of [`Case::answers`].
pub fn refuted_by(case: &Case) -> Result<Vec<&'static str>> {
    let answers = case.answers()?;
    let refuted =
        case.mistakes().filter(|(_, wrong)| wrong().is_some_and(|wrong| refuted(&answers, &wrong)));
    Ok(refuted.map(|(name, _)| name).collect())
}

fn refuted(answers: &[Answer], wrong: &Arrays) -> bool {
    answers.iter().any(|answer| {
        let found = wrong.iter().find(|(name, _)| *name == answer.name);
        found.is_none_or(|(_, values)| {
            let pairs = || values.iter().zip(&answer.value).zip(&answer.allowed);
            values.shape() != answer.value.shape()
                || pairs().any(|((&found, &value), &allowed)| {
                    !is_right(f64::from(found as f32), value, allowed)
                })
        })
    })
}

impl Report {
    /// How many cases have this verdict.
    pub fn count(&self, verdict: Verdict) -> usize {
        self.cases.iter().filter(|case| case.verdict == verdict).count()
    }

    /// The verdict in one word: "agree", "rounds", "differ" or "incomplete". A report is incomplete if no case fails
    /// but some cases are missing.
    pub fn verdict(&self) -> &'static str {
        match () {
            () if self.count(Verdict::Differ) + self.count(Verdict::Misshapen) > 0 => "differ",
            () if self.count(Verdict::Missing) > 0 || self.cases.is_empty() => "incomplete",
            () if self.count(Verdict::Rounds) > 0 => "rounds",
            () => "agree",
        }
    }

    /// The smallest failing case that the mistakes explain. If they explain no failing case, the smallest of all
    /// failing cases.
    pub fn smallest(&self) -> Option<&CaseReport> {
        let is_left = |case: &CaseReport| {
            !case.mistakes.iter().any(|name| self.mistakes_of[case.op].contains(name))
        };
        let failing = self.cases.iter().filter(|case| case.verdict.fails());
        failing.min_by_key(|case| (is_left(case), case.size))
    }
}

#[cfg(test)]
mod tests {
    use super::{Ties, is_right, to_bits};

    #[test]
    fn nan_and_infinities_are_right_where_they_must_be() {
        let (nan, infinity) = (f64::NAN, f64::INFINITY);
        for (found, value, allowed, right) in [
            (1.0, 1.0, 0.0, true),
            (1.0, 1.5, 0.5, true),
            (1.0, 1.5, 0.25, false),
            (-0.0, 0.0, 0.0, true),
            (nan, nan, 0.0, true),
            (nan, 1.0, 9.0, false),
            (1.0, nan, 9.0, false),
            (infinity, infinity, 0.0, true),
            (-infinity, infinity, 0.0, false),
            (infinity, 1.0, 9.0, false),
            (1.0, infinity, 9.0, false),
        ] {
            assert_eq!(is_right(found, value, allowed), right, "{found} for {value}");
        }
    }

    #[test]
    fn floats_are_rounded_to_the_nearest_of_fewer_bits() {
        // bf16 has 8 significant bits: from 256 on every second integer, ties to even.
        for (value, rounded) in
            [(255.0, 255.0), (257.0, 256.0), (259.0, 260.0), (4095.0, 4096.0), (-3.0, -3.0)]
        {
            assert_eq!(to_bits(value, 16, Ties::Even), rounded);
        }
        // TF32 has 11: up to 2048 all integers.
        for (ties, rounded) in [
            (Ties::Even, [2047.0, 2048.0, 4096.0]),
            (Ties::Away, [2047.0, 2050.0, 4096.0]),
            (Ties::CutOff, [2047.0, 2048.0, 4094.0]),
        ] {
            assert_eq!([2047.0, 2049.0, 4095.0].map(|value| to_bits(value, 13, ties)), rounded);
        }
    }
}
