//! What ends a run early.

use std::path::PathBuf;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use indicatif::HumanBytes;

/// Why a command did not run to its end.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are the values in the message")]
pub enum Error {
    /// Arguments that clap refuses, or a request for help.
    #[error("{}", in_one_line(.0))]
    Arguments(#[from] clap::Error),

    /// Options that do not go together.
    #[error("{0}")]
    Usage(String),

    /// A job that needs more memory than there is.
    #[error(
        "{what} needs at least {} of memory, more than the {} that this machine or its container has; \
         use a smaller block, map or batch, or start anyway with --no-memory-check",
        HumanBytes(*needed), HumanBytes(*total)
    )]
    Memory { what: String, needed: u64, total: u64 },

    /// A folder of cases or outputs that cannot be used.
    #[error("cannot use {}: {why}", path.display())]
    Folder { path: PathBuf, why: String },

    /// A program that should be judged, but cannot be run.
    #[error("cannot run `{command}`: {why}")]
    Run { command: String, why: String },

    /// A path that is not a regular file.
    #[error("{} is {found}, not a file", path.display())]
    NotAFile { path: PathBuf, found: &'static str },

    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io { action: &'static str, path: PathBuf, source: std::io::Error },

    /// A file that cannot be read as an image.
    #[error("cannot read {} as a JPEG or PNG image: {why}", path.display())]
    Image { path: PathBuf, why: String },

    /// A `.npy` array whose axes or type of numbers are wrong for an input.
    #[error("cannot read {} as a .npy array: {why}", path.display())]
    Array { path: PathBuf, why: String },

    /// A file of tensors that cannot be read or written.
    #[error(transparent)]
    Tensors(#[from] triform_checkpoint::Error),

    /// An ONNX model that cannot be written.
    #[error(transparent)]
    Onnx(#[from] triform_onnx::Error),

    /// An error from the work itself.
    #[error(transparent)]
    Work(#[from] triform::Error),
}

/// The commands' result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// The error on one line, even if a path contains line breaks. If the usage is wrong, the line also points to the
    /// help of `command`.
    pub(super) fn line(&self, command: Option<&str>) -> String {
        let mut line = self.to_string();
        if matches!(self, Self::Arguments(_) | Self::Usage(_)) {
            let command = command.map_or(String::new(), |command| format!("{command} "));
            line += if line.ends_with('?') { " See" } else { "; see" };
            line += &format!(" `triform {command}--help`");
        }
        let list = match self {
            Self::Work(triform::Error::NoSuchName { what, .. }) => match *what {
                "network" => "count all",
                "mistake" => "refute",
                "counting convention" => "diagnose",
                "claim" => "explain",
                _ => "plot --list",
            },
            _ => "",
        };
        if !list.is_empty() {
            line += if line.ends_with('?') { " " } else { "; " };
            line += &format!("`triform {list}` lists them all");
        }
        format!("error: {}", line.replace(['\n', '\r'], " "))
    }
}

/// Clap's message and its suggestions. For a refused value, the message comes from the value's parser.
fn in_one_line(error: &clap::Error) -> String {
    let named = |kind| match error.get(kind) {
        Some(ContextValue::String(name)) => vec![name.as_str()],
        Some(ContextValue::Strings(names)) => names.iter().map(String::as_str).collect(),
        _ => Vec::new(),
    };
    if error.kind() == ErrorKind::ValueValidation
        && let (&[option], Some(why)) =
            (&named(ContextKind::InvalidArg)[..], std::error::Error::source(error))
    {
        let option = option.split(' ').next().unwrap_or_default();
        return format!("{}: {why}", option.trim_matches(['[', ']', '<', '>']));
    }
    let text = error.to_string();
    let what = text.split("\n\n  tip:").next().unwrap_or_default();
    let what = what.split("\n\nUsage:").next().unwrap_or_default();
    let what = what.split("\n\nFor more information").next().unwrap_or_default();
    let words: Vec<&str> = what.trim_start_matches("error:").split_whitespace().collect();
    let suggested =
        [ContextKind::SuggestedSubcommand, ContextKind::SuggestedArg, ContextKind::SuggestedValue];
    let suggested = suggested.map(named).concat();
    let hint = match suggested[..] {
        [] => String::new(),
        _ => format!("; did you mean `{}`?", suggested.join("` or `")),
    };
    words.join(" ") + &hint
}
