//! R4, a prime field: identity testing at the full size of the real blocks.
//!
//! In the field of p = 2^61 - 1 elements, nothing rounds and nothing overflows. So two forms of the same function agree
//! in every element. Two forms of different functions agree at random points with a probability so small that one test
//! is enough.
//!
//! **Linear.** Batch norm runs in inference mode, y = s z + t, and without a ReLU. Another such affine function
//! replaces the last ReLU. An output is a polynomial in input, weights, scales and shifts. Its degree is 3 after the
//! first layer (s w x). Each further layer multiplies by a scale and a weight, so the degree becomes 5, then 7. The
//! shortcut has degree 1 or 3, and the scale at the output raises the degree to 8. If two forms are different
//! polynomials, their difference is a nonzero polynomial of degree 8 at most. At a point drawn uniformly, such a
//! polynomial is 0 with a probability of at most
//!
//! ```text
//! degree / p = 8 / p = 3.5e-18
//! ```
//!
//! (Schwartz 1980, Zippel 1979, DeMillo and Lipton 1978.)
//!
//! **With any functions.** A field has no order, hence no ReLU. Instead, each place and channel has a random function,
//! which replaces batch norm and activation together. All forms get the same functions. Every argument of a function is
//! a polynomial in the input, the weights, and the values of earlier functions. Each such value is an unknown. It is
//! the same unknown whenever the same function gets the same polynomial as its argument. If the outputs of two forms
//! are different unknowns, the forms can still agree by accident, in two ways:
//!
//! 1. Two arguments of a function are different polynomials, but have the same value. Each argument is a sum of
//!    products of a weight and a value, or at the block's end a sum of two values. So its degree is at most 2 in the
//!    elements that were drawn uniformly and independently. One pair of arguments coincides with a probability of at
//!    most 2/p. If all the forms together call a function m times, it has at most C(m, 2) pairs.
//! 2. No arguments coincide, but two outputs that are different unknowns have the same value. The values of different
//!    unknowns were drawn uniformly and independently, so this has a probability of 1/p.
//!
//! ```text
//! P(a wrong form passes)  <=  (1 + 2 sum over places and channels of C(m, 2)) / p
//! ```
//!
//! by the union bound. For three forms on a map of 56 x 56 with 256 channels, this is 3e-8. Running programs on random
//! values, unknown functions included, is Gulwani and Necula's random interpretation (POPL 2004). A random function
//! that is drawn on demand and shared by all is the random oracle of Bellare and Rogaway (CCS 1993).
//!
//! To show that the outputs are the same unknowns, only one property of the functions is used: equal arguments have
//! equal values. So the forms agree for *every* choice of channel-wise functions of one element, such as any batch norm
//! in inference mode and any activation. The coefficients of the polynomials are 0, 1 or small counts of equal
//! products, far below p. So polynomials that are equal modulo p are equal.
//!
//! The degrees assume forms with as many layers as the block. Each additional operation of a form, such as another
//! convolution or a second scale, raises the degree by 1 or 2. The bounds grow accordingly, for example from 8/p to
//! 12/p.
//!
//! The rung sees only errors of algebra. It is blind to rounding, and the linear test is blind to
//! everything about activations.

use ndarray::{Array4, ArrayViewMut3};

use super::{Draw, Method, OnNetwork, apart};
use crate::block::{BlockWeights, Functions, Layer};
use crate::conv::ChannelWise;
use crate::error::{Error, Result};
use crate::evidence::{Bound, Evidence, Forms, OnReal, Problem, RandomFunctions, Shape};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Additive, M61, Scalar};

/// R4.
pub const METHOD: Method = Method {
    name: "prime field",
    asks: "equal modulo 2^61 - 1?",
    says: "The forms are equal modulo 2^61 - 1, with random functions in place of batch norm and ReLU. P: an \
           upper bound on the probability that a wrong form passes a case.",
    blind_to: "everything about floats",
    on_case: Some(("linear, any functions", |forms, case, (seed, number)| {
        let linear = linear(forms, &case.shape(), seed, &[number, 0])?;
        let functions = with_random_functions(forms, &case.shape(), seed, &[number, 1])?;
        Ok(Some(Evidence { cases: 1, ..linear.and(functions) }))
    })),
    on_stage: |stage, (seed, number)| {
        let (whole, small) = (stage.whole, stage.small());
        vec![
            stage.piece(whole, ("any functions", 3.0), move |forms| {
                with_random_functions(forms, &whole, seed, &[number, 4])
            }),
            stage.piece(small, ("linear", 3.0), move |forms| {
                linear(forms, &small, seed, &[number, 5])
            }),
        ]
    },
    on_network: Some(OnNetwork {
        column: "P",
        legend: "an upper bound on the probability that forms pass although they differ modulo 2^61 - 1, with the \
                 block's own weights, random inputs and random functions.",
        scope: "its own weights, random inputs and functions",
        draws_its_data: true,
        judge: with_these_weights,
    }),
    ..Method::NONE
};

/// p = 2^61 - 1.
pub const P: f64 = ((1u64 << 61) - 1) as f64;

/// Degree of the block's output as a polynomial in input, weights, scales and shifts.
pub const DEGREE: f64 = 8.0;

