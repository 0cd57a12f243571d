//! Networks as data: those of torchvision's ResNet class, and ResNeXt-29 for small images. There are no weights here.
//! [`layers`](super::layers) lists the layers of a network.

use super::layers::Role;
use crate::block::{BlockSpec, StrideOn};
use crate::conv::{ConvSpec, KernelShape};
use crate::error::{Error, Result, divide, none_is_0};

/// A residual network, or a single block.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Architecture {
    /// Its name, such as `resnext50_32x4d`.
    pub name: String,
    /// What comes before the stages.
    pub stem: Stem,
    /// The kind of block.
    pub block: BlockKind,
    /// The stages, in order.
    pub stages: Vec<Stage>,
    /// Which convolution of a bottleneck takes the stride.
    pub stride_on: StrideOn,
    /// The number of classes of the fully connected layer, which follows global average pooling. If it is `None`,
    /// there is no such layer (as with Keras's `include_top=False`), and the network ends in its features.
    pub classes: Option<usize>,
}

/// The layers before the stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stem {
    /// A 7x7 convolution from 3 to 64 channels with stride 2, batch norm, ReLU, and 3x3 max pooling with stride 2.
    ImageNet,
    /// A 3x3 convolution from 3 to 64 channels, batch norm and ReLU.
    Cifar,
    /// No stem. The network is a single block, whose input has this number of channels.
    None {
        /// Input channels of the block.
        channels: usize,
    },
}

/// The residual block that a network is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BlockKind {
    /// A block of depth 2: two 3x3 convolutions, as in ResNet-18 and 34. It has no grouped form (paper, Figure 4).
    Basic,
    /// A block of depth 3: a 1x1, a 3x3 and a 1x1 convolution.
    Bottleneck,
}

/// Blocks of one width. The first block takes the stride. Its shortcut is a projection if the stride or the channels
/// require a projection. All other shortcuts are the identity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stage {
    /// Number of blocks.
    pub blocks: usize,
    /// The number of groups of the 3x3, which is the cardinality C. In a basic block it is 1.
    pub groups: usize,
    /// Channels of the 3x3, `D = C d`.
    pub inner: usize,
    /// Output channels of each block.
    pub c_out: usize,
    /// Stride of the first block.
    pub stride: usize,
}

impl Architecture {
    /// torchvision's `ResNet(block, layers, groups, width_per_group)` with 1000 classes. In the first of its four
    /// stages, each 3x3 has `groups` groups of `width_per_group` channels. The width doubles from stage to stage. In
    /// the four stages, basic blocks have 64, 128, 256 and 512 output channels. Bottlenecks have four times as many.
    ///
    /// Errors: [`Error::Zero`]; [`Error::GroupedBasicBlock`] for a basic block unless it has 1 group of width 64;
    /// [`Error::TooManyElements`].
    pub fn resnet(
        name: &str,
        block: BlockKind,
        blocks: [usize; 4],
        groups: usize,
        width_per_group: usize,
    ) -> Result<Self> {
        Self::of_stages(name, Stem::ImageNet, block, &blocks, (groups, width_per_group))
            .map(|network| network.with_classes(1000))
    }

    /// ResNeXt-29 for images of 32 x 32, as in the paper's appendix A. It has three stages of three blocks, and 10
    /// classes.
    ///
    /// Errors: those of [`Architecture::resnet`].
    pub fn resnext29(name: &str, groups: usize, width_per_group: usize) -> Result<Self> {
        let (block, width) = (BlockKind::Bottleneck, (groups, width_per_group));
        Self::of_stages(name, Stem::Cifar, block, &[3; 3], width)
            .map(|network| network.with_classes(10))
    }

    /// A network that is a single bottleneck. It takes the channels, the paths and the stride from `spec`. The middle
    /// convolution is always a 3x3 with padding 1.
    pub fn single(spec: &BlockSpec) -> Self {
        let stage = Stage {
            blocks: 1,
            groups: spec.cardinality(),
            inner: spec.inner(),
            c_out: spec.c_out(),
            stride: spec.stride(),
        };
        Self {
            name: spec.name(),
            stem: Stem::None { channels: spec.c_in() },
            block: BlockKind::Bottleneck,
            stages: vec![stage],
            stride_on: StrideOn::default(),
            classes: None,
        }
    }

