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

/// More threads would only take memory.
const MAX_THREADS: u64 = 1024;

/// Each case keeps a few hundred bytes until the end, and Ctrl-C still steps through the rest.
const MAX_CASES: u64 = 1_000_000;

/// Each step keeps its losses until the end.
const MAX_STEPS: u64 = 1_000_000;

/// The default map size for a `--block`: that of conv2, for which the paper counts.
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

/// The three forms of the ResNeXt block, and the evidence that they are one.
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

/// How the program speaks, whatever it does.
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
    /// Tell why the three forms are one, with numbers to follow by hand
    Explain(ExplainOptions),
    /// Count parameters and multiply-adds, beside the published figures
    Count(CountOptions),
    /// Find the known mistakes and conventions that give a count
    Diagnose(DiagnoseOptions),
    /// Run a network, its blocks in one form or in all
    Forward(ForwardOptions),
    /// Train the three forms in lockstep on handwritten digits
    Train(TrainOptions),
    /// Write cases for your own convolution or block to compute
    Cases(CasesOptions),
    /// Judge what your code computed for them
    Check(CheckOptions),
    /// Judge a class of submissions
    Grade(GradeOptions),
    /// Say which known mistakes your test data would miss
    Adequacy(AdequacyOptions),
    /// Time the three forms on this machine
    Bench(BenchOptions),
    /// Write a freshly initialised checkpoint
    Init(InitOptions),
    /// Draw the figures
    Plot(PlotOptions),
    /// Write the completions of a shell, or the manual page
    Completions(CompletionsOptions),
}

/// The heading in `--help` under which each option stands; options not listed here come first.
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

/// Three examples for each command, by its name; the empty name is the program itself.
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
        "{about}\nWithout a command, triform verifies.\n\
         Exit status: 0 it holds; 1 it does not (a form is wrong, `refute`\n\
         misses a mistake, `diagnose` knows nothing); 2 bad input; 130 interrupted.\n"
    ))
}

#[derive(Args)]
#[command(
    mut_arg("block", |block| block
        .help("One block, C_in x C x d and C_in out, on seeded data")
        .conflicts_with_all(["image", "input"])),
    mut_arg("map", |map| map.conflicts_with_all(["image", "input"]))
)]
pub(super) struct VerifyOptions {
    /// A whole network, block by block
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
    /// All tables, not the short report
    #[arg(long)]
    pub(super) full: bool,
    #[command(flatten)]
    pub(super) json: JsonOption,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
pub(super) struct RungOption {
    /// Only these rungs: R1,R4 or R1-R4 [default: all]
    #[arg(long, value_name = "R", value_delimiter = ',', value_parser = rungs)]
    rung: Vec<RangeInclusive<Rung>>,
}

impl RungOption {
    /// The rungs that are named, in order; `None` means all.
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
    /// Threads; results do not depend on it [default: all]
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
    /// The report as JSON; to standard output without FILE
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
    /// Start even if memory is short; the system may end it
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
    /// The block and its map, if they are named.
    pub(super) fn named(&self) -> Result<Option<(BlockSpec, Map)>> {
        match (self.block, self.map) {
            (Some(block), map) => Ok(Some((block, map.unwrap_or(DEFAULT_MAP)))),
            (None, None) => Ok(None),
            (None, Some(_)) => {
                Err(Error::Usage("--map is the map of a --block; name the block too".to_owned()))
            }
        }
    }
}

#[derive(Args)]
pub(super) struct InputOptions {
    /// A photograph, JPEG or PNG, instead of the built-in one
    #[arg(long, value_name = "FILE")]
    pub(super) image: Option<PathBuf>,
    #[arg(
        long,
        value_name = "N",
        requires = "image",
        conflicts_with = "input",
        allow_hyphen_values = true,
        value_parser = integer::<u32>(0..=u32::MAX.into()),
        help = "Its shorter side; V2 weights want 232 [default: 256]"
    )]
    pub(super) resize: Option<u32>,
    /// A .npy file, N x 3 x H x W, normalised already
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
        help = "The network's classes [default: 1000; CIFAR 10]"
    )]
    pub(super) classes: Option<usize>,
    /// Without the top (include_top=False): the last map
    #[arg(long, conflicts_with = "classes")]
    pub(super) features: bool,
}

#[derive(Args)]
pub(super) struct ForwardOptions {
    /// The network, such as resnext50_32x4d
    #[arg(long, value_name = "NAME")]
    pub(super) arch: String,
    /// Its weights: .safetensors, .npz or .pth
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
        help = "Form of the blocks; all: compare them [default: c]"
    )]
    pub(super) form: std::option::Option<Form>,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    /// The logits, or the last map, as a .npy file
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
    mut_arg("block", |block| block.help("One block [default: of each stage of ResNeXt-50 one]")),
    mut_arg("threads", |threads| threads.help("Threads [default: one, and then all]")),
    mut_arg("json", |json| json.help("The times as JSON; to standard output without FILE"))
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
        help = "The form that is timed; all are checked [default: all]"
    )]
    pub(super) form: std::option::Option<Form>,
    /// ResNet-50 and ResNeXt-50 too, whole
    #[arg(long)]
    pub(super) networks: bool,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    /// Rounds [default: 5, or more within 0.25 s each]
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
    /// The roofline of this run, .svg or .png
    #[arg(long, value_name = "FILE", value_parser = file_of(&PICTURES))]
    pub(super) figure: Option<FileOf<Format>>,
    /// All of it, with the day and the machine, into FOLDER
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
        help = "Steps of training [default: 300]"
    )]
    pub(super) steps: usize,
    /// A dozen wrong blocks too, trained the same way
    #[arg(long)]
    pub(super) wrong: bool,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    #[command(flatten)]
    pub(super) threads: ThreadsOption,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// The curves of this run, .svg or .png
    #[arg(long, value_name = "FILE", value_parser = file_of(&PICTURES))]
    pub(super) figure: Option<FileOf<Format>>,
}

