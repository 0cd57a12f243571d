//! R2, bitwise: with one order of summation, the forms are equal to the bit, on any floats at all.
//!
//! The equivalence uses one law of arithmetic that floats break, the associativity of addition. Only
//! form (a) needs it, because it adds the last layer's products path by path. So this rung takes every
//! sum in runs of d channels, each run from zero, and then adds the runs in order
//! ([`Reference::in_runs_of`]). That is the order of form (a). Now all three forms add the same
//! products in the same order, and not one bit may differ. That holds for huge values, infinities,
//! subnormals and both zeros. It also holds for NaN (IEEE 754 leaves open which NaN it is).
//!
//! Two more laws are checked to the bit:
//!
//! - **Images do not mix:** a batch of N images gives the same output as N batches of one image.
//! - **Powers of two pass through:** a block with ReLUs is homogeneous. If the input, and the mean and shift of every
//!   batch norm, are multiplied by 2^k, then the output is multiplied by 2^k too. Multiplying by 2^k does not round, as
//!   long as nothing overflows or becomes subnormal.
//!
//! The rung sees any change in the value of any float, however small. But it runs the reference
//! convolution, so it says nothing about a fast convolution.

use ndarray::{Array4, Axis, concatenate, s};
use rand::Rng as _;

use super::{Draw, Method, OnNetwork};
use crate::block::BlockWeights;
use crate::conv::Reference;
use crate::error::Result;
use crate::evidence::{
    Bound, Case, Evidence, Forms, OnReal, RealProblem, Shape, Value, Witness, against,
    change_norms, odd_ones_out,
};
use crate::random::{Purpose, Rng};

/// R2.
pub const METHOD: Method = Method {
    name: "bitwise",
    asks: "same bits, summed in one order?",
    says: "If all sums are taken in one order, the forms are equal to the bit, on any floats.",
    blind_to: "what a fast convolution does",
    on_case: Some(("any floats", on_case)),
    on_stage: |stage, (seed, number)| {
        let batch = Shape { n: 2, ..stage.small() };
        vec![stage.piece(batch, ("any floats", 3.0), move |forms| {
            let real = RealProblem::draw(&batch, seed, &[number, 2])?;
            let mut rng = seed.stream(Purpose::Floats, &[number]);
            let x = real.x.map(|_| any_float(&mut rng, 1));
            to_the_bit(forms, &OnReal { x: x.view(), ..real.with(&[]) })
        })]
    },
    on_network: Some(OnNetwork {
        column: "same bits",
        legend: "how many values of all forms were compared; they are equal to the bit if all sums are taken in one \
                 order.",
        scope: "on what it receives",
        draws_its_data: false,
        judge: |forms, block, _| to_the_bit(forms, block),
    }),
    ..Method::NONE
};

fn on_case(forms: Forms<'_>, case: &Case, (seed, number): Draw) -> Result<Option<Evidence>> {
    let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
    let mut rng = seed.stream(Purpose::Floats, &[number]);
    let k = [-7, 9][rng.random_range(0..2)];
    let scaled = powers_of_two_pass_through(forms, &real.with(&[]), k)?;
    // Floats of every kind, but few unusual ones in the weights, because each of those spoils a channel.
    let weights: BlockWeights<f32> = real.weights.map(|_| any_float(&mut rng, 1));
    let x = case.layout.lay(&real.x.map(|_| any_float(&mut rng, 30)));
    let wild = OnReal { weights: &weights, x: x.view(), ..real.with(&[]) };
    let evidence = scaled.and(to_the_bit(forms, &wild)?).and(images_do_not_mix(forms, &wild)?);
    Ok(Some(Evidence { cases: 1, ..evidence }))
}

/// Compares the forms on these floats, with all sums taken in the same order.
pub fn to_the_bit(forms: Forms<'_>, real: &OnReal<'_>) -> Result<Evidence> {
    let outputs = over_one_tree(forms, real)?;
    Ok(Evidence::of(values(&outputs), differing(forms, &outputs, "output")))
}

/// Compares a batch of N images with N batches of one image.
pub fn images_do_not_mix(forms: Forms<'_>, real: &OnReal<'_>) -> Result<Evidence> {
    let together = over_one_tree(forms, real)?;
    let mut apart = vec![Vec::new(); forms.len()];
    for n in 0..real.x.len_of(Axis(0)) {
        let image = real.x.slice(s![n..n + 1, .., .., ..]).to_owned();
        let outputs = over_one_tree(forms, &OnReal { x: image.view(), ..*real })?;
        for (all, one) in apart.iter_mut().zip(outputs) {
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

/// Multiplies the input, means and shifts by 2^k, and compares the output with 2^k times the original output.
pub fn powers_of_two_pass_through(forms: Forms<'_>, real: &OnReal<'_>, k: i32) -> Result<Evidence> {
    let factor = 2f32.powi(k);
    let norms = change_norms(real.norms, |_, [gamma, beta, mean, variance]| {
        [gamma, beta * factor, mean * factor, variance]
    })?;
    let times = |bits| self::bits(f32::from_bits(bits) * factor);
    let first: Vec<_> = over_one_tree(forms, real)?.iter().map(|y| y.mapv(times)).collect();
    // Keeps the memory layout of x.
    let x = real.x.map(|x| x * factor);
    let second = over_one_tree(forms, &OnReal { norms: &norms, x: x.view(), ..*real })?;
    Ok(held(forms, &second, &first, "output, all times a power of 2"))
}

/// Each form's output as bits, with all NaNs mapped to the same bits.
fn over_one_tree(forms: Forms<'_>, real: &OnReal<'_>) -> Result<Vec<Array4<u32>>> {
    let tree = Reference::in_runs_of(real.weights.spec().width());
    let outputs = real.problem().solve_all(forms, &tree)?;
    Ok(outputs.iter().map(|output| output.mapv(bits)).collect())
}

fn bits(value: f32) -> u32 {
    if value.is_nan() { f32::NAN.to_bits() } else { value.to_bits() }
}

fn values(outputs: &[Array4<u32>]) -> Bound {
    Bound::Exact { values: outputs.iter().map(|output| output.len() as u64).sum() }
}

/// Witnesses where the forms' bits differ.
pub(super) fn differing(
    forms: Forms<'_>,
    bits: &[Array4<u32>],
    place: &'static str,
) -> Vec<Witness> {
    odd_ones_out(forms, bits, place, shown)
}

/// Floats as text, with their bits, because two different floats may look the same.
fn shown(left: &u32, right: &u32) -> [Value; 2] {
    let show = |bits| Value::Text(format!("{:e} ({bits:#010x})", f32::from_bits(bits)));
    [*left, *right].map(show)
}

/// Compares each form's output with the output that is expected of that form.
fn held(
    forms: Forms<'_>,
    outputs: &[Array4<u32>],
    expected: &[Array4<u32>],
    place: &'static str,
) -> Evidence {
    let all = forms.iter().zip(outputs).zip(expected);
    let apart = all.filter_map(|((form, y), expected)| against(*form, y, expected, place, shown));
    Evidence::of(values(outputs), apart)
}

/// A float of any kind. Most are ordinary. About `wild` in a thousand may be huge, tiny, subnormal, infinite, NaN or
/// -0.
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
