//! The geometry of a convolution. It is checked once, when it is constructed.

use std::ops::Range;

use crate::error::{Error, Result, divide, none_is_0};

/// The geometry along one axis of the map.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Along {
    /// Step from one output position to the next, in input positions.
    pub stride: usize,
    /// How many zeros are added before the first position of the map and after the last.
    pub padding: [usize; 2],
    /// Step from one tap to the next, in input positions.
    pub dilation: usize,
}

impl Along {
    /// Stride 1, no padding, no dilation.
    pub const UNIT: Self = Self::of(1, 0);

    /// With the same padding on both sides and no dilation.
    const fn of(stride: usize, padding: usize) -> Self {
        Self { stride, padding: [padding; 2], dilation: 1 }
    }

    /// Output size: floor((size + padding on both sides - dilation (taps - 1) - 1) / stride) + 1.
    fn output_size(&self, axis: &'static str, size: usize, taps: usize) -> Result<usize> {
        none_is_0(&[(if axis == "height" { "map height" } else { "map width" }, size)])?;
        let Self { stride, padding: [before, after], dilation } = *self;
        let padded = size.checked_add(before).and_then(|size| size.checked_add(after));
        let padded = padded.ok_or_else(|| Error::TooManyElements {
            what: "padded map",
            factors: vec![size, before, after],
        })?;
        match (taps - 1).checked_mul(dilation) {
            Some(reach) if reach < padded => Ok((padded - reach - 1) / stride + 1),
            _ => {
                let padding = [before, after];
                Err(Error::KernelTooLarge { axis, kernel: taps, dilation, size, padding })
            }
        }
    }

    /// The position of the map that tap `tap` reads for output position `at`. `None` if the tap reads padding.
    pub(crate) fn source(&self, at: usize, tap: usize, size: usize) -> Option<usize> {
        let from = (at * self.stride + tap * self.dilation).checked_sub(self.padding[0])?;
        (from < size).then_some(from)
    }

    /// The output positions for which tap `tap` reads the map and not the padding. Also returns the input position that
    /// the tap reads for the first of these output positions.
    pub(crate) fn inside(&self, tap: usize, size: usize, output: usize) -> (Range<usize>, usize) {
        let (offset, before) = (tap * self.dilation, self.padding[0]);
        // out * stride + offset - before lies in 0..size
        let first = before.saturating_sub(offset).div_ceil(self.stride);
        let end = (size + before).saturating_sub(offset).div_ceil(self.stride).min(output);
        let start = first.saturating_mul(self.stride).saturating_add(offset);
        let start = start.saturating_sub(before).min(size);
        (first.min(end)..end, start)
    }
}

/// Stride, padding and dilation along each axis, and the number of groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ConvSpec {
    height: Along,
    width: Along,
    groups: usize,
}

impl ConvSpec {
    /// Stride 1, no padding, no dilation and one group, as for a plain 1x1.
    pub const UNIT: Self = Self { height: Along::UNIT, width: Along::UNIT, groups: 1 };

    /// The same stride and padding along both axes, without dilation.
    ///
    /// # Panics
    ///
    /// If `stride` or `groups` is 0.
    pub(crate) const fn of(stride: usize, padding: usize, groups: usize) -> Self {
        assert!(stride > 0 && groups > 0, "stride and groups must be at least 1");
        let along = Along::of(stride, padding);
        Self { height: along, width: along, groups }
    }

    /// The same geometry along both axes. The arguments are in the order of PyTorch's `conv2d`.
    ///
    /// Errors: [`Error::Zero`] if the stride, the dilation or the number of groups is 0.
    pub fn new(stride: usize, padding: usize, dilation: usize, groups: usize) -> Result<Self> {
        let along = Along { stride, padding: [padding; 2], dilation };
        Self::by_axis(along, along, groups)
    }

    /// Takes a geometry for each axis: along the height, then along the width.
    ///
    /// Errors: [`Error::Zero`] if the stride, the dilation or the number of groups is 0.
    ///
    /// ```
    /// use triform::conv::{Along, ConvSpec, KernelShape};
    ///
    /// // A 1x3 kernel that takes every second column, and pads on the left alone.
    /// let width = Along { stride: 2, padding: [2, 0], dilation: 1 };
    /// let spec = ConvSpec::by_axis(Along::UNIT, width, 1)?;
    /// let kernel = KernelShape::new([1, 1, 1, 3], spec)?;
    /// assert_eq!(kernel.output_map((5, 7))?, (5, 4));
    /// # Ok::<(), triform::Error>(())
    /// ```
    pub fn by_axis(height: Along, width: Along, groups: usize) -> Result<Self> {
        for Along { stride, dilation, .. } in [height, width] {
            none_is_0(&[("stride", stride), ("dilation", dilation)])?;
        }
        none_is_0(&[("number of groups", groups)])?;
        Ok(Self { height, width, groups })
    }

