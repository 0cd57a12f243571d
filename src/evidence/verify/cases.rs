//! Each rung on random blocks of the generator.

use rand::Rng as _;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::Progress;
use super::plan::Plan;
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::approximate::{self, Tolerance};
use crate::evidence::bitwise::{
    any_float, images_do_not_mix, powers_of_two_pass_through, to_the_bit,
};
use crate::evidence::bound::{NormBalls, within};
use crate::evidence::contract::Coverage;
use crate::evidence::exact::{self, ExactCase, LIMIT_F32, certify};
use crate::evidence::field::{self, Shape};
use crate::evidence::generator::{Case, Layout};
use crate::evidence::gradient;
use crate::evidence::problem::RealProblem;
use crate::evidence::training;
use crate::evidence::verdict::{Bound, Evidence, Rung};
use crate::random::{Purpose, Seed};

/// A case that is not alive is drawn again this often at most.
const ATTEMPTS: u64 = 20;

/// `rung` on the plan's random blocks; nothing where it takes none, `None` where it was stopped.
pub(super) fn climb(
    rung: Rung,
    forms: &[&dyn AnyForm],
    plan: &Plan,
    seed: Seed,
    progress: &Progress<'_>,
) -> Result<Option<Evidence>> {
    let one = |number: u64| -> Result<Option<Evidence>> {
        let stopped = || progress.stopped();
        let evidence = one_case(rung, forms, plan.generator, (seed, number), &stopped)?;
        match evidence.as_ref().and_then(|evidence| evidence.coverage.broken()) {
            Some(clause) => {
                let rung = rung.to_string();
                Err(Error::Degenerate { rung, clause, cases: plan.cases.get() })
            }
            None => Ok(evidence),
        }
    };
    let all: Vec<_> = (0..plan.cases.get()).into_par_iter().map(one).collect();
    let mut sum: Option<Evidence> = None;
    for evidence in all {
        let Some(evidence) = evidence? else { return Ok(None) };
        sum = Some(match sum {
            Some(sum) => sum.and(evidence),
            None => evidence,
        });
    }
    Ok(sum)
}

/// One rung on the block of this number; `None` where it takes none or was stopped.
pub(in crate::evidence) fn one_case(
    rung: Rung,
    forms: &[&dyn AnyForm],
    generator: fn(Seed, u64, u64) -> Case,
    (seed, number): (Seed, u64),
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Evidence>> {
    for attempt in 0..ATTEMPTS {
        if stopped() || matches!(rung, Rung::R5 | Rung::R6) {
            return Ok(None);
        }
        let case = generator(seed, number, attempt);
        let coverage = Coverage::of(&case);
        let evidence = if coverage.broken().is_some() {
            // Whatever comes of such a case is not worth computing.
            Some(Evidence::of(Bound::Exact { values: 0 }, None))
        } else {
            on(rung, forms, &case, seed, number)?
        };
        if let Some(evidence) = evidence {
            return Ok(Some(Evidence { redraws: attempt, coverage, ..evidence }));
        }
    }
    Err(Error::Redraws { rung: rung.to_string(), redraws: ATTEMPTS, cases: number })
}

/// One rung on one case; `None` where a channel of it is not alive.
fn on(
    rung: Rung,
    forms: &[&dyn AnyForm],
    case: &Case,
    seed: Seed,
    number: u64,
) -> Result<Option<Evidence>> {
    match rung {
        Rung::R0 | Rung::R1 | Rung::R2 | Rung::R8 => {
            let real = RealProblem::of(case)?;
            if real.is_alive() {
                on_floats(rung, forms, &real, case.layout, seed, number)
            } else {
                Ok(None)
            }
        }
        Rung::R3 | Rung::R7 => {
            let exact =
                certify(case.weights.clone(), case.layout.lay(&case.x), &case.live(), LIMIT_F32)?;
            let exact = exact.ok().filter(ExactCase::is_alive);
            let Some(exact) = exact else { return Ok(None) };
            if rung == Rung::R3 {
                return exact::to_the_bit(forms, &exact, case.layout).map(Some);
            }
            let mut rng = seed.stream(Purpose::Directions, &[number]);
            let floats = gradient::over_floats(forms, &exact, case.layout, &mut rng)?;
            let Some(floats) = floats else { return Ok(None) };
            let field = gradient::over_the_field(forms, &shape(case), seed, &[number])?;
            // One case, of which the field says how sure it is.
            Ok(Some(Evidence {
                cases: 1,
                ..Evidence::of(field.bound, floats.witnesses).and(field)
            }))
        }
        Rung::R4 => {
            let linear = field::linear(forms, &shape(case), seed, &[number, 0])?;
            let functions = field::with_random_functions(forms, &shape(case), seed, &[number, 1])?;
            let both = linear.and(functions);
            Ok(Some(Evidence { cases: 1, ..both }))
        }
        // These know what they try.
        Rung::R5 | Rung::R6 => Ok(None),
    }
}

fn shape(case: &Case) -> Shape {
    let (n, _, h, w) = case.x.dim();
    Shape { spec: case.spec, n, map: (h, w), layout: case.layout }
}

fn on_floats(
    rung: Rung,
    forms: &[&dyn AnyForm],
    real: &RealProblem,
    layout: Layout,
    seed: Seed,
    number: u64,
) -> Result<Option<Evidence>> {
    let problem = real.problem();
    Ok(Some(match rung {
        Rung::R0 => {
            let outputs = problem.solve_all(forms, &Fast::new())?;
            let tolerance = Tolerance::of(&real.weights, &real.norms, real.x.view())?;
            approximate::close(forms, &outputs, &tolerance)
        }
        Rung::R1 => {
            let norms = real.norms.cast();
            within(forms, &problem, &NormBalls::new(&norms).functions())?
        }
        Rung::R2 => {
            let mut rng = seed.stream(Purpose::Floats, &[number]);
            let k = [-7, 9][rng.random_range(0..2)];
            let scaled = powers_of_two_pass_through(forms, &real.weights, &real.norms, &real.x, k)?;
            // Of every kind: few in the weights, for each spoils a channel.
            let weights = real.weights.map(|_| any_float(&mut rng, 1));
            let x = layout.lay(&real.x.map(|_| any_float(&mut rng, 30)));
            let wild = to_the_bit(forms, &weights, &real.norms, &x)?;
            let images = images_do_not_mix(forms, &weights, &real.norms, &x)?;
            Evidence { cases: 1, ..scaled.and(wild).and(images) }
        }
        _ => {
            let Some(real) = training::centred(real)? else { return Ok(None) };
            training::on(forms, &real)?
        }
    }))
}
