//! A block so small that it can be followed by hand, and the results of a form on it.

use ndarray::Array4;

use crate::block::{Activation, BlockNorms, BlockWeights, Layer, NormFunctions, TrainingFunctions};
use crate::conv::{Fast, Recorded, Reference};
use crate::error::Result;
use crate::evidence::rungs::r7_derivatives::backwards::{back, recorded};
use crate::evidence::rungs::r8_training::MOMENTUM;
use crate::evidence::{
    AnyForm, Between, Duals, Layout, Planes, Problem, Runs, change_norms, map_functions,
};
use crate::scalar::{Additive, Dual, Expression, Ordered, Var};

/// A block, an input, and how they are used.
#[derive(Clone, Debug)]
pub struct Example {
    /// The kernels, whose weights are integers.
    pub weights: BlockWeights<f32>,
    /// The batch norms.
    pub norms: BlockNorms<f32>,
    /// The input, N x C_in x H x W.
    pub x: Array4<f32>,
    /// The memory layout of the input.
    pub layout: Layout,
    /// Whether the block is run once before, on a constant input that is one row and one column larger.
    pub second_call: bool,
    /// Whether the block runs in inference mode, in training mode, or with derivatives.
    pub mode: Mode,
}

/// How a block is run.
#[derive(Clone, Debug)]
pub enum Mode {
    /// Batch norm uses its running statistics.
    Evaluation,
    /// Batch norm uses the statistics of the batch and updates the running statistics.
    Training,
    /// The gradients of a weighted sum of the outputs. `v` holds the weight of each output.
    Gradient {
        /// Whether batch norm is in training mode.
        training: bool,
        /// The weights of the outputs, N x C_out x H_out x W_out.
        v: Array4<f32>,
    },
    /// Inference mode, with the derivative in one direction. The direction is given by these kernels and this input.
    Derivative(Box<(BlockWeights<f32>, Array4<f32>)>),
}

/// The results of a form on an example.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Tensors by name, each N x C x H x W. First comes the output. Depending on the mode, its derivative, the
    /// gradients, or the running means and variances follow. A running statistic is one row of all channels, layer by
    /// layer.
    pub tensors: Vec<(&'static str, Array4<f32>)>,
}

/// An element at which the right and the wrong block differ.
#[derive(Clone, Debug, PartialEq)]
pub struct Parting<P = &'static str, S = f32> {
    /// The tensor, or the layer whose output it is.
    pub tensor: P,
    /// Image, channel, row, column.
    pub index: [usize; 4],
    /// What the wrong block gives there.
    pub found: S,
    /// What the right block gives there.
    pub expected: S,
}

impl Example {
    /// The numbers of the example, each with its simplest value. They are the kernels, the input, the numbers of the
    /// mode, and gamma, beta and mean of each channel of the batch norms. The simplest value is 1 for gamma, and 0 for
    /// every other number.
    pub fn numbers(&self) -> Vec<(f32, f32)> {
        let mut numbers = Vec::new();
        let mut add = |weights: &BlockWeights<f32>, x: &Array4<f32>| {
            for kernel in weights.kernels() {
                numbers.extend(kernel.iter().map(|weight| (*weight, 0.0)));
            }
            numbers.extend(x.iter().map(|x| (*x, 0.0)));
        };
        add(&self.weights, &self.x);
        match &self.mode {
            Mode::Derivative(moves) => add(&moves.0, &moves.1),
            Mode::Gradient { v, .. } => numbers.extend(v.iter().map(|v| (*v, 0.0))),
            Mode::Evaluation | Mode::Training => {}
        }
        for norm in self.norms.all() {
            for channel in 0..norm.channels() {
                let [gamma, beta, mean, _] = norm.channel(channel);
                numbers.extend([(*gamma, 1.0), (*beta, 0.0), (*mean, 0.0)]);
            }
        }
        numbers
    }

    /// The same example with other numbers, in the order of [`Example::numbers`].
    pub fn with_numbers(&self, numbers: &[f32]) -> Result<Self> {
        let mut numbers = numbers.iter().copied();
        let mut next = || numbers.next().unwrap_or(0.0);
        let weights = self.weights.map(|_| next());
        let x = self.x.map(|_| next());
        let mode = match &self.mode {
            Mode::Derivative(moves) => {
                Mode::Derivative(Box::new((moves.0.map(|_| next()), moves.1.map(|_| next()))))
            }
            Mode::Gradient { training, v } => {
                Mode::Gradient { training: *training, v: v.map(|_| next()) }
            }
            other => other.clone(),
        };
        let norms =
            change_norms(&self.norms, |_, [.., variance]| [next(), next(), next(), variance])?;
        Ok(Self { weights, norms, x, layout: self.layout, second_call: self.second_call, mode })
    }

