//! The pieces of work that make the ladder: a rung on a stage each.

use super::Progress;
use super::cases;
use super::plan::Plan;
use crate::block::BlockSpec;
use crate::error::Result;
use crate::evidence::any_form::AnyForm;
use crate::evidence::bitwise;
use crate::evidence::exhaustive;
use crate::evidence::field::{self, Shape};
use crate::evidence::gradient;
use crate::evidence::problem::RealProblem;
use crate::evidence::symbolic;
use crate::evidence::training;
use crate::evidence::verdict::{Evidence, Rung};
use crate::random::{Purpose, Seed};

/// A real block shape: its name, its shape, the map it reads.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) name: String,
    pub(super) spec: BlockSpec,
    pub(super) map: (usize, usize),
}

/// What a piece of work gives; `None` where it was stopped.
type Work<'a> = Box<dyn Fn() -> Result<Option<Evidence>> + Send + Sync + 'a>;

/// One rung on one stage.
pub(super) struct Job<'a> {
    pub(super) rung: Rung,
    pub(super) stage: String,
    pub(super) scope: String,
    /// About how many multiplications it takes, to start the longest first.
    pub(super) size: f64,
    pub(super) work: Work<'a>,
}

/// A map on which real blocks are run where many convolutions are needed: enough for every tap of
/// a 3x3 to meet map and padding.
const SMALL_MAP: (usize, usize) = (3, 4);

/// Multiplications of a block, about.
pub(super) fn size(spec: &BlockSpec, (h, w): (usize, usize)) -> f64 {
    let (inner, k) = (spec.inner(), spec.kernel());
    let weights = inner * (spec.c_in() + spec.width() * k * k + spec.c_out());
    weights as f64 * (h * w) as f64
}

/// All the jobs of a plan but those of the real blocks in `f32` ([`super::judge`]).
pub(super) fn jobs<'a>(
    forms: &'a [&'a dyn AnyForm],
    plan: &'a Plan,
    stages: &[Stage],
    seed: Seed,
    progress: &'a Progress<'a>,
) -> Result<Vec<Job<'a>>> {
    let mut jobs = Vec::new();
    for (number, stage) in stages.iter().enumerate() {
        on_stage(&mut jobs, forms, stage, seed, number as u64);
    }
    let numbers = |rung: Rung| match rung {
        Rung::R0 | Rung::R1 => "f32",
        Rung::R2 => "any floats",
        Rung::R3 => "integers",
        Rung::R4 => "linear, any functions",
        Rung::R7 => "field and f32",
        _ => "2 images or more",
    };
    for rung in Rung::ALL {
        if matches!(rung, Rung::R5 | Rung::R6) {
            continue;
        }
        jobs.push(Job {
            rung,
            stage: "random".to_owned(),
            scope: format!("all kinds, {}", numbers(rung)),
            size: plan.cases.get() as f64 * 1e5,
            work: Box::new(move || cases::climb(rung, forms, plan, seed, progress)),
        });
    }
    for (number, shape) in symbolic::shapes()?.into_iter().enumerate() {
        jobs.push(Job {
            rung: Rung::R5,
            stage: format!("small{}", number + 1),
            scope: symbolic::in_words(&shape),
            size: 1e7,
            work: Box::new(move || symbolic::prove(forms, &shape).map(Some)),
        });
    }
    for (number, everything) in exhaustive::SHAPES.iter().enumerate() {
        jobs.push(Job {
            rung: Rung::R6,
            stage: format!("tiny{}", number + 1),
            scope: everything.in_words(),
            size: 1e8,
            work: Box::new(move || everything.try_all(forms).map(Some)),
        });
    }
    jobs.retain(|job| plan.rungs.contains(&job.rung));
    Ok(jobs)
}

/// The rungs that run on a real block shape, with data of their own.
fn on_stage<'a>(
    jobs: &mut Vec<Job<'a>>,
    forms: &'a [&'a dyn AnyForm],
    stage: &Stage,
    seed: Seed,
    number: u64,
) {
    let Stage { name, spec, map } = stage;
    let mut push = |rung, (h, w): (usize, usize), what: &str, factor: f64, work: Work<'a>| {
        jobs.push(Job {
            rung,
            stage: name.clone(),
            scope: format!("{spec}, {h}x{w}, {what}"),
            size: factor * size(spec, (h, w)),
            work,
        });
    };
    let whole = Shape::new(*spec, *map);
    // A map smaller than that is taken as it is.
    let small_map = (map.0.min(SMALL_MAP.0), map.1.min(SMALL_MAP.1));
    let small = Shape::new(*spec, small_map);
    let batch = Shape { n: 2, ..small };

    push(
        Rung::R2,
        small_map,
        "any floats",
        3.0,
        Box::new(move || {
            let real = RealProblem::draw(&batch, seed, &[number, 2])?;
            let mut rng = seed.stream(Purpose::Floats, &[number]);
            let x = real.x.map(|_| bitwise::any_float(&mut rng, 1));
            bitwise::to_the_bit(forms, &real.weights, &real.norms, &x).map(Some)
        }),
    );
    push(
        Rung::R4,
        *map,
        "any functions",
        3.0,
        Box::new(move || field::with_random_functions(forms, &whole, seed, &[number, 4]).map(Some)),
    );
    push(
        Rung::R4,
        small_map,
        "linear",
        3.0,
        Box::new(move || field::linear(forms, &small, seed, &[number, 5]).map(Some)),
    );
    push(
        Rung::R7,
        small_map,
        "over the field",
        9.0,
        Box::new(move || gradient::over_the_field(forms, &small, seed, &[number, 7]).map(Some)),
    );
    push(
        Rung::R8,
        small_map,
        "2 images",
        9.0,
        Box::new(move || {
            let (real, redraws) = alive_in_training(&batch, seed, number)?;
            Ok(Some(Evidence { redraws, ..training::on(forms, &real)? }))
        }),
    );
}

/// A block that is alive in training mode too, and how often it was drawn again. After ten times it
/// is taken as it is: on a map of a pixel or two nothing may suit.
fn alive_in_training(shape: &Shape, seed: Seed, number: u64) -> Result<(RealProblem, u64)> {
    let mut redraws = 0;
    loop {
        let real = RealProblem::draw(shape, seed, &[number, 8, redraws])?;
        match training::centred(&real)? {
            Some(centred) => return Ok((centred, redraws)),
            None if redraws == 10 => return Ok((real, redraws)),
            None => redraws += 1,
        }
    }
}
