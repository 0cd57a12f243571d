//! A checked 64-bit integer, which is either exact or marked as overflowed.

use std::cmp::Ordering;

use super::{Additive, Dot, Ordered, Scalar};

/// A 64-bit integer that is either exact or poisoned.
///
/// Arithmetic that leaves the range gives a poisoned value. Anything computed from a poisoned value is poisoned too,
/// even `0 * poison`. A poisoned number equals only another poisoned number, and its [`value`](Int::value) is `None`.
/// Any `<` or `>` comparison with a poisoned number is false, so ReLU and max pass it on. The caller reports it.
///
/// ```
/// use triform::scalar::{Int, Scalar};
/// assert_eq!(Int::from(6).mul(&Int::from(7)).value(), Some(42));
/// assert_eq!(Int::from(i64::MAX).mul(&Int::from(2)).value(), None);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Int(i64);

impl Int {
    /// The result of arithmetic that overflowed.
    ///
    /// It is stored as `i64::MIN`, so a result that would be `i64::MIN` is poisoned as well. This loses one value but
    /// needs no separate flag.
    pub const POISON: Self = Self(i64::MIN);

    /// The integer, or `None` if the arithmetic that led to it overflowed.
    pub fn value(self) -> Option<i64> {
        (self != Self::POISON).then_some(self.0)
    }

    /// The absolute value.
    pub fn abs(self) -> Self {
        Self(self.0.wrapping_abs()) // keeps POISON
    }

    fn checked(self, other: Self, operation: impl Fn(i64, i64) -> Option<i64>) -> Self {
        match (self.value(), other.value()) {
            (Some(a), Some(b)) => operation(a, b).map_or(Self::POISON, Self),
            _ => Self::POISON,
        }
    }
}

impl From<i64> for Int {
    fn from(value: i64) -> Self {
        Self(value)
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.value()?.cmp(&other.value()?))
    }
}

impl Additive for Int {
    fn zero() -> Self {
        Self(0)
    }
    fn add(&self, other: &Self) -> Self {
        self.checked(*other, i64::checked_add)
    }
}

impl Scalar for Int {
    fn one() -> Self {
        Self(1)
    }
    fn mul(&self, other: &Self) -> Self {
        self.checked(*other, i64::checked_mul)
    }
    fn neg(&self) -> Self {
        Self(self.0.wrapping_neg()) // keeps POISON
    }
}

impl Ordered for Int {}

sums_of_itself!(Int);

#[cfg(test)]
mod tests {
    use super::Int;
    use crate::scalar::{Additive, Dot, Ordered, Scalar};

    const BIG: Int = Int(i64::MAX);

    #[test]
    fn overflow_poisons_and_stays() {
        let after = |mut sum: Int, weight: Int, value: Int| {
            Int::accumulate(&mut sum, &weight, &value);
            sum
        };
        for poisoned in [
            BIG.add(&Int(1)),
            BIG.mul(&Int(2)),
            BIG.neg().sub(&Int(2)),
            BIG.neg().sub(&Int(1)), // would be i64::MIN, the poison itself
            Int(0).mul(&Int::POISON),
            Int::POISON.sub(&Int::POISON),
            Int::POISON.neg(),
            Int::POISON.abs(),
            Int::POISON.relu(),
            Ordered::max(&Int::POISON, &Int(3)),
            Ordered::max(&Int(3), &Int::POISON),
            after(Int::POISON, Int(0), Int(1)),
            after(Int(1), Int(0), Int::POISON),
            after(Int(1), BIG, Int(1)),
        ] {
            assert_eq!(poisoned.value(), None);
        }
    }
}
