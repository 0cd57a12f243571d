//! R3, exact integers: data on which floats do not round, with a certificate.
//!
//! A float format with a p-bit significand holds every integer up to 2^p exactly (p = 24 for `f32`, 53 for `f64`). All
//! data here are integers, and every sum of the terms' *sizes* (absolute values) stays at or below 2^p. So every
//! partial sum is an integer of at most that size, whichever terms it has and in whatever order. No operation rounds,
//! fused or not. So the result is the same integer in every order of summation, and two equivalent forms must be equal
//! to the bit.
//!
//! The certificate is computed along with the block, in checked 64-bit integers. For every output of
//! every layer,
//!
//! ```text
//! |s| (sum of |w| |h| + |mean|) + |beta| + |shortcut|  <=  2^p
//! ```
//!
//! Batch norm is made exact. Epsilon is 0, the variance is a power of 4, and gamma is plus or minus the square root of
//! the variance. So the scale s is plus or minus 1. The mean and the shift are integers.
//!
//! **Zero has two signs**, and "equal to the bit" distinguishes them. A number plus its negative gives +0, and +0 plus
//! -0 gives +0. Only a product, or adding -0 to -0, can give -0. So if all terms of a sum are zero, the sum may be -0
//! in one order and +0 in another. But batch norm follows. It computes s z + t with t = beta - mean s. If neither mean
//! nor beta is -0, then t is never -0, and adding such a t never gives -0. So integers are drawn without -0, and the
//! forms agree to the bit.
//!
//! This rung cannot see rounding, and it needs channels that are alive: see [`crate::evidence::live`].

use std::iter;
use std::sync::atomic::{AtomicI64, Ordering};

use ndarray::{Array4, ArrayView4, ArrayViewMut3, Zip, s};
use rand::Rng as _;

use super::{Draw, Method};
use crate::block::{
    Activation, BlockForm as _, BlockNorms, BlockSpec, BlockWeights, Form, Layer, Shortcut,
};
use crate::conv::{ConvSpec, Convolver, Double, Fast, Reference};
use crate::error::{Error, Result};
use crate::evidence::bound::{SizedKernel, sized};
use crate::evidence::{
    Between, Bound, Case, ChannelNorm, Choice, Evidence, Forms, Layout, LiveNorms, LiveScalar,
    OnReal, Problem, Runs, Watched, Witness, against_exact, compare, float, letters, pairs,
    threshold, who,
};
use crate::random::Purpose;
use crate::scalar::{Additive, Dot, Int, Ordered, Real, Scalar};

/// R3.
pub const METHOD: Method = Method {
    name: "exact integers",
    asks: "same bits on small integers?",
    says: "On integers certified to be so small that no sum rounds in any order, the forms are equal \
           to the bit.",
    blind_to: "loss of precision",
    never_rounds: true,
    on_case: Some(("integers", |forms, case, _| {
        let Some(exact) = ExactCase::alive(case)? else { return Ok(None) };
        to_the_bit(forms, &exact, case.layout).map(Some)
    })),
    on_block: Some(("integers", on_block)),
    ..Method::NONE
};

/// Integers of at most this size are exact in `f32`: 2^24.
pub const LIMIT_F32: i64 = 1 << 24;
/// Integers of at most this size are exact in `f64`: 2^53.
pub const LIMIT_F64: i64 = 1 << 53;

/// An integer, and the sum of the absolute values of the terms that it was computed from.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measured {
    /// The integer.
    pub value: Int,
    /// An upper bound on the absolute value of every partial sum in its computation.
    pub size: Int,
}

impl Measured {
    /// An integer that is given, or known to be exact: its size is its absolute value.
    pub fn given(value: Int) -> Self {
        Self { value, size: value.abs() }
    }
}

impl Additive for Measured {
    fn zero() -> Self {
        Self::given(Int::zero())
    }
    fn add(&self, other: &Self) -> Self {
        Self { value: self.value.add(&other.value), size: self.size.add(&other.size) }
    }
}

