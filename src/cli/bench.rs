//! `triform bench`.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use super::args::BenchOptions;
use super::{
    HOLDS, INTERRUPTED, REFUTED, forward, json_file, memory, number, parse_map, print, progress,
    quoted, size, threads,
};
use crate::block::BlockSpec;
use crate::conv::LEVEL_VARIABLE;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::memory as need;
use crate::evidence::speed;
use crate::evidence::verify::Progress;
use crate::random::Seed;
use crate::report::bench::{self, Plan, Rounds};
use crate::report::figures::{Format, roofline};
use crate::report::file::Output;

/// The map of a `--block` where none is named, as in `verify`.
const DEFAULT_MAP: (usize, usize) = (56, 56);

/// Checks the forms, times them, and reports to `output`, or as JSON to where `--json` says.
pub(super) fn run(
    options: &BenchOptions,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let seed = Seed(number("seed", &options.seed)?);
    let plan = plan(options, forms)?;
    for (spec, map) in plan.blocks.iter().chain(&plan.settings) {
        spec.output_map(*map)?;
        memory::check(&need::of_block(spec, *map)?, &options.memory, errors)?;
    }
    let pools = match &options.threads {
        Some(threads) => vec![threads::pool(Some(threads))?],
        None => {
            let all = threads::pool(None)?;
            let one = (all.current_num_threads() > 1).then(|| threads::pool(Some("1")));
            one.into_iter().collect::<Result<Vec<_>>>()?.into_iter().chain([all]).collect()
        }
    };
    // Found out now, not after the work.
    let file = json_file::open(options.json.as_ref())?;
    let figure = options.figure.as_deref().map(figure).transpose()?;
    let record = options.record.as_deref().map(|folder| folder.join(bench::record_name()));
    let record = record.map(|path| Ok::<_, Error>((Output::create(&path)?, path))).transpose()?;

    let bar = progress::bar();
    let step = progress::steps(&bar);
    let progress = Progress { step: &step, interrupted };
    let report = bench::run(forms, &plan, &pools, seed, &progress);
    bar.finish_and_clear();
    let report = report?;

    let to_file = file.is_some();
    if options.json.is_some() && !to_file {
        print(output, &bench::json(&report))?;
    } else {
        print(output, &bench::render(&report, &plan, forms, &repeat(options, seed))?)?;
    }
    if report.refutes() {
        return Ok(REFUTED);
    }
    if report.partial {
        return Ok(INTERRUPTED);
    }
    if let Some(file) = file {
        file.write(bench::json(&report).as_bytes())?;
    }
    let mut wrote = Vec::new();
    if let (Some((file, format)), Some(path)) = (figure, &options.figure) {
        file.write(&format.bytes("roofline", roofline::draw(&bench::record(&report)?))?)?;
        wrote.push(path.clone());
    }
    if let Some((file, path)) = record {
        file.write(bench::json_of(&bench::record(&report)?).as_bytes())?;
        wrote.push(path);
    }
    if options.json.is_none() || to_file {
        for path in wrote {
            print(output, &format!("Wrote {}.\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}

/// What to time.
fn plan(options: &BenchOptions, forms: &[&dyn AnyForm]) -> Result<Plan> {
    let one = forward::form(&options.form, forms)?;
    let rounds = match &options.rounds {
        Some(rounds) => Rounds::Of(size("number of rounds", rounds)?),
        None => Rounds::default(),
    };
    let map = options.map.as_deref().map(parse_map).transpose()?;
    let (blocks, settings) = match &options.block {
        Some(block) => {
            let spec: BlockSpec = block.parse()?;
            (vec![(spec, map.unwrap_or(DEFAULT_MAP))], Vec::new())
        }
        None if map.is_some() => {
            let words = "--map is the map of a --block; name the block too";
            return Err(Error::Usage(words.to_owned()));
        }
        None => (speed::stages()?, bench::settings()?),
    };
    Ok(Plan {
        blocks,
        settings,
        forms: match one {
            Some(form) => vec![form.letter()],
            None => forms.iter().map(|form| form.letter()).collect(),
        },
        rounds,
        networks: options.networks || options.record.is_some(),
        layers: options.figure.is_some() || options.record.is_some(),
    })
}

/// A figure's file, made ready, and its format by the ending.
fn figure(path: &Path) -> Result<(Output, Format)> {
    let words =
        || Error::Usage(format!("--figure {}: its name must end in .svg or .png", path.display()));
    let format = Format::of(path).ok_or_else(words)?;
    Ok((Output::create(path)?, format))
}

/// The command that repeats this run.
fn repeat(options: &BenchOptions, seed: Seed) -> String {
    let level = std::env::var(LEVEL_VARIABLE).ok().filter(|level| !level.is_empty());
    let level =
        level.map_or(String::new(), |level| format!("{LEVEL_VARIABLE}={} ", quoted(&level)));
    let mut command = format!("{level}triform bench --seed {}", seed.0);
    for (name, value) in [
        ("block", &options.block),
        ("map", &options.map),
        ("threads", &options.threads),
        ("rounds", &options.rounds),
    ] {
        if let Some(value) = value {
            command += &format!(" --{name} {}", quoted(value));
        }
    }
    if options.form != "all" {
        command += &format!(" --form {}", options.form);
    }
    if options.networks {
        command += " --networks";
    }
    for (name, path) in [("figure", &options.figure), ("record", &options.record)] {
        if let Some(path) = path {
            command += &format!(" --{name} {}", quoted(&path.display().to_string()));
        }
    }
    command + options.memory.repeat()
}
