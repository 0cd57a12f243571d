//! Each part of a rung sees the kind of mistake that it is there to find. The forms in these tests have one mistake.

use std::num::NonZeroU64;

use ndarray::Array4;
use triform::Error;
use triform::block::{BlockSpec, Form, Layer};
use triform::evidence::any_form::AnyForm;
use triform::evidence::bound::{Cuts, NormBalls};
use triform::evidence::generator::{Case, Layout, Shape, sample};
use triform::evidence::live::RealProblem;
use triform::evidence::progress::Quiet;
use triform::evidence::rungs::Rung;
use triform::evidence::rungs::r3_exact_integers::{LIMIT_F32, certify};
use triform::evidence::rungs::r7_derivatives::over_floats;
use triform::evidence::verdict::{Bound, Finding, Verdict};
use triform::evidence::verify::{Failure, Input, Plan, Report, verify};
use triform::gallery::branches::{Around, Fault};
use triform::gallery::functions::Change;
use triform::gallery::kernels::Kernels;
use triform::gallery::{MadeIn, WrongBlock};
use triform::random::{Purpose, Seed};
use triform::scalar::Int;

fn climb(forms: &[&dyn AnyForm], plan: &Plan) -> triform::error::Result<Report> {
    let block = Input::Block(BlockSpec::new(64, 4, 3, 64)?, (5, 4));
    verify(forms, &block, plan, Seed(1), &Quiet)
}

fn plan(rung: Rung) -> Plan {
    Plan { rungs: [rung].into(), cases: NonZeroU64::new(20).unwrap(), ..Plan::default() }
}

fn odd(form: Form, made_in: MadeIn) -> WrongBlock {
    WrongBlock::new(form, "an odd one", made_in)
}

/// The findings of `rung` with a mistake in form (b) only.
fn with_one_odd(rung: Rung, made_in: MadeIn) -> Vec<Finding> {
    let odd = odd(Form::EarlyConcat, made_in);
    climb(&[&Form::Aggregated, &odd, &Form::Grouped], &plan(rung)).unwrap().findings
}

/// The findings of `rung` with the same mistake in all three forms, so that the forms agree.
fn with_all_odd(rung: Rung, made_in: MadeIn) -> Vec<Finding> {
    let [a, b, c] = Form::ALL.map(|form| odd(form, made_in));
    climb(&[&a, &b, &c], &plan(rung)).unwrap().findings
}

fn all_refute(findings: &[Finding]) -> bool {
    !findings.is_empty() && findings.iter().all(Finding::refutes)
}

/// The stages on which these findings refute.
fn refuting(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|finding| finding.refutes()).map(|f| f.stage.as_str()).collect()
}

fn places(findings: &[Finding]) -> Vec<&'static str> {
    let witnesses = findings.iter().filter_map(|finding| match &finding.verdict {
        Verdict::Refuted { witnesses } => Some(witnesses[0].place),
        _ => None,
    });
    witnesses.collect()
}

#[test]
fn functions_left_out_or_exchanged_are_seen() {
    for rung in [Rung::R4, Rung::R5, Rung::R6, Rung::R7, Rung::R8, Rung::R1, Rung::R3] {
        for oddity in [
            MadeIn::Function(Change::NoActivation, Layer::Output),
            MadeIn::Function(Change::OwnChannel, Layer::Reduce),
            MadeIn::Around(Around::FunctionsExchanged),
        ] {
            let findings = with_one_odd(rung, oddity);
            let refuting = refuting(&findings);
            if rung == Rung::R6 {
                // With one function for all channels or layers, an exchange changes nothing.
                assert!(refuting.contains(&"tiny1"), "{oddity:?}: {refuting:?}");
            } else {
                assert!(all_refute(&findings), "{rung} {oddity:?}: {refuting:?}");
            }
        }
    }
}

#[test]
fn r1_sees_a_loss_of_precision_at_cuts_only() {
    let findings = with_one_odd(Rung::R1, MadeIn::Kernels(Kernels::FewerBits));
    assert_eq!(
        (findings[0].stage.as_str(), places(&findings)[0]),
        ("block", "after the first 1x1")
    );
    let Bound::Rounding { used, used_at_cuts, .. } = findings[0].bound else { panic!() };
    assert!(used < 1.0 && used_at_cuts > 1.0, "{used} {used_at_cuts}");
    // On integers of a few bits nothing is lost; compared to the bit, everything shows.
    assert!(refuting(&with_one_odd(Rung::R3, MadeIn::Kernels(Kernels::FewerBits))).is_empty());
    assert!(all_refute(&with_one_odd(Rung::R2, MadeIn::Kernels(Kernels::FewerBits))));
}

#[test]
fn what_is_done_after_the_last_cut_is_seen_at_cuts() {
    let spec = BlockSpec::new(6, 4, 3, 6).unwrap();
    let real = RealProblem::draw(&Shape::new(spec, (4, 5)), Seed(1), &[]).unwrap();
    let problem = real.problem();
    let exact = real.norms.cast();
    let cuts = Cuts::new(&problem, &NormBalls::new(&exact).functions()).unwrap();
    let exchanged = odd(Form::Grouped, MadeIn::Around(Around::OutputsExchanged));
    let (_, witness) = cuts.hold(&exchanged, &problem).unwrap();
    assert_eq!(witness.map(|witness| witness.place), Some("output"));
    assert_eq!(cuts.hold(&Form::Grouped, &problem).unwrap().1, None);
}