/// The terms of a product are the products of the factors' terms.
impl Scalar for Measured {
    fn one() -> Self {
        Self::given(Int::one())
    }
    fn mul(&self, other: &Self) -> Self {
        Self { value: self.value.mul(&other.value), size: self.size.mul(&other.size) }
    }
    fn neg(&self) -> Self {
        Self { value: self.value.neg(), size: self.size }
    }
}

impl Dot for Measured {
    type Sum = [Int; 2];
    fn accumulate([value, size]: &mut [Int; 2], weight: &Self, x: &Self) {
        Int::accumulate(value, &weight.value, &x.value);
        Int::accumulate(size, &weight.size, &x.size);
    }
    fn total([value, size]: [Int; 2]) -> Self {
        Self { value, size }
    }
}

/// Compares the values only.
impl PartialOrd for Measured {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Ordered for Measured {
    /// Keeps the size of the sums before the ReLU.
    fn relu(&self) -> Self {
        Self { value: self.value.relu(), size: self.size }
    }
}

/// Convolution of sized integers: two convolutions in `f64`, one of the values and one of their sizes.
///
/// The values are exact if the computed sum of the sizes is below 2^53; otherwise they are poisoned. Proof:
/// suppose that the true sum of the sizes of some subset of the terms is 2^53 or more at some step. Sizes are
/// not negative and rounding is monotonic, so the sum computed there is 2^53 or more too, and so is the final
/// sum. So if the final sum is below 2^53, every partial sum of sizes was too. A partial sum of values never exceeds
/// the sum of the same terms' sizes. So all partial sums are integers that `f64` holds, and nothing was rounded.
pub(super) struct MeasuredSums;

impl Convolver<Measured> for MeasuredSums {
    type Kernel = SizedKernel;

    fn prepare(&self, weights: ArrayView4<'_, Measured>, spec: ConvSpec) -> Result<SizedKernel> {
        sized(&weights.map(|weight| as_f64(&weight.value)), spec)
    }

    fn sums(
        &self,
        x: ArrayView4<'_, Measured>,
        [weights, sizes]: &SizedKernel,
    ) -> Result<Array4<Measured>> {
        let x = x.map(|x| as_f64(&x.value));
        let values: Array4<f64> = Double.sums(x.view(), weights)?;
        let sizes = Double.sums(x.mapv(f64::abs).view(), sizes)?;
        Ok(Zip::from(&values).and(&sizes).map_collect(|&value, &size| {
            if size < LIMIT_F64 as f64 {
                Measured { value: Int::from(value as i64), size: Int::from(size as i64) }
            } else {
                Measured { value: Int::POISON, size: Int::POISON }
            }
        }))
    }
}

/// An integer as `f64`. A poisoned integer, or one that `f64` may not hold, becomes infinity. Infinity poisons every
/// sum in which it occurs. (Infinity times a weight of 0 is NaN, which is not below 2^53 either.)
fn as_f64(integer: &Int) -> f64 {
    let held = integer.value().filter(|value| value.abs() < LIMIT_F64);
    held.map_or(f64::INFINITY, |value| value as f64)
}

/// The statistics are integers, and the scale is plus or minus 1.
impl LiveScalar for Measured {
    fn value(&self) -> f64 {
        float(&self.value)
    }

    fn norm(values: &[f64], gated: bool, choice: &Choice) -> ChannelNorm {
        let scale = choice.sign();
        let root = f64::from(1u32 << (3.0 * choice.variance).min(2.0) as u32); // 1, 2 or 4
        let mean = (8.0 * choice.mean).round();
        let mut beta = (8.0 * choice.beta).round();
        if gated {
            // If all values of the channel are equal, let them pass, as 1.
            beta = match threshold(values, choice.quantile, scale > 0.0) {
                Some(corner) => -scale * (corner - mean),
                None => 1.0 - scale * (values.first().copied().unwrap_or(0.0) - mean),
            };
        }
        // Adding 0 turns -0 into 0; see the module's docs.
        let (beta, mean) = (beta + 0.0, mean + 0.0);
        let (gamma, variance) = (scale * root, root * root);
        [gamma, beta, mean, variance, 0.0]
    }

