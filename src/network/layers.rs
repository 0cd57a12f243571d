//! The layers of a network, one by one, by the names of PyTorch's state dict, each with the map that
//! it reads and the one that it gives.

use std::fmt;

use super::architecture::{Architecture, BlockKind, Stage, Stem};
use crate::block::{Shortcut, StrideOn};
use crate::conv::ConvSpec;
use crate::error::{Error, Result};

/// Height and width.
pub type Map = (usize, usize);

/// A layer of a network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name, such as `layer1.0.conv2`.
    pub name: String,
    /// Where it stands.
    pub place: Place,
    /// What it is in its block, for a convolution and the batch norm after it.
    pub role: Option<Role>,
    /// Paths of its block: the cardinality C; 1 outside the blocks.
    pub paths: usize,
    /// What it does.
    pub operation: Operation,
    /// The map that it reads.
    pub input: Map,
    /// The map that it gives.
    pub output: Map,
}

/// The part of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// Before the stages.
    Stem,
    /// In a stage, counted from 1.
    Stage(usize),
    /// Average pooling and the fully connected layer.
    Top,
}

/// As the paper's Table 1 calls it.
impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stem => f.pad("conv1"),
            Self::Stage(number) => f.pad(&format!("conv{}", number + 1)),
            Self::Top => f.pad("fc"),
        }
    }
}

/// What a convolution is in its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// The first 1x1 of a bottleneck.
    Reduce,
    /// The grouped 3x3.
    Transform,
    /// The last 1x1.
    Expand,
    /// The first 3x3 of a basic block.
    First,
    /// Its second.
    Second,
    /// The 1x1 of a shortcut.
    Projection,
}

/// What a layer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// A k x k convolution without bias.
    Convolution {
        /// Kernel size.
        k: usize,
        /// Input channels.
        c_in: usize,
        /// Output channels.
        c_out: usize,
        /// Stride, padding, groups.
        spec: ConvSpec,
    },
    /// Batch norm.
    BatchNorm {
        /// Channels.
        channels: usize,
    },
    /// ReLU.
    Relu {
        /// Channels.
        channels: usize,
    },
    /// The branch plus the shortcut.
    Add {
        /// Channels.
        channels: usize,
    },
    /// 3x3 max pooling.
    MaxPool {
        /// Channels.
        channels: usize,
    },
    /// Global average pooling.
    AveragePool {
        /// Channels.
        channels: usize,
    },
    /// A fully connected layer, with bias.
    FullyConnected {
        /// Inputs.
        c_in: usize,
        /// Outputs.
        c_out: usize,
    },
}

impl Operation {
    /// Channels that it reads.
    pub fn c_in(&self) -> usize {
        match *self {
            Self::Convolution { c_in, .. } | Self::FullyConnected { c_in, .. } => c_in,
            _ => self.c_out(),
        }
    }

    /// Channels that it gives.
    pub fn c_out(&self) -> usize {
        match *self {
            Self::Convolution { c_out, .. } | Self::FullyConnected { c_out, .. } => c_out,
            Self::BatchNorm { channels }
            | Self::Relu { channels }
            | Self::Add { channels }
            | Self::MaxPool { channels }
            | Self::AveragePool { channels } => channels,
        }
    }
}

impl Architecture {
    /// Its layers in the order of the forward pass, for an input map of H x W.
    ///
    /// # Errors
    ///
    /// [`Error::Zero`] for an empty map or a size of 0, [`Error::GroupsDoNotDivide`],
    /// [`Error::TooManyElements`].
    ///
    /// ```
    /// use triform::network::zoo;
    /// let layers = zoo::named("resnext50_32x4d")?.layers((224, 224))?;
    /// let conv2 = layers.iter().find(|layer| layer.name == "layer1.0.conv2").unwrap();
    /// assert_eq!((conv2.input, conv2.paths), ((56, 56), 32));
    /// # Ok::<(), triform::Error>(())
    /// ```
    pub fn layers(&self, input: Map) -> Result<Vec<Layer>> {
        let mut walk = Walk { layers: Vec::new(), map: input, place: Place::Stem, paths: 1 };
        for (what, size) in [("input height", input.0), ("input width", input.1)] {
            if size == 0 {
                return Err(Error::Zero { what });
            }
        }
        walk.stem(self.stem)?;
        let mut c_in = self.stem_channels();
        for (number, stage) in self.stages.iter().enumerate() {
            (walk.place, walk.paths) = (Place::Stage(number + 1), stage.groups);
            for block in 0..stage.blocks {
                let stride = if block == 0 { stage.stride } else { 1 };
                let prefix = match self.is_block() {
                    true => String::new(),
                    false => format!("layer{}.{block}.", number + 1),
                };
                let block = Block { prefix: &prefix, stage, c_in, stride };
                match self.block {
                    BlockKind::Bottleneck => walk.bottleneck(&block, self.stride_on)?,
                    BlockKind::Basic => walk.basic(&block)?,
                }
                c_in = stage.c_out;
            }
        }
        if let Some(classes) = self.classes {
            walk.top(c_in, classes)?;
        }
        Ok(walk.layers)
    }
}

