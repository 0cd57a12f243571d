//! What stands between a block's convolutions, as the data from which its functions are built.
//!
//! The functions of all forms are built from the same data. The paper's forms take the data as they
//! are. A wrong block whose mistake is about batch norm or activation makes it here: it leaves a
//! part of the data out, or wraps what is built of them (see [`Subject::function`]).
//!
//! [`Subject::function`]: super::any_form::Subject::function

use super::any_form::{AnyForm, Over};
use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockSpec, Functions, Layer, NormFunctions, Normalise,
    TrainingFunctions, TrainingNorm,
};
use crate::conv::{ChannelWise, Convolver, Identity};
use crate::error::Result;
use crate::scalar::{Additive, Ordered, Real};

/// The function of one place, built.
pub type Function<'a, S> = Box<dyn ChannelWise<S> + 'a>;

/// A part of the data of a function.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The shift of batch norm.
    Shift,
    /// Its epsilon, where that is not 0.
    Epsilon,
    /// Bessel's correction of the running variance, in training mode.
    Correction,
    /// The activation. Where nothing is known of a function, all of it: batch norm may be the
    /// identity, and the function the activation.
    Activation,
}

/// The data of the function at one place.
pub trait Data<S>: Sync {
    /// The function.
    ///
    /// # Errors
    ///
    /// Those of [`BatchNorm::fold`].
    fn function(&self) -> Result<Function<'_, S>>;

    /// The function without a part of its data; `None` where it has no such part.
    ///
    /// # Errors
    ///
    /// Those of [`BatchNorm::fold`].
    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>>;
}

/// The data of each place of a block.
pub struct Between<'a, S>([Box<dyn Data<S> + 'a>; Layer::ALL.len()]);

/// The functions of each place, as a form has built them.
pub struct Built<'a, S>(Vec<Function<'a, S>>);

impl<'a, S: Real> Between<'a, S> {
    /// Batch norms in inference mode, and the activation where the paper puts it.
    pub fn norms(norms: &'a BlockNorms<S>, activation: Activation) -> Self {
        let plain = Activation::Identity;
        Self([
            Box::new((&norms.reduce, activation)),
            Box::new((&norms.transform, activation)),
            Box::new((&norms.expand, plain)),
            match &norms.shortcut {
                Some(norm) => Box::new((norm, plain)),
                None => Box::new(plain),
            },
            Box::new(activation),
        ])
    }
}

/// Batch norms in inference mode that are folded already.
impl<'a, S: Ordered> From<&'a NormFunctions<S>> for Between<'a, S> {
    fn from(folded: &'a NormFunctions<S>) -> Self {
        Self([
            Box::new(&folded.reduce),
            Box::new(&folded.transform),
            Box::new(&folded.expand),
            match &folded.shortcut {
                Some(norm) => Box::new(norm),
                None => Box::new(Activation::Identity),
            },
            Box::new(folded.output),
        ])
    }
}

/// Batch norms in training mode, which move the running statistics of `functions`.
impl<'a, S: Real> From<&'a TrainingFunctions<S>> for Between<'a, S> {
    fn from(functions: &'a TrainingFunctions<S>) -> Self {
        Self([
            Box::new(&functions.reduce),
            Box::new(&functions.transform),
            Box::new(&functions.expand),
            match &functions.shortcut {
                Some(norm) => Box::new(norm),
                None => Box::new(Activation::Identity),
            },
            Box::new(functions.output),
        ])
    }
}

/// Functions of which nothing is known.
impl<'a, S: 'a> From<Functions<'a, S>> for Between<'a, S> {
    fn from(functions: Functions<'a, S>) -> Self {
        let Functions { reduce, transform, expand, shortcut, output } = functions;
        Self(
            [reduce, transform, expand, shortcut, output]
                .map(|function| Box::new(function) as Box<dyn Data<S> + 'a>),
        )
    }
}

impl<S: Additive> Between<'_, S> {
    /// The functions as `form` builds them, for a block of this shape.
    ///
    /// # Errors
    ///
    /// Those of [`BatchNorm::fold`].
    pub fn built_by<V: Convolver<S>>(
        &self,
        form: &dyn AnyForm,
        spec: &BlockSpec,
    ) -> Result<Built<'_, S>>
    where
        for<'f> dyn AnyForm + 'f: Over<S, V>,
    {
        let mut functions = Vec::new();
        for (layer, data) in Layer::ALL.into_iter().zip(&self.0) {
            functions.push(<dyn AnyForm as Over<S, V>>::function(form, layer, &**data, spec)?);
        }
        Ok(Built(functions))
    }
}

impl<S> Built<'_, S> {
    /// The functions, to be handed to a form.
    pub fn functions(&self) -> Functions<'_, S> {
        Functions::of(|layer| &*self.0[layer as usize])
    }
}

/// Batch norm in inference mode, then an activation.
impl<S: Real> Data<S> for (&BatchNorm<S>, Activation) {
    fn function(&self) -> Result<Function<'_, S>> {
        Ok(Box::new(self.0.fold()?.then(self.1)))
    }

    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>> {
        let (mut norm, mut activation) = (self.0.clone(), self.1);
        match part {
            Part::Shift => {
                norm.beta.fill(S::zero());
                norm.mean.fill(S::zero());
            }
            Part::Epsilon if norm.epsilon != S::zero() => norm.epsilon = S::zero(),
            Part::Activation => activation = Activation::Identity,
            Part::Epsilon | Part::Correction => return Ok(None),
        }
        Ok(Some(Box::new(norm.fold()?.then(activation))))
    }
}

impl<S: Ordered> Data<S> for &Normalise<S> {
    fn function(&self) -> Result<Function<'_, S>> {
        Ok(Box::new(*self))
    }

    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>> {
        let mut changed = Normalise::clone(self);
        for affine in &mut changed.affine {
            match part {
                Part::Shift => affine.shift = S::zero(),
                Part::Activation => affine.relu = false,
                Part::Epsilon | Part::Correction => return Ok(None),
            }
        }
        Ok(Some(Box::new(changed)))
    }
}

impl<S: Real> Data<S> for &TrainingNorm<S> {
    fn function(&self) -> Result<Function<'_, S>> {
        Ok(Box::new(*self))
    }

    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>> {
        let mut changed = TrainingNorm::clone(self);
        match part {
            Part::Shift => changed.norm.beta.fill(S::zero()),
            Part::Epsilon if changed.norm.epsilon != S::zero() => changed.norm.epsilon = S::zero(),
            Part::Correction => changed.correction = S::zero(),
            Part::Activation => changed.activation = Activation::Identity,
            Part::Epsilon => return Ok(None),
        }
        Ok(Some(Box::new(changed)))
    }
}

impl<S: Ordered> Data<S> for Activation {
    fn function(&self) -> Result<Function<'_, S>> {
        Ok(Box::new(*self))
    }

    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>> {
        Ok((part == Part::Activation).then(|| Box::new(Identity) as Function<'_, S>))
    }
}

/// A function of which nothing is known.
impl<S> Data<S> for &dyn ChannelWise<S> {
    fn function(&self) -> Result<Function<'_, S>> {
        Ok(Box::new(*self))
    }

    fn without(&self, part: Part) -> Result<Option<Function<'_, S>>> {
        Ok((part == Part::Activation).then(|| Box::new(Identity) as Function<'_, S>))
    }
}