    getters! {
        /// Along the height.
        height: Along,
        /// Along the width.
        width: Along,
        /// Number of groups that the channels are divided into.
        groups: usize,
    }

    /// The geometry that both axes share. `None` if the axes differ, or if the padding is not equal on all four sides.
    pub(crate) fn alike(&self) -> Option<Along> {
        let Along { padding: [before, after], .. } = self.height;
        (self.height == self.width && before == after).then_some(self.height)
    }

    /// Output size along one axis, `height` or `width`.
    ///
    /// Errors: [`Error::Zero`] for a map of size 0; [`Error::KernelTooLarge`].
    pub fn output_size(&self, axis: &'static str, size: usize, taps: usize) -> Result<usize> {
        let along = if axis == "height" { self.height } else { self.width };
        along.output_size(axis, size, taps)
    }
}

/// The shape of a kernel, checked against its groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelShape {
    /// Output channels, C_out.
    pub c_out: usize,
    /// Input channels of each group, C_in / groups.
    pub c_in_group: usize,
    /// Taps along the height, k_h.
    pub k_h: usize,
    /// Taps along the width, k_w.
    pub k_w: usize,
    /// The geometry of the convolution.
    pub spec: ConvSpec,
}

impl KernelShape {
    /// Checks the shape C_out x C_in/groups x k_h x k_w of a kernel.
    ///
    /// Errors: [`Error::Zero`] for a dimension of 0, [`Error::GroupsDoNotDivide`] for groups that
    /// do not divide C_out.
    pub fn new(dimensions: [usize; 4], spec: ConvSpec) -> Result<Self> {
        let [c_out, c_in_group, k_h, k_w] = dimensions;
        none_is_0(&[
            ("number of output channels", c_out),
            ("number of input channels of a group", c_in_group),
            ("kernel height", k_h),
            ("kernel width", k_w),
        ])?;
        divide(spec.groups, c_out, "output")?;
        Ok(Self { c_out, c_in_group, k_h, k_w, spec })
    }

    /// A k x k kernel from C_in to C_out channels. The caller knows that the sizes are valid.
    pub(crate) fn square(k: usize, c_in: usize, c_out: usize, spec: ConvSpec) -> Self {
        Self { c_out, c_in_group: c_in / spec.groups, k_h: k, k_w: k, spec }
    }

    /// The dimensions of the kernel, C_out x C_in/groups x k_h x k_w.
    pub fn dimensions(&self) -> [usize; 4] {
        [self.c_out, self.c_in_group, self.k_h, self.k_w]
    }

    /// Input channels, C_in.
    pub fn c_in(&self) -> usize {
        self.c_in_group * self.spec.groups
    }

    /// The output map size H_out x W_out for an input map H x W.
    ///
    /// Errors: those of [`ConvSpec::output_size`].
    pub fn output_map(&self, (h, w): (usize, usize)) -> Result<(usize, usize)> {
        let h_out = self.spec.output_size("height", h, self.k_h)?;
        Ok((h_out, self.spec.output_size("width", w, self.k_w)?))
    }

    /// Output channels of each group, C_out / groups.
    pub fn c_out_group(&self) -> usize {
        self.c_out / self.spec.groups
    }

    /// The shape N x C_out x H_out x W_out of the output for an input of shape N x C_in x H x W. If N is 0, the output
    /// is empty.
    ///
    /// Errors: [`Error::GroupsDoNotDivide`] or [`Error::Shape`] for an input with the wrong number
    /// of channels, the errors of [`ConvSpec::output_size`], and [`Error::TooManyElements`].
    pub fn output(&self, input: [usize; 4]) -> Result<[usize; 4]> {
        let [n, c_in, h, w] = input;
        let groups = self.spec.groups;
        divide(groups, c_in, "input")?;
        if c_in / groups != self.c_in_group {
            let (all, each) = (self.c_in(), self.c_in_group);
            let expected = format!("N x {all} x H x W ({groups} groups of {each})");
            let found = input.to_vec();
            return Err(Error::Shape { what: "input of a convolution", expected, found });
        }
        let (h_out, w_out) = self.output_map((h, w))?;
        let output = [n, self.c_out, h_out, w_out];
        // With N = 0 there are no elements, but the shape must still be valid for an array.
        let elements = output.iter().try_fold(1usize, |product, &f| product.checked_mul(f.max(1)));
        // No number is larger than 32 bytes, and arrays are indexed by isize.
        if elements.is_none_or(|elements| elements > isize::MAX as usize / 32) {
            let factors = output.to_vec();
            return Err(Error::TooManyElements { what: "output of a convolution", factors });
        }
        Ok(output)
    }
}
