//! Judges answers to the whole suite of cases.

use triform::Seed;
use triform::check::{Plan, cases, judge};

use crate::common::handed::{no_trivial_answer_passes, refuted_by_fewer_than, right};

#[test]
fn three_cases_refute_each_mistake() {
    assert_eq!(refuted_by_fewer_than(3, &cases(&Plan::default()).unwrap()), []);
}

#[test]
fn trivial_answers_pass_no_case() {
    no_trivial_answer_passes(&cases(&Plan::default()).unwrap());
}

/// The right values, rounded to `f32`, lie within what is allowed, for every seed.
#[test]
fn right_answers_pass_at_every_seed() {
    for seed in 0..20 {
        let plan = Plan { seed: Seed(seed), quick: seed > 0, ..Plan::default() };
        let report = judge(&cases(&plan).unwrap(), |case| Ok(right(case))).unwrap();
        assert_eq!(report.verdict(), "agree", "{}", report.words(&format!("seed {seed}")));
    }
}
