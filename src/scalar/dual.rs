//! Dual numbers `a + b eps` with `eps^2 = 0`. Each holds a value `a` and its derivative `b`.

use std::cmp::Ordering;

use super::{Additive, Dot, Ordered, Real, Scalar};

/// A value and its derivative in one direction, written `value + derivative eps` with `eps^2 = 0` (Clifford 1871). Ring
/// operations on dual numbers compute the derivative together with the value. So a form that runs on dual numbers also
/// computes its own derivative.
///
/// ```
/// use triform::scalar::{Dual, Int, Scalar};
/// let x = Dual { value: Int::from(5), derivative: Int::from(1) };
/// let square = x.mul(&x);
/// assert_eq!(square.derivative, Int::from(10)); // (x^2)' = 2 x
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<S> {
    /// The value, `a`.
    pub value: S,
    /// The derivative, `b`.
    pub derivative: S,
}

impl<S: Additive> Dual<S> {
    /// A constant, whose derivative is 0.
    pub fn constant(value: S) -> Self {
        Self { value, derivative: S::zero() }
    }
}

impl<S: Additive> Additive for Dual<S> {
    fn zero() -> Self {
        Self::constant(S::zero())
    }
    fn add(&self, other: &Self) -> Self {
        Self {
            value: self.value.add(&other.value),
            derivative: self.derivative.add(&other.derivative),
        }
    }
}

impl<S: Scalar> Scalar for Dual<S> {
    fn one() -> Self {
        Self::constant(S::one())
    }
    fn mul(&self, other: &Self) -> Self {
        let left = self.derivative.mul(&other.value);
        let right = self.value.mul(&other.derivative);
        Self { value: self.value.mul(&other.value), derivative: left.add(&right) }
    }
    fn neg(&self) -> Self {
        Self { value: self.value.neg(), derivative: self.derivative.neg() }
    }
}

/// Compares the values only.
impl<S: PartialOrd> PartialOrd for Dual<S> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl<S: Ordered> Ordered for Dual<S> {
    /// At 0, the derivative of ReLU is 0, as in PyTorch. Any number from 0 to 1 would do if all forms used the same
    /// number.
    fn relu(&self) -> Self {
        if self.value <= S::zero() { Self::zero() } else { self.clone() }
    }
}

/// Uses the derivative rules for quotients and square roots. A number converted from `f64` is a constant.
impl<S: Real> Real for Dual<S> {
    fn div(&self, other: &Self) -> Self {
        let value = self.value.div(&other.value);
        let moved = self.derivative.sub(&value.mul(&other.derivative));
        Self { derivative: moved.div(&other.value), value }
    }
    fn sqrt(&self) -> Self {
        let value = self.value.sqrt();
        Self { derivative: self.derivative.div(&value.add(&value)), value }
    }
    fn from_f64(value: f64) -> Self {
        Self::constant(S::from_f64(value))
    }
    fn to_f64(&self) -> f64 {
        self.value.to_f64()
    }
}

impl<S: Dot> Dot for Dual<S> {
    /// The sum of the products of the values, and the sum of the product rule's terms.
    type Sum = (S::Sum, S::Sum);
    fn accumulate(sum: &mut Self::Sum, weight: &Self, value: &Self) {
        S::accumulate(&mut sum.0, &weight.value, &value.value);
        S::accumulate(&mut sum.1, &weight.derivative, &value.value);
        S::accumulate(&mut sum.1, &weight.value, &value.derivative);
    }
    fn total((value, derivative): Self::Sum) -> Self {
        Self { value: S::total(value), derivative: S::total(derivative) }
    }
}

#[cfg(test)]
mod tests {
    use super::Dual;
    use crate::scalar::Ordered;

    #[test]
    fn relu_has_the_derivative_0_or_1() {
        let relu = |value: f32| Dual { value, derivative: 3.0 }.relu();
        assert_eq!(relu(2.0), Dual { value: 2.0, derivative: 3.0 });
        assert_eq!(relu(-2.0), Dual { value: 0.0, derivative: 0.0 });
        assert_eq!(relu(0.0), Dual { value: 0.0, derivative: 0.0 });
        assert!(relu(f32::NAN).value.is_nan(), "what is not known stays so");
    }

    /// Max pooling takes the larger value together with its derivative.
    #[test]
    fn the_larger_value_brings_its_derivative() {
        let small = Dual { value: 1.0f32, derivative: 9.0 };
        let large = Dual { value: 2.0f32, derivative: -5.0 };
        assert_eq!((small.max(&large), large.max(&small)), (large, large));
        assert!(small < large);
        let unknown = Dual { value: f32::NAN, derivative: 0.0 };
        assert!(unknown.max(&large).value.is_nan() && large.max(&unknown).value.is_nan());
    }
}
