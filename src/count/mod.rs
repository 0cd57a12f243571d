//! Closed forms for what a block has, from its shape alone: this floor never
//! sees a tensor.

mod macs;

pub use self::macs::{BlockMacs, Macs, block_macs, convolution_macs};

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
    let factors = [k_h, k_w, c_in / groups, c_out];
    let product = factors.iter().try_fold(1u64, |product, &f| product.checked_mul(f as u64));
    product.ok_or_else(|| Error::TooManyElements { what: "parameters", factors: factors.to_vec() })
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
    let convolutions = layers.iter().try_fold(0u64, |sum, &layer| sum.checked_add(layer));
    let shortcut = match spec.shortcut() {
        Shortcut::Projection => convolution(1, 1, spec.c_in(), spec.c_out(), 1)?,
        Shortcut::None | Shortcut::Identity => 0,
    };
    let too_many =
        || Error::TooManyElements { what: "parameters of a block", factors: vec![inner, k] };
    Ok(BlockParameters { convolutions: convolutions.ok_or_else(too_many)?, shortcut })
}
