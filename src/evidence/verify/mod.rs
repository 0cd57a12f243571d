//! The main job: the forms it is handed, by every rung of the ladder, on the real shapes of
//! ResNeXt-50 and a real photograph, on random blocks of all kinds, and on shapes small enough for
//! proof.

pub(crate) mod cases;
mod findings;
mod judge;
mod plan;
mod run;

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array3, Array4};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub use self::findings::{BlockReport, Failure, Report, RoundingReport};
use self::judge::judge;
pub use self::plan::Plan;
use self::run::{Run, run_forms};
use super::any_form::AnyForm;
use super::live::LiveLayer;
use super::memory;
use super::progress::Progress;
use super::rungs::{Piece, Rung, Stage};
use super::verdict::{Evidence, Finding};
use crate::block::{BlockSpec, Shortcut};
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::network::architecture::NamedBlock;
use crate::network::{image as photo, init, stem, zoo};
use crate::random::{Purpose, Seed, normal};

/// What the forms are run on.
#[derive(Clone, Debug)]
pub enum Input {
    /// A photograph of any size the stem can take, through the stem, then the first two
    /// blocks of each stage of ResNeXt-50, each on what form (c) of the block before gave.
    Photograph(Array3<u8>),
    /// One block on random data, of this map.
    Block(BlockSpec, (usize, usize)),
}

/// A rung on random blocks, on a shape of its own or on that of a real block.
struct Job<'a> {
    rung: Rung,
    stage: String,
    scope: String,
    /// About how many multiply-adds it takes, to start the longest first.
    size: f64,
    work: Box<dyn Fn() -> Done + Send + Sync + 'a>,
}

/// What a job came to; each of these by itself, or together.
#[derive(Default)]
struct Done {
    evidence: Option<Evidence>,
    failure: Option<Error>,
    stopped: bool,
}

/// A piece of what is done once the forms have run and been timed.
enum Task<'a> {
    /// All rungs that run on a real block.
    Block(usize, Box<Run>),
    /// A job.
    Job(usize, Box<Job<'a>>),
}

/// What came of a task; with its number, so that the order of the work does not matter.
enum Outcome {
    Block(usize, Box<(BlockReport, Vec<judge::Part>)>),
    Job(usize, Box<Finding>),
    Failed(Failure),
    Stopped,
}

/// Verifies that `forms` are one function, on `input`, by the rungs of `plan`.
///
/// # Errors
///
/// [`Error::Unsuitable`] for fewer than two forms, since one agrees with itself whatever it does;
/// an input that is too small, or so large that its sizes exceed 64 bits; a plan of no rung; what
/// failed, where nothing else came of the run. Other errors lose no finding: see [`Report::failures`].
pub fn verify(
    forms: &[&dyn AnyForm],
    input: &Input,
    plan: &Plan,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Report> {
    if forms.len() < 2 {
        return Err(Error::Unsuitable(format!(
            "2 forms at least are needed to compare, not {}",
            forms.len()
        )));
    }
    if plan.rungs.is_empty() {
        return Err(Error::Zero { what: "number of rungs" });
    }
    let (blocks, mut x) = prepare(input, seed)?;
    let stages = stages(&blocks, x.dim())?;
    let on_blocks = plan.rungs.iter().filter(|rung| rung.block_scope().is_some()).count();
    let blocks = if on_blocks > 0 { blocks } else { Vec::new() };
    let jobs = jobs(forms, plan, &stages, seed, progress)?;
    let (timed, steps) = (blocks.len(), (1 + on_blocks) * blocks.len() + jobs.len());

    // One after the other and alone on the machine, for they are timed.
    let mut runs: Vec<Run> = Vec::with_capacity(timed);
    let mut outcomes = Vec::new();
    for (number, named) in blocks.into_iter().enumerate() {
        if progress.stopped() {
            break;
        }
        progress.step(number, steps, &format!("{}: the forms in f32", named.name));
        let stage = named.name.clone();
        match run_forms(forms, named, x, (seed, number), progress) {
            Ok((run, next)) => {
                runs.push(run);
                x = next;
            }
            Err(error) => {
                outcomes.push(Outcome::Failed(Failure { rung: None, stage, error }));
                break;
            }
        }
    }
    // A form that does not run on a real block runs on nothing else.
    let jobs = if outcomes.is_empty() { jobs } else { Vec::new() };
    if runs.len() < timed {
        outcomes.push(Outcome::Stopped);
    }

    // What remains is independent, so all processors share it, the longest first.
    let done = AtomicUsize::new(timed);
    let say = |what: &str| {
        progress.step(done.fetch_add(1, Ordering::Relaxed), steps, what);
    };
    let mut pieces: Vec<(f64, Task<'_>)> = Vec::new();
    for (number, run) in runs.into_iter().enumerate() {
        // Two convolutions of floats, two of integers, two more for the cuts.
        pieces.push((6.0 * run.size(), Task::Block(number, Box::new(run))));
    }
    for (number, job) in jobs.into_iter().enumerate() {
        pieces.push((job.size, Task::Job(number, Box::new(job))));
    }
    pieces.sort_by(|left, right| right.0.total_cmp(&left.0));
    let work = |task: Task<'_>| -> Vec<Outcome> {
        if progress.stopped() {
            return vec![Outcome::Stopped];
        }
        match task {
            Task::Block(number, run) => {
                let say = |what: &str| say(&format!("{}: {what}", run.named.name));
                let draw = (seed, number as u64);
                let (report, parts, failures) =
                    judge(forms, &run, &plan.rungs, draw, &say, progress);
                let failed = failures.into_iter().map(Outcome::Failed);
                failed.chain([Outcome::Block(number, Box::new((report, parts)))]).collect()
            }
            Task::Job(number, job) => {
                say(&format!("{} {}: {}", job.rung, job.rung.name(), job.stage));
                run_job(number, *job, seed, progress)
            }
        }
    };
    // One at a time from the front, so that two long ones do not fall to one processor.
    let tasks: Vec<Task<'_>> = pieces.into_iter().map(|(_, task)| task).collect();
    outcomes.extend(in_turn(tasks, &work).into_iter().flatten());
    report(outcomes, seed)
}

fn run_job(number: usize, job: Job<'_>, seed: Seed, progress: &dyn Progress) -> Vec<Outcome> {
    let Job { rung, stage, scope, work, .. } = job;
    let start = progress.now();
    let Done { evidence, failure, stopped } = work();
    let ms = progress.now() - start;
    let failed = |error| Outcome::Failed(Failure { rung: Some(rung), stage: stage.clone(), error });
    let mut outcomes = Vec::new();
    if let Some(evidence) = evidence {
        outcomes.push(match Finding::conclude((rung, &stage, scope), evidence, seed.0, ms) {
            Ok(finding) => Outcome::Job(number, Box::new(finding)),
            Err(error) => failed(error),
        });
    }
    outcomes.extend(failure.map(failed));
    outcomes.extend(stopped.then_some(Outcome::Stopped));
    outcomes
}

/// All the jobs of a plan: of each rung those on the stages, on random blocks, on shapes of its own.
fn jobs<'a>(
    forms: &'a [&'a dyn AnyForm],
    plan: &'a Plan,
    stages: &[Stage],
    seed: Seed,
    progress: &'a dyn Progress,
) -> Result<Vec<Job<'a>>> {
    let mut jobs = Vec::new();
    for &rung in &plan.rungs {
        let on_stages =
            stages.iter().zip(0..).flat_map(|(stage, number)| rung.on_stage(stage, (seed, number)));
        for Piece { stage, scope, size, work, .. } in on_stages.chain(rung.own()?) {
            let work = Box::new(move || match work(forms, &|_| true) {
                Ok(evidence) => Done { evidence: Some(evidence), ..Done::default() },
                Err(error) => Done { failure: Some(error), ..Done::default() },
            });
            jobs.push(Job { rung, stage, scope, size, work });
        }
        if let Some(scope) = rung.case_scope() {
            jobs.push(Job {
                rung,
                stage: "random".to_owned(),
                scope: format!("all kinds, {scope}"),
                size: plan.cases.get() as f64 * 1e5,
                work: Box::new(move || cases::climb(rung, forms, plan, seed, progress)),
            });
        }
    }
    Ok(jobs)
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

