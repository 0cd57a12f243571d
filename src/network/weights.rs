//! The weights of a network, by the names of PyTorch's state dict.

use ndarray::{Array1, Array4};

use super::architecture::{Architecture, PlacedBlock};
use super::basic::BasicWeights;
use super::zoo;
use crate::block::{BatchNorm, BlockNorms, BlockWeights};
use crate::conv::KernelShape;
use crate::error::{Error, Result};

/// All weights of a network, in f32 as in checkpoints.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkWeights {
    architecture: Architecture,
    stem: Option<StemWeights>,
    blocks: Vec<ResidualWeights>,
    top: Option<TopWeights>,
}

/// `conv1` and `bn1`.
#[derive(Clone, Debug, PartialEq)]
pub struct StemWeights {
    /// The kernel, 64 x 3 x k x k.
    pub kernel: Array4<f32>,
    /// 64 channels.
    pub norm: BatchNorm<f32>,
}

/// A block and its batch norms.
#[derive(Clone, Debug, PartialEq)]
pub enum ResidualWeights {
    /// A block of depth 3.
    Bottleneck(Box<BlockWeights<f32>>, Box<BlockNorms<f32>>),
    /// A block of depth 2. Its batch norms are `reduce` and `expand`; `transform` has no channels.
    Basic(Box<BasicWeights>, Box<BlockNorms<f32>>),
}

impl ResidualWeights {
    /// The batch norms of the block, whatever its depth.
    pub(super) fn norms(&self) -> &BlockNorms<f32> {
        let (Self::Bottleneck(_, norms) | Self::Basic(_, norms)) = self;
        norms
    }

    /// Its kernels in the order of the state dict, each with the batch norm after it.
    fn layers(&self) -> impl Iterator<Item = (&Array4<f32>, &BatchNorm<f32>)> {
        let kernels = match self {
            Self::Bottleneck(weights, _) => weights.owned_kernels(),
            Self::Basic(weights, _) => &weights.kernels,
        };
        kernels.iter().zip(self.norms().all().filter(|norm| norm.channels() > 0))
    }
}

/// The layer `fc`, as a 1x1 convolution on the pooled features.
#[derive(Clone, Debug, PartialEq)]
pub struct TopWeights {
    /// The kernel, classes x C x 1 x 1.
    pub kernel: Array4<f32>,
    /// One for each class.
    pub bias: Array1<f32>,
}

/// Returns the numbers of the tensor with this name and shape. They may be drawn, or read from a file.
pub type Source<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Called with the name, the shape and the numbers of each tensor.
pub type Visitor<'a> = dyn FnMut(&str, &[usize], &[f32]) -> Result<()> + 'a;

/// The epsilon that is added to the variance of every batch norm. It is PyTorch's default.
const EPSILON: f32 = 1e-5;

impl NetworkWeights {
    /// Assembles the weights of a network. It takes each tensor from `source`, in the order of the state dict.
    ///
    /// Errors: those of `source`; [`Error::Shape`] for too few or too many numbers; those of
    /// [`BatchNorm::new`] and of [`Architecture::bottlenecks`].
    pub fn assemble(architecture: &Architecture, source: &mut Source<'_>) -> Result<Self> {
        let mut from = Assembly { source };
        let stem = architecture.stem.convolution();
        let stem = stem.map(|kernel| from.layer(["conv1", "bn1"], &kernel)).transpose()?;
        let stem = stem.map(|(kernel, norm)| StemWeights { kernel, norm });
        let block = |block: &PlacedBlock| from.block(block);
        let blocks = architecture.blocks()?.iter().map(block).collect::<Result<_>>()?;
        let features = architecture.features();
        let top = architecture.classes.map(|classes| from.top(classes, features)).transpose()?;
        Ok(Self { architecture: architecture.clone(), stem, blocks, top })
    }

    /// The same network with the paths of each bottleneck merged into `groups` wider paths, by
    /// [`BlockWeights::in_paths`]. It computes the same function. The 3x3 has fewer groups, and zeros where there
    /// were no weights. ResNeXt-50 32x4d in one group has the shapes of Wide ResNet-50-2. So Wide ResNet-50-2 can
    /// compute every function of ResNeXt-50 32x4d.
    ///
    /// Errors: [`Error::PathsDoNotDivide`].
    pub fn in_groups(&self, groups: usize) -> Result<Self> {
        let mut architecture = self.architecture.clone();
        for stage in &mut architecture.stages {
            stage.groups = groups;
        }
        architecture.name = match zoo::same_but_for_its_name(&architecture)? {
            Some(name) => name,
            None => format!("{} in {groups} groups", architecture.name),
        };
        let wider = |block: &ResidualWeights| match block {
            ResidualWeights::Bottleneck(weights, norms) => {
                let weights = weights.in_paths(groups)?;
                Ok(ResidualWeights::Bottleneck(Box::new(weights), norms.clone()))
            }
            // A block of depth 2 has one path and no groups.
            ResidualWeights::Basic(..) if groups > 1 => {
                Err(Error::PathsDoNotDivide { paths: 1, fewer: groups })
            }
            ResidualWeights::Basic(..) => Ok(block.clone()),
        };
        let blocks = self.blocks.iter().map(wider).collect::<Result<_>>()?;
        Ok(Self { architecture, stem: self.stem.clone(), blocks, top: self.top.clone() })
    }

