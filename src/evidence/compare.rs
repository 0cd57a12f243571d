//! Differences between outputs, and the witness of a refutation.

use std::fmt;

use ndarray::{Array4, ArrayView4, Zip};
use serde::Serialize;

use super::any_form::AnyForm;
use super::bound::Ball;
use crate::scalar::Real;

/// How two tensors of one shape differ.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Difference {
    /// Largest difference of two elements; infinite where one of them is NaN.
    pub max_abs: f64,
    /// Number of elements that differ in any bit, but for NaNs.
    pub differing: usize,
}

/// Compares two tensors element by element; NaN equals NaN.
///
/// # Panics
///
/// If the shapes differ.
pub fn compare<S: Real>(left: ArrayView4<'_, S>, right: ArrayView4<'_, S>) -> Difference {
    let mut difference = Difference { max_abs: 0.0, differing: 0 };
    Zip::from(left).and(right).for_each(|left, right| {
        let (left, right) = (left.to_f64(), right.to_f64());
        if left.to_bits() == right.to_bits() || (left.is_nan() && right.is_nan()) {
            return;
        }
        // Infinities of one sign had the same bits.
        let distance = (left - right).abs();
        let distance = if distance.is_nan() { f64::INFINITY } else { distance };
        difference.max_abs = difference.max_abs.max(distance);
        difference.differing += 1;
    });
    difference
}

/// Spacing of `f32` at `value`: one unit of its last place. The smallest `f32` for 0.
pub fn ulp(value: f32) -> f64 {
    let value = value.abs();
    let above = f32::from_bits(value.to_bits() + 1);
    if above.is_finite() { f64::from(above) - f64::from(value) } else { f64::INFINITY }
}

/// The largest absolute value of a tensor; 0 for an empty one.
pub fn largest(x: ArrayView4<'_, f32>) -> f32 {
    x.iter().fold(0.0, |largest, value| largest.max(value.abs()))
}

/// A value, as it is shown.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Value {
    /// A float.
    Number(f64),
    /// What no float holds: an element of a prime field, a polynomial.
    Text(String),
    /// No value: how a function was applied that should have been applied once to each channel.
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

/// An element at which a form is not what it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Witness {
    /// The form's letter.
    pub form: char,
    /// What the form calls itself.
    pub name: &'static str,
    /// Where in the block.
    pub place: &'static str,
    /// Image, channel, row, column.
    pub index: [usize; 4],
    /// What the form computed there.
    pub found: Value,
    /// What it should have.
    pub expected: Value,
    /// How far off rounding could carry it; 0 where arithmetic is exact.
    pub allowed: f64,
    /// Elements that are wrong, this one included.
    pub wrong: usize,
    /// Elements in all.
    pub elements: usize,
}

/// At most one witness for each form, the first that was found.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Witnesses(Vec<Witness>);

impl Witnesses {
    /// All of them.
    pub fn all(&self) -> &[Witness] {
        &self.0
    }

    /// Whether no form was refuted.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Adds those of forms that have none yet.
    pub fn add(&mut self, more: impl IntoIterator<Item = Witness>) {
        for witness in more {
            if self.0.iter().all(|present| present.form != witness.form) {
                self.0.push(witness);
            }
        }
    }
}

