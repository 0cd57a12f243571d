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
        let BlockNorms { reduce, transform, expand, shortcut } = norms;
        let plain = Activation::Identity;
        Self::of(
            [(reduce, activation), (transform, activation), (expand, plain)],
            shortcut.as_ref().map(|norm| (norm, plain)),
            activation,
        )
    }
}

/// Batch norms in inference mode that are folded already.
impl<'a, S: Ordered> From<&'a NormFunctions<S>> for Between<'a, S> {
    fn from(folded: &'a NormFunctions<S>) -> Self {
        let NormFunctions { reduce, transform, expand, shortcut, output } = folded;
        Self::of([reduce, transform, expand], shortcut.as_ref(), *output)
    }
}

/// Batch norms in training mode, which move the running statistics of these functions.
impl<'a, S: Real> From<&'a TrainingFunctions<S>> for Between<'a, S> {
    fn from(training: &'a TrainingFunctions<S>) -> Self {
        let TrainingFunctions { reduce, transform, expand, shortcut, output } = training;
        Self::of([reduce, transform, expand], shortcut.as_ref(), *output)
    }
}

impl<'a, S: Ordered> Between<'a, S> {
    fn of<N: Data<S> + 'a>(norms: [N; 3], shortcut: Option<N>, output: Activation) -> Self {
        let [reduce, transform, expand] = norms.map(|norm| Box::new(norm) as Box<dyn Data<S> + 'a>);
        let shortcut: Box<dyn Data<S> + 'a> = match shortcut {
            Some(norm) => Box::new(norm),
            None => Box::new(Activation::Identity),
        };
        Self([reduce, transform, expand, shortcut, Box::new(output)])
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

#[cfg(test)]
mod tests {
    use ndarray::{arr1, arr3};

    use super::{Data, Part};
    use crate::block::{Activation, BatchNorm, TrainingNorm};
    use crate::conv::ChannelWise;

    const PARTS: [Part; 4] = [Part::Shift, Part::Epsilon, Part::Correction, Part::Activation];

    /// What becomes of -6 and 2: whole, and without each part, where there is one.
    fn at(data: &dyn Data<f32>) -> [Option<[f32; 2]>; 5] {
        let whole = data.function().unwrap();
        let [shift, epsilon, correction, activation] =
            PARTS.map(|part| data.without(part).unwrap());
        [Some(whole), shift, epsilon, correction, activation].map(|function| {
            let mut plane = arr3(&[[[-6.0, 2.0]]]);
            function?.apply(0, plane.view_mut());
            Some([plane[[0, 0, 0]], plane[[0, 0, 1]]])
        })
    }

    /// gamma 2, beta 1, mean -2, variance 4.
    fn norm(epsilon: f32) -> BatchNorm<f32> {
        let [gamma, beta, mean, variance] = [2.0, 1.0, -2.0, 4.0].map(|value| arr1(&[value]));
        BatchNorm::new(gamma, beta, mean, variance, epsilon).unwrap()
    }

    /// By hand. In inference mode the scale is 2 / sqrt(4 + 12) = 1/2 and the shift 1 + 2/2 = 2;
    /// without epsilon they are 1 and 3. In training mode the batch has mean -2 and variance 16, and
    /// the scale is 2 / sqrt(16 + 20) = 1/3; without epsilon 1/2.
    #[test]
    fn parts_are_left_out() {
        let relu = Activation::Relu;
        let [twelve, none] = [norm(12.0), norm(0.0)];
        let expected =
            [Some([0.0, 3.0]), Some([0.0, 1.0]), Some([0.0, 5.0]), None, Some([-1.0, 3.0])];
        assert_eq!(at(&(&twelve, relu)), expected);
        let expected = [Some([0.0, 5.0]), Some([0.0, 2.0]), None, None, Some([-3.0, 5.0])];
        assert_eq!(at(&(&none, relu)), expected);
        assert_eq!(at(&&none.fold().unwrap().then(relu)), expected);
        let training = TrainingNorm::new(norm(20.0), 0.5, relu);
        let third = 4.0 * (2.0f32 / 6.0);
        let expected = [
            Some([0.0, third + 1.0]),
            Some([0.0, third]),
            Some([0.0, 3.0]),
            Some([0.0, third + 1.0]),
            Some([1.0 - third, third + 1.0]),
        ];
        assert_eq!(at(&&training), expected);
        let activation = [Some([0.0, 2.0]), None, None, None, Some([-6.0, 2.0])];
        assert_eq!(at(&relu), activation);
        assert_eq!(at(&(&relu as &dyn ChannelWise<f32>)), activation, "nothing is known of it");
    }

    /// From 4 half the way to the unbiased variance 32 / (2 - 1), or to the biased one, 32 / 2.
    #[test]
    fn running_statistics_are_shared() {
        for (part, variance) in [(Part::Shift, 18.0), (Part::Correction, 10.0)] {
            let training = TrainingNorm::new(norm(1.0), 0.5, Activation::Identity);
            let mut plane = arr3(&[[[-6.0, 2.0]]]);
            (&training).without(part).unwrap().unwrap().apply(0, plane.view_mut());
            assert_eq!(training.running()[&0].variance, variance, "{part:?}");
            assert_eq!(training.running()[&0].mean, -2.0);
        }
    }
}
