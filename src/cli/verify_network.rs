//! `triform verify --arch`: a whole network of given weights.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use ndarray::Array4;
use rayon::ThreadPool;

use super::args::{MemoryOptions, VerifyOptions};
use super::{
    HOLDS, INTERRUPTED, REFUTED, json_file, memory, network, print, progress, quoted, threads,
};
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::memory as need;
use crate::evidence::rungs::Rung;
use crate::evidence::verify::Progress;
use crate::evidence::whole;
use crate::network::weights::NetworkWeights;
use crate::random::Seed;
use crate::report::file::Output;
use crate::report::network::{Source, verified, verify_json};

/// What to verify, and how to tell of it.
pub(super) struct Job<'a> {
    pub(super) weights: &'a NetworkWeights,
    pub(super) x: &'a Array4<f32>,
    pub(super) rungs: &'a [Rung],
    pub(super) seed: Seed,
    pub(super) source: &'a Source,
    pub(super) repeat: String,
    pub(super) memory: &'a MemoryOptions,
    /// Whether JSON is asked for.
    pub(super) json: bool,
    /// Where it goes, if not to standard output.
    pub(super) file: Option<Output>,
}

/// Verifies the network that `--arch` names.
pub(super) fn run(
    arch: &str,
    options: &VerifyOptions,
    seed: Seed,
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
        _ => options.rung.iter().map(|rung| rung.trim().parse()).collect::<Result<_>>()?,
    };
    rungs.sort_unstable();
    rungs.dedup();
    let pool = threads::pool(options.threads.as_deref())?;
    let architecture = network::named(arch, &options.network)?;
    network::not_overwritten(&options.input, path, &[json_file::path(options.json.as_ref())])?;
    // Found out now, not after the work.
    let file = json_file::open(options.json.as_ref())?;
    let weights = network::weights(&architecture, path)?;
    let (x, input) = network::input(&architecture, &options.input)?;
    let source = Source { weights: path.display().to_string(), input };
    let job = Job {
        weights: &weights,
        x: &x,
        rungs: &rungs,
        seed,
        source: &source,
        repeat: repeat(arch, options, seed),
        json: options.json.is_some(),
        memory: &options.memory,
        file,
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
    let bar = progress::bar();
    let step = progress::steps(&bar);
    let progress = Progress { step: &step, interrupted };
    let report = pool.install(|| {
        whole::verify(forms, job.weights, job.x.view(), job.rungs, job.seed, &progress)
    });
    bar.finish_and_clear();
    let report = report?;
    if job.json && job.file.is_none() {
        print(output, &verify_json(&report, job.source))?;
    } else {
        print(output, &verified(&report, forms, job.source, &job.repeat)?)?;
    }
    if let Some(file) = job.file {
        file.write(verify_json(&report, job.source).as_bytes())?;
    }
    Ok(match (report.refutes(), report.holds()) {
        (true, _) => REFUTED,
        (_, true) => HOLDS,
        // Nothing was refuted, and not all of it verified.
        _ => INTERRUPTED,
    })
}

/// The command that repeats this run.
fn repeat(arch: &str, options: &VerifyOptions, seed: Seed) -> String {
    let mut command = format!("triform verify --arch {arch}");
    if let Some(path) = &options.weights {
        command += &format!(" --weights {}", quoted(&path.display().to_string()));
    }
    command += &options.input.repeat();
    command += &options.network.repeat();
    if !options.rung.is_empty() {
        command += &format!(" --rung {}", options.rung.join(","));
    }
    format!("{command} --seed {}{}", seed.0, options.memory.repeat())
}
