//! Counts as JSON.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Counted, stride_word};
use triform::block::StrideOn;
use triform::count::published::{Published, about};
use triform::count::{Counts, Memory, ParameterRule, Quantity};
use triform::error::{Error, Result};
use triform::network::layers::{Layer, Operation};

#[derive(Serialize)]
struct Entry<'a> {
    arch: &'a str,
    input: [usize; 2],
    #[serde(skip_serializing_if = "Option::is_none")]
    block: Option<BlockShape>,
    classes: Option<usize>,
    stride_on: &'static str,
    params: u64,
    params_by_kind: BTreeMap<&'static str, u64>,
    params_with_batch_norm: u64,
    statistics: u64,
    macs: u64,
    macs_inside: u64,
    macs_by_stride: BTreeMap<&'static str, u64>,
    flops: u64,
    activations: u64,
    memory: MemoryBytes,
    by_stage: Vec<StageCounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    layers: Option<Vec<LayerCounts<'a>>>,
    published: Vec<PublishedFigure>,
}

#[derive(Serialize)]
struct BlockShape {
    cardinality: usize,
    width: usize,
    inner: usize,
}

#[derive(Serialize)]
struct MemoryBytes {
    weights: u64,
    peak: u64,
}

#[derive(Serialize)]
struct StageCounts {
    stage: String,
    params: u64,
    macs: u64,
}

#[derive(Serialize)]
pub(super) struct LayerCounts<'a> {
    pub(super) layer: &'a str,
    pub(super) stage: String,
    pub(super) operation: &'static str,
    pub(super) kernel: Option<usize>,
    pub(super) stride: Option<usize>,
    pub(super) groups: Option<usize>,
    pub(super) c_in: usize,
    pub(super) c_out: usize,
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) params: u64,
    pub(super) macs: u64,
    pub(super) macs_inside: u64,
}

#[derive(Serialize)]
struct PublishedFigure {
    quantity: &'static str,
    text: &'static str,
    source: &'static str,
    conventions: &'static [&'static str],
    computed: u64,
    met: bool,
}

/// A list, one entry for each network; with its layers if they are asked for.
///
/// # Errors
///
/// [`Error::CountTooLarge`].
pub fn json(counted: &[Counted], with_layers: bool) -> Result<String> {
    let entries = counted.iter().map(|each| entry(each, with_layers));
    let entries = entries.collect::<Result<Vec<_>>>()?;
    Ok(crate::report::json::pretty(&entries))
}

fn entry(counted: &Counted, with_layers: bool) -> Result<Entry<'_>> {
    let (network, total) = (&counted.network, &counted.counts.total);
    let kinds = total.parameters;
    let mut by_kind = BTreeMap::from([("convolution", kinds.convolution)]);
    if !network.is_block() {
        let others = [
            ("batch_norm", kinds.batch_norm),
            ("fully_connected", kinds.fully_connected),
            ("bias", kinds.bias),
        ];
        by_kind.extend(others);
    }
    let macs = total.operations.macs()?;
    let by_stride = [StrideOn::Transform, StrideOn::Reduce]
        .map(|stride_on| Ok((stride_word(stride_on), counted.macs_with(stride_on)?)));
    let by_stage = counted.counts.by_place()?;
    let stage = |(place, counts): &(triform::network::layers::Place, Counts)| {
        let rule = ParameterRule::plain(network.is_block());
        let (params, macs) = (rule.count(counts)?, counts.operations.macs()?);
        Ok(StageCounts { stage: place.to_string(), params, macs })
    };
    let shape = network.stages.first().filter(|_| network.is_block()).map(|stage| BlockShape {
        cardinality: stage.groups,
        width: stage.inner / stage.groups.max(1),
        inner: stage.inner,
    });
    let published: Vec<&Published> = match counted.is_as_published()? {
        true => about(&network.name).collect(),
        false => Vec::new(),
    };
    let Memory { weights, peak } = counted.counts.memory;
    Ok(Entry {
        arch: &network.name,
        input: [counted.input.0, counted.input.1],
        block: shape,
        classes: network.classes,
        stride_on: stride_word(network.stride_on),
        params: counted.parameters()?,
        params_by_kind: by_kind,
        params_with_batch_norm: kinds.trained()?,
        statistics: kinds.statistics,
        macs,
        macs_inside: total.operations.macs_inside()?,
        macs_by_stride: by_stride.into_iter().collect::<Result<_>>()?,
        flops: macs.checked_mul(2).ok_or(Error::CountTooLarge { what: "FLOPs" })?,
        activations: total.activations,
        memory: MemoryBytes { weights, peak },
        by_stage: by_stage.iter().map(stage).collect::<Result<_>>()?,
        layers: with_layers.then(|| layers(counted)).transpose()?,
        published: published.into_iter().map(figure).collect::<Result<_>>()?,
    })
}

fn figure(published: &Published) -> Result<PublishedFigure> {
    Ok(PublishedFigure {
        quantity: match published.quantity {
            Quantity::Parameters => "params",
            Quantity::Macs => "macs",
        },
        text: published.text,
        source: published.source,
        conventions: published.conventions,
        computed: published.computed()?,
        met: published.is_met()?,
    })
}

/// Each layer and what it counts for.
pub(super) fn layers(counted: &Counted) -> Result<Vec<LayerCounts<'_>>> {
    let one = |(layer, counts): &'_ (Layer, Counts)| -> Result<_> {
        let (kernel, stride, groups) = match layer.operation {
            Operation::Convolution { k, spec, .. } => {
                (Some(k), Some(spec.stride()), Some(spec.groups()))
            }
            _ => (None, None, None),
        };
        Ok((kernel, stride, groups, counts.parameters.trained()?))
    };
    counted
        .counts
        .layers
        .iter()
        .map(|pair| {
            let (layer, counts) = pair;
            let (kernel, stride, groups, params) = one(pair)?;
            Ok(LayerCounts {
                layer: &layer.name,
                stage: layer.place.to_string(),
                operation: operation(&layer.operation),
                kernel,
                stride,
                groups,
                c_in: layer.operation.c_in(),
                c_out: layer.operation.c_out(),
                input: [layer.input.0, layer.input.1],
                output: [layer.output.0, layer.output.1],
                params,
                macs: counts.operations.macs()?,
                macs_inside: counts.operations.macs_inside()?,
            })
        })
        .collect()
}

fn operation(operation: &Operation) -> &'static str {
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
