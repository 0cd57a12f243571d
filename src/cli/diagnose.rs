//! `triform diagnose`.

use std::io::Write;

use super::args::DiagnoseOptions;
use super::{HOLDS, REFUTED, json_file, print};
use crate::count::{Digits, Quantity, diagnose};
use crate::error::Result;
use crate::network::zoo;
use crate::report::diagnose as report;

/// Says what is known about a count; the status is [`REFUTED`] if nothing is. Without a count, lists what
/// is looked for.
pub(super) fn run(options: &DiagnoseOptions, output: &mut dyn Write) -> Result<u8> {
    let Some(text) = &options.count else {
        print(output, &report::known())?;
        return Ok(HOLDS);
    };
    let given: Digits = text.parse()?;
    let quantity = if options.macs { Quantity::Macs } else { Quantity::Parameters };
    let network = options.arch.as_deref().map(zoo::named).transpose()?;
    let file = json_file::open(options.json.as_ref())?;
    let found = diagnose(&given, quantity, network.as_ref())?;
    if options.json.is_none() || file.is_some() {
        print(output, &report::render(&given, quantity, options.arch.as_deref(), &found))?;
    } else {
        print(output, &report::json(&found))?;
    }
    if let Some(file) = file {
        file.write(report::json(&found).as_bytes())?;
    }
    Ok(if found.fits.is_empty() { REFUTED } else { HOLDS })
}
