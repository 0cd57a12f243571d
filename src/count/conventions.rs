//! Explains why two people's counts of one network differ. They may use different counting conventions, none of which
//! is wrong, or one of them may have made a counting mistake.
//!
//! The plain count of a network is torchvision's. It includes all trained parameters, and the MACs of the
//! convolutions and the fully connected layer at all taps. The plain count of a single block is the paper's, which
//! includes only the convolutions. Each [`Convention`] changes the plain count in one way.

use super::{Counts, Operations, Parameters, add, layer, times};
use crate::block::StrideOn;
use crate::conv::ConvSpec;
use crate::error::{Error, Result, divide};
use crate::network::architecture::{Architecture, BlockKind, Stage};
use crate::network::layers::{Layer, Map, Operation, Role};

/// A way to count that gives a different number than the plain count: a convention, or a mistake.
#[derive(Clone, Copy, Debug)]
pub struct Convention {
    /// Its name, such as `groups-ignored`.
    pub name: &'static str,
    /// A short description.
    pub words: &'static str,
    /// Where it was seen, or which counter uses it.
    pub seen_in: &'static str,
    /// Its subject, such as `groups`. No count combines two conventions on the same subject.
    about: &'static str,
    edit: Edit,
}

/// What a convention changes, and how.
#[derive(Clone, Copy, Debug)]
enum Edit {
    Network(fn(&mut Architecture)),
    /// A stage; the function also receives the network.
    Stages(fn(&mut Stage, &Architecture)),
    /// A layer, before it is counted.
    Layer(fn(&mut Layer) -> Result<()>),
    /// The counts of a layer.
    Counts(fn(&Layer, &mut Counts)),
    /// Which kinds of parameters count.
    Parameters(fn(&mut ParameterRule)),
    /// Which operations count.
    Operations(fn(&mut OperationRule)),
    Rules(fn(&mut ParameterRule, &mut OperationRule)),
    /// How the number is written.
    Digits,
}

impl Convention {
    /// Whether it describes a different network rather than a different way to count the same network.
    pub fn is_mistake(&self) -> bool {
        use Edit::{Counts, Layer, Network, Stages};
        matches!(self.edit, Network(_) | Stages(_) | Layer(_) | Counts(_))
    }

    /// Whether it changes only how the number is written.
    pub(super) fn is_of_digits(&self) -> bool {
        matches!(self.edit, Edit::Digits)
    }

    /// Whether the two have the same subject.
    pub(super) fn clashes(&self, other: &Self) -> bool {
        self.about == other.about
    }

    /// Whether it can change a count of this quantity.
    pub fn concerns(&self, quantity: Quantity) -> bool {
        match self.edit {
            Edit::Parameters(_) => quantity == Quantity::Parameters,
            Edit::Operations(_) => quantity == Quantity::Macs,
            _ => true,
        }
    }
}

/// The convention of this name.
///
/// Errors: [`Error::NoSuchName`].
pub fn named(name: &str) -> Result<&'static Convention> {
    ALL.iter().find(|convention| convention.name == name).ok_or_else(|| {
        let names = ALL.iter().map(|convention| convention.name);
        Error::no_such_name("counting convention", name, names)
    })
}

/// The only list of conventions and mistakes. Mistakes come first. `diagnose` applies those that change the network
/// in the order of this list. No count combines two conventions on the same subject.
macro_rules! list {
    ($($name:literal, about $about:literal: $edit:expr, $words:literal, $seen_in:literal;)*) => {
        /// All mistakes, followed by all conventions.
        pub const ALL: &[Convention] = &[$(Convention {
            name: $name,
            words: $words,
            seen_in: $seen_in,
            about: $about,
            edit: $edit,
        }),*];
    };
}

