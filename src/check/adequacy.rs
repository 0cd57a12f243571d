//! Judges test data: which known mistakes would a test with these data miss?
//!
//! A test has cases, and a rule that compares outputs. Every mistake of the gallery is run on the cases. The test
//! misses a mistake if the rule accepts the mistake's outputs for every case. This is mutation testing for data. None
//! of the test's own code is run.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array1, Array4};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::case::{Case, Kind, Operation};
use crate::conv::{Along, Arrays, ConvSpec, Convolution};
use crate::error::{Error, Result};
use crate::gallery::{self, MadeIn, branches::Fault};

/// How a test compares the values that it finds with the values that it expects.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// Every value must be the same.
    Exact,
    /// `|found - expected| <= atol + rtol |expected|`, for every value.
    AllClose {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
    },
    /// As `AllClose`, but only the sum of each array is compared.
    Sum {
        /// Relative tolerance.
        rtol: f64,
        /// Absolute tolerance.
        atol: f64,
    },
    /// Every value is off by at most this many ulps (steps between neighbouring `f32`s).
    MaxUlp(u32),
    /// Only the shapes are compared.
    Shape,
}

impl FromStr for Rule {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let (name, numbers) = text.split_once(':').unwrap_or((text, ""));
        let parsed: Option<Vec<f64>> = match numbers {
            "" => Some(Vec::new()),
            _ => numbers.split(',').map(|number| number.trim().parse().ok()).collect(),
        };
        if let Some(below) = parsed.iter().flatten().find(|n| !(n.is_finite() && **n >= 0.0)) {
            let words = format!("`{text}` has a tolerance of {below}; a tolerance is 0 or more");
            return Err(Error::Unsuitable(words));
        }
        match (name, parsed.as_deref()) {
            ("exact", Some([])) => Ok(Self::Exact),
            ("shape", Some([])) => Ok(Self::Shape),
            ("allclose", Some(&[rtol, atol])) => Ok(Self::AllClose { rtol, atol }),
            ("sum", Some(&[rtol, atol])) => Ok(Self::Sum { rtol, atol }),
            ("max-ulp", Some(&[ulps])) if ulps.fract() == 0.0 && ulps <= f64::from(u32::MAX) => {
                Ok(Self::MaxUlp(ulps as u32))
            }
            _ => Err(Error::Unsuitable(format!(
                "`{text}` is not a rule; write exact, shape, allclose:RTOL,ATOL, sum:RTOL,ATOL or max-ulp:N, \
                 such as allclose:1e-5,1e-8"
            ))),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exact => f.write_str("exact"),
            Self::Shape => f.write_str("shape"),
            Self::AllClose { rtol, atol } => write!(f, "allclose:{rtol:e},{atol:e}"),
            Self::Sum { rtol, atol } => write!(f, "sum:{rtol:e},{atol:e}"),
            Self::MaxUlp(ulps) => write!(f, "max-ulp:{ulps}"),
        }
    }
}

impl Rule {
    /// Whether a test with this rule accepts `found` if `expected` is right.
    pub fn accepts(&self, found: &Arrays, expected: &Arrays) -> bool {
        expected.iter().all(|(name, expected)| {
            let Some((_, found)) = found.iter().find(|(known, _)| known == name) else {
                return false;
            };
            if found.shape() != expected.shape() {
                return false;
            }
            let close = |found: f64, expected: f64, rtol: f64, atol: f64| {
                found == expected
                    || (found.is_nan() && expected.is_nan())
                    || (expected.is_finite()
                        && (found - expected).abs() <= atol + rtol * expected.abs())
            };
            // Both in `f32`, as a test has them.
            let float = |value: &f64| f64::from(*value as f32);
            let pairs = || found.iter().zip(expected).map(|(f, e)| (float(f), float(e)));
            match *self {
                Self::Shape => true,
                Self::Exact => pairs().all(|(f, e)| close(f, e, 0.0, 0.0)),
                Self::AllClose { rtol, atol } => pairs().all(|(f, e)| close(f, e, rtol, atol)),
                Self::Sum { rtol, atol } => {
                    let (found, expected) =
                        pairs().fold((0.0, 0.0), |(a, b), (f, e)| (a + f, b + e));
                    close(found, expected, rtol, atol)
                }
                Self::MaxUlp(ulps) => pairs().all(|(f, e)| {
                    let place = |value: f64| {
                        let bits = (value as f32).to_bits() as i32;
                        i64::from(if bits < 0 { i32::MIN - bits } else { bits })
                    };
                    close(f, e, 0.0, 0.0) || (place(f) - place(e)).unsigned_abs() <= u64::from(ulps)
                }),
            }
        })
    }
}

