//! The numbers of a tensor: where they lie in a file, and from bytes to f32.

use std::io::{self, Read, Seek, SeekFrom};

use half::{bf16, f16};

use crate::Dtype;
use crate::error::Fault;
use crate::zip::Member;

/// Bytes that are read at once; a multiple of every number's width.
const CHUNK: usize = 1 << 16;

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
    /// In a member of a zip archive, after so many bytes of a header.
    In(Member, u64),
}

/// Where the numbers of a tensor are, and how they lie there.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) start: Start,
    pub(crate) order: Order,
    /// Along each axis, how many numbers further the next one is.
    pub(crate) strides: Vec<usize>,
    /// Numbers from the first to the last, both included.
    pub(crate) span: usize,
}

impl Place {
    /// Reads the numbers, row-major. The caller has compared the span with the file's length.
    ///
    /// # Errors
    ///
    /// Numbers that are not read; no memory; a file that is shorter than it was, or a wrong checksum.
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
        if numbers.is_empty() || self.is_contiguous(shape) {
            return Ok(numbers);
        }
        self.gather(&numbers, shape)
    }

    /// The numbers in row-major order, without those between them.
    fn gather(&self, numbers: &[f32], shape: &[usize]) -> Result<Vec<f32>, Fault> {
        let count = shape.iter().product();
        let mut gathered = room(count)?;
        let mut index = vec![0; shape.len()];
        let mut place = 0;
        for _ in 0..count {
            let number = numbers.get(place).ok_or_else(|| Fault::why("it leaves its storage"))?;
            gathered.push(*number);
            // The next index: the last axis first; at its end it restarts, and the axis before it steps.
            for ((i, &size), &stride) in index.iter_mut().zip(shape).zip(&self.strides).rev() {
                if *i + 1 < size {
                    *i += 1;
                    place += stride;
                    break;
                }
                place -= *i * stride;
                *i = 0;
            }
        }
        Ok(gathered)
    }

    /// Whether the numbers lie in row-major order, without gaps.
    fn is_contiguous(&self, shape: &[usize]) -> bool {
        let mut axes = shape.iter().zip(&self.strides).zip(row_major(shape));
        axes.all(|((&size, &stride), expected)| size <= 1 || stride == expected)
    }
}

/// The strides of a row-major tensor. One with no numbers may have any other sizes.
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

/// Room for so many numbers.
fn room(count: usize) -> Result<Vec<f32>, Fault> {
    let mut numbers = Vec::new();
    match numbers.try_reserve_exact(count) {
        Ok(()) => Ok(numbers),
        Err(_) => Err(Fault::why(format!("no memory for {count} numbers"))),
    }
}

/// Reads so many numbers, each exactly.
///
/// # Errors
///
/// Numbers that are not read; no memory; a file that ends too early.
fn read(
    mut reader: impl Read,
    count: usize,
    dtype: &Dtype,
    order: Order,
) -> Result<Vec<f32>, Fault> {
    let width = match dtype {
        Dtype::F32 => 4,
        Dtype::F16 | Dtype::BF16 => 2,
        Dtype::Other(other) => {
            let why = format!("its numbers are {other}; float32, float16 and bfloat16 are read");
            return Err(Fault::why(why));
        }
    };
    let mut numbers = room(count)?;
    let mut chunk = vec![0; CHUNK.min(count.saturating_mul(width))];
    while numbers.len() < count {
        let now = (count - numbers.len()).min(CHUNK / width);
        let (bytes, _) = chunk.split_at_mut(now * width);
        reader.read_exact(bytes)?;
        if order == Order::Big {
            bytes.chunks_exact_mut(width).for_each(<[u8]>::reverse);
        }
        append(bytes, dtype, &mut numbers);
    }
    Ok(numbers)
}

/// Little-endian bytes to numbers.
fn append(bytes: &[u8], dtype: &Dtype, to: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => to.extend(bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
        Dtype::F16 => {
            to.extend(bytes.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::BF16 => {
            to.extend(bytes.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::Other(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{CHUNK, Dtype, Order, column_major, read, row_major};

    #[test]
    fn strides_of_both_orders() {
        let shape = [2, 3, 4];
        assert_eq!(row_major(&shape), [12, 4, 1]);
        assert_eq!(column_major(shape.iter()), [1, 2, 6]);
        assert_eq!(row_major(&[]), [0; 0]);
        assert_eq!(row_major(&[0, usize::MAX, 3]), [usize::MAX, 3, 1]);
    }

    #[test]
    fn numbers_are_read_exactly() {
        let bits = |numbers: &[f32]| numbers.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        let numbers = [1.5f32, -0.0, 1e-40];
        let little: Vec<u8> = numbers.iter().flat_map(|x| x.to_le_bytes()).collect();
        let big: Vec<u8> = numbers.iter().flat_map(|x| x.to_be_bytes()).collect();
        for (raw, order) in [(little, Order::Little), (big, Order::Big)] {
            let read = read(&raw[..], 3, &Dtype::F32, order).unwrap();
            assert_eq!(bits(&read), bits(&numbers));
        }
        // 1, the smallest subnormal, -2 of f16; 1, 2^-126, -3.140625 of bf16.
        let halves = [0x00, 0x3C, 0x01, 0x00, 0x00, 0xC0];
        let halves = read(&halves[..], 3, &Dtype::F16, Order::Little).unwrap();
        assert_eq!(halves, [1.0, 2f32.powi(-24), -2.0]);
        let brains = [0x3F, 0x80, 0x00, 0x80, 0xC0, 0x49];
        let brains = read(&brains[..], 3, &Dtype::BF16, Order::Big).unwrap();
        assert_eq!(brains, [1.0, 2f32.powi(-126), -3.140_625]);
    }

    #[test]
    fn more_than_a_chunk_is_read_and_no_more_than_asked_for() {
        let count = CHUNK / 4 + 5;
        let raw: Vec<u8> = (0..=count).flat_map(|i| (i as f32).to_le_bytes()).collect();
        let numbers = read(&raw[..], count, &Dtype::F32, Order::Little).unwrap();
        assert!(numbers.iter().enumerate().all(|(i, number)| *number == i as f32));
        assert_eq!(numbers.len(), count);
        assert!(read(&raw[..], count + 2, &Dtype::F32, Order::Little).is_err());
    }
}
