//! The networks that have a name: torchvision's, those of the paper's tables, and any
//! `resnext50_CxDd`.

use super::architecture::{Architecture, BlockKind};
use crate::block::BlockSpec;
use crate::error::{Error, Result};

/// A network of the zoo, in a line.
struct Entry {
    name: &'static str,
    depth: Depth,
    groups: usize,
    width_per_group: usize,
}

/// Blocks in each stage.
#[derive(Clone, Copy)]
struct Depth {
    layers: usize,
    block: BlockKind,
    blocks: [usize; 4],
}

const fn depth(layers: usize, block: BlockKind, blocks: [usize; 4]) -> Depth {
    Depth { layers, block, blocks }
}

const D18: Depth = depth(18, BlockKind::Basic, [2, 2, 2, 2]);
const D34: Depth = depth(34, BlockKind::Basic, [3, 4, 6, 3]);
const D50: Depth = depth(50, BlockKind::Bottleneck, [3, 4, 6, 3]);
const D101: Depth = depth(101, BlockKind::Bottleneck, [3, 4, 23, 3]);
const D152: Depth = depth(152, BlockKind::Bottleneck, [3, 8, 36, 3]);
const D200: Depth = depth(200, BlockKind::Bottleneck, [3, 24, 36, 3]);
/// Three stages, for small images.
const D29: Depth = depth(29, BlockKind::Bottleneck, [3, 3, 3, 0]);

const fn entry(name: &'static str, depth: Depth, groups: usize, width_per_group: usize) -> Entry {
    Entry { name, depth, groups, width_per_group }
}

/// A new network is added here. First torchvision's, then the larger ones of the paper's authors, then
/// the settings of the paper's Tables 3 and 4, then CIFAR's.
const ZOO: &[Entry] = &[
    entry("resnet18", D18, 1, 64),
    entry("resnet34", D34, 1, 64),
    entry("resnet50", D50, 1, 64),
    entry("resnet101", D101, 1, 64),
    entry("resnet152", D152, 1, 64),
    entry("resnext50_32x4d", D50, 32, 4),
    entry("resnext101_32x8d", D101, 32, 8),
    entry("resnext101_64x4d", D101, 64, 4),
    entry("wide_resnet50_2", D50, 1, 128),
    entry("wide_resnet101_2", D101, 1, 128),
    entry("resnext101_32x4d", D101, 32, 4),
    entry("resnext152_32x4d", D152, 32, 4),
    entry("resnext101_32x16d", D101, 32, 16),
    entry("resnext101_32x32d", D101, 32, 32),
    entry("resnext50_2x40d", D50, 2, 40),
    entry("resnext50_4x24d", D50, 4, 24),
    entry("resnext50_8x14d", D50, 8, 14),
    entry("resnext101_2x40d", D101, 2, 40),
    entry("resnext101_4x24d", D101, 4, 24),
    entry("resnext101_8x14d", D101, 8, 14),
    entry("resnet200", D200, 1, 64),
    entry("resnext101_1x100d", D101, 1, 100),
    entry("resnext101_2x64d", D101, 2, 64),
    entry("resnext29_8x64d", D29, 8, 64),
    entry("resnext29_16x64d", D29, 16, 64),
];

/// The block of the paper's Figure 1 at the settings of its Table 2, the published one first.
pub const BLOCKS: [&str; 5] = ["256x32x4", "256x1x64", "256x2x40", "256x4x24", "256x8x14"];

/// The names of all, in order.
pub fn names() -> impl Iterator<Item = &'static str> {
    ZOO.iter().map(|entry| entry.name)
}

/// All networks that are listed, in order.
///
/// # Errors
///
/// None in practice.
pub fn all() -> Result<Vec<Architecture>> {
    ZOO.iter().map(build).collect()
}

/// The listed network that is this one but for its name.
///
/// # Errors
///
/// None in practice.
pub fn same_but_for_its_name(network: &Architecture) -> Result<Option<String>> {
    let same = |other: &Architecture| {
        Architecture { name: network.name.clone(), ..other.clone() } == *network
    };
    Ok(all()?.into_iter().find(same).map(|other| other.name))
}

/// All networks that are listed, and after them the blocks.
///
/// # Errors
///
/// None in practice.
pub fn with_blocks() -> Result<Vec<Architecture>> {
    let mut networks = all()?;
    for block in BLOCKS {
        networks.push(named(block)?);
    }
    Ok(networks)
}

