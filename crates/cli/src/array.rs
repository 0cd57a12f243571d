//! An input from a `.npy` file.

use std::path::Path;

use ndarray::Array4;
use triform_checkpoint::{Dtype, Npy};

use crate::error::{Error, Result};

/// Reads an array of four axes, N x C x H x W, of float32 or float16, as f32; of either byte order, and
/// of either order of the axes.
///
/// # Errors
///
/// [`Error::Tensors`] for what is no `.npy` file or cannot be read; [`Error::Array`] for other axes or
/// numbers; [`triform::Error::NotFinite`] for NaN and infinities.
pub(crate) fn read(path: &Path) -> Result<Array4<f32>> {
    let mut array = Npy::open(path)?;
    let wrong = |why| Error::Array { path: path.to_owned(), why };
    let &[n, c, h, w] = array.shape() else {
        let shape = array.shape();
        return Err(wrong(format!("it has shape {shape:?}; four axes are needed, N x C x H x W")));
    };
    if let Dtype::Other(dtype) = array.dtype() {
        return Err(wrong(format!("its numbers are {dtype}; save x.astype('float32')")));
    }
    let numbers = array.read()?;
    let x = Array4::from_shape_vec([n, c, h, w], numbers);
    let x = x.map_err(|error| wrong(error.to_string()))?;
    match x.indexed_iter().find(|(_, value)| !value.is_finite()) {
        Some(((n, c, h, w), &value)) => {
            let value = f64::from(value);
            let index = vec![n, c, h, w];
            Err(triform::Error::NotFinite { what: "input", index, value }.into())
        }
        None => Ok(x),
    }
}
