//! Counts as comma-separated values. No value has a comma or a quote in it.

use super::{Counted, json, stride_word};
use triform::error::Result;

/// A line for each network, or for each layer of each; the first names the columns.
///
/// # Errors
///
/// [`Error::CountTooLarge`](triform::Error::CountTooLarge).
pub fn csv(counted: &[Counted], with_layers: bool) -> Result<String> {
    let rows = if with_layers { layers(counted)? } else { networks(counted)? };
    Ok(rows.iter().map(|row| row.join(",") + "\n").collect())
}

fn networks(counted: &[Counted]) -> Result<Vec<Vec<String>>> {
    let head = [
        "arch",
        "height",
        "width",
        "stride_on",
        "params",
        "convolution",
        "batch_norm",
        "fully_connected",
        "bias",
        "statistics",
        "macs",
        "macs_inside",
        "activations",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for each in counted {
        let (kinds, operations) = (each.counts.total.parameters, each.counts.total.operations);
        let numbers = [
            each.parameters()?,
            kinds.convolution,
            kinds.batch_norm,
            kinds.fully_connected,
            kinds.bias,
            kinds.statistics,
            operations.macs()?,
            operations.macs_inside()?,
            each.counts.total.activations,
        ];
        let mut row = vec![each.network.name.clone()];
        row.extend([each.input.0, each.input.1].map(|size| size.to_string()));
        row.push(stride_word(each.network.stride_on).to_owned());
        row.extend(numbers.map(|number| number.to_string()));
        rows.push(row);
    }
    Ok(rows)
}

fn layers(counted: &[Counted]) -> Result<Vec<Vec<String>>> {
    let head = [
        "arch",
        "layer",
        "stage",
        "operation",
        "kernel",
        "stride",
        "groups",
        "c_in",
        "c_out",
        "h_out",
        "w_out",
        "params",
        "macs",
        "macs_inside",
    ];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for each in counted {
        for layer in json::layers(each)? {
            let optional = [layer.kernel, layer.stride, layer.groups]
                .map(|size| size.map_or(String::new(), |size| size.to_string()));
            let sizes = [layer.c_in, layer.c_out, layer.output[0], layer.output[1]];
            let numbers = [layer.params, layer.macs, layer.macs_inside];
            let mut row = vec![each.network.name.clone(), layer.layer.to_owned()];
            row.extend([layer.stage, layer.operation.to_owned()]);
            row.extend(optional);
            row.extend(sizes.map(|size| size.to_string()));
            row.extend(numbers.map(|number| number.to_string()));
            rows.push(row);
        }
    }
    Ok(rows)
}
