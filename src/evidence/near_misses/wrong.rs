//! A near-miss as a form of the block.

use ndarray::{Array4, ArrayView4};

use super::around::Around;
use super::convolutions::{Fault, OnFaulty};
use super::functions::{Change, Changed};
use super::kernels::Kernels;
use super::merging::{Merged, Merging};
use super::met::Met;
use super::wiring::{Rewired, Wiring};
use crate::block::{BlockForm, BlockSpec, BlockWeights, Branch, Form, Functions, Layer};
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// What is wrong with a block, by where the mistake is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mistake {
    /// In its kernels.
    Kernels(Kernels),
    /// In the function after a layer.
    Function(Change, Layer),
    /// In the convolution itself.
    Convolution(Fault),
    /// Between the layers.
    Wiring(Wiring),
    /// At the sum of the paths.
    Merging(Merging),
    /// In the shortcut around it.
    Around(Around),
    /// Nowhere; for tests that show what becomes of a near-miss that is none.
    Nothing,
}

impl Mistake {
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

/// A form with a mistake in it.
#[derive(Clone, Debug)]
pub struct Wrong {
    form: Form,
    name: &'static str,
    mistake: Mistake,
    met: Met,
}

impl Wrong {
    /// `form` with this mistake. A mistake in the convolution or the wiring is made in form (c), one at the
    /// sum of the paths in form (a); then only the letter is that of `form`.
    pub fn new(form: Form, name: &'static str, mistake: Mistake) -> Self {
        Self { form, name, mistake, met: Met::default() }
    }

    /// Whether the mistake had anything to get wrong in all that this form was run on: a second
    /// path, a projection, a NaN rule. If not, it does not apply there.
    pub fn is_met(&self) -> bool {
        self.met.is_met()
    }
}

impl BlockForm for Wrong {
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
        Ok(match self.mistake {
            Mistake::Nothing => self.form.prepare(weights, convolver)?,
            Mistake::Kernels(kernels) => {
                self.form.prepare(&kernels.change(weights, &met)?, convolver)?
            }
            Mistake::Convolution(fault) => {
                Box::new(OnFaulty::prepare(fault, weights, convolver, met)?)
            }
            Mistake::Wiring(wiring) => Box::new(Rewired::prepare(wiring, weights, convolver, met)?),
            Mistake::Merging(merging) => {
                Box::new(Merged::prepare(merging, weights, convolver, &met)?)
            }
            Mistake::Function(..) | Mistake::Around(_) => {
                let branch = self.form.prepare(weights, convolver)?;
                Box::new(Beside { branch, mistake: self.mistake, spec: *weights.spec(), met })
            }
        })
    }
}

/// A right branch, handed something wrong.
struct Beside<S: Additive, V: Convolver<S>> {
    branch: Box<dyn Branch<S, V>>,
    mistake: Mistake,
    spec: BlockSpec,
    met: Met,
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Beside<S, V> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let Self { branch, spec, met, .. } = self;
        match self.mistake {
            Mistake::Function(change, layer) => {
                let changed = Changed::new(functions, (change, layer), *spec, met);
                branch.forward(x, &changed.functions(), shortcut, convolver)
            }
            Mistake::Around(around) => {
                around.forward(&**branch, (x, functions, shortcut), (convolver, spec, met))
            }
            _ => branch.forward(x, functions, shortcut, convolver),
        }
    }
}
