//! What a rung of the ladder concludes, and the evidence for it: differences, witnesses of a refutation, and how
//! far the evidence reaches. Functions that compare tensors panic if the shapes differ. That does not happen,
//! because [`super::any_form`] rejects a form whose output does not have the block's shape.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;

use ndarray::{Array4, Zip};
use serde::Serialize;

use super::bound::Ball;
use super::rungs::Rung;
use super::rungs::r3_exact_integers::ExactReport;
use crate::error::{Error, Result};
use crate::evidence::{AnyForm, Coverage, Forms};
use crate::scalar::Real;

/// Compares two tensors of the same shape. Returns the largest difference of two elements (infinite if only
/// one of them is NaN), and how many elements differ in any bit. NaN equals NaN.
pub fn compare<S: Real>(left: &Array4<S>, right: &Array4<S>) -> (f64, usize) {
    let (mut largest, mut differing) = (0f64, 0);
    Zip::from(left).and(right).for_each(|left, right| {
        let (left, right) = (left.to_f64(), right.to_f64());
        if left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan()) {
            return;
        }
        // Infinities of the same sign do not get here, because they have the same bits.
        let distance = (left - right).abs();
        largest = largest.max(if distance.is_nan() { f64::INFINITY } else { distance });
        differing += 1;
    });
    (largest, differing)
}

/// One ulp: the spacing of `f32` at `value`. For 0, the smallest positive `f32`.
pub fn ulp(value: f32) -> f64 {
    let value = value.abs();
    let above = f32::from_bits(value.to_bits() + 1);
    if above.is_finite() { f64::from(above) - f64::from(value) } else { f64::INFINITY }
}

/// The largest absolute value in all outputs; 0 if there is none.
pub fn largest(outputs: &[Array4<f32>]) -> f32 {
    outputs.iter().flatten().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// A value, as reports show it.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A float.
    Number(f64),
    /// A value that is not a float, such as an element of a prime field or a polynomial.
    Text(String),
    /// Not a value, but what went wrong, such as a missing gradient or a function applied twice to a channel.
    Misplaced(String),
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Text(text) | Self::Misplaced(text) => f.write_str(text),
        }
    }
}

/// An element where a form is wrong.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// The form's letter.
    pub form: char,
    /// What the form calls itself.
    pub name: &'static str,
    /// The place in the block.
    pub place: &'static str,
    /// Image, channel, row, column.
    pub index: [usize; 4],
    /// What the form computed there.
    pub found: Value,
    /// What it should have computed.
    pub expected: Value,
    /// How far off the value may be, because of rounding or R0's tolerance. It is 0 where arithmetic is exact.
    pub allowed: f64,
    /// The number of wrong elements, this one included.
    pub wrong: usize,
    /// The number of elements.
    pub elements: usize,
}