    fn normalise(norm: &ChannelNorm, gated: bool) -> impl Fn(&Self) -> Self {
        // All of these are integers far below 2^63, so the conversion does not saturate.
        let [gamma, beta, mean, variance, _] = *norm;
        let [scale, mean, beta] =
            [gamma / variance.sqrt(), mean, beta].map(|value| Self::given(Int::from(value as i64)));
        move |z| {
            let y = scale.mul(&z.sub(&mean)).add(&beta);
            if gated { y.relu() } else { y }
        }
    }
}

/// A block with integer data on which floats do not round.
pub struct ExactCase {
    /// Integer kernels.
    pub weights: BlockWeights<Int>,
    /// Batch norms with scale plus or minus 1. They are in `f64`, because a shift may be as large as a sum.
    pub norms: BlockNorms<f64>,
    /// N x C_in x H x W.
    pub x: Array4<Int>,
    /// What every form must give, computed in integers: N x C_out x H_out x W_out.
    pub expected: Array4<Int>,
    /// No partial sum is larger than this.
    pub reached: i64,
    /// Hidden channels through which nothing passes.
    pub dead_channels: usize,
    /// Hidden channels that pass everything.
    pub open_channels: usize,
}

/// Draws a block and an input of N x C_in x H x W, from integers small enough that no partial
/// sum exceeds `limit`.
///
/// The input and the first kernel come from -8..=8, and the other kernels from -r..=r. Here r starts at 4 (2 for wide
/// blocks) and is halved until the certificate holds. Returns [`Error::NoExactCase`] if the certificate does not hold
/// for r = 1 either.
fn draw(
    spec: BlockSpec,
    (n, h, w): (usize, usize, usize),
    limit: i64,
    (seed, number): Draw,
) -> Result<ExactCase> {
    let mut range = if spec.inner() <= 256 { 4 } else { 2 };
    loop {
        let mut rng = seed.stream(Purpose::Exact, &[number]);
        let mut integers = |shape: [usize; 4], range: i64| {
            Array4::from_shape_simple_fn(shape, || Int::from(rng.random_range(-range..=range)))
        };
        let x = integers([n, spec.c_in(), h, w], 8);
        // The range of the first kernel, then that of the others.
        let mut ranges = iter::once(8).chain(iter::repeat(range));
        let weights =
            BlockWeights::from_fn(spec, |shape| integers(shape, ranges.next().unwrap_or(range)))?;
        let live = LiveNorms::drawn(seed, Purpose::Exact, &[number]);
        let reached = match certify(weights, x, &live, limit)? {
            Ok(case) => return Ok(case),
            Err(reached) => reached,
        };
        range /= 2;
        if range == 0 {
            return Err(Error::NoExactCase { block: spec.to_string(), reached, limit });
        }
    }
}

/// Makes a case of these integers. If the partial sums may exceed `limit`, returns instead the size that they may
/// reach.
pub fn certify(
    weights: BlockWeights<Int>,
    x: Array4<Int>,
    live: &LiveNorms<'_>,
    limit: i64,
) -> Result<Result<ExactCase, i64>> {
    let projection = weights.spec().shortcut() == Shortcut::Projection;
    let reached = AtomicI64::new(0);
    let certify = |layer: Layer, _: usize, mut plane: ArrayViewMut3<'_, Measured>| {
        plane.mapv_inplace(|y| {
            // A poisoned size is beyond every limit.
            reached.fetch_max(y.size.value().unwrap_or(i64::MAX), Ordering::Relaxed);
            // A layer's output is now an exact float, so its size starts anew. But after the sum over
            // the paths, the shortcut is still to be added.
            if layer == Layer::Expand { y } else { Measured::given(y.value) }
        });
    };
    let functions = live.functions(projection);
    let watched = Watched::new(&functions, &certify);
    let given = |integer: &Int| Measured::given(*integer);
    let (measured, x_measured) = (weights.map(given), x.map(given));
    let functions = watched.functions();
    let y = Form::Grouped.forward(&measured, x_measured.view(), &functions, &MeasuredSums)?;
    let reached = reached.load(Ordering::Relaxed);
    if reached > limit {
        return Ok(Err(reached));
    }
    let (norms, [dead_channels, open_channels]) = (live.norms(projection)?, live.dead_and_open());
    let expected = y.mapv(|y| y.value);
    Ok(Ok(ExactCase { weights, norms, x, expected, reached, dead_channels, open_channels }))
}

