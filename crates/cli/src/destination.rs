//! Where `--json` or `--csv` sends a report. A regular file is written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use super::Context;
use super::args;
use super::error::{Error, Result};
use triform::network::zoo;

/// What the option's value means.
#[derive(Clone)]
pub(super) enum Destination {
    /// Standard output: no value, or `-`.
    Output,
    /// A file.
    File(PathBuf),
}

impl Destination {
    /// Refuses the name of a command. Otherwise, `triform --json verify` would write a file called `verify`.
    pub(super) fn parse(path: PathBuf) -> Result<Self, String> {
        let name = path.display();
        let mut commands = args::command();
        commands.build();
        match commands.find_subcommand(&path) {
            Some(_) => Err(format!(
                "`{name}` is a command; put it first, or write ./{name} for a file of that name"
            )),
            None if path.as_os_str() == "-" => Ok(Self::Output),
            None => Ok(Self::File(path)),
        }
    }

    /// The path, if the destination is a file.
    pub(super) fn path(&self) -> Option<&Path> {
        match self {
            Self::Output => None,
            Self::File(path) => Some(path),
        }
    }
}

/// A place that is ready to be written to.
pub(super) enum Target {
    /// There is no destination.
    Nowhere,
    /// Standard output.
    Output,
    /// A file.
    File(Output),
}

impl Target {
    /// Opens the destination before the work, so that a file that cannot be written is reported early.
    pub(super) fn open(destination: Option<&Destination>) -> Result<Self> {
        Ok(match destination {
            None => Self::Nowhere,
            Some(Destination::Output) => Self::Output,
            Some(Destination::File(path)) => Self::File(Output::create(path)?),
        })
    }

    /// Whether it is standard output. If it is, nothing else is printed to standard output.
    pub(super) fn is_output(&self) -> bool {
        matches!(self, Self::Output)
    }

    /// Prints to standard output. If this target is standard output, it prints `other`, and otherwise the report in
    /// `words`.
    pub(super) fn print(
        &self,
        context: &mut Context<'_>,
        words: impl FnOnce() -> Result<String>,
        other: impl FnOnce() -> Result<String>,
    ) -> Result<()> {
        if self.is_output() { context.write(&other()?) } else { context.print(&words()?) }
    }

    /// Writes the file, if this target is one.
    pub(super) fn write(self, contents: impl FnOnce() -> Result<String>) -> Result<()> {
        match self {
            Self::File(file) => file.write(contents()?.as_bytes()),
            Self::Nowhere | Self::Output => Ok(()),
        }
    }

    /// Prints, and writes the file.
    pub(super) fn report(
        self,
        context: &mut Context<'_>,
        words: impl FnOnce() -> Result<String>,
        other: impl Fn() -> Result<String>,
    ) -> Result<()> {
        self.print(context, words, &other)?;
        self.write(other)
    }
}

/// Refuses the name of a network. Otherwise, `triform count --json resnet50` would write a file called `resnet50`.
pub(super) fn no_network(option: &str, destination: Option<&Destination>) -> Result<()> {
    let Some(name) = destination.and_then(Destination::path).and_then(Path::to_str) else {
        return Ok(());
    };
    if name == "all" || zoo::named(name).is_ok() {
        let is = if name == "all" { "means all networks" } else { "is the name of a network" };
        let words = format!(
            "--{option}: `{name}` {is}, not a file; put networks before --{option}, or write ./{name} for a \
             file with that name"
        );
        return Err(Error::Usage(words));
    }
    Ok(())
}

/// A file to be written. It is opened before the work, so that a folder that cannot be written to is
/// reported early. After the work, one rename puts the file in place.
pub(super) struct Output {
    path: PathBuf,
    how: How,
}

enum How {
    /// A regular file, or a file that does not exist yet.
    Rename(NamedTempFile),
    /// A device or a pipe, which a rename would replace.
    Through(fs::File),
}

impl Output {
    /// Prepares to write `path`, unless it is a directory or its folder cannot be written to.
    pub(super) fn create(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { action: "write", path: path.to_owned(), source };
        let how = match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Error::NotAFile { path: path.to_owned(), found: "a directory" });
            }
            // These names may stand for a file to which standard output was redirected. Appending keeps
            // what the file already holds.
            Ok(found)
                if !found.is_file() || path.starts_with("/dev") || path.starts_with("/proc") =>
            {
                How::Through(fs::OpenOptions::new().append(true).open(path).map_err(io)?)
            }
            Err(_) if fs::symlink_metadata(path).is_ok() => {
                // A dangling link; a rename would replace the link.
                return Err(io(std::io::ErrorKind::NotFound.into()));
            }
            Err(_) if path.as_os_str().as_encoded_bytes().ends_with(b"/") => {
                return Err(Error::NotAFile { path: path.to_owned(), found: "a directory" });
            }
            _ => {
                // A link is followed, so that the rename replaces the file and not the link.
                let real = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
                let folder = match real.parent() {
                    Some(folder) if !folder.as_os_str().is_empty() => folder,
                    _ => Path::new("."),
                };
                let mut builder = Builder::new();
                builder.prefix(".triform-");
                // The permissions of an ordinary new file; the umask still applies.
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
                let file = builder.tempfile_in(folder).map_err(|error| {
                    // The error ends with the name of the temporary file, which means nothing to the user.
                    let text = error.to_string();
                    let why = text.split(" at path ").next().unwrap_or_default();
                    io(std::io::Error::new(error.kind(), why))
                })?;
                if let Ok(before) = fs::metadata(&real) {
                    // A private file stays private.
                    file.as_file().set_permissions(before.permissions()).map_err(io)?;
                }
                return Ok(Self { path: real, how: How::Rename(file) });
            }
        };
        Ok(Self { path: path.to_owned(), how })
    }

    /// Writes the file. If writing fails, a regular file stays as it was.
    pub(super) fn write(self, contents: &[u8]) -> Result<()> {
        let path = self.path;
        let io = |source| Error::Io { action: "write", path: path.clone(), source };
        match self.how {
            How::Through(mut file) => file.write_all(contents).map_err(io),
            How::Rename(mut file) => {
                file.write_all(contents).map_err(io)?;
                file.as_file().sync_all().map_err(io)?;
                file.persist(&path).map(drop).map_err(|error| io(error.error))
            }
        }
    }
}