    /// The network's architecture.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The stem, if there is one.
    pub fn stem(&self) -> Option<&StemWeights> {
        self.stem.as_ref()
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[ResidualWeights] {
        &self.blocks
    }

    /// The fully connected layer, if there is one.
    pub fn top(&self) -> Option<&TopWeights> {
        self.top.as_ref()
    }

    /// Calls `visitor` with each tensor of the state dict, in order.
    ///
    /// Errors: those of `visitor`.
    pub fn visit(&self, visitor: &mut Visitor<'_>) -> Result<()> {
        let named = self.architecture.state_dict()?;
        named.iter().zip(self.tensors()).try_for_each(|((name, shape), x)| visitor(name, shape, &x))
    }

    /// The numbers of all tensors, in the order of the state dict.
    fn tensors(&self) -> Vec<Vec<f32>> {
        let stem = self.stem.iter().map(|stem| (&stem.kernel, &stem.norm));
        let mut tensors = Vec::new();
        for (kernel, norm) in stem.chain(self.blocks.iter().flat_map(ResidualWeights::layers)) {
            tensors.push(kernel.iter().copied().collect());
            tensors.extend(norm.arrays().map(|array| array.to_vec()));
        }
        if let Some(top) = &self.top {
            tensors.push(top.kernel.iter().copied().collect());
            tensors.push(top.bias.to_vec());
        }
        tensors
    }
}

/// Puts a network together from tensors.
struct Assembly<'a, 'b> {
    source: &'a mut Source<'b>,
}

impl Assembly<'_, '_> {
    /// Gets the numbers of a tensor, and checks that there are as many as its shape needs.
    fn numbers(&mut self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let numbers = (self.source)(name, shape)?;
        if numbers.len() != shape.iter().product::<usize>() {
            let (what, found) = ("tensor of a network", vec![numbers.len()]);
            return Err(Error::Shape {
                what,
                expected: format!("{shape:?}, the shape of {name}"),
                found,
            });
        }
        Ok(numbers)
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<BatchNorm<f32>> {
        let mut part = |part: &str| -> Result<Array1<f32>> {
            Ok(self.numbers(&format!("{name}.{part}"), &[channels])?.into())
        };
        let (gamma, beta) = (part("weight")?, part("bias")?);
        let (mean, variance) = (part("running_mean")?, part("running_var")?);
        let norm = BatchNorm::new(gamma, beta, mean, variance, EPSILON)?;
        // A scale or a shift that overflows is found here, where its name is known.
        match norm.fold() {
            Err(Error::NotFinite { what, index, value }) => {
                Err(Error::Overflow { what: format!("{what} of {name}"), index, value })
            }
            Err(other) => Err(other),
            Ok(_) => Ok(norm),
        }
    }

    /// A convolution and the batch norm after it.
    fn layer<N: AsRef<str>>(
        &mut self,
        [conv, norm]: [N; 2],
        shape: &KernelShape,
    ) -> Result<(Array4<f32>, BatchNorm<f32>)> {
        let name = format!("{}.weight", conv.as_ref());
        let kernel = kernel(shape.dimensions(), self.numbers(&name, &shape.dimensions())?);
        Ok((kernel, self.norm(norm.as_ref(), shape.c_out)?))
    }

    fn block(&mut self, block: &PlacedBlock) -> Result<ResidualWeights> {
        let layers = block.convolutions().map(|one| self.layer(one.names, &one.kernel));
        let layers = layers.collect::<Result<Vec<_>>>()?;
        let (kernels, mut norms): (Vec<_>, Vec<_>) = layers.into_iter().unzip();
        if block.spec.is_none() {
            norms.insert(1, BatchNorm::fresh(0));
        }
        let mut norms = norms.into_iter();
        let mut next = || norms.next();
        let (Some(reduce), Some(transform), Some(expand)) = (next(), next(), next()) else {
            unreachable!("a block has at least two convolutions, a bottleneck three")
        };
        let norms = Box::new(BlockNorms { reduce, transform, expand, shortcut: next() });
        Ok(match block.spec {
            Some(spec) => {
                ResidualWeights::Bottleneck(Box::new(BlockWeights::of(spec, kernels)?), norms)
            }
            None => {
                let stride = block.stride();
                ResidualWeights::Basic(Box::new(BasicWeights { stride, kernels }), norms)
            }
        })
    }

    /// The fully connected layer, which is a matrix of classes x C in the state dict.
    fn top(&mut self, classes: usize, c_in: usize) -> Result<TopWeights> {
        let numbers = self.numbers("fc.weight", &[classes, c_in])?;
        let bias = self.numbers("fc.bias", &[classes])?.into();
        Ok(TopWeights { kernel: kernel([classes, c_in, 1, 1], numbers), bias })
    }
}

/// A kernel of this shape, which must have as many elements as there are numbers.
fn kernel(shape: [usize; 4], numbers: Vec<f32>) -> Array4<f32> {
    let kernel = Array4::from_shape_vec(shape, numbers);
    kernel.unwrap_or_else(|error| unreachable!("they were counted: {error}"))
}
