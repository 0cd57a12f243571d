//! The rungs R0 to R8 of the ladder of evidence, the weakest first.
//!
//! Each rung is a [`Method`] in its own file, and an entry of [`LADDER`]. The program, the reports, the matrix of
//! mistakes and rungs, and the figures iterate over that list. A rung may return an error instead of evidence, for
//! example if a form's output has the wrong shape, or if sizes are too large.

pub mod r0_approximate;
pub mod r1_derived_bound;
pub mod r2_bitwise;
pub mod r3_exact_integers;
pub mod r4_prime_field;
pub mod r5_symbolic;
pub mod r6_exhaustive;
pub mod r7_derivatives;
pub mod r8_training;

use std::fmt;
use std::ops::Deref;
use std::str::FromStr;

use serde::Serialize;

use super::any_form::{Forms, Problem, Runs};
use super::generator::{Case, Shape};
use super::live::{OnReal, RealProblem};
use super::verdict::{Evidence, Value, Witness, odd_ones_out};
use crate::block::BlockSpec;
use crate::conv::{Fast, Reference};
use crate::error::{Error, Result};
use crate::random::Seed;
use crate::scalar::Additive;

/// The list of rungs, the weakest first, each with its file and what it shows.
macro_rules! ladder {
    ($($rung:ident: $file:ident, $what:literal;)*) => {
        /// A rung, identified by its place in [`LADDER`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub enum Rung { $(#[doc = $what] $rung),* }

        impl Rung {
            /// All rungs, in order.
            pub const ALL: [Self; LADDER.len()] = [$(Self::$rung),*];
        }

        /// Their methods, in the same order.
        pub const LADDER: [&Method; [$($what),*].len()] = [$(&$file::METHOD),*];
    };
}

ladder! {
    R0: r0_approximate, "Equal up to a tolerance that somebody chose.";
    R1: r1_derived_bound, "Equal up to a derived bound on rounding.";
    R2: r2_bitwise, "Equal to the bit, on any floats, when all forms add in one order.";
    R3: r3_exact_integers, "Equal to the bit on integers that floats hold exactly.";
    R4: r4_prime_field, "Equal in a prime field, at random points.";
    R5: r5_symbolic, "Equal as polynomials.";
    R6: r6_exhaustive, "Equal for every possible value, in a tiny field.";
    R7: r7_derivatives, "Equal derivatives.";
    R8: r8_training, "Equal in training mode.";
}

/// The seed of every random choice, and the number of the draw.
pub type Draw = (Seed, u64);

