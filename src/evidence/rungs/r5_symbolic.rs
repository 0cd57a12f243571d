//! R5, symbolic: the forms run on polynomials at small sizes, which covers all values at once.
//!
//! Every weight and every input is a variable. Each place and channel has an unknown function. The function's value at
//! an argument is a new variable. If any form applies the function to the same polynomial again, the value is the same
//! variable. The forms' outputs are then polynomials in normal form. Two polynomials with integer coefficients are the
//! same if and only if they are equal for all values of their variables in all commutative rings. So for a given shape
//! this is a proof, for all weights, all inputs and all channel-wise functions of one element.
//!
//! Polynomials grow when multiplied, which is why the shapes are small. But the value of a function is a
//! single variable, so no polynomial grows over more than one layer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView4, ArrayViewMut3};

use super::{Method, Piece};
use crate::block::{BlockSpec, Functions, Layer, StrideOn};
use crate::conv::{ChannelWise, Reference};
use crate::error::{Error, Result};
use crate::evidence::{Bound, Evidence, Forms, Problem, Shape, Value, odd_ones_out};
use crate::scalar::Polynomial;

/// R5.
pub const METHOD: Method = Method {
    name: "symbolic",
    asks: "the same polynomials?",
    says: "The forms are the same polynomials: equal for all weights, all inputs and any function after \
           each convolution, at this shape.",
    blind_to: "other shapes",
    own: || {
        let piece = |(number, shape): (usize, Shape)| Piece {
            stage: format!("small{}", number + 1),
            scope: in_words(&shape),
            size: 1e7,
            in_matrix: shape.spec.inner() < 100,
            work: Box::new(move |forms, _| prove(forms, &shape)),
        };
        Ok(shapes()?.into_iter().enumerate().map(piece).collect())
    },
    ..Method::NONE
};

/// The shapes of the proofs, each with its map. They cover stride 1, stride 2 on either convolution, padding 0 and 1,
/// and each kind of shortcut. They have two, three or 32 paths, and one or two images.
fn shapes() -> Result<Vec<Shape>> {
    let of = |spec: BlockSpec, n, map| Shape { n, ..Shape::new(spec, map) };
    Ok(vec![
        of(BlockSpec::new(3, 2, 2, 3)?, 1, (3, 4)),
        of(BlockSpec::new(2, 3, 2, 3)?, 2, (2, 3)),
        of(BlockSpec::new(3, 3, 2, 2)?.with_stride(2, StrideOn::Transform)?, 1, (4, 3)),
        of(BlockSpec::new(2, 3, 2, 2)?.with_stride(2, StrideOn::Reduce)?, 1, (4, 4)),
        of(BlockSpec::new(3, 3, 2, 3)?.with_padding(0), 1, (3, 4)),
        of(BlockSpec::new(256, 32, 4, 256)?, 1, (3, 3)),
    ])
}

fn in_words(shape: &Shape) -> String {
    let (spec, (h, w)) = (&shape.spec, shape.map);
    let stride_on = if spec.reduce().height().stride > 1 { " on the 1x1" } else { "" };
    let images = if shape.n == 1 { "" } else { ", N 2" };
    format!("{spec}{stride_on}, {h}x{w}, pad {}{images}", spec.padding())
}

/// Compares the forms on polynomials at this shape. Returns an error if a coefficient exceeds 64 bits.
fn prove(forms: Forms<'_>, shape: &Shape) -> Result<Evidence> {
    let mut names = Vec::new();
    let (weights, x) = shape.draw(|| {
        names.push(String::new());
        Polynomial::variable(names.len() as u32 - 1)
    })?;
    let mut label = |kernel: &str, tensor: ArrayView4<'_, Polynomial>| {
        for ((n, c, i, j), variable) in tensor.indexed_iter() {
            if let Some(number) = variable.as_variable() {
                names[number as usize] = format!("{kernel}[{n},{c},{i},{j}]");
            }
        }
    };
    ["w1", "w2", "w3", "ws"].into_iter().zip(weights.kernels()).for_each(|(w, k)| label(w, k));
    label("x", x.view());

    let memo = Mutex::new(Memo { names, ..Memo::default() });
    let unknown = Layer::ALL.map(|layer| Unknown { layer, memo: &memo });
    let functions = Functions::of(|layer| &unknown[layer as usize]);
    let outputs = Problem { weights: &weights, x: x.view(), between: functions.into() }
        .solve_all(forms, &Reference::default())?;
    let memo = memo.into_inner().unwrap_or_else(PoisonError::into_inner);
    if memo.poisoned || outputs.iter().flatten().any(Polynomial::is_poisoned) {
        return Err(Error::TooManyElements { what: "a coefficient", factors: vec![] });
    }

    let compared: usize = outputs.iter().flatten().map(Polynomial::monomials).sum();
    let witnesses = odd_ones_out(forms, &outputs, "output", |found, expected| {
        memo.first_difference(found, expected).map(Value::Text)
    });
    let monomials = memo.monomials + compared as u64;
    Ok(Evidence::of(Bound::Proof { monomials }, witnesses))
}

