//! `.npz`: a zip archive of `.npy` files, each a header and the numbers (numpy's
//! `numpy/lib/_npyio_impl.py`, `savez`).
//!
//! Members may be deflated (`savez_compressed`). What inflates to more than its header's shape takes is
//! refused at the first byte too many.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::fault::{Fault, one};
use super::npy::Header;
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
        let count = header.count(member.size)?;
        Ok(Self { member, header, count })
    }

    /// Its numbers, row-major.
    fn read<R: Read + Seek>(&self, reader: &mut R) -> Result<Vec<f32>, Fault> {
        let mut bytes = self.member.open(reader)?;
        let numbers = Header::read(&mut bytes)?.numbers(&mut bytes, self.count)?;
        self.member.close(bytes)?;
        Ok(numbers)
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
