//! R10: a theorem that a proof assistant checks. It holds for every C, d, number of channels, kernel, stride, padding,
//! dilation, batch and map. The proof is in `proofs/`. The theorem is about index formulas that read like the forms in
//! [`crate::block`].
//!
//! This file connects the forms with the formulas. It runs the Rust forms on small blocks of integers and writes down
//! the results for Coq. Coq checks that the theorem's formulas give the same numbers (`proofs/Cases.v`). A test, and
//! `triform explain all-sizes`, check that the forms still give these numbers. So, as far as a few cases can show, the
//! proof is about the code that runs.

use std::fmt::{Display, Write as _};

use rand::Rng as _;

use crate::block::{Activation, BlockSpec, NormFunctions, Normalise, Shortcut, StrideOn};
use crate::conv::{Affine, Reference};
use crate::error::Result;
use crate::evidence::{AnyForm, Between, Problem, Shape};
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::Int;

/// The committed cases, which Coq checks.
pub const COMMITTED: &str = include_str!("../../proofs/Cases.v");

const HEAD: &str = "\
(** Blocks of integers that the Rust forms were run on, and what they gave. Written by
    [INSTA_UPDATE=always cargo test --test lesson], from seed 0; see src/claims/theorem.rs. *)
From Coq Require Import ZArith.
From mathcomp Require Import all_ssreflect.
From triform Require Import Tie.
";

const TAIL: &str = "\
(** The formulas that the theorems are about give the same. *)
Theorem cases_hold : all holds cases.
Proof. by vm_compute. Qed.
";

/// The number of images in a batch, and their map H x W.
type Input = (usize, (usize, usize));

/// The blocks, each with its input. They differ in the number and the width of their paths, and in stride, kernel and
/// padding.
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

/// The text of `proofs/Cases.v`, with the outputs of this form.
pub fn cases(form: &dyn AnyForm) -> Result<String> {
    let cases = blocks()?.into_iter().enumerate();
    let cases = cases.map(|(number, (spec, input))| case(form, number, &spec, input));
    let cases = cases.collect::<Result<Vec<_>>>()?.join(" ;\n");
    Ok(format!("{HEAD}\nDefinition cases := [::\n{cases}].\n\n{TAIL}"))
}

/// One case in Coq's syntax, as a record of the type `case` in `proofs/Tie.v`.
fn case(form: &dyn AnyForm, number: usize, spec: &BlockSpec, (n, map): Input) -> Result<String> {
    let mut rng = Seed(0).stream(Purpose::Theorem, &[number as u64]);
    let (c, d, c_in, c_out) = (spec.cardinality(), spec.width(), spec.c_in(), spec.c_out());
    let (inner, k) = (spec.inner(), spec.kernel());
    let shape = Shape { n, ..Shape::new(*spec, map) };
    let (weights, x) = shape.draw(|| Int::from(rng.random_range(-4i64..=4)))?;
    let norms = [inner, inner, c_out].map(|channels| affine(&mut rng, channels));
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

    let strides = (spec.reduce().height().stride, spec.transform(1).height().stride);
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
    for (name, kernel) in ["reduce", "transform", "expand"].into_iter().zip(weights.kernels()) {
        field(name, &list(kernel.iter().map(number_of)));
    }
    let pair = |affine: &Affine<Int>| {
        format!("({}, {})", number_of(&affine.scale), number_of(&affine.shift))
    };
    for (name, norm) in ["norm1", "norm2", "norm3"].into_iter().zip(&norms) {
        field(name, &list(norm.iter().map(pair)));
    }
    field("input", &list(x.iter().map(number_of)));
    let _ = write!(text, "     output := {} |}}", list(output.iter().map(number_of)));
    Ok(text)
}

/// Draws a scale and a shift for each channel, such that no channel is hidden.
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

/// A list in Coq's syntax, with lines wrapped.
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

/// The words of a text, each with its line number, counted from 1. An empty word follows the last one.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let words = |(number, line): (usize, _)| str::split_whitespace(line).map(move |w| (number, w));
    (1..).zip(text.lines()).flat_map(words).chain([(0, "")])
}

/// Finds the first word where a file of cases differs from the expected file. Returns the word's line number, the word
/// found and the word expected.
pub fn first_difference<'a>(found: &'a str, expected: &'a str) -> Option<(usize, [&'a str; 2])> {
    let mut pairs = words(found).zip(words(expected));
    let ((line, found), (_, expected)) = pairs.find(|((_, l), (_, r))| l != r)?;
    Some((line, [found, expected].map(|word| word.trim_end_matches(';'))))
}
