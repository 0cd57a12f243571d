//! Closed forms for what a block has, from its shape alone: this floor never
//! sees a tensor.

mod accuracy;
mod budget;
pub mod conventions;
mod diagnose;
mod digits;
mod layer;
mod macs;
mod network;
pub mod published;
mod rules;
mod sum;
mod work;

pub use self::accuracy::{PUBLISHED_ERRORS, PublishedError, published_error};
pub use self::budget::{Width, exact_width, preserving_width};
pub use self::diagnose::{Diagnosis, Fit, diagnose};
pub use self::digits::{Digits, thousands};
pub use self::layer::{Counts, Operations, Parameters, layer};
pub use self::macs::{BlockMacs, Macs, block_macs, convolution_macs};
pub use self::network::{Memory, NetworkCounts, network, sum};
pub use self::rules::{OperationRule, ParameterRule, Quantity};
pub use self::work::{Work, block_layers, block_work};

use crate::block::{BlockSpec, Shortcut};
use crate::error::{Error, Result};

/// Parameters of a convolution without bias: k_h k_w C_in C_out / groups, which is
/// 1/groups of the dense one's.
///
/// # Errors
///
/// [`Error::GroupsDoNotDivide`]; [`Error::TooManyElements`] beyond 64 bits.
///
/// ```
/// use triform::count::convolution;
/// assert_eq!(convolution(3, 3, 128, 128, 32)?, 4_608);
/// assert_eq!(convolution(3, 3, 128, 128, 1)?, 32 * 4_608);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn convolution(
    k_h: usize,
    k_w: usize,
    c_in: usize,
    c_out: usize,
    groups: usize,
) -> Result<u64> {
    for (which, channels) in [("input", c_in), ("output", c_out)] {
        if groups == 0 {
            return Err(Error::Zero { what: "groups" });
        }
        if !channels.is_multiple_of(groups) {
            return Err(Error::GroupsDoNotDivide { groups, channels, which });
        }
    }
    sum::product("parameters", &[k_h, k_w, c_in / groups, c_out])
}

/// Parameters of a block's convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockParameters {
    /// The three convolutions: C (C_in d + k k d d + d C_out), the paper's "about 70k".
    pub convolutions: u64,
    /// The projection of the shortcut, C_in C_out, where there is one.
    pub shortcut: u64,
}

/// Counts a block's parameters, batch norms apart.
///
/// # Errors
///
/// [`Error::TooManyElements`].
///
/// ```
/// use triform::{block::BlockSpec, count::block};
/// // The paper, section 3.4: about 70k parameters in both templates of Figure 1.
/// assert_eq!(block(&BlockSpec::new(256, 32, 4, 256)?)?.convolutions, 70_144);
/// assert_eq!(block(&BlockSpec::new(256, 1, 64, 256)?)?.convolutions, 69_632);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn block(spec: &BlockSpec) -> Result<BlockParameters> {
    let (inner, k, groups) = (spec.inner(), spec.kernel(), spec.cardinality());
    let layers = [
        convolution(1, 1, spec.c_in(), inner, 1)?,
        convolution(k, k, inner, inner, groups)?,
        convolution(1, 1, inner, spec.c_out(), 1)?,
    ];
    let add = |total, layer: &u64| sum::add("parameters of a block", total, *layer);
    let convolutions = layers.iter().try_fold(0, add)?;
    let shortcut = match spec.shortcut() {
        Shortcut::Projection => convolution(1, 1, spec.c_in(), spec.c_out(), 1)?,
        Shortcut::None | Shortcut::Identity => 0,
    };
    Ok(BlockParameters { convolutions, shortcut })
}
