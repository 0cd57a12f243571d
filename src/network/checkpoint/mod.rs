//! Checkpoints: tensors by the names of PyTorch's state dict, in a file.
//!
//! A reader first tells what is in the file ([`Checkpoint::entries`]), so that all that is missing,
//! surplus or of another shape can be named at once; then tensors are read one by one, so that no more
//! than one of them is in memory twice.

mod fault;
mod format;
mod numbers;
mod zip;

pub mod npy;
pub mod npz;
pub mod pth;
pub mod safetensors;

use std::io::{BufReader, Read, Seek};
use std::path::Path;

use self::format::Format;
use self::npz::Npz;
use self::pth::Pth;
use self::safetensors::Safetensors;
use super::file;
use crate::error::{Error, Result};

/// What a file says of a tensor before its numbers are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, such as `layer1.0.conv2.weight`.
    pub name: String,
    /// Its shape; none of a number.
    pub shape: Vec<usize>,
    /// The kind of its numbers.
    pub dtype: Dtype,
}

/// The kinds of numbers that a checkpoint may store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats, which f32 holds exactly.
    F16,
    /// Floats of 8 bits of exponent and 7 of mantissa, which f32 holds exactly.
    BF16,
    /// Any other, by its name: it is not read as weights.
    Other(String),
}

/// An open checkpoint.
pub trait Checkpoint {
    /// All tensors, in the order of the file.
    fn entries(&self) -> &[Entry];

    /// The numbers of the tensor of this index, row-major, as f32.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a kind of number that f32 does not hold, or a file that does not hold
    /// what it says; [`Error::Io`].
    fn read(&mut self, index: usize) -> Result<Vec<f32>>;
}

/// Opens a checkpoint; its format is that of its name's ending, `.safetensors`, `.npz`, or `.pth`, `.pt`
/// and `.bin` for what `torch.save` wrote.
///
/// # Errors
///
/// [`Error::NotAFile`] for a directory or a pipe; [`Error::Io`]; [`Error::Checkpoint`] for another
/// ending, for a file that is of another format than its ending says, and those of [`Safetensors::new`],
/// [`Npz::new`] and [`Pth::new`].
pub fn open(path: &Path) -> Result<Box<dyn Checkpoint>> {
    let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
    let mut reader = BufReader::new(file::open(path)?);
    let format = Format::of(path)?;
    let mut head = Vec::new();
    reader.by_ref().take(16).read_to_end(&mut head).map_err(io)?;
    reader.rewind().map_err(io)?;
    if let Some(what) = format.contradicted(&head) {
        let why = format!("its name does not end as it should: it is {what}");
        return Err(Error::Checkpoint { path: path.to_owned(), why });
    }
    Ok(match format {
        Format::Safetensors => Box::new(Safetensors::new(reader, path)?),
        Format::Npz => Box::new(Npz::new(reader, path)?),
        Format::Pth => Box::new(Pth::new(reader, path)?),
    })
}
