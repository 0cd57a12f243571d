//! The bottleneck block as an operation: its inputs, its right outputs, and the outputs of each mistake.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array1, Array4, ArrayD, ArrayViewMut3};
use serde_json::{Value, json};

use super::case::{Answer, Kind, Parts, Wrong};
use super::judge::Operands;
use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockSpec, BlockWeights, Form, Layer, LayerFunctions,
    NormFunctions, Shortcut, StrideOn, TrainingFunctions,
};
use crate::conv::{Arrays, ChannelWise, Recorded, Reference};
use crate::error::{Error, Result};
use crate::evidence::bound::{Ball, NormBalls, balls_by, gamma_n};
use crate::evidence::rungs::r7_derivatives::backwards::back;
use crate::evidence::rungs::r8_training::{TrainingBall, statistics};
use crate::evidence::{AnyForm, Between, Problem};
use crate::gallery::kernels::Kernels;
use crate::gallery::{self, MadeIn};
use crate::scalar::Var;

/// A block with its weights and an input.
#[derive(Clone, Debug)]
pub struct Block {
    /// The kernels.
    pub weights: BlockWeights<f64>,
    /// The batch norms.
    pub norms: BlockNorms<f64>,
    /// The input, N x C_in x H x W.
    pub x: Array4<f64>,
    /// What the case asks for.
    pub asks: Asks,
}

/// What a case asks for.
#[derive(Clone, Debug)]
pub enum Asks {
    /// The output in inference mode.
    Output,
    /// The output in training mode, and the running statistics afterwards.
    Training {
        /// How far a batch moves the running statistics.
        momentum: f64,
    },
    /// The gradients with respect to the input and the kernels, in inference mode.
    Gradients {
        /// The gradient of a loss with respect to the output.
        grad_output: Array4<f64>,
    },
}

/// Mistakes that occur in every layer because batch norm or ReLU was written only once. Each entry has the name of the
/// mistake in one layer, its name in every layer, and a description.
pub(super) const EVERYWHERE: [(&str, &str, &str); 7] = [
    ("epsilon-left-out", "epsilon-left-out-everywhere", "every batch norm leaves epsilon out"),
    ("shift-dropped", "shift-dropped-everywhere", "every batch norm drops its shift"),
    ("biased-variance", "biased-variance-everywhere", "every running variance is the biased one"),
    (
        "statistics-twice",
        "statistics-twice-everywhere",
        "all running statistics move twice per batch",
    ),
    ("no-first-relu", "no-relu-anywhere", "every ReLU is missing"),
    ("nan-to-0", "nan-to-0-everywhere", "every ReLU turns NaN into 0"),
    (
        "relu-derivative-at-0",
        "relu-derivative-at-0-everywhere",
        "the derivative of every ReLU at 0 is 1",
    ),
];

/// A mistake: every batch norm has PyTorch's default epsilon, no matter which epsilon is given.
pub(super) const OWN_EPSILON: &str = "epsilon-1e-5-everywhere";

const CONVOLUTIONS: [&str; 4] = ["conv1", "conv2", "conv3", "downsample.0"];
const NORMS: [&str; 4] = ["bn1", "bn2", "bn3", "downsample.1"];

impl Block {
    /// The input `x`, the kernels and batch norms under torchvision's names, and `grad_output` if gradients are asked
    /// for.
    pub(super) fn inputs(&self) -> Arrays {
        let mut arrays = vec![("x".to_owned(), self.x.clone().into_dyn())];
        for (name, kernel) in CONVOLUTIONS.into_iter().zip(self.weights.kernels()) {
            arrays.push((format!("{name}.weight"), kernel.to_owned().into_dyn()));
        }
        for (name, norm) in NORMS.into_iter().zip(self.norms.all()) {
            let parts = ["weight", "bias", "running_mean", "running_var"];
            for (part, array) in parts.into_iter().zip(norm.arrays()) {
                arrays.push((format!("{name}.{part}"), array.clone().into_dyn()));
            }
        }
        if let Asks::Gradients { grad_output } = &self.asks {
            arrays.push(("grad_output".to_owned(), grad_output.clone().into_dyn()));
        }
        arrays
    }

