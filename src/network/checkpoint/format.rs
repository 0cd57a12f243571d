//! The formats of checkpoints: by the ending of a file's name, and by its first bytes.

use std::path::Path;

use super::pth;
use crate::error::{Error, Result};

/// A format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Safetensors,
    Npz,
    Pth,
}

/// Endings, without case. Hugging Face gives `.bin` to what `torch.save` wrote.
const ENDINGS: [(&str, Format); 5] = [
    ("safetensors", Format::Safetensors),
    ("npz", Format::Npz),
    ("pth", Format::Pth),
    ("pt", Format::Pth),
    ("bin", Format::Pth),
];

impl Format {
    /// The format that the ending of a name stands for.
    pub(super) fn of(path: &Path) -> Result<Self> {
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

    /// What the first 16 bytes of a file say that it is, where they are not of this format.
    pub(super) fn contradicted(self, head: &[u8]) -> Option<&'static str> {
        // First what begins with a length, for that may be anything, such as 19280, which is `PK`.
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
