//! Reads named tensors from `.safetensors`, `.npz` and PyTorch's `.pth` files.
//!
//! [`Checkpoint::entries`] lists the tensors of a checkpoint. [`Checkpoint::read`] then reads one of them as f32, so
//! at most one tensor is in memory twice. No code in a file is run. Every size in a file is compared with the file's
//! length before memory is allocated for it.
//!
//! ```no_run
//! use triform_checkpoint::Checkpoint;
//!
//! let mut file = Checkpoint::open("resnet18.pth".as_ref())?;
//! for index in 0..file.entries().len() {
//!     let numbers = file.read(index)?;
//!     println!("{}: {} numbers", file.entries()[index].name, numbers.len());
//! }
//! # Ok::<(), triform_checkpoint::Error>(())
//! ```
//!
//! [`Npy`] reads a single array, and [`write`](mod@write) makes `.safetensors`, `.npz` and `.npy` files.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod error;
mod npy;
mod numbers;
mod pickle;
mod pth;
mod safetensors;
mod zip;

pub mod write;

use std::fs::{self, File};
use std::io::{BufReader, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use self::error::Fault;
pub use self::error::{Error, Result};
pub use self::npy::Npy;
use self::numbers::Place;

/// What a file says about a tensor before its numbers are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, such as `layer1.0.conv2.weight`.
    pub name: String,
    /// Its shape; empty for a single number.
    pub shape: Vec<usize>,
    /// The kind of its numbers.
    pub dtype: Dtype,
}

/// The kinds of numbers that a file may store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats, which f32 holds exactly.
    F16,
    /// Floats with 8 bits of exponent and 7 of mantissa, which f32 holds exactly.
    BF16,
    /// Any other kind, with the format's name for it. Numbers of other kinds are not read.
    Other(String),
}

/// An open checkpoint.
#[derive(Debug)]
pub struct Checkpoint<R = BufReader<File>> {
    reader: R,
    path: PathBuf,
    entries: Vec<Entry>,
    places: Vec<Place>,
}

impl Checkpoint {
    /// Opens a file. The ending of its name gives the format: `.safetensors`, `.npz`, or (for what
    /// `torch.save` wrote) `.pth`, `.pt` or `.bin`.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`] for a directory or a pipe; [`Error::Checkpoint`] for any other ending, and for a file
    /// whose first bytes belong to another format; [`Error::Io`]; the errors of [`Checkpoint::new`].
    pub fn open(path: &Path) -> Result<Self> {
        let mut reader = open(path)?;
        let format = Format::of(path)?;
        let mut head = Vec::new();
        let read = reader.by_ref().take(16).read_to_end(&mut head);
        read.map_err(|error| Fault::from(error).of(path))?;
        if let Some(what) = format.contradicted(&head) {
            let why = format!("it is {what}; the ending of its name says otherwise");
            return Err(Fault::Why(why).of(path));
        }
        Self::new(reader, format, path)
    }
}

impl<R: Read + Seek> Checkpoint<R> {
    /// Finds the tensors in a file of this format. `path` is for messages only.
    ///
    /// # Errors
    ///
    /// [`Error::Io`]; [`Error::Checkpoint`] for a file that breaks its format:
    ///
    /// - its header, archive or pickle cannot be parsed;
    /// - a name occurs twice or is a path;
    /// - a tensor lies outside the file, overlaps another, or has a shape that does not fit its bytes;
    /// - a pickle asks for more than a state dict needs.
    pub fn new(mut reader: R, format: Format, path: &Path) -> Result<Self> {
        let tensors = match format {
            Format::Safetensors => safetensors::tensors,
            Format::Npz => npy::tensors,
            Format::Pth => pth::tensors,
        };
        let tensors = length(&mut reader).and_then(|length| tensors(&mut reader, length));
        let (entries, places) = tensors.map_err(|fault| fault.of(path))?.into_iter().unzip();
        Ok(Self { reader, path: path.to_owned(), entries, places })
    }

    /// All tensors, in the order of the file.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The path that the checkpoint was opened with.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Reads the numbers of a tensor in row-major order. `index` is its index in [`Checkpoint::entries`].
    ///
    /// Errors: [`Error::Checkpoint`] for an index that is too large, for [`Dtype::Other`], for a wrong
    /// checksum, or for lack of memory; [`Error::Io`].
    pub fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let (Some(entry), Some(place)) = (self.entries.get(index), self.places.get(index)) else {
            let why = format!("there is no tensor {index}; there are {}", self.entries.len());
            return Err(Fault::Why(why).of(&self.path));
        };
        let numbers = place.read(&mut self.reader, &entry.shape, &entry.dtype);
        numbers.map_err(|fault| fault.about(&entry.name).of(&self.path))
    }
}

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

/// The endings of file names and their formats. Hugging Face uses `.bin` for what `torch.save` wrote.
const ENDINGS: [(&str, Format); 5] = [
    ("safetensors", Format::Safetensors),
    ("npz", Format::Npz),
    ("pth", Format::Pth),
    ("pt", Format::Pth),
    ("bin", Format::Pth),
];

impl Format {
    /// The format that belongs to the ending of a file's name. Upper and lower case mean the same.
    ///
    /// Errors: [`Error::Checkpoint`] for any other ending.
    pub fn of(path: &Path) -> Result<Self> {
        // PyTorch's examples write `.pth.tar`, though the file is not a tar archive.
        let path_before = path.with_extension("");
        let tar = path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("tar"));
        let ending = if tar { &path_before } else { path }.extension().unwrap_or_default();
        let found = ENDINGS.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
        found.map(|&(_, format)| format).ok_or_else(|| {
            let known = ENDINGS.map(|(known, _)| format!(".{known}")).join(", ");
            let why = format!("its name must end in one of {known}");
            Error::Checkpoint { path: path.to_owned(), why }
        })
    }

    /// What the file is, if its first 16 bytes show that it has another format than `self`.
    fn contradicted(self, head: &[u8]) -> Option<&'static str> {
        // A .safetensors file begins with a length, whose bytes may look like anything: 19280 is `PK`.
        let (formats, what): (&[Self], _) = if let [_, _, _, _, 0, 0, 0, 0, b'{', ..] = head {
            (&[Self::Safetensors], "a .safetensors file")
        } else if head.starts_with(b"PK") {
            (&[Self::Npz, Self::Pth], "a zip archive, as .npz and .pth files are")
        } else if head.starts_with(&pth::MAGIC) {
            (&[Self::Pth], "a .pth file of torch.save")
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

/// Opens a regular file. A pipe is refused, because opening it would block until another program writes to it.
fn open(path: &Path) -> Result<BufReader<File>> {
    let io = |source| Error::Io { path: path.to_owned(), source };
    let metadata = fs::metadata(path).map_err(io)?;
    if !metadata.is_file() {
        let found = if metadata.is_dir() { "a directory" } else { "a pipe or a device" };
        return Err(Error::NotAFile { path: path.to_owned(), found });
    }
    File::open(path).map(BufReader::new).map_err(io)
}

/// The length of a file in bytes. Leaves the reader at the start.
fn length(reader: &mut impl Seek) -> Result<u64, Fault> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    Ok(length)
}
