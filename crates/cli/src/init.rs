//! `triform init`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::args::InitOptions;
use super::error::Result;
use super::need;
use super::{HOLDS, INTERRUPTED, memory, network, print};
use crate::report::file::Output;
use crate::report::network::initialised;
use triform::network::init;

/// Writes a freshly initialised checkpoint.
pub(super) fn run(
    options: &InitOptions,
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let seed = options.seed.seed;
    let architecture = network::named(&options.arch, &options.top)?;
    // As they are drawn, by name, and as the file.
    memory::check(&need::of_weights(&architecture, 3)?, &options.memory, errors)?;
    let file = Output::create(&options.output.path)?;
    let weights = init::network(&architecture, seed, options.fan)?;
    let bytes = (options.output.format)(&weights)?;
    if interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    file.write(&bytes)?;
    print(output, &initialised(&architecture, seed, &options.output.path)?)?;
    Ok(HOLDS)
}
