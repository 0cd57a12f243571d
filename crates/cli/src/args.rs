//! The arguments of the program.

use std::collections::BTreeSet;
use std::num::NonZeroU64;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, TypedValueParser};
use clap::{Args, ColorChoice, CommandFactory, Parser, Subcommand};

use clap_complete::Shell;

use super::checkpoint;
use super::destination::Destination;
use super::error::{Error, Result};
use super::values::{FileOf, choice, convolution, file_of, integer, map, map_size, rungs, seed};
use triform::block::{BlockSpec, Form, StrideOn};
use triform::check::adequacy::Rule;
use triform::check::{Kind, Ops};
use triform::count::Digits;
use triform::evidence::rungs::Rung;
use triform::network::init::Fan;
use triform::network::layers::Map;
use triform::network::weights::NetworkWeights;
use triform::random::Seed;
use triform_canvas::Format;

/// The most threads. More threads would only take memory.
const MAX_THREADS: u64 = 1024;

/// The most random cases. Each case keeps a few hundred bytes until the end, and after Ctrl-C the loop still steps
/// through the remaining cases.
const MAX_CASES: u64 = 1_000_000;

/// The most training steps. Each step keeps its losses until the end.
const MAX_STEPS: u64 = 1_000_000;

/// The default map size for `--block`. The paper counts on maps of this size, those of conv2.
const DEFAULT_MAP: Map = (56, 56);

const STRIDE_ON: [(&str, StrideOn); 2] = [("3x3", StrideOn::Transform), ("1x1", StrideOn::Reduce)];

/// `None` means all forms.
const FORMS: [(&str, Option<Form>); 4] = [
    ("a", Some(Form::Aggregated)),
    ("b", Some(Form::EarlyConcat)),
    ("c", Some(Form::Grouped)),
    ("all", None),
];

const FANS: [(&str, Fan); 2] = [("layer", Fan::Whole), ("path", Fan::Path)];

/// Turns weights into the bytes of a file.
pub(super) type Save = fn(&NetworkWeights) -> Result<Vec<u8>>;

const CHECKPOINTS: [(&str, Save); 2] =
    [("safetensors", checkpoint::safetensors), ("npz", checkpoint::npz)];

/// `None` means the manual page.
const SHELLS: [(&str, Option<Shell>); 6] = [
    ("bash", Some(Shell::Bash)),
    ("zsh", Some(Shell::Zsh)),
    ("fish", Some(Shell::Fish)),
    ("elvish", Some(Shell::Elvish)),
    ("powershell", Some(Shell::PowerShell)),
    ("man", None),
];

const OPS: [(&str, Ops); 3] = [("conv", Ops::Conv), ("block", Ops::Block), ("all", Ops::All)];

const KINDS: [(&str, Kind); 5] = [
    ("integers", Kind::Integers),
    ("floats", Kind::Floats),
    ("training", Kind::Training),
    ("gradients", Kind::Gradients),
    ("specials", Kind::Specials),
];

const PICTURES: [(&str, Format); 2] = [("svg", Format::Svg), ("png", Format::Png)];

/// The three forms of the ResNeXt block, and the evidence that they are equivalent.
#[derive(Parser)]
#[command(name = "triform", version)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) verify: VerifyOptions,
    #[command(flatten)]
    pub(super) manners: Manners,
}

/// How the program prints, in every command.
#[derive(Args)]
pub(super) struct Manners {
    #[arg(
        long,
        global = true,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        hide_possible_values = true,
        help = "Colour: auto, always or never [default: auto]"
    )]
    pub(super) color: ColorChoice,
    /// Print errors only; the exit status is the answer
    #[arg(long, short, global = true)]
    pub(super) quiet: bool,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the three forms on one set of weights and compare them
    Verify(VerifyOptions),
    /// Show wrong blocks, and the evidence that refutes each
    Refute(RefuteOptions),
    /// Show why the forms are equivalent, with numbers to follow by hand
    Explain(ExplainOptions),
    /// Count parameters and multiply-adds, beside the published figures
    Count(CountOptions),
    /// Find the known mistakes and conventions that explain a count
    Diagnose(DiagnoseOptions),
    /// Run a network with its blocks in one form, or in all three
    Forward(ForwardOptions),
    /// Train the three forms in lockstep on handwritten digits
    Train(TrainOptions),
    /// Write cases for your own convolution or block to compute
    Cases(CasesOptions),
    /// Judge what your code computed for the cases
    Check(CheckOptions),
    /// Grade the submissions of a class
    Grade(GradeOptions),
    /// Say which known mistakes your test data would miss
    Adequacy(AdequacyOptions),
    /// Time the three forms on this machine
    Bench(BenchOptions),
    /// Write a freshly initialised checkpoint
    Init(InitOptions),
    /// Draw the figures
    Plot(PlotOptions),
    /// Write the completions for a shell, or the manual page
    Completions(CompletionsOptions),
}

