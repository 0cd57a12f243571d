//! Checks of grouped convolution itself.

use std::num::NonZeroU64;

use ndarray::{Array4, Axis, concatenate, s};
use rand::Rng as _;

use super::{Given, refuted};
use crate::conv::{ConvSpec, Convolver, Reference, block_diagonal};
use crate::error::Result;
use crate::evidence::{Bound, Verdict};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Additive, Int, Ordered};

/// Random cases for each claim.
const CASES: NonZeroU64 = NonZeroU64::new(20).unwrap();

fn rng(number: u64) -> Rng {
    Seed(0).stream(Purpose::Exact, &[7, number])
}

fn random(shape: [usize; 4], rng: &mut Rng) -> Array4<Int> {
    Array4::from_shape_simple_fn(shape, || Int::from(rng.random_range(-9..=9)))
}

fn convolve(x: &Array4<Int>, kernel: &Array4<Int>, groups: usize) -> Result<Array4<Int>> {
    let reference = Reference::default();
    let padding = kernel.len_of(Axis(2)) / 2;
    let kernel = reference.prepare(kernel.view(), ConvSpec::new(1, padding, 1, groups)?)?;
    reference.sums(x.view(), &kernel)
}

/// Compares [`CASES`] pairs of tensors. If all are equal, the claim is supported for these shapes; otherwise it is
/// refuted.
fn all_equal(pair: impl Fn(u64) -> Result<(Array4<Int>, Array4<Int>)>) -> Result<Verdict> {
    let mut values = 0;
    for number in 0..CASES.get() {
        let (left, right) = pair(number)?;
        if left != right {
            return Ok(refuted("convolutions of integers", "another tensor", "the same"));
        }
        values += left.len() as u64;
    }
    Ok(Verdict::Supported { cases: CASES, bound: Bound::Exact { values } })
}

fn joined(axis: usize, tensors: &[Array4<Int>]) -> Array4<Int> {
    let views: Vec<_> = tensors.iter().map(|tensor| tensor.view()).collect();
    let joined = concatenate(Axis(axis), &views);
    joined.unwrap_or_else(|error| unreachable!("equal but for this axis: {error}"))
}

pub(super) fn block_diagonal_twin(given: Given) -> Result<Verdict> {
    all_equal(|number| {
        let mut rng = rng(number);
        let (groups, d) = (3, 2);
        let x = random([2, groups * d, 4, 5], &mut rng);
        let grouped = random([groups * d, d, 3, 3], &mut rng);
        let mut dense = block_diagonal(grouped.view(), groups)?;
        if given == Given::Wrong {
            dense[[0, groups * d - 1, 1, 1]] = Int::from(1);
        }
        Ok((convolve(&x, &grouped, groups)?, convolve(&x, &dense, 1)?))
    })
}

pub(super) fn depthwise(given: Given) -> Result<Verdict> {
    all_equal(|number| {
        let mut rng = rng(number);
        let channels = 4;
        let x = random([2, channels, 4, 5], &mut rng);
        let kernel = random([channels, 1, 3, 3], &mut rng);
        let one = |channel: usize| {
            let own = given.pick(channel, 0);
            let plane = x.slice(s![.., channel..=channel, .., ..]).to_owned();
            convolve(&plane, &kernel.slice(s![own..=own, .., .., ..]).to_owned(), 1)
        };
        let planes = (0..channels).map(one).collect::<Result<Vec<_>>>()?;
        Ok((convolve(&x, &kernel, channels)?, joined(1, &planes)))
    })
}

/// Checks that the sum of C paths of two layers equals two dense layers that are C times as wide. No grouped
/// convolution is needed: sum of `B_i relu(A_i x)` = `[B_1 ... B_C] relu([A_1; ...; A_C] x)`.
pub(super) fn depth_two_is_dense(given: Given) -> Result<Verdict> {
    all_equal(|number| {
        let mut rng = rng(number);
        let (paths, d, channels) = (3, 2, 6);
        let x = random([2, channels, 4, 5], &mut rng);
        let first: Vec<_> = (0..paths).map(|_| random([d, channels, 3, 3], &mut rng)).collect();
        let second: Vec<_> = (0..paths).map(|_| random([channels, d, 3, 3], &mut rng)).collect();
        let relu = |x: Array4<Int>| x.map(|x| x.relu());
        let path = |i: usize| convolve(&relu(convolve(&x, &first[i], 1)?), &second[i], 1);
        let mut sum = path(0)?;
        for i in 1..paths {
            sum.zip_mut_with(&path(i)?, |sum, z| *sum = sum.add(z));
        }
        let (wide, narrow) = (joined(0, &first), joined(1, &second));
        let hidden = relu(convolve(&x, &wide, 1)?);
        let dense = match given {
            Given::Right => convolve(&hidden, &narrow, 1)?,
            Given::Wrong => {
                convolve(&hidden, &narrow.slice(s![.., ..d, .., ..]).to_owned(), paths)?
            }
        };
        Ok((sum, dense))
    })
}
