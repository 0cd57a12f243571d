//! Represents forms and problems as values: the forms that are judged, and the data that they run on.
//!
//! The functions between a block's convolutions are given as data ([`Between`]). All forms build their functions from
//! the same data. The paper's forms use the data unchanged. A wrong block with a mistake in batch norm or activation
//! makes its mistake here ([`Subject::function`]): it passes on the data with a part left out, or it wraps the
//! functions built from them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array3, Array4, ArrayView3, ArrayView4, ArrayViewMut3, Zip};

use crate::block::{
    Activation, BatchNorm, BlockForm, BlockNorms, BlockSpec, BlockWeights, Bottleneck, Form,
    Functions, Layer, LayerFunctions, Normalise, RecordedNorm, TrainingNorm,
};
use crate::conv::{ChannelWise, ConvSpec, Convolver, Fast, Identity, Recorded, Reference};
use crate::error::{Error, Result};
use crate::scalar::{Additive, Dual, Expression, F2, F3, Int, M61, Ordered, Polynomial, Real, Var};

/// The function at one place, built from the data of that place.
pub type Function<'a, S> = Box<dyn ChannelWise<S> + 'a>;

/// A part of a function's data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The shift of batch norm.
    Shift,
    /// The epsilon of batch norm, if it is not 0.
    Epsilon,
    /// Bessel's correction of the running variance, in training mode.
    Correction,
    /// In training mode, the gradient that reaches the values through their mean and variance.
    StatisticsGradient,
    /// The activation. An unknown function counts as an activation, because the batch norm in it may be the identity.
    Activation,
}

/// Builds the function at a place, whole or without one part. Returns `None` if the function has no such part.
type Build<'a, S> = dyn Fn(Option<Part>) -> Result<Option<Function<'a, S>>> + Sync + 'a;

/// The data of the function at one place. Batch norm is folded when the function is built.
pub struct Data<'a, S>(Box<Build<'a, S>>);

impl<'a, S> Data<'a, S> {
    fn new(build: impl Fn(Option<Part>) -> Result<Option<Function<'a, S>>> + Sync + 'a) -> Self {
        Self(Box::new(build))
    }

    /// The function.
    pub fn function(&self) -> Result<Function<'a, S>> {
        let whole = (self.0)(None)?;
        Ok(whole.unwrap_or_else(|| unreachable!("nothing is left out")))
    }

    /// The function without one part of its data. Returns `None` if the data has no such part.
    pub fn without(&self, part: Part) -> Result<Option<Function<'a, S>>> {
        (self.0)(Some(part))
    }
}

/// Batch norm in inference mode, then an activation.
impl<'a, S: Real> From<(&'a BatchNorm<S>, Activation)> for Data<'a, S> {
    fn from((norm, activation): (&'a BatchNorm<S>, Activation)) -> Self {
        Self::new(move |without| {
            let (mut norm, mut activation) = (norm.clone(), activation);
            match without {
                None => {}
                Some(Part::Shift) => {
                    norm.beta.fill(S::zero());
                    norm.mean.fill(S::zero());
                }
                Some(Part::Epsilon) if norm.epsilon != S::zero() => norm.epsilon = S::zero(),
                Some(Part::Activation) => activation = Activation::Identity,
                Some(Part::Epsilon | Part::Correction | Part::StatisticsGradient) => {
                    return Ok(None);
                }
            }
            Ok(Some(Box::new(norm.fold()?.then(activation))))
        })
    }
}

impl<'a, S: Ordered> From<&'a Normalise<S>> for Data<'a, S> {
    fn from(normalise: &'a Normalise<S>) -> Self {
        Self::new(move |without| {
            let mut changed = normalise.clone();
            for affine in &mut changed.affine {
                match without {
                    None => {}
                    Some(Part::Shift) => affine.shift = S::zero(),
                    Some(Part::Activation) => affine.relu = false,
                    Some(Part::Epsilon | Part::Correction | Part::StatisticsGradient) => {
                        return Ok(None);
                    }
                }
            }
            Ok(Some(Box::new(changed)))
        })
    }
}

