//! Counts in closed form, from shapes alone. This module never sees a tensor.

mod block;
mod budget;
pub mod conventions;
mod diagnose;
mod digits;
mod network;
pub mod published;

pub use self::block::{BlockMacs, BlockParameters, Macs, OfBlock, Work, block, block_layers};
pub use self::block::{block_macs, block_work, convolution, convolution_macs};
pub use self::budget::{Width, exact_width, preserving_width};
pub use self::diagnose::{Diagnosis, Fit, diagnose};
pub use self::digits::{Digits, thousands};
pub use self::network::{Counts, Memory, NetworkCounts, Operations, Parameters, layer, network};
pub use self::published::{PUBLISHED_ERRORS, PublishedError, published_error};
pub use conventions::{OperationRule, ParameterRule, Quantity};

use crate::error::{Error, Result};

/// The sum of two counts; an error if 64 bits are not enough.
fn add(what: &'static str, left: u64, right: u64) -> Result<u64> {
    left.checked_add(right).ok_or(Error::CountTooLarge { what })
}

/// `count * times`.
fn times(what: &'static str, count: u64, times: u64) -> Result<u64> {
    count.checked_mul(times).ok_or(Error::CountTooLarge { what })
}

/// The product of sizes.
fn product(what: &'static str, factors: &[usize]) -> Result<u64> {
    let product = factors.iter().try_fold(1u64, |product, &f| product.checked_mul(f as u64));
    product.ok_or_else(|| Error::TooManyElements { what, factors: factors.to_vec() })
}

/// The rows of a table whose columns are separated by bars. Lines that begin with `#` are comments.
fn rows<const N: usize>(table: &'static str) -> impl Iterator<Item = [&'static str; N]> {
    table.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let columns: Vec<&str> = line.split('|').map(str::trim).collect();
        columns.try_into().unwrap_or_else(|_| unreachable!("not {N} columns: {line}"))
    })
}
