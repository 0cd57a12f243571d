//! Rungs on random blocks of the generator.

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::Done;
use super::plan::Plan;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::contract::Coverage;
use crate::evidence::generator::Case;
use crate::evidence::progress::Progress;
use crate::evidence::rungs::{Draw, Rung};
use crate::evidence::verdict::{Bound, Evidence};
use crate::random::Seed;

/// A case that is not alive is drawn again this often at most.
const ATTEMPTS: u64 = 20;

/// `rung` on the plan's random blocks: what those that ran showed, and the first that failed.
pub(super) fn climb(
    rung: Rung,
    forms: &[&dyn AnyForm],
    plan: &Plan,
    seed: Seed,
    progress: &dyn Progress,
) -> Done {
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
    let mut done = Done::default();
    for evidence in all {
        match evidence {
            Ok(Some(evidence)) => {
                done.evidence = Some(match done.evidence.take() {
                    Some(sum) => sum.and(evidence),
                    None => evidence,
                });
            }
            Ok(None) => done.stopped = true,
            Err(error) => {
                done.failure.get_or_insert(error);
            }
        }
    }
    done
}

/// One rung that takes random cases on the one of this number; `None` where it was stopped.
pub(crate) fn one_case(
    rung: Rung,
    forms: &[&dyn AnyForm],
    generator: fn(Seed, u64, u64) -> Case,
    (seed, number): Draw,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Evidence>> {
    for attempt in 0..ATTEMPTS {
        if stopped() {
            return Ok(None);
        }
        let case = generator(seed, number, attempt);
        let coverage = Coverage::of(&case);
        let evidence = if coverage.broken().is_some() {
            // Whatever comes of such a case is not worth computing.
            Some(Evidence::of(Bound::Exact { values: 0 }, None))
        } else {
            rung.on_case(forms, &case, (seed, number))?
        };
        if let Some(evidence) = evidence {
            return Ok(Some(Evidence { redraws: attempt, coverage, ..evidence }));
        }
    }
    Err(Error::Redraws { rung: rung.to_string(), redraws: ATTEMPTS, cases: number })
}
