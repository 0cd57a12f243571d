//! The weights of a network, by the names of PyTorch's state dict.

use ndarray::{Array1, Array4, ArrayView4};

use super::architecture::{Architecture, BlockKind, Stem};
use super::state_dict::state_dict;
use super::zoo;
use crate::block::{
    BasicNorms, BasicWeights, BatchNorm, BlockNorms, BlockSpec, BlockWeights, Shortcut,
};
use crate::error::{Error, Result};

/// All weights of a network, in f32 as checkpoints have them.
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
    /// 64 x 3 x k x k.
    pub kernel: Array4<f32>,
    /// 64 channels.
    pub norm: BatchNorm<f32>,
}

/// A block and its batch norms.
#[derive(Clone, Debug, PartialEq)]
pub enum ResidualWeights {
    /// Of depth 3.
    Bottleneck(Box<BlockWeights<f32>>, Box<BlockNorms<f32>>),
    /// Of depth 2.
    Basic(Box<BasicWeights<f32>>, Box<BasicNorms<f32>>),
}

/// `fc`: a 1x1 convolution on the pooled features.
#[derive(Clone, Debug, PartialEq)]
pub struct TopWeights {
    /// classes x C x 1 x 1.
    pub kernel: Array4<f32>,
    /// One for each class.
    pub bias: Array1<f32>,
}

/// Where the numbers of a tensor come from, by its name and shape: drawn, or read.
pub type Source<'a> = dyn FnMut(&str, &[usize]) -> Result<Vec<f32>> + 'a;

/// Who looks at each tensor: its name, shape and numbers.
pub type Visitor<'a> = dyn FnMut(&str, &[usize], &[f32]) -> Result<()> + 'a;

/// Added to the variance of every batch norm: PyTorch's.
const EPSILON: f32 = 1e-5;

impl NetworkWeights {
    /// The weights of a network, each tensor from `source`, in the order of the state dict.
    ///
    /// # Errors
    ///
    /// Those of `source`; [`Error::Shape`] for too few or too many numbers; those of
    /// [`BatchNorm::new`] and of [`Architecture::bottlenecks`].
    pub fn assemble(architecture: &Architecture, source: &mut Source<'_>) -> Result<Self> {
        let mut from = Assembly { source };
        let stem = match architecture.stem {
            Stem::ImageNet => Some(from.stem(7)?),
            Stem::Cifar => Some(from.stem(3)?),
            Stem::None { .. } => None,
        };
        let mut blocks = Vec::new();
        let mut c_in = architecture.stem_channels();
        for (number, stage) in architecture.stages.iter().enumerate() {
            for block in 0..stage.blocks {
                let prefix = match architecture.is_block() {
                    true => String::new(),
                    false => format!("layer{}.{block}.", number + 1),
                };
                let stride = if block == 0 { stage.stride } else { 1 };
                blocks.push(match architecture.block {
                    BlockKind::Bottleneck => {
                        let spec = stage.bottleneck(c_in, stride, architecture.stride_on)?;
                        from.bottleneck(&prefix, spec)?
                    }
                    BlockKind::Basic => {
                        from.basic(&prefix, [c_in, stage.inner, stage.c_out], stride)?
                    }
                });
                c_in = stage.c_out;
            }
        }
        let top = architecture.classes.map(|classes| from.top(classes, c_in)).transpose()?;
        Ok(Self { architecture: architecture.clone(), stem, blocks, top })
    }