/// The function shares the running statistics of the norm, whichever part is left out.
impl<'a, S: Real> From<&'a TrainingNorm<S>> for Data<'a, S> {
    fn from(training: &'a TrainingNorm<S>) -> Self {
        let boxed = |changed| Box::new(changed) as Function<'a, S>;
        Self::new(move |without| Ok(training.without(without).map(boxed)))
    }
}

impl<S: Real> TrainingNorm<S> {
    /// The same norm without one part. Returns `None` if the norm has no such part.
    fn without(&self, part: Option<Part>) -> Option<Self> {
        let mut changed = self.clone();
        let norm = &mut changed.norm;
        match part {
            None => {}
            Some(Part::Shift) => norm.beta.fill(S::zero()),
            Some(Part::Epsilon) if norm.epsilon != S::zero() => norm.epsilon = S::zero(),
            Some(Part::Correction) => changed.correction = S::zero(),
            Some(Part::Activation) => changed.activation = Activation::Identity,
            Some(Part::Epsilon | Part::StatisticsGradient) => return None,
        }
        Some(changed)
    }
}

/// Batch norm in training mode over numbers that remember how they were computed.
impl<'a, S: Real> From<&'a RecordedNorm<S>> for Data<'a, Var<S>> {
    fn from(recorded: &'a RecordedNorm<S>) -> Self {
        Self::new(move |without| {
            let RecordedNorm { norm, gamma, beta, statistics_move } = recorded;
            let is_gradient = without == Some(Part::StatisticsGradient);
            let own = without.filter(|_| !is_gradient);
            let Some(norm) = norm.without(own) else { return Ok(None) };
            let beta = match without {
                Some(Part::Shift) => beta.map(|_| Var::zero()),
                _ => beta.clone(),
            };
            let statistics_move = *statistics_move && !is_gradient;
            Ok(Some(Box::new(RecordedNorm { norm, gamma: gamma.clone(), beta, statistics_move })))
        })
    }
}

/// An unknown function.
impl<'a, S: 'a> From<&'a dyn ChannelWise<S>> for Data<'a, S> {
    fn from(function: &'a dyn ChannelWise<S>) -> Self {
        Self::new(move |without| {
            Ok(match without {
                None => Some(Box::new(function)),
                Some(Part::Activation) => Some(Box::new(Identity)),
                Some(_) => None,
            })
        })
    }
}

impl<S: Ordered> From<Activation> for Data<'_, S> {
    fn from(activation: Activation) -> Self {
        let function: &dyn ChannelWise<S> = match activation {
            Activation::Relu => &Activation::Relu,
            Activation::Identity => &Identity,
        };
        function.into()
    }
}

/// The data of each place of a block.
pub struct Between<'a, S>([Data<'a, S>; Layer::ALL.len()]);

impl<'a, S: Ordered> Between<'a, S> {
    /// Batch norms in inference mode, and the activation where the paper puts it.
    pub fn norms(norms: &'a BlockNorms<S>, activation: Activation) -> Self
    where
        S: Real,
    {
        let BlockNorms { reduce, transform, expand, shortcut } = norms;
        let plain = Activation::Identity;
        let shortcut = shortcut.as_ref().map(|norm| (norm, plain));
        Self::of(
            [(reduce, activation), (transform, activation), (expand, plain)],
            shortcut,
            activation,
        )
    }

    fn of<D: Into<Data<'a, S>>>(norms: [D; 3], shortcut: Option<D>, output: Activation) -> Self {
        let [reduce, transform, expand] = norms.map(D::into);
        let shortcut = shortcut.map_or_else(|| Activation::Identity.into(), D::into);
        Self([reduce, transform, expand, shortcut, output.into()])
    }
}

/// Folded batch norms in inference mode, or batch norms in training mode. In training mode, they update the running
/// statistics of `functions`.
impl<'a, S: Ordered, F> From<&'a LayerFunctions<F>> for Between<'a, S>
where
    Data<'a, S>: From<&'a F>,
{
    fn from(functions: &'a LayerFunctions<F>) -> Self {
        let LayerFunctions { reduce, transform, expand, shortcut, output } = functions;
        Self::of([reduce, transform, expand], shortcut.as_ref(), *output)
    }
}

