//! R5, symbolic: the forms run on polynomials, at small sizes, for every value at once.
//!
//! Every weight and every input is a variable. At each place and channel stands a function of
//! which nothing is known: its value at an argument is a fresh variable, the same again where the
//! argument is the same polynomial, whichever form asks. The forms' outputs are then polynomials in
//! normal form, and two polynomials with integer coefficients are the same exactly if they are
//! equal for all values of their variables in all commutative rings. So for a given shape it is a
//! proof: for all weights, all inputs, all channel-wise functions of one element.
//!
//! Polynomials multiply, which is why the shapes are small: but since a function's value is one
//! variable, whatever its argument was, no polynomial grows beyond one layer.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewMut3;

use super::any_form::{AnyForm, Problem};
use super::compare::{Value, odd_one_out};
use super::field::Shape;
use super::verdict::{Bound, Evidence};
use super::watched::Watched;
use crate::block::{BlockSpec, Functions, Layer, StrideOn};
use crate::conv::Reference;
use crate::error::{Error, Result};
use crate::scalar::Polynomial;

/// The shapes that are proved, each with its map: stride 1 and 2 on either convolution, padding 0
/// and 1, each kind of shortcut, two paths and three, one image and two.
///
/// # Errors
///
/// None in practice.
pub fn shapes() -> Result<Vec<Shape>> {
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

/// The shape in words.
pub fn in_words(shape: &Shape) -> String {
    let (spec, (h, w)) = (&shape.spec, shape.map);
    let stride = match (spec.stride(), spec.reduce().stride()) {
        (1, _) => "stride 1",
        (_, 1) => "stride 2",
        _ => "stride 2 on 1x1",
    };
    let images = if shape.n == 1 { "" } else { ", N 2" };
    format!("{spec} on {h}x{w}, {stride}, padding {}{images}", spec.padding())
}

/// The forms on polynomials of this shape.
///
/// # Errors
///
/// A form that is none of the block; a coefficient beyond 64 bits.
pub fn prove(forms: &[&dyn AnyForm], shape: &Shape) -> Result<Evidence> {
    let mut names = Vec::new();
    let (weights, x) = shape.draw(|| {
        names.push(String::new());
        Polynomial::variable(names.len() as u32 - 1)
    })?;
    let mut label = |kernel: &str, tensor: ndarray::ArrayView4<'_, Polynomial>| {
        for ((n, c, i, j), variable) in tensor.indexed_iter() {
            if let Some(number) = variable.as_variable() {
                names[number as usize] = format!("{kernel}[{n},{c},{i},{j}]");
            }
        }
    };
    label("w1", weights.reduce());
    label("w2", weights.transform());
    label("w3", weights.expand());
    if let Some(projection) = weights.shortcut() {
        label("ws", projection);
    }
    label("x", x.view());

    let memo = Mutex::new(Memo { names, values: HashMap::new(), monomials: 0 });
    let see = |layer: Layer, channel: usize, mut plane: ArrayViewMut3<'_, Polynomial>| {
        let mut memo = memo.lock().unwrap_or_else(PoisonError::into_inner);
        plane.map_inplace(|z| *z = memo.value(layer, channel, z));
    };
    let none = Functions::none();
    let watched = Watched::new(&none, &see);
    // What follows the shortcut is a function of the sum, so the sums themselves are compared.
    let functions = Functions { output: none.output, ..watched.functions() };
    let problem = Problem { weights: &weights, x: x.view(), functions };
    let outputs = problem.solve_all(forms, &Reference::default())?;
    if outputs.iter().flatten().any(Polynomial::is_poisoned) {
        return Err(Error::TooManyElements { what: "a coefficient", factors: vec![] });
    }

    let memo = memo.into_inner().unwrap_or_else(PoisonError::into_inner);
    let compared: usize = outputs.iter().flatten().map(Polynomial::monomials).sum();
    let name = |variable: u32| memo.names[variable as usize].clone();
    let witness = odd_one_out(forms, &outputs, "output", |found, expected| {
        // One monomial of each that the other has not.
        let first = |terms: Vec<String>| terms.into_iter().next().unwrap_or_else(|| "0".to_owned());
        let only = |of: &Polynomial, and: &Polynomial| {
            let difference = of.difference(and, &name);
            let own = of.terms(&name);
            first(difference.into_iter().filter(|term| own.contains(term)).collect())
        };
        (Value::Text(only(found, expected)), Value::Text(only(expected, found)))
    });
    let monomials = memo.monomials + compared as u64;
    Ok(Evidence::of(Bound::Proof { monomials }, witness))
}

/// The values of the functions of which nothing is known.
struct Memo {
    /// Of the variables.
    names: Vec<String>,
    /// By place, channel and argument.
    values: HashMap<(Layer, usize, String), u32>,
    /// Of all arguments.
    monomials: u64,
}

impl Memo {
    fn value(&mut self, layer: Layer, channel: usize, argument: &Polynomial) -> Polynomial {
        self.monomials += argument.monomials() as u64;
        // The text of a normal form is the normal form.
        let key = (layer, channel, argument.to_string());
        let names = &mut self.names;
        let number = *self.values.entry(key).or_insert_with(|| {
            let place = match layer {
                Layer::Reduce => "f1",
                Layer::Transform => "f2",
                Layer::Expand => "f3",
                Layer::Shortcut => "fs",
                Layer::Output => "f",
            };
            let number = names.len();
            names.push(format!("{place}.{channel}(#{number})"));
            number as u32
        });
        Polynomial::variable(number)
    }
}