impl ExactCase {
    /// The integers of a random case; `None` if a sum is too large, or a hidden channel is dead or open.
    pub fn alive(case: &Case) -> Result<Option<Self>> {
        let x = case.layout.lay(&case.x);
        let exact = certify(case.weights.clone(), x, &case.live(), LIMIT_F32)?.ok();
        Ok(exact.filter(|exact| exact.dead_channels + exact.open_channels == 0))
    }

    /// The kernels, the input and the expected output, as floats.
    pub fn floats<S: Real>(&self) -> (BlockWeights<S>, Array4<S>, Array4<S>) {
        (self.weights.map(float), self.x.map(float), self.expected.map(float))
    }
}

/// Runs the forms in `f32` on this case, with its input in the memory layout `layout`, and compares each with the
/// integers. Then runs the forms again after an input of another shape, because a form with a workspace must not
/// reuse the workspace's old contents.
fn to_the_bit(forms: Forms<'_>, case: &ExactCase, layout: Layout) -> Result<Evidence> {
    let (weights, x, expected) = case.floats::<f32>();
    let (x, norms, fast) = (layout.lay(&x), case.norms.cast(), Fast::new());
    let between = Between::norms(&norms, Activation::Relu);
    let problem = Problem { weights: &weights, x: x.view(), between };
    let mut witnesses = Vec::new();
    for form in forms {
        let prepared = problem.prepare(*form, &fast)?;
        let first = prepared.forward(x.view())?;
        prepared.forward(x.slice(s![..1, .., ..1, ..]))?;
        let again = prepared.forward(x.view())?;
        for output in [first, again] {
            witnesses.extend(against_exact(who(*form), &output, &expected));
        }
    }
    let values = 2 * (forms.len() * expected.len()) as u64;
    Ok(Evidence::of(Bound::Exact { values }, witnesses))
}

/// How many elements differ between each pair of forms, such as `ab`.
pub type Differing = Vec<(String, usize)>;

/// R3's findings on one block.
#[derive(Clone, Debug)]
pub struct ExactReport {
    /// "f32", or "f64" if no integers small enough for `f32` were found.
    pub float: &'static str,
    /// No partial sum is larger than this.
    pub reached: i64,
    /// Partial sums up to this limit are exact.
    pub limit: i64,
    /// How many elements differ between each pair of forms, such as `ab`.
    pub differing: Differing,
    /// How many elements were compared.
    pub elements: usize,
    /// Hidden channels through which nothing passes.
    pub dead_channels: usize,
}

