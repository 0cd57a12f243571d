//! `triform verify`.

use std::io::Write;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicBool;

use super::args::{NetworkOptions, TopOptions, VerifyOptions};
use super::{
    HOLDS, INTERRUPTED, REFUTED, json_file, memory, network, number, parse_map, print, progress,
    threads, verify_network,
};
use crate::block::BlockSpec;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::memory as need;
use crate::evidence::rungs::Rung;
use crate::evidence::verify::{Plan, Progress, Subject, verify};
use crate::network::image;
use crate::random::Seed;
use crate::report::{json, table};

/// The map of a `--block` where none is named: that of conv2, which the paper counts on.
const DEFAULT_MAP: (usize, usize) = (56, 56);

/// Each keeps a few hundred bytes until the end, and Ctrl-C passes by all that are left.
const MAX_CASES: u64 = 1_000_000;

/// Verifies, and reports to `output`, or as JSON to where `--json` says.
pub(super) fn run(
    options: &VerifyOptions,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let seed = Seed(number("seed", &options.seed)?);
    if let Some(arch) = &options.arch {
        return verify_network::run(arch, options, seed, forms, output, errors, interrupted);
    }
    only_for_networks(options)?;
    let pool = threads::pool(options.threads.as_deref())?;
    let plan = plan(options)?;
    let (subject, about) = subject(options)?;
    if let Subject::Block(spec, map) = &subject {
        spec.output_map(*map)?;
        memory::check(&need::of_block(spec, *map)?, &options.memory, errors)?;
    } else {
        // The block with the most weights of those that the photograph runs through.
        let block = need::of_block(&"2048x32x32".parse()?, (7, 7))?;
        memory::check(&block, &options.memory, errors)?;
    }
    // Found out now, not after the work.
    let file = json_file::open(options.json.as_ref())?;

    let bar = progress::bar();
    let step = progress::steps(&bar);
    let progress = Progress { step: &step, interrupted };
    let report = pool.install(|| verify(forms, &subject, &plan, seed, &progress));
    bar.finish_and_clear();
    let mut report = report?;

    if options.json.is_none() || file.is_some() {
        print(output, &table::render(&report, forms, &about, &repeat(options, &plan, seed)))?;
    } else {
        print(output, &json::render(&report))?;
    }
    if let Some(file) = file {
        file.write(json::render(&report).as_bytes())?;
    }
    Ok(if report.refutes() {
        REFUTED
    } else if !report.failures.is_empty() {
        return Err(report.failures.swap_remove(0).error);
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
        ("--stride-on", stride_on != "3x3"),
        ("--classes", classes.is_some()),
        ("--features", *features),
    ] {
        if given {
            return Err(Error::Usage(format!("{option} is of a network; name it with --arch")));
        }
    }
    Ok(())
}

/// Which rungs to climb, and how far.
fn plan(options: &VerifyOptions) -> Result<Plan> {
    let cases = NonZeroU64::new(number("number of cases", &options.cases)?)
        .ok_or(Error::Zero { what: "number of cases" })?;
    if cases.get() > MAX_CASES {
        let words = format!("{cases} cases are too many; at most {MAX_CASES}");
        return Err(Error::Usage(words));
    }
    let rungs = match options.rung[..] {
        [] => Rung::ALL.into(),
        _ => options.rung.iter().map(|rung| rung.trim().parse()).collect::<Result<_>>()?,
    };
    Ok(Plan { rungs, cases, ..Plan::default() })
}

/// What to verify on, and the same in words.
fn subject(options: &VerifyOptions) -> Result<(Subject, String)> {
    let map = options.map.as_deref().map(parse_map).transpose()?;
    if let Some(block) = &options.block {
        let spec: BlockSpec = block.parse()?;
        let map = map.unwrap_or(DEFAULT_MAP);
        return Ok((Subject::Block(spec, map), table::about_block(&spec, map)));
    }
    if map.is_some() {
        return Err(Error::Usage("--map is the map of a --block; name the block too".to_owned()));
    }
    let (photograph, source) = match &options.input.image {
        Some(path) => (network::photograph(path, &options.input)?, path.display().to_string()),
        None => (image::photograph()?, "the photograph that comes with the program".to_owned()),
    };
    Ok((Subject::Photograph(photograph), table::about_photograph(&source)))
}

/// The command that repeats this run.
fn repeat(options: &VerifyOptions, plan: &Plan, seed: Seed) -> String {
    let mut command = format!("triform verify --seed {}", seed.0);
    command += &options.input.repeat();
    if let Some(block) = &options.block {
        command += &format!(" --block {block}");
    }
    if let Some(map) = &options.map {
        command += &format!(" --map {map}");
    }
    if !options.rung.is_empty() {
        let rungs: Vec<String> = plan.rungs.iter().map(Rung::to_string).collect();
        command += &format!(" --rung {}", rungs.join(","));
    }
    if options.cases != "100" {
        command += &format!(" --cases {}", options.cases);
    }
    command + options.memory.repeat()
}
