//! Published errors on ImageNet's validation images, in percent. They are quoted, not measured here.

use crate::error::Result;
use crate::network::zoo;

/// A published error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedError {
    /// The network, by its name in the zoo; or one that is not of this family.
    pub network: &'static str,
    /// Height and width of the crop.
    pub crop: usize,
    /// Top-1 error, in percent.
    pub top1: f64,
    /// Top-5 error, in percent.
    pub top5: Option<f64>,
    /// Where it was published.
    pub source: &'static str,
}

impl PublishedError {
    /// MACs of the network at 224 x 224, or at another size.
    ///
    /// # Errors
    ///
    /// [`Error::NoSuchName`](crate::Error::NoSuchName) for a network that is not of this family.
    pub fn macs(&self, size: usize) -> Result<u64> {
        super::network(&zoo::named(self.network)?, (size, size))?.total.operations.macs()
    }
}

const fn error(
    network: &'static str,
    crop: usize,
    top1: f64,
    top5: Option<f64>,
    source: &'static str,
) -> PublishedError {
    PublishedError { network, crop, top1, top5, source }
}

const TABLE_3: &str = "paper, Table 3";
/// Table 3 has the top-1 errors, Table 4 the top-5 errors too.
const TABLES_3_AND_4: &str = "paper, Tables 3 and 4";
const TABLE_4: &str = "paper, Table 4";
const TABLE_5: &str = "paper, Table 5";

/// All of them, single crops. A new one is added here.
pub const PUBLISHED_ERRORS: &[PublishedError] = &[
    error("resnet50", 224, 23.9, None, TABLE_3),
    error("resnext50_2x40d", 224, 23.0, None, TABLE_3),
    error("resnext50_4x24d", 224, 22.6, None, TABLE_3),
    error("resnext50_8x14d", 224, 22.3, None, TABLE_3),
    error("resnext50_32x4d", 224, 22.2, None, TABLE_3),
    error("resnet101", 224, 22.0, Some(6.0), TABLES_3_AND_4),
    error("resnext101_2x40d", 224, 21.7, None, TABLE_3),
    error("resnext101_4x24d", 224, 21.4, None, TABLE_3),
    error("resnext101_8x14d", 224, 21.3, None, TABLE_3),
    error("resnext101_32x4d", 224, 21.2, Some(5.6), TABLES_3_AND_4),
    error("resnet200", 224, 21.7, Some(5.8), TABLE_4),
    error("resnext101_1x100d", 224, 21.3, Some(5.7), TABLE_4),
    error("resnext101_2x64d", 224, 20.7, Some(5.5), TABLE_4),
    error("resnext101_64x4d", 224, 20.4, Some(5.3), TABLE_4),
    error("resnet200", 320, 20.1, Some(4.8), TABLE_5),
    error("resnext101_64x4d", 320, 19.1, Some(4.4), TABLE_5),
    error("Inception-v3", 299, 21.2, Some(5.6), TABLE_5),
    error("Inception-v4", 299, 20.0, Some(5.0), TABLE_5),
    error("Inception-ResNet-v2", 299, 19.9, Some(4.9), TABLE_5),
];

/// The published error of a network at a crop.
pub fn published_error(network: &str, crop: usize) -> Option<&'static PublishedError> {
    PUBLISHED_ERRORS.iter().find(|error| error.network == network && error.crop == crop)
}
