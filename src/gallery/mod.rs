//! The gallery of wrong blocks. Each has a mistake that people really make, and the rungs must refute it.
//!
//! A verifier that never refutes anything is worthless. So each wrong block is compared with the right block, and some
//! rung must refute it. [`matrix`] runs every rung on every mistake. [`witness`] finds the smallest block on which a
//! mistake shows.
//!
//! A mistake is made in one of three places: in the [`kernels`], in the [`functions`] between the convolutions, or in
//! how a [branch](branches) computes. To add a mistake, add an entry to [`ALL`], and add its effect to the enumeration
//! for its place. Some mistakes are not in the list, because nobody would make them. Each of them tests one part of a
//! rung. If this part were missing, no coarser mistake would reveal that.

pub mod branches;
pub mod convolutions;
pub mod functions;
pub mod kernels;
mod list;
pub mod matrix;
pub mod witness;

use std::any::{Any, TypeId};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use self::list::ALL;

use self::branches::{Around, Beside, Fault, OnFaulty, Rewired, Wiring};
use self::functions::Change;
use self::kernels::Kernels;
use self::witness::Pair;
use crate::block::{BlockForm, BlockSpec, BlockWeights, Branch, Form, Layer};
use crate::conv::Convolver;
use crate::error::{Error, Result};
use crate::evidence::{Data, Function, Subject};
use crate::scalar::Additive;

/// A wrong block.
#[derive(Clone, Copy, Debug)]
pub struct Mistake {
    /// The name of the mistake, as in `triform refute last-path-dropped`.
    pub name: &'static str,
    /// What was changed.
    pub changed: &'static str,
    /// Why the mistake changes the function, or why people may think that it does not.
    pub why: &'static str,
    /// Where people made this mistake, if that is known.
    pub seen_in: Option<&'static str>,
    /// The form that contains the mistake.
    pub form: Form,
    /// The mistake.
    pub made_in: MadeIn,
    /// The kind of block on which the mistake shows.
    pub shows_in: Kind,
}

/// Kinds of block on which mistakes can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Integers, batch norm in inference mode.
    Numbers,
    /// As `Numbers`, but weights may have more bits than an f16.
    ManyBits,
    /// As `Numbers`, but an input may be NaN.
    NotANumber,
    /// As `Numbers`, with an epsilon that is not negligible compared with the variance.
    Epsilon,
    /// As `Numbers`, with derivatives.
    Derivatives,
    /// Batch norm in training mode, with its running statistics.
    Training,
    /// Integers, and the gradients with respect to the input and the kernels.
    Gradients,
    /// As `Gradients`, with batch norm in training mode.
    TrainingGradients,
}

/// A mistake that shows on [`Kind::Numbers`]. The methods below add its texts.
const fn mistake(name: &'static str, form: Form, made_in: MadeIn) -> Mistake {
    let shows_in = Kind::Numbers;
    Mistake { name, changed: "", why: "", seen_in: None, form, made_in, shows_in }
}

impl Mistake {
    const fn changed(self, changed: &'static str) -> Self {
        Self { changed, ..self }
    }

    const fn why(self, why: &'static str) -> Self {
        Self { why, ..self }
    }

    const fn seen_in(self, whose: &'static str) -> Self {
        Self { seen_in: Some(whose), ..self }
    }

    const fn shows_in(self, shows_in: Kind) -> Self {
        Self { shows_in, ..self }
    }

    /// The wrong block as a form.
    pub fn wrong(&self) -> WrongBlock {
        WrongBlock::new(self.form, self.name, self.made_in)
    }

    /// Pairs the right form with the wrong block.
    pub fn pair<'a>(&'a self, wrong: &'a WrongBlock) -> Pair<'a> {
        let (shows_in, at_least) = (self.shows_in, self.made_in.at_least());
        Pair { right: &self.form, wrong, shows_in, at_least }
    }
}

/// The mistake with this name.
pub fn named(name: &str) -> Result<&'static Mistake> {
    ALL.iter().find(|mistake| mistake.name == name).ok_or_else(|| {
        let of_convolutions = convolutions::ALL.iter().map(|mistake| mistake.name);
        let mut names: Vec<&str> =
            ALL.iter().map(|mistake| mistake.name).chain(of_convolutions).collect();
        names.sort_unstable();
        names.dedup();
        Error::no_such_name("mistake", name, names.into_iter())
    })
}

