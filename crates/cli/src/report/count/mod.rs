//! Counts of networks, blocks and convolutions in words; `data` has them as JSON and CSV.

mod data;

pub use self::data::{csv, json};

use super::page::Page;
use super::words::{grid, line, paragraph, passage, row, stride_word, thousands};
use triform::block::{BlockSpec, StrideOn};
use triform::conv::ConvSpec;
use triform::count::published::{Published, about};
use triform::count::{self, Counts, NetworkCounts, Quantity, convolution_macs, preserving_width};
use triform::error::Result;
use triform::network::architecture::Architecture;
use triform::network::layers::{Map, Operation};
use triform::network::zoo;

/// A network, counted.
pub struct Counted {
    /// The network.
    pub network: Architecture,
    /// Height and width of its input.
    pub input: Map,
    /// What was counted.
    pub counts: NetworkCounts,
}

impl Counted {
    /// Counts a network on the given input, or else on its usual input.
    pub fn new(network: Architecture, input: Option<Map>) -> Result<Self> {
        let input = input.unwrap_or_else(|| network.usual_input());
        let counts = count::network(&network, input)?;
        Ok(Self { network, input, counts })
    }

    /// The network's MACs if its strides are on this convolution.
    fn macs_with(&self, stride_on: StrideOn) -> Result<u64> {
        let network = self.network.clone().with_stride_on(stride_on);
        count::network(&network, self.input)?.total.operations.macs()
    }

    /// The published figures about the network. Empty if the network differs from the published network.
    fn published(&self) -> Result<Vec<&'static Published>> {
        let published = zoo::named(&self.network.name)?;
        let is_same = published == self.network && self.input == published.usual_input();
        Ok(if is_same { about(&self.network.name).collect() } else { Vec::new() })
    }
}

/// The paper's Table 2 with our counts, and with the widths that would preserve the complexity exactly. After that,
/// ResNet-50 and ResNeXt-50 are compared stage by stage.
pub fn paper() -> Result<String> {
    let mut text = String::new();
    let template = BlockSpec::new(256, 1, 64, 256)?;
    let [resnext, resnet] =
        [BlockSpec::new(256, 32, 4, 256)?, template].map(|spec| count::block(&spec));
    let [resnext, resnet] = [resnext?, resnet?].map(|counted| thousands(counted.convolutions));
    passage(
        &mut text,
        &format!(
            "ResNeXt's block 256x32x4 has {resnext} parameters, ResNet's 256x1x64 has {resnet}. The paper \
             calls both \"about 70k\" (section 3.4)."
        ),
    );
    widths(&mut text, &template, &[1, 2, 4, 8, 16, 32])?;
    line(&mut text, "");
    paragraph(
        &mut text,
        &format!(
            "The paper's Table 2: 256 channels in and out, C paths of width d, D = C·d. Parameters: the three \
             convolutions, C·(256·d + 3·3·d·d + d·256). MACs: multiply-adds on a 56x56 map; FLOPs are twice \
             as many. Exact d: the width that would keep ResNet's {resnet} parameters. d: the nearest \
             integer. Off by: how much that changes the parameters. C = 16 is not in the paper's table, \
             because its exact d lies halfway between two integers."
        ),
    );
    line(&mut text, "");
    stages(&mut text)?;
    line(&mut text, "");
    paragraph(
        &mut text,
        "To count others, run triform count ARCH... with one or several of the names below, another name of \
         their kind such as resnext50_16x8d, or a block such as 256x32x4:",
    );
    paragraph(&mut text, &zoo::names().collect::<Vec<_>>().join(" "));
    Ok(text)
}

fn stages(text: &mut String) -> Result<()> {
    line(text, "ResNet-50 and ResNeXt-50 (32x4d) on 224x224, stage by stage:");
    line(text, "");
    let names = ["", "ResNet-50", "ResNeXt-50", "", "ResNet-50", "ResNeXt-50", ""];
    let mut rows = vec![row(["", "parameters", "", "", "MACs", "", ""]), row(names)];
    let parts = |name| -> Result<Vec<(String, [u64; 2])>> {
        let counted = Counted::new(zoo::named(name)?, None)?.counts;
        let of = |counts: &Counts| Ok([counts.parameters.trained()?, counts.operations.macs()?]);
        let parts = counted.by_place()?;
        let parts = parts.iter().map(|(place, counts)| Ok((place.to_string(), of(counts)?)));
        parts.chain([Ok(("all".to_owned(), of(&counted.total)?))]).collect()
    };
    for ((name, left), (_, right)) in parts("resnet50")?.into_iter().zip(parts("resnext50_32x4d")?)
    {
        let mut cells = vec![name];
        for (one, other) in left.into_iter().zip(right) {
            let times = format!("x{:.3}", other as f64 / one as f64);
            cells.extend([thousands(one), thousands(other), times]);
        }
        rows.push(cells);
    }
    grid(text, &rows, 1);
    Ok(())
}

