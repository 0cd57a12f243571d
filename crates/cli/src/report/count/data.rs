//! Counts as JSON, and as comma-separated values.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Counted;
use crate::report::json::{WhyNull, object};
use crate::report::words::stride_word;
use triform::block::StrideOn;
use triform::count::published::Published;
use triform::count::{Counts, ParameterRule, Quantity};
use triform::error::{Error, Result};
use triform::network::layers::{Layer, Operation, Place};

/// An entry for each network, with its layers if they are asked for.
pub fn json(counted: &[Counted], with_layers: bool) -> Result<impl Serialize> {
    let entries = counted.iter().map(|each| entry(each, with_layers));
    Ok(object! { networks: entries.collect::<Result<Vec<_>>>()? })
}

fn entry(counted: &Counted, with_layers: bool) -> Result<impl Serialize> {
    let Counted { network, input, counts } = counted;
    let (kinds, operations) = (counts.total.parameters, counts.total.operations);
    let is_block = network.is_block();
    let rule = ParameterRule::plain(is_block);
    let mut by_kind = BTreeMap::from([("convolution", kinds.convolution)]);
    if !is_block {
        by_kind.insert("batch_norm", kinds.batch_norm);
        by_kind.insert("fully_connected", kinds.fully_connected);
        by_kind.insert("bias", kinds.bias);
    }
    let by_stride = [StrideOn::Transform, StrideOn::Reduce]
        .map(|stride_on| Ok((stride_word(stride_on), counted.macs_with(stride_on)?)));
    let stage = |(place, counts): &(Place, Counts)| {
        let (params, macs) = (rule.count(counts)?, counts.operations.macs()?);
        Ok(object! { stage: place.to_string(), params: params, macs: macs })
    };
    let block = network.stages.first().filter(|_| is_block).map(|stage| {
        let (cardinality, inner) = (stage.groups, stage.inner);
        let width = inner / cardinality.max(1);
        object! { cardinality: cardinality, width: width, inner: inner }
    });
    let layers = match with_layers {
        true => Some(counts.layers.iter().map(layer).collect::<Result<Vec<_>>>()?),
        false => None,
    };
    let mut why_null = WhyNull::new();
    if !is_block {
        why_null.insert("block", "it is a network");
    }
    if network.classes.is_none() {
        why_null.insert("classes", "the network has no top");
    }
    if layers.is_none() {
        why_null.insert("layers", "listed with --layers");
    }
    let macs = operations.macs()?;
    Ok(object! {
        arch: &network.name,
        input: *input,
        block: block,
        classes: network.classes,
        stride_on: stride_word(network.stride_on),
        params: rule.count(&counts.total)?,
        params_by_kind: by_kind,
        params_with_batch_norm: kinds.trained()?,
        statistics: kinds.statistics,
        macs: macs,
        macs_inside: operations.macs_inside()?,
        macs_by_stride: by_stride.into_iter().collect::<Result<BTreeMap<_, _>>>()?,
        flops: macs.checked_mul(2).ok_or(Error::CountTooLarge { what: "FLOPs" })?,
        activations: counts.total.activations,
        memory: object! { weights: counts.memory.weights, peak: counts.memory.peak },
        by_stage: counts.by_place()?.iter().map(stage).collect::<Result<Vec<_>>>()?,
        layers: layers,
        published: counted.published()?.into_iter().map(figure).collect::<Result<Vec<_>>>()?,
        why_null: why_null,
    })
}

fn figure(published: &'static Published) -> Result<impl Serialize> {
    Ok(object! {
        quantity: match published.quantity {
            Quantity::Parameters => "params",
            Quantity::Macs => "macs",
        },
        text: published.text,
        source: published.source,
        conventions: &published.conventions,
        computed: published.computed()?,
        met: published.is_met()?,
    })
}

fn layer((layer, counts): &(Layer, Counts)) -> Result<impl Serialize> {
    let Layer { name, place, operation, input, output, .. } = layer;
    let [kernel, stride, groups] = taps(operation);
    Ok(object! {
        layer: name,
        stage: place.to_string(),
        operation: word(operation),
        kernel: kernel,
        stride: stride,
        groups: groups,
        c_in: operation.c_in(),
        c_out: operation.c_out(),
        input: *input,
        output: *output,
        params: counts.parameters.trained()?,
        macs: counts.operations.macs()?,
        macs_inside: counts.operations.macs_inside()?,
    })
}