/// The place where a mistake is made, and what is wrong there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeIn {
    /// In its kernels.
    Kernels(Kernels),
    /// In the function after a layer: either in the data of the function, or in how it is built from the data.
    Function(Change, Layer),
    /// In the convolution itself.
    Convolution(Fault),
    /// Between the layers.
    Wiring(Wiring),
    /// Around the form: in its shortcut, its functions, its output.
    Around(Around),
    /// Nowhere. This is for tests of what happens if a mistake changes nothing.
    Nothing,
}

impl MadeIn {
    /// The smallest numbers of paths and of input channels with which the mistake makes sense.
    pub fn at_least(self) -> (usize, usize) {
        match self {
            Self::Kernels(Kernels::InputSplit) => (2, 2),
            Self::Kernels(Kernels::LastPathDropped | Kernels::LastChannelDropped)
            | Self::Convolution(
                Fault::NormInEachPath | Fault::ReluBeforeSum | Fault::GradientTimesGroups,
            ) => (2, 1),
            _ => (1, 1),
        }
    }
}

/// A form with a mistake in it. A mistake in a function is made when the function is built (see [`Subject::function`]),
/// so run the form with [`Problem::solve`](crate::evidence::any_form::Problem::solve).
#[derive(Clone, Debug)]
pub struct WrongBlock {
    form: Form,
    name: &'static str,
    made_in: MadeIn,
    everywhere: bool,
    met: Met,
}

impl WrongBlock {
    /// Puts a mistake into `form`. A mistake in the sum of the paths is always made in form (a). Any other mistake in
    /// the convolution or the wiring is made in form (c). In both cases, `form` gives only the letter.
    pub fn new(form: Form, name: &'static str, made_in: MadeIn) -> Self {
        Self { form, name, made_in, everywhere: false, met: Met::default() }
    }

    /// Makes the mistake after every layer, if it is a mistake in a function.
    pub fn everywhere(self) -> Self {
        Self { everywhere: true, ..self }
    }

    /// Whether the mistake has applied in any run of this form so far. For example, a mistake may need a second path, a
    /// projection or a NaN rule.
    pub fn is_met(&self) -> bool {
        self.met.0.load(Ordering::Relaxed)
    }
}

impl BlockForm for WrongBlock {
    fn letter(&self) -> char {
        self.form.letter()
    }

    fn name(&self) -> &'static str {
        self.name
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        let met = self.met.clone();
        Ok(match self.made_in {
            MadeIn::Nothing | MadeIn::Function(..) => self.form.prepare(weights, convolver)?,
            MadeIn::Kernels(kernels) => {
                self.form.prepare(&kernels.change(weights, &met)?, convolver)?
            }
            MadeIn::Convolution(fault) => {
                Box::new(OnFaulty::prepare(fault, weights, convolver, met)?)
            }
            MadeIn::Wiring(wiring) => Box::new(Rewired::prepare(wiring, weights, convolver, met)?),
            MadeIn::Around(around) => {
                let branch = self.form.prepare(weights, convolver)?;
                Box::new(Beside { branch, around, shortcut: weights.spec().shortcut(), met })
            }
        })
    }
}

impl Subject for WrongBlock {
    fn function<'a, S: Additive>(
        &self,
        layer: Layer,
        data: &Data<'a, S>,
        spec: &BlockSpec,
    ) -> Result<Function<'a, S>> {
        match self.made_in {
            MadeIn::Function(change, at)
                if at == layer || (self.everywhere && change.concerns(layer)) =>
            {
                change.function(data, spec, &self.met)
            }
            _ => data.function(),
        }
    }
}

/// A flag that is set once a mistake applies, for example because there is a path to drop or a NaN rule to break. If
/// the flag is never set, a check that found nothing has missed nothing.
#[derive(Clone, Debug, Default)]
struct Met(Arc<AtomicBool>);

impl Met {
    /// Sets the flag if `met`.
    fn meet(&self, met: bool) {
        self.0.fetch_or(met, Ordering::Relaxed);
    }
}

/// The value as a `T`, if it has this type. Wrong forms are generic like right forms, but a mistake about NaN, for
/// example, exists only for floats.
fn as_a<T: 'static>(value: &mut impl Any) -> Option<&mut T> {
    (value as &mut dyn Any).downcast_mut()
}

fn over<S: 'static, T: 'static>() -> bool {
    TypeId::of::<S>() == TypeId::of::<T>()
}
