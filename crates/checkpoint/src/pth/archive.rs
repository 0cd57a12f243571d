//! The newer format: a zip archive of `NAME/data.pkl`, a pickle; of `NAME/data/KEY`, the storages; of
//! `NAME/version`, and in younger ones `NAME/byteorder`
//! (`torch/serialization.py`, `_save`; `caffe2/serialize/inline_container.cc`).
//!
//! All are stored as they are.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::Extent;
use super::bytes::Bytes;
use super::pickle;
use super::value::{Id, Values};
use crate::error::Fault;
use crate::zip::{self, wrong};

/// The versions of the format that PyTorch reads: `caffe2/serialize/versions.h`.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// The objects, and where the storages are.
///
/// # Errors
///
/// What [`zip::members`] refuses; an archive that is not of `torch.save`: an entry that is compressed or
/// outside the archive's folder; another version or byte order; what [`pickle::load`] refuses.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    length: u64,
) -> Result<(Values, Id, HashMap<String, Extent>), Fault> {
    let members = zip::members(reader, length)?;
    let mut extents = HashMap::new();
    let mut folder = None;
    for member in &members {
        let name = &member.name;
        // `NAME/`, the same for all.
        let Some((first, inside)) = name.split_once('/') else {
            return Err(wrong(name, "lies in no folder; torch.save did not write this"));
        };
        if *folder.get_or_insert(first) != first {
            return Err(wrong(name, "lies in another folder; torch.save did not write this"));
        }
        if member.deflated {
            return Err(wrong(name, "is compressed; torch.save stores all as it is"));
        }
        extents.insert(inside, Extent { start: member.start, length: member.size });
    }
    if extents.contains_key("constants.pkl") {
        return Err(Fault::why("it is a TorchScript program, not a state dict"));
    }
    let extent = |name: &str| extents.get(name).copied();
    let Some(data) = extent("data.pkl") else {
        return Err(Fault::why("it has no data.pkl; torch.save did not write this"));
    };
    let (version, order) = (extent("version"), extent("byteorder"));

    let version = version.map(|extent| short(reader, extent)).transpose()?;
    match version.as_deref().map(|text| text.trim().parse()) {
        Some(Ok(version)) if VERSIONS.contains(&version) => {}
        Some(_) => return Err(Fault::why(format!("its version is not of {VERSIONS:?}"))),
        None => return Err(Fault::why("it has no version")),
    }
    match order.map(|extent| short(reader, extent)).transpose()?.as_deref() {
        None | Some("little") => {}
        Some("big") => {
            return Err(Fault::why("it is of a big-endian machine, which is not read"));
        }
        Some(_) => return Err(Fault::why("its byteorder is neither little nor big")),
    }
    reader.seek(SeekFrom::Start(data.start))?;
    let mut bytes = Bytes::new(BufReader::new(reader.take(data.length)), pickle::BYTES);
    let (values, root) = pickle::load(&mut bytes)?;
    if bytes.taken() != data.length {
        return Err(Fault::why("bytes follow the pickle in its data.pkl"));
    }
    let storage = |(name, extent): (&str, Extent)| {
        name.strip_prefix("data/").map(|key| (key.to_owned(), extent))
    };
    Ok((values, root, extents.into_iter().filter_map(storage).collect()))
}

/// A text of a few bytes.
fn short<R: Read + Seek>(reader: &mut R, extent: Extent) -> Result<String, Fault> {
    reader.seek(SeekFrom::Start(extent.start))?;
    Bytes::new(reader, u64::MAX).text(extent.length, 16)
}
