//! The older format: five pickles, then the storages.
//!
//! They are the magic number, the version of the format, what machine wrote it, the objects, and the
//! keys of the storages; then for each key its number of elements, as 8 bytes, and the elements
//! (`torch/serialization.py`, `_legacy_save`; `torch/csrc/generic/serialization.cpp`).

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::Extent;
use super::bytes::Bytes;
use super::pickle;
use super::value::{Id, Value, Values};
use crate::error::Fault;

/// The pickle of 0x1950a86a20f9469cfc6c, with which such a file begins.
pub(crate) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The only version of the format there was.
const VERSION: i64 = 1001;

/// The objects, and where the storages are, for a reader that stands behind the magic number.
///
/// # Errors
///
/// What [`pickle::load`] refuses; another version or byte order; storages that the objects do not name,
/// or of other lengths; a file that does not end behind the last one.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    length: u64,
) -> Result<(Values, Id, HashMap<String, Extent>), Fault> {
    let mut bytes = Bytes::new(BufReader::new(&mut *reader), pickle::BYTES);
    let (values, version) = pickle::load(&mut bytes)?;
    if *values.get(version) != Value::Int(VERSION) {
        return Err(Fault::why(format!("its format is not of version {VERSION}")));
    }
    let (values, system) = pickle::load(&mut bytes)?;
    let little = match values.get(system) {
        Value::Dict(dict) => values.field(dict, "little_endian")?,
        _ => None,
    };
    match little.map(|id| values.get(id)) {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => {
            return Err(Fault::why("it is of a big-endian machine, which is not read"));
        }
        _ => return Err(Fault::why("it does not say in which order its bytes are")),
    }
    let (values, root) = pickle::load(&mut bytes)?;
    let (keys, list) = pickle::load(&mut bytes)?;
    let start = (MAGIC.len() as u64).saturating_add(bytes.taken());
    let Value::List(list) = keys.get(list) else {
        return Err(Fault::why("its list of storages is no list"));
    };
    let named: HashMap<&str, (u64, u64)> = values
        .storages
        .iter()
        .map(|storage| (storage.key.as_str(), (storage.count, storage.kind.bytes)))
        .collect();

    let mut extents = HashMap::new();
    let mut at = start;
    for &key in list {
        let Some(key) = keys.text(key) else {
            return Err(Fault::why("the key of a storage is no text"));
        };
        let wrong = |why: &str| Err(Fault::why(format!("storage {key:?} {why}")));
        let Some(&(count, size)) = named.get(key) else {
            return wrong("is there, but no tensor's");
        };
        reader.seek(SeekFrom::Start(at))?;
        let mut found = [0; 8];
        reader.read_exact(&mut found)?;
        if u64::from_le_bytes(found) != count {
            return wrong("does not have as many numbers as the pickle says");
        }
        let start = at.saturating_add(8);
        let bytes = count.checked_mul(size);
        let Some((bytes, end)) = bytes
            .and_then(|bytes| Some((bytes, start.checked_add(bytes)?)))
            .filter(|(_, end)| *end <= length)
        else {
            return wrong("does not fit into the file: it ends too early");
        };
        if extents.insert(key.to_owned(), Extent { start, length: bytes }).is_some() {
            return wrong("is there twice");
        }
        at = end;
    }
    if at != length {
        return Err(Fault::why(format!(
            "{} bytes follow its last storage",
            length.saturating_sub(at)
        )));
    }
    Ok((values, root, extents))
}
