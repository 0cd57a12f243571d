//! Counts the parameters and operations of each layer of a network, by kind. Also computes their sums, and the memory
//! that the network needs.

use super::{Macs, add, convolution, convolution_macs, product};
use crate::error::Result;
use crate::network::architecture::Architecture;
use crate::network::layers::{Layer, Map, Operation, Place, Role};

/// Numbers that a layer stores, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Weights of convolutions. Each convolution has `k k C_in C_out / groups`.
    pub convolution: u64,
    /// Scale and shift of batch norms: 2 per channel.
    pub batch_norm: u64,
    /// Weights of the fully connected layer.
    pub fully_connected: u64,
    /// Biases of the fully connected layer. Convolutions have no biases.
    pub bias: u64,
    /// Running mean and variance of batch norms, 2 per channel. They are stored but not trained, so
    /// they are not parameters.
    pub statistics: u64,
}

/// Work of a layer on one image, by kind. Only `convolution` and `fully_connected` are MACs, and only
/// they are counted in [`Operations::macs`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Operations {
    /// MACs of convolutions.
    pub convolution: Macs,
    /// MACs of the fully connected layer.
    pub fully_connected: u64,
    /// Output values of batch norms.
    pub batch_norm: u64,
    /// Output values of ReLUs.
    pub relu: u64,
}

/// The counts of a layer, or of several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What is stored.
    pub parameters: Parameters,
    /// What is computed on one image.
    pub operations: Operations,
    /// Output channels of convolutions: the number of biases they would have.
    pub convolution_channels: u64,
    /// Activations as timm counts them: output values of convolutions and the fully connected layer.
    pub activations: u64,
}

impl Parameters {
    /// Trained parameters of all kinds, as torchvision counts them: everything except the running statistics.
    ///
    /// Errors: [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn trained(&self) -> Result<u64> {
        let kinds = [self.convolution, self.batch_norm, self.fully_connected, self.bias];
        kinds.into_iter().try_fold(0, |sum, kind| add("parameters", sum, kind))
    }
}

impl Operations {
    /// MACs of the convolutions, at all taps, and of the fully connected layer. torchvision calls this number `_ops`.
    ///
    /// Errors: [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn macs(&self) -> Result<u64> {
        add("multiply-adds", self.convolution.all_taps, self.fully_connected)
    }

    /// The same MACs, without the taps that fall on padding.
    ///
    /// Errors: [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn macs_inside(&self) -> Result<u64> {
        add("multiply-adds", self.convolution.inside, self.fully_connected)
    }
}

impl Counts {
    /// All numbers in these counts, each with a name for error messages.
    fn numbers(&mut self) -> [(&'static str, &mut u64); 12] {
        let (p, o) = (&mut self.parameters, &mut self.operations);
        let (parameters, values) = ("parameters", "values of a forward pass");
        [
            (parameters, &mut p.convolution),
            (parameters, &mut p.batch_norm),
            (parameters, &mut p.fully_connected),
            (parameters, &mut p.bias),
            (parameters, &mut p.statistics),
            ("multiply-adds", &mut o.convolution.all_taps),
            ("multiply-adds", &mut o.convolution.inside),
            ("multiply-adds", &mut o.fully_connected),
            (values, &mut o.batch_norm),
            (values, &mut o.relu),
            (parameters, &mut self.convolution_channels),
            (values, &mut self.activations),
        ]
    }

    /// The sum of all these counts.
    pub(super) fn sum<'a>(all: impl IntoIterator<Item = &'a Self>) -> Result<Self> {
        let mut sum = Self::default();
        for counts in all {
            let mut counts = *counts;
            for ((what, sum), (_, more)) in sum.numbers().into_iter().zip(counts.numbers()) {
                *sum = add(what, *sum, *more)?;
            }
        }
        Ok(sum)
    }
}

/// Counts a layer, for one image.
///
/// Errors: those of [`convolution_macs`].
pub fn layer(layer: &Layer) -> Result<Counts> {
    let mut counts = Counts::default();
    let (parameters, operations) = (&mut counts.parameters, &mut counts.operations);
    let values = values(layer.operation.c_out(), layer.output)?;
    match layer.operation {
        Operation::Convolution { k, c_in, c_out, spec } => {
            parameters.convolution = convolution(k, k, c_in, c_out, spec.groups())?;
            operations.convolution = convolution_macs(k, c_in, c_out, &spec, layer.input)?;
            (counts.convolution_channels, counts.activations) = (c_out as u64, values);
        }
        Operation::BatchNorm { channels } => {
            parameters.batch_norm = product("parameters", &[2, channels])?;
            parameters.statistics = parameters.batch_norm;
            operations.batch_norm = values;
        }
        Operation::Relu { .. } => operations.relu = values,
        Operation::Add { .. } | Operation::MaxPool { .. } | Operation::AveragePool { .. } => {}
        Operation::FullyConnected { c_in, c_out } => {
            parameters.fully_connected = product("parameters", &[c_in, c_out])?;
            parameters.bias = c_out as u64;
            operations.fully_connected = parameters.fully_connected;
            counts.activations = values;
        }
    }
    Ok(counts)
}

/// The number of values of a feature map.
fn values(channels: usize, (h, w): Map) -> Result<u64> {
    product("values of a map", &[channels, h, w])
}

/// A network, counted for one image.
#[derive(Clone, Debug)]
pub struct NetworkCounts {
    /// Its layers in order, each with its counts.
    pub layers: Vec<(Layer, Counts)>,
    /// The sum over all layers.
    pub total: Counts,
    /// Bytes, in f32.
    pub memory: Memory,
}

