//! R0, approximate: equal up to a tolerance that somebody chose.
//!
//! This is how people compare blocks, and it is a smoke test: it catches what is grossly wrong. But
//! a tolerance that is chosen is right for the data it was chosen on. PyTorch's `allclose` allows
//! 1e-8 and 1e-5 of the value, and its `testing.assert_close` for `float32` 1e-5 and 1.3e-6 of the
//! value. An element at which large terms cancel is off by the rounding of those, whatever is left
//! of it; so with inputs of 0 to 255 correct forms are refuted (a test shows it), and with tiny inputs
//! wrong ones pass.
//!
//! Here the tolerance is a part of the *largest* output, [`TOLERANCE`], which at least grows with
//! the data. Why that much? No reason can be given. That is the lesson; the next rung derives its
//! bound.

use approx::{AbsDiffEq, abs_diff_eq};
use ndarray::Array4;

use super::any_form::AnyForm;
use super::compare::{Value, Witness, Witnesses, compare, largest};
use super::verdict::{Bound, Evidence};

/// Part of the largest output by which two forms may differ: 2^-13, about 1.2e-4.
pub const TOLERANCE: f32 = 1.0 / 8192.0;

/// Compares each form's output to that of the form which is closest to all the others (on a tie, the
/// last).
///
/// # Panics
///
/// If the shapes differ.
pub fn close(forms: &[&dyn AnyForm], outputs: &[Array4<f32>]) -> Evidence {
    let largest = outputs.iter().fold(0f32, |max, output| max.max(largest(output.view())));
    let epsilon = TOLERANCE * largest;
    let apart =
        |left: &Array4<f32>, right: &Array4<f32>| compare(left.view(), right.view()).max_abs;
    let from_all = |of: &Array4<f32>| outputs.iter().map(|other| apart(of, other)).sum::<f64>();
    let nearest = outputs.iter().rev().min_by(|l, r| from_all(l).total_cmp(&from_all(r)));
    let Some(most) = nearest else {
        return Evidence { cases: 0, ..Evidence::of(bound(0.0), None) };
    };
    let mut used = 0f64;
    let mut witnesses = Witnesses::default();
    for (form, output) in forms.iter().zip(outputs) {
        let difference = apart(output, most);
        if difference > 0.0 {
            used = used.max(difference / f64::from(epsilon));
        }
        if !output.abs_diff_eq(most, epsilon) {
            witnesses.add(first(*form, output, most, epsilon));
        }
    }
    Evidence::of(bound(used), witnesses)
}

fn bound(used: f64) -> Bound {
    Bound::Tolerance { relative: f64::from(TOLERANCE), used }
}

fn first(
    form: &dyn AnyForm,
    output: &Array4<f32>,
    most: &Array4<f32>,
    epsilon: f32,
) -> Option<Witness> {
    let apart = |((_, l), r): &((_, &f32), &f32)| !abs_diff_eq!(**l, **r, epsilon = epsilon);
    let mut apart = output.indexed_iter().zip(most).filter(apart);
    let ((index, found), expected) = apart.next()?;
    Some(Witness {
        form: form.letter(),
        name: form.name(),
        place: "output",
        index: index.into(),
        found: Value::Number(f64::from(*found)),
        expected: Value::Number(f64::from(*expected)),
        allowed: f64::from(epsilon),
        wrong: 1 + apart.count(),
        elements: output.len(),
    })
}