/// How a rung judges the forms on a random case.
pub type OnCase = fn(Forms<'_>, &Case, Draw) -> Result<Option<Evidence>>;
/// How a rung judges the forms on a real block in `f32`.
pub type OnBlock = fn(Forms<'_>, &OnReal<'_>, Draw) -> Result<Evidence>;

/// A rung: what it asks, what it cannot see, and how it is run.
///
/// A rung runs either on random cases or on fixed shapes that it chooses. Some also run on real blocks, and on the
/// blocks of a network with given weights.
pub struct Method {
    /// Its name.
    pub name: &'static str,
    /// The question it asks of the forms.
    pub asks: &'static str,
    /// Its conclusion about the forms if it refutes none, in a sentence or two.
    pub says: &'static str,
    /// What it cannot see.
    pub blind_to: &'static str,
    /// Whether the forms run on floats and no value is ever rounded.
    pub never_rounds: bool,
    /// If the rung runs on random cases: their data in a few words, and the function that judges one case. The function
    /// gives no evidence if a channel of the case is dead or open. Then another case is drawn.
    pub on_case: Option<(&'static str, OnCase)>,
    /// If the rung runs on real blocks: their data in a few words, and the function that judges one block.
    pub on_block: Option<(&'static str, OnBlock)>,
    /// The work that the rung does on the shape of a real block, with data that it draws itself.
    pub on_stage: fn(&Stage, Draw) -> Vec<Piece>,
    /// The work that the rung does on fixed shapes. Empty if the rung runs on random cases.
    pub own: fn() -> Result<Vec<Piece>>,
    /// If the rung can judge a block of a network on the block's own weights: how it does so.
    pub on_network: Option<OnNetwork>,
}

impl Method {
    /// The defaults: a rung that runs on nothing.
    const NONE: Self = Self {
        name: "",
        asks: "",
        says: "",
        blind_to: "",
        never_rounds: false,
        on_case: None,
        on_block: None,
        on_stage: |_, _| Vec::new(),
        own: || Ok(Vec::new()),
        on_network: None,
    };
}

/// How a rung judges a block of a network on the block's own weights.
#[derive(Clone, Copy)]
pub struct OnNetwork {
    /// The heading of the rung's column in the report.
    pub column: &'static str,
    /// The same in a sentence.
    pub legend: &'static str,
    /// What it runs on.
    pub scope: &'static str,
    /// Whether the rung draws the input and functions itself. If so, dead channels hide nothing from it.
    pub draws_its_data: bool,
    /// Judges the forms on a block.
    pub judge: OnBlock,
}

/// Judges the forms on the `f32` version of a random case. Gives no evidence if a channel is dead or open.
fn on_floats(
    forms: Forms<'_>,
    case: &Case,
    draw: Draw,
    judge: OnBlock,
) -> Result<Option<Evidence>> {
    let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
    let outputs = real.problem().solve_all(forms, &Fast::new())?;
    judge(forms, &real.with(&outputs), draw).map(Some)
}

/// Runs the forms on a problem over an exact ring. Returns a witness for each form whose output differs from that of
/// most forms.
fn apart<S: Additive>(
    forms: Forms<'_>,
    problem: &Problem<'_, S>,
    show: impl Fn(&S) -> String,
) -> Result<Vec<Witness>>
where
    Reference: Runs<S>,
{
    let outputs = problem.solve_all(forms, &Reference::default())?;
    let show = |l: &S, r: &S| [Value::Text(show(l)), Value::Text(show(r))];
    Ok(odd_ones_out(forms, &outputs, "output", show))
}

/// The shape of a real block and its input.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Its name, such as `conv2`.
    pub name: String,
    /// The block with its full map size.
    pub whole: Shape,
}

/// The map size that rungs with many convolutions use for real blocks. On such a map, the taps of a 3x3 meet both the
/// map and the padding.
const SMALL_MAP: (usize, usize) = (3, 4);

impl Stage {
    /// The block on a small map.
    fn small(&self) -> Shape {
        let (h, w) = self.whole.map;
        Shape { map: (h.min(SMALL_MAP.0), w.min(SMALL_MAP.1)), ..self.whole }
    }

    /// A piece of work on a shape of this stage. It costs about `convolutions` times as much as one form.
    fn piece(
        &self,
        shape: Shape,
        (what, convolutions): (&str, f64),
        work: impl Fn(Forms<'_>) -> Result<Evidence> + Send + Sync + 'static,
    ) -> Piece {
        let (spec, (h, w)) = (&shape.spec, shape.map);
        Piece {
            stage: self.name.clone(),
            scope: format!("{spec}, {h}x{w}, {what}"),
            size: convolutions * multiply_adds(spec, shape.map),
            in_matrix: false,
            work: Box::new(move |forms, _| work(forms)),
        }
    }
}

/// Approximate multiply-adds of a block's three convolutions at stride 1.
pub fn multiply_adds(spec: &BlockSpec, (h, w): (usize, usize)) -> f64 {
    let (inner, k) = (spec.inner(), spec.kernel());
    let weights = inner * (spec.c_in() + spec.width() * k * k + spec.c_out());
    weights as f64 * (h * w) as f64
}

/// Says whether to go on. Called before each part of some work, with the evidence from the earlier parts.
pub type GoOn<'a> = dyn Fn(&Evidence) -> bool + 'a;

/// Judges the forms in one part of a rung's work.
type Work = Box<dyn Fn(Forms<'_>, &GoOn<'_>) -> Result<Evidence> + Send + Sync>;

/// A piece of a rung's work.
pub struct Piece {
    /// What it runs on, in a word.
    pub stage: String,
    /// The same in more words.
    pub scope: String,
    /// Approximate multiply-adds, used to start the longest work first.
    pub size: f64,
    /// Whether it is quick enough to be run on every wrong block.
    pub in_matrix: bool,
    /// The work.
    pub work: Work,
}

impl Rung {
    /// The rungs that can judge a block with given weights.
    pub fn of_networks() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|rung| rung.on_network.is_some())
    }
}

impl Deref for Rung {
    type Target = Method;

    fn deref(&self) -> &Method {
        LADDER[*self as usize]
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// `R4`, or `r4`, or `4`.
impl FromStr for Rung {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix(['R', 'r']).unwrap_or(text);
        let rung = Self::ALL.into_iter().find(|rung| (*rung as usize).to_string() == digits);
        let last = || Self::ALL[LADDER.len() - 1].to_string();
        rung.ok_or_else(|| Error::NoSuchRung { given: text.to_owned(), last: last() })
    }
}

#[cfg(test)]
mod tests {
    use super::{LADDER, Rung};

    #[test]
    fn rungs_have_names() {
        for (text, rung) in [("R4", Rung::R4), ("r0", Rung::R0), ("8", Rung::R8)] {
            assert_eq!(text.parse::<Rung>().unwrap(), rung);
        }
        for text in ["", "R", "R9", "R44", "-1", "R 4", "04"] {
            let error = text.parse::<Rung>().unwrap_err().to_string();
            let said = format!("`{text}` is not one of the rungs R0 to R8");
            assert_eq!(error, said);
        }
    }

    /// Every rung runs either on random cases or on fixed shapes, never on both.
    #[test]
    fn no_rung_is_idle() {
        for rung in LADDER {
            let own = (rung.own)().unwrap();
            assert!(![rung.name, rung.asks, rung.says, rung.blind_to].contains(&""));
            assert_eq!(rung.on_case.is_some(), own.is_empty(), "{}", rung.name);
            assert!(own.is_empty() || own.iter().any(|piece| piece.in_matrix), "{}", rung.name);
        }
    }
}
