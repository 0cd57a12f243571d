//! The main job: the forms it is handed, on the real shapes of ResNeXt-50 and a real
//! photograph, by rungs R1 and R3.

mod findings;
mod judge;
mod run;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use image::RgbImage;
use ndarray::Array4;
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::StandardNormal;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub use self::findings::{BlockReport, ExactReport, Report, Rung};
use self::judge::judge;
use self::run::{Run, run_forms};
use super::any_form::AnyForm;
use super::live::LiveLayer;
use super::memory;
use crate::block::BlockSpec;
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::network::resnext50::{NamedBlock, first_two_blocks};
use crate::network::{image as photo, init, stem};
use crate::random::{Purpose, Seed};

/// What to verify the forms on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A photograph of any size the stem can take, through the stem, then the first two
    /// blocks of each stage of ResNeXt-50, each on what form (c) of the block before gave.
    Photograph(RgbImage),
    /// One block on random data, of this map.
    Block(BlockSpec, (usize, usize)),
}

/// Told of each step of the work, and asked whether to stop.
pub struct Progress<'a> {
    /// Called before each step, with its number, the number of steps and what it does.
    pub step: &'a (dyn Fn(usize, usize, &str) + Sync),
    /// Set to stop at the next step.
    pub interrupted: &'a AtomicBool,
}

impl Progress<'_> {
    fn stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// Verifies that `forms` are one function, on `subject`.
///
/// # Errors
///
/// [`Error::Usage`] for fewer than two forms, since one agrees with itself whatever it does;
/// a subject that is too small, too large, or does not fit into memory.
pub fn verify(
    forms: &[&dyn AnyForm],
    subject: &Subject,
    seed: Seed,
    progress: &Progress<'_>,
) -> Result<Report> {
    if forms.len() < 2 {
        return Err(Error::Usage(format!(
            "2 forms at least are needed to compare, not {}",
            forms.len()
        )));
    }
    let (blocks, mut x) = prepare(subject, seed)?;
    let steps = 3 * blocks.len();

    // One after the other and alone on the machine, for they are timed.
    let mut runs: Vec<Run> = Vec::with_capacity(blocks.len());
    for (number, named) in blocks.into_iter().enumerate() {
        if progress.stopped() {
            break;
        }
        (progress.step)(number, steps, &format!("{}: the forms in f32", named.name));
        let (run, next) = run_forms(forms, named, x, seed, number)?;
        runs.push(run);
        x = next;
    }
    let all_ran = runs.len() == steps / 3;

    // What remains is independent, so all processors share it.
    let done = AtomicUsize::new(steps / 3);
    let judge = |(number, run): (usize, Run)| {
        if progress.stopped() {
            return Ok(None);
        }
        let say = |what: &str| {
            let step = done.fetch_add(1, Ordering::Relaxed);
            (progress.step)(step, steps, &format!("{}: {what}", run.named.name));
        };
        judge(forms, &run, seed, number, &say).map(Some)
    };
    let reports: Result<Vec<_>> =
        runs.into_iter().enumerate().collect::<Vec<_>>().into_par_iter().map(judge).collect();
    let reports = reports?;
    let partial = !all_ran || reports.iter().any(Option::is_none);
    Ok(Report { seed: seed.0, blocks: reports.into_iter().flatten().collect(), partial })
}

/// The blocks of a subject, and the input of the first.
fn prepare(subject: &Subject, seed: Seed) -> Result<(Vec<NamedBlock>, Array4<f32>)> {
    match subject {
        Subject::Photograph(image) => {
            let fast = Fast::new();
            let kernel = init::he_normal(stem::KERNEL, &mut seed.stream(Purpose::Stem, &[]));
            let norm = LiveLayer::<f32>::seeded(seed, Purpose::Stem, true);
            let pixels = photo::normalise(image);
            let x = stem::forward(pixels.view(), kernel.view(), &norm, &fast)?;
            Ok((first_two_blocks()?, x))
        }
        Subject::Block(spec, map) => {
            spec.output_map(*map)?;
            memory::check(spec, *map)?;
            let shape = (1, spec.c_in(), map.0, map.1);
            let x =
                Array4::random_using(shape, StandardNormal, &mut seed.stream(Purpose::Input, &[]));
            Ok((vec![NamedBlock { name: "block".to_owned(), spec: *spec }], x))
        }
    }
}
