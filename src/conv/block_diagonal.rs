//! A grouped kernel and the dense kernel it stands for.

use ndarray::{Array4, ArrayView4, s};

use super::spec::{ConvSpec, KernelShape};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// The dense twin of a grouped kernel: C_out x C_in/groups x k_h x k_w to
/// C_out x C_in x k_h x k_w, zero outside the diagonal blocks. Convolving with
/// it gives the same function, at `groups` times the parameters.
///
/// # Errors
///
/// [`Error::Zero`], [`Error::GroupsDoNotDivide`].
pub fn block_diagonal<S: Additive>(grouped: ArrayView4<'_, S>, groups: usize) -> Result<Array4<S>> {
    let shape = KernelShape::new(grouped.dim().into(), ConvSpec::new(1, 0, 1, groups)?)?;
    let KernelShape { c_out, c_in_group, k_h, k_w, .. } = shape;
    let mut dense = Array4::from_elem((c_out, groups * c_in_group, k_h, k_w), S::zero());
    for o in 0..c_out {
        let first = o / shape.c_out_group() * c_in_group;
        dense.slice_mut(s![o, first..first + c_in_group, .., ..]).assign(&grouped.slice(s![
            o,
            ..,
            ..,
            ..
        ]));
    }
    Ok(dense)
}

/// The grouped kernel of a block-diagonal dense one: the left inverse of
/// [`block_diagonal`]. Gives `None` where an element outside the blocks is not
/// zero, for then no grouped kernel is the same function.
///
/// # Errors
///
/// [`Error::Zero`], and [`Error::GroupsDoNotDivide`] for either channel count.
pub fn from_block_diagonal<S: Additive>(
    dense: ArrayView4<'_, S>,
    groups: usize,
) -> Result<Option<Array4<S>>> {
    let shape = KernelShape::new(dense.dim().into(), ConvSpec::new(1, 0, 1, groups)?)?;
    let c_in = shape.c_in_group; // of the dense kernel: all of them
    if !c_in.is_multiple_of(groups) {
        return Err(Error::GroupsDoNotDivide { groups, channels: c_in, which: "input" });
    }
    let c_in_group = c_in / groups;
    let first = |o: usize| o / shape.c_out_group() * c_in_group;
    let grouped =
        Array4::from_shape_fn((shape.c_out, c_in_group, shape.k_h, shape.k_w), |(o, c, u, v)| {
            dense[[o, first(o) + c, u, v]].clone()
        });
    let is_zero_outside = dense.indexed_iter().all(|((o, c, _, _), weight)| {
        (first(o)..first(o) + c_in_group).contains(&c) || *weight == S::zero()
    });
    Ok(is_zero_outside.then_some(grouped))
}
