//! In what a count departs from the plain one: the mistakes and the conventions that make two numbers
//! of one network.
//!
//! The plain count of a network is torchvision's: of parameters all that is trained, of MACs those of
//! convolutions and of the fully connected layer, every tap. That of a single block is the paper's: its
//! three convolutions alone.

mod edits;
mod list;

pub use self::list::ALL;

use super::layer::{Counts, layer};
use super::network::sum;
use super::rules::{OperationRule, ParameterRule, Quantity};
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::layers::{Layer, Map};

/// One thing that makes a count another.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// What it is called, such as `groups-ignored`.
    pub name: &'static str,
    /// The same in words.
    pub words: &'static str,
    /// Where it was seen, or who counts so.
    pub seen_in: &'static str,
    /// What it is about: no count departs twice in one thing.
    pub about: About,
    /// What it changes.
    pub(super) edit: Edit,
}

/// What a convention is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// The groups of the 3x3.
    Groups,
    /// The input of the paths.
    Input,
    /// Channels that a block gives.
    Output,
    /// Width from stage to stage.
    Width,
    /// Number of blocks.
    Depth,
    /// Where the stride sits.
    Stride,
    /// The place of the last batch norm.
    LastNorm,
    /// Whether batch norm counts.
    BatchNorm,
    /// Whether its running statistics count.
    Statistics,
    /// Biases of convolutions.
    Bias,
    /// The projections of shortcuts.
    Shortcut,
    /// The fully connected layer.
    Top,
    /// Its outputs.
    Classes,
    /// Whether ReLU counts.
    Relu,
    /// MACs or FLOPs.
    Flops,
    /// How the number is written.
    Digits,
}

/// What a convention changes, and by what.
#[derive(Clone, Copy, Debug)]
pub(super) enum Edit {
    /// The network.
    Network(fn(&mut Architecture)),
    /// A layer, before it is counted.
    Layer(fn(&mut Layer) -> Result<()>),
    /// What a layer counts for.
    Counts(fn(&Layer, &mut Counts)),
    /// Which kinds of parameters count.
    Parameters(fn(&mut ParameterRule)),
    /// Which operations count.
    Operations(fn(&mut OperationRule)),
    /// Both.
    Rules(fn(&mut ParameterRule, &mut OperationRule)),
    /// How the number is written.
    Digits,
}

impl Convention {
    /// Whether it is another network rather than another way to count one.
    pub fn is_mistake(&self) -> bool {
        matches!(self.edit, Edit::Network(_) | Edit::Layer(_) | Edit::Counts(_))
    }

    /// Whether it can change a count of this quantity.
    pub fn concerns(&self, quantity: Quantity) -> bool {
        match self.edit {
            Edit::Parameters(_) => quantity == Quantity::Parameters,
            Edit::Operations(_) => quantity == Quantity::Macs,
            _ => true,
        }
    }
}

/// The convention of this name.
///
/// # Errors
///
/// [`Error::NoSuchName`].
pub fn named(name: &str) -> Result<&'static Convention> {
    ALL.iter().find(|convention| convention.name == name).ok_or_else(|| {
        let names = ALL.iter().map(|convention| convention.name);
        Error::no_such_name("counting convention", name, names)
    })
}

/// The count of a network on its usual input that departs in these from the plain one.
///
/// # Errors
///
/// Those of [`network`](super::network()).
///
/// ```
/// use triform::count::{Quantity, conventions};
/// use triform::network::zoo;
/// let timm = [conventions::named("batch-norm-operations")?];
/// let macs = conventions::count(&zoo::named("resnext50_32x4d")?, &timm, Quantity::Macs)?;
/// assert_eq!(macs, 4_259_280_896); // timm: 4.259 GMACs
/// # Ok::<(), triform::Error>(())
/// ```
pub fn count(
    network: &Architecture,
    conventions: &[&Convention],
    quantity: Quantity,
) -> Result<u64> {
    let counts = counts(network, conventions, network.usual_input())?;
    by_rule(network, &counts, conventions, quantity)
}

/// What the network, changed by those of the conventions that change it, has and does.
pub(super) fn counts(
    network: &Architecture,
    conventions: &[&Convention],
    input: Map,
) -> Result<Counts> {
    let mut changed = network.clone();
    for convention in conventions {
        if let Edit::Network(edit) = convention.edit {
            edit(&mut changed);
        }
    }
    let mut layers = changed.layers(input)?;
    let mut counted = Vec::with_capacity(layers.len());
    for each in &mut layers {
        for convention in conventions {
            if let Edit::Layer(edit) = convention.edit {
                edit(each)?;
            }
        }
        let mut counts = layer(each)?;
        for convention in conventions {
            if let Edit::Counts(edit) = convention.edit {
                edit(each, &mut counts);
            }
        }
        counted.push(counts);
    }
    sum(&counted)
}