fn on_block(forms: Forms<'_>, real: &OnReal<'_>, at: Draw) -> Result<Evidence> {
    let (spec, (_, _, h, w)) = (*real.weights.spec(), real.x.dim());
    let draw = |limit| draw(spec, (1, h, w), limit, at);
    let (case, float, limit) = match draw(LIMIT_F32) {
        Ok(case) => (case, "f32", LIMIT_F32),
        Err(Error::NoExactCase { .. }) => (draw(LIMIT_F64)?, "f64", LIMIT_F64),
        Err(error) => return Err(error),
    };
    let (differing, witnesses) = if limit == LIMIT_F32 {
        in_floats::<f32, _>(forms, &case, &Fast::new())?
    } else {
        in_floats::<f64, _>(forms, &case, &Reference::default())?
    };
    let elements = case.expected.len();
    let ExactCase { reached, dead_channels, .. } = case;
    let report = ExactReport { float, reached, limit, differing, elements, dead_channels };
    let bound = Bound::Exact { values: (forms.len() * elements) as u64 };
    Ok(Evidence { exact: Some(report), ..Evidence::of(bound, witnesses) })
}

/// Runs each form on an exact case. Returns how many elements differ between each pair of forms, and a
/// witness for each form that differs from the integers.
fn in_floats<S: Real, V: Runs<S>>(
    forms: Forms<'_>,
    case: &ExactCase,
    convolver: &V,
) -> Result<(Differing, Vec<Witness>)> {
    let (weights, x, expected) = case.floats::<S>();
    let norms = case.norms.cast();
    let between = Between::norms(&norms, Activation::Relu);
    let problem = Problem { weights: &weights, x: x.view(), between };
    let outputs = problem.solve_all(forms, convolver)?;
    let held = forms.iter().zip(&outputs).map(|(form, y)| against_exact(who(*form), y, &expected));
    let witnesses = held.flatten().collect();
    let differing = |i: usize, j: usize| compare(&outputs[i], &outputs[j]).1;
    Ok((pairs(&letters(forms), differing), witnesses))
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{ExactCase, LIMIT_F32, LIMIT_F64, Measured, MeasuredSums, certify, draw};
    use crate::block::{Activation, BlockForm as _, BlockSpec, BlockWeights, Form, NormFunctions};
    use crate::conv::{ConvSpec, Convolver, Reference};
    use crate::error::Error;
    use crate::evidence::{Choice, LiveNorms};
    use crate::random::Seed;
    use crate::scalar::Int;

    /// A block of one path, one channel and one pixel. Every mean is 2, and the last batch norm has beta 4.
    fn case(
        [x, reduce, transform, expand]: [i64; 4],
        limit: i64,
        negative: bool,
    ) -> Result<ExactCase, i64> {
        let one = |value: i64| Array4::from_elem((1, 1, 1, 1), Int::from(value));
        let spec = BlockSpec::new(1, 1, 1, 1).unwrap().with_kernel(1).unwrap();
        let weights =
            BlockWeights::new(spec, one(reduce), one(transform), one(expand), None).unwrap();
        let choice =
            Choice { negative, gamma: 0.0, variance: 0.4, mean: 0.25, beta: 0.5, quantile: 0.5 };
        certify(weights, one(x), &LiveNorms::new(move |_, _| choice), limit).unwrap()
    }

    /// By hand. The first sum is 5 * 3 = 15. It is the only value of its channel, so it passes the ReLU as 1. Therefore
    /// beta = 1 - (15 - 2) = -12, and the sizes are 15 + 2 + 12 = 29. The second sum is 1 * -2 = -2, with beta = 5 and
    /// sizes 2 + 2 + 5 = 9. The third, with batch norm, is 70 - 2 + 4 = 72, with size 76. With the shortcut of 5, it is
    /// 77, with size 81.
    #[test]
    fn the_certificate_is_the_sum_of_all_sizes() {
        let exact = case([5, 3, -2, 70], LIMIT_F32, false).unwrap();
        assert_eq!(exact.reached, 81);
        assert_eq!(exact.expected[[0, 0, 0, 0]], Int::from(77));
        assert_eq!(exact.dead_channels, 0);
        let [gamma, beta, mean, variance] = exact.norms.reduce.channel(0);
        assert_eq!([*gamma, *beta, *mean, *variance], [2.0, -12.0, 2.0, 4.0]);
        // A large sum in the first layer counts too.
        let early = case([5, -90, 1, 1], LIMIT_F32, false).unwrap();
        assert_eq!(early.reached, 450 + 2 + 453);
        let turned = case([5, 3, -2, 70], LIMIT_F32, true).unwrap();
        assert_eq!(*turned.norms.reduce.channel(0)[0], -2.0);
        assert_eq!(turned.expected[[0, 0, 0, 0]], Int::from(0), "relu(-(70 - 2) + 4 + 5)");
    }

    /// The floats hold every integer up to the limits, but not the next one.
    #[test]
    fn the_limits_are_those_of_the_floats() {
        assert_eq!(LIMIT_F32 as f32 as i64, LIMIT_F32);
        assert_eq!((LIMIT_F32 + 1) as f32 as i64, LIMIT_F32);
        assert_eq!((LIMIT_F64 + 1) as f64 as i64, LIMIT_F64);
    }

    #[test]
    fn a_case_beyond_the_limit_is_refused() {
        assert!(case([5, 3, -2, 70], 81, false).is_ok());
        assert_eq!(case([5, 3, -2, 70], 80, false).err(), Some(81));
        // Overflow is beyond every limit.
        assert_eq!(case([i64::MAX, 2, 1, 1], i64::MAX - 1, false).err(), Some(i64::MAX));
        let spec = BlockSpec::new(4, 3, 2, 4).unwrap();
        assert!(draw(spec, (1, 3, 2), LIMIT_F32, (Seed(0), 0)).is_ok());
        let refused = draw(spec, (1, 3, 2), 10, (Seed(0), 0)).err();
        assert!(matches!(refused, Some(Error::NoExactCase { limit: 10, reached: 11.., .. })));
    }

    /// In `f64`, a shift may be larger than `f32` can hold. The forms must get such a shift unchanged.
    #[test]
    fn cases_for_f64_keep_their_norms() {
        let exact = case([(1 << 26) + 1, 1, 1, 1], LIMIT_F64, false).unwrap();
        assert_eq!(*exact.norms.reduce.channel(0)[1], -f64::from((1 << 26) - 2));
        let norms = NormFunctions::new(&exact.norms, Activation::Relu).unwrap();
        let (weights, x, expected) = exact.floats::<f64>();
        let reference = Reference::default();
        for form in Form::ALL {
            let y = form.forward(&weights, x.view(), &norms.functions(), &reference);
            assert_eq!(y.unwrap(), expected);
        }
    }

    /// Sums are computed in `f64`. They are exact if the sizes add up to at most 2^53 - 1. Otherwise they are poisoned,
    /// even if the values cancel.
    #[test]
    fn sums_are_exact_or_poisoned() {
        let sum = |terms: &[i64]| {
            let tensor = |values: Vec<Measured>| {
                Array4::from_shape_vec((1, values.len(), 1, 1), values).unwrap()
            };
            let given = |value: &i64| Measured::given(Int::from(*value));
            let x = tensor(terms.iter().map(given).collect());
            let ones = tensor(terms.iter().map(|_| given(&1)).collect());
            let kernel = MeasuredSums.prepare(ones.view(), ConvSpec::UNIT).unwrap();
            let z = MeasuredSums.sums(x.view(), &kernel).unwrap()[[0, 0, 0, 0]];
            (z.value.value(), z.size.value())
        };
        let half = 1 << 52;
        assert_eq!(sum(&[half, half - 1]), (Some(LIMIT_F64 - 1), Some(LIMIT_F64 - 1)));
        assert_eq!(sum(&[half, 1 - half]), (Some(1), Some(LIMIT_F64 - 1)));
        assert_eq!(sum(&[half, half]), (None, None));
        assert_eq!(sum(&[half, -half, 1]), (None, None));
        assert_eq!(sum(&[half; 7]), (None, None));
        assert_eq!(sum(&[LIMIT_F64 + 1, 1]), (None, None));
        assert_eq!(sum(&[i64::MIN, 0, 1]), (None, None), "poisoned before");
    }
}