/// The network of this name: one of [`names`], or `resnextN_CxDd` with N = 29 (for CIFAR), 50, 101, 152
/// or 200, C groups of width D in the first stage; or a single block such as `256x32x4`.
///
/// # Errors
///
/// [`Error::NoSuchName`]; those of [`Architecture::resnet`]; [`Error::BlockSyntax`].
///
/// ```
/// use triform::network::zoo;
/// assert_eq!(zoo::named("resnext50_32x4d")?.stages[3].inner, 1024);
/// assert_eq!(zoo::named("resnext50_16x8d")?.stages[0].inner, 128);
/// assert!(zoo::named("resnext51_32x4d").is_err());
/// # Ok::<(), triform::Error>(())
/// ```
pub fn named(name: &str) -> Result<Architecture> {
    // ResNeXt50-32x4d is meant as well.
    let plain = name.to_lowercase();
    let plain = if plain.starts_with("res") { plain.replace('-', "_") } else { plain };
    let (given, name) = (name, plain.as_str());
    if let Some(entry) = ZOO.iter().find(|entry| entry.name == name) {
        return build(entry);
    }
    if name.starts_with(|first: char| first.is_ascii_digit()) {
        return Ok(Architecture::single(&name.parse::<BlockSpec>()?));
    }
    let unknown = || Error::no_such_name("network", given, names());
    let (depth, groups, width) = general(name).ok_or_else(unknown)?;
    of_depth(name, depth, groups, width)
}

fn build(entry: &Entry) -> Result<Architecture> {
    of_depth(entry.name, entry.depth, entry.groups, entry.width_per_group)
}

fn of_depth(name: &str, depth: Depth, groups: usize, width: usize) -> Result<Architecture> {
    if depth.layers == 29 {
        return Architecture::resnext29(name, groups, width);
    }
    Architecture::resnet(name, depth.block, depth.blocks, groups, width)
}

/// `resnext101_32x8d` taken apart.
fn general(name: &str) -> Option<(Depth, usize, usize)> {
    let (layers, setting) = name.strip_prefix("resnext")?.split_once('_')?;
    let layers: usize = layers.parse().ok()?;
    let depth = [D29, D50, D101, D152, D200].into_iter().find(|depth| depth.layers == layers)?;
    let (groups, width) = setting.strip_suffix('d')?.split_once('x')?;
    // One name for one network: no sign, no zeros in front.
    let size = |text: &str| match text.starts_with(['+', '0']) && text != "0" {
        true => None,
        false => text.parse().ok(),
    };
    Some((depth, size(groups)?, size(width)?))
}

#[cfg(test)]
mod tests {
    use super::{BlockKind, ZOO, all, general, named};

    #[test]
    fn names_say_what_the_networks_are() {
        let networks = all().unwrap();
        assert_eq!(networks.len(), ZOO.len());
        let mut checked = 0;
        for (entry, network) in ZOO.iter().zip(&networks) {
            assert_eq!(named(entry.name).unwrap(), *network);
            if let Some((depth, groups, width)) = general(entry.name) {
                assert_eq!(
                    (groups, width),
                    (entry.groups, entry.width_per_group),
                    "{}",
                    entry.name
                );
                assert_eq!(depth.blocks, entry.depth.blocks);
                checked += 1;
            }
            // Weighted layers: the stem's, those of the blocks, the fully connected one.
            let blocks: usize = network.stages.iter().map(|stage| stage.blocks).sum();
            let of_block = if network.block == BlockKind::Basic { 2 } else { 3 };
            assert_eq!(entry.depth.layers, 2 + of_block * blocks, "{}", entry.name);
        }
        assert!(checked > 12, "{checked}");
    }

    #[test]
    fn nonsense_is_refused() {
        for (name, words) in [
            ("resnext50_0x4d", "groups is 0"),
            ("resnext50_32x0d", "width of a group is 0"),
            ("resnext50_99999999999x99999999999d", "channels: [64, 99999999999, 99999999999]"),
            ("resnext18_32x4d", "no network `resnext18_32x4d`"),
            ("resnext50", "did you mean resnet50, resnext50_32x4d"),
            ("", "no network ``"),
        ] {
            let error = named(name).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }
}