#[test]
fn r2_sees_bits_images_and_scale() {
    assert!(all_refute(&with_one_odd(Rung::R2, MadeIn::Around(Around::NegativeZero))));
    // All three forms have the same fault, so only the laws of R2 itself can refute them.
    let mixed = with_all_odd(Rung::R2, MadeIn::Convolution(Fault::FirstImage));
    assert_eq!(refuting(&mixed), ["random"]);
    assert_eq!(places(&mixed), ["output, each image by itself"]);
    let clamped = with_all_odd(Rung::R2, MadeIn::Around(Around::Clamped));
    assert_eq!(places(&clamped), ["output, all times a power of 2"]);
    let Bound::Exact { values } = mixed[0].bound else { panic!() };
    assert_eq!(values, 3 * 2 * 64 * 3 * 4, "three forms, two images");
}

#[test]
fn r3_calls_a_form_again() {
    assert_eq!(
        refuting(&with_one_odd(Rung::R3, MadeIn::Convolution(Fault::DirtyScratch))),
        ["random"]
    );
}

#[test]
fn r4_is_as_sure_as_its_less_sure_half() {
    for finding in with_one_odd(Rung::R4, MadeIn::Nothing) {
        let Bound::Probability { at_most } = finding.bound else { panic!() };
        let linear = finding.scope.ends_with(", linear");
        assert!((at_most < 1e-17) == linear, "{}: {at_most}", finding.scope);
    }
}

#[test]
fn r7_compares_the_derivatives() {
    let in_f32 = with_one_odd(Rung::R7, MadeIn::Around(Around::FloatDerivative));
    assert_eq!((refuting(&in_f32), places(&in_f32)), (vec!["random"], vec!["derivative"]));
    assert!(all_refute(&with_one_odd(Rung::R7, MadeIn::Around(Around::FieldDerivative))));
    assert!(refuting(&with_one_odd(Rung::R4, MadeIn::Around(Around::FieldDerivative))).is_empty());
}

#[test]
fn r7_moves_everything_and_keeps_to_the_limit() {
    let forms: [&dyn AnyForm; 2] = [&Form::Aggregated, &Form::Grouped];
    let mut rng = Seed(0).stream(Purpose::Directions, &[]);
    let case = sample(Seed(0), 3, 0);
    let exact = |x: Array4<Int>| {
        certify(case.weights.clone(), x, &case.live(), LIMIT_F32).unwrap().unwrap()
    };
    let small = exact(case.x.clone());
    let evidence = over_floats(&forms, &small, Layout::Standard, &mut rng).unwrap().unwrap();
    assert!(evidence.witnesses.is_empty());
    // Within the limit, but with derivatives beyond it: no evidence, and no false alarm.
    let mut factor = 1;
    let near = loop {
        factor *= 2;
        let x = case.x.map(|x| Int::from(x.value().unwrap() * factor));
        match certify(case.weights.clone(), x, &case.live(), LIMIT_F32).unwrap() {
            Ok(larger) if larger.reached > LIMIT_F32 / 3 => break larger,
            Ok(_) => {}
            Err(reached) => panic!("doubling jumps over the limit: {reached}"),
        }
    };
    assert!(over_floats(&forms, &near, Layout::Standard, &mut rng).unwrap().is_none());
}

#[test]
fn r8_compares_the_running_statistics() {
    for oddity in [Around::StatisticsTwice, Around::VarianceTwice] {
        let findings = with_one_odd(Rung::R8, MadeIn::Around(oddity));
        assert!(all_refute(&findings), "{oddity:?}");
        assert!(places(&findings).iter().all(|place| *place == "running statistics"));
    }
    // The values are right; only the cuts see that a function is applied twice.
    assert!(refuting(&with_one_odd(Rung::R0, MadeIn::Around(Around::StatisticsTwice))).is_empty());
    assert!(all_refute(&with_one_odd(Rung::R1, MadeIn::Around(Around::StatisticsTwice))));
}

/// A case with a dead channel is drawn again. If too many cases have a dead channel, the run fails.
#[test]
fn dead_channels_are_drawn_again_and_too_many_fail_the_run() {
    fn dead(seed: Seed, number: u64, attempt: u64) -> Case {
        let mut case = sample(seed, number, attempt);
        // The first channel of the first layer is 0 everywhere.
        let mut left = case.spec.c_in();
        case.weights = case.weights.map(|weight| {
            let dead = left > 0;
            left -= usize::from(dead);
            if dead { Int::from(0) } else { *weight }
        });
        case
    }
    fn sometimes(seed: Seed, number: u64, attempt: u64) -> Case {
        if attempt == 0 && number < 2 {
            dead(seed, number, attempt)
        } else {
            sample(seed, number, attempt)
        }
    }
    let forms: [&dyn AnyForm; 2] = [&Form::Aggregated, &Form::Grouped];
    for rung in [Rung::R0, Rung::R1, Rung::R2, Rung::R3, Rung::R7, Rung::R8] {
        let report = climb(&forms, &Plan { generator: dead, ..plan(rung) }).unwrap();
        let redraws = |failure: &Failure| matches!(failure.error, Error::Redraws { .. });
        assert!(report.failures.iter().any(redraws), "{rung}: {report:?}");
        let findings =
            climb(&forms, &Plan { generator: sometimes, ..plan(rung) }).unwrap().findings;
        let random = findings.iter().find(|finding| finding.stage == "random").unwrap();
        assert!((2..6).contains(&random.redraws), "{rung}: {}", random.redraws);
    }
}
