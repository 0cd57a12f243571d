//! The arguments of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

use super::quoted;

/// The three forms of the ResNeXt block, and the evidence that they are one.
#[derive(Parser)]
#[command(name = "triform", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command, triform verifies: the main job.\n\
    Exit status: 0 all holds, 1 it does not (a form was refuted, by `refute` a wrong\n    block was not, or `diagnose` knows nothing), 2 bad input, 130 interrupted.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) verify: VerifyOptions,
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
    /// Time the three forms on this machine
    Bench(BenchOptions),
    /// Write a freshly initialised checkpoint
    Init(InitOptions),
    /// Draw the figures
    Plot(PlotOptions),
}

#[derive(Args)]
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
    /// One block, C_in x C x d and C_in out, on seeded data
    #[arg(
        long,
        value_name = "C_INxCxD",
        allow_hyphen_values = true,
        conflicts_with_all = ["image", "input"]
    )]
    pub(super) block: Option<String>,
    #[arg(
        long,
        value_name = "HxW",
        allow_hyphen_values = true,
        help = "The block's map, height x width [default: 56x56]",
        conflicts_with_all = ["image", "input"]
    )]
    pub(super) map: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    /// Threads; results do not depend on it [default: all]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) threads: Option<String>,
    /// Of R0 to R8 only these, as R1,R4 [default: all]
    #[arg(long, value_name = "R", value_delimiter = ',')]
    pub(super) rung: Vec<String>,
    #[arg(
        long,
        value_name = "N",
        default_value = "100",
        hide_default_value = true,
        allow_hyphen_values = true,
        help = "Random blocks for each rung [default: 100]"
    )]
    pub(super) cases: String,
    /// The report as JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

/// What is done about memory.
#[derive(Args)]
pub(super) struct MemoryOptions {
    /// Start even if memory is too small; the system may end it
    #[arg(long)]
    pub(super) no_memory_check: bool,
}

impl MemoryOptions {
    /// The option again, after a space.
    pub(super) fn repeat(&self) -> &'static str {
        if self.no_memory_check { " --no-memory-check" } else { "" }
    }
}

/// What a network is run on.
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
        help = "Its shorter side; V2 weights want 232 [default: 256]"
    )]
    pub(super) resize: Option<String>,
    /// A .npy file, N x 3 x H x W, normalised already
    #[arg(long, value_name = "FILE", conflicts_with = "image")]
    pub(super) input: Option<PathBuf>,
}

impl InputOptions {
    /// The options again, each after a space.
    pub(super) fn repeat(&self) -> String {
        match (&self.input, &self.image) {
            (Some(path), _) => format!(" --input {}", quoted(&path.display().to_string())),
            (None, Some(path)) => {
                let side = self.resize.iter().map(|side| format!(" --resize {side}"));
                let path = quoted(&path.display().to_string());
                format!(" --image {path}{}", side.collect::<String>())
            }
            (None, None) => String::new(),
        }
    }
}

/// How a network differs from the one of its name.
#[derive(Args)]
pub(super) struct NetworkOptions {
    #[arg(
        long,
        value_name = "KxK",
        default_value = "3x3",
        hide_default_value = true,
        help = "Stride on the 3x3 or the first 1x1 [default: 3x3]"
    )]
    pub(super) stride_on: String,
    #[command(flatten)]
    pub(super) top: TopOptions,
}

/// What comes after the stages.
#[derive(Args)]
pub(super) struct TopOptions {
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        help = "The network's classes [default: 1000; CIFAR 10]"
    )]
    pub(super) classes: Option<String>,
    /// Without the top (include_top=False): the last map
    #[arg(long, conflicts_with = "classes")]
    pub(super) features: bool,
}

impl NetworkOptions {
    /// The options again, each after a space.
    pub(super) fn repeat(&self) -> String {
        let mut words = String::new();
        if self.stride_on != "3x3" {
            words += &format!(" --stride-on {}", self.stride_on);
        }
        if let Some(classes) = &self.top.classes {
            words += &format!(" --classes {classes}");
        }
        words + if self.top.features { " --features" } else { "" }
    }
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
        help = "Form of the blocks; all: compare them [default: c]"
    )]
    pub(super) form: String,
    #[command(flatten)]
    pub(super) network: NetworkOptions,
    /// The logits, or the last map, as a .npy file
    #[arg(long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Threads; results do not depend on it [default: all]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) threads: Option<String>,
    /// The report as JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
