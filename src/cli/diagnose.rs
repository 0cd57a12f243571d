//! `triform diagnose`.

use std::io::Write;

use super::args::DiagnoseOptions;
use super::{HOLDS, REFUTED, json_file, parse_size, print, size};
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
    // `4.1 GFLOPs` says itself what it counts.
    let says_macs = ["flop", "mac"].iter().any(|word| text.to_lowercase().contains(word));
    let quantity = match options.macs || says_macs {
        true => Quantity::Macs,
        false => Quantity::Parameters,
    };
    let input = options.size.as_deref().map(parse_size).transpose()?;
    let classes =
        options.classes.as_deref().map(|text| size("number of classes", text)).transpose()?;
    let mut networks = match &options.arch {
        Some(name) => vec![zoo::named(name)?],
        None => zoo::with_blocks()?,
    };
    if let Some(classes) = classes {
        for network in networks.iter_mut().filter(|network| !network.is_block()) {
            network.classes = Some(classes);
        }
    }
    let file = json_file::open(options.json.as_ref())?;
    let found = diagnose(&given, quantity, &networks, input)?;
    if options.json.is_none() || file.is_some() {
        let (given, network) = (&given, options.arch.as_deref());
        let asked = report::Asked { given, quantity, network, input, classes };
        print(output, &report::render(&asked, &found)?)?;
    } else {
        print(output, &report::json(&found))?;
    }
    if let Some(file) = file {
        file.write(report::json(&found).as_bytes())?;
    }
    Ok(if found.fits.is_empty() { REFUTED } else { HOLDS })
}
