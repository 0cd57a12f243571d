//! Networks layer by layer.

use super::Counted;
use crate::report::grid::{grid, row};
use crate::report::words::{line, paragraph, thousands};
use triform::count::Counts;
use triform::error::Result;
use triform::network::layers::{Layer, Operation};

/// Each convolution and the fully connected layer; batch norms together.
///
/// # Errors
///
/// [`Error::CountTooLarge`](triform::Error::CountTooLarge).
pub fn layers(counted: &[Counted]) -> Result<String> {
    let mut text = String::new();
    for (number, each) in counted.iter().enumerate() {
        if number > 0 {
            text.push('\n');
        }
        let (h, w) = each.input;
        line(&mut text, &format!("{} on {h} x {w}", each.network.name));
        let mut rows = vec![row(["layer", "", "map", "parameters", "MACs"])];
        for (layer, counts) in &each.counts.layers {
            rows.extend(layer_row(layer, counts)?);
        }
        let total = each.counts.total;
        let norms = thousands(total.parameters.batch_norm);
        rows.push(row(["batch norms", "", "", &norms, ""]));
        let (parameters, macs) = (total.parameters.trained()?, total.operations.macs()?);
        rows.push(row(["all", "", "", &thousands(parameters), &thousands(macs)]));
        grid(&mut text, &rows, 2);
    }
    text.push('\n');
    paragraph(
        &mut text,
        "3x3/2 128-256 g32: kernel 3 x 3, stride 2, 128 channels to 256, in 32 groups. Map: the \
         output's. MACs: multiply-adds, every tap. After each convolution comes a batch norm, of two \
         parameters a channel. layer1 is conv2 of the paper, layer2 its conv3, and so on.",
    );
    Ok(text)
}

fn layer_row(layer: &Layer, counts: &Counts) -> Result<Option<Vec<String>>> {
    let Some(shape) = shape(&layer.operation) else { return Ok(None) };
    let (h, w) = layer.output;
    Ok(Some(vec![
        layer.name.clone(),
        shape,
        format!("{h}x{w}"),
        thousands(counts.parameters.trained()?),
        thousands(counts.operations.macs()?),
    ]))
}

/// `3x3/2 128-256 g32`.
fn shape(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Convolution { k, c_in, c_out, spec } => {
            let stride =
                if spec.stride() > 1 { format!("/{}", spec.stride()) } else { String::new() };
            let groups =
                if spec.groups() > 1 { format!(" g{}", spec.groups()) } else { String::new() };
            Some(format!("{k}x{k}{stride} {c_in}-{c_out}{groups}"))
        }
        Operation::FullyConnected { c_in, c_out } => Some(format!("{c_in}-{c_out}")),
        _ => None,
    }
}