/// Memory of a network in f32, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Parameters and running statistics.
    pub weights: u64,
    /// The most memory that one image needs at any time, if batch norm, ReLU and the sum work in place. It holds the
    /// input and output of a layer, and the tensor that is kept for the sum.
    pub peak: u64,
}

/// Counts a network for an image of H x W.
///
/// Errors: those of [`Architecture::layers`] and of [`layer`].
///
/// ```
/// use triform::{count, network::zoo};
/// let resnext50 = count::network(&zoo::named("resnext50_32x4d")?, (224, 224))?.total;
/// assert_eq!(resnext50.parameters.trained()?, 25_028_904);
/// assert_eq!(resnext50.operations.macs()?, 4_230_479_872);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn network(network: &Architecture, input: Map) -> Result<NetworkCounts> {
    let counted = |each: Layer| layer(&each).map(|counts| (each, counts));
    let layers = network.layers(input)?.into_iter().map(counted).collect::<Result<Vec<_>>>()?;
    let total = Counts::sum(layers.iter().map(|(_, counts)| counts))?;
    let memory = memory(&layers, &total)?;
    Ok(NetworkCounts { layers, total, memory })
}

impl NetworkCounts {
    /// The counts of each part of the network, in order.
    ///
    /// Errors: [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn by_place(&self) -> Result<Vec<(Place, Counts)>> {
        let parts = self.layers.chunk_by(|(left, _), (right, _)| left.place == right.place);
        let part = |layers: &[(Layer, Counts)]| {
            Ok((layers[0].0.place, Counts::sum(layers.iter().map(|(_, counts)| counts))?))
        };
        parts.map(part).collect()
    }
}

fn memory(layers: &[(Layer, Counts)], total: &Counts) -> Result<Memory> {
    let what = "bytes of memory";
    let bytes = |numbers: u64| add(what, numbers, numbers).and_then(|half| add(what, half, half));
    let stored = add(what, total.parameters.trained()?, total.parameters.statistics)?;
    let (mut peak, mut block_input) = (0, 0);
    for (layer, _) in layers {
        let operation = &layer.operation;
        if let Operation::BatchNorm { .. } | Operation::Relu { .. } | Operation::Add { .. } =
            operation
        {
            continue; // in place
        }
        let input = values(operation.c_in(), layer.input)?;
        let output = values(operation.c_out(), layer.output)?;
        let waiting = match layer.role {
            Some(Role::Reduce) => {
                block_input = input;
                0 // its input is the tensor that is kept for the sum
            }
            Some(Role::Transform | Role::Expand) => block_input,
            Some(Role::Projection) => output, // the branch
            None => 0,
        };
        peak = add(what, add(what, input, output)?, waiting)?.max(peak);
    }
    Ok(Memory { weights: bytes(stored)?, peak: bytes(peak)? })
}

#[cfg(test)]
mod tests {
    use super::network;
    use crate::block::BlockSpec;
    use crate::network::architecture::{Architecture, BlockKind, Stage};
    use crate::network::zoo;

    /// The expected numbers were computed by hand. The first is for the block `256-1x64-256` on a 2x2 map. While the
    /// last 1x1 runs, memory holds its input (64 channels of 4 values), its output (256 channels) and the block's
    /// input (256 channels).
    #[test]
    fn the_most_memory_at_once_is_where_it_must_be() {
        let block = Architecture::single(&BlockSpec::new(256, 1, 64, 256).unwrap());
        let counts = network(&block, (2, 2)).unwrap();
        assert_eq!(counts.memory.peak, 4 * 4 * (64 + 256 + 256));
        assert_eq!(counts.memory.weights, 4 * (69_632 + 2 * 2 * (64 + 64 + 256)));
        // In conv2_1 of ResNet-50, while the projection runs: its input and output and the branch.
        let resnet = network(&zoo::named("resnet50").unwrap(), (224, 224)).unwrap();
        assert_eq!(resnet.memory.peak, 4 * 56 * 56 * (64 + 256 + 256));
        // In ResNet-18, while the pool runs.
        let resnet = network(&zoo::named("resnet18").unwrap(), (224, 224)).unwrap();
        assert_eq!(resnet.memory.peak, 4 * 64 * (112 * 112 + 56 * 56));
        // A wide 3x3, with the block's input waiting.
        let block = Architecture::single(&BlockSpec::new(4, 1, 64, 4).unwrap());
        assert_eq!(network(&block, (3, 5)).unwrap().memory.peak, 4 * 15 * (64 + 64 + 4));
        // Depth 2: the second 3x3, with the block's input waiting.
        let stage = Stage { blocks: 1, groups: 1, inner: 2, c_out: 8, stride: 1 };
        let (block, stages) = (BlockKind::Basic, vec![stage]);
        let single = Architecture::single(&"8x1x1".parse().unwrap());
        let basic = Architecture { block, stages, ..single };
        assert_eq!(network(&basic, (3, 5)).unwrap().memory.peak, 4 * 15 * (2 + 8 + 8));
    }

    /// The expected number is the number of outputs of three convolutions and one fully connected layer.
    #[test]
    fn activations_are_outputs_of_convolutions_and_of_the_top() {
        let block = Architecture::single(&BlockSpec::new(8, 1, 2, 8).unwrap()).with_classes(5);
        let counted = network(&block, (3, 5)).unwrap().total;
        assert_eq!(counted.activations, 15 * (2 + 2 + 8) + 5);
    }
}
