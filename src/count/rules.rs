//! What a published number counts: two people count one network and get two numbers, both right.

use super::layer::{Counts, Operations, Parameters};
use super::sum::add;
use crate::error::{Error, Result};

/// Parameters or operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Numbers stored.
    Parameters,
    /// Multiply-adds, or what is called so.
    Macs,
}

/// Which kinds a number of parameters counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterRule {
    /// Scale and shift of batch norms.
    pub batch_norm: bool,
    /// Their running mean and variance.
    pub statistics: bool,
    /// A bias of each convolution.
    pub convolution_bias: bool,
    /// Weights of the fully connected layer.
    pub fully_connected: bool,
    /// Its bias.
    pub bias: bool,
    /// Its outputs, if others than the network has.
    pub classes: Option<u64>,
}

/// What a number of operations counts, and at how much.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationRule {
    /// Operations that a multiply-add is counted as: 1, or 2 as FLOPs.
    pub multiply_add: u64,
    /// Operations for each value that a batch norm gives.
    pub batch_norm: u64,
    /// Operations for each value that a ReLU gives.
    pub relu: u64,
    /// Whether the fully connected layer counts.
    pub fully_connected: bool,
    /// What all is multiplied by at last: 1, or 2 where what has other operations in it already is taken
    /// for MACs and made FLOPs.
    pub times: u64,
}

impl ParameterRule {
    /// All that is trained: torchvision, PyTorch's `sum(p.numel() for p in model.parameters())`, Keras's
    /// "trainable params".
    pub const TRAINED: Self = Self {
        batch_norm: true,
        statistics: false,
        convolution_bias: false,
        fully_connected: true,
        bias: true,
        classes: None,
    };
    /// Without batch norm.
    pub const WITHOUT_NORM: Self = Self { batch_norm: false, ..Self::TRAINED };

    /// The plain count: of a network all that is trained, of a single block its convolutions.
    pub fn plain(is_block: bool) -> Self {
        if is_block { Self::WITHOUT_NORM } else { Self::TRAINED }
    }

    /// The count by this rule.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`].
    pub fn count(&self, counts: &Counts) -> Result<u64> {
        let Parameters { convolution, batch_norm, fully_connected, bias, statistics } =
            counts.parameters;
        let (fully_connected, bias) = top(self.classes, fully_connected, bias)?;
        [
            (true, convolution),
            (self.batch_norm, batch_norm),
            (self.statistics, statistics),
            (self.convolution_bias, counts.convolution_channels),
            (self.fully_connected, fully_connected),
            (self.bias, bias),
        ]
        .into_iter()
        .filter(|(counted, _)| *counted)
        .try_fold(0, |sum, (_, kind)| add("parameters", sum, kind))
    }
}

impl OperationRule {
    /// Multiply-adds of convolutions and the fully connected layer: torchvision's `_ops`, the paper's
    /// "FLOPs".
    pub const MACS: Self =
        Self { multiply_add: 1, batch_norm: 0, relu: 0, fully_connected: true, times: 1 };

    /// The count by this rule.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`].
    pub fn count(&self, counts: &Counts) -> Result<u64> {
        let Operations { convolution, fully_connected, batch_norm, relu, .. } = counts.operations;
        let what = "operations";
        let times =
            |count: u64, each: u64| count.checked_mul(each).ok_or(Error::CountTooLarge { what });
        let connected = if self.fully_connected { fully_connected } else { 0 };
        let macs = add(what, convolution.all_taps, connected)?;
        let parts = [(macs, self.multiply_add), (batch_norm, self.batch_norm), (relu, self.relu)];
        let sum =
            parts.into_iter().try_fold(0, |sum, (count, each)| add(what, sum, times(count, each)?));
        times(sum?, self.times)
    }
}

/// Weights and bias of the fully connected layer, with another number of outputs than it has.
/// Its bias says how many it has; where there is no such layer there are none with others either.
fn top(classes: Option<u64>, fully_connected: u64, bias: u64) -> Result<(u64, u64)> {
    match classes {
        Some(classes) if bias > 0 => {
            let what = "weights of the fully connected layer";
            let weights = (fully_connected / bias).checked_mul(classes);
            Ok((weights.ok_or(Error::CountTooLarge { what })?, classes))
        }
        _ => Ok((fully_connected, bias)),
    }
}