impl Witness {
    /// A witness of a single value in exact arithmetic. `who`: the form's letter and name.
    pub(crate) fn new(
        who: (char, &'static str),
        place: &'static str,
        index: [usize; 4],
        [found, expected]: [Value; 2],
    ) -> Self {
        let ((form, name), allowed) = (who, 0.0);
        Self { form, name, place, index, found, expected, allowed, wrong: 1, elements: 1 }
    }

    /// The first wrong element of an output, if there is one.
    fn first<S>(
        (who, place): ((char, &'static str), &'static str),
        [output, expected]: [&Array4<S>; 2],
        wrong: impl Fn(&S, &S) -> bool,
        show: impl Fn(&S, &S) -> [Value; 2],
    ) -> Option<Self> {
        assert_eq!(output.shape(), expected.shape(), "outputs of forms");
        let pairs = output.indexed_iter().zip(expected);
        let mut pairs = pairs.filter(|((_, found), expected)| wrong(found, expected));
        let ((index, found), expected) = pairs.next()?;
        let witness = Self::new(who, place, index.into(), show(found, expected));
        Some(Self { wrong: 1 + pairs.count(), elements: output.len(), ..witness })
    }
}

/// Compares an output with balls. Returns the largest error relative to the radius (at most 1 for a
/// correct form), and the worst element outside its ball, if there is one.
pub fn against_balls(
    who: (char, &'static str),
    output: &Array4<f32>,
    balls: &Array4<Ball>,
) -> (f64, Option<Witness>) {
    assert_eq!(output.shape(), balls.shape(), "an output and its balls");
    let mut worst: (f64, Option<Witness>) = (0.0, None);
    let mut wrong = 0;
    for ((index, &value), ball) in output.indexed_iter().zip(balls) {
        let distance = (f64::from(value) - ball.centre).abs();
        let used = if distance == 0.0 { 0.0 } else { distance / ball.radius };
        let refutes = !ball.contains(value);
        wrong += usize::from(refutes);
        // Comparisons with NaN are false, so NaN is checked for explicitly.
        if used > worst.0 || used.is_nan() || (refutes && worst.1.is_none()) {
            worst.0 = if used.is_nan() { f64::INFINITY } else { used.max(worst.0) };
            if refutes {
                let values = [f64::from(value), ball.centre].map(Value::Number);
                let witness = Witness::new(who, "output", index.into(), values);
                worst.1 = Some(Witness { allowed: ball.radius, ..witness });
            }
        }
    }
    let elements = output.len();
    (worst.0, worst.1.map(|witness| Witness { wrong, elements, ..witness }))
}

/// Compares an output with its exact expected value, to the bit.
pub fn against_exact<S: Real>(
    who: (char, &'static str),
    output: &Array4<S>,
    expected: &Array4<S>,
) -> Option<Witness> {
    let wrong = |l: &S, r: &S| l.to_f64().to_bits() != r.to_f64().to_bits();
    let show = |l: &S, r: &S| [l, r].map(|value| Value::Number(value.to_f64()));
    Witness::first((who, "output"), [output, expected], wrong, show)
}

pub(crate) fn who(form: &dyn AnyForm) -> (char, &'static str) {
    (form.letter(), form.name())
}

/// The first element where an output differs from the expected one.
pub(crate) fn against<S: PartialEq>(
    form: &dyn AnyForm,
    output: &Array4<S>,
    expected: &Array4<S>,
    place: &'static str,
    show: impl Fn(&S, &S) -> [Value; 2],
) -> Option<Witness> {
    Witness::first((who(form), place), [output, expected], |l, r| l != r, show)
}

/// Finds the output that most forms give (on a tie, the last such output). For each form with another output, returns
/// an element that differs. Empty if all forms agree.
pub fn odd_ones_out<S: PartialEq>(
    forms: Forms<'_>,
    outputs: &[Array4<S>],
    place: &'static str,
    show: impl Fn(&S, &S) -> [Value; 2],
) -> Vec<Witness> {
    let agrees_with = |output: &&Array4<S>| outputs.iter().filter(|other| output == other).count();
    let Some(most) = outputs.iter().max_by_key(agrees_with) else {
        return Vec::new();
    };
    let pairs = forms.iter().zip(outputs);
    pairs.filter_map(|(form, output)| against(*form, output, most, place, &show)).collect()
}

/// Calls `of` for each pair of forms, and names the result by the pair's letters. Adjacent pairs come
/// first (ab, bc), then pairs further apart (ac).
pub fn pairs<T>(letters: &[char], of: impl Fn(usize, usize) -> T) -> Vec<(String, T)> {
    let count = letters.len();
    let all = (1..count).flat_map(|distance| (0..count - distance).map(move |i| (i, i + distance)));
    all.map(|(i, j)| ([letters[i], letters[j]].iter().collect(), of(i, j))).collect()
}

/// The largest difference between the outputs of each pair of forms.
pub(crate) fn differences(forms: Forms<'_>, outputs: &[Array4<f32>]) -> Vec<(String, f64)> {
    pairs(&letters(forms), |i, j| compare(&outputs[i], &outputs[j]).0)
}

pub(crate) fn letters(forms: Forms<'_>) -> Vec<char> {
    forms.iter().map(|form| form.letter()).collect()
}

/// How far the evidence reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Bound {
    /// A tolerance relative to an output's size, and the largest part of the tolerance that was used. The tolerance is
    /// chosen, not derived.
    Tolerance {
        /// The tolerance as a fraction of an output's size; see [`super::rungs::r0_approximate`].
        relative: f64,
        /// The largest ratio of a difference to what is allowed.
        used: f64,
    },
    /// A derived bound on rounding.
    Rounding {
        /// The largest difference that two correct forms can have, end to end.
        difference: f64,
        /// The largest error relative to what rounding allows, end to end.
        used: f64,
        /// The largest error relative to what rounding allows, layer by layer. Each layer gets the same floats in every
        /// form.
        used_at_cuts: f64,
    },
    /// Equality to the bit.
    Exact {
        /// Values compared.
        values: u64,
    },
    /// A bound on the probability that a wrong form passes one case.
    Probability {
        /// The bound.
        at_most: f64,
    },
    /// Equality of normal forms.
    Proof {
        /// Monomials compared.
        monomials: u64,
    },
    /// Every possible assignment.
    Exhausted {
        /// Assignments tried.
        assignments: u64,
    },
}

impl Bound {
    /// The bound for both sets of cases: the weaker of the two, or the sum of what was compared.
    pub fn and(mut self, other: Self) -> Self {
        match (&mut self, other) {
            (Self::Tolerance { relative: r, used: u }, Self::Tolerance { relative, used }) => {
                (*r, *u) = (r.max(relative), u.max(used));
            }
            (
                Self::Rounding { difference: d, used: u, used_at_cuts: c },
                Self::Rounding { difference, used, used_at_cuts },
            ) => (*d, *u, *c) = (d.max(difference), u.max(used), c.max(used_at_cuts)),
            (Self::Exact { values: all }, Self::Exact { values: more })
            | (Self::Proof { monomials: all }, Self::Proof { monomials: more })
            | (Self::Exhausted { assignments: all }, Self::Exhausted { assignments: more }) => {
                *all += more;
            }
            (Self::Probability { at_most: p }, Self::Probability { at_most }) => {
                *p = p.max(at_most);
            }
            _ => {}
        }
        self
    }
}

/// What some cases of one rung showed.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Cases that ran.
    pub cases: u64,
    /// How often a case was drawn again because it gave no evidence, for example because of a dead channel.
    pub redraws: u64,
    /// How far the evidence reaches.
    pub bound: Bound,
    /// The first witness found against each refuted form.
    pub witnesses: Vec<Witness>,
    /// Whether, in some case, the bound is larger than the outputs.
    pub blunt: bool,
    /// The kinds of cases that were seen, if the generator made the cases.
    pub coverage: Coverage,
    /// What R3 found on a real block.
    pub exact: Option<ExactReport>,
}

impl Evidence {
    /// Evidence from no cases.
    pub(crate) fn none(bound: Bound) -> Self {
        Self { cases: 0, ..Self::of(bound, None) }
    }

    /// The evidence from one case.
    pub fn of(bound: Bound, witnesses: impl IntoIterator<Item = Witness>) -> Self {
        Self {
            cases: 1,
            redraws: 0,
            bound,
            witnesses: first_of_each_form(witnesses.into_iter().collect()),
            blunt: false,
            coverage: Coverage::default(),
            exact: None,
        }
    }

    /// The evidence from both sets of cases.
    pub fn and(mut self, other: Self) -> Self {
        self.witnesses.extend(other.witnesses);
        Self {
            cases: self.cases + other.cases,
            redraws: self.redraws + other.redraws,
            bound: self.bound.and(other.bound),
            witnesses: first_of_each_form(self.witnesses),
            blunt: self.blunt || other.blunt,
            coverage: self.coverage.and(&other.coverage),
            exact: self.exact.or(other.exact),
        }
    }
}

fn first_of_each_form(mut witnesses: Vec<Witness>) -> Vec<Witness> {
    let mut forms = BTreeSet::new();
    witnesses.retain(|witness| forms.insert(witness.form));
    witnesses
}

/// A conclusion. Each conclusion rests on at least one case that ran, and a proof states its scope.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// The forms are equal for all weights, inputs and functions within the scope.
    Proved {
        /// What the proof covers.
        scope: String,
    },
    /// No case refuted a form.
    Supported {
        /// Cases that ran.
        cases: NonZeroU64,
        /// How far the evidence reaches.
        bound: Bound,
    },
    /// Nothing was refuted, but something is not shown.
    Qualified {
        /// What holds.
        holds: String,
        /// What is not shown.
        but: String,
    },
    /// A form differs from the others.
    Refuted {
        /// One for each such form.
        witnesses: Vec<Witness>,
    },
}

impl Verdict {
    /// The verdict in one word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Proved { .. } => "proved",
            Self::Supported { .. } => "supported",
            Self::Qualified { .. } => "qualified",
            Self::Refuted { .. } => "refuted",
        }
    }
}