    /// The same function with the paths of each bottleneck bundled into `groups` wider ones: the 3x3 in
    /// fewer groups, zeros where weights were not. [`BlockWeights::in_paths`] for each block. ResNeXt-50
    /// 32x4d in one group has the shapes of Wide ResNet-50-2, and Wide ResNet-50-2 can compute it.
    ///
    /// # Errors
    ///
    /// [`Error::PathsDoNotDivide`].
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
            // Of depth 2, it has one path and no groups.
            ResidualWeights::Basic(..) if groups > 1 => {
                Err(Error::PathsDoNotDivide { paths: 1, fewer: groups })
            }
            ResidualWeights::Basic(..) => Ok(block.clone()),
        };
        let blocks = self.blocks.iter().map(wider).collect::<Result<_>>()?;
        Ok(Self { architecture, stem: self.stem.clone(), blocks, top: self.top.clone() })
    }

    /// What the network is.
    pub fn architecture(&self) -> &Architecture {
        &self.architecture
    }

    /// The stem, where there is one.
    pub fn stem(&self) -> Option<&StemWeights> {
        self.stem.as_ref()
    }

    /// The blocks, in order.
    pub fn blocks(&self) -> &[ResidualWeights] {
        &self.blocks
    }

    /// The fully connected layer, where there is one.
    pub fn top(&self) -> Option<&TopWeights> {
        self.top.as_ref()
    }

    /// Shows each tensor of the state dict, in its order, by name.
    ///
    /// # Errors
    ///
    /// Those of `visitor` and of [`state_dict`].
    pub fn visit(&self, visitor: &mut Visitor<'_>) -> Result<()> {
        for ((name, shape), numbers) in state_dict(&self.architecture)?.iter().zip(self.tensors()) {
            visitor(name, shape, &numbers)?;
        }
        Ok(())
    }

    /// The numbers of all tensors, in the order of the state dict.
    fn tensors(&self) -> Vec<Vec<f32>> {
        let mut tensors = Vec::new();
        if let Some(stem) = &self.stem {
            tensors.push(stem.kernel.iter().copied().collect());
            push_norm(&mut tensors, &stem.norm);
        }
        for block in &self.blocks {
            match block {
                ResidualWeights::Bottleneck(weights, norms) => {
                    let layers = [
                        (Some(weights.reduce()), Some(&norms.reduce)),
                        (Some(weights.transform()), Some(&norms.transform)),
                        (Some(weights.expand()), Some(&norms.expand)),
                        (weights.shortcut(), norms.shortcut.as_ref()),
                    ];
                    push_layers(&mut tensors, &layers);
                }
                ResidualWeights::Basic(weights, norms) => {
                    let layers = [
                        (Some(weights.first()), Some(&norms.first)),
                        (Some(weights.second()), Some(&norms.second)),
                        (weights.shortcut(), norms.shortcut.as_ref()),
                    ];
                    push_layers(&mut tensors, &layers);
                }
            }
        }
        if let Some(top) = &self.top {
            tensors.push(top.kernel.iter().copied().collect());
            tensors.push(top.bias.to_vec());
        }
        tensors
    }
}

/// A kernel and the batch norm after it, where there are such.
type LayerWeights<'a> = (Option<ArrayView4<'a, f32>>, Option<&'a BatchNorm<f32>>);