    fn of_stages(
        name: &str,
        stem: Stem,
        block: BlockKind,
        blocks: &[usize],
        (groups, width_per_group): (usize, usize),
    ) -> Result<Self> {
        none_is_0(&[("number of groups", groups), ("width of a group", width_per_group)])?;
        if block == BlockKind::Basic && (groups, width_per_group) != (1, 64) {
            return Err(Error::GroupedBasicBlock { groups, width_per_group });
        }
        let expansion = if block == BlockKind::Bottleneck { 4 } else { 1 };
        let stage = |(number, (&blocks, &planes)): (usize, (&usize, &usize))| {
            // torchvision: int(planes * (width_per_group / 64.)) * groups
            let factors = vec![planes, width_per_group, groups];
            let inner = planes.checked_mul(width_per_group).map(|product| product / 64);
            let inner = inner.and_then(|width| width.checked_mul(groups));
            let inner = inner.ok_or(Error::TooManyElements { what: "channels", factors })?;
            none_is_0(&[("number of blocks of a stage", blocks), ("width of a path", inner)])?;
            let stride = if number == 0 { 1 } else { 2 };
            Ok(Stage { blocks, groups, inner, c_out: expansion * planes, stride })
        };
        let stages = blocks
            .iter()
            .zip(&[64, 128, 256, 512])
            .enumerate()
            .map(stage)
            .collect::<Result<_>>()?;
        let stride_on = StrideOn::default();
        Ok(Self { name: name.to_owned(), stem, block, stages, stride_on, classes: None })
    }

    /// The same network with the stride of its bottlenecks on this convolution.
    pub fn with_stride_on(mut self, stride_on: StrideOn) -> Self {
        self.stride_on = stride_on;
        self
    }

    /// The same network with a fully connected layer of `classes` classes.
    pub fn with_classes(mut self, classes: usize) -> Self {
        self.classes = Some(classes);
        self
    }

    /// The same network without the fully connected layer: `include_top=False`.
    pub fn without_top(mut self) -> Self {
        self.classes = None;
        self
    }

    /// Whether it is a single block.
    pub fn is_block(&self) -> bool {
        matches!(self.stem, Stem::None { .. })
    }

    /// Height and width of the input for which counts are published. They are 224 x 224 for ImageNet's networks, 32 x
    /// 32 for networks on small images, and 56 x 56, the map of conv2, for a single block.
    pub fn usual_input(&self) -> (usize, usize) {
        match self.stem {
            Stem::ImageNet => (224, 224),
            Stem::Cifar => (32, 32),
            Stem::None { .. } => (56, 56),
        }
    }

    /// Channels of its input.
    pub fn input_channels(&self) -> usize {
        if let Stem::None { channels } = self.stem { channels } else { 3 }
    }

    /// Channels that the first stage reads.
    pub fn stem_channels(&self) -> usize {
        if let Stem::None { channels } = self.stem { channels } else { 64 }
    }

    /// Output channels of the last block: the number of features.
    pub(crate) fn features(&self) -> usize {
        let last = self.stages.iter().rfind(|stage| stage.blocks > 0);
        last.map_or(self.stem_channels(), |stage| stage.c_out)
    }

    /// Its blocks in order.
    ///
    /// Errors: those of [`BlockSpec::new`]; [`Error::GroupsDoNotDivide`].
    pub(crate) fn blocks(&self) -> Result<Vec<PlacedBlock>> {
        let (mut blocks, mut c_in) = (Vec::new(), self.stem_channels());
        for (stage, of) in (1..).zip(&self.stages) {
            for number in 1..=of.blocks {
                let stride = if number == 1 { of.stride } else { 1 };
                let (spec, kernels) = match self.block {
                    BlockKind::Bottleneck => {
                        let spec = of.bottleneck(c_in, stride, self.stride_on)?;
                        (Some(spec), spec.convolutions())
                    }
                    BlockKind::Basic => (None, of.basic(c_in, stride)?),
                };
                let prefix = match self.is_block() {
                    true => String::new(),
                    false => format!("layer{stage}.{}.", number - 1),
                };
                blocks.push(PlacedBlock { stage, number, prefix, spec, kernels });
                c_in = of.c_out;
            }
        }
        Ok(blocks)
    }

