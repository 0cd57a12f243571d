//! `triform verify`.

use std::io::Write;
use std::sync::atomic::AtomicBool;

use super::args::{NetworkOptions, TopOptions, VerifyOptions};
use super::destination::Target;
use super::error::{Error, Result};
use super::need;
use super::{
    HOLDS, INTERRUPTED, REFUTED, memory, network, photograph, progress, threads, verify_network,
};
use crate::report::{json, table};
use triform::block::StrideOn;
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::verify::{Input, Plan, verify};

/// Verifies, and reports to `output`, or as JSON to where `--json` says.
pub(super) fn run(
    options: &VerifyOptions,
    repeat: String,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    if let Some(arch) = &options.arch {
        return verify_network::run(arch, options, repeat, forms, output, errors, interrupted);
    }
    only_for_networks(options)?;
    let pool = threads::pool(options.threads.threads)?;
    let (subject, about) = subject(options)?;
    if let Input::Block(spec, map) = &subject {
        spec.output_map(*map)?;
        memory::check(&need::of_block(spec, *map)?, &options.memory, errors)?;
    } else {
        // The block with the most weights of those that the photograph runs through.
        let block = need::of_block(&"2048x32x32".parse()?, (7, 7))?;
        memory::check(&block, &options.memory, errors)?;
    }
    // Found out now, not after the work.
    let target = Target::open(options.json.json.as_ref())?;
    let rungs = match options.rung[..] {
        [] => Rung::ALL.into(),
        ref rungs => rungs.iter().copied().collect(),
    };
    let plan = Plan { rungs, cases: options.cases, ..Plan::default() };

    let bar = progress::Bar::new(interrupted);
    let report = pool.install(|| verify(forms, &subject, &plan, options.seed.seed, &bar));
    drop(bar);
    let mut report = report?;

    let json = || Ok(json::render(&report));
    target.print(output, || Ok(table::render(&report, forms, &about, &repeat)), json)?;
    target.write(json)?;
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
    let (photograph, source) = match &options.input.image {
        Some(path) => (network::photograph(path, &options.input)?, path.display().to_string()),
        None => {
            (photograph::photograph()?, "the photograph that comes with the program".to_owned())
        }
    };
    Ok((Input::Photograph(photograph), table::about_photograph(&source)))
}
