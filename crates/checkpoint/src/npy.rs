//! A `.npy` file holds one array: a header, then the numbers (numpy's `numpy/lib/format.py`). The header has a magic
//! number, a version, a length, and a Python dict with the dtype, the order of the axes and the shape.
//!
//! A `.npz` file is a zip archive of `.npy` files (numpy's `numpy/lib/_npyio_impl.py`, `savez`). They may be deflated
//! (`savez_compressed`). If a member inflates to more bytes than its header's shape needs, it is refused at the first
//! surplus byte.

use std::fs::File;
use std::io::{BufReader, Read, Seek};
use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::error::{Fault, Result, bail, printable};
use crate::numbers::{Order, Place, Start, Tensors, column_major, count, integer, row_major};
use crate::zip::{self, wrong};
use crate::{Dtype, Entry};

const MAGIC: &[u8; 6] = b"\x93NUMPY";

/// A header has at most this many bytes, which is numpy's own limit.
const LONGEST: u64 = 10_000;

/// An array has at most this many axes, which is numpy's own limit.
pub(crate) const AXES: usize = 64;

/// An open `.npy` file.
#[derive(Debug)]
pub struct Npy {
    reader: BufReader<File>,
    path: PathBuf,
    shape: Vec<usize>,
    dtype: Dtype,
    place: Place,
}

impl Npy {
    /// Opens a file and reads its header.
    ///
    /// # Errors
    ///
    /// [`Error::NotAFile`](crate::Error::NotAFile) for a directory or a pipe;
    /// [`Error::Io`](crate::Error::Io); [`Error::Array`](crate::Error::Array) for a header that cannot be
    /// parsed, or a shape that does not fit the file's length.
    pub fn open(path: &Path) -> Result<Self> {
        let mut reader = crate::open(path)?;
        let length = crate::length(&mut reader);
        let header = length.and_then(|length| header(&mut reader, length, Start::At));
        let (shape, dtype, place) = header.map_err(|fault| fault.of_array(path))?;
        Ok(Self { reader, path: path.to_owned(), shape, dtype, place })
    }

    /// The shape; empty for a single number.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The kind of the numbers.
    pub fn dtype(&self) -> &Dtype {
        &self.dtype
    }

    /// The numbers, row-major.
    ///
    /// Errors: [`Error::Array`](crate::Error::Array) for [`Dtype::Other`] and for lack of memory;
    /// [`Error::Io`](crate::Error::Io).
    pub fn read(&mut self) -> Result<Vec<f32>> {
        let numbers = self.place.read(&mut self.reader, &self.shape, &self.dtype);
        numbers.map_err(|fault| fault.of_array(&self.path))
    }
}

/// Reads the header of an array. `length` is the number of bytes of header and numbers together. Returns the shape,
/// the dtype, and where the numbers are. `start` computes their place from the length of the header.
fn header(
    reader: &mut impl Read,
    length: u64,
    start: impl FnOnce(u64) -> Start,
) -> Result<(Vec<usize>, Dtype, Place), Fault> {
    let mut magic = [0; 8];
    reader.read_exact(&mut magic)?;
    if !magic.starts_with(MAGIC) {
        bail!("it is not a .npy file");
    }
    let wide = match magic[6..] {
        [1, 0] => 2,
        [2 | 3, 0] => 4,
        _ => bail!("its .npy version is {}.{}, not 1 to 3", magic[6], magic[7]),
    };
    let mut bytes = [0; 4];
    reader.read_exact(&mut bytes[..wide])?;
    let bytes = integer(&bytes);
    if bytes > LONGEST {
        bail!("its header would have {bytes} bytes; at most {LONGEST} are read");
    }
    let mut text = Vec::new();
    if reader.take(bytes).read_to_end(&mut text)? as u64 != bytes {
        bail!("it ends too early, in its header");
    }
    let dict = str::from_utf8(&text).ok().and_then(Dict::parse);
    let Some(Dict { descr, fortran_order, shape }) = dict else {
        let start: String = String::from_utf8_lossy(&text).chars().take(60).collect();
        bail!("its header cannot be parsed: `{}`", printable(&start));
    };
    let Some((dtype, order, width)) = kind(&descr) else {
        bail!("its dtype `{}` is not a dtype of numpy", printable(&descr));
    };
    let Some(span) = count(&shape) else {
        bail!("shape {shape:?} has more numbers than can be counted");
    };
    let before = (magic.len() + wide) as u64 + bytes;
    let held = length.saturating_sub(before);
    // Objects and texts have no fixed width.
    if let Some(width) = width
        && (span as u64).checked_mul(width) != Some(held)
    {
        bail!(
            "shape {shape:?} needs {span} numbers of {width} bytes, but {held} bytes follow the header"
        );
    }
    let strides = if fortran_order { column_major(shape.iter()) } else { row_major(&shape) };
    Ok((shape, dtype, Place { start: start(before), order, strides, span }))
}

/// The tensors of an `.npz` file of `length` bytes, in the order of the archive's directory.
pub(crate) fn tensors<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Tensors, Fault> {
    let mut tensors = Vec::new();
    for member in zip::members(reader, length)? {
        let Some(name) = member.name.strip_suffix(".npy").map(str::to_owned) else {
            return Err(wrong(&member.name, "is not a .npy file; numpy did not write this"));
        };
        let (bytes, size) = (member.open(reader), member.size);
        let start = |before| Start::In(member, before);
        let header = bytes.and_then(|mut bytes| header(&mut bytes, size, start));
        let (shape, dtype, place) = header.map_err(|fault| fault.about(&name))?;
        tensors.push((Entry { name, shape, dtype }, place));
    }
    Ok(tensors)
}

/// Parses numpy's name for a dtype. Returns the dtype, its byte order, and the number of bytes of one number.
fn kind(descr: &str) -> Option<(Dtype, Order, Option<u64>)> {
    let (order, rest) = match descr.split_at_checked(1)? {
        (">", rest) => (Order::Big, rest),
        ("<" | "|", rest) => (Order::Little, rest),
        _ => return None,
    };
    let (letter, size) = rest.split_at_checked(1)?;
    let width = match letter {
        // Truth values, integers, floats, complex numbers.
        "b" | "i" | "u" | "f" | "c" => {
            Some(size.parse().ok().filter(|width| [1, 2, 4, 8, 16, 32].contains(width))?)
        }
        // Objects, texts, bytes, times: `|O`, `<U7`, `<M8[ns]`.
        "O" | "U" | "S" | "V" | "M" | "m" => {
            let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"[]".contains(&byte);
            size.bytes().all(plain).then_some(None)?
        }
        _ => return None,
    };
    let dtype = match &descr[1..] {
        "f4" => Dtype::F32,
        "f2" => Dtype::F16,
        _ => Dtype::Other(descr.to_owned()),
    };
    Some((dtype, order, width))
}

/// The contents of a header, which is a Python dict with exactly these three keys, in any order.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Dict {
    descr: String,
    fortran_order: bool,
    shape: Vec<usize>,
}

impl Dict {
    /// Turns Python's quotes, brackets and truth values into JSON's, and drops trailing commas.
    fn parse(text: &str) -> Option<Self> {
        let json = [("'", "\""), ("(", "["), (")", "]"), ("True", "true"), ("False", "false")]
            .into_iter()
            .chain([(", ]", "]"), (",]", "]"), (", }", "}"), (",}", "}")])
            .fold(text.split_whitespace().collect::<Vec<_>>().join(" "), |text, (python, json)| {
                text.replace(python, json)
            });
        serde_json::from_str(&json).ok().filter(|dict: &Self| dict.shape.len() <= AXES)
    }
}
