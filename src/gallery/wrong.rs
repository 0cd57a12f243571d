//! A mistake as a form of the block.

use super::around::{Around, Beside};
use super::convolutions::{Fault, OnFaulty};
use super::functions::Change;
use super::kernels::Kernels;
use super::merging::{Merged, Merging};
use super::met::Met;
use super::wiring::{Rewired, Wiring};
use crate::block::{BlockForm, BlockSpec, BlockWeights, Branch, Form, Layer};
use crate::conv::Convolver;
use crate::error::Result;
use crate::evidence::any_form::Subject;
use crate::evidence::between::{Data, Function};
use crate::scalar::Additive;

/// What is wrong with a block, by where the mistake is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MadeIn {
    /// In its kernels.
    Kernels(Kernels),
    /// In the data of the function after a layer, or in how it is built of them.
    Function(Change, Layer),
    /// In the convolution itself.
    Convolution(Fault),
    /// Between the layers.
    Wiring(Wiring),
    /// At the sum of the paths.
    Merging(Merging),
    /// In the shortcut around it.
    Around(Around),
    /// Nowhere; for tests that show what becomes of a mistake that is none.
    Nothing,
}

impl MadeIn {
    /// How many paths and input channels a block must have for the mistake to mean what it says.
    pub fn at_least(self) -> (usize, usize) {
        match self {
            Self::Kernels(Kernels::InputSplit) => (2, 2),
            Self::Kernels(Kernels::LastPathDropped | Kernels::LastChannelDropped)
            | Self::Merging(_) => (2, 1),
            _ => (1, 1),
        }
    }
}

/// A form with a mistake in it. One in a function is made as the function is built (see
/// [`Subject::function`]): run it by [`Problem::solve`](crate::evidence::any_form::Problem::solve).
#[derive(Clone, Debug)]
pub struct WrongBlock {
    form: Form,
    name: &'static str,
    made_in: MadeIn,
    met: Met,
}

impl WrongBlock {
    /// `form` with this mistake. A mistake in the convolution or the wiring is made in form (c), one at the
    /// sum of the paths in form (a); then only the letter is that of `form`.
    pub fn new(form: Form, name: &'static str, made_in: MadeIn) -> Self {
        Self { form, name, made_in, met: Met::default() }
    }

    /// Whether the mistake had anything to get wrong in all that this form was run on: a second
    /// path, a projection, a NaN rule. If not, it does not apply there.
    pub fn is_met(&self) -> bool {
        self.met.is_met()
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
            MadeIn::Merging(merging) => {
                Box::new(Merged::prepare(merging, weights, convolver, &met)?)
            }
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
        data: &'a dyn Data<S>,
        spec: &BlockSpec,
    ) -> Result<Function<'a, S>> {
        match self.made_in {
            MadeIn::Function(change, at) if at == layer => change.function(data, spec, &self.met),
            _ => data.function(),
        }
    }
}
