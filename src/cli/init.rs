//! `triform init`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use super::args::InitOptions;
use super::{HOLDS, INTERRUPTED, memory, network, number, print};
use crate::error::{Error, Result};
use crate::evidence::memory as need;
use crate::network::init::{self, Fan};
use crate::network::save;
use crate::random::Seed;
use crate::report::file::Output;
use crate::report::network::initialised;

/// Writes a freshly initialised checkpoint.
pub(super) fn run(
    options: &InitOptions,
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let seed = Seed(number("seed", &options.seed)?);
    let architecture = network::of_shape(&options.arch, &options.top)?;
    let fan = match options.fan.as_str() {
        "layer" => Fan::Whole,
        "path" => Fan::Path,
        other => {
            let words = format!("--fan {other}: it is layer or path");
            return Err(Error::Usage(words));
        }
    };
    let ending = options.output.extension().map(|ending| ending.to_ascii_lowercase());
    let format = match ending.as_ref().and_then(|ending| ending.to_str()) {
        Some("safetensors") => save::safetensors,
        Some("npz") => save::npz,
        _ => {
            let name = options.output.display();
            let words = format!("--output {name}: its name must end in .safetensors or .npz");
            return Err(Error::Usage(words));
        }
    };
    // As they are drawn, by name, and as the file.
    memory::check(&need::of_weights(&architecture, 3)?, &options.memory, errors)?;
    let file = Output::create(&options.output)?;
    let weights = init::network(&architecture, seed, fan)?;
    let bytes = format(&weights)?;
    if interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    file.write(&bytes)?;
    print(output, &initialised(&architecture, seed, &options.output)?)?;
    Ok(HOLDS)
}
