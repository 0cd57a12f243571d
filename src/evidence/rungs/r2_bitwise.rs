//! R2, bitwise: in one order of sums, the forms are equal to the bit, on any floats at all.
//!
//! Floats break one law of arithmetic that the forms use, the associativity of addition, and only
//! form (a) uses it: it adds the last layer's products path by path. So let every sum be taken in
//! runs of d channels, each run from zero, and the runs then added in order
//! ([`Reference::in_runs_of`]): the order in which form (a) adds by nature. Now all three forms add
//! the same products in the same order, and not one bit may differ: not for huge values, not for
//! infinities, for NaN (which one of them it is, is left open by IEEE 754), for subnormals, or for
//! either zero.
//!
//! Two more laws of the same kind, each to the bit:
//!
//! - **Images do not mix:** a batch of N gives what N batches of one give.
//! - **Powers of two pass through:** a block of ReLUs is homogeneous, so if input, means and shifts
//!   (of every batch norm) are multiplied by 2^k, so is the output; and multiplying by 2^k rounds
//!   nothing as long as nothing overflows or becomes subnormal.
//!
//! It sees what changes the value of any float, however little; but it runs the reference
//! convolution, so it says nothing of a fast one.

use ndarray::{Array4, Axis, concatenate, s};
use rand::Rng as _;

use crate::block::{Activation, BatchNorm, BlockNorms, BlockWeights};
use crate::conv::Reference;
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::between::Between;
use crate::evidence::compare::{Value, Witnesses, odd_ones_out};
use crate::evidence::generator::Case;
use crate::evidence::generator::Shape;
use crate::evidence::problem::RealProblem;
use crate::evidence::rungs::{Climb, Draw, NetworkBlock, OnNetwork, Piece, Stage};
use crate::evidence::verdict::{Bound, Evidence};
use crate::random::{Purpose, Rng};