    pub(super) fn attributes(&self) -> Value {
        let spec = self.weights.spec();
        let momentum = match self.asks {
            Asks::Training { momentum } => json!(momentum),
            _ => Value::Null,
        };
        json!({
            "in_channels": spec.c_in(),
            "out_channels": spec.c_out(),
            "groups": spec.cardinality(),
            "width": spec.width(),
            "kernel_size": spec.kernel(),
            "stride": spec.stride(),
            "stride_on": if spec.stride_on() == StrideOn::Reduce { "conv1" } else { "conv2" },
            "downsample": spec.shortcut() == Shortcut::Projection,
            "eps": self.norms.expand.epsilon(),
            "momentum": momentum,
            "training": matches!(self.asks, Asks::Training { .. }),
        })
    }

    pub(super) fn read(parts: &Parts<'_>, kind: Kind) -> Result<Self> {
        let [c_in, c_out, groups, width] =
            ["in_channels", "out_channels", "groups", "width"].map(|name| parts.integer(name));
        let stride_on = match parts.attribute("stride_on")?.as_str() {
            Some("conv1") => StrideOn::Reduce,
            Some("conv2") => StrideOn::Transform,
            _ => return Err(parts.wrong("attribute `stride_on` must be conv1 or conv2".to_owned())),
        };
        let projection = parts.attribute("downsample")?.as_bool() == Some(true);
        let shortcut = if projection { Shortcut::Projection } else { Shortcut::Identity };
        let spec = BlockSpec::new(c_in?, groups?, width?, c_out?)?
            .with_kernel(parts.integer("kernel_size")?)?
            .with_stride(parts.integer("stride")?, stride_on)?
            .with_shortcut(shortcut)?;
        let count = if projection { 4 } else { 3 };
        let kernels = CONVOLUTIONS[..count].iter();
        let mut kernels = kernels.map(|name| parts.tensor(&format!("{name}.weight")));
        let mut kernel = || kernels.next().transpose();
        let (reduce, transform, expand) = (kernel()?, kernel()?, kernel()?);
        let [Some(reduce), Some(transform), Some(expand)] = [reduce, transform, expand] else {
            unreachable!("three kernels at least")
        };
        let weights = BlockWeights::new(spec, reduce, transform, expand, kernel()?)?;
        let epsilon = parts.number("eps")?;
        let norms = BlockNorms::from_fn(projection, |layer| {
            let name = NORMS[layer as usize];
            let vector = |part: &str| parts.vector(&format!("{name}.{part}"));
            let (gamma, beta) = (vector("weight")?, vector("bias")?);
            BatchNorm::new(gamma, beta, vector("running_mean")?, vector("running_var")?, epsilon)
        })?;
        norms.check(&spec)?;
        let asks = match kind {
            Kind::Training => Asks::Training { momentum: parts.number("momentum")? },
            Kind::Gradients => Asks::Gradients { grad_output: parts.tensor("grad_output")? },
            _ => Asks::Output,
        };
        let block = Self { weights, norms, x: parts.tensor("x")?, asks };
        block.check()?;
        let (n, _, h, w) = block.x.dim();
        let widest = spec.c_in().max(spec.c_out()).max(spec.inner());
        parts.limit("a feature map", &[n, widest, h, w])?;
        Ok(block)
    }

    fn check(&self) -> Result<()> {
        let (n, c_in, h, w) = self.x.dim();
        let spec = self.weights.spec();
        let (h, w) = spec.output_map((h, w))?;
        if c_in != spec.c_in() {
            let (expected, found) =
                (format!("N x {} x H x W", spec.c_in()), self.x.shape().to_vec());
            return Err(Error::Shape { what: "x", expected, found });
        }
        match &self.asks {
            Asks::Gradients { grad_output } if grad_output.dim() != (n, spec.c_out(), h, w) => {
                let expected = format!("{:?}, that of the output", (n, spec.c_out(), h, w));
                let found = grad_output.shape().to_vec();
                Err(Error::Shape { what: "grad_output", expected, found })
            }
            Asks::Training { .. } if n * h * w < 2 => Err(Error::Statistics { values: n * h * w }),
            _ => Ok(()),
        }
    }

