//! The numbers of a tensor, from bytes to f32.

use std::io::Read;

use half::{bf16, f16};

use super::Dtype;
use super::fault::Fault;

/// Bytes that are read at once; a multiple of every number's.
const CHUNK: usize = 1 << 16;

/// Which byte of a number comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Little,
    Big,
}

/// Room for so many numbers.
pub(super) fn room(count: usize) -> Result<Vec<f32>, Fault> {
    let mut numbers = Vec::new();
    match numbers.try_reserve_exact(count) {
        Ok(()) => Ok(numbers),
        Err(_) => Err(Fault::why(format!("no memory for {count} numbers"))),
    }
}

/// Reads so many numbers, each exactly. Whoever calls knows that the file may well hold as many.
///
/// # Errors
///
/// Numbers that f32 does not hold; memory; a file that ends too early.
pub(super) fn read(
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
    use super::{CHUNK, Dtype, Order, read};

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
