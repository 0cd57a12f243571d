//! What one layer of a network has and does, each kind apart.

use super::sum::{add, product};
use super::{Macs, convolution, convolution_macs};
use crate::error::Result;
use crate::network::layers::{Layer, Map, Operation};

/// Numbers that a layer stores, by kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Parameters {
    /// Weights of convolutions: k k C_in C_out / groups each.
    pub convolution: u64,
    /// Scale and shift of batch norms: 2 a channel.
    pub batch_norm: u64,
    /// Weights of the fully connected layer.
    pub fully_connected: u64,
    /// Biases: of the fully connected layer; no convolution has one.
    pub bias: u64,
    /// Running mean and variance of batch norms, 2 a channel: stored, but no parameters, since they
    /// are not trained.
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
    /// Values that batch norms give.
    pub batch_norm: u64,
    /// Values that ReLUs give.
    pub relu: u64,
}

/// What a layer, or several, have and do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// What is stored.
    pub parameters: Parameters,
    /// What is done on one image.
    pub operations: Operations,
    /// Output channels of convolutions: the biases that they would have.
    pub convolution_channels: u64,
    /// Activations as timm counts them: values that convolutions and the fully connected layer give.
    pub activations: u64,
}

impl Parameters {
    /// Trained parameters of all kinds, as torchvision counts them: all but the statistics.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn trained(&self) -> Result<u64> {
        let kinds = [self.convolution, self.batch_norm, self.fully_connected, self.bias];
        kinds.into_iter().try_fold(0, |sum, kind| add("parameters", sum, kind))
    }
}

impl Operations {
    /// MACs of convolutions, all taps, and of the fully connected layer: torchvision's `_ops`.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn macs(&self) -> Result<u64> {
        add("multiply-adds", self.convolution.all_taps, self.fully_connected)
    }

    /// The same without the taps that fall on padding.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn macs_inside(&self) -> Result<u64> {
        add("multiply-adds", self.convolution.inside, self.fully_connected)
    }
}

impl Counts {
    /// Both together.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn plus(&self, other: &Self) -> Result<Self> {
        let (p, q) = (&self.parameters, &other.parameters);
        let (a, b) = (&self.operations, &other.operations);
        let (parameters, values) = ("parameters", "values of a forward pass");
        Ok(Self {
            parameters: Parameters {
                convolution: add(parameters, p.convolution, q.convolution)?,
                batch_norm: add(parameters, p.batch_norm, q.batch_norm)?,
                fully_connected: add(parameters, p.fully_connected, q.fully_connected)?,
                bias: add(parameters, p.bias, q.bias)?,
                statistics: add(parameters, p.statistics, q.statistics)?,
            },
            operations: Operations {
                convolution: a.convolution.plus(&b.convolution)?,
                fully_connected: add("multiply-adds", a.fully_connected, b.fully_connected)?,
                batch_norm: add(values, a.batch_norm, b.batch_norm)?,
                relu: add(values, a.relu, b.relu)?,
            },
            convolution_channels: add(
                parameters,
                self.convolution_channels,
                other.convolution_channels,
            )?,
            activations: add(values, self.activations, other.activations)?,
        })
    }
}

/// Counts a layer, for one image.
///
/// # Errors
///
/// Those of [`convolution_macs`].
///
/// ```
/// use triform::{count, network::zoo};
/// let layers = zoo::named("resnet50")?.layers((224, 224))?;
/// let stem = count::layer(&layers[0])?;
/// assert_eq!(stem.parameters.convolution, 7 * 7 * 3 * 64);
/// assert_eq!(stem.operations.macs()?, 118_013_952);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn layer(layer: &Layer) -> Result<Counts> {
    let mut counts = Counts::default();
    let (parameters, operations) = (&mut counts.parameters, &mut counts.operations);
    let values = values(&layer.operation, layer.output)?;
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

/// Values of an operation's output.
pub(super) fn values(operation: &Operation, (h, w): Map) -> Result<u64> {
    product("values of a map", &[operation.c_out(), h, w])
}
