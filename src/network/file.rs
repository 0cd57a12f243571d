//! Opening a file to read it.

use std::fs::{self, File};
use std::path::Path;

use crate::error::{Error, Result};

/// Opens a file. A pipe is not opened: that would wait for a writer who may never come.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory, a pipe or a device; [`Error::Io`].
pub fn open(path: &Path) -> Result<File> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), found });
    }
    File::open(path).map_err(io)
}
