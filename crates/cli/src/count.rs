//! `triform count`.

use super::args::CountOptions;
use super::destination::{Destination, Target, no_network};
use super::error::{Error, Result};
use super::{Context, HOLDS, network};
use crate::report::count::{self, Counted};
use crate::report::json::{self, Outcome};
use triform::block::StrideOn;
use triform::network::architecture::Architecture;
use triform::network::zoo;

/// Counts the networks and blocks that the options name. If they name none, it prints the paper's tables. With `--json`
/// or another option that the tables ignore, it counts every known network and block instead.
pub(super) fn run(options: &CountOptions, context: &mut Context<'_>) -> Result<u8> {
    let (size, top) = (options.size, &options.network.top);
    if let Some(convolution) = options.conv {
        context.print(&count::convolution(convolution, size.unwrap_or((56, 56)))?)?;
        return Ok(HOLDS);
    }
    if options.preserve {
        for spec in &options.block {
            context.print(&count::preserve(spec)?)?;
        }
        return Ok(HOLDS);
    }
    let (to_json, to_csv) = (options.json.json.as_ref(), options.csv.as_ref());
    no_network("json", to_json)?;
    no_network("csv", to_csv)?;
    let asked_for = networks(options)?;
    let all_blocks = !asked_for.is_empty() && asked_for.iter().all(Architecture::is_block);
    if all_blocks && (top.features || top.classes.is_some()) {
        return Err(Error::Usage(network::NO_TOP.to_owned()));
    }
    let plain = asked_for.is_empty();
    let as_text = to_json.is_none() && to_csv.is_none();
    if plain && as_text && !changes(options) && !options.layers {
        context.print(&count::paper()?)?;
        return Ok(HOLDS);
    }
    let networks = if plain { zoo::with_blocks()? } else { asked_for };
    let changed =
        |network| network::with_top(network, top).with_stride_on(options.network.stride_on);
    let count = |network| Counted::new(changed(network), size);
    let counted = networks.into_iter().map(count).collect::<triform::Result<Vec<_>>>()?;

    // Files are opened before anything is written.
    let targets = [Target::open(to_json)?, Target::open(to_csv)?];
    if targets.iter().all(Target::is_output) {
        return Err(Error::Usage(
            "--json and --csv cannot both write to standard output".to_owned(),
        ));
    }
    if let (Some(json), Some(csv)) =
        (to_json.and_then(Destination::path), to_csv.and_then(Destination::path))
        && std::path::absolute(json).ok() == std::path::absolute(csv).ok()
    {
        let name = json.display();
        return Err(Error::Usage(format!("--json and --csv cannot both write to {name}")));
    }
    if !targets.iter().any(Target::is_output) {
        let text = match options.layers {
            true => count::layers(&counted)?,
            false => count::networks(&counted)?,
        };
        context.print(&text)?;
    }
    let command = context.command.clone();
    let json = || -> Result<String> {
        let report = count::json(&counted, options.layers)?;
        Ok(json::envelope(&command, Outcome::NONE, report))
    };
    let csv = || -> Result<String> { Ok(count::csv(&counted, options.layers)?) };
    for (target, text) in targets.into_iter().zip([&json as &dyn Fn() -> Result<String>, &csv]) {
        if target.is_output() {
            context.write(&text()?)?;
        }
        target.write(text)?;
    }
    Ok(HOLDS)
}

/// The networks and blocks that the options name.
fn networks(options: &CountOptions) -> Result<Vec<Architecture>> {
    let mut networks = Vec::new();
    for name in &options.networks {
        if name == "all" {
            networks.extend(zoo::with_blocks()?);
        } else {
            networks.push(zoo::named(name)?);
        }
    }
    networks.extend(options.block.iter().map(Architecture::single));
    Ok(networks)
}

/// Whether the options change the networks or their input size.
fn changes(options: &CountOptions) -> bool {
    options.network.top.features
        || options.network.top.classes.is_some()
        || options.size.is_some()
        || options.network.stride_on != StrideOn::default()
}
