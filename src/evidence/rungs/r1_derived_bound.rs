//! R1 on one block: end to end, and at cuts.

use ndarray::{Array4, ArrayView4};

use crate::block::{BlockNorms, Functions};
use crate::conv::Fast;
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::bound::{Ball, Cuts, NormBalls, balls_by};
use crate::evidence::compare::{Witnesses, against_balls};
use crate::evidence::generator::Case;
use crate::evidence::problem::RealProblem;
use crate::evidence::rungs::{Climb, Draw, NetworkBlock, OnNetwork};
use crate::evidence::verdict::{Bound, Evidence};

/// The forms on this problem, whose functions over balls are `exact`.
///
/// # Errors
///
/// A form that is none of the block.
pub fn within(
    forms: &[&dyn AnyForm],
    problem: &Problem<'_, f32>,
    exact: &Functions<'_, Ball>,
) -> Result<Evidence> {
    let outputs = problem.solve_all(forms, &Fast::new())?;
    judge(forms, problem, &outputs, exact)
}

/// The same, where the outputs are there already.
///
/// # Errors
///
/// A form that is none of the block.
pub fn judge(
    forms: &[&dyn AnyForm],
    problem: &Problem<'_, f32>,
    outputs: &[Array4<f32>],
    exact: &Functions<'_, Ball>,
) -> Result<Evidence> {
    let balls = balls_by(problem.weights, problem.x, exact)?;
    let cuts = Cuts::new(problem, exact)?;
    let (difference, blunt) = bound_on_differences(balls.view());
    let (mut used, mut used_at_cuts, mut witnesses) = (0f64, 0f64, Witnesses::default());
    for (form, output) in forms.iter().zip(outputs) {
        let (part, outside) =
            against_balls(form.letter(), form.name(), output.view(), balls.view());
        let (part_at_cuts, outside_at_cut) = cuts.hold(*form, problem)?;
        used = used.max(part);
        used_at_cuts = used_at_cuts.max(part_at_cuts);
        witnesses.add(outside.or(outside_at_cut));
    }
    let bound = Bound::Rounding { difference, used, used_at_cuts };
    Ok(Evidence { blunt, ..Evidence::of(bound, witnesses) })
}

/// The largest difference that two correct forms can have, and whether it is larger than the
/// largest output, so that it says nothing.
fn bound_on_differences(balls: ArrayView4<'_, Ball>) -> (f64, bool) {
    let radius = balls.iter().fold(0f64, |largest, ball| largest.max(ball.radius));
    let size = balls.iter().fold(0f64, |largest, ball| largest.max(ball.centre.abs()));
    (2.0 * radius, 2.0 * radius > size)
}

/// R1.
pub struct DerivedBound;

impl Climb for DerivedBound {
    fn name(&self) -> &'static str {
        "derived bound"
    }

    fn asks(&self) -> &'static str {
        "further apart than rounding can explain? End to end, and layer by layer"
    }

    fn says(&self) -> &'static str {
        "No value is further off than rounding can explain. Used: how much of that any value uses at \
         most, end to end / layer by layer."
    }

    fn blind_to(&self) -> &'static str {
        "errors no larger than rounding; end to end also some that layer by layer it catches: \
         one weight off by a thousandth, an epsilon left out"
    }

    fn case_scope(&self) -> Option<&'static str> {
        Some("f32")
    }

    fn on_case(&self, forms: &[&dyn AnyForm], case: &Case, draw: Draw) -> Result<Option<Evidence>> {
        let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
        let outputs = real.problem().solve_all(forms, &Fast::new())?;
        self.on_block(forms, &real, &outputs, draw)
    }

    fn block_scope(&self) -> Option<&'static str> {
        Some("whole and layer by layer")
    }

    fn on_block(
        &self,
        forms: &[&dyn AnyForm],
        real: &RealProblem,
        outputs: &[Array4<f32>],
        _draw: Draw,
    ) -> Result<Option<Evidence>> {
        on_norms(forms, &real.problem(), outputs, &real.norms).map(Some)
    }

    fn on_network(&self) -> Option<&'static dyn OnNetwork> {
        Some(&Self)
    }
}

impl OnNetwork for DerivedBound {
    fn column(&self) -> &'static str {
        "rounding used"
    }

    fn legend(&self) -> &'static str {
        "of what rounding can explain, the largest part that any value uses, end to end / layer by layer, \
         where the bound is much tighter; beyond 100% no rounding explains it."
    }

    fn scope(&self) -> &'static str {
        "on what it receives, whole and layer by layer"
    }

    fn judge(
        &self,
        forms: &[&dyn AnyForm],
        block: &NetworkBlock<'_, '_>,
        _draw: Draw,
    ) -> Result<Evidence> {
        on_norms(forms, block.problem, block.outputs, block.norms)
    }
}

fn on_norms(
    forms: &[&dyn AnyForm],
    problem: &Problem<'_, f32>,
    outputs: &[Array4<f32>],
    norms: &BlockNorms<f32>,
) -> Result<Evidence> {
    let norms = norms.cast();
    judge(forms, problem, outputs, &NormBalls::new(&norms).functions())
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