    /// How much a reader has to follow, as three numbers. The first says how many weights and inputs there are. The
    /// second counts the numbers that differ from their simplest value. A number of a batch norm counts four times,
    /// because it is harder to read. The third says how far the numbers are from their simplest values.
    pub fn size(&self) -> (usize, usize, u64) {
        let kernels = self.weights.kernels().take(3);
        let all = kernels.map(|kernel| kernel.len()).sum::<usize>() + self.x.len();
        let numbers = self.numbers();
        let of_norms: usize = self.norms.all().map(|norm| 3 * norm.channels()).sum();
        let uses = usize::from(self.layout != Layout::Standard) + usize::from(self.second_call);
        let (mut count, mut far) = (uses, 0.0);
        for (place, (value, simplest)) in numbers.iter().enumerate() {
            let distance = f64::from((value - simplest).abs().min(1e6));
            let weight = if place + of_norms >= numbers.len() { 4 } else { 1 };
            count += if distance == 0.0 { 0 } else { weight };
            far += distance;
        }
        (all, count, far as u64)
    }

    /// Runs `form` on the example. It uses the reference convolution, except for derivatives, which use the convolution
    /// of dual numbers.
    pub fn run(&self, form: &dyn AnyForm) -> Result<Outcome> {
        let x = self.layout.lay(&self.x);
        let reference = Reference::default();
        let weights = &self.weights;
        let tensors = match &self.mode {
            Mode::Evaluation => {
                let between = Between::norms(&self.norms, Activation::Relu);
                let problem = Problem { weights, x: x.view(), between };
                vec![("output", self.forward(form, &problem, &reference)?)]
            }
            Mode::Training => {
                let (n, _, h, w) = x.dim();
                let (spec, relu) = (weights.spec(), Activation::Relu);
                let functions =
                    TrainingFunctions::new(&self.norms, MOMENTUM, relu, spec, (n, (h, w)))?;
                let between = Between::from(&functions);
                let problem = Problem { weights, x: x.view(), between };
                let output = self.forward(form, &problem, &reference)?;
                let running: Vec<_> =
                    functions.running().into_iter().flat_map(|layer| layer.into_values()).collect();
                let row = |of: fn(f32, f32) -> f32| {
                    let shape = (1, 1, 1, running.len());
                    Array4::from_shape_fn(shape, |(.., i)| of(running[i].mean, running[i].variance))
                };
                vec![
                    ("output", output),
                    ("running mean", row(|mean, _| mean)),
                    ("running variance", row(|_, variance| variance)),
                ]
            }
            Mode::Gradient { training, v } => {
                let (plain, recorded) =
                    (over::<Var<f32>>(&self.norms, Var::constant)?, recorded(&self.norms)?);
                let runs = Reference::in_runs_of(weights.spec().width());
                let runs = Recorded { forward: runs, backward: runs };
                let mut output = Array4::zeros((0, 0, 0, 0));
                let (_, gradients) = back((weights, x.view(), v), |weights, x| {
                    let between = if *training { (&recorded).into() } else { (&plain).into() };
                    let y = self.forward(form, &Problem { weights, x, between }, &runs)?;
                    output = y.map(|y| *y.value());
                    Ok(y)
                })?;
                [vec![("output", output)], gradients].concat()
            }
            Mode::Derivative(moves) => {
                let functions = over::<Dual<f32>>(&self.norms, Dual::constant)?;
                let mut moving = moves.0.kernels().flat_map(|kernel| kernel.into_iter());
                let mut dual =
                    |value: f32| Dual { value, derivative: moving.next().copied().unwrap_or(0.0) };
                let weights = weights.map(|&value| dual(value));
                let mut moving = moves.1.iter().copied();
                let x = x.map(|&value| Dual { value, derivative: moving.next().unwrap_or(0.0) });
                let between = Between::from(&functions);
                let problem = Problem { weights: &weights, x: x.view(), between };
                let y = self.forward(form, &problem, &Duals(Fast::new()))?;
                vec![
                    ("output", y.map(|y| y.value)),
                    ("derivative of the output", y.map(|y| y.derivative)),
                ]
            }
        };
        Ok(Outcome { tensors })
    }