/// The unknown functions of one place.
struct Unknown<'a> {
    layer: Layer,
    memo: &'a Mutex<Memo>,
}

impl ChannelWise<Polynomial> for Unknown<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Polynomial>) {
        let mut memo = self.memo.lock().unwrap_or_else(PoisonError::into_inner);
        plane.map_inplace(|z| *z = memo.value(self.layer, channel, z));
    }
}

/// The values of the unknown functions.
#[derive(Default)]
struct Memo {
    /// The names of the variables.
    names: Vec<String>,
    /// The variable of each value, by place, channel and argument.
    values: HashMap<(Layer, usize, String), u32>,
    /// For each variable that is the value of a function: which function, and its argument.
    arguments: HashMap<u32, (Layer, usize, Polynomial)>,
    /// The number of monomials in all arguments.
    monomials: u64,
    /// Whether a coefficient of an argument exceeded 64 bits.
    poisoned: bool,
}

impl Memo {
    fn value(&mut self, layer: Layer, channel: usize, argument: &Polynomial) -> Polynomial {
        self.monomials += argument.monomials() as u64;
        self.poisoned |= argument.is_poisoned();
        // Arguments are equal if and only if their normal forms have the same text.
        let key = (layer, channel, argument.to_string());
        let (names, arguments) = (&mut self.names, &mut self.arguments);
        let number = *self.values.entry(key).or_insert_with(|| {
            let number = names.len() as u32;
            names.push(format!("{}(#{number})", function(layer, channel)));
            arguments.insert(number, (layer, channel, argument.clone()));
            number
        });
        Polynomial::variable(number)
    }

    /// For each polynomial, in words, a term that the other polynomial does not have. If the two terms differ only in
    /// two values of one function, the arguments of those values are compared instead, recursively.
    fn first_difference(&self, found: &Polynomial, expected: &Polynomial) -> [String; 2] {
        let (mut found, mut expected) = (found.clone(), expected.clone());
        let mut inside = String::new();
        loop {
            let terms = [found.apart_from(&expected), expected.apart_from(&found)];
            let [left, right] = terms.map(|terms| terms.first_term());
            if let (Some((_, left)), Some((_, right))) = (&left, &right)
                && let Some([(layer, channel, left), (.., right)]) = self.one_function(left, right)
            {
                inside = format!(", in the argument of {}", function(*layer, *channel));
                (found, expected) = (left.clone(), right.clone());
                continue;
            }
            let name = |variable: u32| self.names[variable as usize].clone();
            return [left, right].map(|term| {
                let words = term.map(|(term, _)| term.terms(&name).concat());
                words.unwrap_or_else(|| "no such term".to_owned()) + &inside
            });
        }
    }

    /// If two products differ only in two values of one function, returns the arguments of these values.
    fn one_function(
        &self,
        left: &[u32],
        right: &[u32],
    ) -> Option<[&(Layer, usize, Polynomial); 2]> {
        let only = |of: &[u32], and: &[u32]| {
            let mut own = of.iter().copied().filter(|variable| !and.contains(variable));
            (own.next(), own.next())
        };
        let ((Some(left), None), (Some(right), None)) = (only(left, right), only(right, left))
        else {
            return None;
        };
        let [left, right] = [self.arguments.get(&left)?, self.arguments.get(&right)?];
        ((left.0, left.1) == (right.0, right.1)).then_some([left, right])
    }
}

/// The name of the function of a channel after a layer.
fn function(layer: Layer, channel: usize) -> String {
    let place = match layer {
        Layer::Reduce => "f1",
        Layer::Transform => "f2",
        Layer::Expand => "f3",
        Layer::Shortcut => "fs",
        Layer::Output => "f",
    };
    format!("{place}.{channel}")
}

#[cfg(test)]
mod tests {
    use super::Memo;
    use crate::scalar::{Polynomial, Scalar};

    #[test]
    fn a_difference_is_told_by_the_terms_the_other_has_not() {
        let names = ["a", "b", "c"].map(str::to_owned).to_vec();
        let memo = Memo { names, ..Memo::default() };
        let [a, b, c] = [0, 1, 2].map(Polynomial::variable);
        let told = memo.first_difference(&a.mul(&b), &a.mul(&c));
        assert_eq!(told, ["a b", "a c"]);
    }
}
