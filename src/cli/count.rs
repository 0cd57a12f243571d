//! `triform count`.

use std::io::Write;

use super::args::CountOptions;
use super::{HOLDS, json_file, parse_size, print, size};
use crate::block::StrideOn;
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
    for (option, file) in [("json", &options.json), ("csv", &options.csv)] {
        if let Some(Some(file)) = file
            && let Some(name) =
                file.to_str().filter(|name| *name == "all" || zoo::named(name).is_ok())
        {
            // `triform count --json resnet50` would otherwise write a file of that name.
            let words =
                format!("--{option} {name}: name the networks first, or the file as ./{name}");
            return Err(Error::Usage(words));
        }
    }
    let asked_for = networks(options)?;
    let plain = asked_for.is_empty();
    let as_text = options.json.is_none() && options.csv.is_none();
    if plain && as_text && !changes(options) && !options.layers {
        print(output, &count::paper()?)?;
        return Ok(HOLDS);
    }
    let networks = if plain { zoo::with_blocks()? } else { asked_for };
    let count = |network| Counted::new(changed(network, options)?, size);
    let counted = networks.into_iter().map(count).collect::<Result<Vec<_>>>()?;

    // Files are opened before anything is written.
    let json = options.json.as_ref().map(|file| json_file::open(Some(file))).transpose()?;
    let csv = options.csv.as_ref().map(|file| json_file::open_as("csv", Some(file))).transpose()?;
    if let (Some(None), Some(None)) = (&json, &csv) {
        return Err(Error::Usage("--json and --csv both want standard output".to_owned()));
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

fn changed(mut network: Architecture, options: &CountOptions) -> Result<Architecture> {
    network = network.with_stride_on(match options.stride_on.as_str() {
        "3x3" => StrideOn::Transform,
        "1x1" => StrideOn::Reduce,
        other => {
            let words = format!("--stride-on {other}: it is 3x3 or 1x1");
            return Err(Error::Usage(words));
        }
    });
    if options.features {
        network = network.without_top();
    }
    if let (Some(classes), false) = (&options.classes, network.is_block()) {
        network = network.with_classes(size("number of classes", classes)?);
    }
    Ok(network)
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
