//! Property tests over the generator's contract: the three forms compute one function.

use crate::common::cases::config;
use crate::common::wrong::{FLIPPED, MISTAKES, norm_in_each_path, wrong};
use ndarray::{Array4, ArrayView4, Axis, concatenate, s};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use triform::block::{
    Activation, BlockForm, BlockNorms, BlockWeights, Bottleneck, Form, NormFunctions,
};
use triform::conv::{Convolver, Fast, Reference};
use triform::evidence::bound::{Ball, balls};
use triform::evidence::generator::{self, Case};
use triform::evidence::live::RealProblem;
use triform::evidence::rungs::r3_exact_integers::{ExactCase, LIMIT_F32, certify};
use triform::evidence::verdict::{against_balls, against_exact};
use triform::scalar::Real;

fn run<S: Real, N: Real, V: Convolver<S> + 'static>(
    form: &impl BlockForm,
    weights: &BlockWeights<S>,
    norms: &BlockNorms<N>,
    x: ArrayView4<'_, S>,
    convolver: &V,
) -> Array4<S> {
    let norms = NormFunctions::<S>::new(&norms.cast(), Activation::Relu).unwrap();
    form.forward(weights, x, &norms.functions(), convolver).unwrap()
}

/// The bits, with every NaN the same.
fn bits(x: &Array4<f32>) -> Array4<u32> {
    x.mapv(|value| if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() })
}

/// A case's weights, batch norms and input in `f32`, which rounds. No channel is dead.
fn real(case: &Case) -> (BlockWeights<f32>, BlockNorms<f32>, Array4<f32>) {
    let RealProblem { weights, norms, x, .. } = RealProblem::of(case).unwrap();
    (weights, norms, x)
}

/// The case in integers, with its certificate for `f32`.
fn exact(case: &Case) -> ExactCase {
    let x = case.layout.lay(&case.x);
    let certified = certify(case.weights.clone(), x, &case.live(), LIMIT_F32).unwrap();
    certified.unwrap_or_else(|reached| panic!("partial sums reach {reached}"))
}

proptest! {
    #![proptest_config(config(256))]

    #[test]
    fn forms_equal_the_integers_to_the_bit(case in generator::contract()) {
        let exact = exact(&case);
        prop_assert_eq!(exact.dead_channels, 0);
        for form in Form::ALL {
            let (weights, x, expected) = exact.floats::<f32>();
            let fast = run(&form, &weights, &exact.norms, x.view(), &Fast::new());
            prop_assert_eq!(against_exact(('?', "fast"), &fast, &expected), None);
            let (weights, x, expected) = exact.floats::<f64>();
            let slow = run(&form, &weights, &exact.norms, x.view(), &Reference::default());
            prop_assert_eq!(against_exact(('?', "f64"), &slow, &expected), None);
        }
    }

    #[test]
    fn forms_lie_within_the_derived_bound(case in generator::contract()) {
        let (weights, norms, x) = real(&case);
        let balls = balls(&weights, &norms, x.view()).unwrap();
        for form in Form::ALL {
            for output in [
                run(&form, &weights, &norms, x.view(), &Fast::new()),
                run(&form, &weights, &norms, x.view(), &Reference::default()),
            ] {
                let (used, witness) = against_balls(('?', "test"), &output, &balls);
                prop_assert!(witness.is_none(), "{:?}", witness);
                prop_assert!(used <= 1.0);
            }
        }
    }

    /// The bound for f64 is the bound for f32 with `u` = 2^-53 instead of 2^-24. Every radius is a sum of products with
    /// at least one factor `gamma_n`, which is `n u` plus an excess that falls with `u`. So every radius shrinks at
    /// least by the factor 2^-29. (This is also true after ReLU, where the radius is `max(0, y + e)` with `y <= 0`.)
    #[test]
    fn forms_in_f64_lie_within_the_bound_for_f64(case in generator::contract()) {
        let (weights, norms, x) = real(&case);
        let radii = balls(&weights, &norms, x.view()).unwrap().mapv(|ball: Ball| ball.radius);
        let (weights, x) = (weights.map(|&w| f64::from(w)), x.mapv(f64::from));
        let of = |form| run::<f64, _, _>(&form, &weights, &norms, x.view(), &Reference::default());
        let outputs = Form::ALL.map(of);
        for (left, right) in [(0, 1), (1, 2), (0, 2)] {
            for ((l, r), radius) in outputs[left].iter().zip(&outputs[right]).zip(&radii) {
                prop_assert!((l - r).abs() <= 2.0 * radius * 2f64.powi(-29), "{} {}", l, r);
            }
        }
    }

    /// If sums are taken in runs of `d`, all three forms add in the same order. Then they are equal on any floats.
    #[test]
    fn forms_are_equal_to_the_bit_over_one_tree_of_sums(
        case in generator::contract(),
        pool in proptest::collection::vec(any_float(), 97),
    ) {
        let mut next = pool.iter().cycle();
        let weights = case.weights.map(|_| *next.next().unwrap());
        let x = case.x.map(|_| *next.next().unwrap());
        let (_, norms, _) = real(&case);
        let tree = Reference::in_runs_of(case.spec.width());
        let outputs =
            Form::ALL.map(|form| bits(&run(&form, &weights, &norms, x.view(), &tree)));
        prop_assert_eq!(&outputs[0], &outputs[1]);
        prop_assert_eq!(&outputs[1], &outputs[2]);
    }

    /// The elements of a view matter, and its memory layout does not. A prepared block can be used again, and on any
    /// map. The images of a batch do not mix.
    #[test]
    fn views_maps_and_batches_do_not_matter(case in generator::contract()) {
        let (weights, norms, x) = real(&case);
        let norms = NormFunctions::<f32>::new(&norms, Activation::Relu).unwrap();
        let fast = Fast::new();
        for form in Form::ALL {
            let block = Bottleneck::prepare(&form, &weights, &fast).unwrap();
            let of = |x: ArrayView4<'_, f32>| block.forward(x, &norms.functions(), &fast).unwrap();
            let whole = of(x.view());

            for strange in [
                x.slice(s![.., .., ..;-1, ..]),
                x.slice(s![..;-1, ..;-1, .., ..;-1]),
                x.view().permuted_axes([0, 1, 3, 2]),
                x.slice(s![.., .., ..;2, ..;3]),
            ] {
                let plain = strange.as_standard_layout().into_owned();
                prop_assert_eq!(bits(&of(strange)), bits(&of(plain.view())));
            }
            let mut images = Vec::new();
            for n in 0..x.len_of(Axis(0)) {
                images.push(of(x.slice(s![n..n + 1, .., .., ..])));
            }
            let views: Vec<_> = images.iter().map(|image| image.view()).collect();
            prop_assert_eq!(bits(&concatenate(Axis(0), &views).unwrap()), bits(&whole));
            prop_assert_eq!(of(x.slice(s![0..0, .., .., ..])).len(), 0);
            prop_assert_eq!(bits(&of(x.view())), bits(&whole));
        }
    }

    /// Blocks with one path, one channel, one image or one pixel are no evidence, but they must work.
    #[test]
    fn degenerate_blocks_work(case in generator::degenerate()) {
        let exact = exact(&case);
        let (weights, x, expected) = exact.floats::<f32>();
        for form in Form::ALL {
            let fast = run(&form, &weights, &exact.norms, x.view(), &Fast::new());
            prop_assert_eq!(against_exact(('?', ""), &fast, &expected), None);
        }
    }
}