/// The finding of one rung on one stage.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The rung.
    pub rung: Rung,
    /// What the rung ran on, in a word: a stage of the network, or the source of the cases.
    pub stage: String,
    /// What the finding covers.
    pub scope: String,
    /// How far the evidence reaches.
    pub bound: Bound,
    /// Cases that ran.
    pub cases: NonZeroU64,
    /// Cases that were drawn again.
    pub redraws: u64,
    /// The seed of every random choice.
    pub seed: u64,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// The conclusion.
    pub verdict: Verdict,
}

impl Finding {
    /// Draws the conclusion.
    ///
    /// Errors: [`Error::NothingRan`] if no case ran. [`Error::Degenerate`] if the cases break the generator's contract.
    /// [`Error::Redraws`] if there are more than ten redraws, and more than one for every four cases.
    pub fn conclude(
        (rung, stage, scope): (Rung, &str, String),
        evidence: Evidence,
        seed: u64,
        ms: f64,
    ) -> Result<Self> {
        let stage = stage.to_owned();
        let Evidence { cases, redraws, bound, witnesses, blunt, coverage, .. } = evidence;
        let cases = NonZeroU64::new(cases)
            .ok_or_else(|| Error::NothingRan { rung: rung.to_string(), stage: stage.clone() })?;
        if let Some(clause) = coverage.broken() {
            return Err(Error::Degenerate { rung: rung.to_string(), clause, cases: cases.get() });
        }
        if redraws > (cases.get() / 4).max(10) {
            return Err(Error::Redraws { rung: rung.to_string(), redraws, cases: cases.get() });
        }
        let verdict = match bound {
            _ if !witnesses.is_empty() => Verdict::Refuted { witnesses },
            Bound::Proof { .. } | Bound::Exhausted { .. } => {
                Verdict::Proved { scope: scope.clone() }
            }
            Bound::Tolerance { .. } if blunt => Verdict::Qualified {
                holds: "no form was refuted".to_owned(),
                but: "the tolerance is larger than the output and says nothing".to_owned(),
            },
            _ if blunt => Verdict::Qualified {
                holds: "each layer by itself stays within its bound".to_owned(),
                but: "end to end the bound is larger than the output and says nothing".to_owned(),
            },
            bound => Verdict::Supported { cases, bound },
        };
        Ok(Self { rung, stage, scope, bound, cases, redraws, seed, ms, verdict })
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        matches!(self.verdict, Verdict::Refuted { .. })
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{
        Bound, Evidence, Finding, Verdict, against_balls, against_exact, compare, largest, ulp,
    };
    use crate::error::{Error, Result};
    use crate::evidence::bound::Ball;
    use crate::evidence::rungs::Rung;

    fn tensor(values: &[f32]) -> Array4<f32> {
        Array4::from_shape_vec((1, 1, 1, values.len()), values.to_vec()).unwrap()
    }

    #[test]
    fn differences_are_seen_nan_included() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        for (left, right, expected) in [
            ([1.0, nan], [1.0, nan], (0.0, 0)),
            ([1.0, 2.0], [1.5, 2.0], (0.5, 1)),
            ([1.0, 0.0], [nan, 0.0], (f64::INFINITY, 1)),
            ([infinity, 0.0], [infinity, 0.0], (0.0, 0)),
            // The two zeros differ in a bit.
            ([0.0, 1.0], [-0.0, 1.0], (0.0, 1)),
        ] {
            assert_eq!(compare(&tensor(&left), &tensor(&right)), expected);
        }
        assert_eq!(largest(&[tensor(&[1.0, -3.0, 2.0])]), 3.0);
    }

