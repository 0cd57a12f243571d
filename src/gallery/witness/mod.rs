//! The smallest block on which a mistake shows.
//!
//! A witness from a rung is one number out of thousands. The smallest wrong block shows *why* this number is wrong. So
//! the property tester draws blocks of a few channels, with integers, until the right and the wrong block differ. Then
//! it makes every size and every number as small as it can, as long as the two blocks still differ.

mod example;
mod strategy;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rand::RngCore as _;

pub use self::example::{Example, Mode, Outcome, Parting, Trace, first_apart, trace};
use super::{Kind, Mistake};
use crate::error::Result;
use crate::evidence::any_form::AnyForm;
use crate::random::{Purpose, Seed};

/// How many blocks each run draws in search of a block on which the mistake shows.
const DRAWN: u32 = 2_000;

/// How often the property tester is run. A run only makes things smaller and never goes back, so a run from another
/// start may find a smaller block.
const RUNS: u64 = 32;

/// The smallest example on which a wrong form differs from the right form, and the first element at which they differ.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// The block.
    pub example: Example,
    /// The result of the right form.
    pub right: Outcome,
    /// The result of the wrong form.
    pub wrong: Outcome,
    /// Where they differ.
    pub parting: Parting,
}

/// A right form and a wrong form.
#[derive(Clone, Copy)]
pub struct Pair<'a> {
    /// The right form.
    pub right: &'a dyn AnyForm,
    /// The wrong form.
    pub wrong: &'a dyn AnyForm,
    /// The kind of block on which they differ.
    pub shows_in: Kind,
    /// The minimum numbers of paths and input channels of such a block.
    pub at_least: (usize, usize),
}

/// The smallest example on which a mistake shows. `None` if it shows on no example that was drawn.
pub fn smallest(mistake: &Mistake, seed: Seed) -> Result<Option<Smallest>> {
    mistake.pair(&mistake.wrong()).smallest(seed, RUNS)
}

/// The smallest example of any kind on which two forms differ, and its kind. This function draws fewer examples than
/// [`smallest`], so it may find a larger example.
pub fn smallest_apart(
    right: &dyn AnyForm,
    wrong: &dyn AnyForm,
    seed: Seed,
) -> Result<Option<(Kind, Smallest)>> {
    use Kind::{Derivatives, Epsilon, Gradients, ManyBits, NotANumber, Numbers, Training};
    let kinds = [Numbers, NotANumber, Epsilon, ManyBits, Derivatives, Training, Gradients];
    for shows_in in kinds.into_iter().chain([Kind::TrainingGradients]) {
        let pair = Pair { right, wrong, shows_in, at_least: (1, 1) };
        if let Some(found) = pair.smallest(seed, RUNS / 8)? {
            return Ok(Some((shows_in, found)));
        }
    }
    Ok(None)
}

impl Pair<'_> {
    /// Runs the right and the wrong form on an example and finds where they differ. `None` if they agree.
    pub fn replay(&self, example: &Example) -> Result<Option<Smallest>> {
        let (right, wrong) = (example.run(self.right)?, example.run(self.wrong)?);
        let Some(parting) = right.parting(&wrong) else { return Ok(None) };
        Ok(Some(Smallest { example: example.clone(), right, wrong, parting }))
    }

    /// Draws examples until the forms differ on an example, and shrinks that example. Does this `runs` times and
    /// returns the smallest example.
    fn smallest(&self, seed: Seed, runs: u64) -> Result<Option<Smallest>> {
        let found = (0..runs).filter_map(|run| self.shrunk(seed, run));
        let Some(example) = found.min_by_key(Example::size) else { return Ok(None) };
        self.replay(&self.simplified(example))
    }

    /// Moves each number of an example towards its simplest value, one number at a time, as long as the two forms still
    /// differ.
    fn simplified(&self, mut example: Example) -> Example {
        loop {
            let mut changed = false;
            for place in 0..example.numbers().len() {
                while let Some(simpler) = self.simpler(&example, place) {
                    (example, changed) = (simpler, true);
                }
            }
            if !changed {
                return example;
            }
        }
    }

    /// Moves the number at `place` towards its simplest value. `None` if the two forms then no longer differ.
    pub fn simpler(&self, example: &Example, place: usize) -> Option<Example> {
        let numbers = example.numbers();
        let (value, simplest) = numbers[place];
        if value == simplest || value.is_nan() {
            return None;
        }
        let step = (simplest - value).signum();
        // All the way, half the way, one step, or two steps. A single step makes an odd weight even: it loses a bit.
        let nearer =
            [simplest, ((value + simplest) / 2.0).trunc(), value + step, value + 2.0 * step];
        let nearer =
            nearer.into_iter().filter(|near| (near - simplest).abs() < (value - simplest).abs());
        nearer
            .filter_map(|near| {
                let mut values: Vec<f32> = numbers.iter().map(|(value, _)| *value).collect();
                values[place] = near;
                example.with_numbers(&values).ok()
            })
            .find(|simpler| matches!(self.replay(simpler), Ok(Some(_))))
    }

    /// Runs the property tester once.
    fn shrunk(&self, seed: Seed, run: u64) -> Option<Example> {
        let mut bytes = [0; 32];
        seed.stream(Purpose::Examples, &[run]).fill_bytes(&mut bytes);
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
        let config = Config {
            cases: DRAWN,
            max_shrink_iters: 100_000,
            failure_persistence: None,
            ..Config::default()
        };
        let mut runner = TestRunner::new_with_rng(config, rng);
        let examples = strategy::examples(self.shows_in, self.at_least);
        let found = runner.run(&examples, |example| match self.replay(&example) {
            Ok(Some(_)) => Err(TestCaseError::fail("they part")),
            // In training mode a batch may be too small for statistics.
            Ok(None) | Err(_) => Ok(()),
        });
        match found {
            Err(TestError::Fail(_, example)) => Some(example),
            _ => None,
        }
    }
}
