//! Tests every rung of the ladder of evidence. Each rung accepts the three forms and refutes wrong forms. No rung
//! passes without having run something.

use std::num::NonZeroU64;

use crate::common::wrong::{MISTAKES, NEXT_PATH, norm_in_each_path, wrong};
use triform::Error;
use triform::block::{BlockForm, BlockSpec, Form};
use triform::evidence::any_form::AnyForm;
use triform::evidence::generator::sample_degenerate;
use triform::evidence::progress::Quiet;
use triform::evidence::rungs::Rung;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verify::{Input, Plan, Report, verify};
use triform::gallery::WrongBlock;
use triform::random::Seed;

const FORMS: [&dyn AnyForm; 3] = [&Form::Aggregated, &Form::EarlyConcat, &Form::Grouped];

/// A small block on which every rung sees every mistake.
fn block() -> Input {
    Input::Block(BlockSpec::new(6, 4, 3, 6).unwrap(), (5, 4))
}

fn plan(rung: Rung, cases: u64) -> Plan {
    Plan { rungs: [rung].into(), cases: NonZeroU64::new(cases).unwrap(), ..Plan::default() }
}

fn climb(forms: &[&dyn AnyForm], plan: &Plan, seed: u64) -> triform::error::Result<Report> {
    verify(forms, &block(), plan, Seed(seed), &Quiet)
}

/// The stages on which `rung` refutes these forms, and the other stages.
fn refuting(rung: Rung, forms: &[&dyn AnyForm]) -> (Vec<String>, Vec<String>) {
    let report = climb(forms, &plan(rung, 20), 1).unwrap();
    let (refuting, others): (Vec<_>, Vec<_>) =
        report.findings.iter().partition(|finding| finding.refutes());
    let stages = |findings: Vec<&Finding>| {
        findings.iter().map(|finding| finding.stage.clone()).collect::<Vec<_>>()
    };
    for finding in &refuting {
        let Verdict::Refuted { witnesses } = &finding.verdict else { unreachable!() };
        assert_eq!(witnesses.len(), 1, "one form is wrong: {witnesses:?}");
        assert!(witnesses[0].wrong > 0, "an element that is wrong: {witnesses:?}");
    }
    assert_eq!(report.refutes(), !refuting.is_empty());
    assert!(!(report.refutes() && report.holds()));
    (stages(refuting), stages(others))
}

/// Five mistakes in weights, made in each form, and one mistake in the order of layers.
fn wrong_forms() -> impl Iterator<Item = (String, WrongBlock)> {
    let with_each = |form| MISTAKES.map(|name| (format!("{form:?} {name}"), wrong(form, name)));
    let norm = ("the last batch norm in each path".to_owned(), norm_in_each_path());
    Form::ALL.into_iter().flat_map(with_each).chain([norm])
}

/// Checks that `rung` accepts the three forms and refutes each wrong form on all its stages. The exceptions are the
/// stages where `blind` says that a mistake is invisible.
fn sees_all_but(rung: Rung, blind: &dyn Fn(&str, &str) -> bool) {
    let (refuted, held) = refuting(rung, &FORMS);
    assert!(refuted.is_empty(), "{rung} refutes the right forms on {refuted:?}");
    assert!(!held.is_empty());
    let mut seen = 0;
    for (number, (name, wrong)) in wrong_forms().enumerate() {
        if matches!(rung, Rung::R5 | Rung::R6) && number < 15 && number % 3 != number / 5 {
            continue; // these take seconds each: every mistake in one form only
        }
        let forms = FORMS.map(|form| {
            if form.letter() == BlockForm::letter(&wrong) { &wrong as &dyn AnyForm } else { form }
        });
        let (refuted, held) = refuting(rung, &forms);
        let missed: Vec<_> = held.iter().filter(|stage| !blind(&name, stage)).collect();
        assert!(missed.is_empty(), "{rung} misses {name} on {missed:?}");
        for stage in &refuted {
            assert!(!blind(&name, stage), "{rung} does see {name} on {stage}");
        }
        seen += usize::from(!refuted.is_empty());
    }
    println!("{rung}: {seen} wrong blocks refuted");
    assert!(seen >= 3);
}

/// A test for each rung, with the mistakes that the rung cannot see.
macro_rules! refutes_wrong_blocks {
    ($($name:ident: $rung:ident, $blind:expr;)*) => {
        $(#[test]
        fn $name() {
            sees_all_but(Rung::$rung, &$blind);
        })*
    };
}

refutes_wrong_blocks! {
    r0_refutes_wrong_blocks: R0, |_, _| false;
    r1_refutes_wrong_blocks: R1, |_, _| false;
    r2_refutes_wrong_blocks: R2, |_, _| false;
    r3_refutes_wrong_blocks: R3, |_, _| false;
    r4_refutes_wrong_blocks: R4, |_, _| false;
    r5_refutes_wrong_blocks: R5, |_, _| false;
    // A 1x1 kernel cannot be flipped. A function inside each path goes unseen over F_2 with three
    // paths: all functions over F_2 are of the form u a + v, and three times v is v.
    r6_refutes_wrong_blocks: R6, |name: &str, stage: &str| {
        name.ends_with("flipped") || (name.ends_with("in each path") && stage == "tiny2")
    };
    r7_refutes_wrong_blocks: R7, |_, _| false;
    r8_refutes_wrong_blocks: R8, |_, _| false;
}

