//! Reads the weights of a network from a checkpoint, and writes checkpoints.

use std::io::{Read, Seek};
use std::path::Path;

use triform::network::architecture::Architecture;
use triform::network::load::from_tensors;
use triform::network::weights::NetworkWeights;
use triform_checkpoint::Checkpoint;
use triform_checkpoint::write::{self, Tensor};

use crate::error::Result;

/// Reads a network from a file.
///
/// # Errors
///
/// The errors of [`load`]; [`Error::Tensors`](crate::error::Error::Tensors) if the file is not a checkpoint.
pub fn read(architecture: &Architecture, path: &Path) -> Result<NetworkWeights> {
    load(architecture, &mut Checkpoint::open(path)?)
}

/// Reads a network from an open checkpoint, tensor by tensor.
///
/// # Errors
///
/// The errors of [`from_tensors`]; [`Error::Tensors`](crate::error::Error::Tensors) if a tensor cannot be read.
pub fn load<R: Read + Seek>(
    architecture: &Architecture,
    checkpoint: &mut Checkpoint<R>,
) -> Result<NetworkWeights> {
    let path = checkpoint.path().to_owned();
    let entries = checkpoint.entries().iter();
    let named: Vec<_> = entries.map(|entry| (entry.name.clone(), entry.shape.clone())).collect();
    from_tensors(architecture, &named, &mut |index| Ok(checkpoint.read(index)?), &path)
}

/// The state dict. After the variance of each batch norm, PyTorch stores how many batches the layer has
/// seen, and strict loading requires that number.
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

/// A network as a `.safetensors` file.
pub fn safetensors(weights: &NetworkWeights) -> Result<Vec<u8>> {
    Ok(write::safetensors(&tensors(weights)?)?)
}

/// A network as an `.npz` file.
pub fn npz(weights: &NetworkWeights) -> Result<Vec<u8>> {
    Ok(write::npz(&tensors(weights)?)?)
}