/// The kernel size, the stride and the groups of a convolution.
fn taps(operation: &Operation) -> [Option<usize>; 3] {
    match operation {
        Operation::Convolution { k, spec, .. } => {
            [*k, spec.height().stride, spec.groups()].map(Some)
        }
        _ => [None; 3],
    }
}

fn word(operation: &Operation) -> &'static str {
    match operation {
        Operation::Convolution { .. } => "convolution",
        Operation::BatchNorm { .. } => "batch_norm",
        Operation::Relu { .. } => "relu",
        Operation::Add { .. } => "add",
        Operation::MaxPool { .. } => "max_pool",
        Operation::AveragePool { .. } => "average_pool",
        Operation::FullyConnected { .. } => "fully_connected",
    }
}

/// A line for each network, or for each layer of each network. The first line names the columns. No value contains a
/// comma or a quote.
pub fn csv(counted: &[Counted], with_layers: bool) -> Result<String> {
    let mut rows: Vec<Vec<(&str, String)>> = Vec::new();
    for each in counted {
        if with_layers {
            let of_layer = |(layer, counts): &(Layer, Counts)| of_layer(each, layer, counts);
            rows.extend(each.counts.layers.iter().map(of_layer).collect::<Result<Vec<_>>>()?);
        } else {
            rows.push(of_network(each)?);
        }
    }
    let head: Vec<&str> = rows.first().into_iter().flatten().map(|(name, _)| *name).collect();
    let row = |row: Vec<(&str, String)>| row.into_iter().map(|(_, value)| value).collect();
    let rows: Vec<Vec<String>> = rows.into_iter().map(row).collect();
    let lines = rows.iter().map(|row| row.join(",") + "\n");
    Ok(head.join(",") + "\n" + &lines.collect::<String>())
}

fn of_network(counted: &Counted) -> Result<Vec<(&'static str, String)>> {
    let Counted { network, input, counts } = counted;
    let (kinds, operations) = (counts.total.parameters, counts.total.operations);
    let params = ParameterRule::plain(network.is_block()).count(&counts.total)?;
    let mut row = vec![
        ("arch", network.name.clone()),
        ("height", input.0.to_string()),
        ("width", input.1.to_string()),
        ("stride_on", stride_word(network.stride_on).to_owned()),
    ];
    let numbers = [
        ("params", params),
        ("convolution", kinds.convolution),
        ("batch_norm", kinds.batch_norm),
        ("fully_connected", kinds.fully_connected),
        ("bias", kinds.bias),
        ("statistics", kinds.statistics),
        ("macs", operations.macs()?),
        ("macs_inside", operations.macs_inside()?),
        ("activations", counts.total.activations),
    ];
    row.extend(numbers.map(|(name, number)| (name, number.to_string())));
    Ok(row)
}

fn of_layer(
    counted: &Counted,
    layer: &Layer,
    counts: &Counts,
) -> Result<Vec<(&'static str, String)>> {
    let operation = &layer.operation;
    let taps = taps(operation).map(|size| size.map_or(String::new(), |size| size.to_string()));
    let mut row = vec![
        ("arch", counted.network.name.clone()),
        ("layer", layer.name.clone()),
        ("stage", layer.place.to_string()),
        ("operation", word(operation).to_owned()),
    ];
    row.extend(["kernel", "stride", "groups"].into_iter().zip(taps));
    let numbers = [
        ("c_in", operation.c_in() as u64),
        ("c_out", operation.c_out() as u64),
        ("h_out", layer.output.0 as u64),
        ("w_out", layer.output.1 as u64),
        ("params", counts.parameters.trained()?),
        ("macs", counts.operations.macs()?),
        ("macs_inside", counts.operations.macs_inside()?),
    ];
    row.extend(numbers.map(|(name, number)| (name, number.to_string())));
    Ok(row)
}