/// The width that preserves a block's complexity, for each cardinality that is a power of two. The list ends where a
/// path would be narrower than one channel.
pub fn preserve(template: &BlockSpec) -> Result<String> {
    let mut text = String::new();
    let budget = thousands(count::block(template)?.convolutions);
    passage(
        &mut text,
        &format!(
            "Block {template} has {budget} parameters in its three convolutions. For each cardinality C, the \
             table gives the width d that keeps this number, and the MACs. Exact d solves \
             C·(C_in·d + 3·3·d·d + d·C_out) = {budget}, and d is the nearest integer.",
        ),
    );
    let mut cardinalities = Vec::new();
    for cardinality in (0..usize::BITS).map(|power| 1 << power) {
        if preserving_width(template, cardinality)?.exact < 1.0 {
            break;
        }
        cardinalities.push(cardinality);
    }
    widths(&mut text, template, &cardinalities)?;
    Ok(text)
}

/// A row for each cardinality.
fn widths(text: &mut String, template: &BlockSpec, cardinalities: &[usize]) -> Result<()> {
    let head = ["C", "d", "D", "parameters", "with batch norm", "MACs, 56x56", "exact d", "off by"];
    let mut rows = vec![row(head)];
    for &cardinality in cardinalities {
        let width = preserving_width(template, cardinality)?;
        let (c_in, c_out) = (template.c_in(), template.c_out());
        let spec = BlockSpec::new(c_in, cardinality, width.rounded, c_out)?;
        let counted = count::network(&Architecture::single(&spec), (56, 56))?.total;
        rows.push(vec![
            cardinality.to_string(),
            width.rounded.to_string(),
            spec.inner().to_string(),
            thousands(width.parameters),
            thousands(counted.parameters.trained()?),
            thousands(counted.operations.macs()?),
            format!("{:.2}", width.exact),
            format!("{:+.2} %", 100.0 * width.error),
        ]);
    }
    grid(text, &rows, 0);
    Ok(())
}

/// Parameters and MACs of a k x k convolution with this number of groups, padded by k/2. The dense and the depthwise
/// convolution are shown beside it.
pub fn convolution([k, c_in, c_out, groups]: [usize; 4], map: Map) -> Result<String> {
    let parameters = |groups| count::convolution(k, k, c_in, c_out, groups);
    // A mistake in the request is reported before anything else.
    parameters(groups)?;
    let dense = parameters(1)?;
    let mut rows = vec![row(["groups", "", "parameters", "of the dense", "MACs"])];
    let mut some = vec![1, groups, c_in];
    some.retain(|groups| c_in.is_multiple_of(*groups) && c_out.is_multiple_of(*groups));
    some.sort_unstable();
    some.dedup();
    for groups in some {
        let spec = ConvSpec::new(1, k / 2, 1, groups)?;
        let counted = parameters(groups)?;
        let name = match groups {
            1 => "dense",
            _ if groups == c_in && c_in == c_out => "depthwise",
            _ => "grouped",
        };
        rows.push(vec![
            groups.to_string(),
            name.to_owned(),
            thousands(counted),
            format!("1/{}", dense / counted.max(1)),
            thousands(convolution_macs(k, c_in, c_out, &spec, map)?.all_taps),
        ]);
    }
    let mut text = String::new();
    let words = format!(
        "A {k}x{k} convolution from {} to {} channels on a map of {} x {}: k·k·C_in·C_out/g \
         parameters, without bias. MACs: multiply-adds, every tap.",
        thousands(c_in as u64),
        thousands(c_out as u64),
        map.0,
        map.1
    );
    passage(&mut text, &words);
    grid(&mut text, &rows, 0);
    Ok(text)
}

/// Networks layer by layer: a line for each convolution and for the fully connected layer, and one line for all batch
/// norms together.
pub fn layers(counted: &[Counted]) -> Result<String> {
    let mut text = String::new();
    for Counted { network, input: (h, w), counts } in counted {
        line(&mut text, &format!("{} on {h} x {w}", network.name));
        let mut rows = vec![row(["layer", "", "map", "parameters", "MACs"])];
        for (layer, counts) in &counts.layers {
            let Some(shape) = shape(&layer.operation) else { continue };
            let (h, w) = layer.output;
            let parameters = thousands(counts.parameters.trained()?);
            let macs = thousands(counts.operations.macs()?);
            rows.push(row([&layer.name, &shape, &format!("{h}x{w}"), &parameters, &macs]));
        }
        let (parameters, operations) = (counts.total.parameters, counts.total.operations);
        rows.push(row(["batch norms", "", "", &thousands(parameters.batch_norm), ""]));
        let (parameters, macs) = (thousands(parameters.trained()?), thousands(operations.macs()?));
        rows.push(row(["all", "", "", &parameters, &macs]));
        grid(&mut text, &rows, 2);
        line(&mut text, "");
    }
    paragraph(
        &mut text,
        "3x3/2 128-256 g32: kernel 3 x 3, stride 2, 128 channels to 256, in 32 groups. Map: the \
         output's. MACs: multiply-adds, every tap. After each convolution comes a batch norm, with two \
         parameters per channel. layer1 is conv2 of the paper, layer2 its conv3, and so on.",
    );
    Ok(text)
}

