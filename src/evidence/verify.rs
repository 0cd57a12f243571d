//! Judges the given forms with every rung of the ladder. The rungs run on the real shapes of ResNeXt-50 with a real
//! photograph, on random blocks of all kinds, and on shapes small enough for a proof.

use std::collections::BTreeSet;
use std::fmt;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicUsize, Ordering};

use hmac_sha256::Hash;
use ndarray::{Array3, Array4};
use rayon::iter::{IntoParallelIterator, ParallelBridge, ParallelIterator};

use super::rungs::r3_exact_integers::ExactReport;
use super::rungs::{Draw, Piece, Rung, Stage, multiply_adds};
use crate::block::{BlockSpec, Shortcut};
use crate::conv::{Fast, on_one_thread};
use crate::count;
use crate::error::{Error, Result};
use crate::evidence::{
    Bound, Case, Coverage, Evidence, Finding, Forms, LiveLayer, LiveNorms, Progress, RealProblem,
    Shape, Witness, differences, largest, sample, ulp,
};
use crate::network::architecture::NamedBlock;
use crate::network::{image as photo, init, stem, zoo};
use crate::random::{Purpose, Seed, normal};

/// What to verify the forms on.
#[derive(Clone, Debug)]
pub enum Input {
    /// A photograph of any size that the stem accepts. It goes through the stem and then the first two blocks of each
    /// stage of ResNeXt-50. Each block reads form (c)'s output of the previous block.
    Photograph(Array3<u8>),
    /// One block on random data of this map size.
    Block(BlockSpec, (usize, usize)),
}

/// Which rungs are run, and on how many random blocks.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The rungs.
    pub rungs: BTreeSet<Rung>,
    /// The number of random blocks for each rung that takes them.
    pub cases: NonZeroU64,
    /// Makes a random block from the seed, the block's number, and how often that block was drawn again.
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

/// The findings on one real block.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// The block's name, such as conv2_1.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
    /// The size of its input map, H x W.
    pub map: (usize, usize),
    /// Parameters of its convolutions.
    pub parameters: count::BlockParameters,
    /// Each form's letter and shortest time, in milliseconds.
    pub times: Vec<(char, f64)>,
    /// The largest difference for each pair of forms, such as `ab`.
    pub differences: Vec<(String, f64)>,
    /// The largest output of any form.
    pub largest: f32,
    /// One ulp of `largest`.
    pub ulp: f64,
    /// What R1 found, if it ran.
    pub rounding: Option<RoundingReport>,
    /// SHA-256 of the bits of form (c)'s output.
    pub digest: String,
    /// What R3 found, if it ran.
    pub exact: Option<ExactReport>,
    /// Dead channels in the `f32` run and in R3's run, added up.
    pub dead_channels: usize,
    /// For each rung and each form it refutes, one wrong element.
    pub refuted: Vec<(Rung, Witness)>,
}

/// R1's findings on one block.
#[derive(Clone, Copy, Debug)]
pub struct RoundingReport {
    /// The derived bound on the difference of two correct forms, at the element where this bound is largest.
    pub bound: f64,
    /// The largest error of any element in any form, relative to its ball's radius; at most 1 for correct forms.
    pub used: f64,
    /// The largest such error layer by layer, where each layer gets the same floats in every form.
    pub used_at_cuts: f64,
    /// Whether the bound is larger than the largest output, so that it says nothing.
    pub is_blunt: bool,
}

/// Something that could not be verified.
#[derive(Debug)]
pub struct Failure {
    /// The rung that failed; `None` if a form did not run at all.
    pub rung: Option<Rung>,
    /// What it ran on, in a word.
    pub stage: String,
    /// What went wrong.
    pub error: Error,
}

/// For example "R4 on conv2: ", followed by the error.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rung = self.rung.map(|rung| format!("{rung} on "));
        write!(f, "{}{}: {}", rung.unwrap_or_default(), self.stage, self.error)
    }
}

/// The findings on all the blocks.
#[derive(Debug)]
pub struct Report {
    /// The seed of every random choice.
    pub seed: u64,
    /// The real blocks in `f32`, one by one, where a rung ran on them.
    pub blocks: Vec<BlockReport>,
    /// The findings, rung by rung and stage by stage.
    pub findings: Vec<Finding>,
    /// Whether blocks or rungs are missing, because the run was stopped or something failed.
    pub partial: bool,
    /// What could not be verified. All other findings are in the report.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether something was verified, nothing is missing, and no form was refuted.
    pub fn holds(&self) -> bool {
        !self.partial && !self.findings.is_empty() && !self.refutes()
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        self.findings.iter().any(Finding::refutes)
    }
}