/// The headings of `--help`, each with its options. Options that are not listed here come first.
const HEADINGS: [(&str, &[&str]); 3] = [
    ("One block", &["block", "map", "conv", "preserve"]),
    (
        "A network",
        &[
            "arch",
            "weights",
            "image",
            "resize",
            "input",
            "stride_on",
            "classes",
            "features",
            "size",
        ],
    ),
    (
        "Output",
        &[
            "full",
            "json",
            "csv",
            "layers",
            "markdown",
            "figure",
            "record",
            "output",
            "out",
            "onnx",
            "add",
            "gradescope",
            "color",
            "quiet",
        ],
    ),
];

/// Three examples for each command. The empty name stands for the program itself.
const EXAMPLES: [(&str, [&str; 3]); 16] = [
    ("", ["", "verify --block 256x32x4", "refute norm-in-each-path"]),
    ("verify", ["", "--block 128-32x4-256 --map 28x28", "--rung R5,R6 --full"]),
    ("refute", ["", "norm-in-each-path", "--rung R1-R3"]),
    ("explain", ["", "about-70k", "rounding --markdown"]),
    ("count", ["", "resnet50 resnext50_32x4d", "--block 256x32x4 --json"]),
    ("diagnose", ["89,599,808", "22.8G --macs", ""]),
    (
        "forward",
        [
            "--arch resnext50_32x4d --weights w.safetensors",
            "--arch resnext50_32x4d --weights w.safetensors --image cat.jpg --form all",
            "--arch resnext50_32x4d --weights w.safetensors --output logits.npy",
        ],
    ),
    (
        "cases",
        [
            "--out cases",
            "--out cases --quick --onnx suite",
            "--out cases --op conv --kind integers,floats",
        ],
    ),
    (
        "check",
        ["cases outputs", "cases --run \"python3 mine.py\"", "cases outputs --json verdict.json"],
    ),
    (
        "grade",
        [
            "cases ada grace alan",
            "cases ada.py grace.py --run python3 --timeout 60",
            "cases ada grace --gradescope results",
        ],
    ),
    (
        "adequacy",
        [
            "cases --rule exact",
            "cases --rule allclose:1e-5,1e-8",
            "cases --rule sum:1e-5,1e-8 --add missing",
        ],
    ),
    ("train", ["", "--wrong", "--steps 100 --figure training.svg"]),
    ("bench", ["", "--block 256x32x4 --threads 1", "--networks --figure roofline.svg"]),
    (
        "init",
        [
            "resnext50_32x4d --output w.safetensors",
            "resnext50_32x4d --seed 7 --output w.npz",
            "resnext29_8x64d --classes 100 --output w.safetensors",
        ],
    ),
    ("plot", ["", "three_forms --block 128x16x8 --output .", "--list"]),
    ("completions", ["bash", "zsh", "man"]),
];

/// The arguments for clap, with the headings and examples of `--help`.
pub(super) fn command() -> clap::Command {
    let heading =
        |id: &str| HEADINGS.iter().find(|(_, ids)| ids.contains(&id)).map(|(name, _)| *name);
    let with_help = |command: clap::Command| {
        let name = if command.get_name() == "triform" { "" } else { command.get_name() };
        let mut help = "Examples:\n".to_owned();
        for (_, examples) in EXAMPLES.iter().filter(|(of, _)| *of == name) {
            for example in examples {
                let words = ["triform", name, example].into_iter().filter(|word| !word.is_empty());
                help += &format!("  {}\n", words.collect::<Vec<_>>().join(" "));
            }
        }
        command
            .mut_args(|arg| {
                let heading = heading(arg.get_id().as_str());
                arg.help_heading(heading)
            })
            .after_help(help)
    };
    let command = with_help(Arguments::command()).mut_subcommands(with_help);
    let about = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    command.after_help(format!(
        "{about}\nWithout a command, triform runs `verify`.\n\
         Exit status: 0 everything holds; 1 something does not (a form is wrong,\n\
         `refute` misses a mistake, `diagnose` finds nothing); 2 bad input;\n\
         130 interrupted.\n"
    ))
}