/// The forms on these floats, over one tree of sums.
///
/// # Errors
///
/// A form that is none of the block.
pub fn to_the_bit(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<Evidence> {
    let outputs = over_one_tree(forms, weights, norms, x)?;
    let values = outputs.iter().map(|output| output.len() as u64).sum();
    Ok(Evidence::of(Bound::Exact { values }, differing(forms, &outputs, "output")))
}

/// A batch of N images against N batches of one.
///
/// # Errors
///
/// A form that is none of the block.
pub fn images_do_not_mix(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<Evidence> {
    let together = over_one_tree(forms, weights, norms, x)?;
    let mut apart = vec![Vec::new(); forms.len()];
    for n in 0..x.len_of(Axis(0)) {
        let image = x.slice(s![n..n + 1, .., .., ..]).to_owned();
        for (all, one) in apart.iter_mut().zip(over_one_tree(forms, weights, norms, &image)?) {
            all.push(one);
        }
    }
    let join = |images: &Vec<Array4<u32>>| {
        let views: Vec<_> = images.iter().map(|image| image.view()).collect();
        concatenate(Axis(0), &views).unwrap_or_else(|error| unreachable!("one shape: {error}"))
    };
    let apart: Vec<_> = apart.iter().map(join).collect();
    Ok(held(forms, &together, &apart, "output, each image by itself"))
}

/// Input, means and shifts times 2^k against the output times 2^k.
///
/// # Errors
///
/// A form that is none of the block.
pub fn powers_of_two_pass_through(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
    k: i32,
) -> Result<Evidence> {
    let factor = 2f32.powi(k);
    let scaled = BlockNorms {
        reduce: scale(&norms.reduce, factor)?,
        transform: scale(&norms.transform, factor)?,
        expand: scale(&norms.expand, factor)?,
        shortcut: norms.shortcut.as_ref().map(|norm| scale(norm, factor)).transpose()?,
    };
    let first = over_one_tree(forms, weights, norms, x)?;
    let first: Vec<_> = first
        .iter()
        .map(|output| output.mapv(|value| bits(f32::from_bits(value) * factor)))
        .collect();
    // Keeps how x lies in memory.
    let second = over_one_tree(forms, weights, &scaled, &x.map(|x| x * factor))?;
    Ok(held(forms, &second, &first, "output, all times a power of 2"))
}

fn scale(norm: &BatchNorm<f32>, factor: f32) -> Result<BatchNorm<f32>> {
    let all = |which: usize, factor: f32| {
        (0..norm.channels()).map(|channel| norm.channel(channel)[which] * factor).collect()
    };
    BatchNorm::new(all(0, 1.0), all(1, factor), all(2, factor), all(3, 1.0), *norm.epsilon())
}

/// Each form's output as bits, every NaN the same.
fn over_one_tree(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<Vec<Array4<u32>>> {
    let between = Between::norms(norms, Activation::Relu);
    let problem = Problem { weights, x: x.view(), between };
    let outputs = problem.solve_all(forms, &Reference::in_runs_of(weights.spec().width()))?;
    Ok(outputs.iter().map(|output| output.mapv(bits)).collect())
}

fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

/// Where the forms' bits differ.
pub(super) fn differing(
    forms: &[&dyn AnyForm],
    bits: &[Array4<u32>],
    place: &'static str,
) -> Witnesses {
    odd_ones_out(forms, bits, place, shown)
}

fn shown(left: &u32, right: &u32) -> (Value, Value) {
    // With its bits, for two floats may look the same.
    let show = |bits: u32| Value::Text(format!("{:e} ({bits:#010x})", f32::from_bits(bits)));
    (show(*left), show(*right))
}

/// Each form's output against what that form itself must give.
fn held(
    forms: &[&dyn AnyForm],
    outputs: &[Array4<u32>],
    expected: &[Array4<u32>],
    place: &'static str,
) -> Evidence {
    let values = outputs.iter().map(|output| output.len() as u64).sum();
    let witnesses = |((form, output), expected): ((&&dyn AnyForm, &Array4<u32>), &Array4<u32>)| {
        let pair = [output.clone(), expected.clone()];
        differing(&[*form, *form], &pair, place)
    };
    let witnesses = forms.iter().zip(outputs).zip(expected).flat_map(witnesses);
    Evidence::of(Bound::Exact { values }, witnesses)
}

/// A float of any kind: most are ordinary, some huge, tiny, subnormal, infinite, NaN, or a zero of
/// either sign. `wild` of a thousand are not ordinary.
pub fn any_float(rng: &mut Rng, wild: u32) -> f32 {
    if rng.random_range(0..1000) >= wild {
        return rng.random_range(-10.0..10.0);
    }
    match rng.random_range(0..4) {
        0 => f32::from_bits(rng.random()),
        1 => f32::from_bits(rng.random_range(1..100)),
        2 => -0.0,
        _ => [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, f32::MAX][rng.random_range(0..4)],
    }
}

/// R2.
pub struct Bitwise;

impl Climb for Bitwise {
    fn name(&self) -> &'static str {
        "bitwise, one order of sums"
    }

    fn asks(&self) -> &'static str {
        "summed in one order, equal to the bit, NaN and infinities included?"
    }

    fn says(&self) -> &'static str {
        "Where all sums are taken in one order the forms are equal to the bit, on any floats."
    }

    fn blind_to(&self) -> &'static str {
        "what a fast convolution does"
    }

    fn case_scope(&self) -> Option<&'static str> {
        Some("any floats")
    }

    fn on_case(
        &self,
        forms: &[&dyn AnyForm],
        case: &Case,
        (seed, number): Draw,
    ) -> Result<Option<Evidence>> {
        let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
        let mut rng = seed.stream(Purpose::Floats, &[number]);
        let k = [-7, 9][rng.random_range(0..2)];
        let scaled = powers_of_two_pass_through(forms, &real.weights, &real.norms, &real.x, k)?;
        // Of every kind: few in the weights, for each spoils a channel.
        let weights = real.weights.map(|_| any_float(&mut rng, 1));
        let x = case.layout.lay(&real.x.map(|_| any_float(&mut rng, 30)));
        let wild = to_the_bit(forms, &weights, &real.norms, &x)?;
        let images = images_do_not_mix(forms, &weights, &real.norms, &x)?;
        Ok(Some(Evidence { cases: 1, ..scaled.and(wild).and(images) }))
    }

    fn on_stage(&self, stage: &Stage, (seed, number): Draw) -> Vec<Piece> {
        let batch = Shape { n: 2, ..stage.small() };
        vec![stage.piece(batch, ("any floats", 3.0), move |forms| {
            let real = RealProblem::draw(&batch, seed, &[number, 2])?;
            let mut rng = seed.stream(Purpose::Floats, &[number]);
            let x = real.x.map(|_| any_float(&mut rng, 1));
            to_the_bit(forms, &real.weights, &real.norms, &x)
        })]
    }

    fn on_network(&self) -> Option<&'static dyn OnNetwork> {
        Some(&Self)
    }
}

impl OnNetwork for Bitwise {
    fn column(&self) -> &'static str {
        "same bits"
    }

    fn legend(&self) -> &'static str {
        "values of all forms, equal to the bit where all sums are taken in one order."
    }

    fn scope(&self) -> &'static str {
        "on what it receives"
    }

    fn judge(
        &self,
        forms: &[&dyn AnyForm],
        block: &NetworkBlock<'_, '_>,
        _draw: Draw,
    ) -> Result<Evidence> {
        let Problem { weights, x, .. } = block.problem;
        to_the_bit(forms, weights, block.norms, &x.to_owned())
    }
}
