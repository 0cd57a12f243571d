//! `triform count`.

use std::io::Write;

use super::args::CountOptions;
use super::{HOLDS, json_file, network, parse_size, print};
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::zoo;
use crate::report::count::{self, Counted};

/// Counts what is named, or what the paper's tables hold.
pub(super) fn run(options: &CountOptions, output: &mut dyn Write) -> Result<u8> {
    let size = options.size.as_deref().map(parse_size).transpose()?;
    if let Some(text) = &options.conv {
        print(output, &count::convolution(parse_convolution(text)?, size.unwrap_or((56, 56)))?)?;
        return Ok(HOLDS);
    }
    if options.preserve {
        for text in &options.block {
            print(output, &count::preserve(&text.parse()?)?)?;
        }
        return Ok(HOLDS);
    }
    json_file::no_network("json", options.json.as_ref())?;
    json_file::no_network("csv", options.csv.as_ref())?;
    let asked_for = networks(options)?;
    let all_blocks = !asked_for.is_empty() && asked_for.iter().all(Architecture::is_block);
    if all_blocks && (options.features || options.classes.is_some()) {
        return Err(Error::Usage(network::NO_TOP.to_owned()));
    }
    let plain = asked_for.is_empty();
    let as_text = options.json.is_none() && options.csv.is_none();
    if plain && as_text && !changes(options) && !options.layers {
        print(output, &count::paper()?)?;
        return Ok(HOLDS);
    }
    let networks = if plain { zoo::with_blocks()? } else { asked_for };
    let classes = options.classes.as_deref();
    let changed =
        |network| network::changed(network, &options.stride_on, classes, options.features);
    let count = |network| Counted::new(changed(network)?, size);
    let counted = networks.into_iter().map(count).collect::<Result<Vec<_>>>()?;

    // Files are opened before anything is written.
    let json = options.json.as_ref().map(|file| json_file::open(Some(file))).transpose()?;
    let csv = options.csv.as_ref().map(|file| json_file::open_as("csv", Some(file))).transpose()?;
    if let (Some(None), Some(None)) = (&json, &csv) {
        return Err(Error::Usage("--json and --csv both want standard output".to_owned()));
    }
    if let (Some(Some(json)), Some(Some(csv))) = (&options.json, &options.csv)
        && std::path::absolute(json).ok() == std::path::absolute(csv).ok()
    {
        let name = json.display();
        return Err(Error::Usage(format!("--json and --csv both want {name}")));
    }
    let to_output = matches!(json, Some(None)) || matches!(csv, Some(None));
    if !to_output {
        let text = match options.layers {
            true => count::layers(&counted)?,
            false => count::networks(&counted)?,
        };
        print(output, &text)?;
    }
    for (wanted, text) in
        [(json, count::json as fn(&[Counted], bool) -> Result<String>), (csv, count::csv)]
    {
        match wanted {
            None => {}
            Some(None) => print(output, &text(&counted, options.layers)?)?,
            Some(Some(file)) => file.write(text(&counted, options.layers)?.as_bytes())?,
        }
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
    for text in &options.block {
        networks.push(Architecture::single(&text.parse()?));
    }
    Ok(networks)
}

/// Whether the options ask for other networks than those that are named.
fn changes(options: &CountOptions) -> bool {
    options.features
        || options.classes.is_some()
        || options.size.is_some()
        || options.stride_on != "3x3"
}

/// `3x128x128x32`: kernel size, channels in and out, groups.
fn parse_convolution(text: &str) -> Result<[usize; 4]> {
    let sizes = text.split(['x', 'X', '×']).map(|part| part.parse().ok());
    match sizes.collect::<Option<Vec<usize>>>().as_deref() {
        Some(&[k, c_in, c_out, groups]) => {
            for (what, size) in
                [("kernel size", k), ("input channels", c_in), ("output channels", c_out)]
            {
                if size == 0 {
                    return Err(Error::Zero { what });
                }
            }
            if k.is_multiple_of(2) {
                return Err(Error::EvenKernel { kernel: k });
            }
            Ok([k, c_in, c_out, groups])
        }
        _ => {
            let words = format!(
                "`{text}` is not a convolution: kernel size x channels in x channels out x groups \
                 are needed, such as 3x128x128x32"
            );
            Err(Error::Usage(words))
        }
    }
}
