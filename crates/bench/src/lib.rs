//! `triform bench`: how long the three forms take on this machine.
//!
//! Before a form is timed, R1 compares it with the other forms, on the same weights, batch norms and input.
//! If R1 refutes a form, nothing is timed: the time of a wrong form is meaningless. Drawing the weights and
//! preparing the kernels are not timed. Each time is for one image, including batch norms, ReLU and shortcut. In
//! each round, the forms are timed one after the other.

mod machine;
mod subject;
pub mod timing;

pub use self::machine::{machine, record_name};
pub use self::timing::Rounds;

use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::ThreadPool;
use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

use self::subject::{NetworkSubject, Subject};
use triform::block::BlockSpec;
use triform::conv::{Level, Peak};
use triform::error::{Error, Result};
use triform::evidence::any_form::AnyForm;
use triform::evidence::progress::Progress;
use triform::evidence::speed::{LayerRow, Machine, Roof, Row};
use triform::evidence::verdict::Finding;
use triform::network::zoo;
use triform::random::Seed;

/// A block and its map, H x W.
pub type BlockOnMap = (BlockSpec, (usize, usize));

/// What to time.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Blocks to time one at a time.
    pub blocks: Vec<BlockOnMap>,
    /// Blocks to compare with one another. They are timed together, round by round. A block that is also in `blocks` is
    /// timed only in this comparison.
    pub settings: Vec<BlockOnMap>,
    /// The letters of the forms to time. All forms are checked.
    pub forms: Vec<char>,
    /// How often each block in each form is timed.
    pub rounds: Rounds,
    /// Whether ResNet-50 and ResNeXt-50 are timed too, as whole networks.
    pub networks: bool,
    /// Whether the layers of form (c) are timed too, one by one, with the first number of threads.
    pub layers: bool,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Report {
    /// The day, as 2026-11-24.
    pub date: String,
    /// The machine.
    pub machine: Machine,
    /// What limits the machine's speed, for each number of threads.
    pub roofs: Vec<Roof>,
    /// What R1 found on each block, and on each block of each network.
    pub findings: Vec<Finding>,
    /// Networks whose logits in two forms are too far apart.
    pub logits_apart: Vec<String>,
    /// The times of the blocks.
    pub rows: Vec<Row>,
    /// The times of the networks.
    pub networks: Vec<Row>,
    /// The times of the layers.
    pub layers: Vec<LayerRow>,
    /// The fraction of the processors that other programs used, 0 to 1.
    pub others: f64,
    /// Whether the run was cut short.
    pub partial: bool,
}

/// A tenth of the machine. If other programs use more than that, the times say little.
pub const BUSY: f64 = 0.1;

impl Report {
    /// Whether other programs used so much of the machine that the times say little.
    pub fn is_busy(&self) -> bool {
        self.others > BUSY
    }

    /// Sets each row's share of the peak. A row that exceeds the peak raises the peak.
    fn share_the_peak(&mut self) {
        let mut rows: Vec<&mut Row> = self.rows.iter_mut().chain(&mut self.networks).collect();
        for roof in &mut self.roofs {
            for row in rows.iter().filter(|row| row.threads == roof.threads) {
                roof.gflops = roof.gflops.max(row.gflops);
            }
            for row in rows.iter_mut().filter(|row| row.threads == roof.threads) {
                row.share_of_peak = subject::rounded(row.gflops / roof.gflops);
            }
        }
    }

    /// Whether a form was refuted, so that nothing was timed.
    pub fn refutes(&self) -> bool {
        !self.logits_apart.is_empty() || self.findings.iter().any(Finding::refutes)
    }
}

/// The networks that [`Plan::networks`] adds. The second network is compared with the first.
pub const NETWORKS: [&str; 2] = ["resnet50", "resnext50_32x4d"];

/// The block of the paper's Figure 1 with each setting of Table 2, on a 56x56 map, ordered by C.
pub fn settings() -> Result<Vec<BlockOnMap>> {
    let specs = zoo::BLOCKS.iter().map(|block| Ok((block.parse::<BlockSpec>()?, (56, 56))));
    let mut settings = specs.collect::<Result<Vec<_>>>()?;
    settings.sort_by_key(|(spec, _)| spec.cardinality());
    Ok(settings)
}

