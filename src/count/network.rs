//! Whole networks: their layers counted, summed, and summed by part.

use super::layer::{Counts, layer, values};
use super::sum::add;
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::layers::{Layer, Map, Operation, Place, Role};

/// A network, counted for one image.
#[derive(Clone, Debug)]
pub struct NetworkCounts {
    /// Its layers in order, each with what it has and does.
    pub layers: Vec<(Layer, Counts)>,
    /// All of them together.
    pub total: Counts,
    /// Bytes, in f32.
    pub memory: Memory,
}

/// Memory of a network in f32, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Parameters and running statistics.
    pub weights: u64,
    /// The most that one image needs at once, if batch norm, ReLU and the sum work in place: the input
    /// and the output of a layer, and what waits for the sum meanwhile.
    pub peak: u64,
}

/// Counts a network for an image of H x W.
///
/// # Errors
///
/// Those of [`Architecture::layers`] and of [`layer`].
///
/// ```
/// use triform::{count, network::zoo};
/// let resnext50 = count::network(&zoo::named("resnext50_32x4d")?, (224, 224))?.total;
/// assert_eq!(resnext50.parameters.trained()?, 25_028_904);
/// assert_eq!(resnext50.operations.macs()?, 4_230_479_872);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn network(network: &Architecture, input: Map) -> Result<NetworkCounts> {
    let counted = |each: Layer| layer(&each).map(|counts| (each, counts));
    let layers = network.layers(input)?.into_iter().map(counted).collect::<Result<Vec<_>>>()?;
    let total = sum(layers.iter().map(|(_, counts)| counts))?;
    let memory = memory(&layers, &total)?;
    Ok(NetworkCounts { layers, total, memory })
}

/// All of these together.
///
/// # Errors
///
/// [`Error::CountTooLarge`].
pub fn sum<'a>(counts: impl IntoIterator<Item = &'a Counts>) -> Result<Counts> {
    counts.into_iter().try_fold(Counts::default(), |sum, counts| sum.plus(counts))
}

impl NetworkCounts {
    /// What each part has and does, in order.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`].
    pub fn by_place(&self) -> Result<Vec<(Place, Counts)>> {
        let mut parts: Vec<(Place, Counts)> = Vec::new();
        for (layer, counts) in &self.layers {
            match parts.last_mut() {
                Some((place, sum)) if *place == layer.place => *sum = sum.plus(counts)?,
                _ => parts.push((layer.place, *counts)),
            }
        }
        Ok(parts)
    }
}

fn memory(layers: &[(Layer, Counts)], total: &Counts) -> Result<Memory> {
    let bytes = |numbers: u64| numbers.checked_mul(4);
    let what = "bytes of memory";
    let too_large = || Error::CountTooLarge { what };
    let stored = add(what, total.parameters.trained()?, total.parameters.statistics)?;
    let (mut peak, mut block_input) = (0, 0);
    for (layer, _) in layers {
        let in_place = matches!(
            layer.operation,
            Operation::BatchNorm { .. } | Operation::Relu { .. } | Operation::Add { .. }
        );
        if in_place {
            continue;
        }
        let input = input_values(layer)?;
        let waiting = match layer.role {
            Some(Role::Reduce | Role::First) => {
                block_input = input;
                0 // its input is the one that waits
            }
            Some(Role::Transform | Role::Expand | Role::Second) => block_input,
            Some(Role::Projection) => values(&layer.operation, layer.output)?, // the branch
            None => 0,
        };
        let alive = add(what, input, values(&layer.operation, layer.output)?)?;
        peak = add(what, alive, waiting)?.max(peak);
    }
    let weights = bytes(stored).ok_or_else(too_large)?;
    Ok(Memory { weights, peak: bytes(peak).ok_or_else(too_large)? })
}

fn input_values(layer: &Layer) -> Result<u64> {
    let (h, w) = layer.input;
    super::sum::product("values of a map", &[layer.operation.c_in(), h, w])
}

#[cfg(test)]
mod tests {
    use super::network;
    use crate::block::BlockSpec;
    use crate::network::architecture::Architecture;
    use crate::network::zoo;

    /// By hand: a block of 256-1x64-256 on 2 x 2. While the last 1x1 runs there are its input, 64 maps of
    /// 4 values, its output, 256, and the block's input, 256.
    #[test]
    fn the_most_memory_at_once_is_where_it_must_be() {
        let block = Architecture::single(&BlockSpec::new(256, 1, 64, 256).unwrap());
        let counts = network(&block, (2, 2)).unwrap();
        assert_eq!(counts.memory.peak, 4 * 4 * (64 + 256 + 256));
        assert_eq!(counts.memory.weights, 4 * (69_632 + 2 * 2 * (64 + 64 + 256)));
        // In conv2_1 of ResNet-50, while the projection runs: its input and output and the branch.
        let resnet = network(&zoo::named("resnet50").unwrap(), (224, 224)).unwrap();
        assert_eq!(resnet.memory.peak, 4 * 56 * 56 * (64 + 256 + 256));
    }
}
