//! Trains a small ResNeXt in any form. The code of the forms is the same as everywhere else. Here it runs over numbers
//! that remember how they were computed ([`Var`]).
//!
//! - [`Model`]: the network, its forward pass and a step of training.
//! - [`digits`]: handwritten digits to train on.
//! - [`lockstep`]: the three forms trained side by side from the same weights, and wrong blocks beside them.
//! - [`record`]: the results as a file, and a committed run.

pub mod digits;
pub mod lockstep;
pub mod record;

use ndarray::{Array1, Array2, Array4, ArrayView4, Axis};

use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockSpec, BlockWeights, Layer, LayerFunctions, Normalise,
    RecordedNorm, TrainingNorm,
};
use crate::conv::{Affine, ConvSpec, Convolver, Epilogue};
use crate::error::{Error, Result, as_many};
use crate::evidence::{Between, Over};
use crate::network::forward::average_pool;
use crate::network::init::he_normal;
use crate::random::{Purpose, Seed};
use crate::scalar::{Dot, Real, Var, gradients};

/// A small residual network: a 3x3 convolution with batch norm and ReLU, bottlenecks, global average pooling and a
/// fully connected layer.
#[derive(Clone, Debug, PartialEq)]
pub struct Model<S> {
    stem: Array4<S>,
    stem_norm: BatchNorm<S>,
    blocks: Vec<(BlockWeights<S>, BlockNorms<S>)>,
    top: Array4<S>,
    bias: Array1<S>,
}

/// The geometry of the stem.
const STEM: ConvSpec = ConvSpec::of(1, 1, 1);

/// How a step changes the weights: stochastic gradient descent with momentum and weight decay, as in PyTorch. For
/// each number p with gradient g,
///
/// ```text
/// v = momentum v + (g + decay p)        p = p - rate v
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Sgd {
    /// The learning rate.
    pub rate: f64,
    /// How much of the previous step's direction is kept.
    pub momentum: f64,
    /// The weight decay.
    pub decay: f64,
}

/// How far a batch moves the running statistics of batch norm: 0.1, which is PyTorch's default.
const STATISTICS: f64 = 0.1;

/// A model in training: its weights, and the direction of the last step.
#[derive(Clone, Debug, PartialEq)]
pub struct Training<S> {
    model: Model<S>,
    velocity: Vec<Vec<S>>,
}

/// A block with tracked weights, and its functions.
struct Tracked<S> {
    weights: BlockWeights<Var<S>>,
    functions: LayerFunctions<RecordedNorm<S>>,
}

impl Model<f32> {
    /// A network of these blocks for images of one channel, drawn from the seed. As in torchvision, the kernels are
    /// He-normal, and the batch norms have scale 1 and shift 0. The weights of the fully connected layer are He-normal
    /// too. If `by_path`, the first two layers of each block are drawn as C separate convolutions, with sqrt(C) times
    /// the standard deviation.
    ///
    /// Errors: a block whose input channels are not the output channels of the block before it.
    pub fn drawn(blocks: &[BlockSpec], classes: usize, by_path: bool, seed: Seed) -> Result<Self> {
        let mut number = 0;
        let mut kernel = |shape: [usize; 4], factor: f32| {
            number += 1;
            he_normal(shape, &mut seed.stream(Purpose::Network, &[number]))
                .mapv_into(|w| factor * w)
        };
        let channels = blocks.first().map_or(1, BlockSpec::c_in);
        let stem = kernel([channels, 1, 3, 3], 1.0);
        let (mut drawn, mut last) = (Vec::new(), channels);
        for spec in blocks {
            as_many("channels of a block's input", spec.c_in(), last)?;
            let factor = if by_path { (spec.cardinality() as f32).sqrt() } else { 1.0 };
            let mut factors = [factor, factor].into_iter();
            let weights =
                BlockWeights::from_fn(*spec, |shape| kernel(shape, factors.next().unwrap_or(1.0)))?;
            let norms = BlockNorms::from_fn(weights.shortcut().is_some(), |layer| {
                let inner = matches!(layer, Layer::Reduce | Layer::Transform);
                Ok(BatchNorm::fresh(if inner { spec.inner() } else { spec.c_out() }))
            })?;
            drawn.push((weights, norms));
            last = spec.c_out();
        }
        let top = kernel([classes, last, 1, 1], 1.0);
        let (stem_norm, bias) = (BatchNorm::fresh(channels), Array1::zeros(classes));
        Ok(Self { stem, stem_norm, blocks: drawn, top, bias })
    }
}

