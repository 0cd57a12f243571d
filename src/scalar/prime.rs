//! Integers modulo a prime. Arithmetic on them is exact, and every result fits in 64 bits.
//!
//! Crates for finite fields exist, but they are made for cryptography. They offer primes of 256 bits in constant time,
//! or primes of 31 bits in SIMD vectors. This project needs one field of 61 bits, two tiny fields, and a dot product
//! that is not reduced after every product. That takes only the few lines below.

use super::{Additive, Dot, Scalar};

/// An integer modulo the prime `P`, which must be below 2^62.
///
/// A finite field has no order that suits its arithmetic, so ReLU is not defined on it. The evidence uses random
/// functions instead (see `evidence::random_functions`).
///
/// ```
/// use triform::scalar::{Additive, M61, Scalar};
/// let minus_one = M61::new(0).sub(&M61::new(1));
/// assert_eq!(minus_one.value(), (1 << 61) - 2);
/// assert_eq!(minus_one.mul(&minus_one), M61::new(1));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Prime<const P: u64>(u64);

/// The field of 2^61 - 1 elements, whose size is a Mersenne prime. It is so large that a wrong identity is accepted by
/// chance less than once in 10^17 tests.
pub type M61 = Prime<{ (1 << 61) - 1 }>;
/// The field of two elements.
pub type F2 = Prime<2>;
/// The field of three elements.
pub type F3 = Prime<3>;

impl<const P: u64> Prime<P> {
    /// The residue of an integer.
    pub fn new(value: u64) -> Self {
        Self(value % P)
    }

    /// The residue of a signed integer.
    pub fn of(value: i64) -> Self {
        Self(value.rem_euclid(P as i64) as u64)
    }

    /// The residue of 128 bits. If the bits are random, all residues are almost equally likely: their probabilities
    /// differ by a factor of at most 1 + 2^-66.
    pub fn from_bits(bits: u128) -> Self {
        Self(Self::reduce(bits))
    }

    /// The residue of `wide`. In the field of 2^61 - 1 elements, the number 2^61 equals 1. So `wide` is cut into pieces
    /// of 61 bits, and the pieces are added. A 128-bit division would take longer than the rest of a dot product.
    fn reduce(wide: u128) -> u64 {
        if P != (1 << 61) - 1 {
            return (wide % u128::from(P)) as u64;
        }
        let [low, middle, high] = [wide, wide >> 61, wide >> 122].map(|piece| piece as u64 & P);
        let sum = low + middle + high; // at most 2 P + 2^6
        let sum = (sum & P) + (sum >> 61);
        if sum >= P { sum - P } else { sum }
    }

    /// The residue as an integer, 0 to P - 1.
    pub fn value(self) -> u64 {
        self.0
    }

    /// All elements, in order. This is meant for the tiny fields.
    pub fn all() -> impl Iterator<Item = Self> + Clone {
        (0..P).map(Self)
    }
}

impl M61 {
    /// The residue of a float. It exists because a finite `f32` is `m 2^e` with integers `m` and `e`, and 2 has an
    /// inverse. If a sum or product of floats is exact, its residue is the sum or product of their residues. Returns
    /// `None` for NaN and infinities.
    pub fn dyadic(value: f32) -> Option<Self> {
        if !value.is_finite() {
            return None;
        }
        let (exponent, fraction) = (value.to_bits() >> 23 & 0xff, value.to_bits() & 0x7f_ffff);
        // value = mantissa 2^(exponent - 150); subnormals have no leading 1 and exponent 1.
        let mantissa = if exponent == 0 { fraction } else { fraction | 1 << 23 };
        // 2^61 = 1, so 2^-150 = 2^33.
        let power = (exponent.max(1) + 33) % 61;
        let size = Self::from_bits(u128::from(mantissa) << power);
        Some(if value.is_sign_negative() { size.neg() } else { size })
    }

    /// The multiplicative inverse. By Fermat's little theorem, it is the power `p - 2` of the element. 0 has no
    /// inverse, so for 0 the result is 0.
    pub fn inverse(&self) -> Self {
        let (mut power, mut square, mut exponent) = (Self::one(), *self, (1u64 << 61) - 3);
        while exponent > 0 {
            if exponent & 1 == 1 {
                power = power.mul(&square);
            }
            square = square.mul(&square);
            exponent >>= 1;
        }
        power
    }
}

