//! Files that are written whole or not at all.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::{Error, Result};

/// A file that is going to be written: opened before the work, so that a folder that cannot be
/// written to is found out then, and put in place after it by one rename.
pub struct Output {
    path: PathBuf,
    target: Target,
}

enum Target {
    /// A regular file, or none yet.
    Rename(NamedTempFile),
    /// A device or a pipe, which a rename would replace.
    Through(fs::File),
}

impl Output {
    /// Makes ready to write `path`.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`] for a directory, [`Error::Io`] where its folder cannot be written to.
    pub fn create(path: &Path) -> Result<Self> {
        let io = |source| Error::Io { action: "write", path: path.to_owned(), source };
        let target = match fs::metadata(path) {
            Ok(found) if found.is_dir() => {
                return Err(Error::NotAFile { path: path.to_owned(), found: "a directory" });
            }
            // What these name may well be a file that standard output was sent to, and of which
            // there is more to keep than what is written now.
            Ok(found)
                if !found.is_file() || path.starts_with("/dev") || path.starts_with("/proc") =>
            {
                Target::Through(fs::OpenOptions::new().append(true).open(path).map_err(io)?)
            }
            Err(_) if fs::symlink_metadata(path).is_ok() => {
                // A link to nothing; a rename would replace the link.
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
                // As an ordinary new file would have them; the umask still applies.
                #[cfg(unix)]
                builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
                let file = builder.tempfile_in(folder).map_err(|error| {
                    // The error's own text ends with the temporary file, which says nothing.
                    let text = error.to_string();
                    let why = text.split(" at path ").next().unwrap_or_default();
                    io(std::io::Error::new(error.kind(), why))
                })?;
                if let Ok(before) = fs::metadata(&real) {
                    // A private file stays private.
                    file.as_file().set_permissions(before.permissions()).map_err(io)?;
                }
                return Ok(Self { path: real, target: Target::Rename(file) });
            }
        };
        Ok(Self { path: path.to_owned(), target })
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; the file is then as it was before.
    pub fn write(self, contents: &[u8]) -> Result<()> {
        let path = self.path;
        let io = |source| Error::Io { action: "write", path: path.clone(), source };
        match self.target {
            Target::Through(mut file) => file.write_all(contents).map_err(io),
            Target::Rename(mut file) => {
                file.write_all(contents).map_err(io)?;
                file.as_file().sync_all().map_err(io)?;
                file.persist(&path).map(drop).map_err(|error| io(error.error))
            }
        }
    }
}
