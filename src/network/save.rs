//! The weights of a network to a checkpoint that PyTorch loads strictly.

use triform_checkpoint::write::{self, Tensor};

use super::weights::NetworkWeights;
use crate::error::{Error, Result};

/// The state dict. After the variance of a batch norm, PyTorch stores how many batches it has seen.
fn tensors(weights: &NetworkWeights) -> Result<Vec<Tensor>> {
    let mut tensors = Vec::new();
    weights.visit(&mut |name, shape, numbers| {
        tensors.push(Tensor::f32(name, shape, numbers));
        if let Some(norm) = name.strip_suffix("running_var") {
            tensors.push(Tensor::i64(&format!("{norm}num_batches_tracked"), &[], &[0]));
        }
        Ok(())
    })?;
    Ok(tensors)
}

/// As a `.safetensors` file.
///
/// # Errors
///
/// None in practice.
pub fn safetensors(weights: &NetworkWeights) -> Result<Vec<u8>> {
    write::safetensors(&tensors(weights)?).map_err(Error::Tensors)
}

/// As an `.npz` file.
///
/// # Errors
///
/// None in practice.
pub fn npz(weights: &NetworkWeights) -> Result<Vec<u8>> {
    write::npz(&tensors(weights)?).map_err(Error::Tensors)
}
