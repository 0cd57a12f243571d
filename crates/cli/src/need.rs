//! How much memory a job needs, before anything is allocated.

use triform::block::{BlockSpec, Shortcut};
use triform::count;
use triform::error::{Error, Result};
use triform::network::architecture::Architecture;
use triform::network::layers::{Operation, Role};

/// What a job needs, in bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// The job, in words.
    pub what: String,
    /// The least that the job can run with: one copy of its weights and its input.
    pub least: u64,
    /// An estimate of what the job takes.
    pub about: u64,
}

/// The most bytes that one weight takes while a block is verified: as an `f32` in each form, as a packed `f32`, as an
/// integer, and as a ball with its parts.
const BYTES_A_WEIGHT: u64 = 96;
/// The most bytes that one activation takes while a block is verified.
const BYTES_AN_ACTIVATION: u64 = 64;
/// The most bytes for each path and each channel: form (a)'s kernels, and the planes at cut points.
const BYTES_A_PATH: u64 = 4096;
/// Additional bytes for the small blocks that some rungs draw.
const BYTES_OF_SMALL_BLOCKS: u64 = 96 << 20;

/// The memory needed to verify a network on N x C x H x W. It holds the weights, a second copy of them as one form's
/// kernels, the activations, and for each thread one of the largest blocks. Pass 0 threads for a network that only
/// runs.
///
/// # Errors
///
/// [`Error::TooManyElements`] if the bytes exceed 64 bits; errors about an input that the network does not accept.
pub fn of_network(
    network: &Architecture,
    (n, _, h, w): (usize, usize, usize, usize),
    threads: usize,
) -> Result<Need> {
    let memory = count::network(network, (h, w))?.memory;
    let layers = network.layers((h, w))?;
    let firsts = layers.iter().filter(|layer| {
        let convolves = matches!(layer.operation, Operation::Convolution { .. });
        convolves && layer.role == Some(Role::Reduce)
    });
    let blocks = network.bottlenecks()?;
    let needs = blocks.iter().zip(firsts).map(|(block, first)| needed(&block.spec, first.input, n));
    let mut needs: Vec<u128> = needs.collect();
    needs.sort_unstable_by(|left, right| right.cmp(left));
    let at_once: u128 = needs.iter().take(threads).sum();
    let input = n as u128 * h as u128 * w as u128 * 4 * network.input_channels() as u128;
    let least = u128::from(memory.weights) + input;
    let whole = 2 * u128::from(memory.weights) + 2 * n as u128 * u128::from(memory.peak);
    let by = match threads {
        0 => String::new(),
        _ => format!(" with --threads {threads}"),
    };
    let what = format!("running {} on {n} x {h} x {w}{by}", network.name);
    need(least, whole + at_once, what, vec![n, h, w])
}

/// The memory needed to hold this many copies of a network's weights.
///
/// # Errors
///
/// [`Error::TooManyElements`], [`Error::CountTooLarge`].
pub fn of_weights(network: &Architecture, copies: usize) -> Result<Need> {
    let weights = count::network(network, network.usual_input())?.memory.weights;
    let what = format!("initialising {}", network.name);
    let bytes = copies as u128 * u128::from(weights);
    need(bytes, bytes, what, vec![copies])
}

/// The memory needed to verify a block on a map of H x W.
///
/// # Errors
///
/// [`Error::TooManyElements`] where the sizes exceed 64 bits.
pub fn of_block(spec: &BlockSpec, (h, w): (usize, usize)) -> Result<Need> {
    let what = format!("verifying {spec} on a map of {h} x {w}");
    let input = spec.c_in() as u128 * h as u128 * w as u128;
    let least = 4 * (weights(spec) + input);
    let about = needed(spec, (h, w), 1) + u128::from(BYTES_OF_SMALL_BLOCKS);
    need(least, about, what, vec![spec.inner(), spec.c_in(), h, w])
}