list! {
    "width-not-doubled", about "width": Edit::Stages(keep_the_width),
        "the width not doubled from stage to stage", "taki0112/ResNeXt-Tensorflow issue 8";
    "groups-ignored", about "groups": Edit::Stages(|stage, _| stage.groups = 1),
        "groups ignored: the 3x3 counted, or built, as a dense one",
        "counters: facebookresearch/ResNeXt issue 5, ptflops issue 16";
    "groups-twice", about "groups": Edit::Counts(divide_groups_twice),
        "the groups of the 3x3 divided out twice",
        "counters: facebookresearch/ResNeXt issue 5, ptflops issue 16";
    "one-filter", about "groups": Edit::Counts(share_one_filter),
        "one filter shared by all groups of the 3x3", "the thread of tensorflow PR 25818";
    "groups-are-widths", about "groups": Edit::Stages(take_widths_for_groups),
        "the width of a group given as the number of groups",
        "the textbook d2l, in all its frameworks; its PR 2730 proposes the fix";
    "depthwise", about "groups": Edit::Stages(take_each_channel_for_a_group),
        "a depthwise convolution taken for the grouped one",
        "wenxinxu/ResNeXt-in-tensorflow issue 2";
    "grouped-basic", about "groups": Edit::Layer(group_basic_blocks),
        "the second 3x3 of the basic blocks in 32 groups",
        "miraclewkf/ResNeXt-PyTorch issues 3 and 7";
    "split-input", about "input": Edit::Layer(|layer| regroup(layer, Role::Reduce, layer.paths)),
        "the block's input split among the paths", "a TensorFlow port";
    "output-2cd", about "output": Edit::Stages(give_twice_the_width),
        "2 C d channels out of each block", "Keras-ResNeXt issues 6 and 15";
    "one-block-more", about "depth": Edit::Stages(|stage, _| stage.blocks += 1),
        "one block too many in each stage", "a model zoo's ResNeXt";
    "stride-on-1x1", about "stride": Edit::Network(|n| n.stride_on = StrideOn::Reduce),
        "the stride on the first 1x1, as in the original ResNet",
        "detectron2 issue 909, chainer PR 4479";
    "padded-shortcuts", about "shortcut": Edit::Counts(pad_shortcuts),
        "shortcuts padded with zeros in place of projections", "the ResNet paper, option A";
    "norm-in-each-path", about "last norm": Edit::Counts(norm_in_each_path),
        "the last batch norm in each path", "Keras-ResNeXt issue 14";
    "bias-in-each-path", about "bias": Edit::Counts(bias_in_each_path),
        "a bias in every convolution of every path", "a TensorFlow port";
    "without-batch-norm", about "batch norm": Edit::Parameters(|r| r.batch_norm = false),
        "batch norm's scale and shift not counted", "the paper";
    "with-batch-norm", about "batch norm": Edit::Parameters(|r| r.batch_norm = true),
        "batch norm's scale and shift counted", "torchvision, timm, Keras";
    "with-statistics", about "statistics": Edit::Parameters(|r| r.statistics = r.batch_norm),
        "batch norm's running mean and variance counted too", "Keras, \"total params\"";
    "convolution-bias", about "bias": Edit::Parameters(|r| r.convolution_bias = true),
        "a bias in every convolution", "keras.applications' ResNets";
    "fc-without-bias", about "top": Edit::Parameters(|r| r.bias = false),
        "the fully connected layer without bias", "Keras-ResNeXt";
    "features-only", about "top": Edit::Rules(leave_out_the_top),
        "the fully connected layer not counted", "include_top=False";
    "10-classes", about "classes": Edit::Parameters(|r| r.classes = Some(10)),
        "10 classes", "networks for CIFAR-10";
    "100-classes", about "classes": Edit::Parameters(|r| r.classes = Some(100)),
        "100 classes", "networks for CIFAR-100";
    "batch-norm-operations", about "batch norm": Edit::Operations(|r| r.batch_norm = 2),
        "batch norm counted, at 2 operations a value", "timm, ptflops";
    "relu-operations", about "relu": Edit::Operations(|r| r.relu = 1),
        "ReLU counted, at 1 operation a value", "ptflops";
    "flops", about "flops": Edit::Operations(|r| r.multiply_add = 2),
        "FLOPs, 2 a multiply-add", "half of the literature";
    "all-doubled", about "flops": Edit::Operations(double_all),
        "a counter's MACs doubled, with all else that it had counted",
        "README files that quote ptflops";
    "cut-off", about "digits": Edit::Digits,
        "digits cut off, not rounded", "the ResNet paper, 3.8 for 3.858";
}