pub(super) struct BenchOptions {
    /// One block [default: of each stage of ResNeXt-50 one]
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Option<String>,
    #[arg(
        long,
        value_name = "HxW",
        allow_hyphen_values = true,
        help = "The block's map, height x width [default: 56x56]"
    )]
    pub(super) map: Option<String>,
    #[arg(
        long,
        value_name = "a|b|c|all",
        default_value = "all",
        hide_default_value = true,
        help = "The form that is timed; all are checked [default: all]"
    )]
    pub(super) form: String,
    /// ResNet-50 and ResNeXt-50 too, whole
    #[arg(long)]
    pub(super) networks: bool,
    /// Threads [default: one, and then all]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) threads: Option<String>,
    /// Rounds [default: 5, or more within 0.25 s each]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) rounds: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    /// The times as JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
    /// The roofline of this run, .svg or .png
    #[arg(long, value_name = "FILE")]
    pub(super) figure: Option<PathBuf>,
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
pub(super) struct InitOptions {
    /// The network, such as resnext50_32x4d
    #[arg(value_name = "ARCH")]
    pub(super) arch: String,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    #[arg(
        long,
        value_name = "layer|path",
        default_value = "layer",
        hide_default_value = true,
        help = "fan_out of the layer or of a path [default: layer]"
    )]
    pub(super) fan: String,
    #[command(flatten)]
    pub(super) top: TopOptions,
    /// The checkpoint, .safetensors or .npz
    #[arg(long, value_name = "FILE")]
    pub(super) output: PathBuf,
    #[command(flatten)]
    pub(super) memory: MemoryOptions,
}

#[derive(Args)]
pub(super) struct CountOptions {
    #[arg(
        value_name = "ARCH",
        help = "Networks, such as resnext50_32x4d, or `all` [default: the paper's]"
    )]
    pub(super) networks: Vec<String>,
    /// A block, C_in x C x d and C_in out
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Vec<String>,
    /// A convolution: kernel, channels in, out, groups
    #[arg(
        long,
        value_name = "KxIxOxG",
        allow_hyphen_values = true,
        conflicts_with_all = [
            "networks", "block", "layers", "preserve", "json", "csv", "stride_on", "classes", "features"
        ]
    )]
    pub(super) conv: Option<String>,
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
        help = "Height and width [default: 224; CIFAR 32, block 56]"
    )]
    pub(super) size: Option<String>,
    #[arg(
        long,
        value_name = "3x3|1x1",
        default_value = "3x3",
        hide_default_value = true,
        help = "Where bottlenecks have their stride [default: 3x3]"
    )]
    pub(super) stride_on: String,
    #[arg(
        long,
        value_name = "N",
        allow_hyphen_values = true,
        help = "Outputs of the top [default: 1000; CIFAR 10]"
    )]
    pub(super) classes: Option<String>,
    /// Without the top: include_top=False
    #[arg(long, conflicts_with = "classes")]
    pub(super) features: bool,
    /// As JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
    /// As CSV; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) csv: Option<Option<PathBuf>>,
}

#[derive(Args)]
pub(super) struct DiagnoseOptions {
    /// Such as 70144, 89.6M, 4.2e9 [default: list the known]
    #[arg(value_name = "COUNT", allow_hyphen_values = true)]
    pub(super) count: Option<String>,
    /// It counts multiply-adds, not parameters
    #[arg(long, requires = "count")]
    pub(super) macs: bool,
    /// The network, or a block [default: all known ones]
    #[arg(long, value_name = "ARCH", requires = "count")]
    pub(super) arch: Option<String>,
    /// The input's height and width [default: 224]
    #[arg(long, value_name = "N|HxW", allow_hyphen_values = true, requires = "count")]
    pub(super) size: Option<String>,
    /// Outputs of the top [default: 1000]
    #[arg(long, value_name = "N", allow_hyphen_values = true, requires = "count")]
    pub(super) classes: Option<String>,
    /// All that fit, as JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1, requires = "count")]
    pub(super) json: Option<Option<PathBuf>>,
}

#[derive(Args)]
pub(super) struct PlotOptions {
    /// The folder to write to
    #[arg(long, value_name = "FOLDER", default_value = "figures")]
    pub(super) output: PathBuf,
}

#[derive(Args)]
pub(super) struct RefuteOptions {
    /// One of them, worked out in numbers [default: the gallery]
    pub(super) name: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    /// Write Markdown
    #[arg(long)]
    pub(super) markdown: bool,
    /// As JSON; to standard output without FILE
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
}

#[derive(Args)]
pub(super) struct ExplainOptions {
    /// One of the claims, checked as it is told [default: the argument]
    pub(super) claim: Option<String>,
    /// Write Markdown
    #[arg(long)]
    pub(super) markdown: bool,
}
