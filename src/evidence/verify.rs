//! The main job: the forms it is handed, on the real shapes of ResNeXt-50 and a real
//! photograph, by rungs R1 and R3.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use image::RgbImage;
use ndarray::{Array4, ArrayView4};
use ndarray_rand::RandomExt;
use ndarray_rand::rand_distr::StandardNormal;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::any_form::{AnyForm, Over};
use super::bound::balls;
use super::compare::{Witness, against_balls, against_exact, compare, largest, ulp};
use super::exact::{self, ExactCase, LIMIT_F32, LIMIT_F64};
use super::live::{LiveLayer, LiveNorms};
use super::memory;
use crate::block::{
    Activation, BlockNorms, BlockSpec, BlockWeights, Bottleneck, Form, NormFunctions, Shortcut,
};
use crate::conv::{Convolver, Fast, Reference};
use crate::count;
use crate::error::{Error, Result};
use crate::network::resnext50::{NamedBlock, first_two_blocks};
use crate::network::{image as photo, init, stem};
use crate::random::Seed;
use crate::scalar::Real;

/// Each form is timed this often, and the shortest time reported.
const TIMED_RUNS: usize = 3;
/// Names of this module's draws among all the seed's.
const STEM: u64 = 0;
const WEIGHTS: u64 = 1;
const NORMS: u64 = 2;
const INPUT: u64 = 4;
const STEM_NORM: u64 = 5;

/// What to verify the forms on.
#[derive(Clone, Debug)]
pub enum Subject {
    /// A photograph of any size the stem can take, through the stem, then the first two
    /// blocks of each stage of ResNeXt-50, each on what form (c) of the block before gave.
    Photograph(RgbImage),
    /// One block on random data, of this map.
    Block(BlockSpec, (usize, usize)),
}

/// Both rungs' findings on one block.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// The block's name, such as conv2_1.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
    /// The map it reads, H x W.
    pub map: (usize, usize),
    /// Parameters of its convolutions.
    pub parameters: count::BlockParameters,
    /// Each form's letter and shortest time, in milliseconds.
    pub times: Vec<(char, f64)>,
    /// For each pair of forms, by their letters: the largest difference.
    pub differences: Vec<(String, f64)>,
    /// One unit in the last place of the largest activation.
    pub ulp: f64,
    /// The derived bound (R1) on the difference of two correct forms at any element: the largest.
    pub bound: f64,
    /// The largest part of its ball's radius that any form's element uses; at most 1 if correct.
    pub used: f64,
    /// Whether the bound is larger than the output itself, hence says nothing.
    pub bound_is_blunt: bool,
    /// SHA-256 of the bits of form (c)'s output.
    pub digest: String,
    /// The exact run.
    pub exact: ExactReport,
    /// Hidden channels, in either run, through which nothing passes.
    pub dead_channels: usize,
    /// Hidden channels of both runs.
    pub hidden_channels: usize,
    /// The worst element of each form and run that is refuted.
    pub refuted: Vec<(Rung, Witness)>,
}

/// The exact run's findings on one block.
#[derive(Clone, Debug)]
pub struct ExactReport {
    /// "f32", or "f64" where no integers small enough for `f32` were found.
    pub float: &'static str,
    /// No partial sum exceeds this.
    pub reached: i64,
    /// Partial sums up to this are exact.
    pub limit: i64,
    /// For each pair of forms, by their letters: elements that differ.
    pub differing: Vec<(String, usize)>,
    /// Elements compared.
    pub elements: usize,
}

/// A rung of the ladder of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rung {
    /// Derived bound.
    R1,
    /// Exact integers.
    R3,
}

impl BlockReport {
    /// Whether no form was refuted.
    pub fn holds(&self) -> bool {
        self.refuted.is_empty()
    }
}

/// The findings on all the blocks.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed of every random choice.
    pub seed: u64,
    /// Block by block.
    pub blocks: Vec<BlockReport>,
    /// Whether the run was cut short, so that blocks are missing.
    pub partial: bool,
}

