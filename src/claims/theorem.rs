//! R10, a theorem: for every C, d, number of channels, kernel, stride, padding, batch and map, checked by a proof
//! assistant. It is in `proofs/`, about index formulas that read like [`crate::block`]'s forms.
//!
//! What ties the two together is here: small blocks of integers, run by the Rust forms, written down for Coq. The
//! formulas that the theorem is about must give the same numbers (`proofs/Cases.v`, checked there), and the forms
//! must give them still (checked by a test, and by `triform explain all-sizes`). So what is proved is about what
//! runs, as far as cases can tell.

use std::fmt::{Display, Write as _};

use ndarray::Array4;
use rand::Rng as _;

use crate::block::{
    Activation, BlockSpec, BlockWeights, NormFunctions, Normalise, Shortcut, StrideOn,
};
use crate::conv::{Affine, Reference};
use crate::error::Result;
use crate::evidence::{AnyForm, Between, Problem};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::Int;

/// The cases as they are committed, which Coq checks.
pub const COMMITTED: &str = include_str!("../../proofs/Cases.v");

const HEAD: &str = "\
(** Blocks of integers that the Rust forms were run on, and what they gave. Written by
    [INSTA_UPDATE=always cargo test --test theorem], from seed 0; see src/claims/theorem.rs. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect.
From triform Require Import Tie.
";

const TAIL: &str = "\
(** The formulas that the theorems are about give the same. *)
Theorem cases_hold : all holds cases.
Proof. by vm_compute. Qed.
";

/// Images of a batch, and their map H x W.
type Input = (usize, (usize, usize));

/// The blocks: one path and several, wide and narrow, every stride, kernel and padding there is a reason to
/// doubt. With each the images of a batch and their map.
fn blocks() -> Result<Vec<(BlockSpec, Input)>> {
    let block = |c_in, cardinality, width, c_out| {
        BlockSpec::new(c_in, cardinality, width, c_out)?.with_shortcut(Shortcut::None)
    };
    Ok(vec![
        (block(3, 2, 2, 2)?, (1, (3, 4))),
        (block(2, 3, 1, 3)?.with_stride(2, StrideOn::Transform)?, (2, (5, 4))),
        (block(2, 2, 3, 3)?.with_stride(2, StrideOn::Reduce)?, (1, (4, 5))),
        (block(3, 1, 3, 2)?.with_kernel(1)?, (2, (2, 2))),
        (block(2, 4, 1, 2)?.with_kernel(5)?, (1, (3, 3))),
        (block(2, 2, 2, 3)?.with_padding(0), (1, (4, 3))),
        (block(2, 2, 2, 3)?.with_stride(3, StrideOn::Transform)?.with_padding(2), (1, (4, 4))),
    ])
}

/// `proofs/Cases.v`, with what a form gives.
pub fn cases(form: &dyn AnyForm) -> Result<String> {
    let cases = blocks()?.into_iter().enumerate();
    let cases = cases.map(|(number, (spec, input))| case(form, number, &spec, input));
    let cases = cases.collect::<Result<Vec<_>>>()?.join(" ;\n");
    Ok(format!("{HEAD}\nDefinition cases := [::\n{cases}].\n\n{TAIL}"))
}