/// A part of the work. Either one real block is judged by all the rungs that take real blocks. Or one rung runs on
/// random blocks, on a fixed shape, or on the shape of a real block.
struct Task<'a> {
    /// Its place in the report, where the blocks come first.
    number: usize,
    /// Approximate multiply-adds, used to start the longest work first.
    size: f64,
    work: Box<dyn FnOnce(&Climb<'_>) -> Found + Send + 'a>,
}

/// The results of a task. Any of them may be missing.
#[derive(Default)]
struct Found {
    block: Option<BlockReport>,
    parts: Vec<Part>,
    failures: Vec<Failure>,
    stopped: bool,
}

/// What a rung found on one stage, or on one of its blocks.
struct Part {
    rung: Rung,
    stage: String,
    scope: String,
    /// How many real blocks of the stage were judged; 0 for all other work.
    blocks: usize,
    evidence: Evidence,
    ms: f64,
}

struct Climb<'a> {
    forms: Forms<'a>,
    plan: &'a Plan,
    seed: Seed,
    progress: &'a dyn Progress,
    steps: usize,
    done: AtomicUsize,
}

impl Climb<'_> {
    fn say(&self, what: &str) {
        self.progress.step(self.done.fetch_add(1, Ordering::Relaxed), self.steps, what);
    }
}

/// Refuses fewer than two forms, because a single form always agrees with itself. Refuses an empty
/// list of rungs too.
pub(super) fn check_forms(forms: Forms<'_>, rungs: usize) -> Result<()> {
    if forms.len() < 2 {
        let count = forms.len();
        let words = format!("at least 2 forms are needed for a comparison, not {count}");
        return Err(Error::Unsuitable(words));
    }
    if rungs == 0 { Err(Error::Zero { what: "number of rungs" }) } else { Ok(()) }
}

/// Verifies that `forms` compute the same function on `input`, by the rungs of `plan`.
///
/// # Errors
///
/// [`Error::Unsuitable`] for fewer than two forms. Also fails for a plan without a rung, and for an input that is too
/// small or too large. An input is too large if its size exceeds 64 bits or any memory. If there are no findings,
/// returns the first failure. Otherwise, failures are reported in [`Report::failures`].
pub fn verify(
    forms: Forms<'_>,
    input: &Input,
    plan: &Plan,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Report> {
    check_forms(forms, plan.rungs.len())?;
    let (blocks, mut x) = prepare(input, seed)?;
    let stages = stages(&blocks, x.dim())?;
    let on_blocks = plan.rungs.iter().filter(|rung| rung.on_block.is_some()).count();
    let blocks = if on_blocks > 0 { blocks } else { Vec::new() };
    let mut tasks = Vec::new();
    jobs(plan, &stages, seed, blocks.len(), &mut tasks)?;
    let (timed, steps) = (blocks.len(), (1 + on_blocks) * blocks.len() + tasks.len());
    let climb = Climb { forms, plan, seed, progress, steps, done: AtomicUsize::new(timed) };

    // The forms run on one block at a time, with no other work running, because they are timed.
    let mut first = Found::default();
    for (number, named) in blocks.into_iter().enumerate() {
        if progress.stopped() {
            first.stopped = true;
            break;
        }
        progress.step(number, steps, &format!("{}: the forms in f32", named.name));
        let stage = named.name.clone();
        match run_forms(forms, named, x, (seed, number as u64), progress) {
            Ok((run, next)) => {
                // About six times the work of one form: two on floats, two on integers, two for the cuts.
                let size = 6.0 * multiply_adds(&run.named.spec, run.map());
                let work = Box::new(move |climb: &Climb<'_>| on_block(climb, &run, number as u64));
                tasks.push(Task { number, size, work });
                x = next;
            }
            Err(error) => {
                // If a form fails on a real block, only the blocks before it are judged.
                tasks.retain(|task| task.number < timed);
                first.stopped = true;
                first.failures.push(Failure { rung: None, stage, error });
                break;
            }
        }
    }

    // The remaining tasks are independent, so all processors share them, the longest first.
    tasks.sort_by_key(|task| task.number);
    tasks.sort_by(|left, right| right.size.total_cmp(&left.size));
    let mut all = vec![(0, first)];
    all.extend(in_turn(tasks, &climb));
    report(all, seed)
}

/// Adds the tasks of each rung of a plan: on the stages, on the rung's fixed shapes, and on random blocks.
fn jobs(
    plan: &Plan,
    stages: &[Stage],
    seed: Seed,
    blocks: usize,
    tasks: &mut Vec<Task<'_>>,
) -> Result<()> {
    let mut add = |size, (rung, stage, scope): (Rung, String, String), work: JobWork| {
        let work = move |climb: &Climb<'_>| {
            climb.say(&format!("{rung} {}: {stage}", rung.name));
            let start = climb.progress.now();
            let (evidence, error, stopped) = work(climb);
            let ms = climb.progress.now() - start;
            let failure =
                error.map(|error| Failure { rung: Some(rung), stage: stage.clone(), error });
            let part =
                evidence.map(|evidence| Part { rung, stage, scope, blocks: 0, evidence, ms });
            let (parts, failures) = (Vec::from_iter(part), Vec::from_iter(failure));
            Found { block: None, parts, failures, stopped }
        };
        tasks.push(Task { number: blocks + tasks.len(), size, work: Box::new(work) });
    };
    for &rung in &plan.rungs {
        let on_stages =
            stages.iter().zip(0..).flat_map(|(stage, n)| (rung.on_stage)(stage, (seed, n)));
        for Piece { stage, scope, size, work, .. } in on_stages.chain((rung.own)()?) {
            let work = move |climb: &Climb<'_>| match work(climb.forms, &|_| true) {
                Ok(evidence) => (Some(evidence), None, false),
                Err(error) => (None, Some(error), false),
            };
            add(size, (rung, stage, scope), Box::new(work));
        }
        if let Some((scope, _)) = rung.on_case {
            let about = (rung, "random".to_owned(), format!("all kinds, {scope}"));
            let work = Box::new(move |climb: &Climb<'_>| on_random_blocks(rung, climb));
            add(plan.cases.get() as f64 * 1e5, about, work);
        }
    }
    Ok(())
}

/// Does a task's work. Returns the evidence, the first error, and whether the work was stopped.
type JobWork = Box<dyn Fn(&Climb<'_>) -> (Option<Evidence>, Option<Error>, bool) + Send>;

/// Runs the tasks, and returns each task's number and what it found. Each thread takes one task at a time from the
/// front, so that no thread gets two long tasks.
fn in_turn(tasks: Vec<Task<'_>>, climb: &Climb<'_>) -> Vec<(usize, Found)> {
    let one = |(place, Task { number, work, .. }): (usize, Task<'_>)| {
        let stopped = climb.progress.stopped();
        let found = if stopped { Found { stopped, ..Found::default() } } else { work(climb) };
        (place, (number, found))
    };
    let mut done: Vec<_> = tasks.into_iter().enumerate().par_bridge().map(one).collect();
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, found)| found).collect()
}

