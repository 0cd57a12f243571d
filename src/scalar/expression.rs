//! A number that shows how it was computed, such as "(1·2 + 3·4) + 5·6".

use std::cmp::Ordering;
use std::fmt;

use super::{Additive, Dot, Ordered, Scalar};

/// A value together with the sum that produced it. The sum is written in the order in which its terms were added.
///
/// A convolution over expressions writes down its sums. When sums are added, brackets show which terms belong together.
/// So a form that runs on expressions shows the order of its additions.
///
/// ```
/// use triform::scalar::{Additive, Dot, Expression};
/// let sum = |pairs: &[(f64, f64)]| {
///     let mut sum = Expression::empty();
///     for &(w, x) in pairs {
///         Expression::accumulate(&mut sum, &Expression::from(w), &Expression::from(x));
///     }
///     Expression::total(sum)
/// };
/// let both = sum(&[(1.0, 2.0), (3.0, -4.0)]).add(&sum(&[(5.0, 6.0)]));
/// assert_eq!(both.to_string(), "(1·2 + 3·(-4)) + 5·6");
/// assert_eq!(both.value(), 20.0);
/// ```
#[derive(Clone, Debug, Default)]
pub struct Expression {
    value: f64,
    summands: Vec<String>,
    /// Whether the summands are themselves sums. Such a summand is written in brackets if it has several terms.
    of_sums: bool,
}

impl Expression {
    /// The value.
    pub fn value(&self) -> f64 {
        self.value
    }

    /// The number of summands of the outermost sum. An inner sum counts as one summand.
    pub fn summands(&self) -> usize {
        self.summands.len()
    }

    /// The same value, without the record of how it was computed.
    pub fn given(&self) -> Self {
        Self::from(self.value)
    }

    /// Whether the expression is just this number, not the result of a computation.
    fn is_number(&self, value: f64) -> bool {
        self.value == value && self.summands[..] == [number(value)]
    }

    fn in_brackets(&self) -> String {
        match &self.summands[..] {
            [] => "0".to_owned(),
            [one] => one.clone(),
            _ => format!("({self})"),
        }
    }
}

/// If a sum has more products than this, products with a factor of 0 are not written.
const SHORT: usize = 4;

/// A number that was given, not computed.
impl From<f64> for Expression {
    fn from(value: f64) -> Self {
        Self { value, summands: vec![number(value)], of_sums: false }
    }
}

/// Writes a number as a factor of a product. A negative number is put in brackets.
fn number(value: f64) -> String {
    if value < 0.0 { format!("({value})") } else { format!("{value}") }
}

impl fmt::Display for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.summands[..] {
            [] => f.write_str("0"),
            _ if self.is_number(self.value) => write!(f, "{}", self.value),
            summands => f.write_str(&summands.join(" + ")),
        }
    }
}

/// Compares the values only.
impl PartialEq for Expression {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

/// Compares the values only.
impl PartialOrd for Expression {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Additive for Expression {
    fn zero() -> Self {
        Self::default()
    }
    fn add(&self, other: &Self) -> Self {
        if self.summands.is_empty() {
            return other.clone();
        }
        if other.summands.is_empty() || other.is_number(0.0) {
            return self.clone();
        }
        let mut summands =
            if self.of_sums { self.summands.clone() } else { vec![self.in_brackets()] };
        summands.push(other.in_brackets());
        Self { value: self.value + other.value, summands, of_sums: true }
    }
}

impl Scalar for Expression {
    fn one() -> Self {
        Self::from(1.0)
    }
    fn mul(&self, other: &Self) -> Self {
        if self.is_number(1.0) && !other.is_number(other.value) {
            return other.clone();
        }
        let product = format!("{}·{}", self.in_brackets(), other.in_brackets());
        Self { value: self.value * other.value, summands: vec![product], of_sums: false }
    }
    fn neg(&self) -> Self {
        Self::from(-1.0).mul(self)
    }
}

impl Ordered for Expression {
    fn relu(&self) -> Self {
        let value = if self.value < 0.0 { 0.0 } else { self.value };
        Self { value, summands: vec![format!("relu({self})")], of_sums: false }
    }
}

impl Dot for Expression {
    type Sum = Self;
    fn accumulate(sum: &mut Self, weight: &Self, value: &Self) {
        let product = weight.mul(value);
        sum.value += product.value;
        sum.summands.extend(product.summands);
    }
    fn total(mut sum: Self) -> Self {
        if sum.summands.len() > SHORT {
            sum.summands.retain(|product| !product.starts_with("0·") && !product.ends_with("·0"));
        }
        sum
    }
}

#[cfg(test)]
mod tests {
    use super::Expression;
    use crate::scalar::{Additive, Dot, Ordered, Scalar};

    #[test]
    fn sums_of_sums_are_in_brackets() {
        let [a, b, c] = [2.0, -3.0, 5.0].map(Expression::from);
        assert_eq!(a.add(&b).add(&c).to_string(), "2 + (-3) + 5");
        assert_eq!(a.add(&b.add(&c)).to_string(), "2 + ((-3) + 5)");
        assert_eq!(a.add(&Expression::zero()).add(&b).summands(), 2);
        assert_eq!(a.mul(&b.add(&c)).to_string(), "2·((-3) + 5)");
        assert_eq!((b.relu().to_string(), b.relu().value()), ("relu(-3)".to_owned(), 0.0));
        assert_eq!((c.relu().to_string(), c.relu().value()), ("relu(5)".to_owned(), 5.0));
        let [one, none] = [1.0, 0.0].map(Expression::from);
        assert_eq!(one.mul(&b.add(&c)).add(&none).to_string(), "(-3) + 5");
        assert_eq!(one.mul(&a).to_string(), "1·2");
        assert_eq!(Expression::zero().to_string(), "0");
        assert_eq!(a.add(&c).given().to_string(), "7");
    }

    /// A sum of five products leaves out the products that are 0. A sum of four products keeps them.
    #[test]
    fn long_sums_are_without_zeros() {
        let written = |pairs: &[(f64, f64)]| {
            let mut sum = Expression::empty();
            for &(w, x) in pairs {
                Expression::accumulate(&mut sum, &Expression::from(w), &Expression::from(x));
            }
            Expression::total(sum).to_string()
        };
        let pairs = [(0.0, 5.0), (2.0, 6.0), (3.0, 0.0), (0.0, 7.0), (4.0, 10.0)];
        assert_eq!(written(&pairs[..4]), "0·5 + 2·6 + 3·0 + 0·7");
        assert_eq!(written(&pairs), "2·6 + 4·10");
    }
}
