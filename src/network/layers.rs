//! The layers of a network. Each layer has its name in PyTorch's state dict, its input map, its output map and its
//! tensors.

use std::fmt;

use super::architecture::{Architecture, NamedConvolution, PlacedBlock, Stem};
use crate::conv::{ConvSpec, KernelShape};
use crate::error::{Result, none_is_0};

/// Height and width.
pub type Map = (usize, usize);

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name, such as `layer1.0.conv2`.
    pub name: String,
    /// Its place in the network.
    pub place: Place,
    /// Its role in its block. Only a convolution and the batch norm after it have a role.
    pub role: Option<Role>,
    /// The number of paths of its block, which is the cardinality C. It is 1 outside the blocks.
    pub paths: usize,
    /// What it does.
    pub operation: Operation,
    /// The map that it reads.
    pub input: Map,
    /// The map that it writes.
    pub output: Map,
}

/// A part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the stages.
    Stem,
    /// In a stage, counted from 1.
    Stage(usize),
    /// Average pooling and the fully connected layer.
    Top,
}

/// Writes the name of the part as in the paper's Table 1, such as `conv2`.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stem => f.pad("conv1"),
            Self::Stage(number) => f.pad(&format!("conv{}", number + 1)),
            Self::Top => f.pad("fc"),
        }
    }
}

/// The role of a convolution in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first 1x1 of a bottleneck, or the first 3x3 of a basic block.
    Reduce,
    /// The grouped 3x3 of a bottleneck.
    Transform,
    /// The last 1x1 of a bottleneck, or the second 3x3 of a basic block.
    Expand,
    /// The 1x1 of a shortcut.
    Projection,
}

impl Role {
    /// All roles, in the order of the state dict.
    pub(crate) const ALL: [Self; 4] =
        [Self::Reduce, Self::Transform, Self::Expand, Self::Projection];
}

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the head of `conv` explains the fields' letters")]
pub enum Operation {
    /// A k x k convolution without bias.
    Convolution { k: usize, c_in: usize, c_out: usize, spec: ConvSpec },
    /// Batch norm.
    BatchNorm { channels: usize },
    /// ReLU.
    Relu { channels: usize },
    /// The branch plus the shortcut.
    Add { channels: usize },
    /// 3x3 max pooling.
    MaxPool { channels: usize },
    /// Global average pooling.
    AveragePool { channels: usize },
    /// A fully connected layer, with bias.
    FullyConnected { c_in: usize, c_out: usize },
}

impl Operation {
    /// Channels that it reads.
    pub fn c_in(&self) -> usize {
        match *self {
            Self::Convolution { c_in, .. } | Self::FullyConnected { c_in, .. } => c_in,
            _ => self.c_out(),
        }
    }

    /// Channels that it writes.
    pub fn c_out(&self) -> usize {
        let (Self::Convolution { c_out: channels, .. }
        | Self::FullyConnected { c_out: channels, .. }
        | Self::BatchNorm { channels }
        | Self::Relu { channels }
        | Self::Add { channels }
        | Self::MaxPool { channels }
        | Self::AveragePool { channels }) = *self;
        channels
    }
}

impl Layer {
    /// The names and shapes of its tensors in the state dict, without a batch norm's counter of batches.
    pub fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let named: Vec<(&str, Vec<usize>)> = match self.operation {
            Operation::Convolution { k, c_in, c_out, spec } => {
                vec![("weight", vec![c_out, c_in / spec.groups(), k, k])]
            }
            Operation::BatchNorm { channels } => ["weight", "bias", "running_mean", "running_var"]
                .map(|part| (part, vec![channels]))
                .into(),
            Operation::FullyConnected { c_in, c_out } => {
                vec![("weight", vec![c_out, c_in]), ("bias", vec![c_out])]
            }
            _ => Vec::new(),
        };
        named.into_iter().map(|(part, shape)| (format!("{}.{part}", self.name), shape)).collect()
    }
}