/// Puts the findings in order. If there are none, returns the first failure.
fn report(mut all: Vec<(usize, Found)>, seed: Seed) -> Result<Report> {
    let mut failures: Vec<Failure> =
        all.iter_mut().flat_map(|(_, found)| found.failures.drain(..)).collect();
    all.sort_by_key(|(number, _)| *number);
    let (mut blocks, mut parts, mut partial) = (Vec::new(), Vec::<Part>::new(), false);
    for (_, found) in all {
        blocks.extend(found.block);
        partial |= found.stopped;
        for part in found.parts {
            let same =
                |p: &&mut Part| p.blocks > 0 && (p.rung, &p.stage) == (part.rung, &part.stage);
            match parts.iter_mut().filter(|_| part.blocks > 0).find(same) {
                Some(sum) => {
                    sum.blocks += 1;
                    sum.evidence = sum.evidence.clone().and(part.evidence);
                    sum.ms += part.ms;
                }
                None => parts.push(part),
            }
        }
    }
    parts.sort_by_key(|part| part.rung);
    let mut findings = Vec::new();
    for Part { rung, stage, scope, blocks, evidence, ms } in parts {
        let scope = match blocks {
            0 => scope,
            1 => format!("1 block, {scope}"),
            _ => format!("{blocks} blocks, {scope}"),
        };
        match Finding::conclude((rung, &stage, scope), evidence, seed.0, ms) {
            Ok(finding) => findings.push(finding),
            Err(error) => failures.push(Failure { rung: Some(rung), stage, error }),
        }
    }
    if findings.is_empty() && !failures.is_empty() {
        return Err(failures.swap_remove(0).error);
    }
    partial |= !failures.is_empty();
    Ok(Report { seed: seed.0, blocks, findings, partial, failures })
}

/// More weights and activations than fit into any memory.
const MOST_VALUES: u128 = 1 << 57;