    /// The right outputs, and how far off each value may be.
    pub(super) fn answers(&self, kind: Kind) -> Result<Vec<Answer>> {
        self.check()?;
        let value = self.outputs(&Form::Grouped)?;
        let rounding = match &self.asks {
            // A block's gradients pass through six layers. Where they are not exact, no bound is derived.
            Asks::Gradients { .. } => {
                value.iter().map(|(_, v)| ArrayD::zeros(v.raw_dim())).collect()
            }
            Asks::Output => {
                let norms = NormBalls::new(&self.norms);
                vec![self.balls(&norms)?.mapv(|ball| ball.radius).into_dyn()]
            }
            Asks::Training { momentum } => self.in_training(*momentum)?,
        };
        // NaN and infinities have no radius.
        let finite = |radius: f64| if radius.is_finite() { radius } else { 0.0 };
        let all = value.into_iter().zip(rounding);
        Ok(all
            .map(|((name, value), rounding)| Answer::new(name, value, rounding.mapv(finite), kind))
            .collect())
    }

    fn balls<F: ChannelWise<Ball>>(&self, functions: &LayerFunctions<F>) -> Result<Array4<Ball>> {
        let weights = self.weights.map(|w| *w as f32);
        let x = self.x.mapv(|x| x as f32);
        balls_by(&weights, x.view(), &functions.functions())
    }

    /// The error bounds of the output and of the running statistics in training mode.
    fn in_training(&self, momentum: f64) -> Result<Vec<ArrayD<f64>>> {
        let functions = LayerFunctions::of(&self.norms, Activation::Relu, |norm, activation| {
            let ball = TrainingBall::new(norm, activation);
            Ok::<_, Error>(Moving { ball, norm, momentum, running: Mutex::default() })
        })?;
        let y = self.balls(&functions)?;
        let mut radii = vec![y.mapv(|ball| ball.radius).into_dyn()];
        for moving in functions.norms() {
            let running = moving.running.lock().unwrap_or_else(PoisonError::into_inner);
            for which in [0, 1] {
                let column: Array1<f64> = running.values().map(|radii| radii[which]).collect();
                radii.push(column.into_dyn());
            }
        }
        Ok(radii)
    }

    /// The outputs of a form, right or wrong, for this case.
    pub(super) fn outputs(&self, form: &dyn AnyForm) -> Result<Arrays> {
        let Self { weights, norms, x, asks } = self;
        let relu = Activation::Relu;
        let reference = Reference::default();
        match asks {
            Asks::Output => {
                let problem =
                    Problem { weights, x: x.view(), between: Between::norms(norms, relu) };
                let y = problem.solve(form, &reference)?;
                Ok(vec![("y".to_owned(), y.into_dyn())])
            }
            Asks::Training { momentum } => {
                let (n, _, h, w) = x.dim();
                let (spec, momentum) = (weights.spec(), *momentum);
                let functions = TrainingFunctions::new(norms, momentum, relu, spec, (n, (h, w)))?;
                let problem = Problem { weights, x: x.view(), between: (&functions).into() };
                let y = problem.solve(form, &reference)?;
                let mut arrays = vec![("y".to_owned(), y.into_dyn())];
                for ((name, norm), seen) in
                    NORMS.into_iter().zip(norms.all()).zip(functions.running())
                {
                    let [.., mut means, mut variances] = norm.arrays().map(Clone::clone);
                    for (channel, running) in seen {
                        (means[channel], variances[channel]) = (running.mean, running.variance);
                    }
                    arrays.push((format!("{name}.running_mean"), means.into_dyn()));
                    arrays.push((format!("{name}.running_var"), variances.into_dyn()));
                }
                Ok(arrays)
            }
            Asks::Gradients { grad_output } => {
                let convolver = Recorded { forward: reference, backward: reference };
                let norms = norms.cast::<Var<f32>>();
                let functions = NormFunctions::new(&norms, relu)?;
                let float = |value: &f64| *value as f32;
                let (x, g) = (x.map(float), grad_output.map(float));
                let (_, gradients) = back((&weights.map(float), x.view(), &g), |weights, x| {
                    Problem { weights, x, between: (&functions).into() }.solve(form, &convolver)
                })?;
                let kernels = CONVOLUTIONS.into_iter().map(|name| format!("grad_{name}.weight"));
                let names = std::iter::once("grad_x".to_owned()).chain(kernels);
                let arrays =
                    gradients.into_iter().map(|(_, array)| array.mapv(f64::from).into_dyn());
                Ok(names.zip(arrays).collect())
            }
        }
    }

