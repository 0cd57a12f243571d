//! `triform diagnose`.

use super::args::DiagnoseOptions;
use super::destination::{Target, no_network};
use super::error::Result;
use super::{Context, HOLDS, REFUTED};
use crate::report::diagnose as report;
use crate::report::json::{self, Outcome};
use triform::count::{Quantity, diagnose};
use triform::network::zoo;

/// Reports what is known about a count. If nothing is known, the status is [`REFUTED`]. If the options give no count,
/// it lists the known conventions.
pub(super) fn run(options: &DiagnoseOptions, context: &mut Context<'_>) -> Result<u8> {
    let command = context.command.clone();
    let Some(given) = &options.count else {
        let target = Target::open(options.json.json.as_ref())?;
        let json = || Ok(json::envelope(&command, Outcome::NONE, report::known_json()));
        target.report(context, || Ok(report::known()), json)?;
        return Ok(HOLDS);
    };
    // `4.1 GFLOPs` itself says what it counts.
    let says_macs = ["flop", "mac"].iter().any(|word| given.text.to_lowercase().contains(word));
    let quantity = match options.macs || says_macs {
        true => Quantity::Macs,
        false => Quantity::Parameters,
    };
    let (input, classes) = (options.size, options.classes);
    let mut networks = match &options.arch {
        Some(name) => vec![zoo::named(name)?],
        None => zoo::with_blocks()?,
    };
    if let Some(classes) = classes {
        for network in networks.iter_mut().filter(|network| !network.is_block()) {
            network.classes = Some(classes);
        }
    }
    no_network("json", options.json.json.as_ref())?;
    let target = Target::open(options.json.json.as_ref())?;
    let found = diagnose(given, quantity, &networks, input)?;
    let network = options.arch.as_deref();
    let asked = report::Asked { given, quantity, network, input, classes };
    let words = || Ok(report::render(&asked, &found)?);
    let json = || {
        let verdict = Some(if found.fits.is_empty() { "unknown" } else { "known" });
        let outcome = Outcome { verdict, ..Outcome::NONE };
        Ok(json::envelope(&command, outcome, report::json(&asked, &found)))
    };
    target.report(context, words, json)?;
    Ok(if found.fits.is_empty() { REFUTED } else { HOLDS })
}