/// The layers so far, and where we are.
struct Walk {
    layers: Vec<Layer>,
    map: Map,
    place: Place,
    paths: usize,
}

/// A block to be walked through.
struct Block<'a> {
    prefix: &'a str,
    stage: &'a Stage,
    c_in: usize,
    stride: usize,
}

/// Square kernel, channels in and out, geometry.
struct Kernel(usize, usize, usize, ConvSpec);

impl Walk {
    fn layer(&mut self, name: &str, role: Option<Role>, operation: Operation, output: Map) {
        let (place, paths, input) = (self.place, self.paths, self.map);
        let name = name.to_owned();
        self.layers.push(Layer { name, place, role, paths, operation, input, output });
        self.map = output;
    }

    /// A convolution and the batch norm after it.
    fn conv(
        &mut self,
        [conv, norm]: [&str; 2],
        role: Option<Role>,
        Kernel(k, c_in, c_out, spec): Kernel,
    ) -> Result<()> {
        let (h, w) = self.map;
        let output = (spec.output_size("height", h, k)?, spec.output_size("width", w, k)?);
        self.layer(conv, role, Operation::Convolution { k, c_in, c_out, spec }, output);
        self.layer(norm, role, Operation::BatchNorm { channels: c_out }, output);
        Ok(())
    }

    fn relu(&mut self, prefix: &str, channels: usize) {
        self.layer(&format!("{prefix}relu"), None, Operation::Relu { channels }, self.map);
    }

    fn stem(&mut self, stem: Stem) -> Result<()> {
        let kernel = match stem {
            Stem::ImageNet => Kernel(7, 3, 64, ConvSpec::new(2, 3, 1, 1)?),
            Stem::Cifar => Kernel(3, 3, 64, ConvSpec::new(1, 1, 1, 1)?),
            Stem::None { .. } => return Ok(()),
        };
        self.conv(["conv1", "bn1"], None, kernel)?;
        self.relu("", 64);
        if stem == Stem::ImageNet {
            let (pool, (h, w)) = (ConvSpec::new(2, 1, 1, 1)?, self.map);
            let output = (pool.output_size("height", h, 3)?, pool.output_size("width", w, 3)?);
            self.layer("maxpool", None, Operation::MaxPool { channels: 64 }, output);
        }
        Ok(())
    }

    fn bottleneck(&mut self, block: &Block<'_>, stride_on: StrideOn) -> Result<()> {
        let Block { prefix, stage, c_in, stride } = *block;
        let spec = stage.bottleneck(c_in, stride, stride_on)?;
        let (inner, c_out, input) = (spec.inner(), spec.c_out(), self.map);
        let transform = spec.transform(spec.cardinality());
        for (number, role, kernel) in [
            (1, Role::Reduce, Kernel(1, c_in, inner, spec.reduce())),
            (2, Role::Transform, Kernel(spec.kernel(), inner, inner, transform)),
            (3, Role::Expand, Kernel(1, inner, c_out, spec.expand())),
        ] {
            let names = [format!("{prefix}conv{number}"), format!("{prefix}bn{number}")];
            self.conv(names.each_ref().map(String::as_str), Some(role), kernel)?;
            if number < 3 {
                self.relu(prefix, inner);
            }
        }
        let projection = spec.shortcut() == Shortcut::Projection;
        self.merge(prefix, input, projection.then(|| Kernel(1, c_in, c_out, spec.projection())))
    }