    /// The shapes of its bottlenecks. Each has its name from the paper's Table 1, such as `conv3_1`. There are none
    /// in a network of basic blocks.
    ///
    /// Errors: those of [`BlockSpec::new`]; [`Error::GroupsDoNotDivide`].
    pub fn bottlenecks(&self) -> Result<Vec<NamedBlock>> {
        let named = |PlacedBlock { stage, number, spec, .. }| {
            let name = format!("conv{}_{number}", stage + 1);
            spec.map(|spec| NamedBlock { name, spec })
        };
        Ok(self.blocks()?.into_iter().filter_map(named).collect())
    }
}

/// A residual block of a network. `stage` is the number of its stage, and `number` is its number within the stage;
/// both count from 1. The names of its tensors begin with `prefix`. `spec` is its shape, if its depth is 3.
pub(crate) struct PlacedBlock {
    pub(crate) stage: usize,
    pub(crate) number: usize,
    pub(crate) prefix: String,
    pub(crate) spec: Option<BlockSpec>,
    kernels: Vec<KernelShape>,
}

/// A convolution of a block, with its name and the name of the batch norm after it.
pub(crate) struct NamedConvolution {
    pub(crate) names: [String; 2],
    pub(crate) role: Role,
    pub(crate) kernel: KernelShape,
}

impl PlacedBlock {
    /// The stride of its first convolution.
    pub(crate) fn stride(&self) -> usize {
        self.kernels[0].spec.height().stride
    }

    /// Its convolutions in order. The shortcut's convolution comes last.
    pub(crate) fn convolutions(&self) -> impl Iterator<Item = NamedConvolution> {
        let roles: &[Role] = match self.spec {
            Some(_) => &Role::ALL,
            None => &[Role::Reduce, Role::Expand, Role::Projection],
        };
        (1..).zip(roles.iter().zip(&self.kernels)).map(|(number, (&role, &kernel))| {
            let names = match role {
                Role::Projection => ["downsample.0".to_owned(), "downsample.1".to_owned()],
                _ => [format!("conv{number}"), format!("bn{number}")],
            };
            let names = names.map(|name| format!("{}{name}", self.prefix));
            NamedConvolution { names, role, kernel }
        })
    }
}

impl Stem {
    /// Its convolution, if it has one.
    pub(crate) fn convolution(self) -> Option<KernelShape> {
        match self {
            Self::ImageNet => Some(KernelShape::square(7, 3, 64, ConvSpec::of(2, 3, 1))),
            Self::Cifar => Some(KernelShape::square(3, 3, 64, ConvSpec::of(1, 1, 1))),
            Self::None { .. } => None,
        }
    }
}

impl Stage {
    /// The kernels of a basic block: two 3x3, and the projection if the stride or the channels require it.
    fn basic(&self, c_in: usize, stride: usize) -> Result<Vec<KernelShape>> {
        let Self { inner, c_out, .. } = *self;
        let mut kernels = vec![
            KernelShape::square(3, c_in, inner, ConvSpec::new(stride, 1, 1, 1)?),
            KernelShape::square(3, inner, c_out, ConvSpec::of(1, 1, 1)),
        ];
        if stride > 1 || c_in != c_out {
            kernels.push(KernelShape::square(1, c_in, c_out, ConvSpec::new(stride, 0, 1, 1)?));
        }
        Ok(kernels)
    }

    fn bottleneck(&self, c_in: usize, stride: usize, stride_on: StrideOn) -> Result<BlockSpec> {
        let (groups, channels) = (self.groups, self.inner);
        none_is_0(&[("number of groups", groups)])?;
        divide(groups, channels, "input")?;
        BlockSpec::new(c_in, groups, channels / groups, self.c_out)?.with_stride(stride, stride_on)
    }
}

/// A block and its name in the paper's Table 1: `conv3_1` is the first of stage conv3.
#[derive(Clone, Debug)]
pub struct NamedBlock {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
}