/// Puts the outcomes in order. Where nothing was found, the first failure is all there is.
fn report(outcomes: Vec<Outcome>, seed: Seed) -> Result<Report> {
    let (mut blocks, mut others) = (Vec::new(), Vec::new());
    let (mut failures, mut partial) = (Vec::new(), false);
    for outcome in outcomes {
        match outcome {
            Outcome::Block(number, found) => blocks.push((number, *found)),
            Outcome::Job(number, finding) => others.push((number, *finding)),
            Outcome::Failed(failure) => failures.push(failure),
            Outcome::Stopped => partial = true,
        }
    }
    partial |= !failures.is_empty();
    blocks.sort_by_key(|(number, _)| *number);
    others.sort_by_key(|(number, _)| *number);
    let (blocks, parts): (Vec<_>, Vec<_>) = blocks.into_iter().map(|(_, found)| found).unzip();
    let mut findings = judge::findings(parts, seed.0)?;
    findings.extend(others.into_iter().map(|(_, finding)| finding));
    findings.sort_by_key(|finding| finding.rung);
    if findings.is_empty() && !failures.is_empty() {
        return Err(failures.swap_remove(0).error);
    }
    Ok(Report { seed: seed.0, blocks, findings, partial, failures })
}

/// The blocks of an input, and the input of the first.
fn prepare(input: &Input, seed: Seed) -> Result<(Vec<NamedBlock>, Array4<f32>)> {
    match input {
        Input::Photograph(image) => {
            let fast = Fast::new();
            let kernel = init::he_normal(stem::KERNEL, &mut seed.stream(Purpose::Stem, &[]));
            let norm = LiveLayer::<f32>::seeded(seed, Purpose::Stem, true);
            let pixels = photo::normalise(image.view());
            let x = stem::forward(pixels.view(), kernel.view(), &norm, &fast)?;
            let mut blocks = zoo::named("resnext50_32x4d")?.bottlenecks()?;
            // The one whose shortcut is a projection, and one whose shortcut is the identity.
            blocks.retain(|block| block.name.ends_with("_1") || block.name.ends_with("_2"));
            Ok((blocks, x))
        }
        Input::Block(spec, map) => {
            spec.output_map(*map)?;
            // Sizes whose product exceeds 64 bits.
            memory::of_block(spec, *map)?;
            let shape = (1, spec.c_in(), map.0, map.1);
            let x = normal(shape, &mut seed.stream(Purpose::Input, &[]));
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
