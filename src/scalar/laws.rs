//! The ring laws as checks, for any scalar. A scalar's tests call them in one
//! line, with a handful of samples; every law is tried on every triple.

use std::fmt;

use super::Scalar;

/// A law that does not hold, and the samples that show it.
#[derive(Debug)]
pub struct BrokenLaw {
    /// The law in words.
    pub law: &'static str,
    /// The samples, both sides of the law.
    pub witness: String,
}

impl fmt::Display for BrokenLaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.law, self.witness)
    }
}

/// Checks the laws of a commutative ring on every triple of `samples`, with 0
/// and 1 added to them, and returns the number of equations checked.
///
/// Errors: the first law that fails, with its witness.
///
/// ```
/// use triform::scalar::{laws, Int};
/// let checked = laws::check_ring(&[2, -3, 5].map(Int::from)).unwrap();
/// assert_eq!(checked, 5 * 5 * 5 * 9);
/// ```
pub fn check_ring<S: Scalar>(samples: &[S]) -> Result<usize, BrokenLaw> {
    let mut all = vec![S::zero(), S::one()];
    all.extend_from_slice(samples);
    let mut checked = 0;
    for a in &all {
        for b in &all {
            for c in &all {
                for (law, left, right) in equations(a, b, c) {
                    if left != right {
                        let witness =
                            format!("{left:?} is not {right:?} for a={a:?}, b={b:?}, c={c:?}");
                        return Err(BrokenLaw { law, witness });
                    }
                    checked += 1;
                }
            }
        }
    }
    Ok(checked)
}

fn equations<S: Scalar>(a: &S, b: &S, c: &S) -> [(&'static str, S, S); 9] {
    let (zero, one) = (S::zero(), S::one());
    [
        ("addition is associative", a.add(b).add(c), a.add(&b.add(c))),
        ("addition is commutative", a.add(b), b.add(a)),
        ("zero is the unit of addition", a.add(&zero), a.clone()),
        ("a + (-a) = 0", a.add(&a.neg()), zero),
        ("a - b = a + (-b)", a.sub(b), a.add(&b.neg())),
        ("multiplication is associative", a.mul(b).mul(c), a.mul(&b.mul(c))),
        ("multiplication is commutative", a.mul(b), b.mul(a)),
        ("one is the unit of multiplication", a.mul(&one), a.clone()),
        ("multiplication distributes over addition", a.mul(&b.add(c)), a.mul(b).add(&a.mul(c))),
    ]
}

#[cfg(test)]
mod tests {
    use super::check_ring;
    use crate::scalar::{
        Additive, Counter, Dual, Expression, F2, F3, Int, M61, Polynomial, Scalar,
    };

    /// Floats are one where their sums are exact; of an expression the value is compared.
    #[test]
    fn every_number_type_is_a_ring() {
        let ints = [2, -3, 1 << 20, 7 - (1 << 19)].map(Int::from);
        check_ring(&ints).unwrap();
        check_ring(&ints.map(Counter)).unwrap();
        check_ring(&[-1.0f32, 2.0, -3.0, 7.0, 100.0, -81.0]).unwrap();
        check_ring(&[-1.0f64, 2.0, -3.0, 7.0, 1e5, -8191.0]).unwrap();
        check_ring(&[-2.0, 3.0].map(Expression::from)).unwrap();
        let p = (1 << 61) - 1;
        check_ring(&[2, 3, p - 1, p - 2, 1 << 60, 123_456_789_012_345_678].map(M61::new)).unwrap();
        check_ring(&F2::all().collect::<Vec<_>>()).unwrap();
        check_ring(&F3::all().collect::<Vec<_>>()).unwrap();
        let pairs = [(0, 1), (2, -3), (-5, 7), (1, 1)];
        let dual = |(a, b): (i64, i64)| Dual { value: Int::from(a), derivative: Int::from(b) };
        check_ring(&pairs.map(dual)).unwrap();
        let dual = |(a, b): (i64, i64)| Dual { value: M61::of(a), derivative: M61::of(b) };
        check_ring(&pairs.map(dual)).unwrap();
        let (x, y) = (Polynomial::variable(0), Polynomial::variable(7));
        let mixed = x.mul(&y).sub(&Polynomial::constant(3));
        check_ring(&[x.clone(), y.clone(), x.add(&y), mixed, x.neg()]).unwrap();
    }

    #[test]
    fn a_broken_law_is_shown_with_its_witness() {
        let broken = check_ring(&[1e8f32, -1e8]).unwrap_err();
        assert_eq!(
            broken.to_string(),
            "addition is associative: 0.0 is not 1.0 for a=1.0, b=100000000.0, c=-100000000.0"
        );
    }
}
