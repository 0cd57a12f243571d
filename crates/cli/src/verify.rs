//! `triform verify`: one block or several, or with `--arch` a whole network of given weights.

use std::path::Path;

use ndarray::Array4;
use rayon::ThreadPool;

use super::args::{MemoryOptions, NetworkOptions, TopOptions, VerifyOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::network::{self, Source};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, machine, progress};
use crate::need;
use crate::report::{json, network as on_network, table};
use triform::block::StrideOn;
use triform::evidence::rungs::Rung;
use triform::evidence::verify::{Input, Plan, verify};
use triform::evidence::whole;
use triform::network::weights::NetworkWeights;
use triform::random::Seed;

/// Verifies, and reports to standard output, or as JSON to where `--json` says.
pub(super) fn run(options: &VerifyOptions, context: &mut Context<'_>) -> Result<u8> {
    if let Some(arch) = &options.arch {
        return on_the_network(arch, options, context);
    }
    only_for_networks(options)?;
    let pool = machine::pool(options.threads.threads)?;
    let (subject, about) = subject(options)?;
    let need = match &subject {
        Input::Block(spec, map) => {
            spec.output_map(*map)?;
            need::of_block(spec, *map)?
        }
        // The block with the most weights of those that the photograph runs through.
        Input::Photograph(_) => need::of_block(&"2048x32x32".parse()?, (7, 7))?,
    };
    machine::check(&need, &options.memory, context.errors)?;
    // Found out now, not after the work.
    let target = Target::open(options.json.json.as_ref())?;
    let rungs = match options.rung[..] {
        [] => Rung::ALL.into(),
        ref rungs => rungs.iter().copied().collect(),
    };
    let plan = Plan { rungs, cases: options.cases, ..Plan::default() };
    let forms = context.forms;
    let mut report = progress::with_bar(context.interrupted, |bar| {
        pool.install(|| verify(forms, &subject, &plan, options.seed.seed, bar))
    })?;
    let again = context.again.clone();
    let words = || Ok(table::render(&report, forms, &about, &again));
    target.report(context, words, || Ok(json::render(&report)))?;
    Ok(if report.refutes() {
        REFUTED
    } else if !report.failures.is_empty() {
        return Err(report.failures.swap_remove(0).error.into());
    } else if report.partial {
        INTERRUPTED
    } else {
        HOLDS
    })
}

/// Refuses options that mean something with `--arch` only, rather than pass them over.
fn only_for_networks(options: &VerifyOptions) -> Result<()> {
    let NetworkOptions { stride_on, top: TopOptions { classes, features } } = &options.network;
    for (option, given) in [
        ("--weights", options.weights.is_some()),
        ("--input", options.input.input.is_some()),
        ("--stride-on", *stride_on != StrideOn::default()),
        ("--classes", classes.is_some()),
        ("--features", *features),
    ] {
        if given {
            return Err(Error::Usage(format!("{option} is of a network; name it with --arch")));
        }
    }
    Ok(())
}

/// What to verify on, and the same in words.
fn subject(options: &VerifyOptions) -> Result<(Input, String)> {
    if let Some((spec, map)) = options.block.named()? {
        return Ok((Input::Block(spec, map), table::about_block(&spec, map)));
    }
    let (photograph, source) = network::photograph(&options.input)?;
    Ok((Input::Photograph(photograph), table::about_photograph(&source)))
}

/// Verifies the network that `--arch` names.
fn on_the_network(arch: &str, options: &VerifyOptions, context: &mut Context<'_>) -> Result<u8> {
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
    let pool = machine::pool(options.threads.threads)?;
    let architecture = network::named(arch, &options.network)?;
    let json = options.json.json.as_ref();
    let written: [Option<&Path>; 1] = [json.and_then(Destination::path)];
    network::not_overwritten(&options.input, path, &written)?;
    // Found out now, not after the work.
    let target = Target::open(json)?;
    let (weights, x, source) = network::read(&architecture, path, &options.input)?;
    let job = Job {
        weights: &weights,
        x: &x,
        rungs: &rungs,
        seed: options.seed.seed,
        source: &source,
        memory: &options.memory,
        target,
    };
    job.run(&pool, context)
}

/// A network to verify, and how to tell of it.
pub(super) struct Job<'a> {
    pub(super) weights: &'a NetworkWeights,
    pub(super) x: &'a Array4<f32>,
    pub(super) rungs: &'a [Rung],
    pub(super) seed: Seed,
    pub(super) source: &'a Source,
    pub(super) memory: &'a MemoryOptions,
    /// Where the JSON goes.
    pub(super) target: Target,
}

impl Job<'_> {
    /// Verifies, and reports.
    pub(super) fn run(self, pool: &ThreadPool, context: &mut Context<'_>) -> Result<u8> {
        let Self { weights, x, rungs, seed, source, memory, target } = self;
        let threads = pool.current_num_threads();
        let need = need::of_network(weights.architecture(), x.dim(), threads)?;
        machine::check(&need, memory, context.errors)?;
        let forms = context.forms;
        let report = progress::with_bar(context.interrupted, |bar| {
            pool.install(|| whole::verify(forms, weights, x.view(), rungs, seed, bar))
        })?;
        let again = context.again.clone();
        let words = || Ok(on_network::verified(&report, forms, source, &again)?);
        target.report(context, words, || Ok(json::network(&report, source)))?;
        Ok(match (report.refutes(), report.holds()) {
            (true, _) => REFUTED,
            (_, true) => HOLDS,
            // Nothing was refuted, and not all of it verified.
            _ => INTERRUPTED,
        })
    }
}
