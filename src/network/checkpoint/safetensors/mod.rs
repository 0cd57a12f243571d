//! `.safetensors`: eight bytes that say how long the header is, the header in JSON, the numbers.

mod header;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype as Kind;
use safetensors::tensor::TensorInfo;

use self::header::Header;
use super::fault::{Fault, one};
use super::numbers::{self, Order};
use super::{Checkpoint, Dtype, Entry};
use crate::error::Result;

/// The longest header that is read: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// An open `.safetensors` file.
#[derive(Debug)]
pub struct Safetensors<R = File> {
    reader: R,
    path: PathBuf,
    entries: Vec<Entry>,
    places: Vec<Place>,
}

/// Where the numbers of a tensor begin in the file, and how many they are.
#[derive(Clone, Copy, Debug)]
struct Place {
    start: u64,
    count: usize,
}

impl<R: Read + Seek> Safetensors<R> {
    /// Reads the header. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) for a header that is too long or is none, that
    /// names a tensor twice, whose shapes are not of as many bytes as it says, or whose tensors do not
    /// lie one behind the other up to the end of the file; [`Error::Io`](crate::Error::Io).
    pub fn new(mut reader: R, path: &Path) -> Result<Self> {
        let tensors = tensors(&mut reader).map_err(|fault| fault.of(path))?;
        let (entries, places) = tensors.into_iter().unzip();
        Ok(Self { reader, path: path.to_owned(), entries, places })
    }
}

fn tensors<R: Read + Seek>(reader: &mut R) -> Result<Vec<(Entry, Place)>, Fault> {
    let length = reader.seek(SeekFrom::End(0))?;
    reader.rewind()?;
    if length < 8 {
        return Err(Fault::why(format!("{length} bytes are too few for a .safetensors file")));
    }
    let mut eight = [0; 8];
    reader.read_exact(&mut eight)?;
    let (header, behind) = (u64::from_le_bytes(eight), length - 8);
    if header > LONGEST_HEADER || header > behind {
        let why = format!("its header would have {header} bytes, of the file's {length}");
        return Err(Fault::why(why));
    }
    // Below both the file's length and the limit.
    let mut text = vec![0; header as usize];
    reader.read_exact(&mut text)?;
    let tensor = |(name, info): (String, TensorInfo)| {
        let dtype = match info.dtype {
            Kind::F32 => Dtype::F32,
            Kind::F16 => Dtype::F16,
            Kind::BF16 => Dtype::BF16,
            other => Dtype::Other(format!("{other:?}").to_lowercase()),
        };
        // `Header::parse` has seen to it that both are inside the file.
        let start = 8 + header + info.data_offsets.0 as u64;
        let count = info.shape.iter().product();
        (Entry { name, shape: info.shape, dtype }, Place { start, count })
    };
    let tensors = Header::parse(&text, behind - header)?.tensors;
    Ok(tensors.into_iter().map(tensor).collect())
}

impl<R: Read + Seek> Checkpoint for Safetensors<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let fault = |fault: Fault| fault.of(&self.path);
        let entry = one(&self.entries, index).map_err(fault)?;
        let &Place { start, count } = one(&self.places, index).map_err(fault)?;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(start))?;
            numbers::read(&mut self.reader, count, &entry.dtype, Order::Little)
        };
        read().map_err(|fault| fault.about(&entry.name).of(&self.path))
    }
}
