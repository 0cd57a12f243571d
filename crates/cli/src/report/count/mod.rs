//! Counts of networks and blocks: in words, as JSON, as comma-separated values.

mod convolution;
mod csv;
mod json;
mod layers;
mod networks;
mod paper;
mod preserve;

pub use self::convolution::convolution;
pub use self::csv::csv;
pub use self::json::json;
pub use self::layers::layers;
pub use self::networks::networks;
pub use self::paper::paper;
pub use self::preserve::preserve;

use triform::block::StrideOn;
use triform::count::{self, NetworkCounts};
use triform::error::Result;
use triform::network::architecture::Architecture;
use triform::network::layers::Map;

/// A network, counted.
pub struct Counted {
    /// The network.
    pub network: Architecture,
    /// Height and width of its input.
    pub input: Map,
    /// What it has and does.
    pub counts: NetworkCounts,
}

impl Counted {
    /// Counts a network, on its usual input unless another is given.
    ///
    /// # Errors
    ///
    /// Those of [`network`](count::network()).
    pub fn new(network: Architecture, input: Option<Map>) -> Result<Self> {
        let input = input.unwrap_or_else(|| network.usual_input());
        let counts = count::network(&network, input)?;
        Ok(Self { network, input, counts })
    }

    /// Its parameters, counted plainly: of a single block, its convolutions.
    fn parameters(&self) -> Result<u64> {
        let rule = count::ParameterRule::plain(self.network.is_block());
        rule.count(&self.counts.total)
    }

    /// Its MACs, with the stride on this convolution.
    fn macs_with(&self, stride_on: StrideOn) -> Result<u64> {
        let network = self.network.clone().with_stride_on(stride_on);
        count::network(&network, self.input)?.total.operations.macs()
    }

    /// Whether it is the network as published, so that published figures are about it.
    fn is_as_published(&self) -> Result<bool> {
        let published = triform::network::zoo::named(&self.network.name)?;
        Ok(published == self.network && self.input == published.usual_input())
    }
}

/// As the options call it.
fn stride_word(stride_on: StrideOn) -> &'static str {
    match stride_on {
        StrideOn::Transform => "3x3",
        StrideOn::Reduce => "1x1",
    }
}