/// The count by the rule that the conventions leave.
pub(super) fn by_rule(
    network: &Architecture,
    counts: &Counts,
    conventions: &[&Convention],
    quantity: Quantity,
) -> Result<u64> {
    let mut parameters = ParameterRule::plain(network.is_block());
    let mut operations = OperationRule::MACS;
    for convention in conventions {
        match convention.edit {
            Edit::Parameters(edit) => edit(&mut parameters),
            Edit::Operations(edit) => edit(&mut operations),
            Edit::Rules(edit) => edit(&mut parameters, &mut operations),
            Edit::Network(_) | Edit::Layer(_) | Edit::Counts(_) | Edit::Digits => {}
        }
    }
    match quantity {
        Quantity::Parameters => parameters.count(counts),
        Quantity::Macs => operations.count(counts),
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, About, Quantity, count, named};
    use crate::network::zoo;

    #[test]
    fn each_departure_changes_a_count() {
        let networks: Vec<_> = ["resnet18", "resnext50_32x4d", "resnext29_8x64d", "256x32x4"]
            .map(|name| zoo::named(name).unwrap())
            .into();
        for convention in ALL.iter().filter(|convention| convention.about != About::Digits) {
            // A count that is doubled with all that is in it has to have something in it.
            let first = match convention.name {
                "all-doubled" => vec![named("relu-operations").unwrap()],
                "with-statistics" => vec![named("with-batch-norm").unwrap()],
                _ => Vec::new(),
            };
            let changes = |quantity| {
                networks.iter().any(|network| {
                    let plain = count(network, &first, quantity).unwrap();
                    let both = [&first[..], &[convention]].concat();
                    count(network, &both, quantity).unwrap() != plain
                })
            };
            let quantities = [Quantity::Parameters, Quantity::Macs];
            let changed =
                quantities.map(|quantity| convention.concerns(quantity) && changes(quantity));
            assert!(changed.contains(&true), "{}", convention.name);
            assert!(named(convention.name).unwrap().words == convention.words);
        }
    }

    /// Counted by hand, on the block 256-32x4-256: 256 x 128, 3 x 3 x 4 x 128 and 128 x 256 weights.
    #[test]
    fn each_mistake_makes_the_count_that_it_must() {
        let block = zoo::named("256x32x4").unwrap();
        let (reduce, transform, expand) = (256 * 128, 9 * 4 * 128, 128 * 256);
        for (name, parameters) in [
            ("groups-ignored", reduce + 32 * transform + expand),
            ("groups-twice", reduce + transform / 32 + expand),
            ("one-filter", reduce + transform / 32 + expand),
            ("groups-are-widths", reduce + 9 * 32 * 128 + expand),
            ("depthwise", reduce + 9 * 128 + expand),
            ("split-input", reduce / 32 + transform + expand),
            ("output-2cd", reduce + transform + expand),
            ("with-batch-norm", reduce + transform + expand + 2 * (128 + 128 + 256)),
            ("convolution-bias", reduce + transform + expand + 128 + 128 + 256),
            ("bias-in-each-path", reduce + transform + expand + 128 + 128 + 32 * 256),
            ("one-block-more", 2 * (reduce + transform + expand)),
        ] {
            let counted = count(&block, &[named(name).unwrap()], Quantity::Parameters).unwrap();
            assert_eq!(counted, parameters, "{name}");
        }
        let norms = [named("with-batch-norm").unwrap(), named("norm-in-each-path").unwrap()];
        let counted = count(&block, &norms, Quantity::Parameters).unwrap();
        assert_eq!(counted, 70_144 + 2 * (128 + 128 + 32 * 256));
        let norms = [named("with-batch-norm").unwrap(), named("with-statistics").unwrap()];
        let counted = count(&block, &norms, Quantity::Parameters).unwrap();
        assert_eq!(counted, 70_144 + 4 * (128 + 128 + 256));
        let three = ["with-batch-norm", "with-statistics", "norm-in-each-path"];
        let norms = three.map(|name| named(name).unwrap());
        let counted = count(&block, &norms, Quantity::Parameters).unwrap();
        assert_eq!(counted, 70_144 + 4 * (128 + 128 + 32 * 256));
        // Statistics count where batch norm does.
        let statistics = [named("with-statistics").unwrap()];
        assert_eq!(count(&block, &statistics, Quantity::Parameters).unwrap(), 70_144);
        // A projection has one bias a channel, whatever the paths.
        let projected = zoo::named("4-2x2-8").unwrap();
        let bias = [named("bias-in-each-path").unwrap()];
        let counted = count(&projected, &bias, Quantity::Parameters).unwrap();
        let weights = 4 * 4 + 9 * 2 * 4 + 4 * 8 + 4 * 8;
        assert_eq!(counted, weights + 4 + 4 + 2 * 8 + 8);
        // Basic blocks have no C d.
        let basic = zoo::named("resnet18").unwrap();
        for name in ["output-2cd", "width-not-doubled"] {
            let counted = count(&basic, &[named(name).unwrap()], Quantity::Parameters).unwrap();
            assert_eq!(counted, 11_689_512, "{name}");
        }
        let macs = 70_144 * 56 * 56;
        for (name, operations) in [
            ("one-filter", macs),
            ("groups-twice", (reduce + transform / 32 + expand) * 56 * 56),
            ("flops", 2 * macs),
            ("batch-norm-operations", macs + 2 * (128 + 128 + 256) * 56 * 56),
            ("relu-operations", macs + (128 + 128 + 256) * 56 * 56),
        ] {
            let counted = count(&block, &[named(name).unwrap()], Quantity::Macs).unwrap();
            assert_eq!(counted, operations, "{name}");
        }
    }
}