impl Report {
    /// Whether something was verified, in full, and no form refuted.
    pub fn holds(&self) -> bool {
        !self.partial && !self.blocks.is_empty() && self.blocks.iter().all(BlockReport::holds)
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        self.blocks.iter().any(|block| !block.holds())
    }
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

/// A block in `f32`, its input, and what the forms made of it.
struct Run {
    named: NamedBlock,
    weights: BlockWeights<f32>,
    norms: BlockNorms<f32>,
    x: Array4<f32>,
    outputs: Vec<Array4<f32>>,
    times: Vec<(char, f64)>,
    dead_channels: usize,
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
    let done = std::sync::atomic::AtomicUsize::new(steps / 3);
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
            let kernel = init::he_normal(stem::KERNEL, &mut seed.stream(&[STEM]));
            let norm = LiveLayer::<f32>::seeded(seed, STEM_NORM, true);
            let pixels = photo::normalise(image);
            let x = stem::forward(pixels.view(), kernel.view(), &norm, &fast)?;
            Ok((first_two_blocks()?, x))
        }
        Subject::Block(spec, map) => {
            spec.output_map(*map)?;
            memory::check(spec, *map)?;
            let shape = (1, spec.c_in(), map.0, map.1);
            let x = Array4::random_using(shape, StandardNormal, &mut seed.stream(&[INPUT]));
            Ok((vec![NamedBlock { name: "block".to_owned(), spec: *spec }], x))
        }
    }
}

/// Draws a block for an input, runs and times each form on it, and gives form (c)'s output
/// besides.
fn run_forms(
    forms: &[&dyn AnyForm],
    named: NamedBlock,
    x: Array4<f32>,
    seed: Seed,
    number: usize,
) -> Result<(Run, Array4<f32>)> {
    let fast = Fast::new();
    let block = number as u64;
    let weights = init::block(named.spec, &mut seed.stream(&[WEIGHTS, block]))?;
    let projection = named.spec.shortcut() == Shortcut::Projection;

    let live = LiveNorms::<f32>::seeded(seed, NORMS, block);
    let drawing = Bottleneck::prepare(&Form::Grouped, &weights, &fast)?;
    let next = drawing.forward(x.view(), &live.functions(projection), &fast)?;
    let norms = live.norms(projection)?;

    let functions = NormFunctions::new(&norms, Activation::Relu)?;
    let mut outputs = Vec::with_capacity(forms.len());
    let mut times = Vec::with_capacity(forms.len());
    for form in forms {
        let block = form.bottleneck(&weights, &fast)?;
        let mut shortest = f64::INFINITY;
        for run in 0..TIMED_RUNS {
            let start = Instant::now();
            let output = block.forward(x.view(), &functions.functions(), &fast)?;
            shortest = shortest.min(start.elapsed().as_secs_f64() * 1e3);
            if run == 0 {
                outputs.push(output);
            }
        }
        times.push((form.letter(), shortest));
    }
    let dead_channels = live.dead_channels();
    Ok((Run { named, weights, norms, x, outputs, times, dead_channels }, next))
}

