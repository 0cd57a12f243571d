//! The names and shapes of a network's tensors, as PyTorch's `state_dict()` has them.

use super::architecture::Architecture;
use super::layers::Operation;
use crate::error::Result;

/// Names and shapes of a network's state dict, without the counters of batches.
///
/// # Errors
///
/// Those of [`Architecture::layers`].
pub fn state_dict(architecture: &Architecture) -> Result<Vec<(String, Vec<usize>)>> {
    let mut entries = Vec::new();
    for layer in architecture.layers(architecture.usual_input())? {
        let name = &layer.name;
        match layer.operation {
            Operation::Convolution { k, c_in, c_out, spec } => {
                let shape = vec![c_out, c_in / spec.groups(), k, k];
                entries.push((format!("{name}.weight"), shape));
            }
            Operation::BatchNorm { channels } => {
                for part in ["weight", "bias", "running_mean", "running_var"] {
                    entries.push((format!("{name}.{part}"), vec![channels]));
                }
            }
            Operation::FullyConnected { c_in, c_out } => {
                entries.push((format!("{name}.weight"), vec![c_out, c_in]));
                entries.push((format!("{name}.bias"), vec![c_out]));
            }
            _ => {}
        }
    }
    Ok(entries)
}
