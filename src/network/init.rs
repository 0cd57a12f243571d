//! He initialisation.

use std::collections::BTreeMap;

use ndarray::Array4;
use rand::Rng as _;

use super::architecture::Architecture;
use super::layers::Role;
use super::weights::NetworkWeights;
use crate::block::{BlockSpec, BlockWeights};
use crate::error::Result;
use crate::random::{Purpose, Rng, Seed, normal};

/// Draws a kernel from the normal distribution with standard deviation `sqrt(2 / fan_out)`, where `fan_out` is `C_out
/// k_h k_w`. This is PyTorch's `kaiming_normal_(mode='fan_out', nonlinearity='relu')` (He et al. 2015, section 2.2).
/// Like PyTorch, this function counts all output channels, whatever the number of groups. If each path were drawn by
/// itself, `fan_out` would be C times smaller.
///
/// `shape` is C_out x C_in/groups x k_h x k_w.
pub fn he_normal(shape: [usize; 4], rng: &mut Rng) -> Array4<f32> {
    let [c_out, _, k_h, k_w] = shape;
    let deviation = (2.0 / (c_out * k_h * k_w) as f32).sqrt();
    normal(shape, rng).mapv_into(|standard| deviation * standard)
}

/// The kernels of a block, He-initialised.
///
/// Errors: those of [`BlockWeights::new`].
pub fn block(spec: BlockSpec, rng: &mut Rng) -> Result<BlockWeights<f32>> {
    BlockWeights::from_fn(spec, |shape| he_normal(shape, rng))
}

/// Draws the weights of a whole network. With [`Fan::Whole`], this is torchvision's initialisation. Kernels are drawn
/// as by [`he_normal`]. Batch norms have scale 1 and shift 0. The fully connected layer is uniform within
/// `1/sqrt(inputs)`, as in PyTorch's `Linear`. Each tensor has its own random stream.
///
/// Errors: those of [`NetworkWeights::assemble`].
pub fn network(architecture: &Architecture, seed: Seed, fan: Fan) -> Result<NetworkWeights> {
    let groups: BTreeMap<String, usize> = architecture
        .layers(architecture.usual_input())?
        .into_iter()
        .filter(|layer| matches!(layer.role, Some(Role::Reduce | Role::Transform)))
        .map(|layer| (format!("{}.weight", layer.name), layer.paths))
        .collect();
    let mut number = 0;
    let inputs = architecture.stages.last().map_or(1, |stage| stage.c_out);
    NetworkWeights::assemble(architecture, &mut |name, shape| {
        let rng = &mut seed.stream(Purpose::Network, &[number]);
        number += 1;
        let length = shape.iter().product();
        Ok(match *shape {
            [c_out, c_in, k_h, k_w] => {
                let paths = match fan {
                    Fan::Whole => 1,
                    Fan::Path => groups.get(name).copied().unwrap_or(1),
                };
                let factor = (paths as f32).sqrt();
                let kernel = he_normal([c_out, c_in, k_h, k_w], rng);
                kernel.into_iter().map(|weight| factor * weight).collect()
            }
            [_, _] => uniform(length, inputs, rng),
            _ if name == "fc.bias" => uniform(length, inputs, rng),
            _ if name.ends_with(".weight") || name.ends_with(".running_var") => vec![1.0; length],
            _ => vec![0.0; length],
        })
    })
}

/// Which output channels `fan_out` counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// The whole layer, whatever its groups, as in torchvision and in the paper's released form (c).
    Whole,
    /// One path, as if each path's convolutions were initialised separately. The paper's released form (b) does that.
    /// The standard deviations of the first 1x1 and of the 3x3 are then `sqrt(C)` times as large.
    Path,
}

/// Draws numbers uniformly between `-1/sqrt(inputs)` and `1/sqrt(inputs)`.
fn uniform(length: usize, inputs: usize, rng: &mut Rng) -> Vec<f32> {
    let bound = 1.0 / (inputs as f32).sqrt();
    (0..length).map(|_| rng.random_range(-bound..=bound)).collect()
}

#[cfg(test)]
mod tests {
    use super::he_normal;
    use crate::random::{Purpose, Seed};

    /// The expected standard deviations are `sqrt(2 / (128 * 9))` and `sqrt(2 / 128)`, for conv2 of ResNeXt-50 in
    /// form (c).
    #[test]
    fn the_spread_is_the_published_one() {
        for (shape, deviation) in [([128, 4, 3, 3], 0.0417), ([128, 256, 1, 1], 0.125)] {
            let kernel = he_normal(shape, &mut Seed(1).stream(Purpose::Weights, &[]));
            let n = kernel.len() as f32;
            let measured = (kernel.mapv(|w| w * w).sum() / n).sqrt();
            // The standard deviation of a sample's deviation is deviation / sqrt(2 n). Allow
            // five of them, and half a unit of the published figure's last digit.
            let slack = 5.0 * deviation / (2.0 * n).sqrt() + 0.00005;
            assert!((measured - deviation).abs() < slack, "{measured} against {deviation}");
            assert!(kernel.mean().unwrap_or(1.0).abs() < 5.0 * deviation / n.sqrt());
        }
    }
}
