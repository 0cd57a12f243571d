//! Polynomials with integer coefficients, in any number of variables.
//!
//! Take two expressions that use only ring operations. They are equal for all values of their variables, in every
//! commutative ring, if and only if their polynomials are the same. So a form that runs on polynomials shows what it
//! computes for all weights and inputs at once. The computer algebra crates that were considered offer much more, but
//! none has a normal form that is as easy to compare.

use std::collections::BTreeMap;

use super::{Additive, Dot, Int, Scalar};

/// A product of powers of variables. Each pair is the number of a variable and its power, and the numbers ascend.
type Monomial = Vec<(u32, u32)>;

/// A polynomial in normal form: no monomial occurs twice, and none has the coefficient 0. So two polynomials are equal
/// if and only if their terms are the same.
///
/// ```
/// use triform::scalar::{Additive, Polynomial, Scalar};
/// let (x, y) = (Polynomial::variable(0), Polynomial::variable(1));
/// let square = x.add(&y).mul(&x.add(&y));
/// assert_eq!(square.to_string(), "2 v0 v1 + v0^2 + v1^2");
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Polynomial {
    terms: BTreeMap<Monomial, Int>,
}

impl Polynomial {
    /// The variable with this number.
    pub fn variable(number: u32) -> Self {
        Self { terms: BTreeMap::from([(vec![(number, 1)], Int::one())]) }
    }

    /// The degree of the polynomial: the largest sum of the powers in one monomial. A constant has degree 0.
    pub fn degree(&self) -> u32 {
        let of = |monomial: &Monomial| monomial.iter().map(|(_, power)| power).sum();
        self.terms.keys().map(of).max().unwrap_or(0)
    }

    /// The number of the variable, if the polynomial is a single variable and nothing else.
    pub fn as_variable(&self) -> Option<u32> {
        let (monomial, coefficient) = self.terms.first_key_value()?;
        match monomial[..] {
            [(of, 1)] if self.terms.len() == 1 && *coefficient == Int::one() => Some(of),
            _ => None,
        }
    }

    /// A constant.
    pub fn constant(value: i64) -> Self {
        let mut polynomial = Self::default();
        polynomial.add_term(Vec::new(), &Int::from(value));
        polynomial
    }

    /// Number of monomials.
    pub fn monomials(&self) -> usize {
        self.terms.len()
    }

    /// The terms that `other` does not have, or has with a different coefficient.
    pub fn apart_from(&self, other: &Self) -> Self {
        let mut apart = self.clone();
        apart.terms.retain(|monomial, coefficient| other.terms.get(monomial) != Some(coefficient));
        apart
    }

    /// The first term, and the numbers of its variables. `None` for the polynomial 0.
    pub fn first_term(&self) -> Option<(Self, Vec<u32>)> {
        let (monomial, coefficient) = self.terms.first_key_value()?;
        let term = Self { terms: BTreeMap::from([(monomial.clone(), *coefficient)]) };
        Some((term, monomial.iter().map(|(variable, _)| *variable).collect()))
    }

    /// Whether a coefficient overflowed 64 bits. If so, the polynomial is not known.
    pub fn is_poisoned(&self) -> bool {
        self.terms.values().any(|coefficient| coefficient.value().is_none())
    }

    fn add_term(&mut self, monomial: Monomial, coefficient: &Int) {
        let sum =
            self.terms.get(&monomial).map_or(*coefficient, |present| present.add(coefficient));
        if sum == Int::zero() {
            self.terms.remove(&monomial);
        } else {
            self.terms.insert(monomial, sum);
        }
    }

    fn add_product(&mut self, left: &Self, right: &Self) {
        for (m, a) in &left.terms {
            for (n, b) in &right.terms {
                self.add_term(product(m, n), &a.mul(b));
            }
        }
    }

