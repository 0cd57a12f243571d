//! Small tensors to look at, and comparisons of two of them.

use ndarray::{Array4, ArrayView4};
use rand::Rng as _;

use triform::block::{BlockSpec, BlockWeights};
use triform::error::Result;
use triform::random::{Purpose, Seed};
use triform::scalar::Expression;

/// Integers from -3 to 3, so small that sums of them are exact in `f32` and can be computed by hand.
/// The same seed gives the same numbers on every machine.
///
/// ```
/// use triform_notebook::integers;
/// let x = integers([1, 2, 3, 3], 7);
/// assert_eq!(x, integers([1, 2, 3, 3], 7));
/// assert!(x.iter().all(|value| value.abs() <= 3.0 && value.fract() == 0.0));
/// ```
pub fn integers(shape: [usize; 4], seed: u64) -> Array4<f32> {
    let mut rng = Seed(seed).stream(Purpose::Examples, &shape.map(|size| size as u64));
    Array4::from_shape_simple_fn(shape, || f32::from(rng.random_range(-3_i8..=3)))
}

/// The kernels of a block, made of [`integers`].
pub fn integer_block(spec: BlockSpec, seed: u64) -> Result<BlockWeights<f32>> {
    let mut next = seed.wrapping_mul(4);
    BlockWeights::from_fn(spec, |shape| {
        next = next.wrapping_add(1);
        integers(shape, next.wrapping_sub(1))
    })
}

/// The same tensor, with numbers that record how they are computed.
pub fn expressions(x: ArrayView4<'_, f32>) -> Array4<Expression> {
    x.map(|value| Expression::from(f64::from(*value)))
}

/// The same weights, with numbers that record how they are computed.
pub fn expression_block(weights: &BlockWeights<f32>) -> BlockWeights<Expression> {
    weights.map(|value| Expression::from(f64::from(*value)))
}

/// Whether two tensors have the same shape and equal numbers, to the bit except for the sign of a
/// zero. A NaN equals nothing.
pub fn is_equal(left: &Array4<f32>, right: &Array4<f32>) -> bool {
    left == right
}

/// The largest absolute difference between two tensors of the same shape; NaN if either contains a NaN.
///
/// # Panics
///
/// If the shapes differ.
pub fn largest_difference(left: &Array4<f32>, right: &Array4<f32>) -> f32 {
    assert_eq!(left.shape(), right.shape(), "tensors of different shapes");
    let differences = left.iter().zip(right).map(|(left, right)| (left - right).abs());
    differences
        .fold(0.0, |largest, next| if next > largest || next.is_nan() { next } else { largest })
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::*;

    #[test]
    fn differences_are_seen_nan_included() {
        let x = Array4::from_elem((1, 1, 1, 3), 1.0);
        let mut y = x.clone();
        assert!(is_equal(&x, &y) && largest_difference(&x, &y) == 0.0);
        y[[0, 0, 0, 1]] = 0.5;
        assert!(!is_equal(&x, &y) && largest_difference(&x, &y) == 0.5);
        y[[0, 0, 0, 0]] = f32::NAN;
        assert!(largest_difference(&x, &y).is_nan() && largest_difference(&y, &x).is_nan());
    }

    #[test]
    fn the_kernels_of_a_block_are_drawn_apart() {
        let spec = BlockSpec::new(4, 2, 2, 8).unwrap();
        let weights = integer_block(spec, 3).unwrap();
        assert!(weights.shortcut().is_some());
        assert_ne!(weights.reduce(), integer_block(spec, 4).unwrap().reduce());
        let spelled = expression_block(&weights);
        assert_eq!(
            spelled.reduce()[[0, 0, 0, 0]].value(),
            f64::from(weights.reduce()[[0, 0, 0, 0]])
        );
    }
}
