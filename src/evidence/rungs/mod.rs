//! The rungs R0 to R8 of the ladder of evidence, from the weakest.
//!
//! A rung implements [`Climb`] in the file of its method and is one entry of [`LADDER`]. The program,
//! the reports, the matrix mistake x rung and the figures iterate over that list.

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

use ndarray::Array4;
use serde::{Serialize, Serializer};

use super::any_form::{AnyForm, Problem};
use super::generator::Case;
use super::generator::Shape;
use super::problem::RealProblem;
use super::verdict::Evidence;
use crate::block::{BlockNorms, BlockSpec};
use crate::error::{Error, Result};
use crate::random::Seed;

/// All rungs, in order: the one place that lists them.
pub const LADDER: [&dyn Climb; 9] = [
    &r0_approximate::Approximate,
    &r1_derived_bound::DerivedBound,
    &r2_bitwise::Bitwise,
    &r3_exact_integers::ExactIntegers,
    &r4_prime_field::PrimeField,
    &r5_symbolic::Symbolic,
    &r6_exhaustive::Exhaustive,
    &r7_derivatives::Derivatives,
    &r8_training::TrainingMode,
];

/// The seed of every random choice, and the number of what is drawn.
pub type Draw = (Seed, u64);

/// What a rung is: what it asks, what it can't see, and how it is run.
///
/// A rung runs on random cases ([`Climb::on_case`]) or on shapes of its own ([`Climb::own`]), and where
/// it can on real blocks ([`Climb::on_block`], [`Climb::on_stage`]) and on the blocks of a network of
/// given weights ([`Climb::on_network`]).
pub trait Climb: Sync {
    /// What it is called.
    fn name(&self) -> &'static str;

    /// The question it asks of the forms.
    fn asks(&self) -> &'static str;

    /// What it says of the forms where it refutes none, in a sentence or two.
    fn says(&self) -> &'static str;

    /// What it cannot see.
    fn blind_to(&self) -> &'static str;

    /// Whether no value rounds, though the forms run on floats.
    fn never_rounds(&self) -> bool {
        false
    }

    /// What random cases run on, in a few words; `None` where the rung takes none.
    fn case_scope(&self) -> Option<&'static str> {
        None
    }

    /// The forms on a random case; `None` where a channel of it is dead or open, so that another is
    /// to be drawn.
    ///
    /// # Errors
    ///
    /// A form that is none of the block.
    fn on_case(
        &self,
        _forms: &[&dyn AnyForm],
        _case: &Case,
        _draw: Draw,
    ) -> Result<Option<Evidence>> {
        Ok(None)
    }

    /// Its work on shapes of its own, where it takes no random cases.
    ///
    /// # Errors
    ///
    /// A shape that is too large.
    fn own(&self) -> Result<Vec<Piece>> {
        Ok(Vec::new())
    }

    /// What real blocks in `f32` run on, in a few words; `None` where it does not run on them.
    fn block_scope(&self) -> Option<&'static str> {
        None
    }

    /// The forms on a real block; `outputs` are what they gave on it in `f32`.
    ///
    /// # Errors
    ///
    /// A form that is none of the block.
    fn on_block(
        &self,
        _forms: &[&dyn AnyForm],
        _real: &RealProblem,
        _outputs: &[Array4<f32>],
        _draw: Draw,
    ) -> Result<Option<Evidence>> {
        Ok(None)
    }

    /// Its work on the shape of a real block, with data of its own.
    fn on_stage(&self, _stage: &Stage, _draw: Draw) -> Vec<Piece> {
        Vec::new()
    }

    /// How it judges a block of given weights, if it can.
    fn on_network(&self) -> Option<&'static dyn OnNetwork> {
        None
    }
}

/// How a rung judges a block of a network, on its own weights.
pub trait OnNetwork: Sync {
    /// What its column of the report shows.
    fn column(&self) -> &'static str;

    /// The same in a sentence.
    fn legend(&self) -> &'static str;

    /// What it runs on.
    fn scope(&self) -> &'static str;

    /// Whether input and functions are its own, so that dead channels hide nothing from it.
    fn draws_its_data(&self) -> bool {
        false
    }

    /// The forms on a block.
    ///
    /// # Errors
    ///
    /// A form that is none of the block.
    fn judge(
        &self,
        forms: &[&dyn AnyForm],
        block: &NetworkBlock<'_, '_>,
        draw: Draw,
    ) -> Result<Evidence>;
}

/// A block of a network on what it receives there.
pub struct NetworkBlock<'a, 'p> {
    /// Weights, input, functions.
    pub problem: &'a Problem<'p, f32>,
    /// The batch norms of which the functions are made.
    pub norms: &'a BlockNorms<f32>,
    /// What each form gives.
    pub outputs: &'a [Array4<f32>],
    /// Its shape, its map at least as large as its kernel, so that every weight counts.
    pub shape: Shape,
}

/// A real block shape: its name, its shape, the map it reads.
#[derive(Clone, Debug)]
pub struct Stage {
    /// Such as `conv2`.
    pub name: String,
    /// The block's.
    pub spec: BlockSpec,
    /// H x W.
    pub map: (usize, usize),
}

