//! R1 on one block: end to end, and at cuts.

use ndarray::Array4;

use super::{Draw, Method, OnNetwork, on_floats};
use crate::block::Functions;
use crate::conv::Fast;
use crate::error::Result;
use crate::evidence::bound::{Ball, Cuts, NormBalls, balls_by};
use crate::evidence::{Bound, Evidence, Forms, OnReal, Problem, against_balls, who};

/// R1.
pub const METHOD: Method = Method {
    name: "derived bound",
    asks: "apart by rounding alone?",
    says: "No value is further off than rounding can explain. Used: the largest part of that bound that any \
           value uses, end to end / layer by layer.",
    blind_to: "errors no larger than rounding; end to end also some larger errors that it catches layer by \
               layer, such as one weight off by a thousandth or a missing epsilon",
    on_case: Some(("f32", |forms, case, draw| on_floats(forms, case, draw, on_block))),
    on_block: Some(("whole and layer by layer", on_block)),
    on_network: Some(OnNetwork {
        column: "rounding used",
        legend: "the largest part that any value uses of what rounding can explain, end to end / layer by layer \
                 (a much tighter bound); more than 100% cannot be rounding.",
        scope: "on what it receives, whole and layer by layer",
        draws_its_data: false,
        judge: on_block,
    }),
    ..Method::NONE
};

fn on_block(forms: Forms<'_>, real: &OnReal<'_>, _draw: Draw) -> Result<Evidence> {
    let norms = real.norms.cast();
    judge(forms, &real.problem(), real.outputs, &NormBalls::new(&norms).functions())
}

/// Judges the forms on this problem. `exact` holds the same functions over balls.
pub fn within(
    forms: Forms<'_>,
    problem: &Problem<'_, f32>,
    exact: &Functions<'_, Ball>,
) -> Result<Evidence> {
    judge(forms, problem, &problem.solve_all(forms, &Fast::new())?, exact)
}

/// Like [`within`], but with outputs that are already computed.
fn judge(
    forms: Forms<'_>,
    problem: &Problem<'_, f32>,
    outputs: &[Array4<f32>],
    exact: &Functions<'_, Ball>,
) -> Result<Evidence> {
    let balls = balls_by(problem.weights, problem.x, exact)?;
    let cuts = Cuts::new(problem, exact)?;
    let (difference, blunt) = bound_on_differences(&balls);
    let (mut used, mut used_at_cuts, mut witnesses) = (0f64, 0f64, Vec::new());
    for (form, output) in forms.iter().zip(outputs) {
        let (part, outside) = against_balls(who(*form), output, &balls);
        let (part_at_cuts, outside_at_cut) = cuts.hold(*form, problem)?;
        used = used.max(part);
        used_at_cuts = used_at_cuts.max(part_at_cuts);
        witnesses.extend(outside.or(outside_at_cut));
    }
    let bound = Bound::Rounding { difference, used, used_at_cuts };
    Ok(Evidence { blunt, ..Evidence::of(bound, witnesses) })
}

/// The largest difference that two correct forms can have, and whether this bound exceeds the largest output. If so,
/// the bound says nothing.
fn bound_on_differences(balls: &Array4<Ball>) -> (f64, bool) {
    let radius = balls.iter().fold(0f64, |largest, ball| largest.max(ball.radius));
    let size = balls.iter().fold(0f64, |largest, ball| largest.max(ball.centre.abs()));
    (2.0 * radius, 2.0 * radius > size)
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
            bound_on_differences(&balls)
        };
        assert_eq!(of(-8.0, 1.0), (2.0, false));
        assert_eq!(of(-8.0, 4.5), (9.0, true));
    }
}
