//! Both rungs on what the forms gave for one block.

use ndarray::ArrayView4;
use sha2::{Digest, Sha256};

use super::findings::{BlockReport, ExactReport, Rung};
use super::run::Run;
use crate::block::{Activation, NormFunctions};
use crate::conv::{Convolver, Fast, Reference};
use crate::count;
use crate::error::{Error, Result};
use crate::evidence::any_form::{AnyForm, Over};
use crate::evidence::bound::{Ball, balls};
use crate::evidence::compare::{Witness, against_balls, against_exact, compare, largest, ulp};
use crate::evidence::exact::{self, ExactCase, LIMIT_F32, LIMIT_F64};
use crate::random::Seed;
use crate::scalar::Real;

/// Both rungs on one block.
pub(super) fn judge(
    forms: &[&dyn AnyForm],
    run: &Run,
    seed: Seed,
    number: usize,
    say: &dyn Fn(&str),
) -> Result<BlockReport> {
    let spec = run.named.spec;
    let (_, _, h, w) = run.x.dim();
    let mut refuted = Vec::new();

    say("the derived bound");
    let balls = balls(&run.weights, &run.norms, run.x.view())?;
    let mut used = 0f64;
    for (form, output) in forms.iter().zip(&run.outputs) {
        check_shape(output.shape(), balls.shape())?;
        let (part, witness) =
            against_balls(form.letter(), form.name(), output.view(), balls.view());
        used = used.max(part);
        refuted.extend(witness.map(|witness| (Rung::R1, witness)));
    }
    let (bound, bound_is_blunt) = bound_on_differences(balls.view());
    let activation = run.outputs.iter().fold(0f32, |max, output| max.max(largest(output.view())));

    say("exact integers");
    let map = (1, h, w);
    let (case, float) = match exact::draw(spec, map, LIMIT_F32, seed, number as u64) {
        Ok(case) => (case, "f32"),
        Err(Error::NoExactCase { .. }) => {
            (exact::draw(spec, map, LIMIT_F64, seed, number as u64)?, "f64")
        }
        Err(error) => return Err(error),
    };
    let (differing, witnesses) = if float == "f32" {
        exact_run::<f32, _>(forms, &case, &Fast::new())?
    } else {
        exact_run::<f64, _>(forms, &case, &Reference::default())?
    };
    refuted.extend(witnesses.into_iter().map(|witness| (Rung::R3, witness)));

    let grouped = forms.iter().position(|form| form.letter() == 'c');
    Ok(BlockReport {
        name: run.named.name.clone(),
        spec,
        map: (h, w),
        parameters: count::block(&spec)?,
        times: run.times.clone(),
        differences: pairs(forms, |i, j| {
            compare(run.outputs[i].view(), run.outputs[j].view()).max_abs
        }),
        largest: activation,
        ulp: ulp(activation),
        bound,
        used,
        bound_is_blunt,
        digest: digest(run.outputs[grouped.unwrap_or(forms.len() - 1)].view()),
        exact: ExactReport {
            float,
            reached: case.reached,
            limit: if float == "f32" { LIMIT_F32 } else { LIMIT_F64 },
            differing,
            elements: case.expected.len(),
        },
        dead_channels: run.dead_channels + case.dead_channels,
        refuted,
    })
}

/// The largest difference that two correct forms can have, and whether it is larger than the
/// largest output, so that it says nothing.
fn bound_on_differences(balls: ArrayView4<'_, Ball>) -> (f64, bool) {
    let radius = balls.iter().fold(0f64, |largest, ball| largest.max(ball.radius));
    let size = balls.iter().fold(0f64, |largest, ball| largest.max(ball.centre.abs()));
    (2.0 * radius, 2.0 * radius > size)
}

type ExactFindings = (Vec<(String, usize)>, Vec<Witness>);

/// Each form on an exact case: how many elements differ between each two, and where a form
/// differs from the integers.
fn exact_run<S: Real, V: Convolver<S> + 'static>(
    forms: &[&dyn AnyForm],
    case: &ExactCase,
    convolver: &V,
) -> Result<ExactFindings>
where
    for<'f> dyn AnyForm + 'f: Over<S, V>,
{
    let (weights, x, expected) = (case.weights::<S>(), case.x::<S>(), case.expected::<S>());
    let functions = NormFunctions::<S>::new(&case.norms.cast(), Activation::Relu)?;
    let mut outputs = Vec::with_capacity(forms.len());
    let mut witnesses = Vec::new();
    for form in forms {
        let block = <dyn AnyForm as Over<S, V>>::bottleneck(*form, &weights, convolver)?;
        let output = block.forward(x.view(), &functions.functions(), convolver)?;
        check_shape(output.shape(), expected.shape())?;
        witnesses.extend(against_exact(form.letter(), form.name(), output.view(), expected.view()));
        outputs.push(output);
    }
    let differing = pairs(forms, |i, j| compare(outputs[i].view(), outputs[j].view()).differing);
    Ok((differing, witnesses))
}

/// A form that gives another shape is no form of the block.
fn check_shape(found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), found.to_vec());
    Err(Error::Shape { what: "output of a form", expected, found })
}

/// Something for each pair of forms, named by their letters: first and second, second and
/// third, and so on, then the others.
fn pairs<T>(forms: &[&dyn AnyForm], of: impl Fn(usize, usize) -> T) -> Vec<(String, T)> {
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

/// SHA-256 of a tensor's bits, in order, little-endian.
fn digest(x: ArrayView4<'_, f32>) -> String {
    let mut hasher = Sha256::new();
    for value in x {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::bound_on_differences;
    use crate::evidence::bound::Ball;

    #[test]
    fn two_forms_may_lie_on_either_side_of_the_centre() {
        let of = |centre, radius| {
            let mut balls = Array4::from_elem((1, 1, 2, 2), Ball { centre: 0.5, radius: 0.25 });
            balls[[0, 0, 1, 0]] = Ball { centre, radius };
            bound_on_differences(balls.view())
        };
        assert_eq!(of(-8.0, 1.0), (2.0, false));
        assert_eq!(of(-8.0, 4.5), (9.0, true));
    }
}
