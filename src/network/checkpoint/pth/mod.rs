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
//! All that a file says is held against its length before anything is set aside for it. The checksums
//! of an archive are not checked: PyTorch does not either, and can be told to write none.

mod archive;
mod bytes;
mod legacy;
mod pickle;
mod state;
mod value;
mod view;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::fault::{Fault, one};
use super::{Checkpoint, Entry};
use crate::error::Result;

pub(super) use self::legacy::MAGIC;

/// Where the bytes of a storage are in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Extent {
    start: u64,
    length: u64,
}

/// An open checkpoint of PyTorch's.
#[derive(Debug)]
pub struct Pth<R = File> {
    reader: R,
    path: PathBuf,
    entries: Vec<Entry>,
    tensors: Vec<view::Tensor>,
}

impl<R: Read + Seek> Pth<R> {
    /// Reads what `torch.save` wrote, in the newer or the older format. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io); [`Error::Checkpoint`](crate::Error::Checkpoint) for a file of
    /// another format, of a big-endian machine, or that does not hold what it says, for a pickle that
    /// asks for more than a state dict needs, and for a state dict with something else than tensors in
    /// it.
    pub fn new(mut reader: R, path: &Path) -> Result<Self> {
        let tensors = tensors(&mut reader).map_err(|fault| fault.of(path))?;
        let entries = tensors.iter().map(view::Tensor::entry).collect();
        Ok(Self { reader, path: path.to_owned(), entries, tensors })
    }
}

fn tensors<R: Read + Seek>(reader: &mut R) -> Result<Vec<view::Tensor>, Fault> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.seek(SeekFrom::Start(0))?;
    let mut head = Vec::with_capacity(MAGIC.len());
    reader.by_ref().take(MAGIC.len() as u64).read_to_end(&mut head)?;
    let (values, root, extents) = if head.starts_with(b"PK") {
        archive::read(reader, length)?
    } else if head == MAGIC {
        legacy::read(reader, length)?
    } else {
        return Err(Fault::why(
            "it is of neither format of torch.save, the zip archive and the older one".to_owned(),
        ));
    };
    state::tensors(&values, root)?
        .into_iter()
        .map(|(name, view)| view::Tensor::new(name, view, &values, &extents))
        .collect()
}

impl<R: Read + Seek> Checkpoint for Pth<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let read = one(&self.tensors, index).and_then(|tensor| tensor.read(&mut self.reader));
        read.map_err(|fault| fault.of(&self.path))
    }
}