/// Unknown functions.
impl<'a, S: 'a> From<Functions<'a, S>> for Between<'a, S> {
    fn from(functions: Functions<'a, S>) -> Self {
        Self(in_order(&functions).map(Data::from))
    }
}

fn in_order<'a, S>(functions: &Functions<'a, S>) -> [&'a dyn ChannelWise<S>; Layer::ALL.len()] {
    let Functions { reduce, transform, expand, shortcut, output } = *functions;
    [reduce, transform, expand, shortcut, output]
}

/// A form that can be judged.
pub trait Subject: BlockForm + Sync {
    /// Builds the function at a place from its data, for a block of this shape. The paper's forms use the data
    /// unchanged. A wrong block may make its mistake here.
    fn function<'a, S: Additive>(
        &self,
        _layer: Layer,
        data: &Data<'a, S>,
        _spec: &BlockSpec,
    ) -> Result<Function<'a, S>> {
        data.function()
    }
}

impl Subject for Form {}

/// A [`Subject`] that runs over one number type, with one convolver.
pub trait Over<S: Additive, V: Convolver<S>> {
    /// The block in this form.
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>>;

    /// The functions that this form builds for a block of this shape.
    fn functions<'a>(&self, between: &Between<'a, S>, spec: &BlockSpec) -> Result<Built<'a, S>>;
}

impl<F: Subject, S: Additive, V: Convolver<S> + 'static> Over<S, V> for F {
    fn bottleneck(&self, weights: &BlockWeights<S>, convolver: &V) -> Result<Bottleneck<S, V>> {
        Bottleneck::prepare(self, weights, convolver)
    }

    fn functions<'a>(&self, between: &Between<'a, S>, spec: &BlockSpec) -> Result<Built<'a, S>> {
        let places = Layer::ALL.into_iter().zip(&between.0);
        let built = places.map(|(layer, data)| self.function(layer, data, spec));
        Ok(Built(built.collect::<Result<_>>()?))
    }
}

/// The functions of all places, built by one form.
pub struct Built<'a, S>(Vec<Function<'a, S>>);

impl<S> Built<'_, S> {
    /// The functions to pass to a form.
    pub fn functions(&self) -> Functions<'_, S> {
        Functions::of(|layer| &*self.0[layer as usize])
    }
}

/// A convolver that forms can run with, over the number type `S`.
pub trait Runs<S: Additive>: Convolver<S> + 'static {
    /// The form, ready to run over `S` with this convolver.
    fn of_form(form: &dyn AnyForm) -> &(dyn Over<S, Self> + '_);
}

/// A generic method cannot be called through `dyn`. So this macro is given every pair of a number type and a convolver
/// that forms run with.
macro_rules! any_form {
    ($($number:ty, $convolver:ty;)*) => {
        /// A [`Subject`] as a trait object, which runs over every number type that forms are tested with.
        pub trait AnyForm: Sync $(+ Over<$number, $convolver>)* {
            /// See [`BlockForm::letter`].
            fn letter(&self) -> char;
            /// See [`BlockForm::name`].
            fn name(&self) -> &'static str;
        }

        $(impl Runs<$number> for $convolver {
            fn of_form(form: &dyn AnyForm) -> &(dyn Over<$number, Self> + '_) {
                form
            }
        })*
    };
}

any_form! {
    f32, Fast;
    f32, Reference;
    f64, Reference;
    Int, Reference;
    M61, Reference;
    Polynomial, Reference;
    F2, Reference;
    F3, Reference;
    Dual<M61>, Reference;
    Dual<f32>, Duals<Fast>;
    Expression, Reference;
    Var<M61>, Recorded<Reference>;
    Var<f32>, Recorded<Reference>;
    Var<f32>, Recorded<Fast>;
}

impl<F: Subject> AnyForm for F {
    fn letter(&self) -> char {
        BlockForm::letter(self)
    }
    fn name(&self) -> &'static str {
        BlockForm::name(self)
    }
}

