//! What can go wrong with a file.

use std::io;
use std::path::{Path, PathBuf};

/// Why a file was not read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Error {
    /// A path that is "a directory" or "a pipe or a device", not a regular file.
    #[error("{} is {found}, not a file", path.display())]
    NotAFile { path: PathBuf, found: &'static str },

    /// The system could not read a file.
    #[error("cannot read {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },

    /// A checkpoint that breaks its format, or has numbers of a kind that is not read. If a single
    /// tensor is at fault, the reason names that tensor.
    #[error("checkpoint {}: {why}", path.display())]
    Checkpoint { path: PathBuf, why: String },

    /// A `.npy` file that breaks its format, or has numbers of a kind that is not read.
    #[error("cannot read {} as a .npy array: {why}", path.display())]
    Array { path: PathBuf, why: String },

    /// A tensor that no file can hold.
    #[error("tensor `{name}` cannot be written: {why}")]
    Unwritable { name: String, why: String },
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// An error inside a file, before the file's path is added.
#[derive(Debug)]
pub(crate) enum Fault {
    Io(io::Error),
    Why(String),
}

impl Fault {
    pub(crate) fn why(why: impl Into<String>) -> Self {
        Self::Why(why.into())
    }

    /// Adds the tensor's name.
    pub(crate) fn about(self, tensor: &str) -> Self {
        match self {
            Self::Why(why) => Self::Why(format!("tensor `{}`: {why}", printable(tensor))),
            io => io,
        }
    }

    /// Adds the checkpoint's path.
    pub(crate) fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Io(source) => Error::Io { path, source },
            Self::Why(why) => Error::Checkpoint { path, why },
        }
    }

    /// Adds the path of the `.npy` file.
    pub(crate) fn of_array(self, path: &Path) -> Error {
        match self.of(path) {
            Error::Checkpoint { path, why } => Error::Array { path, why },
            other => other,
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::why("it ends too early"),
            // Bytes that are not deflated data.
            io::ErrorKind::InvalidInput => Self::why(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// Returns a [`Fault`] with this message.
macro_rules! bail {
    ($($message:tt)*) => {
        return Err($crate::error::Fault::Why(format!($($message)*)))
    };
}
pub(crate) use bail;

/// A text from a file, with its control characters escaped, since a terminal would obey them.
pub(crate) fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '\'' | '"' | '\\' => String::from(c),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}