fn take_each_channel_for_a_group(stage: &mut Stage, _: &Architecture) {
    if stage.groups > 1 {
        stage.groups = stage.inner;
    }
}

/// With only one group, nobody confuses the number of groups with their width.
fn take_widths_for_groups(stage: &mut Stage, _: &Architecture) {
    if stage.groups > 1 {
        stage.groups = stage.inner / stage.groups;
    }
}

/// If `C d` is 128, `2 C d` is the right number of channels, so the mistake went unnoticed.
fn give_twice_the_width(stage: &mut Stage, network: &Architecture) {
    if network.block == BlockKind::Bottleneck {
        stage.c_out = 2 * stage.inner;
    }
}

fn keep_the_width(stage: &mut Stage, network: &Architecture) {
    if network.block == BlockKind::Bottleneck {
        stage.inner = network.stages[0].inner;
    }
}

/// Sets the number of groups of the layer, if the layer is the convolution with this role.
fn regroup(layer: &mut Layer, role: Role, groups: usize) -> Result<()> {
    if let Operation::Convolution { c_in, spec, .. } = &mut layer.operation
        && layer.role == Some(role)
    {
        // Groups that do not divide the channels cannot be built, so nobody has counted them.
        divide(groups, *c_in, "input")?;
        *spec = ConvSpec::by_axis(spec.height(), spec.width(), groups)?;
    }
    Ok(())
}

/// The last convolution of a basic block is a 3x3.
fn group_basic_blocks(layer: &mut Layer) -> Result<()> {
    let is_3x3 = matches!(layer.operation, Operation::Convolution { k: 3, .. });
    if is_3x3 { regroup(layer, Role::Expand, 32) } else { Ok(()) }
}

fn divide_groups_twice(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Transform) {
        let paths = layer.paths as u64;
        counts.parameters.convolution /= paths;
        counts.operations.convolution.all_taps /= paths;
        counts.operations.convolution.inside /= paths;
    }
}

/// The filter is stored once and used by each group.
fn share_one_filter(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Transform) {
        counts.parameters.convolution /= layer.paths as u64;
    }
}

fn norm_in_each_path(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Expand) && matches!(layer.operation, Operation::BatchNorm { .. }) {
        let paths = layer.paths as u64;
        for count in [
            &mut counts.parameters.batch_norm,
            &mut counts.parameters.statistics,
            &mut counts.operations.batch_norm,
        ] {
            // Never saturates: counts that can occur here are far below 2^64.
            *count = count.saturating_mul(paths);
        }
    }
}

/// The last 1x1 of each path has a bias for every channel of the sum.
fn bias_in_each_path(layer: &Layer, counts: &mut Counts) {
    if let (Operation::Convolution { c_out, .. }, Some(role)) = (layer.operation, layer.role) {
        let paths = if role == Role::Expand { layer.paths } else { 1 };
        // Added to the weights, because `bias` is only for the fully connected layer.
        let bias = (c_out as u64).saturating_mul(paths as u64);
        counts.parameters.convolution = counts.parameters.convolution.saturating_add(bias);
    }
}

/// If only MACs are counted, this changes nothing, because doubling those is the convention `flops`.
fn double_all(rule: &mut OperationRule) {
    if rule.batch_norm > 0 || rule.relu > 0 {
        rule.times = 2;
    }
}