impl IntoIterator for Witnesses {
    type Item = Witness;
    type IntoIter = std::vec::IntoIter<Witness>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<Witness> for Witnesses {
    fn from_iter<I: IntoIterator<Item = Witness>>(witnesses: I) -> Self {
        let mut all = Self::default();
        all.add(witnesses);
        all
    }
}

/// An output held against balls: how much of the radius was used at most (a correct form
/// stays at or below 1), and where it was worst, if anywhere outside.
///
/// # Panics
///
/// If the shapes differ.
pub fn against_balls(
    form: char,
    name: &'static str,
    output: ArrayView4<'_, f32>,
    balls: ArrayView4<'_, Ball>,
) -> (f64, Option<Witness>) {
    assert_eq!(output.shape(), balls.shape(), "an output and its balls");
    let excess = |value: f32, ball: &Ball| {
        let distance = (f64::from(value) - ball.centre).abs();
        if distance == 0.0 { 0.0 } else { distance / ball.radius }
    };
    let mut worst: (f64, Option<Witness>) = (0.0, None);
    let mut wrong = 0;
    for (((n, c, h, w), &value), ball) in output.indexed_iter().zip(balls) {
        let used = excess(value, ball);
        if used <= worst.0 && ball.contains(value) {
            continue;
        }
        let refutes = !ball.contains(value);
        wrong += usize::from(refutes);
        // NaN compares false, so it has to be asked for by name.
        if used > worst.0 || used.is_nan() || (refutes && worst.1.is_none()) {
            worst.0 = if used.is_nan() { f64::INFINITY } else { used.max(worst.0) };
            if refutes {
                worst.1 = Some(Witness {
                    form,
                    name,
                    place: "output",
                    index: [n, c, h, w],
                    found: Value::Number(f64::from(value)),
                    expected: Value::Number(ball.centre),
                    allowed: ball.radius,
                    wrong: 0,
                    elements: output.len(),
                });
            }
        }
    }
    if let Some(witness) = &mut worst.1 {
        witness.wrong = wrong;
    }
    worst
}

/// An output held against what it must be exactly.
///
/// # Panics
///
/// If the shapes differ.
pub fn against_exact<S: Real>(
    form: char,
    name: &'static str,
    output: ArrayView4<'_, S>,
    expected: ArrayView4<'_, S>,
) -> Option<Witness> {
    assert_eq!(output.shape(), expected.shape(), "an output and what it must be");
    let mut witness: Option<Witness> = None;
    for (((n, c, h, w), value), right) in output.indexed_iter().zip(expected) {
        let (value, right) = (value.to_f64(), right.to_f64());
        if value.to_bits() == right.to_bits() {
            continue;
        }
        let first = witness.get_or_insert(Witness {
            form,
            name,
            place: "output",
            index: [n, c, h, w],
            found: Value::Number(value),
            expected: Value::Number(right),
            allowed: 0.0,
            wrong: 0,
            elements: output.len(),
        });
        first.wrong += 1;
    }
    witness
}

/// Where the forms' outputs are not all the same: of each form that does not agree with what most
/// of them give (on a tie, the last), an element that differs from it.
///
/// # Panics
///
/// If the shapes differ.
pub fn odd_ones_out<S: PartialEq>(
    forms: &[&dyn AnyForm],
    outputs: &[Array4<S>],
    place: &'static str,
    show: impl Fn(&S, &S) -> (Value, Value),
) -> Witnesses {
    let agrees_with = |output: &&Array4<S>| outputs.iter().filter(|other| output == other).count();
    let Some(most) = outputs.iter().max_by_key(agrees_with) else {
        return Witnesses::default();
    };
    let odd = |(form, output): (&&dyn AnyForm, &Array4<S>)| {
        assert_eq!(output.shape(), most.shape(), "outputs of forms");
        let mut pairs = output.indexed_iter().zip(most).filter(|((_, l), r)| *l != *r);
        let ((index, left), right) = pairs.next()?;
        let (found, expected) = show(left, right);
        Some(Witness {
            form: form.letter(),
            name: form.name(),
            place,
            index: index.into(),
            found,
            expected,
            allowed: 0.0,
            wrong: 1 + pairs.count(),
            elements: output.len(),
        })
    };
    forms.iter().zip(outputs).filter_map(odd).collect()
}

/// Something for each pair of forms, named by their letters: first and second, second and
/// third, and so on, then the others.
pub fn pairs<T>(forms: &[&dyn AnyForm], of: impl Fn(usize, usize) -> T) -> Vec<(String, T)> {
    let mut pairs = Vec::new();
    for distance in 1..forms.len() {
        for i in 0..forms.len() - distance {
            let j = i + distance;
            let name = format!("{}{}", forms[i].letter(), forms[j].letter());
            pairs.push((name, of(i, j)));
        }
    }
    pairs
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{against_balls, against_exact, compare, largest, ulp};
    use crate::evidence::bound::Ball;

    fn tensor(values: &[f32]) -> Array4<f32> {
        Array4::from_shape_vec((1, 1, 1, values.len()), values.to_vec()).unwrap()
    }

    #[test]
    fn differences_are_seen_nan_included() {
        let difference = |l: &[f32], r: &[f32]| compare(tensor(l).view(), tensor(r).view());
        assert_eq!(difference(&[1.0, f32::NAN], &[1.0, f32::NAN]).differing, 0);
        assert_eq!(difference(&[1.0, 2.0], &[1.5, 2.0]).max_abs, 0.5);
        assert_eq!(difference(&[1.0], &[f32::NAN]).max_abs, f64::INFINITY);
        assert_eq!(difference(&[f32::INFINITY], &[f32::INFINITY]).differing, 0);
        let signs = difference(&[0.0], &[-0.0]);
        assert_eq!((signs.max_abs, signs.differing), (0.0, 1), "a bit is a bit");
        assert_eq!(largest(tensor(&[1.0, -3.0, 2.0]).view()), 3.0);
    }

    #[test]
    fn a_ball_refutes_what_lies_outside_and_nan() {
        let ball = Ball { centre: 1.0, radius: 0.5 };
        let balls = Array4::from_elem((1, 1, 1, 3), ball);
        let held = |values: &[f32]| against_balls('a', "test", tensor(values).view(), balls.view());
        assert_eq!(held(&[1.0, 1.5, 0.75]), (1.0, None));
        let (used, witness) = held(&[1.0, 2.0, 0.0]);
        let witness = witness.unwrap();
        assert_eq!((used, witness.index, witness.wrong), (2.0, [0, 0, 0, 1], 2));
        let (used, witness) = held(&[f32::NAN, 1.0, 3.0]);
        assert_eq!((used, witness.unwrap().wrong), (f64::INFINITY, 2));
        assert_eq!(held(&[2.0, 1.0, 1.0]).1.unwrap().allowed, 0.5);
        let unknown = Array4::from_elem((1, 1, 1, 1), Ball { centre: 1.0, radius: f64::NAN });
        assert!(against_balls('a', "test", tensor(&[1.0]).view(), unknown.view()).1.is_some());
        let point = Array4::from_elem((1, 1, 1, 1), Ball::exact(1.0));
        assert!(against_balls('a', "test", tensor(&[1.0]).view(), point.view()).1.is_none());
        assert!(against_balls('a', "test", tensor(&[1.1]).view(), point.view()).1.is_some());
    }

    #[test]
    fn exactness_is_to_the_bit() {
        let held = |l: &[f32], r: &[f32]| {
            against_exact('a', "test", tensor(l).view(), tensor(r).view()).map(|w| w.wrong)
        };
        assert_eq!(held(&[1.0, 2.0], &[1.0, 2.0]), None);
        assert_eq!(held(&[0.0, 2.0], &[-0.0, 3.0]), Some(2));
    }

    #[test]
    fn ulps_are_the_spacing() {
        assert_eq!(ulp(1.0), 2f64.powi(-23));
        assert_eq!(ulp(-1.5), 2f64.powi(-23));
        assert_eq!(ulp(2.0), 2f64.powi(-22));
        assert_eq!(ulp(0.0), 2f64.powi(-149));
        assert_eq!(ulp(f32::MAX), f64::INFINITY);
    }
}
