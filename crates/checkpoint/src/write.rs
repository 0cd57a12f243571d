//! Turns named tensors into the bytes of `.safetensors`, `.npz` and `.npy` files.

use std::cmp::Reverse;
use std::collections::HashSet;

use serde_json::json;

use crate::error::{Error, Result};
use crate::npy::AXES;
use crate::zip;

/// A name has at most this many bytes, so that `.npy` can be appended to it in an archive.
const NAME: usize = u16::MAX as usize - 4;

/// A dtype: its name in `.safetensors`, its name in numpy, and the number of bytes of one number.
type Kind = (&'static str, &'static str, usize);

/// A tensor to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    name: String,
    shape: Vec<usize>,
    kind: Kind,
    bytes: Vec<u8>,
}

impl Tensor {
    /// A tensor of 32-bit floats, row-major.
    pub fn f32(name: &str, shape: &[usize], numbers: &[f32]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { name: name.to_owned(), shape: shape.to_vec(), kind: ("F32", "<f4", 4), bytes }
    }

    /// A tensor of 64-bit integers, row-major.
    pub fn i64(name: &str, shape: &[usize], numbers: &[i64]) -> Self {
        let bytes = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self { name: name.to_owned(), shape: shape.to_vec(), kind: ("I64", "<i8", 8), bytes }
    }

    /// Checks that a file can hold the tensor.
    fn check(&self) -> Result<()> {
        let (.., width) = self.kind;
        let shape = &self.shape;
        let bytes = shape.iter().try_fold(width, |bytes, &size| bytes.checked_mul(size));
        if bytes != Some(self.bytes.len()) {
            let count = self.bytes.len() / width;
            return Err(self.unwritable(format!("it has shape {shape:?}, but {count} numbers")));
        }
        if shape.len() > AXES {
            return Err(self.unwritable(format!("it has {} axes; at most {AXES} fit", shape.len())));
        }
        if self.name.len() > NAME {
            let length = self.name.len();
            return Err(self.unwritable(format!("its name has {length} bytes; at most {NAME} fit")));
        }
        Ok(())
    }

    fn unwritable(&self, why: String) -> Error {
        Error::Unwritable { name: self.name.clone(), why }
    }
}

/// Checks each tensor, and that no name occurs twice.
fn check(tensors: &[Tensor]) -> Result<()> {
    let mut names = HashSet::new();
    for tensor in tensors {
        tensor.check()?;
        if !names.insert(&tensor.name) {
            return Err(tensor.unwritable("it occurs twice".to_owned()));
        }
    }
    Ok(())
}

/// Makes a `.safetensors` file. The tensors are in the order that the format's authors use: first by width of the
/// numbers, widest first, then by name.
///
/// Errors: [`Error::Unwritable`] for a shape that does not fit its numbers or has more than 64
/// axes, and for a name that occurs twice or is too long.
pub fn safetensors(tensors: &[Tensor]) -> Result<Vec<u8>> {
    check(tensors)?;
    let mut tensors: Vec<&Tensor> = tensors.iter().collect();
    tensors.sort_by_key(|tensor| (Reverse(tensor.kind.2), &tensor.name));
    let (mut header, mut end) = (Vec::new(), 0);
    for tensor in &tensors {
        let (name, shape) = (json!(tensor.name), json!(tensor.shape));
        let (dtype, ..) = tensor.kind;
        let from = end;
        end += tensor.bytes.len();
        header.push(format!(
            r#"{name}:{{"dtype":"{dtype}","shape":{shape},"data_offsets":[{from},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", header.join(","));
    // The numbers begin at a multiple of 8.
    let length = header.len().next_multiple_of(8);
    let mut bytes = Vec::with_capacity(8 + length + end);
    bytes.extend((length as u64).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.resize(8 + length, b' ');
    tensors.iter().for_each(|tensor| bytes.extend(&tensor.bytes));
    Ok(bytes)
}

/// Makes an `.npz` file, as `numpy.savez` does.
///
/// Errors: those of [`safetensors`].
pub fn npz(tensors: &[Tensor]) -> Result<Vec<u8>> {
    check(tensors)?;
    let headers: Vec<_> = tensors.iter().map(npy_header).collect();
    let member = |(tensor, header)| {
        let Tensor { name, bytes, .. }: &Tensor = tensor;
        (format!("{name}.npy"), [header, &bytes[..]])
    };
    let headers = headers.iter().map(|header| &header[..]);
    let members: Vec<_> = tensors.iter().zip(headers).map(member).collect();
    Ok(zip::archive(&members, u32::MAX))
}

/// Makes a `.npy` file, which has no place for the tensor's name.
///
/// Errors: those of [`safetensors`].
pub fn npy(tensor: &Tensor) -> Result<Vec<u8>> {
    tensor.check()?;
    Ok([&npy_header(tensor)[..], &tensor.bytes].concat())
}

/// The header of a `.npy` file. The numbers after it begin at a multiple of 64 bytes.
fn npy_header(tensor: &Tensor) -> Vec<u8> {
    let (_, descr, _) = tensor.kind;
    let shape = match &tensor.shape[..] {
        [size] => format!("({size},)"),
        shape => format!("({})", shape.iter().map(usize::to_string).collect::<Vec<_>>().join(", ")),
    };
    let mut header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}}}");
    // 10 bytes come before it; at least one space and a newline follow.
    let length = (header.len() + 12).next_multiple_of(64) - 10;
    header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
    [b"\x93NUMPY\x01\x00", &(length as u16).to_le_bytes()[..], header.as_bytes(), b"\n"].concat()
}
