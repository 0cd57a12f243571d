//! A form as a value, so that a list of forms can be handed about.

use crate::block::{BlockForm, BlockWeights, Bottleneck};
use crate::conv::{Convolver, Fast, Reference};
use crate::error::Result;
use crate::scalar::Additive;

/// A form over one kind of number with one convolver.
pub trait Over<S: Additive, V: Convolver<S>> {
    /// The block in this form.
    ///
    /// # Errors
    ///
    /// Those of [`Bottleneck::prepare`].
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>>;
}

impl<F: BlockForm, S: Additive, V: Convolver<S> + 'static> Over<S, V> for F {
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>> {
        Bottleneck::prepare(self, weights, convolver)
    }
}

/// Any [`BlockForm`], over all the numbers that the evidence runs it on. A generic
/// method cannot be called through `dyn`, so they are listed here, in one place.
pub trait AnyForm: Sync + Over<f32, Fast> + Over<f64, Reference> {
    /// See [`BlockForm::letter`].
    fn letter(&self) -> char;
    /// See [`BlockForm::name`].
    fn name(&self) -> &'static str;
}

impl<F: BlockForm + Sync> AnyForm for F {
    fn letter(&self) -> char {
        BlockForm::letter(self)
    }
    fn name(&self) -> &'static str {
        BlockForm::name(self)
    }
}
