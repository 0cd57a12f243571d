//! A number that counts the arithmetic done on it.

use std::cell::Cell;

use super::{Additive, Dot, Ordered, Real, Scalar};

/// Numbers of operations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Multiplications. In a dot product, each multiplication stands for one multiply-add (MAC), whose addition is not
    /// counted separately.
    pub multiplications: u64,
    /// Additions and subtractions outside dot products.
    pub additions: u64,
}

thread_local! {
    static COUNTS: Cell<Counts> = const { Cell::new(Counts { multiplications: 0, additions: 0 }) };
}

fn count(multiplications: u64, additions: u64) {
    let mut counts = COUNTS.get();
    counts.multiplications += multiplications;
    counts.additions += additions;
    COUNTS.set(counts);
}

/// A number whose arithmetic is counted. Each thread counts separately. See [`counted`].
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub struct Counter<S>(pub S);

/// Runs `work`. Returns its result, and how many operations it did on counters in this thread.
///
/// ```
/// use triform::scalar::{counted, Additive, Int, Scalar, Counter};
/// let number = |value| Counter(Int::from(value));
/// let (value, counts) = counted(|| number(2).mul(&number(3)).add(&number(1)).sub(&number(4)).neg());
/// assert_eq!(value, number(-3));
/// assert_eq!((counts.multiplications, counts.additions), (1, 2));
/// ```
pub fn counted<T>(work: impl FnOnce() -> T) -> (T, Counts) {
    let before = COUNTS.take();
    let result = work();
    let counts = COUNTS.get();
    count(before.multiplications, before.additions);
    (result, counts)
}

impl<S: Additive> Additive for Counter<S> {
    fn zero() -> Self {
        Self(S::zero())
    }
    fn add(&self, other: &Self) -> Self {
        count(0, 1);
        Self(self.0.add(&other.0))
    }
}

impl<S: Scalar> Scalar for Counter<S> {
    fn one() -> Self {
        Self(S::one())
    }
    fn mul(&self, other: &Self) -> Self {
        count(1, 0);
        Self(self.0.mul(&other.0))
    }
    fn neg(&self) -> Self {
        Self(self.0.neg())
    }
    fn sub(&self, other: &Self) -> Self {
        count(0, 1);
        Self(self.0.sub(&other.0))
    }
}

impl<S: Ordered> Ordered for Counter<S> {}

/// Quotients and square roots are not counted, because they belong to batch norm and to pooling.
impl<S: Real> Real for Counter<S> {
    fn div(&self, other: &Self) -> Self {
        Self(self.0.div(&other.0))
    }
    fn sqrt(&self) -> Self {
        Self(self.0.sqrt())
    }
    fn from_f64(value: f64) -> Self {
        Self(S::from_f64(value))
    }
    fn to_f64(&self) -> f64 {
        self.0.to_f64()
    }
}

impl<S: Dot> Dot for Counter<S> {
    type Sum = S::Sum;
    fn accumulate(sum: &mut S::Sum, weight: &Self, value: &Self) {
        count(1, 0);
        S::accumulate(sum, &weight.0, &value.0);
    }
    fn total(sum: S::Sum) -> Self {
        Self(S::total(sum))
    }
}
