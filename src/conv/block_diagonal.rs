//! A grouped kernel and the equivalent dense kernel.

use ndarray::{Array4, ArrayView4, Axis, s};

use super::spec::{ConvSpec, KernelShape};
use crate::error::Result;
use crate::scalar::Additive;

/// The dense equivalent of a grouped kernel. The shape C_out x C_in/groups x k_h x k_w becomes C_out x C_in x k_h x
/// k_w, with zeros outside the diagonal blocks. The dense kernel computes the same function, but has `groups` times as
/// many parameters.
///
/// Errors: [`Error::Zero`](crate::Error::Zero),
/// [`Error::GroupsDoNotDivide`](crate::Error::GroupsDoNotDivide).
pub fn block_diagonal<S: Additive>(grouped: ArrayView4<'_, S>, groups: usize) -> Result<Array4<S>> {
    let shape = KernelShape::new(grouped.dim().into(), ConvSpec::new(1, 0, 1, groups)?)?;
    let KernelShape { c_out, c_in_group, k_h, k_w, .. } = shape;
    let mut dense = Array4::from_elem((c_out, groups * c_in_group, k_h, k_w), S::zero());
    for o in 0..c_out {
        let first = o / shape.c_out_group() * c_in_group;
        let grouped = grouped.index_axis(Axis(0), o);
        dense.slice_mut(s![o, first..first + c_in_group, .., ..]).assign(&grouped);
    }
    Ok(dense)
}
