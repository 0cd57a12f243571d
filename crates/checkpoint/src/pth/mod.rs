//! PyTorch's own checkpoints, `.pth`, read without running what is in them.
//!
//! `torch.save` writes a pickle, which is a program, and beside it the numbers. There are two formats:
//! a zip archive, since PyTorch 1.6, and an older one of pickles one after another. Both are written
//! down nowhere but in PyTorch's `torch/serialization.py` (`_save`, `_legacy_save`), and pickles in
//! Python's `Lib/pickletools.py`. Here a pickle can build plain values and describe tensors; every name
//! outside a short list is refused (`value::Global`), so a file can run nothing.
//!
//! A state dict is the file's dict, or what it has under `state_dict` or `model`.
//!
//! All that a file says is compared with its length before memory is set aside for it. The checksums of
//! an archive are not checked: PyTorch does not check them either, and can be told to write none.

mod archive;
mod bytes;
mod legacy;
mod pickle;
mod state;
mod value;

use std::io::{Read, Seek};

use crate::Entry;
use crate::error::Fault;
use crate::numbers::Place;

pub(crate) use self::legacy::MAGIC;

/// Where the bytes of a storage are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    length: u64,
}

/// The tensors of what `torch.save` wrote, in the newer or the older format.
///
/// # Errors
///
/// A file of another format, of a big-endian machine, or that breaks its format; a pickle that asks for
/// more than a state dict needs; a state dict that holds something else than tensors.
pub(crate) fn tensors<R: Read + Seek>(reader: &mut R) -> Result<Vec<(Entry, Place)>, Fault> {
    let length = crate::length(reader)?;
    let mut head = Vec::with_capacity(MAGIC.len());
    reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
    let (values, root, extents) = if head.starts_with(b"PK") {
        archive::read(reader, length)?
    } else if head == MAGIC {
        legacy::read(reader, length)?
    } else {
        return Err(Fault::why(
            "it is of neither format of torch.save, the zip archive and the older one",
        ));
    };
    state::tensors(&values, root, &extents)
}