/// Both rungs on one block.
fn judge(
    forms: &[&dyn AnyForm],
    run: &Run,
    seed: Seed,
    number: usize,
    say: &dyn Fn(&str),
) -> Result<BlockReport> {
    let spec = run.named.spec;
    let (_, _, h, w) = run.x.dim();
    let mut refuted = Vec::new();

    say("the derived bound");
    let balls = balls(&run.weights, &run.norms, run.x.view())?;
    let mut used = 0f64;
    for (form, output) in forms.iter().zip(&run.outputs) {
        check_shape(output.shape(), balls.shape())?;
        let (part, witness) =
            against_balls(form.letter(), form.name(), output.view(), balls.view());
        used = used.max(part);
        refuted.extend(witness.map(|witness| (Rung::R1, witness)));
    }
    let radius = balls.iter().fold(0f64, |largest, ball| largest.max(ball.radius));
    let size = balls.iter().fold(0f64, |largest, ball| largest.max(ball.centre.abs()));
    let activation = run.outputs.iter().fold(0f32, |max, output| max.max(largest(output.view())));

    say("exact integers");
    let map = (1, h, w);
    let (case, float) = match exact::draw(spec, map, LIMIT_F32, seed, number as u64) {
        Ok(case) => (case, "f32"),
        Err(Error::NoExactCase { .. }) => {
            (exact::draw(spec, map, LIMIT_F64, seed, number as u64)?, "f64")
        }
        Err(error) => return Err(error),
    };
    let (differing, witnesses) = if float == "f32" {
        exact_run::<f32, _>(forms, &case, &Fast::new())?
    } else {
        exact_run::<f64, _>(forms, &case, &Reference::default())?
    };
    refuted.extend(witnesses.into_iter().map(|witness| (Rung::R3, witness)));

    let grouped = forms.iter().position(|form| form.letter() == 'c');
    Ok(BlockReport {
        name: run.named.name.clone(),
        spec,
        map: (h, w),
        parameters: count::block(&spec)?,
        times: run.times.clone(),
        differences: pairs(forms, |i, j| {
            compare(run.outputs[i].view(), run.outputs[j].view()).max_abs
        }),
        ulp: ulp(activation),
        bound: 2.0 * radius,
        used,
        bound_is_blunt: radius > size,
        digest: digest(run.outputs[grouped.unwrap_or(forms.len() - 1)].view()),
        exact: ExactReport {
            float,
            reached: case.reached,
            limit: if float == "f32" { LIMIT_F32 } else { LIMIT_F64 },
            differing,
            elements: case.expected.len(),
        },
        dead_channels: run.dead_channels + case.dead_channels,
        hidden_channels: 4 * spec.inner(),
        refuted,
    })
}

type ExactFindings = (Vec<(String, usize)>, Vec<Witness>);

/// Each form on an exact case: how many elements differ between each two, and where a form
/// differs from the integers.
fn exact_run<S: Real, V: Convolver<S> + 'static>(
    forms: &[&dyn AnyForm],
    case: &ExactCase,
    convolver: &V,
) -> Result<ExactFindings>
where
    for<'f> dyn AnyForm + 'f: Over<S, V>,
{
    let (weights, x, expected) = (case.weights::<S>(), case.x::<S>(), case.expected::<S>());
    let functions = NormFunctions::<S>::new(&case.norms.cast(), Activation::Relu)?;
    let mut outputs = Vec::with_capacity(forms.len());
    let mut witnesses = Vec::new();
    for form in forms {
        let block = <dyn AnyForm as Over<S, V>>::bottleneck(*form, &weights, convolver)?;
        let output = block.forward(x.view(), &functions.functions(), convolver)?;
        check_shape(output.shape(), expected.shape())?;
        witnesses.extend(against_exact(form.letter(), form.name(), output.view(), expected.view()));
        outputs.push(output);
    }
    let differing = pairs(forms, |i, j| compare(outputs[i].view(), outputs[j].view()).differing);
    Ok((differing, witnesses))
}

/// A form that gives another shape is no form of the block.
fn check_shape(found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (expected, found) = (format!("{expected:?}"), found.to_vec());
    Err(Error::Shape { what: "output of a form", expected, found })
}

/// Something for each pair of forms, named by their letters: first and second, second and
/// third, and so on, then the others.
fn pairs<T>(forms: &[&dyn AnyForm], of: impl Fn(usize, usize) -> T) -> Vec<(String, T)> {
    let mut pairs = Vec::new();
    for distance in 1..forms.len() {
        for i in 0..forms.len() - distance {
            let j = i + distance;
            let name = format!("{}{}", forms[i].letter(), forms[j].letter());
            pairs.push((name, of(i, j)));
        }
    }
    pairs
}

/// SHA-256 of a tensor's bits, in order, little-endian.
fn digest(x: ArrayView4<'_, f32>) -> String {
    let mut hasher = Sha256::new();
    for value in x {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
