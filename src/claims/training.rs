//! Checks of training.

use std::num::NonZeroU64;

use super::{Given, refuted};
use crate::block::Form;
use crate::error::Result;
use crate::evidence::{AnyForm, Bound, Quiet, Verdict};
use crate::gallery::named;
use crate::train::lockstep::{Plan, Report, lockstep};
use crate::train::record;

/// Steps of training for a claim.
const STEPS: usize = 3;

pub(super) fn in_lockstep(given: Given) -> Result<Verdict> {
    let wrong = named("next-path-3x3")?.wrong();
    let b: &dyn AnyForm = given.pick(&Form::EarlyConcat, &wrong);
    let forms = [&Form::Aggregated, b, &Form::Grouped];
    let plan = Plan { steps: STEPS, ..Plan::default() };
    let Report { apart, steps, numbers, .. } = lockstep(&forms, &plan, &Quiet)?;
    if let Some(apart) = apart {
        let found = format!("{} of {numbers} after step {}", apart.differing, apart.step);
        return Ok(refuted("weights that differ", &found, "0"));
    }
    let values = (steps * numbers * (forms.len() - 1)) as u64;
    Ok(match NonZeroU64::new(steps as u64) {
        Some(cases) => Verdict::Supported { cases, bound: Bound::Exact { values } },
        None => refuted("steps of training", "0", "3"),
    })
}

pub(super) fn accuracy_is_no_test(given: Given) -> Result<Verdict> {
    let mut record = record::committed()?;
    if given == Given::Wrong {
        // Ten digits.
        record.wrong.iter_mut().for_each(|wrong| wrong.accuracy = Some(0.1));
    }
    let as_good = record.as_accurate_as_the_right_one();
    let all = record.wrong.len();
    Ok(match as_good {
        1.. => Verdict::Proved {
            scope: format!(
                "by example: in the committed run {as_good} of {all} wrong blocks are at least as accurate \
                 as the right one in its least accurate run, {:.1}%",
                100.0 * record.least_accurate()
            ),
        },
        _ => refuted("wrong blocks as accurate as the right one", "0", "1 or more"),
    })
}