/// Whether a test catches a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The mistake is caught by this many of the test's cases.
    In(usize),
    /// The mistake gives the right output for every case.
    MissedByCases,
    /// The mistake gives wrong outputs for some cases, but the rule accepts all of them.
    MissedByRule,
    /// The test has no cases of a kind that could show the mistake.
    NotAsked,
}

impl Seen {
    /// Whether the test has cases of a kind that could show the mistake, but does not catch it.
    pub fn is_missed(self) -> bool {
        matches!(self, Self::MissedByCases | Self::MissedByRule)
    }
}

/// A mistake, and whether a test catches it.
#[derive(Clone, Debug)]
pub struct Row {
    /// "conv" or "block".
    pub op: &'static str,
    /// The mistake.
    pub name: &'static str,
    /// Whether the test catches it.
    pub seen: Seen,
}

/// Says for each known mistake whether a test with these cases and this rule catches it. Mistakes in operations that do
/// not occur in the cases are left out. So are mistakes that cases in files cannot show.
///
/// Errors: those of [`Case::answers`].
pub fn adequacy(cases: &[Case], rule: Rule) -> Result<Vec<Row>> {
    // For each mistake that gives a wrong output: its operation and name, and whether the rule rejects that output.
    let judged = |case: &Case| -> Result<Vec<((&'static str, &'static str), bool)>> {
        let expected: Arrays =
            case.answers()?.into_iter().map(|answer| (answer.name, answer.value)).collect();
        let differing = case.mistakes().filter_map(|(name, wrong)| {
            let wrong = wrong()?;
            let differs = !Rule::Exact.accepts(&wrong, &expected);
            differs.then(|| ((case.op(), name), !rule.accepts(&wrong, &expected)))
        });
        Ok(differing.collect())
    };
    let judged: Vec<Vec<_>> = cases.into_par_iter().map(judged).collect::<Result<_>>()?;
    let judged: Vec<_> = judged.into_iter().flatten().collect();
    let mut rows = Vec::new();
    for (op, name) in in_files() {
        if !cases.iter().any(|case| case.op() == op) {
            continue;
        }
        let asked =
            cases.iter().any(|case| case.op() == op && shows_in(op, name).contains(&case.kind));
        let of = || judged.iter().filter(|(key, _)| *key == (op, name));
        let seen = match of().filter(|(_, rejected)| *rejected).count() {
            0 if !asked => Seen::NotAsked,
            0 if of().next().is_none() => Seen::MissedByCases,
            0 => Seen::MissedByRule,
            count => Seen::In(count),
        };
        rows.push(Row { op, name, seen });
    }
    Ok(rows)
}

/// The operation and the name of each mistake that cases in files can show, for convolutions and for blocks.
pub fn in_files() -> impl Iterator<Item = (&'static str, &'static str)> {
    let conv = gallery::convolutions::ALL.iter().map(|mistake| ("conv", mistake.name));
    let block = gallery::ALL.iter().map(|mistake| ("block", mistake.name));
    conv.chain(block).filter(|(op, name)| !shows_in(op, name).is_empty())
}

