//! Wrong forms that checks must refute. They have mistakes of the library's gallery, made in any of the three forms.

use triform::block::Form;
use triform::gallery::branches::Around;
use triform::gallery::kernels::Kernels;
use triform::gallery::{MadeIn, Mistake, WrongBlock, named};

/// The gallery's names of mistakes that can be made in any form.
pub const MISTAKES: [&str; 5] =
    ["last-path-dropped", NEXT_PATH, "concatenated-in-reverse", "3x3-shared", FLIPPED];

/// Path `i` has the 3x3 of path `i + 1`.
pub const NEXT_PATH: &str = "next-path-3x3";

/// The taps of the 3x3 are rotated by 180 degrees.
pub const FLIPPED: &str = "taps-flipped";

/// A form of the paper with a mistake in its kernels.
pub fn wrong(form: Form, mistake: &str) -> WrongBlock {
    let Mistake { name, made_in, .. } = *named(mistake).unwrap();
    assert!(matches!(made_in, MadeIn::Kernels(kernels) if kernels != Kernels::Half));
    WrongBlock::new(form, name, made_in)
}

/// Form (a) with the last batch norm inside each path, before the sum. This is right only if there is one path.
pub fn norm_in_each_path() -> WrongBlock {
    named("norm-in-each-path").unwrap().wrong()
}

/// Not a form of the block: it returns a part of its input, for every block.
pub fn no_form() -> WrongBlock {
    let made_in = MadeIn::Around(Around::NoForm);
    WrongBlock::new(Form::Aggregated, "that gives two channels too few", made_in)
}