#[derive(Args)]
#[command(
    mut_arg("block", |block| block
        .help("One block, C_in channels in and out, on random data")
        .conflicts_with_all(["image", "input"])),
    mut_arg("map", |map| map.conflicts_with_all(["image", "input"]))
)]
pub(super) struct VerifyOptions {
    /// Verify a whole network, block by block
    #[arg(long, value_name = "NAME", conflicts_with_all = ["block", "map", "cases"])]
    pub(super) arch: Option<String>,
    /// The network's weights: .safetensors, .npz or .pth
    #[arg(long, value_name = "FILE")]
    pub(super) weights: Option<PathBuf>,
    #[command(flatten)]
    pub(super) input: InputOptions,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) block: BlockOptions,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    #[command(flatten)]
    pub(super) rungs: RungOption,
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        hide_default_value = true,
        allow_hyphen_values = true,
        value_parser = integer::<NonZeroU64>(1..=MAX_CASES),
        help = "Random blocks for each rung [default: 100]"
    )]
    pub(super) cases: NonZeroU64,
    /// Print all tables, not the short report
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: JsonOption,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
pub(super) struct RungOption {
    /// Only these rungs, such as R1,R4 or R1-R4 [default: all]
    #[arg(long, value_name = "R", value_delimiter = ',', value_parser = rungs)]
    rung: Vec<RangeInclusive<Rung>>,
}

impl RungOption {
    /// The rungs that the option names, in order. `None` means all rungs.
    pub(super) fn named(&self) -> Option<BTreeSet<Rung>> {
        let named = |rung: &Rung| self.rung.iter().any(|range| range.contains(rung));
        (!self.rung.is_empty()).then(|| Rung::ALL.into_iter().filter(named).collect())
    }
}

#[derive(Args)]
pub(super) struct SeedOption {
    /// The seed of every random choice
    #[arg(
        long,
        value_name = "N",
        default_value = "0",
        allow_hyphen_values = true,
        value_parser = seed
    )]
    pub(super) seed: Seed,
}

#[derive(Args)]
pub(super) struct ThreadsOption {
    /// Threads to use; results do not change [default: all]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = integer::<usize>(1..=MAX_THREADS)
    )]
    pub(super) threads: Option<usize>,
}

#[derive(Args)]
pub(super) struct JsonOption {
    /// Write the report as JSON to FILE or standard output
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "-",
        value_parser = PathBufValueParser::new().try_map(Destination::parse)
    )]
    pub(super) json: Option<Destination>,
}

#[derive(Args)]
pub(super) struct MemoryOptions {
    /// Start even if memory is short; the OS may kill triform
    #[arg(long)]
    pub(super) no_memory_check: bool,
}

#[derive(Args)]
pub(super) struct BlockOptions {
    /// One block
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    block: Option<BlockSpec>,
    #[arg(
        long,
        value_name = "HxW",
        allow_hyphen_values = true,
        value_parser = map,
        help = "The block's map, height x width [default: 56x56]"
    )]
    map: Option<Map>,
}

impl BlockOptions {
    /// The block and its map, if the options name a block.
    pub(super) fn named(&self) -> Result<Option<(BlockSpec, Map)>> {
        match (self.block, self.map) {
            (Some(block), map) => Ok(Some((block, map.unwrap_or(DEFAULT_MAP)))),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(Error::Usage("--map is used only with --block; add --block".to_owned()))
            }
        }
    }
}

