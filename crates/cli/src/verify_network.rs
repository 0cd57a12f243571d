//! `triform verify --arch`: a whole network of given weights.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use ndarray::Array4;
use rayon::ThreadPool;

use super::args::{MemoryOptions, VerifyOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::need;
use super::{HOLDS, INTERRUPTED, REFUTED, memory, network, progress, threads};
use crate::report::network::{Source, verified, verify_json};
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::whole;
use triform::network::weights::NetworkWeights;
use triform::random::Seed;

/// What to verify, and how to tell of it.
pub(super) struct Job<'a> {
    pub(super) weights: &'a NetworkWeights,
    pub(super) x: &'a Array4<f32>,
    pub(super) rungs: &'a [Rung],
    pub(super) seed: Seed,
    pub(super) source: &'a Source,
    pub(super) repeat: String,
    pub(super) memory: &'a MemoryOptions,
    /// Where the JSON goes.
    pub(super) target: Target,
}

/// Verifies the network that `--arch` names.
pub(super) fn run(
    arch: &str,
    options: &VerifyOptions,
    repeat: String,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let Some(path) = &options.weights else {
        let words = format!(
            "--arch {arch}: name its weights with --weights FILE; `triform init {arch} --output FILE` \
             writes fresh ones"
        );
        return Err(Error::Usage(words));
    };
    let mut rungs: Vec<Rung> = match options.rung[..] {
        [] => Rung::of_networks().collect(),
        _ => options.rung.clone(),
    };
    rungs.sort_unstable();
    rungs.dedup();
    let pool = threads::pool(options.threads.threads)?;
    let architecture =
        network::named(arch, &options.network.top)?.with_stride_on(options.network.stride_on);
    let json = options.json.json.as_ref();
    network::not_overwritten(&options.input, path, &[json.and_then(Destination::path)])?;
    // Found out now, not after the work.
    let target = Target::open(json)?;
    let weights = network::weights(&architecture, path)?;
    let (x, input) = network::input(&architecture, &options.input)?;
    let source = Source { weights: path.display().to_string(), input };
    let job = Job {
        weights: &weights,
        x: &x,
        rungs: &rungs,
        seed: options.seed.seed,
        source: &source,
        repeat,
        memory: &options.memory,
        target,
    };
    judge(job, &pool, forms, output, errors, interrupted)
}

/// Verifies, and reports.
pub(super) fn judge(
    job: Job<'_>,
    pool: &ThreadPool,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let threads = pool.current_num_threads();
    let need = need::of_network(job.weights.architecture(), job.x.dim(), threads)?;
    memory::check(&need, job.memory, errors)?;
    let bar = progress::Bar::new(interrupted);
    let report =
        pool.install(|| whole::verify(forms, job.weights, job.x.view(), job.rungs, job.seed, &bar));
    drop(bar);
    let report = report?;
    let json = || Ok(verify_json(&report, job.source));
    job.target.print(output, || Ok(verified(&report, forms, job.source, &job.repeat)?), json)?;
    job.target.write(json)?;
    Ok(match (report.refutes(), report.holds()) {
        (true, _) => REFUTED,
        (_, true) => HOLDS,
        // Nothing was refuted, and not all of it verified.
        _ => INTERRUPTED,
    })
}
