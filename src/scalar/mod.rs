//! The types of number that a tensor can hold.
//!
//! The forms of a block are written once and run over many number types. The proof that the forms are equal depends on
//! the operations that they use. So there is a trait for each set of operations:
//!
//! - [`Additive`]: a zero and an addition. **The three forms need nothing else.** Products occur only inside the
//!   convolution.
//! - [`Scalar`]: a commutative ring. A convolution needs it.
//! - [`Ordered`]: a ring with an order, for ReLU and max pooling.
//! - [`Real`]: division and square root, for batch norm.
//! - [`Dot`]: how a sum of products is accumulated.
//!
//! These are the number types:
//!
//! - `f32` and `f64`: the numbers that networks run on.
//! - [`Int`]: an integer that is exact or marked as overflowed.
//! - [`M61`]: a field for testing identities at full size.
//! - [`F2`] and [`F3`]: fields small enough to try every value.
//! - [`Polynomial`]: a polynomial, which stands for all values of its variables at once.
//! - [`Dual`]: a value with its derivative.
//! - [`Var`]: a value that remembers how it was computed, for gradients.
//! - [`Counter`]: counts operations.
//! - [`Expression`]: writes down its own sums.

/// Implements `Dot` for a number type whose running sums have that same type.
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

/// Numbers with a zero and an addition.
///
/// # Laws
///
/// Addition is associative and commutative, and `zero()` is its unit. Floats obey these laws where their sums are
/// exact, for example on integers up to 2^24 in `f32`. Elsewhere, float addition is not associative, so the forms may
/// differ by rounding. The evidence bounds this difference.
pub trait Additive: Clone + Debug + PartialEq + Send + Sync + 'static {
    /// The unit of addition.
    fn zero() -> Self;
    /// The sum.
    fn add(&self, other: &Self) -> Self;
}

/// A commutative ring. Its operations take references, because a polynomial is not `Copy`.
///
/// # Laws
///
/// The laws of [`Additive`] hold. Multiplication is associative and commutative, has the unit `one()` and distributes
/// over addition. Also, `a + (-a) = 0` and `a - b = a + (-b)`. The tests of this module check all these laws.
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
/// If `a < b`, then `a + c < b + c`. If `0 < a` and `0 < b`, then `0 < ab`. Some values are not numbers: NaN, and an
/// integer that overflowed. Any comparison by `<`, `<=`, `>` or `>=` with such a value is false, even with itself.
pub trait Ordered: Scalar + PartialOrd {
    /// The larger of two values. A value that is not a number counts as the larger, so the result shows it. (`f32::max`
    /// drops NaN.)
    fn max(&self, other: &Self) -> Self {
        let is_number = |x: &Self| x.partial_cmp(x).is_some();
        if !is_number(self) || self > other { self.clone() } else { other.clone() }
    }

    /// ReLU returns 0 for a value below 0, and any other value unchanged. NaN is not below 0, so it is returned
    /// unchanged.
    fn relu(&self) -> Self {
        if *self < Self::zero() { Self::zero() } else { self.clone() }
    }
}

/// Division and square root, which batch norm needs, and conversion from and to `f64`.
pub trait Real: Ordered {
    /// The quotient.
    fn div(&self, other: &Self) -> Self;
    /// The square root.
    fn sqrt(&self) -> Self;
    /// The value nearest to an `f64`.
    fn from_f64(value: f64) -> Self;
    /// The value as an `f64`, exact for `f32` and `f64`.
    fn to_f64(&self) -> f64;
}

/// How a sum of products is accumulated. This is a separate trait so that a number type can keep its running sums in
/// another type. For example, a prime field need not reduce its sum after every product. Floats keep their order of
/// summation.
///
/// # Laws
///
/// A running sum starts as `empty()`. After `accumulate` has been called on the pairs `w_i`, `x_i`, `total` returns the
/// sum of all `w_i x_i`. Floats are summed in the order of the calls, starting from 0.
pub trait Dot: Scalar {
    /// The running sum.
    type Sum: Clone + Default + Send;
    /// The sum of no products.
    fn empty() -> Self::Sum {
        Self::Sum::default()
    }
    /// Adds `weight * value` to the sum.
    fn accumulate(sum: &mut Self::Sum, weight: &Self, value: &Self);
    /// The finished sum.
    fn total(sum: Self::Sum) -> Self;
}