#[derive(Args)]
pub(super) struct InputOptions {
    /// A JPEG or PNG photograph instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    #[arg(
        long,
        value_name = "N",
        requires = "image",
        conflicts_with = "input",
        allow_hyphen_values = true,
        value_parser = integer::<u32>(0..=u32::MAX.into()),
        help = "Image's shorter side; 232 for V2 weights [default: 256]"
    )]
    pub(super) resize: Option<u32>,
    /// A .npy array, N x 3 x H x W, already normalised
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(super) input: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct NetworkOptions {
    #[arg(
        long,
        value_name = "KxK",
        default_value = "3x3",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = choice(&STRIDE_ON),
        help = "Stride on the 3x3 or the first 1x1 [default: 3x3]"
    )]
    pub(super) stride_on: StrideOn,
    #[command(flatten)]
    pub(super) top: TopOptions,
}

#[derive(Args)]
pub(super) struct TopOptions {
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = integer::<usize>(1..=u64::MAX),
        help = "Number of classes [default: 1000, CIFAR: 10]"
    )]
    pub(super) classes: Option<usize>,
    /// Leave out the top (include_top=False)
    #[arg(long, conflicts_with = "classes")]
    pub(super) features: bool,
}

#[derive(Args)]
pub(super) struct ForwardOptions {
    /// The network, such as resnext50_32x4d
    #[arg(long, value_name = "NAME")]
    pub(super) arch: String,
    /// The network's weights: .safetensors, .npz or .pth
    #[arg(long, value_name = "FILE")]
    pub(super) weights: PathBuf,
    #[command(flatten)]
    pub(super) input: InputOptions,
    #[arg(
        long,
        value_name = "a|b|c|all",
        default_value = "c",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = choice(&FORMS),
        help = "The blocks' form, or all to compare them [default: c]"
    )]
    pub(super) form: std::option::Option<Form>,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    /// Write the logits, or the last map, as a .npy file
    #[arg(long, value_name = "FILE", value_parser = file_of(&[("npy", ())]))]
    pub(super) output: Option<FileOf<()>>,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    #[command(flatten)]
    pub(super) json: JsonOption,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
#[command(
    mut_arg("block", |block| block.help("One block [default: one of each stage of ResNeXt-50]")),
    mut_arg("threads", |threads| threads.help("Threads to use [default: one, and then all]")),
    mut_arg("json", |json| json.help("Write the times as JSON to FILE or standard output"))
)]
pub(super) struct BenchOptions {
    #[command(flatten)]
    pub(super) block: BlockOptions,
    #[arg(
        long,
        value_name = "a|b|c|all",
        default_value = "all",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = choice(&FORMS),
        help = "The form to time; all are checked [default: all]"
    )]
    pub(super) form: std::option::Option<Form>,
    /// Also time ResNet-50 and ResNeXt-50 as a whole
    #[arg(long)]
    pub(super) networks: bool,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    /// Rounds [default: 0.25 s for each workload, at least 5]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        value_parser = integer::<usize>(1..=u64::MAX)
    )]
    pub(super) rounds: Option<usize>,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// Draw the roofline of this run, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = file_of(&PICTURES))]
    pub(super) figure: Option<FileOf<Format>>,
    /// Record everything, with date and machine, in FOLDER
    #[arg(
        long,
        value_name = "FOLDER",
        conflicts_with_all = ["block", "map", "form", "threads"]
    )]
    pub(super) record: Option<PathBuf>,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
pub(super) struct TrainOptions {
    #[arg(
        long,
        value_name = "N",
        default_value = "300",
        hide_default_value = true,
        allow_hyphen_values = true,
        value_parser = integer::<usize>(1..=MAX_STEPS),
        help = "Training steps [default: 300]"
    )]
    pub(super) steps: usize,
    /// Also train a dozen wrong blocks, in the same way
    #[arg(long)]
    pub(super) wrong: bool,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// Draw the curves of this run, as .svg or .png
    #[arg(long, value_name = "FILE", value_parser = file_of(&PICTURES))]
    pub(super) figure: Option<FileOf<Format>>,
}