/// A uniformly drawn element.
pub fn uniform(rng: &mut Rng) -> M61 {
    use rand::Rng as _;
    M61::from_bits(rng.random())
}

/// Compares the forms with a random function at each place; `path` numbers the draw.
pub fn with_random_functions(
    forms: Forms<'_>,
    shape: &Shape,
    seed: Seed,
    path: &[u64],
) -> Result<Evidence> {
    let functions = RandomFunctions::new(seed, path);
    let probability = || (1.0 + 2.0 * functions.pairs()) / P;
    on_random_weights(forms, shape, functions.functions(), (seed, path), probability)
}

/// Compares the forms with a random scale and shift for each channel, and no activation.
pub fn linear(forms: Forms<'_>, shape: &Shape, seed: Seed, path: &[u64]) -> Result<Evidence> {
    let keys = RandomFunctions::new(seed, path);
    let affine = Layer::ALL.map(|layer| RandomAffine { keys: &keys, layer });
    let functions = Functions::of(|layer| &affine[layer as usize]);
    on_random_weights(forms, shape, functions, (seed, path), || DEGREE / P)
}

fn on_random_weights(
    forms: Forms<'_>,
    shape: &Shape,
    functions: Functions<'_, M61>,
    (seed, path): (Seed, &[u64]),
    probability: impl Fn() -> f64,
) -> Result<Evidence> {
    let mut rng = seed.stream(Purpose::Field, path);
    let (weights, x) = shape.draw(|| uniform(&mut rng))?;
    let problem = Problem { weights: &weights, x: x.view(), between: functions.into() };
    let witnesses = apart(forms, &problem, shown)?;
    Ok(Evidence::of(Bound::Probability { at_most: probability() }, witnesses))
}

fn shown(element: &M61) -> String {
    element.value().to_string()
}

/// Compares the forms with the block's own weights, on a random input and with random functions.
///
/// The weights are floats, and every finite float has a residue modulo p ([`M61::dyadic`]). So forms that are equal in
/// exact arithmetic stay equal. The converse is weaker than with random weights. The weights are given, and only the
/// input and the functions are drawn. Arguments have degree 1 in what is drawn. So forms that are not equal modulo p
/// *with these weights* pass with a probability of at most (1 + sum of C(m, 2)) / p. But the coefficients are now sums
/// of products of these weights, not small integers. Two different coefficients could differ by a multiple of p. The
/// weights were not drawn at random, so the probability of that has no bound. So this is evidence for these weights,
/// not proof.
fn with_these_weights(
    forms: Forms<'_>,
    block: &OnReal<'_>,
    (seed, number): Draw,
) -> Result<Evidence> {
    let mut wild = None;
    let weights: BlockWeights<M61> = block.weights.map(|&weight| {
        M61::dyadic(weight).unwrap_or_else(|| {
            wild = Some(weight);
            M61::zero()
        })
    });
    if let Some(value) = wild {
        let (what, index) = ("weight of a block", Vec::new());
        return Err(Error::NotFinite { what, index, value: f64::from(value) });
    }
    let functions = RandomFunctions::new(seed, &[number]);
    let mut rng = seed.stream(Purpose::Field, &[number]);
    let (n, c, h, w) = block.x.dim();
    // On a map smaller than the kernel, some of the kernel's weights may go unused.
    let k = weights.spec().kernel();
    let size = (n, c, h.max(k), w.max(k));
    let x = Array4::from_shape_simple_fn(size, || uniform(&mut rng));
    let between = functions.functions().into();
    let witnesses = apart(forms, &Problem { weights: &weights, x: x.view(), between }, shown)?;
    let at_most = (1.0 + functions.pairs()) / P;
    Ok(Evidence::of(Bound::Probability { at_most }, witnesses))
}

/// y = s z + t, where s and t are drawn at random for each channel.
struct RandomAffine<'a> {
    keys: &'a RandomFunctions,
    layer: Layer,
}

impl ChannelWise<M61> for RandomAffine<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, M61>) {
        let [scale, shift] =
            [0, 1].map(|which| self.keys.value(self.layer, channel, which, M61::zero()));
        plane.mapv_inplace(|z| scale.mul(&z).add(&shift));
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::RandomAffine;
    use crate::block::Layer;
    use crate::conv::ChannelWise;
    use crate::evidence::RandomFunctions;
    use crate::random::Seed;
    use crate::scalar::{M61, Scalar};

    /// Scale and shift are different numbers, and both differ from channel to channel and layer to layer.
    #[test]
    fn each_channel_has_its_own_affine() {
        let keys = RandomFunctions::new(Seed(1), &[]);
        let affine = |layer, channel| {
            let mut plane = Array3::from_shape_fn((1, 1, 2), |(_, _, i)| M61::new(i as u64));
            RandomAffine { keys: &keys, layer }.apply(channel, plane.view_mut());
            let shift = plane[[0, 0, 0]];
            [plane[[0, 0, 1]].sub(&shift), shift]
        };
        let all = [affine(Layer::Reduce, 0), affine(Layer::Reduce, 1), affine(Layer::Output, 0)];
        let mut values = all.concat();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), 6);
    }
}