/// The blocks of an input, and the feature maps that the first block reads.
fn prepare(input: &Input, seed: Seed) -> Result<(Vec<NamedBlock>, Array4<f32>)> {
    match input {
        Input::Photograph(image) => {
            let fast = Fast::new();
            let kernel = init::he_normal(stem::KERNEL, &mut seed.stream(Purpose::Stem, &[]));
            let norm = LiveLayer::seeded(seed, Purpose::Stem);
            let pixels = photo::normalise(image.view());
            let x = stem::forward(pixels.view(), kernel.view(), &norm, &fast)?;
            let mut blocks = zoo::named("resnext50_32x4d")?.bottlenecks()?;
            // Keep two blocks of each stage: the one with a projection, and one with an identity shortcut.
            blocks.retain(|block| block.name.ends_with("_1") || block.name.ends_with("_2"));
            Ok((blocks, x))
        }
        Input::Block(spec, map) => {
            spec.output_map(*map)?;
            let shape = (1, spec.c_in(), map.0, map.1);
            let channels = spec.c_in() as u128 + 2 * (spec.inner() as u128 + spec.c_out() as u128);
            let values = channels.saturating_mul(map.0 as u128 * map.1 as u128);
            if values.saturating_add(count::block(spec)?.convolutions.into()) > MOST_VALUES {
                let factors = vec![spec.inner(), spec.c_in(), map.0, map.1];
                return Err(Error::TooManyElements { what: "values", factors });
            }
            let x = normal(shape, &mut seed.stream(Purpose::Input, &[]));
            Ok((vec![NamedBlock { name: "block".to_owned(), spec: *spec }], x))
        }
    }
}

/// The shapes for the rungs that draw their own data. For each stage, this is the block with an identity shortcut (or
/// the only block), on the map size that the block reads.
fn stages(blocks: &[NamedBlock], (_, _, h, w): (usize, usize, usize, usize)) -> Result<Vec<Stage>> {
    let mut stages = Vec::new();
    let mut map = (h, w);
    for NamedBlock { name, spec } in blocks {
        if spec.shortcut() == Shortcut::Identity || blocks.len() == 1 {
            stages.push(Stage { name: stage_of(name), whole: Shape::new(*spec, map) });
        }
        map = spec.output_map(map)?;
    }
    Ok(stages)
}

/// The stage of a block: conv2 for conv2_1.
fn stage_of(block: &str) -> String {
    block.split('_').next().unwrap_or(block).to_owned()
}

/// How many times each form is timed; the shortest time is reported.
const TIMED_RUNS: usize = 3;

/// A block in `f32` with its input, and the output and time of each form.
struct Run {
    named: NamedBlock,
    real: RealProblem,
    parameters: count::BlockParameters,
    outputs: Vec<Array4<f32>>,
    times: Vec<(char, f64)>,
}

impl Run {
    fn map(&self) -> (usize, usize) {
        let (_, _, h, w) = self.real.x.dim();
        (h, w)
    }
}

/// Draws a block for an input, and runs and times each form on it. Also returns form (c)'s output.
fn run_forms(
    forms: Forms<'_>,
    named: NamedBlock,
    x: Array4<f32>,
    (seed, number): Draw,
    progress: &dyn Progress,
) -> Result<(Run, Array4<f32>)> {
    let fast = Fast::new();
    let weights = init::block(named.spec, &mut seed.stream(Purpose::Weights, &[number]))?;
    let live = LiveNorms::drawn(seed, Purpose::Norms, &[number]);
    let (real, next) = RealProblem::set(weights, x, &live, &fast)?;
    let problem = real.problem();
    let (mut outputs, mut times) = (Vec::new(), Vec::new());
    for form in forms {
        let prepared = problem.prepare(*form, &fast)?;
        let mut shortest = f64::INFINITY;
        for run in 0..TIMED_RUNS {
            let start = progress.now();
            // One thread, because the others may be busy.
            let output = on_one_thread(|| prepared.forward(problem.x))?;
            shortest = shortest.min(progress.now() - start);
            if run == 0 {
                outputs.push(output);
            }
        }
        times.push((form.letter(), shortest));
    }
    let parameters = count::block(&named.spec)?;
    drop(problem);
    Ok((Run { named, real, parameters, outputs, times }, next))
}

