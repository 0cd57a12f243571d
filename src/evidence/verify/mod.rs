//! The main job: the forms it is handed, by every rung of the ladder, on the real shapes of
//! ResNeXt-50 and a real photograph, on random blocks of all kinds, and on shapes small enough for
//! proof.

pub(super) mod cases;
mod findings;
mod judge;
mod ladder;
mod plan;
mod run;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use image::RgbImage;
use ndarray::Array4;
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::StandardNormal;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub use self::findings::{BlockReport, ExactReport, Report, RoundingReport};
use self::judge::judge;
use self::ladder::{Job, Stage};
pub use self::plan::Plan;
use self::run::{Run, run_forms};
use super::any_form::AnyForm;
use super::live::LiveLayer;
use super::memory;
use super::verdict::{Finding, Rung};
use crate::block::{BlockSpec, Shortcut};
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::network::architecture::NamedBlock;
use crate::network::{image as photo, init, stem, zoo};
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
    pub(crate) fn stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }
}

/// A piece of what is done once the forms have run and been timed.
enum Piece<'a> {
    /// Rungs R0, R1 and R3 on a real block.
    Block(usize, Box<Run>),
    /// Another rung.
    Job(usize, Box<Job<'a>>),
}

/// What came of it; with its number, so that the order of the work does not matter.
enum Outcome {
    Block(usize, Box<(BlockReport, Vec<judge::Part>)>),
    Job(usize, Box<Finding>),
}

/// Verifies that `forms` are one function, on `subject`, by the rungs of `plan`.
///
/// # Errors
///
/// [`Error::Usage`] for fewer than two forms, since one agrees with itself whatever it does;
/// a subject that is too small, too large, or does not fit into memory; a plan of no rung. An error that
/// comes up later loses no finding: it is [`Report::failure`].
pub fn verify(
    forms: &[&dyn AnyForm],
    subject: &Subject,
    plan: &Plan,
    seed: Seed,
    progress: &Progress<'_>,
) -> Result<Report> {
    if forms.len() < 2 {
        return Err(Error::Usage(format!(
            "2 forms at least are needed to compare, not {}",
            forms.len()
        )));
    }
    if plan.rungs.is_empty() {
        return Err(Error::Zero { what: "number of rungs" });
    }
    let (blocks, mut x) = prepare(subject, seed)?;
    let stages = stages(&blocks, x.dim())?;
    let on_blocks = [Rung::R0, Rung::R1, Rung::R3].iter().any(|rung| plan.rungs.contains(rung));
    let blocks = if on_blocks { blocks } else { Vec::new() };
    let jobs = ladder::jobs(forms, plan, &stages, seed, progress)?;
    let (timed, steps) = (blocks.len(), 3 * blocks.len() + jobs.len());

    // One after the other and alone on the machine, for they are timed.
    let mut runs: Vec<Run> = Vec::with_capacity(timed);
    let mut failure = None;
    for (number, named) in blocks.into_iter().enumerate() {
        if progress.stopped() {
            break;
        }
        (progress.step)(number, steps, &format!("{}: the forms in f32", named.name));
        match run_forms(forms, named, x, seed, number) {
            Ok((run, next)) => {
                runs.push(run);
                x = next;
            }
            Err(error) => {
                failure = Some(error);
                break;
            }
        }
    }
    let all_ran = runs.len() == timed;

    // What remains is independent, so all processors share it, the longest first.
    let done = AtomicUsize::new(timed);
    let say = |what: &str| {
        (progress.step)(done.fetch_add(1, Ordering::Relaxed), steps, what);
    };
    let mut pieces: Vec<(f64, Piece<'_>)> = Vec::new();
    for (number, run) in runs.into_iter().enumerate() {
        // Two convolutions of floats, two of integers, two more for the cuts.
        pieces.push((6.0 * run.size(), Piece::Block(number, Box::new(run))));
    }
    // A form that does not run on a real block runs on nothing else.
    let jobs = if failure.is_none() { jobs } else { Vec::new() };
    for (number, job) in jobs.into_iter().enumerate() {
        pieces.push((job.size, Piece::Job(number, Box::new(job))));
    }
    pieces.sort_by(|left, right| right.0.total_cmp(&left.0));
    let work = |piece: Piece<'_>| -> Result<Option<Outcome>> {
        if progress.stopped() {
            return Ok(None);
        }
        match piece {
            Piece::Block(number, run) => {
                let found = judge(forms, &run, &plan.rungs, seed, number, &|what| {
                    say(&format!("{}: {what}", run.named.name));
                })?;
                Ok(Some(Outcome::Block(number, Box::new(found))))
            }
            Piece::Job(number, job) => {
                say(&format!("{} {}: {}", job.rung, job.rung.name(), job.stage));
                let start = Instant::now();
                let Some(evidence) = (job.work)()? else { return Ok(None) };
                let ms = start.elapsed().as_secs_f64() * 1e3;
                let about = (job.rung, job.stage.as_str(), job.scope.clone());
                let finding = Finding::conclude(about, evidence, seed.0, ms)?;
                Ok(Some(Outcome::Job(number, Box::new(finding))))
            }
        }
    };
    // One at a time from the front, so that two long ones do not fall to one processor.
    let pieces: Vec<Piece<'_>> = pieces.into_iter().map(|(_, piece)| piece).collect();
    let mut outcomes = Vec::new();
    let mut partial = !all_ran;
    for outcome in in_turn(pieces, &work) {
        match outcome {
            Ok(Some(outcome)) => outcomes.push(outcome),
            Ok(None) => partial = true,
            Err(error) => {
                partial = true;
                failure.get_or_insert(error);
            }
        }
    }
    report(outcomes, seed, partial, failure)
}