#[derive(Args)]
pub(super) struct CasesOptions {
    /// The folder to write to, new or empty
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// Also write ONNX models with test data, to a new folder
    // ONNX's own runner allows a relative error of 1e-3 unless a data.json says otherwise, and it has one tolerance
    // for all values of a case. What passes there may still be wrong here, and the report says so.
    #[arg(long, value_name = "FOLDER")]
    pub(super) onnx: Option<PathBuf>,
    #[arg(
        long,
        value_name = "conv|block|all",
        default_value = "all",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = choice(&OPS),
        help = "Convolutions, blocks or both [default: all]"
    )]
    pub(super) op: Ops,
    #[arg(
        long,
        value_name = "KIND",
        value_delimiter = ',',
        hide_possible_values = true,
        value_parser = choice(&KINDS),
        help = "integers, floats, training, gradients, specials"
    )]
    pub(super) kind: Vec<Kind>,
    /// Write fewer cases, but still of every kind
    #[arg(long)]
    pub(super) quick: bool,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    /// Derive a secret seed from this file's contents
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub(super) secret: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CheckOptions {
    /// The folder of cases
    #[arg(value_name = "CASES")]
    pub(super) cases: PathBuf,
    /// The folder of outputs, one .npz file for each case
    #[arg(value_name = "OUTPUTS", conflicts_with = "run")]
    pub(super) outputs: Option<PathBuf>,
    /// Run COMMAND CASES OUTPUTS and judge what it writes
    #[arg(long, value_name = "COMMAND")]
    pub(super) run: Option<String>,
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "600",
        hide_default_value = true,
        allow_hyphen_values = true,
        requires = "run",
        value_parser = integer::<u64>(1..=86_400),
        help = "Stop the program after this time [default: 600]"
    )]
    pub(super) timeout: u64,
    #[command(flatten)]
    pub(super) json: JsonOption,
}

#[derive(Args)]
pub(super) struct GradeOptions {
    /// The folder of cases
    #[arg(value_name = "CASES")]
    pub(super) cases: PathBuf,
    /// Folders of outputs; with --run, each is passed to COMMAND
    #[arg(value_name = "SUBMISSION", required = true)]
    pub(super) submissions: Vec<PathBuf>,
    /// Judge what COMMAND SUBMISSION CASES OUTPUTS writes
    #[arg(long, value_name = "COMMAND")]
    pub(super) run: Option<String>,
    #[arg(
        long,
        value_name = "SECONDS",
        default_value = "60",
        hide_default_value = true,
        allow_hyphen_values = true,
        requires = "run",
        value_parser = integer::<u64>(1..=86_400),
        help = "Stop each program after this time [default: 60]"
    )]
    pub(super) timeout: u64,
    /// Points by kind, in TOML [default: 100, split evenly]
    #[arg(long, value_name = "FILE")]
    pub(super) points: Option<PathBuf>,
    /// Write a results.json per submission to a new folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) gradescope: Option<PathBuf>,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// Write CSV to FILE or to standard output
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "-",
        value_parser = PathBufValueParser::new().try_map(Destination::parse)
    )]
    pub(super) csv: Option<Destination>,
}

#[derive(Args)]
pub(super) struct AdequacyOptions {
    /// A folder of cases in the format of `triform cases`
    #[arg(value_name = "CASES")]
    pub(super) cases: PathBuf,
    #[arg(
        long,
        value_name = "RULE",
        default_value = "exact",
        hide_default_value = true,
        value_parser = |text: &str| text.parse::<Rule>(),
        help = "exact (default), shape, allclose:R,A, sum:R,A, max-ulp:N"
    )]
    pub(super) rule: Rule,
    /// Write the test, plus the cases it lacks, to a new folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) add: Option<PathBuf>,
    #[command(flatten)]
    pub(super) json: JsonOption,
}

