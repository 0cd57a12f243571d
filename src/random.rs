//! All random numbers of the crate, drawn from one seed.

use hmac_sha256::Hash;
use ndarray::{Array, ShapeBuilder};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::StandardNormal;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;

/// The generator of all random numbers. It gives the same numbers on every machine.
pub type Rng = ChaCha8Rng;

/// What random numbers are used for. Each purpose has its own streams, so an extra draw for one purpose does not change
/// the numbers for another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Kernels of blocks.
    Weights,
    /// Batch norms of blocks.
    Norms,
    /// The stem's kernel and batch norm.
    Stem,
    /// An input that is not a photograph.
    Input,
    /// Blocks and inputs of small integers.
    Exact,
    /// Blocks of all shapes, from the case generator.
    Cases,
    /// Elements of a prime field.
    Field,
    /// Keys of random functions.
    Keys,
    /// Directions of differentiation.
    Directions,
    /// Floats of every kind.
    Floats,
    /// Blocks small enough to follow by hand.
    Examples,
    /// Weights of whole networks.
    Network,
    /// The cases on which the theorem's formulas are compared with the forms.
    Theorem,
    /// The images for training, and their order.
    Batches,
    /// The cases that `triform cases` writes for other programs.
    Handout,
}

/// A seed for independent random streams. There is one stream for each purpose, block, layer and channel, so no draw
/// depends on the order of other draws.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream for a purpose and a path of numbers, for example `[block, layer, channel]`.
    ///
    /// ```
    /// use rand::Rng as _;
    /// use triform::random::{Purpose, Seed};
    /// let draw = |path: &[u64]| Seed(7).stream(Purpose::Norms, path).random::<u64>();
    /// assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
    /// assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
    /// ```
    pub fn stream(self, purpose: Purpose, path: &[u64]) -> Rng {
        let words = [self.0, purpose as u64].into_iter().chain(path.iter().copied());
        let bytes: Vec<u8> = words.flat_map(u64::to_le_bytes).collect();
        ChaCha8Rng::from_seed(Hash::hash(&bytes))
    }
}

/// Standard normal numbers, drawn in memory order.
pub fn normal<Sh: ShapeBuilder>(shape: Sh, rng: &mut Rng) -> Array<f32, Sh::Dim> {
    Array::random_using(shape, StandardNormal, rng)
}
