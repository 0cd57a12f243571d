//! `triform verify`, on one block, on several blocks, or with `--arch` on a whole network with given weights.

use std::path::Path;

use ndarray::Array4;
use rayon::ThreadPool;

use super::args::{MemoryOptions, NetworkOptions, TopOptions, VerifyOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::network::{self, Source};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, machine, progress};
use crate::need;
use crate::report::json::{self, Outcome};
use crate::report::{network as on_network, refute, verify as table};
use triform::block::{Form, StrideOn};
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::verdict::Verdict;
use triform::evidence::verify::{Input, Plan, Report, verify};
use triform::evidence::whole;
use triform::gallery::witness::{Pair, smallest_apart};
use triform::network::weights::NetworkWeights;
use triform::random::Seed;

/// Verifies, and reports in words or, with `--json`, as JSON.
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
        // Of the blocks that the photograph runs through, this one has the most weights.
        Input::Photograph(_) => need::of_block(&"2048x32x32".parse()?, (7, 7))?,
    };
    machine::check(&need, &options.memory, context.errors)?;
    // Opened now, so that a file that cannot be written is reported before the work.
    let target = Target::open(options.json.json.as_ref())?;
    let rungs = options.rungs.named().unwrap_or_else(|| Rung::ALL.into());
    let plan = Plan { rungs, cases: options.cases, ..Plan::default() };
    let forms = context.forms;
    let mut report = progress::with_bar(context, |bar| {
        pool.install(|| verify(forms, &subject, &plan, options.seed.seed, bar))
    })?;
    let command = context.command.clone();
    let example = match report.refutes() {
        true => example(&report, forms, options.seed.seed)?,
        false => None,
    };
    let words = || {
        let (input, repeat) = (&*about, &*command.repeat);
        let about = table::About { forms, input, repeat, example: example.as_deref() };
        Ok(if options.full { table::full(&report, &about) } else { table::short(&report, &about) })
    };
    let json = || {
        let machine = Some(triform_bench::machine());
        let outcome = Outcome::of_forms(report.refutes(), report.partial, machine);
        Ok(json::envelope(&command, outcome, json::verify(&report)))
    };
    target.report(context, words, json)?;
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

/// Reports an error for options that need `--arch`, so that they are not ignored.
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
            let words = format!("{option} is only for networks; name a network with --arch");
            return Err(Error::Usage(words));
        }
    }
    Ok(())
}

/// What to verify on, and its description.
fn subject(options: &VerifyOptions) -> Result<(Input, String)> {
    if let Some((spec, map)) = options.block.named()? {
        return Ok((Input::Block(spec, map), table::about_block(&spec, map)));
    }
    let (photograph, source) = network::photograph(&options.input)?;
    Ok((Input::Photograph(photograph), table::about_photograph(&source)))
}

/// The smallest block on which the first wrong form differs from the paper's form of the same letter.
fn example(report: &Report, forms: &[&dyn AnyForm], seed: Seed) -> Result<Option<String>> {
    let witnesses = report.findings.iter().flat_map(|finding| match &finding.verdict {
        Verdict::Refuted { witnesses } => &witnesses[..],
        _ => &[],
    });
    let Some(letter) = witnesses.map(|witness| witness.form).min() else { return Ok(None) };
    let wrong = forms.iter().find(|form| form.letter() == letter);
    let right = Form::ALL.iter().find(|form| form.letter() == letter);
    let (Some(wrong), Some(right)) = (wrong, right) else { return Ok(None) };
    let Some((shows_in, found)) = smallest_apart(right, *wrong, seed)? else { return Ok(None) };
    let pair = Pair { right, wrong: *wrong, shows_in, at_least: (1, 1) };
    Ok(Some(refute::example(&pair, &found)?))
}

/// Verifies the network that `--arch` names.
fn on_the_network(arch: &str, options: &VerifyOptions, context: &mut Context<'_>) -> Result<u8> {
    // Checked first, since the message below recommends a command with this name.
    let architecture = network::named(arch, &options.network)?;
    let Some(path) = &options.weights else {
        let words = format!(
            "--arch {arch} needs --weights FILE; `triform init {arch} --output FILE` writes fresh weights"
        );
        return Err(Error::Usage(words));
    };
    let rungs: Vec<Rung> = match options.rungs.named() {
        None => Rung::of_networks().collect(),
        Some(named) => named.into_iter().collect(),
    };
    let pool = machine::pool(options.threads.threads)?;
    let json = options.json.json.as_ref();
    let written: [Option<&Path>; 1] = [json.and_then(Destination::path)];
    network::not_overwritten(&options.input, path, &written)?;
    // Opened now, so that a file that cannot be written is reported before the work.
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
        full: options.full,
    };
    job.run(&pool, context)
}

/// A network to verify, and how to report on it.
pub(super) struct Job<'a> {
    pub(super) weights: &'a NetworkWeights,
    pub(super) x: &'a Array4<f32>,
    pub(super) rungs: &'a [Rung],
    pub(super) seed: Seed,
    pub(super) source: &'a Source,
    pub(super) memory: &'a MemoryOptions,
    /// Where the JSON goes.
    pub(super) target: Target,
    /// Whether the report has all tables.
    pub(super) full: bool,
}

impl Job<'_> {
    /// Verifies, and reports.
    pub(super) fn run(self, pool: &ThreadPool, context: &mut Context<'_>) -> Result<u8> {
        let Self { weights, x, rungs, seed, source, memory, target, full } = self;
        let threads = pool.current_num_threads();
        let need = need::of_network(weights.architecture(), x.dim(), threads)?;
        machine::check(&need, memory, context.errors)?;
        let forms = context.forms;
        let report = progress::with_bar(context, |bar| {
            pool.install(|| whole::verify(forms, weights, x.view(), rungs, seed, bar))
        })?;
        let command = context.command.clone();
        let words = || Ok(on_network::verified(&report, forms, source, &command.repeat, full)?);
        let json = || {
            let outcome =
                Outcome::of_forms(report.refutes(), report.partial, Some(triform_bench::machine()));
            Ok(json::envelope(&command, outcome, json::network(&report, source)))
        };
        target.report(context, words, json)?;
        Ok(match (report.refutes(), report.holds()) {
            (true, _) => REFUTED,
            (_, true) => HOLDS,
            // Nothing was refuted, but not everything was verified.
            _ => INTERRUPTED,
        })
    }
}
