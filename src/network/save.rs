//! The weights of a network to a checkpoint that PyTorch loads strictly.

use std::borrow::Cow;
use std::io::Cursor;

use ndarray::{ArrayD, IxDyn, arr0};
use ndarray_npy::NpzWriter;
use safetensors::{Dtype, View};

use super::weights::NetworkWeights;
use crate::error::{Error, Result};

/// A tensor that is to be written.
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl View for Stored {
    fn dtype(&self) -> Dtype {
        self.dtype
    }
    fn shape(&self) -> &[usize] {
        &self.shape
    }
    fn data(&self) -> Cow<'_, [u8]> {
        Cow::Borrowed(&self.bytes)
    }
    fn data_len(&self) -> usize {
        self.bytes.len()
    }
}

/// After the variance of a batch norm, PyTorch stores how many batches it has seen.
fn counter(name: &str) -> Option<String> {
    name.strip_suffix("running_var").map(|norm| format!("{norm}num_batches_tracked"))
}

/// As a `.safetensors` file.
///
/// # Errors
///
/// [`Error::Contradiction`] if the format's crate refuses it.
pub fn safetensors(weights: &NetworkWeights) -> Result<Vec<u8>> {
    let mut tensors = Vec::new();
    weights.visit(&mut |name, shape, numbers| {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let shape = shape.to_vec();
        tensors.push((name.to_owned(), Stored { dtype: Dtype::F32, shape, bytes }));
        if let Some(name) = counter(name) {
            let bytes = 0i64.to_le_bytes().to_vec();
            tensors.push((name, Stored { dtype: Dtype::I64, shape: Vec::new(), bytes }));
        }
        Ok(())
    })?;
    safetensors::serialize(tensors, None)
        .map_err(|error| Error::Contradiction(format!("no .safetensors file: {error}")))
}

/// As an `.npz` file.
///
/// # Errors
///
/// [`Error::Contradiction`] if the format's crate refuses it.
pub fn npz(weights: &NetworkWeights) -> Result<Vec<u8>> {
    let refused =
        |error: &dyn std::fmt::Display| Error::Contradiction(format!("no .npz file: {error}"));
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = NpzWriter::new(&mut bytes);
    weights.visit(&mut |name, shape, numbers| {
        let array = ArrayD::from_shape_vec(IxDyn(shape), numbers.to_vec());
        let array = array.map_err(|error| refused(&error))?;
        writer.add_array(name, &array).map_err(|error| refused(&error))?;
        if let Some(name) = counter(name) {
            writer.add_array(name, &arr0(0i64)).map_err(|error| refused(&error))?;
        }
        Ok(())
    })?;
    writer.finish().map_err(|error| refused(&error))?;
    Ok(bytes.into_inner())
}