    /// The output in inference mode if these operands of every convolution are rounded. If inputs are, so is an identity
    /// shortcut. `None` if the case asks for something else.
    pub(super) fn with_operands(
        &self,
        operands: Operands,
        round: fn(f64) -> f64,
    ) -> Option<Arrays> {
        let Asks::Output = self.asks else { return None };
        let [of_weights, of_inputs] = operands.each(round);
        let (weights, x) = (self.weights.map(|w| of_weights(*w)), self.x.mapv(of_inputs));
        let between = Between::norms(&self.norms, Activation::Relu);
        let problem = Problem { weights: &weights, x: x.view(), between };
        let y =
            problem.solve_seen(&Form::Grouped, &Reference::default(), &|layer, _, mut plane| {
                if matches!(layer, Layer::Reduce | Layer::Transform) {
                    plane.mapv_inplace(of_inputs);
                }
            });
        y.ok().map(|y| vec![("y".to_owned(), y.into_dyn())])
    }

    /// The largest absolute value after any layer, and whether all numbers are integers. Exact answers need small
    /// integers.
    pub(super) fn certificate(&self) -> Result<(f64, bool)> {
        let finite = |x: &f64| if x.is_finite() { *x } else { 0.0 };
        let (weights, x) = (self.weights.map(finite), self.x.map(finite));
        let all_integers = weights.kernels().flatten().chain(&x).all(|v| v.fract() == 0.0);
        let seen = Mutex::new((0f64, all_integers));
        let between = Between::norms(&self.norms, Activation::Relu);
        let problem = Problem { weights: &weights, x: x.view(), between };
        problem.solve_seen(&Form::Grouped, &Reference::default(), &|_, _, plane| {
            let (most, integers) = &mut *seen.lock().unwrap_or_else(PoisonError::into_inner);
            for value in plane {
                *most = most.max(value.abs());
                *integers &= value.fract() == 0.0;
            }
        })?;
        Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// The outputs of each mistake of the gallery, computed on demand.
    pub(super) fn mistakes(&self) -> impl Iterator<Item = (&'static str, Wrong<'_>)> {
        gallery::ALL.iter().map(move |mistake| {
            let outputs = move || {
                let wrong = mistake.wrong();
                // The projection is not part of the form, but whoever keeps weights in f16 keeps its weights in f16.
                let outputs = match mistake.made_in {
                    MadeIn::Kernels(Kernels::Half) => {
                        let half = |w: &f64| half::f16::from_f32(*w as f32).to_f64();
                        let weights = self.weights.map(half);
                        Self { weights, ..self.clone() }.outputs(&wrong)
                    }
                    _ => self.outputs(&wrong),
                };
                let outputs = outputs.ok()?;
                wrong.is_met().then_some(outputs)
            };
            (mistake.name, Box::new(outputs) as Wrong<'_>)
        })
    }
}

impl Block {
    /// The outputs of the mistakes that are made in every layer, computed on demand.
    pub(super) fn everywhere(&self) -> impl Iterator<Item = (&'static str, Wrong<'_>)> {
        let own_epsilon = move || {
            let mut norms = self.norms.clone();
            let all = [&mut norms.reduce, &mut norms.transform, &mut norms.expand];
            for norm in all.into_iter().chain(&mut norms.shortcut) {
                let [gamma, beta, mean, variance] = norm.arrays().map(Clone::clone);
                *norm = BatchNorm::new(gamma, beta, mean, variance, 1e-5).ok()?;
            }
            Self { norms, ..self.clone() }.outputs(&Form::Grouped).ok()
        };
        let in_every_layer = EVERYWHERE.iter().filter_map(move |(of_one, name, _)| {
            let mistake = gallery::named(of_one).ok()?;
            let outputs = move || {
                let wrong = mistake.wrong().everywhere();
                let outputs = self.outputs(&wrong).ok()?;
                wrong.is_met().then_some(outputs)
            };
            Some((*name, Box::new(outputs) as Wrong<'_>))
        });
        in_every_layer.chain([(OWN_EPSILON, Box::new(own_epsilon) as Wrong<'_>)])
    }
}

/// Batch norm in training mode over balls (values with an error bound). It records how far off the running statistics
/// can be.
///
/// A running statistic `r` moves to `(1 - m) r + m b`, where `b` is the statistic of the batch. That takes two products
/// and a sum. For the variance, Bessel's correction adds a product by `n` and a quotient by `n - 1`. So there are at
/// most five roundings. If `b` is off by at most `e_b`, the result is off by at most `e`:
///
/// ```text
/// e = m e_b + gamma_5 ((1 - m) |r| + m (|b| + e_b))
/// ```
struct Moving<'a> {
    ball: TrainingBall<'a>,
    norm: &'a BatchNorm<f64>,
    momentum: f64,
    running: Mutex<BTreeMap<usize, [f64; 2]>>,
}

impl ChannelWise<Ball> for Moving<'_> {
    fn apply(&self, channel: usize, plane: ArrayViewMut3<'_, Ball>) {
        let n = plane.len() as f64;
        let [mean, variance] = statistics(plane.view());
        let [_, _, old_mean, old_variance] = self.norm.channel(channel);
        let moved = |old: f64, Ball { centre, radius }: Ball, factor: f64| {
            let (b, e) = (centre.abs() * factor, radius * factor);
            let m = self.momentum;
            m * e + gamma_n(5) * ((1.0 - m) * old.abs() + m * (b + e))
        };
        let radii = [moved(*old_mean, mean, 1.0), moved(*old_variance, variance, n / (n - 1.0))];
        self.running.lock().unwrap_or_else(PoisonError::into_inner).insert(channel, radii);
        self.ball.apply(channel, plane);
    }
}

/// Rewrites a batch norm so that dividing is exact, with the same scale and shift. Epsilon is 2^-10, and each variance
/// is s^2 - 2^-10, where s is a power of 2 that differs by channel. So the square root of their sum is exactly s. A
/// program under test need not accept an epsilon of 0, and a program that leaves epsilon out is still caught. So is a
/// program that forgets to divide, forwards or backwards, because `gamma` alone is not the scale.
pub(super) fn exact_norm(norm: &BatchNorm<f64>) -> Result<BatchNorm<f64>> {
    // Seven, so that no channel count of a group repeats them.
    const DEVIATIONS: [f64; 7] = [2.0, 1.0, 0.5, 4.0, 1.0, 2.0, 0.25];
    let epsilon = 1.0 / 1024.0;
    let [gamma, beta, mean, variance] = norm.arrays();
    let deviation = |c: usize| DEVIATIONS[c % DEVIATIONS.len()];
    let scaled = |c: usize| gamma[c] / variance[c].sqrt() * deviation(c);
    let variances = Array1::from_shape_fn(gamma.len(), |c| deviation(c).powi(2) - epsilon);
    let gamma = Array1::from_shape_fn(gamma.len(), scaled);
    BatchNorm::new(gamma, beta.clone(), mean.clone(), variances, epsilon)
}

#[cfg(test)]
mod tests {
    use ndarray::arr1;

    use super::exact_norm;
    use crate::block::BatchNorm;

    #[test]
    fn an_exact_norm_keeps_scale_and_shift() {
        let before = BatchNorm::new(
            arr1(&[4.0, -2.0]),
            arr1(&[3.0, -1.0]),
            arr1(&[5.0, 2.0]),
            arr1(&[16.0, 4.0]),
            0.0,
        );
        let norm = exact_norm(&before.unwrap()).unwrap().cast::<f32>();
        let affine = norm.fold().unwrap();
        let scales: Vec<f32> = affine.affine().iter().map(|affine| affine.scale).collect();
        assert_eq!(scales, [1.0, -1.0]);
        let gammas: Vec<f32> = (0..2).map(|c| *norm.channel(c)[0]).collect();
        assert_eq!(gammas, [2.0, -1.0]);
        assert!(norm.epsilon() > &0.0);
    }
}