impl<S: Real> Model<S> {
    /// The network with these weights, given in the order of [`Model::tensors`].
    ///
    /// Errors: shapes that do not fit together.
    pub fn new(
        (stem, stem_norm): (Array4<S>, BatchNorm<S>),
        blocks: Vec<(BlockWeights<S>, BlockNorms<S>)>,
        (top, bias): (Array4<S>, Array1<S>),
    ) -> Result<Self> {
        let mut last = stem.len_of(Axis(0));
        as_many("channels of the stem's batch norm", stem_norm.channels(), last)?;
        for (weights, norms) in &blocks {
            as_many("channels of a block's input", weights.spec().c_in(), last)?;
            norms.check(weights.spec())?;
            last = weights.spec().c_out();
        }
        as_many("inputs of the fully connected layer", top.len_of(Axis(1)), last)?;
        as_many("biases", bias.len(), top.len_of(Axis(0)))?;
        Ok(Self { stem, stem_norm, blocks, top, bias })
    }

    /// Logits (N x classes) of N images of one channel, in inference mode. Each block runs in this form, with its
    /// batch norms where the form puts them.
    ///
    /// Errors: an image that is too small.
    pub fn logits<V: Convolver<S> + 'static>(
        &self,
        form: &dyn Over<S, V>,
        x: ArrayView4<'_, S>,
        convolver: &V,
    ) -> Result<Array2<S>>
    where
        S: Dot,
    {
        let stem = self.stem_norm.fold()?.then(Activation::Relu);
        let kernel = convolver.prepare(self.stem.view(), STEM)?;
        let mut y = convolver.conv(x, &kernel, &Epilogue::only(&stem))?;
        for (weights, norms) in &self.blocks {
            let built = form.functions(&Between::norms(norms, Activation::Relu), weights.spec())?;
            let block = form.bottleneck(weights, convolver)?;
            y = block.forward(y.view(), &built.functions(), convolver)?;
        }
        fully_connected(&y, &self.top, &self.bias, convolver)
    }

    /// Every tensor that training changes, running statistics included. The stem comes first, then each block, then the
    /// top.
    pub fn tensors(&self) -> Vec<Vec<S>> {
        let all = |tensor: &Array4<S>| tensor.iter().cloned().collect();
        let mut tensors = vec![all(&self.stem)];
        let norm = |norm: &BatchNorm<S>| norm.arrays().map(|array| array.to_vec());
        tensors.extend(norm(&self.stem_norm));
        for (weights, norms) in &self.blocks {
            tensors.extend(weights.owned_kernels().iter().map(all));
            tensors.extend(norms.all().flat_map(norm));
        }
        tensors.extend([all(&self.top), self.bias.to_vec()]);
        tensors
    }

    /// The same network with other tensors, in the order and with the lengths of [`Model::tensors`].
    ///
    /// Errors: numbers that are not finite, and those of [`BatchNorm::new`].
    fn with(&self, tensors: Vec<Vec<S>>) -> Result<Self> {
        let mut tensors = tensors.into_iter();
        let finite = |values: &[S]| {
            let wild = values.iter().position(|value| !value.to_f64().is_finite());
            let Some(at) = wild else { return Ok(()) };
            let (what, value) = ("weight in training", values[at].to_f64());
            Err(Error::NotFinite { what, index: vec![at], value })
        };
        tensors.as_slice().iter().try_for_each(|tensor| finite(tensor))?;
        let mut next = || tensors.next().unwrap_or_default();
        let kernel = |old: &Array4<S>, new: Vec<S>| {
            Array4::from_shape_vec(old.dim(), new)
                .unwrap_or_else(|error| unreachable!("as long: {error}"))
        };
        let norm = |old: &BatchNorm<S>, next: &mut dyn FnMut() -> Vec<S>| {
            let [gamma, beta, mean, variance] = [(); 4].map(|()| Array1::from(next()));
            BatchNorm::new(gamma, beta, mean, variance, old.epsilon().clone())
        };
        let stem = kernel(&self.stem, next());
        let stem_norm = norm(&self.stem_norm, &mut next)?;
        let mut blocks = Vec::new();
        for (weights, norms) in &self.blocks {
            let kernels = weights.owned_kernels().iter().map(|old| kernel(old, next())).collect();
            let weights = BlockWeights::of(*weights.spec(), kernels)?;
            let mut old = norms.all();
            let norms = BlockNorms::from_fn(norms.shortcut.is_some(), |_| {
                let Some(old) = old.next() else { unreachable!("as many batch norms") };
                norm(old, &mut next)
            })?;
            blocks.push((weights, norms));
        }
        let (top, bias) = (kernel(&self.top, next()), next().into());
        Ok(Self { stem, stem_norm, blocks, top, bias })
    }

    /// The same network over other floats.
    pub fn cast<T: Real>(&self) -> Model<T> {
        let to = |value: &S| T::from_f64(value.to_f64());
        let block =
            |(weights, norms): &(BlockWeights<S>, BlockNorms<S>)| (weights.map(to), norms.cast());
        Model {
            stem: self.stem.map(to),
            stem_norm: self.stem_norm.cast(),
            blocks: self.blocks.iter().map(block).collect(),
            top: self.top.map(to),
            bias: self.bias.map(to),
        }
    }
}