/// The kinds of cases in which a mistake can show. Empty if no case in a file can show it.
pub fn shows_in(op: &str, name: &str) -> &'static [Kind] {
    const OUTPUT: &[Kind] = &[Kind::Integers, Kind::Floats, Kind::Specials];
    if op == "conv" {
        return match name {
            "nan-lost" => &[Kind::Specials],
            name if name.contains("gradient") => &[Kind::Gradients],
            _ => OUTPUT,
        };
    }
    let Ok(mistake) = gallery::named(name) else { return &[] };
    // A file records neither how the input lies in memory nor earlier calls.
    if let MadeIn::Convolution(Fault::MemoryOrder | Fault::DirtyScratch) = mistake.made_in {
        return &[];
    }
    match mistake.shows_in {
        gallery::Kind::NotANumber => &[Kind::Specials],
        gallery::Kind::Training => &[Kind::Training],
        gallery::Kind::Derivatives | gallery::Kind::Gradients => &[Kind::Gradients],
        // No case asks for gradients in training mode: their exact values are not known, and neither is a bound.
        gallery::Kind::TrainingGradients => &[],
        gallery::Kind::Numbers | gallery::Kind::ManyBits | gallery::Kind::Epsilon => OUTPUT,
    }
}

/// The smallest convolution of small integers on which a test with this rule catches the mistake. If there is none, the
/// smallest convolution on which an exact comparison catches the mistake. `None` if no convolution that is tried shows
/// the mistake.
pub fn smallest(name: &'static str, rule: Rule) -> Option<Case> {
    let kind = *shows_in("conv", name).first()?;
    let mistake = gallery::convolutions::named(name)?;
    let mut shapes = tiny_shapes();
    shapes.sort_by_key(TinyShape::size);
    let convs: Vec<Convolution> = shapes.iter().filter_map(|shape| shape.conv(kind)).collect();
    let shows = |conv: &Convolution, rule: Rule| {
        let (Some(wrong), Ok(right)) = (mistake.outputs(conv), conv.outputs()) else {
            return false;
        };
        !rule.accepts(&wrong, &right)
    };
    let by = |rule| convs.iter().find(|conv| shows(conv, rule)).cloned();
    let conv = by(rule).or_else(|| by(Rule::Exact))?;
    let operation = Operation::Conv(conv);
    Some(Case { name: format!("catches-{name}"), kind, operation })
}

#[derive(Clone, Copy)]
struct TinyShape {
    n: usize,
    groups: usize,
    widths: [usize; 2],
    kernel: [usize; 2],
    along: [Along; 2],
    map: [usize; 2],
}

fn tiny_shapes() -> Vec<TinyShape> {
    let along = |stride, padding, dilation| Along { stride, padding, dilation };
    let unit = Along::UNIT;
    let geometries = [
        [unit, unit],
        [along(2, [0, 0], 1), along(2, [0, 0], 1)],
        [along(1, [0, 0], 1), along(2, [0, 0], 1)],
        [along(1, [0, 0], 2), along(1, [0, 0], 2)],
        [along(1, [0, 0], 1), along(1, [0, 0], 2)],
        [along(1, [1, 1], 1), along(1, [1, 1], 1)],
        [along(1, [0, 0], 1), along(1, [1, 0], 1)],
        [along(1, [0, 0], 1), along(1, [1, 1], 1)],
        [along(2, [1, 1], 1), along(2, [1, 1], 1)],
    ];
    let kernels = [[1, 1], [1, 2], [2, 1], [2, 2], [1, 3]];
    let widths = [1, 2, 3, 5, 9, 16, 17];
    let maps = [[1, 1], [1, 2], [2, 1], [2, 3], [3, 2], [3, 4], [1, 5], [1, 9], [4, 5], [1, 17]];
    let mut shapes = Vec::new();
    for (n, groups) in [(1, 1), (1, 2), (2, 1), (2, 2), (1, 3)] {
        for (c_in, c_out) in widths.iter().flat_map(|&i| widths.map(|o| (i, o))) {
            // Two wide sides of different widths are not needed. Other wide shapes need only a plain 1x1.
            if c_in.min(c_out) > 2 && c_in != c_out {
                continue;
            }
            let is_wide = c_in.max(c_out) > 3;
            let all = kernels.iter().flat_map(|&k| geometries.map(|g| (k, g)));
            for (kernel, along) in all.take(if is_wide { 1 } else { usize::MAX }) {
                shapes.extend(maps.map(|map| TinyShape {
                    n,
                    groups,
                    widths: [c_in, c_out],
                    kernel,
                    along,
                    map,
                }));
            }
        }
    }
    shapes
}

