//! Where `--json` or `--csv` says that a report goes.

use std::io::Write;
use std::path::{Path, PathBuf};

use clap::CommandFactory;

use super::args::Arguments;
use super::error::{Error, Result};
use super::print;
use crate::report::file::Output;
use triform::network::zoo;

/// What the option's value names.
#[derive(Clone)]
pub(super) enum Destination {
    /// Standard output: no value, or `-`.
    Output,
    /// A file.
    File(PathBuf),
}

impl Destination {
    /// Refuses what is called like a command: `triform --json verify`, say, would otherwise write a file of
    /// that name.
    pub(super) fn parse(path: PathBuf) -> Result<Self, String> {
        let name = path.display();
        let mut commands = Arguments::command();
        commands.build();
        match commands.find_subcommand(&path) {
            Some(_) => Err(format!(
                "`{name}` is a command: name the command first, or the file as ./{name}"
            )),
            None if path.as_os_str() == "-" => Ok(Self::Output),
            None => Ok(Self::File(path)),
        }
    }

    /// The file, if it is one.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Output => None,
            Self::File(path) => Some(path),
        }
    }
}

/// A place that is ready to be written to.
pub(super) enum Target {
    /// Nobody wants the report.
    Nowhere,
    /// Standard output.
    Output,
    /// A file.
    File(Output),
}

impl Target {
    /// Makes it ready, so that a file that cannot be written is found out before the work.
    pub(super) fn open(destination: Option<&Destination>) -> Result<Self> {
        Ok(match destination {
            None => Self::Nowhere,
            Some(Destination::Output) => Self::Output,
            Some(Destination::File(path)) => Self::File(Output::create(path)?),
        })
    }

    /// Whether it is standard output, which then takes nothing else.
    pub(super) fn is_output(&self) -> bool {
        matches!(self, Self::Output)
    }

    /// Prints what goes to standard output: the report in words, or as this target wants it.
    pub(super) fn print(
        &self,
        output: &mut dyn Write,
        words: impl FnOnce() -> Result<String>,
        other: impl FnOnce() -> Result<String>,
    ) -> Result<()> {
        print(output, &if self.is_output() { other()? } else { words()? })
    }

    /// Writes the file, if it is one.
    pub(super) fn write(self, contents: impl FnOnce() -> Result<String>) -> Result<()> {
        match self {
            Self::File(file) => Ok(file.write(contents()?.as_bytes())?),
            Self::Nowhere | Self::Output => Ok(()),
        }
    }
}

/// Refuses a file that is called like a network: `triform count --json resnet50` would otherwise write a file
/// of that name.
pub(super) fn no_network(option: &str, destination: Option<&Destination>) -> Result<()> {
    let Some(name) = destination.and_then(Destination::path).and_then(Path::to_str) else {
        return Ok(());
    };
    if name == "all" || zoo::named(name).is_ok() {
        let words = format!("--{option} {name}: name the networks first, or the file as ./{name}");
        return Err(Error::Usage(words));
    }
    Ok(())
}
