//! Sums and products that say so when 64 bits are not enough.

use crate::error::{Error, Result};

/// The sum of two counts.
pub(super) fn add(what: &'static str, left: u64, right: u64) -> Result<u64> {
    left.checked_add(right).ok_or(Error::CountTooLarge { what })
}

/// The product of sizes.
pub(super) fn product(what: &'static str, factors: &[usize]) -> Result<u64> {
    let product = factors.iter().try_fold(1u64, |product, &f| product.checked_mul(f as u64));
    product.ok_or_else(|| Error::TooManyElements { what, factors: factors.to_vec() })
}
