//! The numbers of a tensor, from little-endian bytes to f32.

use std::path::Path;

use half::{bf16, f16};

use super::Dtype;
use super::Entry;
use crate::error::{Error, Result};

/// Refuses numbers that f32 does not hold.
pub(super) fn is_float(entry: &Entry, path: &Path) -> Result<()> {
    match &entry.dtype {
        Dtype::Other(dtype) => {
            let why = format!("{} has numbers of {dtype}; f32, f16 and bf16 are read", entry.name);
            Err(Error::Checkpoint { path: path.to_owned(), why })
        }
        _ => Ok(()),
    }
}

/// Bytes to numbers, each exact. A rest of less than a number is dropped.
pub(super) fn to_f32(raw: &[u8], dtype: &Dtype) -> Vec<f32> {
    let mut numbers = Vec::new();
    append(raw, dtype, &mut numbers);
    numbers
}

/// The same, after others.
pub(super) fn append(raw: &[u8], dtype: &Dtype, to: &mut Vec<f32>) {
    match dtype {
        Dtype::F32 => to.extend(raw.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes))),
        Dtype::F16 => {
            to.extend(raw.as_chunks().0.iter().map(|&bytes| f16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::BF16 => {
            to.extend(raw.as_chunks().0.iter().map(|&bytes| bf16::from_le_bytes(bytes).to_f32()));
        }
        Dtype::Other(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::{Dtype, to_f32};

    #[test]
    fn numbers_are_read_exactly() {
        let raw: Vec<u8> = [1.5f32, -0.0, 1e-40].iter().flat_map(|x| x.to_le_bytes()).collect();
        let read = to_f32(&raw, &Dtype::F32);
        assert_eq!(
            read.iter().map(|x| x.to_bits()).collect::<Vec<_>>(),
            [1.5f32, -0.0, 1e-40].map(f32::to_bits)
        );
        // 1, the smallest subnormal, -2 of f16; 1, 2^-126, -3.140625 of bf16.
        let halves = to_f32(&[0x00, 0x3C, 0x01, 0x00, 0x00, 0xC0], &Dtype::F16);
        assert_eq!(halves, [1.0, 2f32.powi(-24), -2.0]);
        let brains = to_f32(&[0x80, 0x3F, 0x80, 0x00, 0x49, 0xC0], &Dtype::BF16);
        assert_eq!(brains, [1.0, 2f32.powi(-126), -3.140_625]);
    }
}
