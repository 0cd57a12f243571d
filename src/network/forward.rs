//! The forward pass of a whole network, with all bottlenecks in one form.

use ndarray::{Array2, Array4, ArrayView4, Axis, Zip};

use super::architecture::Stem;
use super::stem;
use super::weights::{NetworkWeights, ResidualWeights};
use crate::block::{Activation, BatchNorm, BlockWeights, Bottleneck, Functions};
use crate::block::{NormFunctions, Normalise};
use crate::conv::{Affine, ChannelWise, ConvSpec, Convolver, Epilogue, Identity};
use crate::error::Result;
use crate::scalar::Real;

/// A network with its kernels prepared, and all bottlenecks in one form.
pub struct Network<S: Real, V: Convolver<S>> {
    stem: Option<(V::Kernel, Stem)>,
    blocks: Vec<Bottleneck<S, V>>,
    top: Option<V::Kernel>,
}

/// Makes a bottleneck from its weights, in some form.
pub type Prepare<'a, S, V> = dyn Fn(&BlockWeights<S>, &V) -> Result<Bottleneck<S, V>> + 'a;

impl<S: Real, V: Convolver<S> + 'static> Network<S, V> {
    /// Prepares the kernels. `form` prepares those of the bottlenecks, and `to` converts each number to the type
    /// that the network runs on.
    ///
    /// Errors: those of [`Convolver::prepare`] and of `form`.
    pub fn prepare(
        form: &Prepare<'_, S, V>,
        weights: &NetworkWeights,
        to: impl Fn(&f32) -> S + Copy,
        convolver: &V,
    ) -> Result<Self> {
        let prepare = |kernel: &Array4<f32>, spec| convolver.prepare(kernel.map(to).view(), spec);
        let kind = weights.architecture().stem;
        let stem = weights.stem().zip(kind.convolution());
        let stem = stem.map(|(stem, shape)| Ok((prepare(&stem.kernel, shape.spec)?, kind)));
        let block = |block: &ResidualWeights| match block {
            ResidualWeights::Bottleneck(weights, _) => form(&weights.map(to), convolver),
            ResidualWeights::Basic(weights, _) => weights.prepare(to, convolver),
        };
        let top = weights.top().map(|top| prepare(&top.kernel, ConvSpec::UNIT));
        let blocks = weights.blocks().iter().map(block).collect::<Result<_>>()?;
        Ok(Self { stem: stem.transpose()?, blocks, top: top.transpose()? })
    }

    /// Turns an input N x 3 x H x W into features N x C x h x w, the output of the last block. `watch` is called with
    /// the number and the input of each block.
    ///
    /// Errors: an input that the network cannot take.
    pub fn features(
        &self,
        x: ArrayView4<'_, S>,
        functions: &NetworkFunctions<S>,
        convolver: &V,
        watch: &mut dyn FnMut(usize, ArrayView4<'_, S>),
    ) -> Result<Array4<S>> {
        let mut y = match &self.stem {
            Some((kernel, kind)) => stem::run(*kind, x, kernel, functions.stem(), convolver)?,
            None => x.to_owned(),
        };
        for (number, block) in self.blocks.iter().enumerate() {
            watch(number, y.view());
            y = block.forward(y.view(), &functions.block(number), convolver)?;
        }
        Ok(y)
    }

    /// Turns features into logits, N x classes, by global average pooling and the fully connected layer. If there is
    /// no such layer, returns the pooled features, N x C.
    ///
    /// Errors: features whose number of channels does not suit the layer.
    pub fn logits(
        &self,
        features: ArrayView4<'_, S>,
        functions: &NetworkFunctions<S>,
        convolver: &V,
    ) -> Result<Array2<S>> {
        let pooled = average_pool(features);
        let logits = match &self.top {
            Some(kernel) => {
                convolver.conv(pooled.view(), kernel, &Epilogue::only(functions.bias()))?
            }
            None => pooled,
        };
        Ok(logits.remove_axis(Axis(3)).remove_axis(Axis(2)))
    }
}

/// Averages each channel, so that N x C x H x W becomes N x C x 1 x 1. The mean is the sum of the channel's values,
/// divided by their number.
pub fn average_pool<S: Real>(x: ArrayView4<'_, S>) -> Array4<S> {
    let (n, c, h, w) = x.dim();
    let length = S::from_f64((h * w) as f64);
    let mut pooled = Array2::from_elem((n, c), S::zero());
    for (image, mut sums) in x.outer_iter().zip(pooled.outer_iter_mut()) {
        // Pixel by pixel, because the channels of a pixel may be adjacent in memory.
        for pixel in image.lanes(Axis(0)) {
            Zip::from(&mut sums).and(pixel).for_each(|sum, value| *sum = sum.add(value));
        }
        sums.mapv_inplace(|sum| sum.div(&length));
    }
    pooled.insert_axis(Axis(2)).insert_axis(Axis(3))
}

/// The functions between the convolutions of a network: folded batch norms, ReLU, and the bias of the last layer. The
/// bias is an affine function with scale 1.
pub struct NetworkFunctions<S> {
    stem: Option<Normalise<S>>,
    blocks: Vec<NormFunctions<S>>,
    bias: Option<Normalise<S>>,
}

impl<S: Real> NetworkFunctions<S> {
    /// The functions of a network in inference mode.
    ///
    /// Errors: those of [`BatchNorm::fold`](crate::block::BatchNorm::fold).
    pub fn new(weights: &NetworkWeights) -> Result<Self> {
        let relu = Activation::Relu;
        let fold = |norm: &BatchNorm<f32>| -> Result<Normalise<S>> {
            Ok(norm.cast::<S>().fold()?.then(relu))
        };
        let stem = weights.stem().map(|stem| fold(&stem.norm)).transpose()?;
        let block = |block: &ResidualWeights| NormFunctions::new(&block.norms().cast(), relu);
        let blocks = weights.blocks().iter().map(block).collect::<Result<_>>()?;
        let number = |value: &f32| S::from_f64(f64::from(*value));
        let affine = |bias: &f32| Affine { scale: S::one(), shift: number(bias), relu: false };
        let bias = weights.top().map(|top| Normalise::new(top.bias.iter().map(affine).collect()));
        Ok(Self { stem, blocks, bias })
    }

    /// No functions at all: only the convolutions, the poolings and the shortcuts remain.
    pub fn none() -> Self {
        Self { stem: None, blocks: Vec::new(), bias: None }
    }

    fn stem(&self) -> &dyn ChannelWise<S> {
        self.stem.as_ref().map_or(&Identity, |stem| stem)
    }

    /// The functions of a block.
    pub fn block(&self, number: usize) -> Functions<'_, S> {
        match self.blocks.get(number) {
            Some(functions) => functions.functions(),
            None => Functions::none(),
        }
    }

    fn bias(&self) -> &dyn ChannelWise<S> {
        self.bias.as_ref().map_or(&Identity, |bias| bias)
    }
}
