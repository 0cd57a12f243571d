//! The geometry of a convolution.

use crate::error::{Error, Result};

/// Stride, padding, dilation and groups, the same along both axes, as in PyTorch's `conv2d`.
/// [`Kernel::new`](crate::Kernel::new) checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// Step from one output position to the next, in input positions; at least 1.
    pub stride: usize,
    /// Rows and columns outside the map, on each side, that count as zero.
    pub padding: usize,
    /// Step from one tap to the next, in input positions; at least 1.
    pub dilation: usize,
    /// Number of groups that the channels are divided into; at least 1.
    pub groups: usize,
}

impl Default for Spec {
    /// Stride 1, no padding, no dilation, one group.
    fn default() -> Self {
        Self { stride: 1, padding: 0, dilation: 1, groups: 1 }
    }
}

/// The shape C_out x C_in/groups x k_h x k_w of a kernel, checked against its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) c_out: usize,
    pub(crate) c_in_group: usize,
    pub(crate) k_h: usize,
    pub(crate) k_w: usize,
    pub(crate) spec: Spec,
}

impl Shape {
    pub(crate) fn new(dimensions: [usize; 4], spec: Spec) -> Result<Self> {
        let [c_out, c_in_group, k_h, k_w] = dimensions;
        for (what, value) in [
            ("stride", spec.stride),
            ("dilation", spec.dilation),
            ("groups", spec.groups),
            ("output channels", c_out),
            ("input channels of a group", c_in_group),
            ("kernel height", k_h),
            ("kernel width", k_w),
        ] {
            if value == 0 {
                return Err(Error::Zero { what });
            }
        }
        let groups = spec.groups;
        if !c_out.is_multiple_of(groups) {
            return Err(Error::GroupsDoNotDivide { groups, channels: c_out, which: "output" });
        }
        Ok(Self { c_out, c_in_group, k_h, k_w, spec })
    }

    /// Output channels of each group.
    pub(crate) fn c_out_group(&self) -> usize {
        self.c_out / self.spec.groups
    }

    /// The shape N x C_out x H_out x W_out of the output for an input N x C_in x H x W. N may be 0.
    pub(crate) fn output(&self, input: [usize; 4]) -> Result<[usize; 4]> {
        let [n, c_in, h, w] = input;
        let (groups, c_in_group) = (self.spec.groups, self.c_in_group);
        if !c_in.is_multiple_of(groups) {
            return Err(Error::GroupsDoNotDivide { groups, channels: c_in, which: "input" });
        }
        if c_in / groups != c_in_group {
            return Err(Error::Shape {
                what: "input of a convolution",
                expected: format!(
                    "N x {} x H x W ({groups} groups of {c_in_group})",
                    groups * c_in_group
                ),
                found: input,
            });
        }
        let h_out = self.output_size("height", h, self.k_h)?;
        let w_out = self.output_size("width", w, self.k_w)?;
        let output = [n, self.c_out, h_out, w_out];
        // Without an image there is no element, but the shape must be one that an array can have; the limit
        // is far below what an allocation may ask for.
        let elements = output.iter().try_fold(1usize, |product, &f| product.checked_mul(f.max(1)));
        if elements.is_none_or(|elements| elements > isize::MAX as usize / 32) {
            let factors = output.to_vec();
            return Err(Error::TooManyElements { what: "output of a convolution", factors });
        }
        Ok(output)
    }

    /// floor((size + 2 padding - dilation (taps - 1) - 1) / stride) + 1.
    fn output_size(&self, axis: &'static str, size: usize, taps: usize) -> Result<usize> {
        let Spec { stride, padding, dilation, .. } = self.spec;
        if size == 0 {
            let what = if axis == "height" { "map height" } else { "map width" };
            return Err(Error::Zero { what });
        }
        let Some(padded) = padding.checked_mul(2).and_then(|both| both.checked_add(size)) else {
            let factors = vec![size, padding];
            return Err(Error::TooManyElements { what: "padded map", factors });
        };
        match (taps - 1).checked_mul(dilation) {
            Some(reach) if reach < padded => Ok((padded - reach - 1) / stride + 1),
            _ => Err(Error::KernelTooLarge { axis, taps, dilation, size, padding }),
        }
    }
}