/// Turns features (N x C x H x W) into logits (N x classes).
fn fully_connected<S: Real, V: Convolver<S>>(
    features: &Array4<S>,
    top: &Array4<S>,
    bias: &Array1<S>,
    convolver: &V,
) -> Result<Array2<S>> {
    let affine = |shift: &S| Affine { scale: S::one(), shift: shift.clone(), relu: false };
    let bias = Normalise::new(bias.iter().map(affine).collect());
    let kernel = convolver.prepare(top.view(), ConvSpec::UNIT)?;
    let pooled = average_pool(features.view());
    let logits = convolver.conv(pooled.view(), &kernel, &Epilogue::only(&bias))?;
    Ok(logits.remove_axis(Axis(3)).remove_axis(Axis(2)))
}

impl<S: Real + Dot> Training<S> {
    /// A model before its first step.
    pub fn new(model: Model<S>) -> Self {
        Self { model, velocity: Vec::new() }
    }

    /// The model as it is now.
    pub fn model(&self) -> &Model<S> {
        &self.model
    }

    /// Takes one step of training, with each block in this form. The batch has N images of one channel, and their
    /// labels. Returns the loss before the step, which is the mean cross entropy. `convolver` makes a convolver for
    /// paths of the given width.
    ///
    /// Errors: an image that is too small, labels that do not fit the images or the classes, and weights or
    /// statistics that are no longer finite. An error leaves the model unchanged.
    pub fn step<V: Convolver<Var<S>> + 'static>(
        &mut self,
        form: &dyn Over<Var<S>, V>,
        (x, labels): (ArrayView4<'_, S>, &[usize]),
        sgd: &Sgd,
        convolver: &dyn Fn(usize) -> V,
    ) -> Result<f64> {
        let model = &self.model;
        as_many("labels, one for each image", labels.len(), x.len_of(Axis(0)))?;
        let classes = model.bias.len();
        if let Some(label) = labels.iter().find(|label| **label >= classes) {
            let words = format!("label {label} must be less than the number of classes, {classes}");
            return Err(Error::Unsuitable(words));
        }
        let momentum = S::from_f64(STATISTICS);
        let track = |norm: &BatchNorm<S>, activation| {
            RecordedNorm::tracked(&TrainingNorm::new(norm.clone(), momentum.clone(), activation))
        };
        let plain = convolver(1);
        let stem = Var::tracked(&model.stem);
        let stem_norm = track(&model.stem_norm, Activation::Relu);
        let kernel = plain.prepare(stem.view(), STEM)?;
        let x = x.map(|x| Var::constant(x.clone()));
        let mut y = plain.conv(x.view(), &kernel, &Epilogue::only(&stem_norm))?;
        let mut blocks = Vec::new();
        for (weights, norms) in &model.blocks {
            let kernels = weights.owned_kernels().iter().map(Var::tracked).collect();
            let weights = BlockWeights::of(*weights.spec(), kernels)?;
            let of = |norm: &BatchNorm<S>, activation| Ok(track(norm, activation));
            let functions = LayerFunctions::of(norms, Activation::Relu, of)?;
            let convolver = convolver(weights.spec().width());
            let block = form.bottleneck(&weights, &convolver)?;
            let built = form.functions(&Between::from(&functions), weights.spec())?;
            y = block.forward(y.view(), &built.functions(), &convolver)?;
            drop(built);
            blocks.push(Tracked { weights, functions });
        }
        let (top, bias) = (Var::tracked(&model.top), Var::tracked(&model.bias));
        let logits = fully_connected(&y, &top, &bias, &plain)?;
        let (loss, by_logits) = cross_entropy(&logits.map(|z| z.value().to_f64()), labels);
        let by = gradients(&logits, &by_logits.mapv(S::from_f64));

        // One change for each tensor, in the order of the tensors: a gradient, or new statistics.
        let of = |tensor: &Array4<Var<S>>| Change::Gradient(by.of(tensor).into_iter().collect());
        let of_norm = |norm: &RecordedNorm<S>| {
            let [gamma, beta] = norm.parameters().map(|own| Change::Gradient(by.of(own).to_vec()));
            let [means, variances] = norm.statistics().map(Change::Statistics);
            [gamma, beta, means, variances]
        };
        let mut changes = vec![of(&stem)];
        changes.extend(of_norm(&stem_norm));
        for Tracked { weights, functions } in &blocks {
            changes.extend(weights.owned_kernels().iter().map(of));
            changes.extend(functions.norms().flat_map(of_norm));
        }
        changes.extend([of(&top), Change::Gradient(by.of(&bias).to_vec())]);

        let mut tensors = self.model.tensors();
        let mut velocity = self.velocity.clone();
        if velocity.is_empty() {
            velocity = tensors.iter().map(|tensor| vec![S::zero(); tensor.len()]).collect();
        }
        let [rate, kept, decay] = [sgd.rate, sgd.momentum, sgd.decay].map(S::from_f64);
        for ((tensor, velocity), change) in tensors.iter_mut().zip(&mut velocity).zip(changes) {
            match change {
                Change::Statistics(new) => *tensor = new,
                Change::Gradient(gradient) => {
                    for ((p, v), g) in tensor.iter_mut().zip(velocity).zip(gradient) {
                        *v = kept.mul(v).add(&g.add(&decay.mul(p)));
                        *p = p.sub(&rate.mul(v));
                    }
                }
            }
        }
        self.model = self.model.with(tensors)?;
        self.velocity = velocity;
        Ok(loss)
    }
}

/// What a step does to a tensor.
enum Change<S> {
    Gradient(Vec<S>),
    Statistics(Vec<S>),
}

/// Mean cross entropy over N images, and its gradient with respect to the logits: (softmax - label) / N.
fn cross_entropy(logits: &Array2<f64>, labels: &[usize]) -> (f64, Array2<f64>) {
    let n = labels.len() as f64;
    let (mut loss, mut by) = (0.0, Array2::zeros(logits.dim()));
    for ((logits, &label), mut by) in logits.outer_iter().zip(labels).zip(by.outer_iter_mut()) {
        // After the largest is subtracted, no exponential overflows.
        let largest = logits.fold(f64::NEG_INFINITY, |l, r| l.max(*r));
        let powers = logits.mapv(|z| (z - largest).exp());
        let total = powers.sum();
        loss += (total.ln() + largest - logits[label]) / n;
        by.assign(&(powers / total));
        by[label] -= 1.0;
        by /= n;
    }
    (loss, by)
}
