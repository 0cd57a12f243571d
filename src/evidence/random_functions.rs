//! Random functions over the field of 2^61 - 1 elements, one for each layer and channel.
//!
//! A random function draws its value at an argument the first time it is asked, and repeats that value every time
//! after. A keyed hash does this without a table: SipHash-2-4 with a result of 128 bits (Aumasson and Bernstein 2012),
//! reduced modulo 2^61 - 1. Each layer has a key drawn from the seed. The channel and the argument are hashed. The
//! probabilities in [`super::rungs::r4_prime_field`] assume that the hash cannot be distinguished from a random
//! function.

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::{Mutex, PoisonError};

use ndarray::ArrayViewMut3;
use rand::Rng as _;
use siphasher::sip128::{Hasher128, SipHasher24};

use crate::block::{Functions, Layer};
use crate::conv::ChannelWise;
use crate::random::{Purpose, Seed};
use crate::scalar::{Additive, Dual, M61, Scalar, Var};

/// A random function for each place and channel of a block, shared by all forms. The queries of each
/// function are counted.
pub struct RandomFunctions {
    places: [RandomFunction; 5],
    planes: [OfPlane; 5],
}

/// A random function of all the values of a plane, with a random Jacobian.
struct OfPlane(RandomFunction);

/// The function of each channel at one place.
pub struct RandomFunction {
    hasher: SipHasher24,
    queries: Mutex<BTreeMap<usize, u64>>,
}

impl RandomFunctions {
    /// Draws the functions from this seed and path of numbers.
    pub fn new(seed: Seed, path: &[u64]) -> Self {
        let mut rng = seed.stream(Purpose::Keys, path);
        let mut random = |()| RandomFunction {
            hasher: SipHasher24::new_with_keys(rng.random(), rng.random()),
            queries: Mutex::default(),
        };
        let places = [(); 5].map(&mut random);
        Self { places, planes: [(); 5].map(|()| OfPlane(random(()))) }
    }

    /// The functions to pass to a form.
    pub fn functions<S>(&self) -> Functions<'_, S>
    where
        RandomFunction: ChannelWise<S>,
    {
        Functions::of(|layer| &self.places[layer as usize])
    }

    /// Functions of a channel's whole plane, like batch norm in training mode.
    pub fn of_planes(&self) -> Functions<'_, Var<M61>> {
        let [reduce, transform, expand, shortcut, output] = &self.planes;
        Functions { reduce, transform, expand, shortcut, output }
    }

    /// The number of pairs of arguments that could be equal by chance. A function with m queries has C(m, 2) such
    /// pairs. They are summed over all layers and channels.
    pub fn pairs(&self) -> f64 {
        let pairs = |place: &RandomFunction| -> f64 {
            let queries = place.queries.lock().unwrap_or_else(PoisonError::into_inner);
            queries.values().map(|&m| m as f64 * (m as f64 - 1.0) / 2.0).sum()
        };
        self.places.iter().chain(self.planes.iter().map(|OfPlane(plane)| plane)).map(pairs).sum()
    }

    /// The value of a function (if `which` is 0) or of its derivative (if `which` is 1).
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

/// `z` becomes `f(z)`. In the backward pass, `g` becomes `f'(z) g`.
impl ChannelWise<Var<M61>> for RandomFunction {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Var<M61>>) {
        self.count(channel, plane.len());
        let all = |which| plane.iter().map(|z| self.at(channel, which, *z.value())).collect();
        let (values, slopes): (Vec<M61>, Vec<M61>) = (all(0), all(1));
        let back = move |_: &[Var<M61>], g: &[M61]| {
            g.iter().zip(&slopes).map(|(g, slope)| g.mul(slope)).collect()
        };
        let results = Var::computed(values, plane.iter().cloned().collect(), back);
        plane.iter_mut().zip(results).for_each(|(z, y)| *z = y);
    }
}

/// Value `j` of the plane becomes `f_j`, a random function of all the plane's values. In the backward pass, value `k`
/// gets the sum over `j` of `J_jk g_j`. Here `J_jk` is also a random function of all the plane's values. A plane counts
/// as one query.
impl ChannelWise<Var<M61>> for OfPlane {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Var<M61>>) {
        self.0.count(channel, 1);
        let mut whole = self.0.hasher;
        whole.write_u64(channel as u64);
        plane.iter().for_each(|z| whole.write_u64(z.value().value()));
        let at = move |j: usize, k: usize| {
            let mut hasher = whole;
            hasher.write_u64(j as u64);
            hasher.write_u64(k as u64);
            M61::from_bits(hasher.finish128().as_u128())
        };
        let n = plane.len();
        let back = move |_: &[Var<M61>], g: &[M61]| {
            let by = |k| {
                let terms = g.iter().enumerate().map(|(j, g)| g.mul(&at(j, k)));
                terms.fold(M61::zero(), |sum, term| sum.add(&term))
            };
            (0..n).map(by).collect()
        };
        let values = (0..n).map(|j| at(j, n)).collect();
        let results = Var::computed(values, plane.iter().cloned().collect(), back);
        plane.iter_mut().zip(results).for_each(|(z, y)| *z = y);
    }
}

/// `a + b eps` becomes `f(a) + b f'(a) eps`, where `f'` is a second random function.
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

    /// The same argument gives the same value. A different place, channel, seed or argument gives a different value.
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

    /// Counts the values in 16 equal ranges. A chi-square statistic with 15 degrees of freedom exceeds 50
    /// with a probability of 1.2e-5.
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

    /// Checks that `f(a + b eps)` is `f(a) + b f'(a) eps`, where `f'` is a second function. Queries are counted,
    /// including repeated ones.
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