#[derive(Args)]
pub(super) struct InitOptions {
    /// The network, such as resnext50_32x4d
    #[arg(value_name = "ARCH")]
    pub(super) arch: String,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[arg(
        long,
        value_name = "layer|path",
        default_value = "layer",
        hide_default_value = true,
        hide_possible_values = true,
        value_parser = choice(&FANS),
        help = "Use the fan_out of a layer or a path [default: layer]"
    )]
    pub(super) fan: Fan,
    #[command(flatten)]
    pub(super) top: TopOptions,
    /// The file to write: .safetensors or .npz
    #[arg(long, value_name = "FILE", value_parser = file_of(&CHECKPOINTS))]
    pub(super) output: FileOf<Save>,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
#[command(
    mut_arg("stride_on", |stride| stride
        .value_name("3x3|1x1")
        .help("Where bottlenecks have their stride [default: 3x3]")),
    mut_arg("classes", |classes| classes.help("Number of classes [default: 1000, CIFAR: 10]")),
    mut_arg("features", |features| features.help("Leave out the top (include_top=False)")),
    mut_arg("json", |json| json.help("Write JSON to FILE or to standard output"))
)]
pub(super) struct CountOptions {
    #[arg(
        value_name = "ARCH",
        help = "Networks such as resnext50_32x4d, or all [default: the paper's]"
    )]
    pub(super) networks: Vec<String>,
    /// A block with C_in channels in and out
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Vec<BlockSpec>,
    /// A convolution: kernel, channels in and out, groups
    #[arg(
        long,
        value_name = "KxIxOxG",
        allow_hyphen_values = true,
        value_parser = convolution,
        conflicts_with_all = [
            "networks", "block", "layers", "preserve", "json", "csv", "stride_on", "classes", "features"
        ]
    )]
    pub(super) conv: Option<[usize; 4]>,
    /// Count layer by layer
    #[arg(long)]
    pub(super) layers: bool,
    /// For each C, the width d that keeps the block's cost
    #[arg(
        long,
        requires = "block",
        conflicts_with_all = [
            "networks", "layers", "csv", "json", "size", "stride_on", "classes", "features"
        ]
    )]
    pub(super) preserve: bool,
    #[arg(
        long,
        value_name = "N|HxW",
        allow_hyphen_values = true,
        value_parser = map_size,
        help = "Input size [default: 224, CIFAR: 32, blocks: 56]"
    )]
    pub(super) size: Option<Map>,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// Write CSV to FILE or to standard output
    #[arg(
        long,
        value_name = "FILE",
        num_args = 0..=1,
        default_missing_value = "-",
        value_parser = PathBufValueParser::new().try_map(Destination::parse)
    )]
    pub(super) csv: Option<Destination>,
}

#[derive(Args)]
#[command(mut_arg("json", |json| json
    .help("Write all matches as JSON to FILE or standard output")))]
pub(super) struct DiagnoseOptions {
    /// A count such as 70144, 89.6M or 4.2e9 [default: list conventions]
    #[arg(value_name = "COUNT", allow_hyphen_values = true)]
    pub(super) count: Option<Digits>,
    /// Treat COUNT as multiply-adds, not as parameters
    #[arg(long, requires = "count")]
    pub(super) macs: bool,
    /// The network or block [default: all known ones]
    #[arg(long, value_name = "ARCH", requires = "count")]
    pub(super) arch: Option<String>,
    /// Input size [default: 224, CIFAR: 32, blocks: 56]
    #[arg(
        long,
        value_name = "N|HxW",
        allow_hyphen_values = true,
        requires = "count",
        value_parser = map_size
    )]
    pub(super) size: Option<Map>,
    /// Number of classes [default: 1000, CIFAR: 10]
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        requires = "count",
        value_parser = integer::<usize>(1..=u64::MAX)
    )]
    pub(super) classes: Option<usize>,
    #[command(flatten)]
    pub(super) json: JsonOption,
}

#[derive(Args)]
pub(super) struct PlotOptions {
    /// The figures, such as three_forms [default: all]
    #[arg(value_name = "FIGURE")]
    pub(super) names: Vec<String>,
    /// List the figures
    #[arg(long, conflicts_with_all = ["names", "block", "output"])]
    pub(super) list: bool,
    /// Draw this block, in figures that show a block
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Option<BlockSpec>,
    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = "figures")]
    pub(super) output: PathBuf,
}

#[derive(Args)]
pub(super) struct CompletionsOptions {
    /// bash, zsh, fish, elvish or powershell; man: the manual page
    #[arg(value_parser = choice(&SHELLS), hide_possible_values = true)]
    pub(super) shell: std::option::Option<Shell>,
}

#[derive(Args)]
#[command(mut_arg("json", |json| json.help("Write JSON to FILE or to standard output")))]
pub(super) struct RefuteOptions {
    /// The mistake to work out in numbers [default: the gallery]
    pub(super) name: Option<String>,
    #[command(flatten)]
    pub(super) rungs: RungOption,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    /// Write Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) json: JsonOption,
}

#[derive(Args)]
pub(super) struct ExplainOptions {
    /// The claim to explain and check [default: the argument]
    pub(super) claim: Option<String>,
    /// Write Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) json: JsonOption,
}