    #[test]
    fn a_ball_refutes_what_lies_outside_and_nan() {
        let balls = |ball, n| Array4::from_elem((1, 1, 1, n), ball);
        let held = |values: &[f32], ball| {
            against_balls(('a', "test"), &tensor(values), &balls(ball, values.len()))
        };
        let ball = Ball { centre: 1.0, radius: 0.5 };
        assert_eq!(held(&[1.0, 1.5, 0.75], ball), (1.0, None));
        let (used, witness) = held(&[1.0, 2.0, 0.0], ball);
        let witness = witness.unwrap();
        assert_eq!((used, witness.index, witness.wrong), (2.0, [0, 0, 0, 1], 2));
        let (used, witness) = held(&[f32::NAN, 1.0, 3.0], ball);
        assert_eq!((used, witness.unwrap().wrong), (f64::INFINITY, 2));
        assert_eq!(held(&[2.0, 1.0, 1.0], ball).1.unwrap().allowed, 0.5);
        assert!(held(&[1.0], Ball { centre: 1.0, radius: f64::NAN }).1.is_some());
        assert!(held(&[1.0], Ball::exact(1.0)).1.is_none());
        assert!(held(&[1.1], Ball::exact(1.0)).1.is_some());
    }

    #[test]
    fn exactness_is_to_the_bit() {
        let held = |l: &[f32], r: &[f32]| {
            against_exact(('a', "test"), &tensor(l), &tensor(r)).map(|w| w.wrong)
        };
        assert_eq!(held(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(held(&[0.0, 2.0], &[-0.0, 3.0]), Some(2));
    }

    #[test]
    fn ulps_are_the_spacing() {
        for (value, spacing) in [(1.0, -23), (-1.5, -23), (2.0, -22), (0.0, -149)] {
            assert_eq!(ulp(value), 2f64.powi(spacing));
        }
        assert_eq!(ulp(f32::MAX), f64::INFINITY);
    }

    fn conclude(evidence: Evidence) -> Result<Finding> {
        Finding::conclude((Rung::R4, "random", "a test".to_owned()), evidence, 0, 0.0)
    }

    fn exact(cases: u64, redraws: u64) -> Evidence {
        Evidence { cases, redraws, ..Evidence::of(Bound::Exact { values: 1 }, None) }
    }

    #[test]
    fn nothing_is_concluded_of_nothing() {
        assert!(matches!(conclude(exact(0, 0)), Err(Error::NothingRan { .. })));
        assert!(matches!(conclude(exact(1, 10)).unwrap().verdict, Verdict::Supported { .. }));
        assert!(matches!(conclude(exact(1, 11)), Err(Error::Redraws { redraws: 11, .. })));
        assert!(conclude(exact(100, 25)).is_ok() && conclude(exact(100, 26)).is_err());
    }

    /// One blunt case makes the whole evidence blunt.
    #[test]
    fn the_weaker_of_two_is_the_bound_of_both() {
        let blunt = Evidence { blunt: true, ..exact(1, 0) };
        for both in [exact(1, 0).and(blunt.clone()), blunt.and(exact(1, 0))] {
            assert!(matches!(conclude(both).unwrap().verdict, Verdict::Qualified { .. }));
        }
        let chance = |at_most| Evidence::of(Bound::Probability { at_most }, None);
        for (left, right) in [(1e-3, 1e-9), (1e-9, 1e-3)] {
            let both = chance(left).and(chance(right));
            assert_eq!((both.bound, both.cases), (Bound::Probability { at_most: 1e-3 }, 2));
        }
        let proof = |monomials| Evidence::of(Bound::Proof { monomials }, None);
        let verdict = conclude(proof(2).and(proof(3))).unwrap().verdict;
        assert!(matches!(verdict, Verdict::Proved { scope } if scope == "a test"));
    }

    #[test]
    fn what_was_compared_adds_up() {
        let of: [fn(u64) -> Bound; 3] = [
            |monomials| Bound::Proof { monomials },
            |values| Bound::Exact { values },
            |assignments| Bound::Exhausted { assignments },
        ];
        for bound in of {
            assert_eq!(bound(2).and(bound(3)), bound(5));
        }
    }
}
