//! Mistakes: blocks that are almost right, as people really write them, for the rungs to refute.
//!
//! A verifier that only says yes is worth nothing. Each of these has one mistake in it, is compared
//! with the right block, and must be refuted by some rung; [`matrix`] runs every rung on
//! every one of them, and [`witness`] finds for each the smallest block on which it shows.
//!
//! A mistake is made in one of a few places, a file each: in the [`kernels`], in the [`functions`]
//! between the convolutions, in the [`convolutions`] themselves, in the [`wiring`] of the layers, at the
//! sum of the paths ([`merging`]), or in the shortcut [`around`] them.
//! To add one, add an entry to [`ALL`] and what it does to the enumeration of its place.

pub mod around;
mod concrete;
pub mod convolutions;
pub mod functions;
pub mod kernels;
mod list;
pub mod matrix;
pub mod merging;
mod met;
pub mod wiring;
pub mod witness;
mod wrong;

pub use list::ALL;
pub use wrong::{MadeIn, WrongBlock};

use crate::block::Form;
use crate::error::{Error, Result};

/// A wrong block.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// What it is called, as in `triform refute last-path-dropped`.
    pub name: &'static str,
    /// What was changed.
    pub changed: &'static str,
    /// Why it is another function, or why one would think that it is not.
    pub why: &'static str,
    /// Where people made this mistake, if that is known.
    pub seen_in: Option<&'static str>,
    /// The form in which it is made.
    pub form: Form,
    /// The mistake.
    pub made_in: MadeIn,
    /// The kind of block on which it shows.
    pub shows_in: Kind,
}

/// Blocks by what a mistake can be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers, batch norm in inference mode.
    Numbers,
    /// The same; weights may have more bits than an f16.
    ManyBits,
    /// The same; an input may be NaN.
    NotANumber,
    /// The same, and variances whose epsilon counts.
    Epsilon,
    /// The same, with derivatives.
    Derivatives,
    /// Batch norm in training mode, with its running statistics.
    Training,
}

impl Mistake {
    /// The wrong block as a form.
    pub fn wrong(&self) -> WrongBlock {
        WrongBlock::new(self.form, self.name, self.made_in)
    }
}

/// The mistake of this name.
///
/// # Errors
///
/// [`Error::NoSuchName`].
pub fn named(name: &str) -> Result<&'static Mistake> {
    ALL.iter().find(|mistake| mistake.name == name).ok_or_else(|| {
        let names = ALL.iter().map(|mistake| mistake.name);
        Error::no_such_name("mistake", name, names)
    })
}
