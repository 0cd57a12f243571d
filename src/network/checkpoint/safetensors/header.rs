//! The header of a `.safetensors` file: a JSON object of the tensors by their names. The tensors and
//! their kinds are parsed by the crate of the format's authors. What it checks of them together it
//! refuses without saying of which, and of a name that comes twice it keeps the last; so that is done
//! here.

use std::collections::HashSet;
use std::fmt;

use safetensors::tensor::TensorInfo;
use serde::Deserialize;
use serde::de::{Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};

use crate::network::checkpoint::fault::{Fault, printable};

/// What says nothing of a tensor.
const METADATA: &str = "__metadata__";

/// The tensors, in the order of the file.
pub(super) struct Header {
    pub(super) tensors: Vec<(String, TensorInfo)>,
}

impl Header {
    /// The tensors of a header, which together take the so many bytes behind it.
    ///
    /// # Errors
    ///
    /// No header; a name that comes twice; a shape of another number of bytes; tensors that do not lie
    /// one behind the other, or of more or fewer bytes than there are.
    pub(super) fn parse(text: &[u8], bytes: u64) -> Result<Self, Fault> {
        let mut header: Self = serde_json::from_slice(text).map_err(|error| {
            // The error may hold a name as it stands in the file.
            Fault::why(format!("its header is not one: {}", printable(&error.to_string())))
        })?;
        header.tensors.sort_by_key(|(_, info)| info.data_offsets);
        let mut names = HashSet::new();
        let mut end = 0;
        for (name, info) in &header.tensors {
            let wrong = |why: String| Err(Fault::why(why).about(name));
            if !names.insert(name) {
                return wrong("it is there twice".to_owned());
            }
            let (from, to) = info.data_offsets;
            if from != end || to < from || to as u64 > bytes {
                return wrong(format!(
                    "it lies at {from}..{to} of {bytes} bytes, and the one before it ends at {end}"
                ));
            }
            if size(info) != Some(to - from) {
                let (kind, shape) = (info.dtype, &info.shape);
                return wrong(format!("{kind} {shape:?} does not have {} bytes", to - from));
            }
            end = to;
        }
        match bytes - end as u64 {
            0 => Ok(header),
            more => Err(Fault::why(format!("{more} bytes follow its last tensor"))),
        }
    }
}

/// The bytes of a tensor, where they can be counted.
fn size(info: &TensorInfo) -> Option<usize> {
    let count = info.shape.iter().try_fold(1, |count: usize, &size| count.checked_mul(size))?;
    let bits = count.checked_mul(info.dtype.bitsize())?;
    (bits % 8 == 0).then_some(bits / 8)
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Tensors)
    }
}

/// Sees the pairs one by one, where a map would drop those that come twice.
struct Tensors;

impl<'de> Visitor<'de> for Tensors {
    type Value = Header;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("tensors by their names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
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
        Ok(Header { tensors })
    }
}