/// A map on which real blocks are run where many convolutions are needed: enough for every tap of
/// a 3x3 to meet map and padding.
const SMALL_MAP: (usize, usize) = (3, 4);

impl Stage {
    /// The block on its map.
    pub fn whole(&self) -> Shape {
        Shape::new(self.spec, self.map)
    }

    /// The block on a small part of its map.
    pub fn small(&self) -> Shape {
        let (h, w) = self.map;
        Shape::new(self.spec, (h.min(SMALL_MAP.0), w.min(SMALL_MAP.1)))
    }

    /// Work on a shape of this stage that takes about `convolutions` times one of its forms.
    pub fn piece(
        &self,
        shape: Shape,
        (what, convolutions): (&str, f64),
        work: impl Fn(&[&dyn AnyForm]) -> Result<Evidence> + Send + Sync + 'static,
    ) -> Piece {
        let (spec, (h, w)) = (&self.spec, shape.map);
        Piece {
            stage: self.name.clone(),
            scope: format!("{spec}, {h}x{w}, {what}"),
            size: convolutions * multiply_adds(spec, shape.map),
            in_matrix: false,
            work: Box::new(move |forms, _| work(forms)),
        }
    }
}

/// Multiply-adds of a block's three convolutions at stride 1, about.
pub fn multiply_adds(spec: &BlockSpec, (h, w): (usize, usize)) -> f64 {
    let (inner, k) = (spec.inner(), spec.kernel());
    let weights = inner * (spec.c_in() + spec.width() * k * k + spec.c_out());
    weights as f64 * (h * w) as f64
}

/// Asked before each part of some work, with what came of the parts before.
pub type GoOn<'a> = dyn Fn(&Evidence) -> bool + 'a;

/// What a piece of work does with the forms.
type Work = Box<dyn Fn(&[&dyn AnyForm], &GoOn<'_>) -> Result<Evidence> + Send + Sync>;

/// A piece of a rung's work.
pub struct Piece {
    /// What it runs on, in a word.
    pub stage: String,
    /// The same in more words.
    pub scope: String,
    /// About how many multiply-adds it takes, to start the longest first.
    pub size: f64,
    /// Whether it is quick enough to be run on every wrong block.
    pub in_matrix: bool,
    /// The work.
    pub work: Work,
}

/// A rung, by its place in [`LADDER`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rung(usize);

impl Rung {
    /// All of them, in order.
    pub const ALL: [Self; LADDER.len()] = {
        let mut all = [Self(0); LADDER.len()];
        let mut number = 0;
        while number < all.len() {
            all[number] = Self(number);
            number += 1;
        }
        all
    };
    /// Equal up to a tolerance that somebody chose.
    pub const R0: Self = Self(0);
    /// Equal up to a rounding bound that is derived.
    pub const R1: Self = Self(1);
    /// Equal to the bit, on any floats, where all add in one order.
    pub const R2: Self = Self(2);
    /// Equal to the bit on integers that floats hold exactly.
    pub const R3: Self = Self(3);
    /// Equal in a prime field, at random points.
    pub const R4: Self = Self(4);
    /// Equal as polynomials.
    pub const R5: Self = Self(5);
    /// Equal on everything there is, in a tiny field.
    pub const R6: Self = Self(6);
    /// Equal derivatives.
    pub const R7: Self = Self(7);
    /// Equal in training mode.
    pub const R8: Self = Self(8);

    /// Its place in the ladder, from 0.
    pub fn number(self) -> usize {
        self.0
    }

    /// The rungs that can judge a block of given weights.
    pub fn of_networks() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|rung| rung.on_network().is_some())
    }
}

impl Deref for Rung {
    type Target = dyn Climb;

    fn deref(&self) -> &Self::Target {
        LADDER[self.0]
    }
}

impl fmt::Display for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "R{}", self.0)
    }
}

impl fmt::Debug for Rung {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// As "R4".
impl Serialize for Rung {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// `R4`, or `r4`, or `4`.
impl FromStr for Rung {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let digits = text.strip_prefix(['R', 'r']).unwrap_or(text);
        let rung = Self::ALL.into_iter().find(|rung| rung.0.to_string() == digits);
        rung.ok_or_else(|| Error::NoSuchRung { given: text.to_owned() })
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
            assert_eq!(
                error,
                format!(
                    "`{text}` is no rung that verify climbs; they are R0 to R8 (R9: verify --arch; R10: make -C proofs)"
                )
            );
        }
    }

    /// Every rung runs somewhere: on random cases or on shapes of its own, and not on both.
    #[test]
    fn no_rung_is_idle() {
        for (rung, climb) in Rung::ALL.into_iter().zip(LADDER) {
            assert_eq!(rung.name(), climb.name());
            assert!(![rung.asks(), rung.says(), rung.blind_to()].contains(&""), "{rung}");
            let own = rung.own().unwrap();
            assert_eq!(rung.case_scope().is_some(), own.is_empty(), "{rung}");
            assert!(own.is_empty() || own.iter().any(|piece| piece.in_matrix), "{rung}");
        }
    }
}
