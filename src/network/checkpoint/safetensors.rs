//! `.safetensors`: eight bytes that say how long the header is, the header in JSON, the numbers. The
//! header is read and checked by the crate of the format's authors.

use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype as Kind, Metadata};

use super::numbers;
use super::{Checkpoint, Dtype, Entry};
use crate::error::{Error, Result};

/// The longest header that is read: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// An open `.safetensors` file.
pub struct Safetensors<R> {
    path: PathBuf,
    file: R,
    entries: Vec<Entry>,
    /// Where the numbers of each begin in the file, and how many bytes they are.
    places: Vec<(u64, usize)>,
}

impl<R: Read + Seek> Safetensors<R> {
    /// Reads the header. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`] for a header that is too long, is not one, or does not cover the file;
    /// [`Error::Io`].
    pub fn open(mut file: R, path: &Path) -> Result<Self> {
        let io = |source| Error::Io { action: "read", path: path.to_owned(), source };
        let wrong = |why: String| Error::Checkpoint { path: path.to_owned(), why };
        let length = file.seek(SeekFrom::End(0)).map_err(io)?;
        file.rewind().map_err(io)?;
        let mut eight = [0; 8];
        if length < 8 {
            return Err(wrong(format!("{length} bytes are too few for a .safetensors file")));
        }
        file.read_exact(&mut eight).map_err(io)?;
        let header = u64::from_le_bytes(eight);
        if header > LONGEST_HEADER || header > length - 8 {
            let why = format!("its header would have {header} bytes, of the file's {length}");
            return Err(wrong(why));
        }
        // Below both the file's length and the limit.
        let mut text = vec![0; header as usize];
        file.read_exact(&mut text).map_err(io)?;
        let metadata: Metadata = serde_json::from_slice(&text)
            .map_err(|error| wrong(format!("its header is not one: {error}")))?;
        let (begin, held) = (8 + header, metadata.data_len() as u64);
        if begin.checked_add(held) != Some(length) {
            let found = length - begin;
            let why =
                format!("its header speaks of {held} bytes of numbers, but {found} are there");
            return Err(wrong(why));
        }
        let (mut entries, mut places) = (Vec::new(), Vec::new());
        for name in metadata.offset_keys() {
            let missing = || wrong(format!("{name} is not in its header"));
            let info = metadata.info(&name).ok_or_else(missing)?;
            let (from, to) = info.data_offsets;
            places.push((begin + from as u64, to - from));
            let dtype = match info.dtype {
                Kind::F32 => Dtype::F32,
                Kind::F16 => Dtype::F16,
                Kind::BF16 => Dtype::BF16,
                other => Dtype::Other(format!("{other:?}").to_lowercase()),
            };
            entries.push(Entry { name, shape: info.shape.clone(), dtype });
        }
        Ok(Self { path: path.to_owned(), file, entries, places })
    }
}

impl<R: Read + Seek> Checkpoint for Safetensors<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let io = |source| Error::Io { action: "read", path: self.path.clone(), source };
        let (Some(entry), Some(&(place, bytes))) =
            (self.entries.get(index), self.places.get(index))
        else {
            let why = format!("it has no tensor {index}");
            return Err(Error::Checkpoint { path: self.path.clone(), why });
        };
        numbers::is_float(entry, &self.path)?;
        self.file.seek(SeekFrom::Start(place)).map_err(io)?;
        // The header was checked against the file's length.
        let mut raw = vec![0; bytes];
        self.file.read_exact(&mut raw).map_err(io)?;
        Ok(numbers::to_f32(&raw, &entry.dtype))
    }
}