fn pad_shortcuts(layer: &Layer, counts: &mut Counts) {
    if layer.role == Some(Role::Projection) {
        *counts = Counts::default();
    }
}

fn leave_out_the_top(parameters: &mut ParameterRule, operations: &mut OperationRule) {
    (parameters.fully_connected, parameters.bias) = (false, false);
    operations.fully_connected = false;
}

/// Counts a network on its usual input, with these conventions.
///
/// Errors: those of [`network`](super::network()).
///
/// ```
/// use triform::count::{Quantity, conventions};
/// use triform::network::zoo;
/// let timm = [conventions::named("batch-norm-operations")?];
/// let macs = conventions::count(&zoo::named("resnext50_32x4d")?, &timm, Quantity::Macs)?;
/// assert_eq!(macs, 4_259_280_896); // timm: 4.259 GMACs
/// # Ok::<(), triform::Error>(())
/// ```
pub fn count(
    network: &Architecture,
    conventions: &[&Convention],
    quantity: Quantity,
) -> Result<u64> {
    let counts = counts(network, conventions, network.usual_input())?;
    by_rule(network, &counts, conventions, quantity)
}

/// Applies the conventions that change the network, a layer or a layer's counts, and sums the counts.
pub(super) fn counts(
    network: &Architecture,
    conventions: &[&Convention],
    input: Map,
) -> Result<Counts> {
    let mut changed = network.clone();
    for convention in conventions {
        match convention.edit {
            Edit::Network(edit) => edit(&mut changed),
            Edit::Stages(edit) => {
                let before = changed.clone();
                changed.stages.iter_mut().for_each(|stage| edit(stage, &before));
            }
            _ => {}
        }
    }
    let count = |mut each: Layer| {
        for convention in conventions {
            if let Edit::Layer(edit) = convention.edit {
                edit(&mut each)?;
            }
        }
        let mut counts = layer(&each)?;
        for convention in conventions {
            if let Edit::Counts(edit) = convention.edit {
                edit(&each, &mut counts);
            }
        }
        Ok(counts)
    };
    let counted = changed.layers(input)?.into_iter().map(count);
    Counts::sum(&counted.collect::<Result<Vec<_>>>()?)
}

/// The count by the rules that result from the conventions.
pub(super) fn by_rule(
    network: &Architecture,
    counts: &Counts,
    conventions: &[&Convention],
    quantity: Quantity,
) -> Result<u64> {
    let mut parameters = ParameterRule::plain(network.is_block());
    let mut operations = OperationRule::MACS;
    for convention in conventions {
        match convention.edit {
            Edit::Parameters(edit) => edit(&mut parameters),
            Edit::Operations(edit) => edit(&mut operations),
            Edit::Rules(edit) => edit(&mut parameters, &mut operations),
            _ => {}
        }
    }
    match quantity {
        Quantity::Parameters => parameters.count(counts),
        Quantity::Macs => operations.count(counts),
    }
}

/// Parameters or operations.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Quantity {
    /// Numbers stored.
    Parameters,
    /// Multiply-adds, or a number published as multiply-adds.
    Macs,
}

/// Which kinds of parameters a count includes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ParameterRule {
    /// Scale and shift of batch norms.
    pub batch_norm: bool,
    /// Running mean and variance of batch norms.
    pub statistics: bool,
    /// A bias of each convolution.
    pub convolution_bias: bool,
    /// Weights of the fully connected layer.
    pub fully_connected: bool,
    /// The fully connected layer's bias.
    pub bias: bool,
    /// The number of classes, if it differs from the network's.
    pub classes: Option<u64>,
}