/// The forms that are judged.
pub type Forms<'a> = &'a [&'a dyn AnyForm];

/// A block with its weights, an input, and the data between the convolutions.
pub struct Problem<'a, S> {
    /// The kernels.
    pub weights: &'a BlockWeights<S>,
    /// N x C_in x H x W.
    pub x: ArrayView4<'a, S>,
    /// The data between the convolutions.
    pub between: Between<'a, S>,
}

/// A problem's block and functions in one form, ready to be run any number of times.
pub struct Prepared<'a, 'v, S: Additive, V: Convolver<S>> {
    block: Bottleneck<S, V>,
    functions: Built<'a, S>,
    convolver: &'v V,
    spec: BlockSpec,
}

impl<'a, S: Additive> Problem<'a, S> {
    /// The block in this form.
    pub fn prepare<'v, V: Runs<S>>(
        &self,
        form: &dyn AnyForm,
        convolver: &'v V,
    ) -> Result<Prepared<'a, 'v, S, V>> {
        let (form, spec) = (V::of_form(form), *self.weights.spec());
        let functions = form.functions(&self.between, &spec)?;
        let block = form.bottleneck(self.weights, convolver)?;
        Ok(Prepared { block, functions, convolver, spec })
    }

    /// The output of `form`, N x C_out x H_out x W_out. Returns [`Error::Shape`] if the output has another shape.
    pub fn solve<V: Runs<S>>(&self, form: &dyn AnyForm, convolver: &V) -> Result<Array4<S>> {
        self.prepare(form, convolver)?.forward(self.x)
    }

    /// Like [`Self::solve`], but calls `see` on the output of each function. `see` may change that output.
    pub fn solve_seen<V: Runs<S>>(
        &self,
        form: &dyn AnyForm,
        convolver: &V,
        see: &See<'_, S>,
    ) -> Result<Array4<S>> {
        let Prepared { block, functions, convolver, spec } = self.prepare(form, convolver)?;
        let watched = Watched::new(&functions.functions(), see);
        checked(block.forward(self.x, &watched.functions(), convolver)?, self.x, &spec)
    }

    /// The output of each function, by place and channel (N x H x W). `change` may change an output after it is
    /// recorded.
    pub fn planes<V: Runs<S>>(
        &self,
        form: &dyn AnyForm,
        convolver: &V,
        change: impl Fn(Layer, ArrayViewMut3<'_, S>) + Sync,
    ) -> Result<Planes<S>> {
        let planes = Mutex::new(Planes::new());
        self.solve_seen(form, convolver, &|layer, channel, plane| {
            keep(&planes, (layer, channel), plane.view());
            change(layer, plane);
        })?;
        Ok(planes.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The output of each form.
    pub fn solve_all<V: Runs<S>>(&self, forms: Forms<'_>, convolver: &V) -> Result<Vec<Array4<S>>> {
        forms.iter().map(|form| self.solve(*form, convolver)).collect()
    }
}

impl<S: Additive, V: Convolver<S> + 'static> Prepared<'_, '_, S, V> {
    /// The output of the form on `x`.
    pub fn forward(&self, x: ArrayView4<'_, S>) -> Result<Array4<S>> {
        let output = self.block.forward(x, &self.functions.functions(), self.convolver)?;
        checked(output, x, &self.spec)
    }
}

/// The output of a form if it has the block's shape, otherwise an error.
pub(crate) fn checked<S>(
    output: Array4<S>,
    x: ArrayView4<'_, S>,
    spec: &BlockSpec,
) -> Result<Array4<S>> {
    let (n, _, h, w) = x.dim();
    let (h, w) = spec.output_map((h, w))?;
    let expected = [n, spec.c_out(), h, w];
    if output.shape() == expected {
        return Ok(output);
    }
    let (expected, found) = (format!("{expected:?}"), output.shape().to_vec());
    Err(Error::Shape { what: "output of a form", expected, found })
}

/// A plane for each place and channel of a block.
pub type Planes<S> = BTreeMap<(Layer, usize), Array3<S>>;

pub(crate) fn keep<S: Clone>(
    planes: &Mutex<Planes<S>>,
    at: (Layer, usize),
    plane: ArrayView3<'_, S>,
) {
    planes.lock().unwrap_or_else(PoisonError::into_inner).insert(at, plane.to_owned());
}

/// Called on the plane of a channel (N x H x W) at a place of the block, after its function is
/// applied. It may change the plane.
pub type See<'a, S> = dyn Fn(Layer, usize, ArrayViewMut3<'_, S>) + Sync + 'a;

