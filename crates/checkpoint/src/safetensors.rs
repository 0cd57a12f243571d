//! A `.safetensors` file begins with eight bytes that give the length of the header. Then come the header, in JSON,
//! and the numbers. The header is an object that describes the tensors by name. The numbers of the tensors follow one
//! another without gaps.
//!
//! This module parses the header itself. So a message can name the faulty tensor, and a name that occurs twice is
//! noticed.

use std::collections::HashSet;
use std::fmt;
use std::io::{Read, Seek};

use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::error::{Fault, bail, printable};
use crate::numbers::{Order, Place, Start, Tensors, read_at, row_major};
use crate::{Dtype, Entry};

/// The longest header that is read. It is the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;

/// The only key of the header that is not a tensor's name.
const METADATA: &str = "__metadata__";

/// What the header says about a tensor.
#[derive(Deserialize)]
struct Info {
    dtype: String,
    shape: Vec<usize>,
    /// Where its bytes begin and end, counted from the end of the header.
    data_offsets: (usize, usize),
}

/// The tensors of a file of `length` bytes, in file order.
pub(crate) fn tensors<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Tensors, Fault> {
    let Some(behind) = length.checked_sub(8) else {
        bail!("{length} bytes are too few for a .safetensors file");
    };
    let header = u64::from_le_bytes(read_at(reader, 0)?);
    if header > LONGEST_HEADER || header > behind {
        bail!("its header would have {header} bytes; the file has {length}");
    }
    // The length is below both the file's length and the limit.
    let mut text = vec![0; header as usize];
    reader.read_exact(&mut text)?;
    let mut parser = serde_json::Deserializer::from_slice(&text);
    let parsed = parser.deserialize_map(Header).and_then(|header| parser.end().map(|()| header));
    let mut tensors = match parsed {
        Ok(tensors) => tensors,
        // The error may quote a name.
        Err(error) => bail!("its header cannot be parsed: {}", printable(&error.to_string())),
    };
    tensors.sort_by_key(|(_, info)| info.data_offsets);
    check(&tensors, behind - header)?;
    let tensor = |(name, info): (String, Info)| {
        let dtype = match &*info.dtype {
            "F32" => Dtype::F32,
            "F16" => Dtype::F16,
            "BF16" => Dtype::BF16,
            other => Dtype::Other(other.to_lowercase()),
        };
        let start = Start::At(8 + header + info.data_offsets.0 as u64);
        let (span, strides) = (info.shape.iter().product(), row_major(&info.shape));
        let place = Place { start, order: Order::Little, strides, span };
        (Entry { name, shape: info.shape, dtype }, place)
    };
    Ok(tensors.into_iter().map(tensor).collect())
}

/// Checks that these tensors, one after the other, fill all the bytes after the header.
fn check(tensors: &[(String, Info)], bytes: u64) -> Result<(), Fault> {
    let (mut names, mut end) = (HashSet::new(), 0);
    for (name, info) in tensors {
        let (dtype, shape, (from, to)) = (&info.dtype, &info.shape, info.data_offsets);
        let mut check = || {
            if !names.insert(name) {
                bail!("it occurs twice");
            }
            if from != end || to < from {
                bail!(
                    "its offsets are {from}..{to}; they must start at {end} and not run backwards"
                );
            }
            if to as u64 > bytes {
                bail!(
                    "its offsets are {from}..{to}, but the file has only {bytes} bytes of numbers"
                );
            }
            let Some(bits) = bits(dtype) else {
                bail!("its dtype `{}` is not a dtype of the format", printable(dtype));
            };
            let count = shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size));
            if count.is_none_or(|count| count as u128 * bits != (to - from) as u128 * 8) {
                let length = to - from;
                bail!("{dtype} of shape {shape:?} does not take the {length} bytes of its offsets");
            }
            Ok(())
        };
        check().map_err(|fault| fault.about(name))?;
        end = to;
    }
    match bytes - end as u64 {
        0 => Ok(()),
        more => bail!("{more} bytes follow its last tensor"),
    }
}

/// The number of bits of one number.
fn bits(dtype: &str) -> Option<u128> {
    Some(match dtype {
        "F4" => 4,
        "F6_E2M3" | "F6_E3M2" => 6,
        "BOOL" | "U8" | "I8" => 8,
        "F8_E5M2" | "F8_E4M3" | "F8_E8M0" | "F8_E4M3FNUZ" | "F8_E5M2FNUZ" => 8,
        "I16" | "U16" | "F16" | "BF16" => 16,
        "I32" | "U32" | "F32" => 32,
        "I64" | "U64" | "F64" | "C64" => 64,
        _ => return None,
    })
}

/// The tensors of a header, in the header's order. (A map would drop names that occur twice.)
struct Header;

impl<'de> Visitor<'de> for Header {
    type Value = Vec<(String, Info)>;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("tensors by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut tensors = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if name == METADATA {
                map.next_value::<IgnoredAny>()?;
                continue;
            }
            match map.next_value() {
                Ok(info) => tensors.push((name, info)),
                Err(error) => return Err(A::Error::custom(format!("tensor `{name}`: {error}"))),
            }
        }
        Ok(tensors)
    }
}