/// Checks all `forms`, and times the forms of the plan in each of the pools.
///
/// Errors: [`Error::Unsuitable`] for fewer than two forms, since a single form always agrees with itself;
/// [`Error::Zero`] for no pool, no block or no rounds; blocks that do not fit into memory.
pub fn run(
    forms: &[&dyn AnyForm],
    plan: &Plan,
    pools: &[ThreadPool],
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Report> {
    let load = machine::Load::start();
    let mut report = checked_and_timed(forms, plan, pools, seed, progress)?;
    // Also for an interrupted run.
    report.share_the_peak();
    report.others = load.of_others();
    Ok(report)
}

/// Like [`run`], but each share refers to the peak that was known when the block was timed.
fn checked_and_timed(
    forms: &[&dyn AnyForm],
    plan: &Plan,
    pools: &[ThreadPool],
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Report> {
    if forms.len() < 2 {
        let words = format!("at least 2 forms are needed for a comparison, not {}", forms.len());
        return Err(Error::Unsuitable(words));
    }
    let widest = pools.iter().max_by_key(|pool| pool.current_num_threads());
    let widest = widest.ok_or(Error::Zero { what: "number of threads" })?;
    let groups = groups(plan);
    let all: Vec<BlockOnMap> = groups.iter().flatten().copied().collect();
    if all.is_empty() {
        return Err(Error::Zero { what: "number of blocks" });
    }
    let networks = if plan.networks { &NETWORKS[..] } else { &[] };
    let timings = groups.len() + usize::from(plan.networks);
    let steps = all.len() + networks.len() + 1 + pools.len() * timings + usize::from(plan.layers);
    let done = AtomicUsize::new(0);
    let say = |what: &str| {
        progress.step(done.fetch_add(1, Ordering::Relaxed), steps, what);
    };

    let level = Level::chosen().map_err(Error::Kernels)?;
    let peak = Peak::measure(level);
    let mut report = Report {
        date: machine::today(),
        machine: Machine { instructions: peak.instructions.to_owned(), ..machine() },
        roofs: Vec::new(),
        findings: Vec::new(),
        logits_apart: Vec::new(),
        rows: Vec::new(),
        networks: Vec::new(),
        layers: Vec::new(),
        others: 0.0,
        partial: true,
    };
    let subjects = widest.install(|| {
        let subject = |(number, sized): (usize, &BlockOnMap)| {
            if progress.stopped() {
                return Ok(None);
            }
            let subject = Subject::draw(*sized, seed, number as u64)?;
            say(&format!("{}: checked before it is timed", subject.name));
            let finding = subject.check(forms, seed)?;
            Ok(Some((subject, finding)))
        };
        let subjects: Vec<Result<_>> =
            all.as_slice().into_par_iter().enumerate().map(subject).collect();
        subjects.into_iter().collect::<Result<Option<Vec<_>>>>()
    })?;
    let Some(subjects) = subjects else { return Ok(report) };
    let (subjects, findings): (Vec<_>, Vec<_>) = subjects.into_iter().unzip();
    report.findings = findings;
    let mut drawn = Vec::new();
    for name in networks {
        say(&format!("{name}: checked before it is timed"));
        let network = NetworkSubject::draw(&zoo::named(name)?, seed)?;
        let checked = widest.install(|| network.check(forms, seed, &Silent(progress)))?;
        report.findings.extend(checked.findings().cloned());
        if !checked.logits.agree() {
            report.logits_apart.push((*name).to_owned());
        }
        drawn.push(network);
    }
    if report.refutes() || progress.stopped() {
        return Ok(report);
    }

    say("what the machine can do");
    report.roofs = pools.iter().map(|pool| machine::roof(&peak, pool)).collect();
    let timed: Vec<&dyn AnyForm> =
        forms.iter().copied().filter(|form| plan.forms.contains(&form.letter())).collect();
    let stopped = || progress.stopped();
    for (pool, roof) in pools.iter().zip(&mut report.roofs) {
        let mut rest = subjects.as_slice();
        for group in &groups {
            let (group, others) = rest.split_at(group.len());
            rest = others;
            let names: Vec<&str> = group.iter().map(|subject| subject.name.as_str()).collect();
            say(&format!("{}: threads {}", names.join(", "), roof.threads));
            let rows =
                pool.install(|| subject::time(group, &timed, plan.rounds, roof, &stopped))?;
            let Some(rows) = rows else { return Ok(report) };
            report.rows.extend(rows);
            // Measured again, as the machine may have been busy before.
            roof.gflops = roof.gflops.max(machine::peak_of(&Peak::measure(level), roof.threads));
        }
        if plan.networks {
            say(&format!("{}: threads {}", NETWORKS.join(", "), roof.threads));
            let rows = pool
                .install(|| subject::time_networks(&drawn, forms, plan.rounds, roof, &stopped))?;
            let Some(rows) = rows else { return Ok(report) };
            report.networks.extend(rows);
        }
    }
    if plan.layers {
        say("the layers of form (c)");
        let (pool, blocks) = (&pools[0], plan.blocks.as_slice());
        for subject in subjects.iter().filter(|subject| blocks.contains(&subject.sized())) {
            let layers = pool.install(|| subject.time_layers(plan.rounds, &stopped))?;
            let Some(layers) = layers else { return Ok(report) };
            report.layers.extend(layers);
        }
    }
    report.partial = false;
    Ok(report)
}

/// The blocks in groups. The blocks of a group are timed together, round by round.
fn groups(plan: &Plan) -> Vec<Vec<BlockOnMap>> {
    let alone = plan.blocks.iter().filter(|block| !plan.settings.contains(block));
    let settings = (!plan.settings.is_empty()).then(|| plan.settings.clone());
    settings.into_iter().chain(alone.map(|block| vec![*block])).collect()
}

/// Forwards the progress without its steps, because all of them belong to one step of this run.
struct Silent<'a>(&'a dyn Progress);

impl Progress for Silent<'_> {
    fn stopped(&self) -> bool {
        self.0.stopped()
    }

    fn now(&self) -> f64 {
        self.0.now()
    }
}