/// R5 shows what it compared, and a monomial that differs.
#[test]
fn r5_shows_a_monomial_that_differs() {
    let report = climb(&FORMS, &plan(Rung::R5, 1), 0).unwrap();
    let mut shapes = Vec::new();
    for finding in &report.findings {
        assert!(matches!(finding.verdict, Verdict::Proved { .. }), "{finding:?}");
        let Bound::Proof { monomials } = finding.bound else { panic!("{finding:?}") };
        println!("{}: {} monomials", finding.scope, monomials);
        assert!(monomials > 500, "{monomials}");
        shapes.push(finding.scope.clone());
    }
    assert!(shapes.len() >= 3);
    for part in ["/2", "pad 0", "256-32x4-256"] {
        assert!(shapes.iter().any(|shape| shape.contains(part)), "{part}");
    }
    let swapped = wrong(Form::EarlyConcat, NEXT_PATH);
    let report =
        climb(&[&Form::Aggregated, &swapped, &Form::Grouped], &plan(Rung::R5, 1), 0).unwrap();
    let Verdict::Refuted { witnesses } = &report.findings[0].verdict else { panic!() };
    let witness = &witnesses[0];
    println!("form ({}): {} for {}", witness.form, witness.found, witness.expected);
    assert_eq!(witness.form, 'b', "the odd one out of three");
    assert!(witness.found.to_string().contains('w') && witness.found != witness.expected);
}

/// If the cases of a generator hide mistakes, the run fails, even on right forms. All other findings are kept.
#[test]
fn a_degenerate_generator_fails_the_run() {
    for rung in Rung::ALL {
        if matches!(rung, Rung::R5 | Rung::R6) {
            continue; // they take no random blocks
        }
        let plan = Plan { generator: sample_degenerate, ..plan(rung, 20) };
        let report = climb(&FORMS, &plan, 0).unwrap();
        let [failure] = &report.failures[..] else { panic!("{rung}: {report:?}") };
        assert!(matches!(failure.error, Error::Degenerate { .. }), "{failure}");
        assert_eq!((failure.rung, failure.stage.as_str()), (Some(rung), "random"));
        assert!(report.partial && !report.holds() && !report.refutes(), "{rung}");
        assert!(report.findings.iter().any(|finding| finding.stage == "block"), "{rung}");
        let said = format!("{rung} on random: the generator broke its contract");
        assert!(failure.to_string().starts_with(&said), "{failure}");
    }
}

/// An error does not hide a refutation in the same run.
#[test]
fn a_refutation_is_kept_beside_a_failure() {
    let wrong = wrong(Form::EarlyConcat, "last-path-dropped");
    let plan = Plan { generator: sample_degenerate, ..plan(Rung::R3, 20) };
    let report = climb(&[&Form::Aggregated, &wrong, &Form::Grouped], &plan, 0).unwrap();
    assert!(report.refutes() && !report.failures.is_empty(), "{report:?}");
}

/// It is an error to run no rung. It is also an error to run a single form, which always agrees with itself.
#[test]
fn nothing_is_no_evidence() {
    let none = Plan { rungs: [].into(), ..Plan::default() };
    assert!(matches!(climb(&FORMS, &none, 0), Err(Error::Zero { .. })));
    assert!(climb(&FORMS[..1], &plan(Rung::R4, 1), 0).is_err());
}

/// No correct block is refuted. `cargo run --release -- verify --rung R1,R2,R3,R4 --cases 10000` tries more blocks.
#[test]
fn no_false_alarms() {
    let cases = 1000;
    let rungs = [Rung::R1, Rung::R2, Rung::R3, Rung::R4];
    let plan = Plan { rungs: rungs.into(), ..plan(Rung::R1, cases) };
    let report = climb(&FORMS, &plan, 2026).unwrap();
    assert!(report.holds());
    for rung in rungs {
        let random = |f: &&Finding| (f.rung, &*f.stage) == (rung, "random");
        let finding = report.findings.iter().find(random).unwrap();
        println!("{rung}: {} blocks, {} redraws, none refuted", finding.cases, finding.redraws);
        assert_eq!(finding.cases.get(), cases);
    }
}

/// The same seed gives the same evidence, and another seed gives different evidence.
#[test]
fn evidence_repeats() {
    let words = |seed| {
        let report = climb(&FORMS, &Plan { cases: NonZeroU64::MIN, ..Plan::default() }, seed);
        let report = report.unwrap();
        let words = report.findings.iter().map(|finding| format!("{:?}", finding.bound));
        words.collect::<Vec<_>>()
    };
    assert_eq!(words(5), words(5));
    assert_ne!(words(5), words(6));
}
