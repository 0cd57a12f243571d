//! What is to be climbed, and how far.

use std::collections::BTreeSet;
use std::num::NonZeroU64;

use crate::evidence::generator::{Case, sample};
use crate::evidence::rungs::Rung;
use crate::random::Seed;

/// Which rungs are climbed, and on how many random blocks each.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rungs.
    pub rungs: BTreeSet<Rung>,
    /// Random blocks for each rung that takes them.
    pub cases: NonZeroU64,
    /// Where they come from: by seed, number, and how often that was drawn again.
    pub generator: fn(Seed, u64, u64) -> Case,
}

impl Plan {
    /// Enough to meet every kind of block several times.
    pub const CASES: NonZeroU64 = NonZeroU64::new(100).unwrap();
}

impl Default for Plan {
    fn default() -> Self {
        Self { rungs: Rung::ALL.into(), cases: Self::CASES, generator: sample }
    }
}
