//! Random functions over the field of 2^61 - 1 elements, one for each layer and channel.
//!
//! A function is drawn at random by drawing a value for each argument when it is first asked for,
//! and giving the same again when it is asked again. A keyed hash does that without a table:
//! SipHash-2-4 of 128 bits (Aumasson and Bernstein 2012), keyed by seed, layer and channel, reduced
//! modulo 2^61 - 1. That a hash with a secret key cannot be told from a random function is the
//! assumption under which the probabilities of [`super::rungs::r4_prime_field`] hold.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewMut3;
use rand::Rng as _;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::block::{Functions, Layer};
use crate::conv::ChannelWise;
use crate::random::{Purpose, Seed};
use crate::scalar::{Dual, M61, Scalar};

/// A random function for each place and channel of a block, shared by all forms; it counts how
/// often each is asked.
pub struct RandomFunctions {
    places: [RandomFunction; 5],
}

/// The function of each channel at one place.
pub struct RandomFunction {
    hasher: SipHasher24,
    queries: Mutex<BTreeMap<usize, u64>>,
}

impl RandomFunctions {
    /// The functions of this seed and path of numbers.
    pub fn new(seed: Seed, path: &[u64]) -> Self {
        let mut rng = seed.stream(Purpose::Keys, path);
        Self {
            places: [(); 5].map(|()| RandomFunction {
                hasher: SipHasher24::new_with_keys(rng.random(), rng.random()),
                queries: Mutex::default(),
            }),
        }
    }

    /// The functions, to be handed to a form.
    pub fn functions<S>(&self) -> Functions<'_, S>
    where
        RandomFunction: ChannelWise<S>,
    {
        Functions::of(|layer| &self.places[layer as usize])
    }

    /// The sum over layers and channels of C(m, 2), where m is how often the function there was asked: the number
    /// of pairs of arguments that could be equal by chance.
    pub fn pairs(&self) -> f64 {
        let pairs = |place: &RandomFunction| -> f64 {
            let queries = place.queries.lock().unwrap_or_else(PoisonError::into_inner);
            queries.values().map(|&m| m as f64 * (m as f64 - 1.0) / 2.0).sum()
        };
        self.places.iter().map(pairs).sum()
    }

    /// The value of a function, 0 for the function itself and 1 for its derivative.
    pub fn value(&self, layer: Layer, channel: usize, which: u64, argument: M61) -> M61 {
        self.places[layer as usize].at(channel, which, argument)
    }
}

impl RandomFunction {
    fn at(&self, channel: usize, which: u64, argument: M61) -> M61 {
        let mut hasher = self.hasher;
        hasher.write_u64(channel as u64);
        hasher.write_u64(which);
        hasher.write_u64(argument.value());
        M61::from_bits(hasher.finish128().as_u128())
    }

    fn count(&self, channel: usize, queries: usize) {
        let mut all = self.queries.lock().unwrap_or_else(PoisonError::into_inner);
        *all.entry(channel).or_default() += queries as u64;
    }
}

/// z becomes f(z).
impl ChannelWise<M61> for RandomFunction {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, M61>) {
        self.count(channel, plane.len());
        plane.mapv_inplace(|z| self.at(channel, 0, z));
    }
}

/// a + b eps becomes f(a) + b f'(a) eps, with f' a random function of its own.
impl ChannelWise<Dual<M61>> for RandomFunction {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Dual<M61>>) {
        self.count(channel, plane.len());
        plane.mapv_inplace(|z| Dual {
            value: self.at(channel, 0, z.value),
            derivative: z.derivative.mul(&self.at(channel, 1, z.value)),
        });
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array3;

    use super::RandomFunctions;
    use crate::block::{Functions, Layer};
    use crate::random::Seed;
    use crate::scalar::{Dual, M61, Scalar};

    /// The same argument gives the same value; another place, channel, seed or argument another.
    #[test]
    fn functions_are_functions() {
        let functions = RandomFunctions::new(Seed(1), &[0]);
        let at = |layer, channel, which, argument| {
            functions.value(layer, channel, which, M61::new(argument))
        };
        let value = at(Layer::Reduce, 3, 0, 5);
        assert_eq!(value, at(Layer::Reduce, 3, 0, 5));
        for other in [
            at(Layer::Transform, 3, 0, 5),
            at(Layer::Reduce, 4, 0, 5),
            at(Layer::Reduce, 3, 1, 5),
            at(Layer::Reduce, 3, 0, 6),
            RandomFunctions::new(Seed(2), &[0]).value(Layer::Reduce, 3, 0, M61::new(5)),
            RandomFunctions::new(Seed(1), &[1]).value(Layer::Reduce, 3, 0, M61::new(5)),
        ] {
            assert_ne!(value, other);
        }
    }

    /// Evenly: over 16 ranges, the chi-square statistic of 15 degrees of freedom exceeds 50 with a
    /// probability of 1.2e-5.
    #[test]
    fn values_are_spread_evenly() {
        let functions = RandomFunctions::new(Seed(3), &[]);
        let mut counts = [0f64; 16];
        for argument in 0..16_000 {
            let value = functions.value(Layer::Output, 0, 0, M61::new(argument)).value();
            counts[(value >> 57) as usize] += 1.0;
        }
        let statistic: f64 = counts.iter().map(|n| (n - 1000.0).powi(2) / 1000.0).sum();
        assert!(statistic < 50.0, "{statistic}");
    }

    /// f(a + b eps) = f(a) + b f'(a) eps, with f' a function of its own. Queries are counted, repeats
    /// included.
    #[test]
    fn derivatives_are_functions_of_their_own_and_queries_are_counted() {
        let functions = RandomFunctions::new(Seed(1), &[0]);
        let duals: Functions<'_, Dual<M61>> = functions.functions();
        let z = Dual { value: M61::new(5), derivative: M61::new(3) };
        let mut plane = Array3::from_elem((1, 1, 2), z);
        duals.expand.apply(4, plane.view_mut());
        let at = |which| functions.value(Layer::Expand, 4, which, z.value);
        let expected = Dual { value: at(0), derivative: M61::new(3).mul(&at(1)) };
        assert_eq!(plane, Array3::from_elem((1, 1, 2), expected));
        assert_ne!(at(0), at(1));
        assert_eq!(functions.pairs(), 1.0);
        let plain: Functions<'_, M61> = functions.functions();
        let mut plane = Array3::from_elem((2, 3, 1), M61::new(7));
        plain.reduce.apply(0, plane.view_mut());
        plain.reduce.apply(0, plane.view_mut());
        plain.expand.apply(9, plane.view_mut());
        assert_eq!(functions.pairs(), 1.0 + 12.0 * 11.0 / 2.0 + 6.0 * 5.0 / 2.0);
    }
}
