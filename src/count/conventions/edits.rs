//! What the conventions do to a network, to its layers, and to what a layer counts for.

use crate::block::StrideOn;
use crate::conv::ConvSpec;
use crate::count::layer::Counts;
use crate::count::rules::{OperationRule, ParameterRule};
use crate::error::{Error, Result};
use crate::network::architecture::{Architecture, BlockKind};
use crate::network::layers::{Layer, Operation, Role};

pub(super) fn ignore_groups(network: &mut Architecture) {
    network.stages.iter_mut().for_each(|stage| stage.groups = 1);
}

/// Where there is one group only, nobody mixes it up with its width.
pub(super) fn take_widths_for_groups(network: &mut Architecture) {
    for stage in network.stages.iter_mut().filter(|stage| stage.groups > 1) {
        stage.groups = stage.inner / stage.groups;
    }
}

pub(super) fn make_depthwise(network: &mut Architecture) {
    for stage in network.stages.iter_mut().filter(|stage| stage.groups > 1) {
        stage.groups = stage.inner;
    }
}

/// Right where C d is 128, which is why it went unnoticed.
pub(super) fn give_twice_the_width(network: &mut Architecture) {
    if network.block == BlockKind::Bottleneck {
        network.stages.iter_mut().for_each(|stage| stage.c_out = 2 * stage.inner);
    }
}

pub(super) fn keep_the_width(network: &mut Architecture) {
    if let (Some(first), BlockKind::Bottleneck) = (network.stages.first().copied(), network.block) {
        network.stages.iter_mut().for_each(|stage| stage.inner = first.inner);
    }
}

pub(super) fn add_a_block(network: &mut Architecture) {
    network.stages.iter_mut().for_each(|stage| stage.blocks += 1);
}

pub(super) fn stride_first(network: &mut Architecture) {
    network.stride_on = StrideOn::Reduce;
}

/// With these groups, if it is the convolution of this role.
fn regroup(layer: &mut Layer, role: Role, groups: usize) -> Result<()> {
    if layer.role != Some(role) {
        return Ok(());
    }
    if let Operation::Convolution { c_in, spec, .. } = &mut layer.operation {
        if c_in.is_multiple_of(groups) {
            *spec = ConvSpec::new(spec.stride(), spec.padding(), spec.dilation(), groups)?;
        } else {
            // It cannot be built, so nobody has counted it.
            return Err(Error::GroupsDoNotDivide { groups, channels: *c_in, which: "input" });
        }
    }
    Ok(())
}

pub(super) fn group_basic_blocks(layer: &mut Layer) -> Result<()> {
    regroup(layer, Role::Second, 32)
}

pub(super) fn split_the_input(layer: &mut Layer) -> Result<()> {
    let paths = layer.paths;
    regroup(layer, Role::Reduce, paths)
}

fn is_transform(layer: &Layer) -> bool {
    layer.role == Some(Role::Transform)
}

pub(super) fn divide_groups_twice(layer: &Layer, counts: &mut Counts) {
    if is_transform(layer) {
        let paths = layer.paths as u64;
        counts.parameters.convolution /= paths;
        counts.operations.convolution.all_taps /= paths;
        counts.operations.convolution.inside /= paths;
    }
}

/// It is stored once, and used by each group.
pub(super) fn share_one_filter(layer: &Layer, counts: &mut Counts) {
    if is_transform(layer) {
        counts.parameters.convolution /= layer.paths as u64;
    }
}

pub(super) fn norm_in_each_path(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Expand) && matches!(layer.operation, Operation::BatchNorm { .. }) {
        let paths = layer.paths as u64;
        for count in [
            &mut counts.parameters.batch_norm,
            &mut counts.parameters.statistics,
            &mut counts.operations.batch_norm,
        ] {
            // Nothing that is counted in 64 bits comes near.
            *count = count.saturating_mul(paths);
        }
    }
}

/// The last 1x1 of each path has a bias for every channel of the sum.
pub(super) fn bias_in_each_path(layer: &Layer, counts: &mut Counts) {
    if let (Operation::Convolution { c_out, .. }, Some(role)) = (layer.operation, layer.role) {
        let paths = if role == Role::Expand { layer.paths } else { 1 };
        counts.parameters.bias = (c_out as u64).saturating_mul(paths as u64);
    }
}

/// Where nothing but MACs is counted, that is the same as [`OperationRule::multiply_add`] of 2.
pub(super) fn double_all(rule: &mut OperationRule) {
    if rule.batch_norm > 0 || rule.relu > 0 {
        rule.times = 2;
    }
}

pub(super) fn pad_shortcuts(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Projection) {
        *counts = Counts::default();
    }
}

pub(super) fn leave_out_the_top(parameters: &mut ParameterRule, operations: &mut OperationRule) {
    (parameters.fully_connected, parameters.bias) = (false, false);
    operations.fully_connected = false;
}