/// One of them, by the fields of the record `case` of `proofs/Tie.v`.
fn case(form: &dyn AnyForm, number: usize, spec: &BlockSpec, (n, map): Input) -> Result<String> {
    let mut rng = Seed(0).stream(Purpose::Theorem, &[number as u64]);
    let (c, d, c_in, c_out) = (spec.cardinality(), spec.width(), spec.c_in(), spec.c_out());
    let (inner, k) = (spec.inner(), spec.kernel());
    let reduce = draw(&mut rng, (inner, c_in, 1, 1));
    let transform = draw(&mut rng, (inner, d, k, k));
    let expand = draw(&mut rng, (c_out, inner, 1, 1));
    let x = draw(&mut rng, (n, c_in, map.0, map.1));
    let norms = [inner, inner, c_out].map(|channels| affine(&mut rng, channels));
    let weights =
        BlockWeights::new(*spec, reduce.clone(), transform.clone(), expand.clone(), None)?;
    let [first, second, third] =
        norms.each_ref().map(|norm| Normalise::new(norm.clone()).then(Activation::Relu));
    let functions = NormFunctions {
        reduce: first,
        transform: second,
        expand: third,
        shortcut: None,
        output: Activation::Identity,
    };
    let between = Between::from(&functions);
    let problem = Problem { weights: &weights, x: x.view(), between };
    let output = problem.solve(form, &Reference::default())?;

    let strides = (spec.reduce().stride(), spec.transform(1).stride());
    let maps = [map, spec.inner_map(map)?, spec.output_map(map)?];
    let [map0, map1, map2] = maps.map(|map| format!("{map:?}"));
    let mut text = format!(
        "  {{| paths := {c}; channels := {d}; c_in := {c_in}; c_out := {c_out}; size := {k}; padding := {};\n",
        spec.padding(),
    );
    let mut field = |name: &str, value: &dyn Display| {
        let _ = writeln!(text, "     {name} := {value};");
    };
    field("strides", &format!("{strides:?}"));
    field("batch", &n);
    field("map0", &map0);
    field("map1", &map1);
    field("map2", &map2);
    field("reduce", &list(reduce.iter().map(number_of)));
    field("transform", &list(transform.iter().map(number_of)));
    field("expand", &list(expand.iter().map(number_of)));
    let pair = |affine: &Affine<Int>| {
        format!("({}, {})", number_of(&affine.scale), number_of(&affine.shift))
    };
    field("norm1", &list(norms[0].iter().map(pair)));
    field("norm2", &list(norms[1].iter().map(pair)));
    field("norm3", &list(norms[2].iter().map(pair)));
    field("input", &list(x.iter().map(number_of)));
    let _ = write!(text, "     output := {} |}}", list(output.iter().map(number_of)));
    Ok(text)
}

fn draw(rng: &mut Rng, shape: (usize, usize, usize, usize)) -> Array4<Int> {
    Array4::from_shape_simple_fn(shape, || Int::from(rng.random_range(-4i64..=4)))
}

/// Scales and shifts, none of which hides a channel.
fn affine(rng: &mut Rng, channels: usize) -> Vec<Affine<Int>> {
    let one = |_| {
        let scale = rng.random_range(1i64..=2) * if rng.random() { 1 } else { -1 };
        let shift = rng.random_range(-3i64..=9);
        Affine { scale: Int::from(scale), shift: Int::from(shift), relu: false }
    };
    (0..channels).map(one).collect()
}

fn number_of(value: &Int) -> String {
    value.value().map_or_else(|| "overflow".to_owned(), |value| value.to_string())
}

/// A list of Coq's, wrapped.
fn list(items: impl Iterator<Item = String>) -> String {
    let mut text = String::from("[::");
    let mut width = 0;
    for (number, item) in items.enumerate() {
        if number > 0 {
            text.push(';');
        }
        width += item.len() + 2;
        if width > 80 {
            text.push_str("\n       ");
            width = item.len();
        }
        let _ = write!(text, " {item}");
    }
    text + "]%Z"
}

/// Where two files of cases differ first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// Counted from 1.
    pub line: usize,
    /// What stands there, and what should; nothing behind the end.
    pub found: String,
    /// See `found`.
    pub expected: String,
}

impl Difference {
    /// The first word of the line that differs, a number where the lines are of numbers.
    pub fn number(&self) -> (&str, &str) {
        let mut words = self.found.split_whitespace().zip(self.expected.split_whitespace());
        let (found, expected) =
            words.find(|(a, b)| a != b).unwrap_or((&self.found, &self.expected));
        (found.trim_end_matches(';'), expected.trim_end_matches(';'))
    }
}

/// Where a file of cases is not the one that is expected.
pub fn first_difference(found: &str, expected: &str) -> Option<Difference> {
    let line =
        |text: &str, number: usize| text.lines().nth(number).map(|line| line.trim().to_owned());
    let lines = found.lines().count().max(expected.lines().count());
    let differs = |number: &usize| line(found, *number) != line(expected, *number);
    (0..lines).find(differs).map(|number| Difference {
        line: number + 1,
        found: line(found, number).unwrap_or_default(),
        expected: line(expected, number).unwrap_or_default(),
    })
}
