//! The geometry of a convolution, and its weights. They are prepared once and used many times.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::ArrayView4;

use crate::error::{Error, Result};
use crate::layout::keep_freed_memory;
use crate::narrow::Narrow;
use crate::pack::{Panels, Shared};
use crate::simd::Level;

/// Stride, padding and dilation along the height and the width, and the number of groups. [`Kernel::new`] checks
/// them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spec {
    /// The step from one output position to the next, counted in input positions; at least 1.
    pub stride: [usize; 2],
    /// The number of rows of zeros before the first row and after the last row of the map, and the same for columns.
    pub padding: [[usize; 2]; 2],
    /// The step from one tap to the next, counted in input positions; at least 1.
    pub dilation: [usize; 2],
    /// Number of groups that the channels are divided into; at least 1.
    pub groups: usize,
}

impl Default for Spec {
    /// Stride 1, no padding, no dilation, one group.
    fn default() -> Self {
        Self { stride: [1; 2], padding: [[0; 2]; 2], dilation: [1; 2], groups: 1 }
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
            ("stride", spec.stride[0].min(spec.stride[1])),
            ("dilation", spec.dilation[0].min(spec.dilation[1])),
            ("number of groups", spec.groups),
            ("number of output channels", c_out),
            ("number of input channels of a group", c_in_group),
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
        let h_out = self.output_size(0, h, self.k_h)?;
        let w_out = self.output_size(1, w, self.k_w)?;
        let output = [n, self.c_out, h_out, w_out];
        // With N = 0 there are no elements, but the shape must still be valid for an array; the limit is far
        // below the largest allocation.
        let elements = output.iter().try_fold(1usize, |product, &f| product.checked_mul(f.max(1)));
        if elements.is_none_or(|elements| elements > isize::MAX as usize / 32) {
            let factors = output.to_vec();
            return Err(Error::TooManyElements { what: "output of a convolution", factors });
        }
        Ok(output)
    }

    /// Computes `floor((size + padding on both sides - dilation (taps - 1) - 1) / stride) + 1`.
    fn output_size(&self, axis: usize, size: usize, taps: usize) -> Result<usize> {
        let Spec { stride, padding, dilation, .. } = self.spec;
        let (stride, padding, dilation) = (stride[axis], padding[axis], dilation[axis]);
        if size == 0 {
            return Err(Error::Zero { what: ["map height", "map width"][axis] });
        }
        let padded = padding.iter().try_fold(size, |sum, &side| sum.checked_add(side));
        let Some(padded) = padded else {
            let factors = vec![size, padding[0], padding[1]];
            return Err(Error::TooManyElements { what: "padded map", factors });
        };
        match (taps - 1).checked_mul(dilation) {
            Some(reach) if reach < padded => Ok((padded - reach - 1) / stride + 1),
            _ => {
                let axis = ["height", "width"][axis];
                Err(Error::KernelTooLarge { axis, taps, dilation, size, padding })
            }
        }
    }
}

/// The weights of one convolution, packed for the vectors of one level.
///
/// Making the first kernel changes how glibc's allocator works for the whole process. The allocator then keeps up to
/// 64 MiB of freed memory for later allocations. Settings of mallopt(3) or of glibc's tunables prevent that. On
/// Linux, large weights share chunks of 32 MiB, in pages of 2 MiB if the system grants them. A chunk is freed
/// together with the last kernel that has weights in it. One chunk, however, is kept for the next kernel.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) shape: Shape,
    pub(crate) level: Level,
    pub(crate) weights: Weights,
    /// Unique to this kernel.
    pub(crate) number: u64,
    /// The packed weights that paths share. The kernel of the first path keeps them.
    pub(crate) shared: OnceLock<Shared>,
}

#[derive(Debug)]
pub(crate) enum Weights {
    /// The panels of each group.
    Dense(Vec<Panels>),
    Narrow(Narrow),
}

impl Kernel {
    /// Packs weights C_out x C_in/groups x k_h x k_w for the vectors of a level.
    ///
    /// Errors: a dimension, stride, dilation or number of groups that is 0; groups that do not divide C_out; a level
    /// that the machine lacks.
    pub fn new(weights: ArrayView4<'_, f32>, spec: Spec, level: Level) -> Result<Self> {
        let level = level.check()?;
        keep_freed_memory();
        let shape = Shape::new(weights.dim().into(), spec)?;
        let Shape { c_in_group, k_h, k_w, .. } = shape;
        let (lanes, groups, c_out_group) = (level.lanes(), spec.groups, shape.c_out / spec.groups);
        let weights = weights.as_standard_layout();
        let Some(flat) = weights.as_slice() else { unreachable!("standard layout") };
        // `Narrow` has code for these widths. With one group, the pixels of a row must also be adjacent.
        let narrow = c_in_group == c_out_group
            && matches!(c_in_group, 1 | 4 | 8)
            && k_h * k_w > 1
            && (groups > 1 || spec.stride[1] == 1);
        let weight = |o: usize, tap: usize, c: usize| flat[(o * c_in_group + c) * k_h * k_w + tap];
        let weights = if narrow {
            Weights::Narrow(Narrow::new(c_in_group, groups, k_h * k_w, lanes, weight))
        } else {
            let width = if c_out_group <= lanes { lanes } else { 2 * lanes };
            let panels = |group: usize| {
                let first = group * c_out_group;
                let weight = |o: usize, k: usize| weight(first + o, k / c_in_group, k % c_in_group);
                Panels::new(c_out_group, c_in_group * k_h * k_w, width, weight)
            };
            Weights::Dense((0..groups).map(panels).collect())
        };
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { shape, level, weights, number, shared: OnceLock::new() })
    }

    /// The panels, if this is a 1x1 without padding in one group.
    pub(crate) fn pointwise(&self) -> Option<&Panels> {
        let Shape { k_h, k_w, spec, .. } = self.shape;
        match &self.weights {
            Weights::Dense(panels)
                if (k_h, k_w, spec.padding, panels.len()) == (1, 1, [[0; 2]; 2], 1) =>
            {
                panels.first()
            }
            _ => None,
        }
    }

    /// Multiply-adds for `pixels` pixels of output.
    pub(crate) fn macs(&self, pixels: usize) -> usize {
        let Shape { c_out, c_in_group, k_h, k_w, .. } = self.shape;
        pixels * c_out * c_in_group * k_h * k_w
    }

    /// Output channels.
    pub fn c_out(&self) -> usize {
        self.shape.c_out
    }
}
