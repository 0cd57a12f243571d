//! `triform count`.

use super::args::CountOptions;
use super::destination::{Destination, Target, no_network};
use super::error::{Error, Result};
use super::{Context, HOLDS, network};
use crate::report::count::{self, Counted};
use triform::block::StrideOn;
use triform::network::architecture::Architecture;
use triform::network::zoo;

/// Counts what is named, or what the paper's tables hold.
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
    let (json, csv) = (options.json.json.as_ref(), options.csv.as_ref());
    no_network("json", json)?;
    no_network("csv", csv)?;
    let asked_for = networks(options)?;
    let all_blocks = !asked_for.is_empty() && asked_for.iter().all(Architecture::is_block);
    if all_blocks && (top.features || top.classes.is_some()) {
        return Err(Error::Usage(network::NO_TOP.to_owned()));
    }
    let plain = asked_for.is_empty();
    let as_text = json.is_none() && csv.is_none();
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
    let targets = [Target::open(json)?, Target::open(csv)?];
    if targets.iter().all(Target::is_output) {
        return Err(Error::Usage("--json and --csv both want standard output".to_owned()));
    }
    if let (Some(json), Some(csv)) =
        (json.and_then(Destination::path), csv.and_then(Destination::path))
        && std::path::absolute(json).ok() == std::path::absolute(csv).ok()
    {
        let name = json.display();
        return Err(Error::Usage(format!("--json and --csv both want {name}")));
    }
    if !targets.iter().any(Target::is_output) {
        let text = match options.layers {
            true => count::layers(&counted)?,
            false => count::networks(&counted)?,
        };
        context.print(&text)?;
    }
    let texts = [count::json as fn(&[Counted], bool) -> triform::Result<String>, count::csv];
    for (target, text) in targets.into_iter().zip(texts) {
        let text = || Ok(text(&counted, options.layers)?);
        if target.is_output() {
            context.print(&text()?)?;
        }
        target.write(text)?;
    }
    Ok(HOLDS)
}

/// Those that are named.
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

/// Whether the options ask for other networks than those that are named.
fn changes(options: &CountOptions) -> bool {
    options.network.top.features
        || options.network.top.classes.is_some()
        || options.size.is_some()
        || options.network.stride_on != StrideOn::default()
}