impl TinyShape {
    /// How many numbers the convolution has.
    fn size(&self) -> usize {
        let Self { n, groups, widths: [c_in, c_out], kernel: [k_h, k_w], map: [h, w], .. } = self;
        n * groups * c_in * h * w + groups * c_out * c_in * k_h * k_w + groups * c_out
    }

    /// Makes the convolution. The input is 1, 2, 3, and so on. All weights differ from each other, and so do all
    /// biases.
    fn conv(&self, kind: Kind) -> Option<Convolution> {
        let Self { n, groups, widths: [c_in, c_out], kernel: [k_h, k_w], map: [h, w], along } =
            *self;
        let spec = ConvSpec::by_axis(along[0], along[1], groups).ok()?;
        let counted = |shape: [usize; 4], first: f64, step: f64| {
            let mut next = first - step;
            Array4::from_shape_simple_fn(shape, || {
                next += step;
                next
            })
        };
        let mut x = counted([n, groups * c_in, h, w], 1.0, 1.0);
        if kind == Kind::Specials {
            *x.first_mut()? = f64::NAN;
        }
        let weight = counted([groups * c_out, c_in, k_h, k_w], -1.0, 2.0);
        let bias: Array1<f64> = (1..=groups * c_out).map(|o| (10 * o) as f64).collect();
        let mut conv = Convolution { x, weight, bias, spec, grad_output: None };
        let output = conv.shape().ok()?.output(conv.x.dim().into()).ok()?;
        if kind == Kind::Gradients {
            conv.grad_output = Some(counted(output, 2.0, 1.0));
        }
        Some(conv)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::Rule;
    use crate::conv::Arrays;

    fn one(values: &[f64]) -> Arrays {
        vec![("y".to_owned(), arr1(values).into_dyn())]
    }

    #[test]
    fn rules_accept_what_they_say() {
        let next = f64::from(1.0f32.next_up());
        for (rule, found, expected, accepts) in [
            ("exact", [1.0, 2.0], [1.0, 2.0], true),
            ("exact", [1.0, next], [1.0, 1.0], false),
            ("max-ulp:1", [1.0, next], [1.0, 1.0], true),
            ("max-ulp:0", [1.0, next], [1.0, 1.0], false),
            ("max-ulp:4", [-1e-45, 1.0], [1e-45, 1.0], true),
            ("allclose:0.125,0", [1.125, 2.0], [1.0, 2.0], true),
            ("allclose:0.01,0.01", [1.125, 2.0], [1.0, 2.0], false),
            ("sum:0,0", [2.0, 1.0], [1.0, 2.0], true),
            ("sum:0,0", [2.0, 2.0], [1.0, 2.0], false),
            ("shape", [9.0, 9.0], [1.0, 2.0], true),
            ("allclose:1,1", [f64::NAN, 2.0], [1.0, 2.0], false),
            ("allclose:0,0", [f64::NAN, 2.0], [f64::NAN, 2.0], true),
            ("allclose:1,1", [0.0, 2.0], [f64::INFINITY, 2.0], false),
        ] {
            let parsed: Rule = rule.parse().unwrap();
            assert_eq!(parsed.accepts(&one(&found), &one(&expected)), accepts, "{rule}");
        }
        assert!(!Rule::Shape.accepts(&one(&[1.0]), &one(&[1.0, 2.0])));
        assert!(!Rule::Shape.accepts(&Vec::new(), &one(&[1.0])));
        for wrong in
            ["", "close", "allclose:1", "max-ulp:0.5", "sum:nan,0", "exact:1", "allclose:-1,0"]
        {
            assert!(wrong.parse::<Rule>().is_err(), "{wrong}");
        }
    }
}
