//! `.safetensors`: eight bytes that say how long the header is, the header in JSON, the numbers.

mod header;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::Dtype as Kind;

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
    /// Where the numbers of each begin in the file, and how many they are.
    places: Vec<(u64, usize)>,
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
        let (entries, places) = tensors(&mut reader).map_err(|fault| fault.of(path))?;
        Ok(Self { reader, path: path.to_owned(), entries, places })
    }
}

fn tensors<R: Read + Seek>(reader: &mut R) -> Result<(Vec<Entry>, Vec<(u64, usize)>), Fault> {
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
    let (mut entries, mut places) = (Vec::new(), Vec::new());
    for (name, info) in Header::parse(&text, behind - header)?.tensors {
        let dtype = match info.dtype {
            Kind::F32 => Dtype::F32,
            Kind::F16 => Dtype::F16,
            Kind::BF16 => Dtype::BF16,
            other => Dtype::Other(format!("{other:?}").to_lowercase()),
        };
        // The header has seen to it that both are inside the file.
        let place = 8 + header + info.data_offsets.0 as u64;
        places.push((place, info.shape.iter().product()));
        entries.push(Entry { name, shape: info.shape, dtype });
    }
    Ok((entries, places))
}

impl<R: Read + Seek> Checkpoint for Safetensors<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let fault = |fault: Fault| fault.of(&self.path);
        let entry = one(&self.entries, index).map_err(fault)?;
        let &(place, count) = one(&self.places, index).map_err(fault)?;
        let mut read = || {
            self.reader.seek(SeekFrom::Start(place))?;
            numbers::read(&mut self.reader, count, &entry.dtype, Order::Little)
        };
        read().map_err(|fault| fault.about(&entry.name).of(&self.path))
    }
}
