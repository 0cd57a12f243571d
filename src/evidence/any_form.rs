//! A form as a value, so that a list of forms can be handed about.

use ndarray::{Array4, ArrayView4};

use super::duals::Duals;
use crate::block::{BlockForm, BlockWeights, Bottleneck, Functions};
use crate::conv::{Convolver, Fast, Reference};
use crate::error::{Error, Result};
use crate::scalar::{Additive, Dual, F2, F3, Int, M61, Polynomial, Spelled};

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
pub trait AnyForm:
    Sync
    + Over<f32, Fast>
    + Over<f32, Reference>
    + Over<f64, Reference>
    + Over<Int, Reference>
    + Over<M61, Reference>
    + Over<Polynomial, Reference>
    + Over<F2, Reference>
    + Over<F3, Reference>
    + Over<Dual<M61>, Reference>
    + Over<Dual<f32>, Duals<Fast>>
    + Over<Spelled, Reference>
{
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

/// A block of one set of weights, an input, the functions between.
pub struct Problem<'a, S> {
    /// The kernels.
    pub weights: &'a BlockWeights<S>,
    /// N x C_in x H x W.
    pub x: ArrayView4<'a, S>,
    /// What stands between the convolutions.
    pub functions: Functions<'a, S>,
}

impl<S: Additive> Problem<'_, S> {
    /// What `form` gives, N x C_out x H_out x W_out.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`] for an output of another shape: that is no form of the block.
    pub fn solve<V: Convolver<S> + 'static>(
        &self,
        form: &dyn AnyForm,
        convolver: &V,
    ) -> Result<Array4<S>>
    where
        for<'f> dyn AnyForm + 'f: Over<S, V>,
    {
        let block = <dyn AnyForm as Over<S, V>>::bottleneck(form, self.weights, convolver)?;
        let output = block.forward(self.x, &self.functions, convolver)?;
        let (n, _, h, w) = self.x.dim();
        let spec = self.weights.spec();
        let (h, w) = spec.output_map((h, w))?;
        check_shape(output.shape(), &[n, spec.c_out(), h, w])?;
        Ok(output)
    }

    /// What each form gives.
    ///
    /// # Errors
    ///
    /// Those of [`Problem::solve`].
    pub fn solve_all<V: Convolver<S> + 'static>(
        &self,
        forms: &[&dyn AnyForm],
        convolver: &V,
    ) -> Result<Vec<Array4<S>>>
    where
        for<'f> dyn AnyForm + 'f: Over<S, V>,
    {
        forms.iter().map(|form| self.solve(*form, convolver)).collect()
    }
}

/// A form that gives another shape is no form of the block.
///
/// # Errors
///
/// [`Error::Shape`].
pub fn check_shape(found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), found.to_vec());
    Err(Error::Shape { what: "output of a form", expected, found })
}
