//! The smallest block on which a mistake shows.
//!
//! A witness from a rung is a number out of thousands. To see *why* a block is wrong one wants the
//! smallest block on which it is: so the property tester draws blocks of a few channels and whole
//! numbers until right and wrong differ, and then makes every size and every number as small
//! as it can while they still do.

mod example;
mod strategy;

use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use rand::RngCore as _;

pub use self::example::{Example, Mode, Outcome, Parting, Trace, first_apart, trace};
use super::Mistake;
use crate::error::Result;
use crate::random::{Purpose, Seed};

/// Blocks that are drawn in search of one on which a mistake shows, in each run.
const DRAWN: u32 = 2_000;

/// How often the property tester is run. It makes one thing smaller after another and never looks
/// back, so from another start it may get further.
const RUNS: u64 = 32;

/// The smallest example on which a mistake differs from the right form, and the first element at
/// which it does.
#[derive(Clone, Debug)]
pub struct Smallest {
    /// The block.
    pub example: Example,
    /// What the right form makes of it.
    pub right: Outcome,
    /// What the wrong form makes of it.
    pub wrong: Outcome,
    /// Where they part.
    pub parting: Parting,
}

/// Right and wrong on an example, and where they part; `None` where they do not, or where there is
/// nothing to compare.
pub fn replay(mistake: &Mistake, example: &Example) -> Result<Option<Smallest>> {
    let right = example.run(&mistake.form)?;
    let wrong = example.run(&mistake.wrong())?;
    let Some(parting) = right.parting(&wrong) else { return Ok(None) };
    Ok(Some(Smallest { example: example.clone(), right, wrong, parting }))
}

/// Draws examples until the mistake shows, and shrinks the one on which it does; of several such
/// runs the smallest that was found. `None` if it shows on none.
pub fn smallest(mistake: &Mistake, seed: Seed) -> Result<Option<Smallest>> {
    let found = (0..RUNS).filter_map(|run| shrunk(mistake, seed, run));
    let Some(example) = found.min_by_key(Example::size) else { return Ok(None) };
    replay(mistake, &simplified(mistake, example))
}

/// The example with each number in turn brought nearer to the simplest it can be, until none can be
/// and right and wrong still part.
fn simplified(mistake: &Mistake, mut example: Example) -> Example {
    loop {
        let mut changed = false;
        for place in 0..example.numbers().len() {
            while let Some(simpler) = simpler(mistake, &example, place) {
                (example, changed) = (simpler, true);
            }
        }
        if !changed {
            return example;
        }
    }
}

/// The example with one number simpler, if right and wrong then still part.
pub fn simpler(mistake: &Mistake, example: &Example, place: usize) -> Option<Example> {
    let numbers = example.numbers();
    let (value, simplest) = numbers[place];
    if value == simplest || value.is_nan() {
        return None;
    }
    let step = (simplest - value).signum();
    // All the way, half of it, one step, two: of weights with many bits every second has one less.
    let nearer = [simplest, ((value + simplest) / 2.0).trunc(), value + step, value + 2.0 * step];
    let nearer =
        nearer.into_iter().filter(|near| (near - simplest).abs() < (value - simplest).abs());
    nearer
        .filter_map(|near| {
            let mut values: Vec<f32> = numbers.iter().map(|(value, _)| *value).collect();
            values[place] = near;
            example.with_numbers(&values).ok()
        })
        .find(|simpler| matches!(replay(mistake, simpler), Ok(Some(_))))
}

/// One run of the property tester.
fn shrunk(mistake: &Mistake, seed: Seed, run: u64) -> Option<Example> {
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
    let examples = strategy::examples(mistake.shows_in, mistake.made_in.at_least());
    let found = runner.run(&examples, |example| match replay(mistake, &example) {
        Ok(Some(_)) => Err(TestCaseError::fail("they part")),
        // In training mode a batch may be too small for statistics.
        Ok(None) | Err(_) => Ok(()),
    });
    match found {
        Err(TestError::Fail(_, example)) => Some(example),
        _ => None,
    }
}
