//! `.npz`: a zip archive of `.npy` files, each a header and the numbers (numpy's
//! `numpy/lib/_npyio_impl.py`, `savez`).
//!
//! Members may be deflated (`savez_compressed`). What inflates to more than its header's shape takes is
//! refused at the first byte too many.

mod header;

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use ndarray::{Array, IxDyn, ShapeBuilder};

use self::header::Header;
use super::fault::{Fault, one};
use super::numbers;
use super::zip::{self, Member, wrong};
use super::{Checkpoint, Entry};
use crate::error::Result;

/// An open `.npz` file.
#[derive(Debug)]
pub struct Npz<R = File> {
    reader: R,
    path: PathBuf,
    entries: Vec<Entry>,
    tensors: Vec<Tensor>,
}

/// Where a tensor is, and how its numbers lie.
#[derive(Debug)]
struct Tensor {
    member: Member,
    header: Header,
    /// How many numbers it has.
    count: usize,
}

impl<R: Read + Seek> Npz<R> {
    /// Reads the directory, and of each member the header. `path` is for messages.
    ///
    /// # Errors
    ///
    /// [`Error::Io`](crate::Error::Io); [`Error::Checkpoint`](crate::Error::Checkpoint) for an archive
    /// that is none, or that has a member that is encrypted, there twice, outside the file, over
    /// another, larger than it can be, with a path for a name; for a member that is no `.npy` file, or
    /// of another length than its shape's.
    pub fn new(mut reader: R, path: &Path) -> Result<Self> {
        let tensors = tensors(&mut reader).map_err(|fault| fault.of(path))?;
        let (entries, tensors) = tensors.into_iter().unzip();
        Ok(Self { reader, path: path.to_owned(), entries, tensors })
    }
}

fn tensors<R: Read + Seek>(reader: &mut R) -> Result<Vec<(Entry, Tensor)>, Fault> {
    let length = reader.seek(SeekFrom::End(0))?;
    let members = zip::members(reader, length)?;
    let tensor = |member: Member| match member.name.strip_suffix(".npy").map(str::to_owned) {
        Some(name) => {
            let tensor = Tensor::new(member, reader).map_err(|fault| fault.about(&name))?;
            let (shape, dtype) = (tensor.header.shape.clone(), tensor.header.dtype.clone());
            Ok((Entry { name, shape, dtype }, tensor))
        }
        None => Err(wrong(&member.name, "is no .npy file; numpy did not write this")),
    };
    members.into_iter().map(tensor).collect()
}

impl Tensor {
    /// Reads the header, and holds the member's length against it.
    fn new<R: Read + Seek>(member: Member, reader: &mut R) -> Result<Self, Fault> {
        let header = Header::read(&mut member.open(reader)?)?;
        let shape = &header.shape;
        let count = shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
        let Some(count) = (if shape.contains(&0) { Some(0) } else { count }) else {
            return Err(Fault::why(format!(
                "shape {shape:?} has more numbers than can be counted"
            )));
        };
        let held = member.size.saturating_sub(header.length);
        // Objects and texts have no width; they are not read.
        if let Some(width) = header.width
            && (count as u64).checked_mul(width) != Some(held)
        {
            let why = format!("shape {shape:?} of {width} bytes each, and {held} bytes are there");
            return Err(Fault::why(why));
        }
        Ok(Self { member, header, count })
    }

    /// Its numbers, row-major.
    fn read<R: Read + Seek>(&self, reader: &mut R) -> Result<Vec<f32>, Fault> {
        let mut bytes = self.member.open(reader)?;
        let Header { shape, dtype, order, .. } = Header::read(&mut bytes)?;
        let numbers = numbers::read(&mut bytes, self.count, &dtype, order)?;
        self.member.close(bytes)?;
        if numbers.is_empty() || !self.header.columns_first {
            return Ok(numbers);
        }
        let array = Array::from_shape_vec(IxDyn(&shape).f(), numbers);
        let array = array.map_err(|error| Fault::why(format!("shape {shape:?}: {error}")))?;
        Ok(array.iter().copied().collect())
    }
}

impl<R: Read + Seek> Checkpoint for Npz<R> {
    fn entries(&self) -> &[Entry] {
        &self.entries
    }

    fn read(&mut self, index: usize) -> Result<Vec<f32>> {
        let fault = |fault: Fault| fault.of(&self.path);
        let entry = one(&self.entries, index).map_err(fault)?;
        let tensor = one(&self.tensors, index).map_err(fault)?;
        let read = tensor.read(&mut self.reader);
        read.map_err(|fault| fault.about(&entry.name).of(&self.path))
    }
}
