//! A form as a value, so that a list of forms can be handed about.

use ndarray::{Array4, ArrayView4};

use super::between::{Between, Data, Function};
use super::duals::Duals;
use super::watched::{See, Watched};
use crate::block::{BlockForm, BlockSpec, BlockWeights, Bottleneck, Form, Layer};
use crate::conv::{Convolver, Fast, Reference};
use crate::error::{Error, Result};
use crate::scalar::{Additive, Dual, Expression, F2, F3, Int, M61, Polynomial};

/// A form that can be judged.
pub trait Subject: BlockForm + Sync {
    /// The function of a place, built from its data, for a block of this shape. The paper's forms take
    /// the data as they are; a wrong block may make its mistake here.
    ///
    /// # Errors
    ///
    /// Those of [`Data::function`].
    fn function<'a, S: Additive>(
        &self,
        _layer: Layer,
        data: &'a dyn Data<S>,
        _spec: &BlockSpec,
    ) -> Result<Function<'a, S>> {
        data.function()
    }
}

impl Subject for Form {}

/// A subject over one kind of number with one convolver.
pub trait Over<S: Additive, V: Convolver<S>> {
    /// The block in this form.
    ///
    /// # Errors
    ///
    /// Those of [`Bottleneck::prepare`].
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>>;

    /// See [`Subject::function`].
    ///
    /// # Errors
    ///
    /// Those of [`Data::function`].
    fn function<'a>(
        &self,
        layer: Layer,
        data: &'a dyn Data<S>,
        spec: &BlockSpec,
    ) -> Result<Function<'a, S>>;
}

impl<F: Subject, S: Additive, V: Convolver<S> + 'static> Over<S, V> for F {
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>> {
        Bottleneck::prepare(self, weights, convolver)
    }

    fn function<'a>(
        &self,
        layer: Layer,
        data: &'a dyn Data<S>,
        spec: &BlockSpec,
    ) -> Result<Function<'a, S>> {
        Subject::function(self, layer, data, spec)
    }
}

/// Any [`Subject`], over all the numbers that the evidence runs it on. A generic
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
    + Over<Expression, Reference>
{
    /// See [`BlockForm::letter`].
    fn letter(&self) -> char;
    /// See [`BlockForm::name`].
    fn name(&self) -> &'static str;
}

impl<F: Subject> AnyForm for F {
    fn letter(&self) -> char {
        BlockForm::letter(self)
    }
    fn name(&self) -> &'static str {
        BlockForm::name(self)
    }
}

/// A block of one set of weights, an input, and what stands between the convolutions.
pub struct Problem<'a, S> {
    /// The kernels.
    pub weights: &'a BlockWeights<S>,
    /// N x C_in x H x W.
    pub x: ArrayView4<'a, S>,
    /// The data of what stands between the convolutions.
    pub between: Between<'a, S>,
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
        self.run(form, convolver, None)
    }

    /// The same, where `see` sees what each function gives, and may change it.
    ///
    /// # Errors
    ///
    /// Those of [`Problem::solve`].
    pub fn solve_seen<V: Convolver<S> + 'static>(
        &self,
        form: &dyn AnyForm,
        convolver: &V,
        see: &See<'_, S>,
    ) -> Result<Array4<S>>
    where
        for<'f> dyn AnyForm + 'f: Over<S, V>,
    {
        self.run(form, convolver, Some(see))
    }

    fn run<V: Convolver<S> + 'static>(
        &self,
        form: &dyn AnyForm,
        convolver: &V,
        see: Option<&See<'_, S>>,
    ) -> Result<Array4<S>>
    where
        for<'f> dyn AnyForm + 'f: Over<S, V>,
    {
        let spec = self.weights.spec();
        let built = self.between.built_by(form, spec)?;
        let functions = built.functions();
        let block = <dyn AnyForm as Over<S, V>>::bottleneck(form, self.weights, convolver)?;
        let output = match see {
            Some(see) => {
                let watched = Watched::new(&functions, see);
                block.forward(self.x, &watched.functions(), convolver)?
            }
            None => block.forward(self.x, &functions, convolver)?,
        };
        let (n, _, h, w) = self.x.dim();
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
