//! Published counts, each with its source and the quantity that it counts. triform's own count reproduces each
//! published count, in some cases only with a mistake from the list. This module also has published errors on
//! ImageNet's validation images. They are quoted, not measured here.

use std::sync::LazyLock;

use super::conventions::{self, Convention, Quantity};
use super::digits::Digits;
use super::rows;
use crate::error::Result;
use crate::network::zoo;

/// A published number.
#[derive(Clone, Debug)]
pub struct Published {
    /// The network or block.
    pub network: &'static str,
    /// What was counted.
    pub quantity: Quantity,
    /// The number as published.
    pub text: &'static str,
    /// Who published it.
    pub source: &'static str,
    /// Its counting conventions and mistakes, by name.
    pub conventions: Vec<&'static str>,
}

impl Published {
    /// The counting conventions and mistakes that `conventions` names.
    pub fn conventions(&self) -> Result<Vec<&'static Convention>> {
        self.conventions.iter().map(|name| conventions::named(name)).collect()
    }

    /// triform's count of the same network with the same conventions.
    pub fn computed(&self) -> Result<u64> {
        let network = zoo::named(self.network)?;
        conventions::count(&network, &self.conventions()?, self.quantity)
    }

    /// Whether somebody built or counted the network wrongly. (The ResNet paper's stride on the first 1x1 and its
    /// padded shortcuts are not mistakes in a ResNet.)
    pub fn is_mistake(&self) -> Result<bool> {
        let ways = self.conventions()?;
        Ok(self.source != "ResNet paper, Table 1"
            && ways.iter().any(|convention| convention.is_mistake()))
    }

    /// Whether triform's count agrees with every digit of the published number.
    pub fn is_met(&self) -> Result<bool> {
        let (digits, computed) = (self.text.parse::<Digits>()?, self.computed()?);
        let cut = self.conventions()?.iter().any(|convention| convention.is_of_digits());
        Ok(if cut { digits.holds_cut_off(computed) } else { digits.holds(computed) })
    }
}

/// The published numbers about this network.
pub fn about(network: &str) -> impl Iterator<Item = &'static Published> {
    PUBLISHED.iter().filter(move |published| published.network == network)
}

/// All published numbers, in the order of published.txt.
pub static PUBLISHED: LazyLock<Vec<Published>> = LazyLock::new(|| {
    let published = |[network, quantity, text, source, conventions]: [&'static str; 5]| Published {
        network,
        quantity: if quantity == "macs" { Quantity::Macs } else { Quantity::Parameters },
        text,
        source,
        conventions: conventions.split_whitespace().collect(),
    };
    rows(include_str!("published.txt")).map(published).collect()
});

/// A published error.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PublishedError {
    /// The network's name in the zoo, or the name of a network outside this family.
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
    /// MACs of the network on an image of `size` x `size`.
    ///
    /// Errors: [`Error::NoSuchName`](crate::Error::NoSuchName) for a network that is not of this
    /// family.
    pub fn macs(&self, size: usize) -> Result<u64> {
        super::network(&zoo::named(self.network)?, (size, size))?.total.operations.macs()
    }
}

/// All published errors, in the order of errors.txt.
pub static PUBLISHED_ERRORS: LazyLock<Vec<PublishedError>> = LazyLock::new(|| {
    let number = |text: &str| text.parse().unwrap_or_else(|_| unreachable!("no number: {text}"));
    let error = |[network, crop, top1, top5, source]: [&'static str; 5]| PublishedError {
        network,
        crop: number(crop) as usize,
        top1: number(top1),
        top5: (!top5.is_empty()).then(|| number(top5)),
        source,
    };
    rows(include_str!("errors.txt")).map(error).collect()
});

/// The published error of a network at a crop.
pub fn published_error(network: &str, crop: usize) -> Option<&'static PublishedError> {
    PUBLISHED_ERRORS.iter().find(|error| error.network == network && error.crop == crop)
}

#[cfg(test)]
mod tests {
    use super::PUBLISHED;
    use crate::count::Quantity;

    /// Checks that no published count is met by chance. If one of its conventions is left out, or if batch norm's
    /// operations are added, the number is different.
    #[test]
    fn a_published_number_is_not_met_by_another_rule() {
        // These have so few digits that leaving out one of their conventions makes no difference.
        let either_way = ["25.0e6", "34.4M", "1.8e9", "4.12G"];
        let of_one_meaning =
            PUBLISHED.iter().filter(|published| !either_way.contains(&published.text));
        for published in of_one_meaning {
            for skip in 0..published.conventions.len() {
                let mut fewer = published.clone();
                let skipped = fewer.conventions.remove(skip);
                assert!(!fewer.is_met().unwrap(), "{published:?} without {skipped}");
            }
        }
        for published in PUBLISHED.iter().filter(|published| {
            published.quantity == Quantity::Macs && published.source.starts_with("torchvision")
        }) {
            let conventions = vec!["batch-norm-operations"];
            let more = super::Published { conventions, ..published.clone() };
            assert!(!more.is_met().unwrap(), "{published:?}");
        }
    }
}