/// `3x3/2 128-256 g32`.
fn shape(operation: &Operation) -> Option<String> {
    match operation {
        Operation::Convolution { k, c_in, c_out, spec } => {
            let above_1 = |before: &str, number: usize| {
                if number > 1 { format!("{before}{number}") } else { String::new() }
            };
            let (stride, groups) =
                (above_1("/", spec.height().stride), above_1(" g", spec.groups()));
            Some(format!("{k}x{k}{stride} {c_in}-{c_out}{groups}"))
        }
        Operation::FullyConnected { c_in, c_out } => Some(format!("{c_in}-{c_out}")),
        _ => None,
    }
}

/// Networks side by side: parameters by kind, work by kind, and the published figures.
pub fn networks(counted: &[Counted]) -> Result<String> {
    let mut text = String::new();
    parameters(&mut text, counted)?;
    line(&mut text, "");
    work(&mut text, counted)?;
    published(&mut text, counted, false, "Published figures, and the counts here:")?;
    published(&mut text, counted, true, "Published figures that are wrong in known ways:")?;
    Ok(text)
}

fn parameters(text: &mut String, counted: &[Counted]) -> Result<()> {
    let mut rows = vec![row(["parameters", "convolution", "batch norm", "fc", "bias", "sum"])];
    for each in counted {
        let kinds = each.counts.total.parameters;
        let (norms, sum) = (kinds.batch_norm, kinds.trained()?);
        let numbers = [kinds.convolution, norms, kinds.fully_connected, kinds.bias, sum];
        rows.push([vec![each.network.name.clone()], numbers.map(thousands).to_vec()].concat());
    }
    grid(text, &rows, 1);
    let block = match counted.iter().any(|each| each.network.is_block()) {
        true => " A block's figure in the paper is its convolutions alone.",
        false => "",
    };
    let note = "Batch norm: scale and shift. Its running statistics are not parameters. fc, bias: those of \
                the fully connected layer.";
    paragraph(text, &format!("{note}{block}"));
    Ok(())
}

fn work(text: &mut String, counted: &[Counted]) -> Result<()> {
    let Some(first) = counted.first() else { return Ok(()) };
    // The options put the stride in one place for all networks.
    let other = match first.network.stride_on {
        StrideOn::Transform => StrideOn::Reduce,
        StrideOn::Reduce => StrideOn::Transform,
    };
    let elsewhere = format!("stride on {}", stride_word(other));
    let head = ["one image", "size", "MACs", &elsewhere, "inside", "weights", "peak"];
    let mut rows = vec![row(head)];
    let megabytes = |bytes: u64| format!("{:.1}", bytes as f64 / 1e6);
    for each in counted {
        let (operations, memory) = (each.counts.total.operations, each.counts.memory);
        let (macs, elsewhere) = (operations.macs()?, each.macs_with(other)?);
        let inside = 100.0 * operations.macs_inside()? as f64 / macs as f64;
        rows.push(vec![
            each.network.name.clone(),
            format!("{}x{}", each.input.0, each.input.1),
            thousands(macs),
            if elsewhere == macs { "same".to_owned() } else { thousands(elsewhere) },
            format!("{inside:.2} %"),
            megabytes(memory.weights),
            megabytes(memory.peak),
        ]);
    }
    grid(text, &rows, 2);
    let note = format!(
        "MACs: multiply-adds of convolutions and the fully connected layer, every tap, with the \
         stride on the {}; FLOPs are twice as many. Inside: the share of the MACs whose tap is not \
         on padding. Weights, peak: megabytes of f32 that are stored, and that are in use at once at most.",
        stride_word(first.network.stride_on)
    );
    paragraph(text, &note);
    Ok(())
}

/// Shows the published figures that are mistakes, or if `mistakes` is false, those that are not.
fn published(text: &mut String, counted: &[Counted], mistakes: bool, heading: &str) -> Result<()> {
    let mut page = Page::new(false);
    for each in counted {
        for published in each.published()? {
            if published.is_mistake()? != mistakes {
                continue;
            }
            let several = counted.len() > 1;
            let name = if several { format!("{}, ", published.network) } else { String::new() };
            page.item(published.text, &format!("{name}{}", said(published)?));
        }
    }
    let items = page.into_text();
    if !items.is_empty() {
        *text += &format!("\n{heading}\n{items}");
    }
    Ok(())
}

/// A published figure, the count by the same conventions, and a description of these conventions.
fn said(published: &Published) -> Result<String> {
    let what = match published.quantity {
        Quantity::Parameters => "parameters",
        Quantity::Macs => "MACs",
    };
    let met = if published.is_met()? { "" } else { ", which is NOT the published figure" };
    let conventions: Vec<&str> = published.conventions()?.iter().map(|d| d.words).collect();
    let rule = match conventions[..] {
        [] => String::new(),
        _ => format!(": {}", conventions.join("; ")),
    };
    let computed = thousands(published.computed()?);
    let here = if computed == published.text { "the same" } else { &computed };
    Ok(format!("{what}, {}. Here {here}{met}{rule}.", published.source))
}