/// Judges one real block by those rungs of the plan that take real blocks.
fn on_block(climb: &Climb<'_>, run: &Run, number: u64) -> Found {
    let Run { named, real, parameters, outputs, times } = run;
    let (Climb { forms, progress, .. }, name) = (climb, &named.name);
    let mut found = Found::default();
    let (mut rounding, mut exact, mut dead_channels) = (None, None, real.dead);
    let mut refuted = Vec::new();
    for &rung in &climb.plan.rungs {
        let Some((scope, judge)) = rung.on_block else { continue };
        climb.say(&format!("{name}: {}", rung.name));
        let since = progress.now();
        let evidence = match judge(forms, &real.with(outputs), (climb.seed, number)) {
            Ok(evidence) => evidence,
            Err(error) => {
                let failure = Failure { rung: Some(rung), stage: name.clone(), error };
                found.failures.push(failure);
                continue;
            }
        };
        if let Bound::Rounding { difference: bound, used, used_at_cuts } = evidence.bound {
            let is_blunt = evidence.blunt;
            rounding = Some(RoundingReport { bound, used, used_at_cuts, is_blunt });
        }
        if let Some(report) = &evidence.exact {
            dead_channels += report.dead_channels;
            exact = Some(report.clone());
        }
        refuted.extend(evidence.witnesses.iter().map(|witness| (rung, witness.clone())));
        let (stage, scope, ms) = (stage_of(name), scope.to_owned(), progress.now() - since);
        found.parts.push(Part { rung, stage, scope, blocks: 1, evidence, ms });
    }
    let largest = largest(outputs);
    let grouped = forms.iter().position(|form| form.letter() == 'c');
    found.block = Some(BlockReport {
        name: name.clone(),
        spec: named.spec,
        map: run.map(),
        parameters: *parameters,
        times: times.clone(),
        differences: differences(forms, outputs),
        largest,
        ulp: ulp(largest),
        rounding,
        digest: digest(&outputs[grouped.unwrap_or(forms.len() - 1)]),
        exact,
        dead_channels,
        refuted,
    });
    found
}

/// SHA-256 of a tensor's bits, in order, little-endian.
fn digest(x: &Array4<f32>) -> String {
    let mut hasher = Hash::new();
    for value in x {
        hasher.update(value.to_le_bytes());
    }
    hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A case is drawn at most this many times, until it gives evidence.
const ATTEMPTS: u64 = 20;

/// Runs `rung` on the plan's random blocks. Returns the evidence from the blocks that ran, the first error, and whether
/// the run was stopped.
fn on_random_blocks(rung: Rung, climb: &Climb<'_>) -> (Option<Evidence>, Option<Error>, bool) {
    let Climb { forms, plan, seed, progress, .. } = climb;
    let one = |number: u64| -> Result<Option<Evidence>> {
        let stopped = || progress.stopped();
        let evidence = one_case(rung, forms, plan.generator, (*seed, number), &stopped)?;
        match evidence.as_ref().and_then(|evidence| evidence.coverage.broken()) {
            Some(clause) => {
                let rung = rung.to_string();
                Err(Error::Degenerate { rung, clause, cases: plan.cases.get() })
            }
            None => Ok(evidence),
        }
    };
    let all: Vec<_> = (0..plan.cases.get()).into_par_iter().map(one).collect();
    let stopped = all.iter().any(|evidence| matches!(evidence, Ok(None)));
    let (ran, failed): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
    let evidence = ran.into_iter().flatten().flatten().reduce(Evidence::and);
    (evidence, failed.into_iter().find_map(Result::err), stopped)
}

/// Runs a rung on the random case with this number. Returns `None` if the run was stopped.
pub(crate) fn one_case(
    rung: Rung,
    forms: Forms<'_>,
    generator: fn(Seed, u64, u64) -> Case,
    (seed, number): Draw,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Evidence>> {
    let nothing_ran = || Error::NothingRan { rung: rung.to_string(), stage: "random".to_owned() };
    let (_, judge) = rung.on_case.ok_or_else(nothing_ran)?;
    for attempt in 0..ATTEMPTS {
        if stopped() {
            return Ok(None);
        }
        let case = generator(seed, number, attempt);
        let coverage = Coverage::of(&case);
        let evidence = if coverage.broken().is_some() {
            // The case breaks the contract, so its result is not worth computing.
            Some(Evidence::of(Bound::Exact { values: 0 }, None))
        } else {
            judge(forms, &case, (seed, number))?
        };
        if let Some(evidence) = evidence {
            return Ok(Some(Evidence { redraws: attempt, coverage, ..evidence }));
        }
    }
    Err(Error::Redraws { rung: rung.to_string(), redraws: ATTEMPTS, cases: 1 })
}

#[cfg(test)]
mod tests {
    use super::Report;

    /// A report without findings does not hold, whether the run was complete or not.
    #[test]
    fn no_vacuous_report_holds() {
        for partial in [false, true] {
            let (blocks, findings, failures) = (Vec::new(), Vec::new(), Vec::new());
            let report = Report { seed: 0, blocks, findings, partial, failures };
            assert!(!report.holds() && !report.refutes());
        }
    }
}
