//! Mistakes that the derived bound sees at cut points and misses end to end.

use ndarray::Array4;
use triform::block::{Activation, BatchNorm, BlockNorms, BlockSpec, BlockWeights, Form};
use triform::conv::Fast;
use triform::evidence::any_form::{AnyForm, Between, Problem};
use triform::evidence::bound::{Cuts, NormBalls, balls};
use triform::evidence::generator::Shape;
use triform::evidence::live::RealProblem;
use triform::evidence::verdict::{Witness, against_balls};
use triform::random::Seed;

/// The block of the paper's Figure 3.
fn real() -> RealProblem {
    let spec = BlockSpec::new(256, 32, 4, 256).unwrap();
    RealProblem::draw(&Shape::new(spec, (8, 8)), Seed(3), &[0]).unwrap()
}

/// Runs form (c) with other weights or batch norms. Compares it with the bound of the right block, at cut points and
/// end to end.
fn held(
    right: &RealProblem,
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
) -> ((f64, Option<Witness>), (f64, Option<Witness>)) {
    let exact = right.norms.cast();
    let cuts = Cuts::new(&right.problem(), &NormBalls::new(&exact).functions()).unwrap();
    let between = Between::norms(norms, Activation::Relu);
    let problem = Problem { weights, x: right.x.view(), between };
    let at_cuts = cuts.hold(&Form::Grouped, &problem).unwrap();
    let balls = balls(&right.weights, &right.norms, right.x.view()).unwrap();
    let output = problem.solve(&Form::Grouped, &Fast::new()).unwrap();
    (at_cuts, against_balls(('c', "changed"), &output, &balls))
}

/// The weights with the kernel of layer `layer` changed.
fn changed(
    weights: &BlockWeights<f32>,
    layer: usize,
    change: impl Fn(&mut Array4<f32>),
) -> BlockWeights<f32> {
    let mut kernels =
        [weights.reduce().to_owned(), weights.transform().to_owned(), weights.expand().to_owned()];
    change(&mut kernels[layer]);
    let [reduce, transform, expand] = kernels;
    BlockWeights::new(*weights.spec(), reduce, transform, expand, None).unwrap()
}

/// A copy of the weights in which one weight is off by a thousandth. `rank` chooses that weight from all weights sorted
/// by size.
fn off_by_a_thousandth(
    weights: &BlockWeights<f32>,
    layer: usize,
    rank: fn(usize) -> usize,
) -> BlockWeights<f32> {
    changed(weights, layer, |kernel| {
        let mut weights: Vec<&mut f32> = kernel.iter_mut().collect();
        weights.sort_by(|l, r| l.abs().total_cmp(&r.abs()));
        let rank = rank(weights.len());
        *weights[rank] *= 1.001;
    })
}

/// Rounds to a significand of `bits` bits, ties to even.
fn rounded(value: f32, bits: u32) -> f32 {
    let shift = 24 - bits;
    let word = value.to_bits();
    let half = (1u32 << (shift - 1)) - 1 + ((word >> shift) & 1);
    f32::from_bits((word + half) >> shift << shift)
}

#[test]
fn rounding_to_fewer_bits_is_what_it_says() {
    assert_eq!(rounded(1.0 + 2f32.powi(-11), 11), 1.0, "a tie, to even");
    assert_eq!(rounded(1.0 + 3.0 * 2f32.powi(-11), 11), 1.0 + 2f32.powi(-9));
    assert_eq!(rounded(-0.1, 11), -0.099_975_586, "0.1 as the nearest f16");
}

#[test]
fn right_blocks_stay_within_and_the_ratio_is_reported() {
    let real = real();
    let exact = real.norms.cast();
    let problem = real.problem();
    let cuts = Cuts::new(&problem, &NormBalls::new(&exact).functions()).unwrap();
    println!("bound at cuts: {:.1e}", cuts.bound());
    for form in Form::ALL {
        let (used, witness) = cuts.hold(&form, &problem).unwrap();
        println!("({}): {:.1}% of the bound used at cuts", AnyForm::letter(&form), 100.0 * used);
        assert_eq!(witness, None);
        assert!(0.001 < used && used < 1.0, "{used}");
    }
    let output = balls(&real.weights, &real.norms, real.x.view()).unwrap();
    let end_to_end = 2.0 * output.iter().fold(0f64, |max, ball| max.max(ball.radius));
    assert!(cuts.bound() < 0.2 * end_to_end, "{} against {end_to_end}", cuts.bound());
}

#[test]
fn one_weight_off_by_a_thousandth_is_seen_at_a_cut() {
    let real = real();
    for layer in 0..3 {
        let weights = off_by_a_thousandth(&real.weights, layer, |all| all - 1);
        let ((at_cuts, witness), (end_to_end, missed)) = held(&real, &weights, &real.norms);
        println!("layer {layer}: {at_cuts:.2} of the bound at cuts, {end_to_end:.3} end to end");
        let place = ["after the first 1x1", "after the 3x3", "after the last 1x1"][layer];
        assert_eq!(witness.map(|witness| witness.place), Some(place));
        assert_eq!(missed, None, "which is why there are cuts");
    }
}

/// In the layers with fewer terms, an error of a thousandth is also seen in a weight of median size. In the first
/// layer, such an error can hide among 256 terms.
#[test]
fn one_middling_weight_is_seen_in_the_later_layers() {
    let real = real();
    for layer in 0..3 {
        let weights = off_by_a_thousandth(&real.weights, layer, |all| all / 2);
        let ((at_cuts, witness), _) = held(&real, &weights, &real.norms);
        println!("layer {layer}: {at_cuts:.2} of the bound at cuts");
        assert!(witness.is_some() || layer == 0, "layer {layer}");
    }
}

#[test]
fn weights_rounded_to_f16_are_seen_at_a_cut() {
    let real = real();
    for (what, bits) in [("f16", 11), ("TF32", 11), ("bf16", 8)] {
        for layer in 0..3 {
            let weights = changed(&real.weights, layer, |kernel| {
                kernel.mapv_inplace(|weight| rounded(weight, bits));
            });
            let ((at_cuts, witness), (end_to_end, _)) = held(&real, &weights, &real.norms);
            println!("{what}, layer {layer}: {at_cuts:.2} at cuts, {end_to_end:.3} end to end");
            assert!(witness.is_some(), "{what} in layer {layer}");
        }
        // A single weight, the one that rounding changes most.
        let weights = changed(&real.weights, 1, |kernel| {
            let worst = |weight: &f32| (weight - rounded(*weight, bits)).abs();
            let changed = kernel.iter_mut().max_by(|l, r| worst(l).total_cmp(&worst(r))).unwrap();
            *changed = rounded(*changed, bits);
        });
        let ((at_cuts, witness), _) = held(&real, &weights, &real.norms);
        println!("{what}, one weight of the 3x3: {at_cuts:.2} at cuts");
        assert!(witness.is_some(), "{what}, one weight");
    }
}

#[test]
fn an_epsilon_left_out_is_seen_at_a_cut() {
    let real = real();
    let mut norms = real.norms.clone();
    let norm = &norms.transform;
    let channels: Vec<_> = (0..norm.channels()).map(|c| norm.channel(c).map(|n| *n)).collect();
    norms.transform = BatchNorm::of_channels(&channels, 0.0).unwrap();
    let ((at_cuts, witness), (end_to_end, missed)) = held(&real, &real.weights, &norms);
    println!("without epsilon: {at_cuts:.2} at cuts, {end_to_end:.3} end to end");
    assert_eq!(witness.map(|witness| witness.place), Some("after the 3x3"));
    assert_eq!(missed, None);
}
