//! The formats of checkpoints, recognised by the ending of a file's name and by its first bytes.

use std::path::Path;

use crate::error::{Error, Result};
use crate::pth;

/// A format of checkpoints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `.safetensors`: a header in JSON, then the numbers.
    Safetensors,
    /// `.npz`: a zip archive of `.npy` arrays, by numpy.
    Npz,
    /// What `torch.save` wrote, in its zip archive or its older format.
    Pth,
}

/// Endings, without case. Hugging Face names what `torch.save` wrote `.bin`.
const ENDINGS: [(&str, Format); 5] = [
    ("safetensors", Format::Safetensors),
    ("npz", Format::Npz),
    ("pth", Format::Pth),
    ("pt", Format::Pth),
    ("bin", Format::Pth),
];

impl Format {
    /// The format by the ending of a file's name, without case.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for any other ending.
    pub fn of(path: &Path) -> Result<Self> {
        // PyTorch's examples write `.pth.tar`, which is no tar archive.
        let path_before = path.with_extension("");
        let tar = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tar"));
        let ending = if tar { &path_before } else { path }.extension().unwrap_or_default();
        let found = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
        found.map(|&(_, format)| format).ok_or_else(|| {
            let known = ENDINGS.map(|(known, _)| format!(".{known}")).join(", ");
            let why = format!("its name ends in none of {known}");
            Error::Checkpoint { path: path.to_owned(), why }
        })
    }

    /// What the first 16 bytes say that a file is, if they belong to another format.
    pub(crate) fn contradicted(self, head: &[u8]) -> Option<&'static str> {
        // A length comes first: its bytes may be anything, such as 19280, which is `PK`.
        let (formats, what): (&[Self], _) = if let [_, _, _, _, 0, 0, 0, 0, b'{', ..] = head {
            (&[Self::Safetensors], "a .safetensors file")
        } else if head.starts_with(b"PK") {
            (&[Self::Npz, Self::Pth], "a zip archive, as .npz and .pth files are")
        } else if head.starts_with(&pth::MAGIC) {
            (&[Self::Pth], "what torch.save wrote, a .pth file")
        } else if head.starts_with(b"\x93NUMPY") {
            (&[], "a single array, a .npy file")
        } else if head.starts_with(b"\x89HDF") {
            (&[], "an HDF5 file")
        } else {
            return None;
        };
        (!formats.contains(&self)).then_some(what)
    }
}

#[cfg(test)]
mod tests {
    use super::Format;

    #[test]
    fn a_length_that_looks_like_a_zip_archive_is_a_length() {
        let head = [&19280u64.to_le_bytes()[..], b"{\"a\":"].concat();
        assert!(head.starts_with(b"PK"));
        assert_eq!(Format::Safetensors.contradicted(&head), None);
        assert!(Format::Npz.contradicted(&head).is_some());
    }
}