/// Bytes needed to verify a block on N maps of H x W.
fn needed(spec: &BlockSpec, (h, w): (usize, usize), n: usize) -> u128 {
    let [c_in, inner, c_out, paths] =
        [spec.c_in(), spec.inner(), spec.c_out(), spec.cardinality()].map(|size| size as u128);
    let channels = c_in + 2 * inner + 2 * c_out;
    let activations = channels * n as u128 * h as u128 * w as u128;
    weights(spec) * u128::from(BYTES_A_WEIGHT)
        + activations * u128::from(BYTES_AN_ACTIVATION)
        + (paths + channels) * u128::from(BYTES_A_PATH)
}

/// The weights of a block, its projection included.
fn weights(spec: &BlockSpec) -> u128 {
    let [c_in, inner, width, c_out, k] =
        [spec.c_in(), spec.inner(), spec.width(), spec.c_out(), spec.kernel()]
            .map(|size| size as u128);
    let projection = if spec.shortcut() == Shortcut::Projection { c_in * c_out } else { 0 };
    inner * (c_in + width * k * k + c_out) + projection
}

/// Expects `least` to be at most `about`.
fn need(least: u128, about: u128, what: String, factors: Vec<usize>) -> Result<Need> {
    let too_many = |_| Error::TooManyElements { what: "bytes of memory", factors };
    let about = u64::try_from(about).map_err(too_many)?;
    Ok(Need { what, least: least as u64, about })
}

#[cfg(test)]
mod tests {
    use super::{of_block, of_network, of_weights};
    use triform::block::BlockSpec;
    use triform::count;
    use triform::error::Error;
    use triform::network::zoo;

    /// Computes the estimate once more, from the sizes of the kernels and the maps.
    #[test]
    fn what_is_needed_is_counted() {
        let (c, d) = (1 << 20, 1 << 18);
        let spec = BlockSpec::new(c, 2, d, c).unwrap();
        let weights = 2 * d * (c + 9 * d + c);
        let channels = c + 2 * 2 * d + 2 * c;
        let about = 96 * weights + 64 * channels * 5 * 7 + 4096 * (2 + channels) + (96 << 20);
        let need = of_block(&spec, (5, 7)).unwrap();
        assert_eq!((need.least, need.about), (4 * (weights + 35 * c) as u64, about as u64));
        let beyond = of_block(&spec, (1 << 40, 1 << 20));
        assert!(matches!(beyond, Err(Error::TooManyElements { .. })), "{beyond:?}");
    }

    /// A network needs two sets of weights, its activations, and for each thread one of the largest blocks.
    #[test]
    fn what_a_network_needs_is_counted() {
        let network = zoo::named("resnext50_32x4d").unwrap();
        let counts = count::network(&network, (64, 96)).unwrap().memory;
        let huge = 1 << 40;
        let Err(Error::TooManyElements { factors, .. }) =
            of_network(&network, (huge, 3, 64, 96), 1 << 40)
        else {
            panic!("so many images fit nowhere");
        };
        assert_eq!(factors, [huge, 64, 96]);
        let n = 1 << 24;
        let needed = |threads| of_network(&network, (n, 3, 64, 96), threads).unwrap().about;
        let least = of_network(&network, (n, 3, 64, 96), 1).unwrap().least;
        assert_eq!(least, counts.weights + 4 * n as u64 * 3 * 64 * 96);
        assert_eq!(needed(0), 2 * counts.weights + 2 * n as u64 * counts.peak);
        // conv3_1 (256 channels to 512, on 16 x 24) has the most values; then come conv2_2 and conv2_3.
        let values = (256 + 2 * 256 + 2 * 512) * 16 * 24 * n as u64;
        let weights = 256 * (256 + 8 * 9 + 512) + 256 * 512;
        let next =
            64 * (256 + 2 * 128 + 2 * 256) * 16 * 24 * n as u64 + 96 * 128 * (256 + 4 * 9 + 256);
        let paths = 4096 * (32 + 256 + 2 * 256 + 2 * 512 + 2 * (32 + 256 + 2 * 128 + 2 * 256));
        assert_eq!(needed(3) - needed(0), 64 * values + 96 * weights + 2 * next + paths);
        let written = of_weights(&network, 3).unwrap();
        assert_eq!((written.least, written.about), (3 * counts.weights, 3 * counts.weights));
    }
}
