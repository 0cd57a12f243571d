//! The number types that a tensor can have.
//!
//! The forms of a block are written once and run over many number types. Which operations they need
//! is part of the argument, so there is a trait for each set of operations:
//!
//! - [`Additive`]: a zero and an addition. **The three forms need nothing else**; products occur
//!   only inside the convolution.
//! - [`Scalar`]: a commutative ring. A convolution needs it.
//! - [`Ordered`]: a ring with an order, for ReLU and max pooling.
//! - [`Real`]: division and square root, for batch norm.
//! - [`Dot`]: how a sum of products is accumulated.
//!
//! The number types: `f32` and `f64`, which networks run on; [`Int`], exact or visibly overflowed; [`M61`], a field for
//! testing identities at full size; [`F2`] and [`F3`], fields small enough to try every value; [`Polynomial`], for all
//! values at once; [`Dual`], a value with its derivative; [`Var`], a value that remembers how it was computed, for
//! gradients; [`Counter`], which counts operations; [`Expression`], which writes down its own sums.

/// Implements `Dot` for a number type whose running sums are of that type too.
macro_rules! sums_of_itself {
    ($number:ty) => {
        impl Dot for $number {
            type Sum = Self;
            fn accumulate(sum: &mut Self, weight: &Self, value: &Self) {
                *sum = sum.add(&weight.mul(value));
            }
            fn total(sum: Self) -> Self {
                sum
            }
        }
    };
}

mod counter;
mod dual;
mod expression;
mod float;
mod integer;
#[cfg(test)]
mod laws;
mod polynomial;
mod prime;
mod var;

pub use counter::{Counter, Counts, counted};
pub use dual::Dual;
pub use expression::Expression;
pub use integer::Int;
pub use polynomial::Polynomial;
pub use prime::{F2, F3, M61, Prime};
pub use var::{Gradients, Var, gradients};

use std::fmt::Debug;

/// A zero and an addition.
///
/// # Laws
///
/// Addition is associative and commutative and `zero()` is its unit. Floats obey the laws on values whose sums are
/// exact (integers up to 2^24 in `f32`) and break associativity elsewhere; that gap is what the evidence measures.
pub trait Additive: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The unit of addition.
    fn zero() -> Self;
    /// The sum.
    fn add(&self, other: &Self) -> Self;
}

/// A commutative ring, with arithmetic by reference (a polynomial is not `Copy`).
///
/// # Laws
///
/// Those of [`Additive`]; multiplication is associative and commutative, has
/// the unit `one()` and distributes over addition; `a + (-a) = 0`;
/// `a - b = a + (-b)`. The tests of this module check them all.
pub trait Scalar: Additive {
    /// The unit of multiplication.
    fn one() -> Self;
    /// The product.
    fn mul(&self, other: &Self) -> Self;
    /// The additive inverse.
    fn neg(&self) -> Self;
    /// The difference.
    fn sub(&self, other: &Self) -> Self {
        self.add(&other.neg())
    }
}

/// A ring with an order, so that "negative" has a meaning.
///
/// # Laws
///
/// `a < b` implies `a + c < b + c`; `0 < a` and `0 < b` imply `0 < ab`. A value
/// that is not a number (NaN, an overflowed integer) compares false with
/// everything, itself included.
pub trait Ordered: Scalar + PartialOrd {
    /// The larger of the two. A value that is not a number wins, so it is visible in the
    /// result. (`f32::max` loses it.)
    fn max(&self, other: &Self) -> Self {
        let is_number = |x: &Self| x.partial_cmp(x).is_some();
        if !is_number(self) || self > other { self.clone() } else { other.clone() }
    }

    /// ReLU: 0 where the value is below 0, else the value itself. NaN is not
    /// below 0 and passes through.
    fn relu(&self) -> Self {
        if *self < Self::zero() { Self::zero() } else { self.clone() }
    }
}

/// Division and square root, as batch norm needs them, and conversion from and to `f64`.
pub trait Real: Ordered {
    /// The quotient.
    fn div(&self, other: &Self) -> Self;
    /// The square root.
    fn sqrt(&self) -> Self;
    /// The nearest value to an `f64`.
    fn from_f64(value: f64) -> Self;
    /// The value as an `f64`, exact for `f32` and `f64`.
    fn to_f64(&self) -> f64;
}

/// How a sum of products is accumulated. This is a separate trait so that a number type may carry its sums
/// in another form (a prime field reduces once at the end) while floats keep their order of summation.
///
/// # Laws
///
/// After calls of `accumulate(w_i, x_i)` on `empty`, `total` is the sum of `w_i x_i`; floats are
/// summed in the order of the calls, starting from 0.
pub trait Dot: Scalar {
    /// The running sum.
    type Sum: Clone + Default + Send;
    /// The sum of no products.
    fn empty() -> Self::Sum {
        Self::Sum::default()
    }
    /// Adds `weight * value`.
    fn accumulate(sum: &mut Self::Sum, weight: &Self, value: &Self);
    /// The finished sum.
    fn total(sum: Self::Sum) -> Self;
}
