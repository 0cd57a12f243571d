//! Checks of counts.

use super::{Given, equal, refuted};
use crate::block::BlockSpec;
use crate::count;
use crate::error::Result;
use crate::evidence::Verdict;

/// The parameters of a block that has 256 channels in and out, and `paths` paths of this width.
fn parameters(paths: usize, width: usize) -> Result<u64> {
    Ok(count::block(&BlockSpec::new(256, paths, width, 256)?)?.convolutions)
}

pub(super) fn about_70k(given: Given) -> Result<Verdict> {
    let right = parameters(32, 4)?;
    let ungrouped = parameters(1, 128)?;
    equal(
        &[
            ("parameters of 256-32x4-256", given.pick(right, ungrouped), 70_144),
            ("parameters of 256-1x64-256", parameters(1, 64)?, 69_632),
        ],
        "counted from the shapes alone",
    )
}

pub(super) fn macs(given: Given) -> Result<Verdict> {
    let spec = BlockSpec::new(256, 32, 4, 256)?;
    let macs = count::block_macs(&spec, (56, 56))?.convolutions.all_taps;
    equal(
        &[
            ("MACs on 56 x 56", given.pick(macs, 2 * macs), 219_971_584),
            ("MACs on 56 x 56", macs, 70_144 * 56 * 56),
        ],
        "counted from the shapes alone",
    )
}

pub(super) fn grouped(given: Given) -> Result<Verdict> {
    let dense = count::convolution(3, 3, 128, 128, 1)?;
    let mut pairs = Vec::new();
    for groups in [1, 2, 4, 8, 16, 32, 64, 128] {
        let parameters = count::convolution(3, 3, 128, 128, groups)?;
        let divisor = groups as u64 * given.pick(1, groups as u64);
        pairs.push(("parameters of a grouped 3x3", parameters, dense / divisor));
    }
    equal(&pairs, "3x3, 128 to 128 channels, 1 to 128 groups")
}

pub(super) fn preserved(given: Given) -> Result<Verdict> {
    let resnet = parameters(1, 64)?;
    let mut furthest = 0f64;
    for (paths, width) in [(2, 40), (4, 24), (8, 14), (32, given.pick(4, 8))] {
        let ratio = parameters(paths, width)? as f64 / resnet as f64;
        furthest = furthest.max((ratio - 1.0).abs());
    }
    let percent = format!("{:.1} %", 100.0 * furthest);
    if furthest > 0.03 {
        return Ok(refuted("difference from 69,632 parameters", &percent, "3 % at most"));
    }
    Ok(Verdict::Qualified {
        holds: format!("the block's parameters are preserved within {percent}"),
        but: "not exactly, because widths are integers".to_owned(),
    })
}

/// Checks that 32 paths come nearest to 69,632 parameters if their width d is 4.
pub(super) fn width_of_32_paths(given: Given) -> Result<Verdict> {
    let resnet = parameters(1, 64)?;
    let mut nearest = (u64::MAX, 0);
    for width in 1..=64 {
        nearest = nearest.min((parameters(32, width)?.abs_diff(resnet), width as u64));
    }
    let (width, inner) = given.pick((4, 128), (8, 256));
    equal(
        &[("width d", width, nearest.1), ("channels C d", inner, 32 * nearest.1)],
        "all d from 1 to 64, 256 channels in and out",
    )
}

/// Checks that C paths of two 3x3 convolutions have as many parameters as two dense 3x3 convolutions that are C times
/// as wide. So the paths save nothing. In a block of depth 3, grouping reduces the parameters of the middle layer to
/// 1/C.
pub(super) fn depth_two_saves_nothing(given: Given) -> Result<Verdict> {
    let mut pairs = Vec::new();
    // ResNet-34's conv2, and the example of the paper's Figure 4, each with widths that C divides.
    for (channels, paths, width) in [(64, 32, 4), (64, 2, 32), (256, 8, 14)] {
        let inner = paths * width;
        let path = count::convolution(3, 3, channels, width, 1)?
            + count::convolution(3, 3, width, channels, 1)?;
        let second = given.pick(1, paths.min(channels));
        let dense = count::convolution(3, 3, channels, inner, 1)?
            + count::convolution(3, 3, inner, channels, second)?;
        pairs.push(("parameters of C paths of depth 2", paths as u64 * path, dense));
        let of_three = count::convolution(3, 3, inner, inner, paths)?;
        let wide = count::convolution(3, 3, inner, inner, 1)?;
        pairs.push(("C times the 3x3 of a block of depth 3", paths as u64 * of_three, wide));
    }
    equal(&pairs, "64-32x4-64, 64-2x32-64, 256-8x14-256, counted from the shapes alone")
}