impl Architecture {
    /// Its layers in the order of the forward pass, for an input map of H x W.
    ///
    /// Errors: an input map, a number of classes or another size that is 0; groups that do not divide the channels;
    /// sizes beyond 64 bits.
    pub fn layers(&self, input: Map) -> Result<Vec<Layer>> {
        let mut walk = Walk { layers: Vec::new(), map: input, place: Place::Stem, paths: 1 };
        none_is_0(&[("input height", input.0), ("input width", input.1)])?;
        if let Some(kernel) = self.stem.convolution() {
            walk.conv(["conv1", "bn1"], None, &kernel)?;
            walk.relu("", kernel.c_out);
        }
        if self.stem == Stem::ImageNet {
            let pool = KernelShape::square(3, 1, 1, ConvSpec::of(2, 1, 1));
            let output = pool.output_map(walk.map)?;
            walk.layer("maxpool", None, Operation::MaxPool { channels: 64 }, output);
        }
        for block in self.blocks()? {
            (walk.place, walk.paths) =
                (Place::Stage(block.stage), self.stages[block.stage - 1].groups);
            walk.block(&block)?;
        }
        if let Some(classes) = self.classes {
            walk.top(self.features(), classes)?;
        }
        Ok(walk.layers)
    }

    /// The names and shapes of the tensors in its state dict, without the counters of batches.
    ///
    /// Errors: those of [`Architecture::layers`].
    pub fn state_dict(&self) -> Result<Vec<(String, Vec<usize>)>> {
        Ok(self.layers(self.usual_input())?.iter().flat_map(Layer::tensors).collect())
    }
}

/// The layers listed so far, and the place in the network that was reached.
struct Walk {
    layers: Vec<Layer>,
    map: Map,
    place: Place,
    paths: usize,
}

impl Walk {
    fn layer(&mut self, name: &str, role: Option<Role>, operation: Operation, output: Map) {
        let (place, paths, input) = (self.place, self.paths, self.map);
        let name = name.to_owned();
        self.layers.push(Layer { name, place, role, paths, operation, input, output });
        self.map = output;
    }

    /// A convolution and the batch norm after it.
    fn conv<N: AsRef<str>>(
        &mut self,
        [conv, norm]: [N; 2],
        role: Option<Role>,
        kernel: &KernelShape,
    ) -> Result<()> {
        let output = kernel.output_map(self.map)?;
        let (k, c_in, c_out, spec) = (kernel.k_h, kernel.c_in(), kernel.c_out, kernel.spec);
        self.layer(conv.as_ref(), role, Operation::Convolution { k, c_in, c_out, spec }, output);
        self.layer(norm.as_ref(), role, Operation::BatchNorm { channels: c_out }, output);
        Ok(())
    }

    fn relu(&mut self, prefix: &str, channels: usize) {
        self.layer(&format!("{prefix}relu"), None, Operation::Relu { channels }, self.map);
    }

    /// Lists the branch, then the shortcut, which reads the block's input, then the sum and the last ReLU.
    fn block(&mut self, block: &PlacedBlock) -> Result<()> {
        let prefix = &block.prefix;
        let (input, mut output, mut channels) = (self.map, self.map, 0);
        for NamedConvolution { names, role, kernel } in block.convolutions() {
            if role == Role::Projection {
                self.map = input;
            }
            self.conv(names, Some(role), &kernel)?;
            match role {
                Role::Reduce | Role::Transform => self.relu(prefix, kernel.c_out),
                Role::Expand => (output, channels) = (self.map, kernel.c_out),
                Role::Projection => self.map = output,
            }
        }
        self.layer(&format!("{prefix}add"), None, Operation::Add { channels }, output);
        self.relu(prefix, channels);
        Ok(())
    }

    fn top(&mut self, c_in: usize, classes: usize) -> Result<()> {
        none_is_0(&[("number of classes", classes)])?;
        (self.place, self.paths) = (Place::Top, 1);
        self.layer("avgpool", None, Operation::AveragePool { channels: c_in }, (1, 1));
        let fc = Operation::FullyConnected { c_in, c_out: classes };
        self.layer("fc", None, fc, (1, 1));
        Ok(())
    }
}