#[derive(Args)]
pub(super) struct CasesOptions {
    /// The folder to write to: a new one
    #[arg(long, value_name = "FOLDER")]
    pub(super) out: PathBuf,
    /// As ONNX models with test data too, in a new folder
    // ONNX's own runner allows a relative error of 1e-3 unless a data.json says otherwise, and one allowance for all
    // values of a case: what passes there may still be wrong here. The report says so.
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
    /// Fewer cases, still of every kind
    #[arg(long)]
    pub(super) quick: bool,
    #[command(flatten)]
    pub(super) seed: SeedOption,
    /// A file whose contents take the seed's place, untold
    #[arg(long, value_name = "FILE", conflicts_with = "seed")]
    pub(super) secret: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct CheckOptions {
    /// The folder of cases
    #[arg(value_name = "CASES")]
    pub(super) cases: PathBuf,
    /// The folder of outputs, one .npz a case
    #[arg(value_name = "OUTPUTS", conflicts_with = "run")]
    pub(super) outputs: Option<PathBuf>,
    /// Run COMMAND CASES OUTPUTS, and judge what it wrote
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
        help = "End the program after so long [default: 600]"
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
    /// Folders of outputs; with --run, what is run
    #[arg(value_name = "SUBMISSION", required = true)]
    pub(super) submissions: Vec<PathBuf>,
    /// Run COMMAND SUBMISSION CASES OUTPUTS for each
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
        help = "End each program after so long [default: 60]"
    )]
    pub(super) timeout: u64,
    /// Points by kind, a TOML file [default: 100, evenly]
    #[arg(long, value_name = "FILE")]
    pub(super) points: Option<PathBuf>,
    /// A results.json for each, into a new folder
    #[arg(long, value_name = "FOLDER")]
    pub(super) gradescope: Option<PathBuf>,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// As CSV; to standard output without FILE
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
    /// The folder of cases, as `triform cases` writes them
    #[arg(value_name = "CASES")]
    pub(super) cases: PathBuf,
    #[arg(
        long,
        value_name = "RULE",
        default_value = "exact",
        hide_default_value = true,
        value_parser = |text: &str| text.parse::<Rule>(),
        help = "exact, shape, allclose:R,A, sum:R,A, max-ulp:N [default: exact]"
    )]
    pub(super) rule: Rule,
    /// Write the test and the cases it lacks to a new folder
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
        help = "fan_out of the layer or of a path [default: layer]"
    )]
    pub(super) fan: Fan,
    #[command(flatten)]
    pub(super) top: TopOptions,
    /// The checkpoint, .safetensors or .npz
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
    mut_arg("classes", |classes| classes.help("Outputs of the top [default: 1000; CIFAR 10]")),
    mut_arg("features", |features| features.help("Without the top: include_top=False")),
    mut_arg("json", |json| json.help("As JSON; to standard output without FILE"))
)]
pub(super) struct CountOptions {
    #[arg(
        value_name = "ARCH",
        help = "Networks, such as resnext50_32x4d, or `all` [default: the paper's]"
    )]
    pub(super) networks: Vec<String>,
    /// A block, C_in x C x d and C_in out
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Vec<BlockSpec>,
    /// A convolution: kernel, channels in, out, groups
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
    /// Layer by layer
    #[arg(long)]
    pub(super) layers: bool,
    /// The width for each C that keeps the block's cost
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
        help = "Height and width [default: 224; CIFAR 32, block 56]"
    )]
    pub(super) size: Option<Map>,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    #[command(flatten)]
    pub(super) json: JsonOption,
    /// As CSV; to standard output without FILE
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
    .help("All that fit, as JSON; to standard output without FILE")))]
pub(super) struct DiagnoseOptions {
    /// Such as 70144, 89.6M, 4.2e9 [default: list the known]
    #[arg(value_name = "COUNT", allow_hyphen_values = true)]
    pub(super) count: Option<Digits>,
    /// It counts multiply-adds, not parameters
    #[arg(long, requires = "count")]
    pub(super) macs: bool,
    /// The network, or a block [default: all known ones]
    #[arg(long, value_name = "ARCH", requires = "count")]
    pub(super) arch: Option<String>,
    /// The input's height and width [default: 224]
    #[arg(
        long,
        value_name = "N|HxW",
        allow_hyphen_values = true,
        requires = "count",
        value_parser = map_size
    )]
    pub(super) size: Option<Map>,
    /// Outputs of the top [default: 1000]
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
    /// Your own C and d, where a figure shows a block
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Option<BlockSpec>,
    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = "figures")]
    pub(super) output: PathBuf,
}

#[derive(Args)]
pub(super) struct CompletionsOptions {
    /// bash, zsh, fish, elvish or powershell; or man
    #[arg(value_parser = choice(&SHELLS), hide_possible_values = true)]
    pub(super) shell: std::option::Option<Shell>,
}

#[derive(Args)]
#[command(mut_arg("json", |json| json.help("As JSON; to standard output without FILE")))]
pub(super) struct RefuteOptions {
    /// One of them, worked out in numbers [default: the gallery]
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
    /// One of the claims, checked as it is told [default: the argument]
    pub(super) claim: Option<String>,
    /// Write Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    #[command(flatten)]
    pub(super) json: JsonOption,
}