    /// The terms as text, in order. `name` gives each variable a name.
    pub fn terms(&self, name: &dyn Fn(u32) -> String) -> Vec<String> {
        let power = |&(variable, power): &(u32, u32)| match power {
            1 => name(variable),
            _ => format!("{}^{power}", name(variable)),
        };
        let term = |(monomial, coefficient): (&Monomial, &Int)| {
            let factors: Vec<String> = monomial.iter().map(power).collect();
            match (coefficient.value(), factors.is_empty()) {
                (None, _) => "overflow".to_owned(),
                (Some(value), true) => value.to_string(),
                (Some(1), false) => factors.join(" "),
                (Some(-1), false) => format!("-{}", factors.join(" ")),
                (Some(value), false) => format!("{value} {}", factors.join(" ")),
            }
        };
        self.terms.iter().map(term).collect()
    }
}

/// The product of two monomials. It adds the powers of each variable.
fn product(left: &Monomial, right: &Monomial) -> Monomial {
    let mut powers: BTreeMap<u32, u32> = left.iter().copied().collect();
    for &(variable, power) in right {
        *powers.entry(variable).or_default() += power;
    }
    powers.into_iter().collect()
}

impl std::fmt::Display for Polynomial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let sum = self.terms(&|variable| format!("v{variable}")).join(" + ");
        f.write_str(if sum.is_empty() { "0" } else { &sum })
    }
}

impl Additive for Polynomial {
    fn zero() -> Self {
        Self::default()
    }
    fn add(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (monomial, coefficient) in &other.terms {
            sum.add_term(monomial.clone(), coefficient);
        }
        sum
    }
}

impl Scalar for Polynomial {
    fn one() -> Self {
        Self::constant(1)
    }
    fn mul(&self, other: &Self) -> Self {
        let mut result = Self::default();
        result.add_product(self, other);
        result
    }
    fn neg(&self) -> Self {
        Self { terms: self.terms.iter().map(|(m, c)| (m.clone(), c.neg())).collect() }
    }
}

impl Dot for Polynomial {
    type Sum = Self;
    fn accumulate(sum: &mut Self, weight: &Self, value: &Self) {
        sum.add_product(weight, value);
    }
    fn total(sum: Self) -> Self {
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Polynomial;
    use crate::scalar::{Additive, Scalar};

    #[test]
    fn normal_forms_are_normal() {
        let (x, y) = (Polynomial::variable(0), Polynomial::variable(1));
        let cancelled = x.add(&y).mul(&x.sub(&y)).sub(&x.mul(&x)).add(&y.mul(&y));
        assert_eq!(cancelled, Polynomial::zero());
        assert_eq!((cancelled.monomials(), cancelled.to_string()), (0, "0".to_owned()));
        let name = |variable| ["x", "y"][variable as usize].to_owned();
        assert_eq!((x.mul(&y).mul(&y).add(&x).degree(), Polynomial::constant(5).degree()), (3, 0));
        let sum = x.mul(&y).add(&x);
        assert_eq!(sum.monomials(), 2, "x y and x");
        let apart = sum.apart_from(&x.add(&y));
        assert_eq!(apart.terms(&name), ["x y"]);
        assert_eq!(apart.first_term(), Some((x.mul(&y), vec![0, 1])));
        assert_eq!(x.apart_from(&x).first_term(), None);
    }

    /// Only a single variable counts as a variable. A multiple, a power or a sum of variables does not.
    #[test]
    fn a_variable_is_known_from_what_is_made_of_it() {
        let (x, y) = (Polynomial::variable(0), Polynomial::variable(7));
        assert_eq!((x.as_variable(), y.as_variable()), (Some(0), Some(7)));
        for other in [x.add(&y), x.add(&x), x.neg(), x.mul(&x), x.mul(&y), Polynomial::one()] {
            assert_eq!(other.as_variable(), None, "{other}");
        }
        assert_eq!(Polynomial::zero().as_variable(), None);
    }

    #[test]
    fn polynomials_read_as_they_are_written() {
        let (x, y) = (Polynomial::variable(0), Polynomial::variable(1));
        let sum = x.mul(&x).sub(&y).add(&x.mul(&y).mul(&Polynomial::constant(-3)));
        let sum = sum.add(&Polynomial::constant(1));
        assert_eq!(sum.to_string(), "1 + -3 v0 v1 + v0^2 + -v1");
        let huge = Polynomial::constant(i64::MAX);
        let overflowed = huge.add(&huge);
        assert_eq!(overflowed.to_string(), "overflow");
        assert!(overflowed.is_poisoned() && !huge.is_poisoned());
    }
}
