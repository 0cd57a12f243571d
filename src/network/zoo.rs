//! The networks that have a name: torchvision's networks, those of the paper's tables, and any ResNeXt such as
//! `resnext50_16x8d`.

use super::architecture::{Architecture, BlockKind};
use crate::block::BlockSpec;
use crate::error::{Error, Result};

/// The names of all listed networks. Add new names here. First come torchvision's networks, then larger networks of
/// the paper's authors, then the settings of the paper's Tables 3 and 4, then the networks for CIFAR.
const NAMES: &str = "resnet18 resnet34 resnet50 resnet101 resnet152 resnext50_32x4d resnext101_32x8d \
    resnext101_64x4d wide_resnet50_2 wide_resnet101_2 \
    resnext101_32x4d resnext152_32x4d resnext101_32x16d resnext101_32x32d \
    resnext50_2x40d resnext50_4x24d resnext50_8x14d resnext101_2x40d resnext101_4x24d \
    resnext101_8x14d resnet200 resnext101_1x100d resnext101_2x64d \
    resnext29_8x64d resnext29_16x64d";

/// The kind of block of a ResNet or ResNeXt with `layers` layers, and the number of blocks in each stage.
fn depth(layers: usize) -> Option<(BlockKind, [usize; 4])> {
    Some(match layers {
        18 => (BlockKind::Basic, [2, 2, 2, 2]),
        34 => (BlockKind::Basic, [3, 4, 6, 3]),
        50 => (BlockKind::Bottleneck, [3, 4, 6, 3]),
        101 => (BlockKind::Bottleneck, [3, 4, 23, 3]),
        152 => (BlockKind::Bottleneck, [3, 8, 36, 3]),
        200 => (BlockKind::Bottleneck, [3, 24, 36, 3]),
        _ => return None,
    })
}

/// The block of the paper's Figure 1 in the settings of its Table 2. The setting that the paper chose, 32x4d, comes
/// first.
pub const BLOCKS: [&str; 5] = ["256x32x4", "256x1x64", "256x2x40", "256x4x24", "256x8x14"];

/// The names of all listed networks, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    NAMES.split(' ')
}

/// All listed networks, in order.
pub fn all() -> Result<Vec<Architecture>> {
    names().map(named).collect()
}

/// Finds the listed network that equals this network except for its name, and returns the name of the listed network.
pub fn same_but_for_its_name(network: &Architecture) -> Result<Option<String>> {
    let same = |other: &Architecture| {
        Architecture { name: network.name.clone(), ..other.clone() } == *network
    };
    Ok(all()?.into_iter().find(same).map(|other| other.name))
}

/// All listed networks, followed by the blocks.
pub fn with_blocks() -> Result<Vec<Architecture>> {
    let mut networks = all()?;
    for block in BLOCKS {
        networks.push(named(block)?);
    }
    Ok(networks)
}

/// Finds a network by its name. The name is one of:
///
/// - the names that [`names`] lists;
/// - `resnextN_CxDd`, where `N` is 29 (for CIFAR), 50, 101, 152 or 200, and the first stage has `C` groups of width
///   `D`;
/// - a single block such as `256x32x4`.
///
/// Errors: [`Error::NoSuchName`]; those of [`Architecture::resnet`]; [`Error::BlockSyntax`].
///
/// ```
/// use triform::network::zoo;
/// assert_eq!(zoo::named("resnext50_32x4d")?.stages[3].inner, 1024);
/// assert_eq!(zoo::named("resnext50_16x8d")?.stages[0].inner, 128);
/// assert!(zoo::named("resnext51_32x4d").is_err());
/// # Ok::<(), triform::Error>(())
/// ```
pub fn named(name: &str) -> Result<Architecture> {
    // So that ResNeXt50-32x4d is found too.
    let plain = name.to_lowercase();
    let plain = if plain.starts_with("res") { plain.replace('-', "_") } else { plain };
    let (given, name) = (name, plain.as_str());
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(Architecture::single(&name.parse::<BlockSpec>()?));
    }
    let unknown = || Error::no_such_name("network", given, names());
    if !name.starts_with("resnext") && !names().any(|listed| listed == name) {
        return Err(unknown());
    }
    let (layers, groups, width) = parts(name).ok_or_else(unknown)?;
    match depth(layers) {
        Some((block, blocks)) => Architecture::resnet(name, block, blocks, groups, width),
        None => Architecture::resnext29(name, groups, width),
    }
}

/// Reads the number of layers, the number of groups, and the width of a group in the first stage from a name.
/// Examples are `resnext101_32x8d`, `resnet50`, and `wide_resnet50_2`, which doubles the width.
fn parts(name: &str) -> Option<(usize, usize, usize)> {
    if let Some((layers, setting)) = name.strip_prefix("resnext").and_then(|x| x.split_once('_')) {
        let (groups, width) = setting.strip_suffix('d')?.split_once('x')?;
        // A network has only one name: no sign, no leading zeros.
        let size = |text: &str| match text.starts_with(['+', '0']) && text != "0" {
            true => None,
            false => text.parse().ok(),
        };
        let layers = layers.parse().ok().filter(|layers| [29, 50, 101, 152, 200].contains(layers));
        return Some((layers?, size(groups)?, size(width)?));
    }
    match name.strip_prefix("wide_resnet").and_then(|wide| wide.strip_suffix("_2")) {
        Some(layers) => Some((layers.parse().ok()?, 1, 128)),
        None => Some((name.strip_prefix("resnet")?.parse().ok()?, 1, 64)),
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockKind, all, named, parts};

    /// A name counts the layers with weights: the stem's, those of the blocks, and the fully connected layer.
    #[test]
    fn names_say_how_deep_the_networks_are() {
        let networks = all().unwrap();
        assert_eq!(networks.len(), 25);
        for network in networks {
            let blocks: usize = network.stages.iter().map(|stage| stage.blocks).sum();
            let of_block = if network.block == BlockKind::Basic { 2 } else { 3 };
            let (layers, ..) = parts(&network.name).unwrap();
            assert_eq!(layers, 2 + of_block * blocks, "{}", network.name);
        }
    }

    #[test]
    fn nonsense_is_refused() {
        for (name, words) in [
            ("resnext50_0x4d", "number of groups is 0"),
            ("resnext50_32x0d", "width of a group is 0"),
            ("resnext50_99999999999x99999999999d", "the sizes are [64, 99999999999, 99999999999]"),
            ("resnext18_32x4d", "no network `resnext18_32x4d`"),
            ("resnet29", "no network `resnet29`"),
            ("wide_resnet152_2", "no network"),
            ("resnext50", "did you mean `resnet50`, `resnext50_32x4d`"),
            ("", "no network ``"),
        ] {
            let error = named(name).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
