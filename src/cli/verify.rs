//! `triform verify`.

use std::io::Write;
use std::num::NonZeroU64;
use std::sync::atomic::AtomicBool;

use super::args::VerifyOptions;
use super::{HOLDS, INTERRUPTED, REFUTED, json_file, number, parse_map, print, progress};
use crate::block::BlockSpec;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::verdict::Rung;
use crate::evidence::verify::{Plan, Progress, Subject, verify};
use crate::network::image;
use crate::random::Seed;
use crate::report::{json, table};

/// The map of a `--block` where none is named: that of conv2, which the paper counts on.
const DEFAULT_MAP: (usize, usize) = (56, 56);

/// More would only take memory.
const MAX_THREADS: u64 = 1024;

/// Each keeps a few hundred bytes until the end, and Ctrl-C passes by all that are left.
const MAX_CASES: u64 = 1_000_000;

/// Verifies, and reports to `output`, or as JSON to where `--json` says.
pub(super) fn run(
    options: &VerifyOptions,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let seed = Seed(number("seed", &options.seed)?);
    let threads = match &options.threads {
        Some(text) => match number("number of threads", text)? {
            0 => return Err(Error::Zero { what: "number of threads" }),
            threads if threads <= MAX_THREADS => threads as usize,
            threads => {
                let words = format!("{threads} threads are too many; at most {MAX_THREADS}");
                return Err(Error::Usage(words));
            }
        },
        None => 0, // rayon's word for all processors
    };
    let plan = plan(options)?;
    let (subject, about) = subject(options)?;
    // Found out now, not after the work.
    let file = json_file::open(options.json.as_ref())?;

    let bar = progress::bar();
    let step = progress::steps(&bar);
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.map_err(|error| Error::Usage(format!("cannot start threads: {error}")))?;
    let progress = Progress { step: &step, interrupted };
    let report = pool.install(|| verify(forms, &subject, &plan, seed, &progress));
    bar.finish_and_clear();
    let report = report?;

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
    } else if report.partial {
        INTERRUPTED
    } else {
        HOLDS
    })
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
    let (photograph, source) = match &options.image {
        Some(path) => (image::read(path)?, path.display().to_string()),
        None => (image::photograph()?, "the photograph that comes with the program".to_owned()),
    };
    Ok((Subject::Photograph(photograph), table::about_photograph(&source)))
}

/// The command that repeats this run.
fn repeat(options: &VerifyOptions, plan: &Plan, seed: Seed) -> String {
    let mut command = format!("triform verify --seed {}", seed.0);
    if let Some(path) = &options.image {
        command += &format!(" --image {}", quoted(&path.display().to_string()));
    }
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
    command
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