/// Which operations a count includes, and the factor for each kind. The factor for a multiply-add is 1 or 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OperationRule {
    /// How many operations a multiply-add counts as: 1, or 2 for FLOPs.
    pub multiply_add: u64,
    /// Operations per output value of a batch norm.
    pub batch_norm: u64,
    /// Operations per output value of a ReLU.
    pub relu: u64,
    /// Whether the fully connected layer counts.
    pub fully_connected: bool,
    /// The final factor, usually 1. It is 2 if somebody takes a count that includes other operations for MACs, and
    /// doubles it to get FLOPs.
    pub times: u64,
}

impl ParameterRule {
    /// The plain count. For a single block, it includes only the convolutions. For a network, it includes everything
    /// that is trained, as in torchvision, PyTorch's `sum(p.numel() for p in model.parameters())` and Keras's
    /// "trainable params".
    pub fn plain(is_block: bool) -> Self {
        Self {
            batch_norm: !is_block,
            statistics: false,
            convolution_bias: false,
            fully_connected: true,
            bias: true,
            classes: None,
        }
    }

    /// The count by this rule.
    ///
    /// Errors: [`Error::CountTooLarge`].
    pub fn count(&self, counts: &Counts) -> Result<u64> {
        let Parameters { convolution, batch_norm, fully_connected, bias, statistics } =
            counts.parameters;
        // The fully connected layer has a bias for each class.
        let (fully_connected, bias) = match self.classes {
            Some(classes) if bias > 0 => {
                let what = "weights of the fully connected layer";
                (times(what, fully_connected / bias, classes)?, classes)
            }
            _ => (fully_connected, bias),
        };
        [
            (true, convolution),
            (self.batch_norm, batch_norm),
            (self.statistics, statistics),
            (self.convolution_bias, counts.convolution_channels),
            (self.fully_connected, fully_connected),
            (self.bias, bias),
        ]
        .into_iter()
        .filter(|(counted, _)| *counted)
        .try_fold(0, |sum, (_, kind)| add("parameters", sum, kind))
    }
}

impl OperationRule {
    /// Multiply-adds of convolutions and the fully connected layer. torchvision calls this number `_ops`, and the
    /// paper "FLOPs".
    pub const MACS: Self =
        Self { multiply_add: 1, batch_norm: 0, relu: 0, fully_connected: true, times: 1 };

