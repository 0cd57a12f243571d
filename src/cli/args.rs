//! The arguments of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The three forms of the ResNeXt block, and the evidence that they are one.
#[derive(Parser)]
#[command(name = "triform", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command, triform verifies: the main job.\n\
    Exit status: 0 all holds, 1 it does not (a form was refuted, or by `refute` a\n    wrong block was not), 2 bad input, 130 interrupted.")]
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
    /// Draw the figures
    Plot(PlotOptions),
}

#[derive(Args)]
pub(super) struct VerifyOptions {
    /// A photograph, JPEG or PNG, instead of the built-in one
    #[arg(long, value_name = "FILE", conflicts_with_all = ["block", "map"])]
    pub(super) image: Option<PathBuf>,
    /// One block, C_in x C x d and C_in out, on seeded data
    #[arg(long, value_name = "C_INxCxD", allow_hyphen_values = true)]
    pub(super) block: Option<String>,
    #[arg(
        long,
        value_name = "HxW",
        allow_hyphen_values = true,
        help = "The block's map, height x width [default: 56x56]"
    )]
    pub(super) map: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    /// Threads; results do not depend on it [default: all]
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) threads: Option<String>,
    /// Only these rungs, R0 to R8, as in R1,R4 [default: all]
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
