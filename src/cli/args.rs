//! The arguments of the program.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};

/// The three forms of the ResNeXt block, and the evidence that they are one function.
#[derive(Parser)]
#[command(name = "triform", version, args_conflicts_with_subcommands = true)]
#[command(after_help = "Without a command, triform verifies: the main job.\n\
    Exit status: 0 all holds, 1 something was refuted, 2 bad input, 130 interrupted.")]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    #[command(flatten)]
    pub(super) verify: VerifyOptions,
}

#[derive(Subcommand)]
pub(super) enum Command {
    /// Run the three forms on one set of weights and hold them against each other
    Verify(VerifyOptions),
    /// Draw the figures
    Plot(PlotOptions),
}

#[derive(Args)]
pub(super) struct VerifyOptions {
    /// A photograph, JPEG or PNG, instead of the one that comes with the program
    #[arg(long, value_name = "FILE", conflicts_with_all = ["block", "map"])]
    pub(super) image: Option<PathBuf>,
    /// One block, C_in x C x d, on seeded data, instead of the blocks of ResNeXt-50
    #[arg(long, value_name = "C_INxCxD")]
    pub(super) block: Option<String>,
    #[arg(long, value_name = "HxW", help = "The block's map, height x width [default: 56x56]")]
    pub(super) map: Option<String>,
    /// The seed of every random choice
    #[arg(long, value_name = "N", default_value = "0", allow_hyphen_values = true)]
    pub(super) seed: String,
    /// Threads to use; the results do not depend on it. Default: all processors
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    pub(super) threads: Option<String>,
    /// Write the report as JSON, to standard output where no file is named
    #[arg(long, value_name = "FILE", num_args = 0..=1)]
    pub(super) json: Option<Option<PathBuf>>,
}

#[derive(Args)]
pub(super) struct PlotOptions {
    /// The folder to write to; made if it does not exist
    #[arg(long, value_name = "FOLDER", default_value = "figures")]
    pub(super) output: PathBuf,
}