    /// The count by this rule.
    ///
    /// Errors: [`Error::CountTooLarge`].
    pub fn count(&self, counts: &Counts) -> Result<u64> {
        let Operations { convolution, fully_connected, batch_norm, relu, .. } = counts.operations;
        let what = "operations";
        let connected = if self.fully_connected { fully_connected } else { 0 };
        let macs = add(what, convolution.all_taps, connected)?;
        let parts = [(macs, self.multiply_add), (batch_norm, self.batch_norm), (relu, self.relu)];
        let part = |sum, (count, each)| add(what, sum, times(what, count, each)?);
        times(what, parts.into_iter().try_fold(0, part)?, self.times)
    }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Quantity, count, named};
    use crate::network::zoo;

    #[test]
    fn each_convention_changes_a_count() {
        let networks: Vec<_> = ["resnet18", "resnext50_32x4d", "resnext29_8x64d", "256x32x4"]
            .map(|name| zoo::named(name).unwrap())
            .into();
        for convention in ALL.iter().filter(|convention| !convention.is_of_digits()) {
            // Doubling everything included shows only if something is included.
            let first = match convention.name {
                "all-doubled" => vec![named("relu-operations").unwrap()],
                "with-statistics" => vec![named("with-batch-norm").unwrap()],
                _ => Vec::new(),
            };
            let changes = |quantity| {
                networks.iter().any(|network| {
                    let plain = count(network, &first, quantity).unwrap();
                    let both = [&first[..], &[convention]].concat();
                    count(network, &both, quantity).unwrap() != plain
                })
            };
            let quantities = [Quantity::Parameters, Quantity::Macs];
            let changed =
                quantities.map(|quantity| convention.concerns(quantity) && changes(quantity));
            assert!(changed.contains(&true), "{}", convention.name);
            assert!(named(convention.name).unwrap().words == convention.words);
        }
    }

    /// The expected counts were computed by hand, on three kinds of block. `256-32x4-256` has 256 x 128, 3 x 3 x 4 x
    /// 128 and 128 x 256 weights. `4-2x2-8` has a projection with one bias per channel, not per path. Basic blocks
    /// have no paths, so mistakes about the width of the paths do not change them.
    #[test]
    fn each_convention_makes_the_count_that_it_must() {
        const RESNEXT50: u64 = 25_028_904;
        /// In each stage, a block has half as many inner channels as outer channels. It has one bias for each channel
        /// of its two inner layers, and 32 biases for each outer channel. Each stage also has one projection, with
        /// one bias for each outer channel.
        const BIASES: u64 = 3 * (128 + 128 + 32 * 256)
            + 4 * (256 + 256 + 32 * 512)
            + 6 * (512 + 512 + 32 * 1024)
            + 3 * (1024 + 1024 + 32 * 2048)
            + (256 + 512 + 1024 + 2048);
        let count = |network: &str, names: &str, quantity| {
            let conventions: Vec<_> = names.split(' ').map(|name| named(name).unwrap()).collect();
            count(&zoo::named(network).unwrap(), &conventions, quantity).unwrap()
        };
        let (reduce, transform, expand) = (256 * 128, 9 * 4 * 128, 128 * 256);
        let all = reduce + transform + expand;
        for (network, names, parameters) in [
            ("256x32x4", "groups-ignored", reduce + 32 * transform + expand),
            ("256x32x4", "groups-twice", reduce + transform / 32 + expand),
            ("256x32x4", "one-filter", reduce + transform / 32 + expand),
            ("256x32x4", "groups-are-widths", reduce + 9 * 32 * 128 + expand),
            ("256x32x4", "depthwise", reduce + 9 * 128 + expand),
            ("256x32x4", "split-input", reduce / 32 + transform + expand),
            ("256x32x4", "output-2cd", all),
            ("256x32x4", "convolution-bias", all + 128 + 128 + 256),
            ("256x32x4", "bias-in-each-path", all + 128 + 128 + 32 * 256),
            ("256x32x4", "one-block-more", 2 * all),
            // Statistics count where batch norm does.
            ("256x32x4", "with-statistics", all),
            ("256x32x4", "with-batch-norm", all + 2 * (128 + 128 + 256)),
            ("256x32x4", "with-batch-norm with-statistics", all + 4 * (128 + 128 + 256)),
            ("256x32x4", "with-batch-norm norm-in-each-path", all + 2 * (256 + 32 * 256)),
            (
                "256x32x4",
                "with-batch-norm with-statistics norm-in-each-path",
                all + 4 * (256 + 32 * 256),
            ),
            ("4-2x2-8", "bias-in-each-path", 16 + 9 * 2 * 4 + 32 + 32 + 4 + 4 + 2 * 8 + 8),
            ("resnet18", "output-2cd", 11_689_512),
            ("resnext50_32x4d", "bias-in-each-path", RESNEXT50 + BIASES),
            (
                "resnext50_32x4d",
                "bias-in-each-path 10-classes",
                RESNEXT50 + BIASES - 990 * (2048 + 1),
            ),
            ("resnet18", "width-not-doubled", 11_689_512),
        ] {
            assert_eq!(count(network, names, Quantity::Parameters), parameters, "{names}");
        }
        let pixels = 56 * 56;
        for (name, operations) in [
            ("one-filter", all * pixels),
            ("groups-twice", (reduce + transform / 32 + expand) * pixels),
            ("flops", 2 * all * pixels),
            ("batch-norm-operations", (all + 2 * (128 + 128 + 256)) * pixels),
            ("relu-operations", (all + 128 + 128 + 256) * pixels),
        ] {
            assert_eq!(count("256x32x4", name, Quantity::Macs), operations, "{name}");
        }
    }
}
