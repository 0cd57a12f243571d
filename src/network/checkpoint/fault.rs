//! What can go wrong in a file, before it is known of which.

use std::io;
use std::path::Path;

use crate::error::{Error, Result};

/// An error without the file's path.
#[derive(Debug)]
pub(super) enum Fault {
    Io(io::Error),
    Why(String),
}

impl Fault {
    pub(super) fn why(why: String) -> Self {
        Self::Why(why)
    }

    /// The same, of this tensor.
    pub(super) fn about(self, tensor: &str) -> Self {
        match self {
            Self::Why(why) => Self::Why(format!("tensor `{}`: {why}", printable(tensor))),
            io => io,
        }
    }

    /// The same, of this file.
    pub(super) fn of(self, path: &Path) -> Error {
        let path = path.to_owned();
        match self {
            Self::Io(source) => Error::Io { action: "read", path, source },
            Self::Why(why) => Error::Checkpoint { path, why },
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::UnexpectedEof => Self::why("it ends too early".to_owned()),
            // What cannot be inflated.
            io::ErrorKind::InvalidInput => Self::why(error.to_string()),
            _ => Self::Io(error),
        }
    }
}

/// A text of the file's, with what a terminal would obey, such as the end of a line, in escapes.
pub(super) fn printable(text: &str) -> String {
    let escape = |c: char| match c {
        '\'' | '"' | '\\' => String::from(c),
        c => c.escape_debug().to_string(),
    };
    text.chars().map(escape).collect()
}

/// The one of this index, of all that a file holds.
pub(super) fn one<T>(tensors: &[T], index: usize) -> Result<&T, Fault> {
    tensors.get(index).ok_or_else(|| {
        Fault::why(format!("tensor {index} is asked for; there are {}", tensors.len()))
    })
}