impl<const P: u64> Additive for Prime<P> {
    fn zero() -> Self {
        Self(0)
    }
    fn add(&self, other: &Self) -> Self {
        let sum = self.0 + other.0; // below 2^63
        Self(if sum >= P { sum - P } else { sum })
    }
}

impl<const P: u64> Scalar for Prime<P> {
    fn one() -> Self {
        Self(1)
    }
    fn mul(&self, other: &Self) -> Self {
        Self(Self::reduce(u128::from(self.0) * u128::from(other.0)))
    }
    fn neg(&self) -> Self {
        Self(if self.0 == 0 { 0 } else { P - self.0 })
    }
}

impl<const P: u64> Dot for Prime<P> {
    /// The sum before it is reduced. A product is below 2^124, so another product fits if the sum is below 2^127. If
    /// the sum is 2^127 or more, it is reduced first.
    type Sum = u128;
    fn accumulate(sum: &mut u128, weight: &Self, value: &Self) {
        if *sum >> 127 != 0 {
            *sum = u128::from(Self::reduce(*sum));
        }
        *sum += u128::from(weight.0) * u128::from(value.0);
    }
    fn total(sum: u128) -> Self {
        Self(Self::reduce(sum))
    }
}

#[cfg(test)]
mod tests {
    use super::{F3, M61};
    use crate::scalar::{Additive, Dot, Scalar};

    const P: u64 = (1 << 61) - 1;

    #[test]
    fn m61_is_prime_and_has_inverses() {
        // a^(p-1) = 1 (Fermat) fails for nearly every composite p, so this tests both the primality
        // and the inverses.
        for a in [2, 3, 5, 7, P - 1, 987_654_321].map(M61::new) {
            assert_eq!(a.mul(&a.inverse()), M61::one());
        }
    }

    /// If a sum or product of floats is exact, its residue is the sum or product of their residues. This is tested at
    /// every exponent.
    #[test]
    fn floats_and_signed_integers_have_residues() {
        let residue = |value: f32| M61::dyadic(value).unwrap();
        for exponent in -149..=127 {
            // 2^exponent = 2^(exponent mod 61)
            let expected = M61::new(1 << ((exponent + 183) % 61));
            let power = 2f64.powi(exponent) as f32;
            assert_eq!(residue(power), expected, "2^{exponent}");
            assert_eq!(residue(-power), expected.neg());
        }
        for (a, b) in [(1.5, -0.375), (4097.0, 4095.0), (-3.0, 2f32.powi(-120)), (0.0, 7.0)] {
            assert_eq!(residue(a).mul(&residue(b)), residue(a * b), "{a} {b}");
        }
        let (a, b) = (f32::MIN_POSITIVE, f32::from_bits(12345));
        assert_eq!(residue(a).add(&residue(b)), residue(a + b));
        assert_eq!((residue(16_777_215.0), residue(-0.0)), (M61::new(16_777_215), M61::new(0)));
        assert_eq!((M61::of(-1).add(&M61::one()), F3::of(-4)), (M61::zero(), F3::new(2)));
        for wild in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            assert_eq!(M61::dyadic(wild), None);
        }
    }

    #[test]
    fn late_reduction_is_reduction() {
        let largest = M61::new(P - 1);
        let mut sum = M61::empty();
        let mut plain = M61::zero();
        for i in 0..1000 {
            let weight = if i % 3 == 0 { M61::new(i) } else { largest };
            M61::accumulate(&mut sum, &weight, &largest);
            plain = plain.add(&weight.mul(&largest));
        }
        assert_eq!(M61::total(sum), plain);
    }

    #[test]
    fn folding_is_division() {
        let edges = [0, 1, u128::from(P) - 1, u128::from(P), u128::from(P) + 1, 1 << 61, 1 << 122];
        for edge in edges.into_iter().chain([u128::MAX, u128::MAX - 1, u128::MAX / 3]) {
            assert_eq!(u128::from(M61::from_bits(edge).value()), edge % u128::from(P), "{edge}");
        }
    }
}
