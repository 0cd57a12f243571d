//! One convolution.

use ndarray::{Array4, ArrayView4};

use crate::epilogue::{Epilogue, Fused};
use crate::error::Result;
use crate::kernel::Kernel;
use crate::layout::Image;
use crate::pointwise::pointwise;
use crate::windows::convolve;

/// One convolution and its epilogue: N x C_in x H x W to N x C_out x H_out x W_out. Any view will do; the result
/// lies channels last in memory, and such inputs are the fastest.
///
/// # Errors
///
/// An input whose channels or map do not suit the kernel, and an epilogue whose channels or shortcut are not those
/// of the output; sizes that are beyond memory.
pub fn conv(
    x: ArrayView4<'_, f32>,
    kernel: &Kernel,
    epilogue: Epilogue<'_>,
) -> Result<Array4<f32>> {
    let output = kernel.shape.output(x.dim().into())?;
    epilogue.check(output)?;
    match kernel.pointwise() {
        Some(panels) => Ok(pointwise(x, kernel, panels, &Fused::or_planes(epilogue), output)),
        None => convolve(&Image::new(x), kernel, &Fused::new(epilogue), output),
    }
}
