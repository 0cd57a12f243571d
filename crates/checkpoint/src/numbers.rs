//! The numbers of a tensor: where they are in a file, and how their bytes become f32.

use std::io::{self, Read, Seek, SeekFrom};

use half::{bf16, f16};

use crate::error::{Fault, bail};
use crate::zip::Member;
use crate::{Dtype, Entry};

/// How many numbers are read at once.
const CHUNK: usize = 1 << 13;

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    Little,
    Big,
}

/// Where the numbers of a tensor begin.
#[derive(Debug)]
pub(crate) enum Start {
    /// At this byte of the file.
    At(u64),
    /// In a member of a zip archive, after a header of this number of bytes.
    In(Member, u64),
}

/// The contents of a file: each tensor, and where its numbers are.
pub(crate) type Tensors = Vec<(Entry, Place)>;

/// Where the numbers of a tensor are, and how they are laid out.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) start: Start,
    pub(crate) order: Order,
    /// For each axis, the distance between two neighbouring elements, counted in elements.
    pub(crate) strides: Vec<usize>,
    /// The number of elements that the file holds from the tensor's first element to its last, both included.
    pub(crate) span: usize,
}

impl Place {
    /// Reads the numbers in row-major order. The caller has checked the span against the file's length.
    pub(crate) fn read<R: Read + Seek>(
        &self,
        reader: &mut R,
        shape: &[usize],
        dtype: &Dtype,
    ) -> Result<Vec<f32>, Fault> {
        let numbers = match &self.start {
            Start::At(start) => {
                reader.seek(SeekFrom::Start(*start))?;
                read(reader, self.span, dtype, self.order)?
            }
            Start::In(member, header) => {
                let mut bytes = member.open(reader)?;
                io::copy(&mut bytes.by_ref().take(*header), &mut io::sink())?;
                let numbers = read(&mut bytes, self.span, dtype, self.order)?;
                member.close(bytes)?;
                numbers
            }
        };
        let mut axes = shape.iter().zip(&self.strides).zip(row_major(shape));
        let in_order = axes.all(|((&size, &stride), other)| size <= 1 || stride == other);
        if numbers.is_empty() || in_order {
            return Ok(numbers);
        }
        // Gathers the numbers in row-major order and drops those in between.
        let count = shape.iter().product();
        let mut gathered = room(count)?;
        for mut index in 0..count {
            let mut place = 0;
            for (&size, &stride) in shape.iter().zip(&self.strides).rev() {
                place += index % size * stride;
                index /= size;
            }
            gathered.push(*numbers.get(place).ok_or_else(|| Fault::why("it exceeds its storage"))?);
        }
        Ok(gathered)
    }
}

/// The strides of a row-major tensor. If one size is 0, the other sizes may be arbitrarily large.
pub(crate) fn row_major(shape: &[usize]) -> Vec<usize> {
    let mut strides = column_major(shape.iter().rev());
    strides.reverse();
    strides
}

/// The strides of a tensor whose first axis varies fastest, as in Fortran.
pub(crate) fn column_major<'a>(shape: impl Iterator<Item = &'a usize>) -> Vec<usize> {
    let next = |step: &mut usize, &size: &usize| {
        let stride = *step;
        *step = step.saturating_mul(size);
        Some(stride)
    };
    shape.scan(1, next).collect()
}

/// How many numbers a tensor has, or `None` if that does not fit in a `usize`. If one size is 0, the other sizes may
/// be arbitrarily large.
pub(crate) fn count(shape: &[usize]) -> Option<usize> {
    let none = shape.contains(&0).then_some(0);
    none.or_else(|| shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size)))
}

/// Memory for `count` numbers.
fn room(count: usize) -> Result<Vec<f32>, Fault> {
    let mut numbers = Vec::new();
    match numbers.try_reserve_exact(count) {
        Ok(()) => Ok(numbers),
        Err(_) => bail!("no memory for {count} numbers"),
    }
}

/// Reads `count` numbers, and rounds none of them.
fn read(reader: impl Read, count: usize, dtype: &Dtype, order: Order) -> Result<Vec<f32>, Fault> {
    match dtype {
        Dtype::F32 => each(reader, count, order, f32::from_le_bytes),
        Dtype::F16 => each(reader, count, order, |bytes| f16::from_le_bytes(bytes).to_f32()),
        Dtype::BF16 => each(reader, count, order, |bytes| bf16::from_le_bytes(bytes).to_f32()),
        Dtype::Other(other) => {
            bail!("its numbers are {other}; only float32, float16 and bfloat16 are read")
        }
    }
}

/// Reads `count` numbers of `N` bytes each.
fn each<const N: usize>(
    mut reader: impl Read,
    count: usize,
    order: Order,
    number: impl Fn([u8; N]) -> f32,
) -> Result<Vec<f32>, Fault> {
    let mut numbers = room(count)?;
    let mut chunk = [[0; N]; CHUNK];
    while numbers.len() < count {
        let (chunk, _) = chunk.split_at_mut(CHUNK.min(count - numbers.len()));
        reader.read_exact(chunk.as_flattened_mut())?;
        if order == Order::Big {
            chunk.iter_mut().for_each(|bytes| bytes.reverse());
        }
        numbers.extend(chunk.iter().map(|bytes| number(*bytes)));
    }
    Ok(numbers)
}

/// The little-endian integer in these bytes, at most 8.
pub(crate) fn integer(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte))
}

/// The bytes at this place of a file.
pub(crate) fn read_at<const N: usize>(
    reader: &mut (impl Read + Seek),
    at: u64,
) -> Result<[u8; N], Fault> {
    let mut bytes = [0; N];
    reader.seek(SeekFrom::Start(at))?;
    reader.read_exact(&mut bytes)?;
    Ok(bytes)
}