    fn basic(&mut self, block: &Block<'_>) -> Result<()> {
        let Block { prefix, stage, c_in, stride } = *block;
        let (inner, c_out, input) = (stage.inner, stage.c_out, self.map);
        let (first, second) = (ConvSpec::new(stride, 1, 1, 1)?, ConvSpec::new(1, 1, 1, 1)?);
        let (conv1, bn1) = (format!("{prefix}conv1"), format!("{prefix}bn1"));
        self.conv([&conv1, &bn1], Some(Role::First), Kernel(3, c_in, inner, first))?;
        self.relu(prefix, inner);
        let (conv2, bn2) = (format!("{prefix}conv2"), format!("{prefix}bn2"));
        self.conv([&conv2, &bn2], Some(Role::Second), Kernel(3, inner, c_out, second))?;
        let projection = match c_in == c_out && stride == 1 {
            true => None,
            false => Some(Kernel(1, c_in, c_out, ConvSpec::new(stride, 0, 1, 1)?)),
        };
        self.merge(prefix, input, projection)
    }

    /// The shortcut, which reads the block's input; the sum; the last ReLU.
    fn merge(&mut self, prefix: &str, input: Map, projection: Option<Kernel>) -> Result<()> {
        let (output, channels) = match self.layers.last() {
            Some(last) => (self.map, last.operation.c_out()),
            None => return Ok(()),
        };
        if let Some(kernel) = projection {
            self.map = input;
            let names = [format!("{prefix}downsample.0"), format!("{prefix}downsample.1")];
            let role = Some(Role::Projection);
            self.conv(names.each_ref().map(String::as_str), role, kernel)?;
        }
        self.map = output;
        self.layer(&format!("{prefix}add"), None, Operation::Add { channels }, output);
        self.relu(prefix, channels);
        Ok(())
    }

    fn top(&mut self, c_in: usize, classes: usize) -> Result<()> {
        if classes == 0 {
            return Err(Error::Zero { what: "number of classes" });
        }
        (self.place, self.paths) = (Place::Top, 1);
        self.layer("avgpool", None, Operation::AveragePool { channels: c_in }, (1, 1));
        let fc = Operation::FullyConnected { c_in, c_out: classes };
        self.layer("fc", None, fc, (1, 1));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::{Operation, Place, Role};
    use crate::network::zoo;

    /// FACTS of the state dict of torchvision's resnext50_32x4d: 53 convolutions, 53 batch norms, and
    /// the shapes of the grouped ones.
    #[test]
    fn the_layers_are_those_of_the_state_dict() {
        let layers = zoo::named("resnext50_32x4d").unwrap().layers((224, 224)).unwrap();
        let is = |kind: fn(&Operation) -> bool| {
            layers.iter().filter(|layer| kind(&layer.operation)).count()
        };
        assert_eq!(is(|operation| matches!(operation, Operation::Convolution { .. })), 53);
        assert_eq!(is(|operation| matches!(operation, Operation::BatchNorm { .. })), 53);
        assert_eq!(is(|operation| matches!(operation, Operation::Relu { .. })), 49);
        assert_eq!(is(|operation| matches!(operation, Operation::Add { .. })), 16);
        let grouped: Vec<[usize; 2]> = layers
            .iter()
            .filter(|layer| layer.role == Some(Role::Transform) && layer.name.contains(".0."))
            .filter_map(|layer| match layer.operation {
                Operation::Convolution { c_in, c_out, spec, .. } => {
                    Some([c_out, c_in / spec.groups()])
                }
                _ => None,
            })
            .collect();
        assert_eq!(grouped, [[128, 4], [256, 8], [512, 16], [1024, 32]]);
        let names = ["conv1", "bn1", "layer1.0.downsample.0", "layer4.2.bn3", "fc"];
        assert!(names.iter().all(|name| layers.iter().any(|layer| layer.name == *name)));
    }

    #[test]
    fn maps_follow_one_another() {
        for network in zoo::all().unwrap() {
            for size in [(224, 224), (33, 65), (1, 1)] {
                let layers = network.layers(size).unwrap();
                let mut trunk = size;
                for layer in &layers {
                    if layer.role != Some(Role::Projection) {
                        assert_eq!(layer.input, trunk, "{} {}", network.name, layer.name);
                        trunk = layer.output;
                    } else if layer.name.ends_with(".1") {
                        assert_eq!(layer.output, trunk, "{} {}", network.name, layer.name);
                    }
                }
                assert_eq!(layers.last().unwrap().place, Place::Top);
            }
        }
    }
}