    /// The output of the block in this form. If the example has a second call, the block first runs on another input.
    fn forward<S: Additive, V: Runs<S>>(
        &self,
        form: &dyn AnyForm,
        problem: &Problem<'_, S>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let prepared = problem.prepare(form, convolver)?;
        if self.second_call {
            let (n, c, h, w) = problem.x.dim();
            // Any number will do, except 0.
            let one = problem.weights.reduce().into_iter().find(|w| **w != S::zero());
            let one = one.cloned().unwrap_or_else(S::zero);
            prepared.forward(Array4::from_elem((n, c, h + 1, w + 1), one).view())?;
        }
        prepared.forward(problem.x)
    }
}

/// The batch norms and ReLUs of a block over another number type. They are folded in `f32`.
fn over<S: Ordered>(
    norms: &BlockNorms<f32>,
    number: impl Fn(f32) -> S,
) -> Result<NormFunctions<S>> {
    Ok(map_functions(&NormFunctions::new(norms, Activation::Relu)?, |value| number(*value)))
}

impl Outcome {
    /// Finds the first element at which `wrong` differs from this outcome, which is that of a right form. NaN equals
    /// NaN.
    pub fn parting(&self, wrong: &Self) -> Option<Parting> {
        let same = |l: f32, r: f32| l == r || (l.is_nan() && r.is_nan());
        self.tensors.iter().zip(&wrong.tensors).find_map(|((tensor, right), (_, wrong))| {
            let mut pairs = wrong.indexed_iter().zip(right);
            let ((index, &found), &expected) = pairs.find(|((_, l), r)| !same(**l, **r))?;
            Some(Parting { tensor: *tensor, index: index.into(), found, expected })
        })
    }
}

/// The values after the functions of each layer, by channel: N x H x W.
pub type Trace = Planes<Expression>;

/// The layers in computation order.
const ORDER: [Layer; 5] =
    [Layer::Reduce, Layer::Transform, Layer::Shortcut, Layer::Expand, Layer::Output];

/// Follows `form` through an example, in inference mode. The sums of each layer are written out in
/// terms of the results of the layer before.
pub fn trace(form: &dyn AnyForm, example: &Example) -> Result<Trace> {
    let symbol = |value: f32| Expression::from(f64::from(value));
    let weights = example.weights.map(|&w| symbol(w));
    let x = example.layout.lay(&example.x).map(|&x| symbol(x));
    let functions = over(&example.norms, symbol)?;
    let between = Between::from(&functions);
    let problem = Problem { weights: &weights, x: x.view(), between };
    problem.planes(form, &Reference::default(), |layer, mut plane| {
        // The sum over the paths stays written out: what follows is added to it.
        if matches!(layer, Layer::Reduce | Layer::Transform) {
            plane.mapv_inplace(|z| z.given());
        }
    })
}

/// The first element, layer by layer, at which the traces of a right and a wrong form differ. NaN equals NaN. `None` if
/// all elements that both traces have are equal.
pub fn first_apart(right: &Trace, wrong: &Trace) -> Option<Parting<Layer, Expression>> {
    ORDER.into_iter().find_map(|layer| {
        let mut planes = right.iter().filter(|((at, _), _)| *at == layer);
        planes.find_map(|(at, right)| {
            let wrong = wrong.get(at).filter(|wrong| wrong.dim() == right.dim())?;
            let mut pairs = right.indexed_iter().zip(wrong);
            let same = |l: &Expression, r: &Expression| {
                l == r || (l.value().is_nan() && r.value().is_nan())
            };
            let (((n, h, w), expected), found) = pairs.find(|((_, r), l)| !same(l, r))?;
            let (index, found, expected) = ([n, at.1, h, w], found.clone(), expected.clone());
            Some(Parting { tensor: layer, index, found, expected })
        })
    })
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{Example, Mode};
    use crate::block::{BatchNorm, BlockNorms, BlockSpec, BlockWeights};
    use crate::evidence::Layout;

    /// A number of a batch norm counts four times if it differs from its simplest value.
    #[test]
    fn the_size_of_an_example_is_counted() {
        let ones = |k| Array4::from_elem((1, 1, k, k), 1.0_f32);
        let spec = BlockSpec::new(1, 1, 1, 1).unwrap();
        let mut example = Example {
            weights: BlockWeights::new(spec, ones(1), ones(3), ones(1), None).unwrap(),
            norms: BlockNorms::from_fn(false, |_| Ok(BatchNorm::fresh(1))).unwrap(),
            x: ones(2),
            layout: Layout::Standard,
            second_call: false,
            mode: Mode::Evaluation,
        };
        assert_eq!(example.size(), (15, 15, 15));
        example.norms.expand = BatchNorm::of_channels(&[[2.0, -3.0, 0.0, 1.0]], 0.0).unwrap();
        assert_eq!(example.size(), (15, 15 + 4 * 2, 15 + 4));
    }
}
