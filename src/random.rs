//! Every random choice of the crate, from one seed.

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sha2::{Digest, Sha256};

/// The generator that all drawing uses: the same numbers on every machine.
pub type Rng = ChaCha8Rng;

/// A seed, from which independent streams are drawn: one for each purpose, block,
/// layer and channel, so that no draw depends on the order of the others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// The stream of one path of numbers, for example `[purpose, block, layer, channel]`.
    ///
    /// ```
    /// use rand::Rng as _;
    /// use triform::random::Seed;
    /// let draw = |path: &[u64]| Seed(7).stream(path).random::<u64>();
    /// assert_eq!(draw(&[1, 2]), draw(&[1, 2]));
    /// assert_ne!(draw(&[1, 2]), draw(&[2, 1]));
    /// ```
    pub fn stream(self, path: &[u64]) -> Rng {
        let words = std::iter::once(&self.0).chain(path);
        let bytes: Vec<u8> = words.flat_map(|word| word.to_le_bytes()).collect();
        ChaCha8Rng::from_seed(Sha256::digest(bytes).into())
    }
}