fn push_layers(tensors: &mut Vec<Vec<f32>>, layers: &[LayerWeights<'_>]) {
    for (kernel, norm) in layers {
        tensors.extend(kernel.map(|kernel| kernel.iter().copied().collect()));
        if let Some(norm) = norm {
            push_norm(tensors, norm);
        }
    }
}

fn push_norm(tensors: &mut Vec<Vec<f32>>, norm: &BatchNorm<f32>) {
    for which in 0..4 {
        tensors.push((0..norm.channels()).map(|channel| *norm.channel(channel)[which]).collect());
    }
}

/// The kernel and the batch norm of a shortcut, where it has them.
type Projection = (Option<Array4<f32>>, Option<BatchNorm<f32>>);

/// Tensors, put together.
struct Assembly<'a, 'b> {
    source: &'a mut Source<'b>,
}

impl Assembly<'_, '_> {
    fn kernel(&mut self, name: &str, shape: [usize; 4]) -> Result<Array4<f32>> {
        let numbers = (self.source)(name, &shape)?;
        let found = vec![numbers.len()];
        Array4::from_shape_vec(shape, numbers).map_err(|_| Error::Shape {
            what: "tensor of a network",
            expected: format!("{shape:?}, as {name} has"),
            found,
        })
    }

    fn vector(&mut self, name: &str, length: usize) -> Result<Array1<f32>> {
        let numbers = (self.source)(name, &[length])?;
        if numbers.len() != length {
            let expected = format!("[{length}], as {name} has");
            return Err(Error::Shape {
                what: "tensor of a network",
                expected,
                found: vec![numbers.len()],
            });
        }
        Ok(Array1::from_vec(numbers))
    }

    fn norm(&mut self, name: &str, channels: usize) -> Result<BatchNorm<f32>> {
        let gamma = self.vector(&format!("{name}.weight"), channels)?;
        let beta = self.vector(&format!("{name}.bias"), channels)?;
        let mean = self.vector(&format!("{name}.running_mean"), channels)?;
        let variance = self.vector(&format!("{name}.running_var"), channels)?;
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

    fn stem(&mut self, k: usize) -> Result<StemWeights> {
        let kernel = self.kernel("conv1.weight", [64, 3, k, k])?;
        Ok(StemWeights { kernel, norm: self.norm("bn1", 64)? })
    }

    /// A convolution and the batch norm after it.
    fn layer(
        &mut self,
        [conv, norm]: [String; 2],
        shape: [usize; 4],
    ) -> Result<(Array4<f32>, BatchNorm<f32>)> {
        let kernel = self.kernel(&format!("{conv}.weight"), shape)?;
        Ok((kernel, self.norm(&norm, shape[0])?))
    }

    fn numbered(
        &mut self,
        prefix: &str,
        number: usize,
        shape: [usize; 4],
    ) -> Result<(Array4<f32>, BatchNorm<f32>)> {
        self.layer([format!("{prefix}conv{number}"), format!("{prefix}bn{number}")], shape)
    }

    fn projection(&mut self, prefix: &str, channels: Option<[usize; 2]>) -> Result<Projection> {
        let Some([c_in, c_out]) = channels else { return Ok((None, None)) };
        let names = [format!("{prefix}downsample.0"), format!("{prefix}downsample.1")];
        let (kernel, norm) = self.layer(names, [c_out, c_in, 1, 1])?;
        Ok((Some(kernel), Some(norm)))
    }

    fn bottleneck(&mut self, prefix: &str, spec: BlockSpec) -> Result<ResidualWeights> {
        let (c_in, inner, c_out) = (spec.c_in(), spec.inner(), spec.c_out());
        let k = spec.kernel();
        let (first, reduce) = self.numbered(prefix, 1, [inner, c_in, 1, 1])?;
        let (second, transform) = self.numbered(prefix, 2, [inner, spec.width(), k, k])?;
        let (third, expand) = self.numbered(prefix, 3, [c_out, inner, 1, 1])?;
        let projected = spec.shortcut() == Shortcut::Projection;
        let (projection, shortcut) = self.projection(prefix, projected.then_some([c_in, c_out]))?;
        let weights = BlockWeights::new(spec, first, second, third, projection)?;
        let norms = BlockNorms { reduce, transform, expand, shortcut };
        Ok(ResidualWeights::Bottleneck(Box::new(weights), Box::new(norms)))
    }

    fn basic(
        &mut self,
        prefix: &str,
        [c_in, inner, c_out]: [usize; 3],
        stride: usize,
    ) -> Result<ResidualWeights> {
        let (one, first) = self.numbered(prefix, 1, [inner, c_in, 3, 3])?;
        let (two, second) = self.numbered(prefix, 2, [c_out, inner, 3, 3])?;
        let projected = stride > 1 || c_in != c_out;
        let (projection, shortcut) = self.projection(prefix, projected.then_some([c_in, c_out]))?;
        let weights = BasicWeights::new(stride, one, two, projection)?;
        let norms = BasicNorms { first, second, shortcut };
        Ok(ResidualWeights::Basic(Box::new(weights), Box::new(norms)))
    }

    fn top(&mut self, classes: usize, c_in: usize) -> Result<TopWeights> {
        // A matrix classes x C in the state dict.
        let numbers = (self.source)("fc.weight", &[classes, c_in])?;
        let found = vec![numbers.len()];
        let kernel = Array4::from_shape_vec([classes, c_in, 1, 1], numbers).map_err(|_| {
            let expected = format!("[{classes}, {c_in}], as fc.weight has");
            Error::Shape { what: "tensor of a network", expected, found }
        })?;
        Ok(TopWeights { kernel, bias: self.vector("fc.bias", classes)? })
    }
}