/// Each piece of work, started in their order; what came of it, in their order.
fn in_turn<P: Send, T: Send>(pieces: Vec<P>, work: &(dyn Fn(P) -> T + Sync)) -> Vec<T> {
    let next = std::sync::Mutex::new(pieces.into_iter().enumerate());
    let take = || next.lock().unwrap_or_else(std::sync::PoisonError::into_inner).next();
    let all = |_| {
        let mut done = Vec::new();
        while let Some((number, piece)) = take() {
            done.push((number, work(piece)));
        }
        done
    };
    let mut done: Vec<(usize, T)> =
        (0..rayon::current_num_threads()).into_par_iter().flat_map_iter(all).collect();
    done.sort_by_key(|(number, _)| *number);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}

/// Puts the outcomes in order. Without any, the failure is all there is.
fn report(
    outcomes: Vec<Outcome>,
    seed: Seed,
    partial: bool,
    failure: Option<Error>,
) -> Result<Report> {
    let failure = match failure {
        Some(failure) if outcomes.is_empty() => return Err(failure),
        failure => failure,
    };
    let (mut blocks, mut others) = (Vec::new(), Vec::new());
    for outcome in outcomes {
        match outcome {
            Outcome::Block(number, found) => blocks.push((number, *found)),
            Outcome::Job(number, finding) => others.push((number, *finding)),
        }
    }
    blocks.sort_by_key(|(number, _)| *number);
    others.sort_by_key(|(number, _)| *number);
    let (blocks, parts): (Vec<_>, Vec<_>) = blocks.into_iter().map(|(_, found)| found).unzip();
    let mut findings = judge::findings(parts, seed.0)?;
    findings.extend(others.into_iter().map(|(_, finding)| finding));
    findings.sort_by_key(|finding| finding.rung);
    Ok(Report { seed: seed.0, blocks, findings, partial, failure })
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
            let mut blocks = zoo::named("resnext50_32x4d")?.bottlenecks()?;
            // The one whose shortcut is a projection, and one whose shortcut is the identity.
            blocks.retain(|block| block.name.ends_with("_1") || block.name.ends_with("_2"));
            Ok((blocks, x))
        }
        Subject::Block(spec, map) => {
            spec.output_map(*map)?;
            memory::of_block(spec, *map)?;
            let shape = (1, spec.c_in(), map.0, map.1);
            let x =
                Array4::random_using(shape, StandardNormal, &mut seed.stream(Purpose::Input, &[]));
            Ok((vec![NamedBlock { name: "block".to_owned(), spec: *spec }], x))
        }
    }
}

/// The shapes on which the other rungs run: of each stage the block with an identity shortcut, on
/// the map it has in the network.
fn stages(blocks: &[NamedBlock], (_, _, h, w): (usize, usize, usize, usize)) -> Result<Vec<Stage>> {
    let mut stages = Vec::new();
    let mut map = (h, w);
    for NamedBlock { name, spec } in blocks {
        if spec.shortcut() == Shortcut::Identity || blocks.len() == 1 {
            let name = name.split('_').next().unwrap_or(name).to_owned();
            stages.push(Stage { name, spec: *spec, map });
        }
        map = spec.output_map(map)?;
    }
    Ok(stages)
}