/// The functions of a block, each followed by a callback. The callback sees the function's output and may change it.
pub struct Watched<'a, S>([Place<'a, S>; Layer::ALL.len()]);

struct Place<'a, S> {
    layer: Layer,
    function: &'a dyn ChannelWise<S>,
    see: &'a See<'a, S>,
}

impl<'a, S> Watched<'a, S> {
    /// `functions`, with `see` called after each of them.
    pub fn new(functions: &Functions<'a, S>, see: &'a See<'a, S>) -> Self {
        let functions = in_order(functions);
        let place = |layer: Layer| Place { layer, function: functions[layer as usize], see };
        Self(Layer::ALL.map(place))
    }

    /// The functions to pass to a form.
    pub fn functions(&self) -> Functions<'_, S> {
        Functions::of(|layer| &self.0[layer as usize])
    }
}

impl<S> ChannelWise<S> for Place<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        self.function.apply(channel, plane.view_mut());
        (self.see)(self.layer, channel, plane);
    }
}

/// The place where a value was seen, in words.
pub fn place(layer: Layer) -> &'static str {
    match layer {
        Layer::Reduce => "after the first 1x1",
        Layer::Transform => "after the 3x3",
        Layer::Expand => "after the last 1x1",
        Layer::Shortcut => "after the projection",
        Layer::Output => "output",
    }
}

/// Convolution of dual numbers by the product rule: (W + W' eps)(x + x' eps) = W x + (W' x + W x') eps. This runs the
/// inner convolver three times on plain numbers. So the derivative is that of the inner convolver itself.
#[derive(Clone, Copy, Debug)]
pub struct Duals<V>(pub V);

impl<S: Additive, V: Convolver<S>> Convolver<Dual<S>> for Duals<V> {
    /// A kernel and its derivative.
    type Kernel = [V::Kernel; 2];

    fn prepare(&self, weights: ArrayView4<'_, Dual<S>>, spec: ConvSpec) -> Result<Self::Kernel> {
        let value = self.0.prepare(weights.map(|w| w.value.clone()).view(), spec)?;
        Ok([value, self.0.prepare(weights.map(|w| w.derivative.clone()).view(), spec)?])
    }

    fn sums(&self, x: ArrayView4<'_, Dual<S>>, [w, dw]: &Self::Kernel) -> Result<Array4<Dual<S>>> {
        let (value, moved) = (x.map(|x| x.value.clone()), x.map(|x| x.derivative.clone()));
        let z = self.0.sums(value.view(), w)?;
        let left = self.0.sums(value.view(), dw)?;
        let right = self.0.sums(moved.view(), w)?;
        let dual = |z: &S, l: &S, r: &S| Dual { value: z.clone(), derivative: l.add(r) };
        Ok(Zip::from(&z).and(&left).and(&right).map_collect(dual))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, arr3};

    use super::{Data, Duals, Part};
    use crate::block::{Activation, BatchNorm, TrainingNorm};
    use crate::conv::{ChannelWise, ConvSpec, Convolver, Reference};
    use crate::scalar::{Dual, Int};

