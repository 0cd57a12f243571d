//! WrongBlock forms, for checks to refute: mistakes of the library's gallery in each form, and one that is
//! no form at all.

use ndarray::{Array4, ArrayView4};
use triform::block::{BlockForm, BlockWeights, Branch, Form, Functions};
use triform::conv::Convolver;
use triform::error::Result;
use triform::evidence::any_form::Subject;
use triform::gallery::kernels::Kernels;
use triform::gallery::{self, Mistake, WrongBlock, named};
use triform::scalar::Additive;

/// Mistakes that can be made in any of the forms, by name in the gallery.
pub const MISTAKES: [&str; 5] =
    ["last-path-dropped", NEXT_PATH, "concatenated-in-reverse", "3x3-shared", FLIPPED];

/// Path i has the 3x3 of path i + 1.
pub const NEXT_PATH: &str = "next-path-3x3";

/// The taps of the 3x3 are turned by half a turn.
pub const FLIPPED: &str = "taps-flipped";

/// A form of the paper with a mistake in its kernels.
pub fn wrong(form: Form, mistake: &str) -> WrongBlock {
    let Mistake { name, made_in, .. } = *named(mistake).unwrap();
    assert!(matches!(made_in, gallery::MadeIn::Kernels(kernels) if kernels != Kernels::Half));
    WrongBlock::new(form, name, made_in)
}

/// Form (a) with the last batch norm inside each path, before the sum: right for one path only.
pub fn norm_in_each_path() -> WrongBlock {
    named("norm-in-each-path").unwrap().wrong()
}

/// No form of the block at all: a part of its input, whatever the block is.
pub struct NoForm;

struct Nothing;

impl Subject for NoForm {}

impl BlockForm for NoForm {
    fn letter(&self) -> char {
        'a'
    }

    fn name(&self) -> &'static str {
        "that gives two channels too few"
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        _weights: &BlockWeights<S>,
        _convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        Ok(Box::new(Nothing))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Nothing {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        _functions: &Functions<'_, S>,
        _shortcut: Option<ArrayView4<'_, S>>,
        _convolver: &V,
    ) -> Result<Array4<S>> {
        Ok(x.slice(ndarray::s![.., 2.., .., ..]).to_owned())
    }
}