fn any_float() -> impl Strategy<Value = f32> {
    prop_oneof![
        4 => -10.0f32..10.0,
        1 => any::<f32>(), // any bits: huge, subnormal, infinite, NaN
        1 => Just(f32::from_bits(1)),
        1 => Just(-0.0f32),
    ]
}

/// How many of `cases` cases refute a form, by exact integers and by the derived bound.
fn refutations(form: &impl BlockForm, cases: u32) -> (u32, u32) {
    let mut runner = proptest::test_runner::TestRunner::new(config(cases));
    let (mut by_exact, mut by_bound) = (0, 0);
    for _ in 0..cases {
        let case = generator::contract().new_tree(&mut runner).unwrap().current();
        let exact = exact(&case);
        let (weights, x, expected) = exact.floats::<f32>();
        let output = run(form, &weights, &exact.norms, x.view(), &Fast::new());
        by_exact += u32::from(against_exact(('?', ""), &output, &expected).is_some());

        let (weights, norms, x) = real(&case);
        let output = run(form, &weights, &norms, x.view(), &Fast::new());
        let balls = balls(&weights, &norms, x.view()).unwrap();
        by_bound += u32::from(against_balls(('?', ""), &output, &balls).1.is_some());
    }
    (by_exact, by_bound)
}

/// The converse of the tests above. Both checks refute a wrong form on most of the cases that the generator makes. They
/// never refute a right form.
#[test]
fn every_wrong_form_is_refuted() {
    const CASES: u32 = 64;
    let mut all = vec![(norm_in_each_path(), 9)];
    for form in Form::ALL {
        assert_eq!(refutations(&form, CASES), (0, 0), "{form:?}");
        let others = MISTAKES.into_iter().filter(|mistake| *mistake != FLIPPED);
        all.extend(others.map(|mistake| (wrong(form, mistake), 9)));
    }
    // One case in six has a 1x1 in the middle, which is its own mirror image.
    all.push((wrong(Form::Grouped, FLIPPED), 6));
    for (wrong, tenths) in all {
        let (by_exact, by_bound) = refutations(&wrong, CASES);
        println!("{wrong:?}: {by_exact} and {by_bound} of {CASES}");
        assert!(by_exact.min(by_bound) >= CASES * tenths / 10, "{wrong:?}: {by_exact}, {by_bound}");
    }
}