    /// Results for -6 and 2: with the whole function, then without its shift, epsilon, correction or activation.
    fn at<'a>(data: impl Into<Data<'a, f32>>) -> [Option<[f32; 2]>; 5] {
        let data = data.into();
        let parts = [Part::Shift, Part::Epsilon, Part::Correction, Part::Activation];
        let [shift, epsilon, correction, activation] =
            parts.map(|part| data.without(part).unwrap());
        [Some(data.function().unwrap()), shift, epsilon, correction, activation].map(|function| {
            let mut plane = arr3(&[[[-6.0, 2.0]]]);
            function?.apply(0, plane.view_mut());
            Some([plane[[0, 0, 0]], plane[[0, 0, 1]]])
        })
    }

    /// gamma 2, beta 1, mean -2, variance 4.
    fn norm(epsilon: f32) -> BatchNorm<f32> {
        BatchNorm::of_channels(&[[2.0, 1.0, -2.0, 4.0]], epsilon).unwrap()
    }

    /// By hand. In inference mode the scale is 2 / sqrt(4 + 12) = 1/2 and the shift 1 + 2/2 = 2. Without epsilon they
    /// are 1 and 3. In training mode the batch has mean -2 and variance 16, and the scale is 2 / sqrt(16 + 20) = 1/3.
    /// Without epsilon it is 1/2.
    #[test]
    fn parts_are_left_out() {
        let relu = Activation::Relu;
        let [twelve, none] = [norm(12.0), norm(0.0)];
        let expected =
            [Some([0.0, 3.0]), Some([0.0, 1.0]), Some([0.0, 5.0]), None, Some([-1.0, 3.0])];
        assert_eq!(at((&twelve, relu)), expected);
        let expected = [Some([0.0, 5.0]), Some([0.0, 2.0]), None, None, Some([-3.0, 5.0])];
        assert_eq!(at((&none, relu)), expected);
        assert_eq!(at(&none.fold().unwrap().then(relu)), expected);
        let training = TrainingNorm::new(norm(20.0), 0.5, relu);
        let third = 4.0 * (2.0f32 / 6.0);
        let expected = [
            Some([0.0, third + 1.0]),
            Some([0.0, third]),
            Some([0.0, 3.0]),
            Some([0.0, third + 1.0]),
            Some([1.0 - third, third + 1.0]),
        ];
        assert_eq!(at(&training), expected);
        let activation = [Some([0.0, 2.0]), None, None, None, Some([-6.0, 2.0])];
        assert_eq!(at(relu), activation);
        assert_eq!(at(&relu as &dyn ChannelWise<f32>), activation, "nothing is known of it");
    }

    /// The running variance starts at 4. It moves halfway to the unbiased variance 32 / (2 - 1), or halfway to the
    /// biased variance 32 / 2.
    #[test]
    fn running_statistics_are_shared() {
        for (part, variance) in [(Part::Shift, 18.0), (Part::Correction, 10.0)] {
            let training = TrainingNorm::new(norm(1.0), 0.5, Activation::Identity);
            let mut plane = arr3(&[[[-6.0, 2.0]]]);
            Data::from(&training).without(part).unwrap().unwrap().apply(0, plane.view_mut());
            assert_eq!(training.running()[&0].variance, variance, "{part:?}");
            assert_eq!(training.running()[&0].mean, -2.0);
        }
    }

    /// Three convolutions of plain numbers give the same result as one convolution of dual numbers.
    #[test]
    fn the_product_rule_is_the_dual_numbers_own() {
        let dual = |i: usize| Dual {
            value: Int::from(i as i64 % 7 - 3),
            derivative: Int::from(i as i64 % 5 - 2),
        };
        let x = Array4::from_shape_fn((2, 4, 5, 3), |(n, c, i, j)| dual(n + 3 * c + 5 * i + j * j));
        let w = Array4::from_shape_fn((6, 2, 3, 3), |(o, c, u, v)| dual(o * o + c + 2 * u + 3 * v));
        let spec = ConvSpec::new(2, 1, 1, 2).unwrap();
        let by_rule = Duals(Reference::default());
        let by_rule = by_rule.sums(x.view(), &by_rule.prepare(w.view(), spec).unwrap()).unwrap();
        let plain = Reference::default();
        let plain = plain.sums(x.view(), &plain.prepare(w.view(), spec).unwrap()).unwrap();
        assert_eq!(by_rule, plain);
    }
}
