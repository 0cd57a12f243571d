//! `triform train`: its report on right forms, on a wrong form, and when the run is stopped.

use serde_json::Value;
use triform::block::Form;
use triform::evidence::any_form::AnyForm;
use triform::train::record::committed;

use crate::common::wrong::{NEXT_PATH, wrong};
use crate::kit::{right, run_with};

#[test]
fn right_forms_stay_equal_to_the_bit_and_a_wrong_one_does_not() {
    let (status, output, _) = run_with(&right(), "train --steps 3", false);
    assert_eq!(status, 0, "{output}");
    assert!(
        output.starts_with("In one order of sums the three forms stay equal to the bit: 3 steps")
    );
    assert!(output.lines().all(|line| line.chars().count() <= 80), "{output}");

    let wrong = wrong(Form::EarlyConcat, NEXT_PATH);
    let forms: [&dyn AnyForm; 3] = [&Form::Aggregated, &wrong, &Form::Grouped];
    let (status, output, _) = run_with(&forms, "train --steps 2", false);
    assert_eq!(status, 1, "{output}");
    assert!(
        output.starts_with("Form (b) is not the same function in training: after step 1"),
        "{output}"
    );
}

/// If the run is stopped at once, the report and the exit status say so, and the JSON is marked as partial.
#[test]
fn an_interrupted_run_is_partial() {
    let (status, output, _) = run_with(&right(), "train", true);
    assert_eq!(status, 130);
    assert!(output.starts_with("Interrupted before the first step"), "{output}");
    let (status, output, _) = run_with(&right(), "train --wrong --json", true);
    let report: Value = serde_json::from_str(&output).unwrap();
    assert_eq!((status, &report["partial"], &report["steps"]), (130, &true.into(), &0.into()));
}

/// The committed run begins like a run of the present program. The first losses are the same, up to rounding in exp and
/// ln.
#[test]
fn the_committed_run_is_one_of_this_program() {
    let (status, output, _) = run_with(&right(), "train --steps 1 --json", false);
    assert_eq!(status, 0, "{output}");
    let report: Value = serde_json::from_str(&output).unwrap();
    let committed = committed().unwrap();
    for (run, committed) in report["runs"].as_array().unwrap().iter().zip(&committed.runs) {
        let first = run["losses"][0].as_f64().unwrap();
        assert!((first - committed.losses[0]).abs() < 1e-5, "{first} {}", committed.losses[0]);
    }
    assert_eq!(committed.runs.len(), 6);
    assert!(committed.as_accurate_as_the_right_one() > 0 && committed.wrong.len() == 12);
}
