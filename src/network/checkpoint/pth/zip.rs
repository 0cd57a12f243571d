//! The newer format: a zip archive of `NAME/data.pkl`, a pickle; of `NAME/data/KEY`, the storages; of
//! `NAME/version`, and in younger ones `NAME/byteorder`
//! (`torch/serialization.py`, `_save`; `caffe2/serialize/inline_container.cc`).
//!
//! Of zip, PyTorch uses so little that it is read here: entries that are stored as they are, listed in
//! a directory at the end, with 64-bit sizes where 32 bits do not do (PKWARE's `APPNOTE.TXT`, 4.3 and
//! 4.5.3). Nothing is unpacked, no name becomes a path, and the directory says nothing that is not held
//! against the file's length first.

use std::collections::HashMap;
use std::io::{BufReader, Read, Seek, SeekFrom};

use super::bytes::Bytes;
use super::pickle;
use super::value::{Id, Values};
use super::{Extent, Fault};

/// The directory has at most this many bytes: that of ResNeXt-101 has some 60,000.
const DIRECTORY: u64 = 1 << 22;

/// The versions of the format that PyTorch reads: `caffe2/serialize/versions.h`.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// Lengths of the records, without what is of any length.
const END: u64 = 22;
const LOCATOR: u64 = 20;
const ENTRY: usize = 46;
const LOCAL: u64 = 30;

/// The objects, and where the storages are.
///
/// # Errors
///
/// No archive, or not of `torch.save`; an entry that is compressed, encrypted, there twice, outside the
/// archive's folder or the file; another version or byte order; what [`pickle::load`] refuses.
pub(super) fn read<R: Read + Seek>(
    reader: &mut R,
    length: u64,
) -> Result<(Values, Id, HashMap<String, Extent>), Fault> {
    let (directory, start) = directory(reader, length)?;
    let mut entries = HashMap::new();
    let mut folder = None;
    let mut rest = &directory[..];
    while !rest.is_empty() {
        let (name, entry, behind) = Entry::parse(rest)?;
        rest = behind;
        // `NAME/`, the same for all; none of them leaves it.
        let Some((first, inside)) = name.split_once('/') else {
            return Err(wrong(name, "lies in no folder; torch.save did not write this"));
        };
        if name.split(['/', '\\']).any(|part| part.is_empty() || part == "..") {
            return Err(wrong(name, "has a path for a name"));
        }
        if *folder.get_or_insert(first) != first {
            return Err(wrong(name, "lies in another folder; torch.save did not write this"));
        }
        if entries.insert(inside, entry).is_some() {
            return Err(wrong(name, "is there twice"));
        }
    }
    if entries.contains_key("constants.pkl") {
        return Err(Fault::why("it is a TorchScript program, not a state dict".to_owned()));
    }

    let mut extent = |name: &str| match entries.get(name) {
        Some(entry) => entry.locate(name, reader, start).map(Some),
        None => Ok(None),
    };
    let Some(data) = extent("data.pkl")? else {
        return Err(Fault::why("it has no data.pkl; torch.save did not write this".to_owned()));
    };
    let (version, order) = (extent("version")?, extent("byteorder")?);
    let mut extents = HashMap::new();
    for name in entries.keys() {
        if let Some(key) = name.strip_prefix("data/")
            && let Some(extent) = extent(name)?
        {
            extents.insert(key.to_owned(), extent);
        }
    }

    let version = version.map(|extent| short(reader, extent)).transpose()?;
    match version.as_deref().map(|text| text.trim().parse()) {
        Some(Ok(version)) if VERSIONS.contains(&version) => {}
        Some(_) => return Err(Fault::why(format!("its version is not of {VERSIONS:?}"))),
        None => return Err(Fault::why("it has no version".to_owned())),
    }
    match order.map(|extent| short(reader, extent)).transpose()?.as_deref() {
        None | Some("little") => {}
        Some("big") => {
            return Err(Fault::why("it is of a big-endian machine, which is not read".to_owned()));
        }
        Some(_) => return Err(Fault::why("its byteorder is neither little nor big".to_owned())),
    }
    reader.seek(SeekFrom::Start(data.start))?;
    let mut bytes = Bytes::new(BufReader::new(reader.take(data.length)), pickle::BYTES);
    let (values, root) = pickle::load(&mut bytes)?;
    if bytes.taken() != data.length {
        return Err(Fault::why("bytes follow the pickle in its data.pkl".to_owned()));
    }
    Ok((values, root, extents))
}

fn wrong(entry: &str, why: &str) -> Fault {
    Fault::why(format!("its entry `{}` {why}", entry.escape_debug()))
}

fn broken() -> Fault {
    Fault::why("the directory of its zip archive is broken, or it ends too early".to_owned())
}

/// A text of a few bytes.
fn short<R: Read + Seek>(reader: &mut R, extent: Extent) -> Result<String, Fault> {
    reader.seek(SeekFrom::Start(extent.start))?;
    Bytes::new(reader, u64::MAX).text(extent.length, 16)
}

/// The bytes of the directory, and where it begins.
fn directory<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(Vec<u8>, u64), Fault> {
    let mut record = |at: Option<u64>, record: &mut [u8], signature: &[u8; 4]| {
        reader.seek(SeekFrom::Start(at.ok_or_else(broken)?))?;
        reader.read_exact(record)?;
        if record.starts_with(signature) { Ok(()) } else { Err(broken()) }
    };
    // No comment follows: torch.save writes none.
    let at = length.checked_sub(END);
    let mut end = [0; END as usize];
    record(at, &mut end, b"PK\x05\x06")?;
    let (mut count, mut size, mut start) =
        (number::<2>(&end, 10)?, number::<4>(&end, 12)?, number::<4>(&end, 16)?);
    let mut disks = number::<4>(&end, 4)? | number::<2>(&end, 20)?;
    let mut behind = at;
    if count == 0xffff || size == 0xffff_ffff || start == 0xffff_ffff {
        let at = length.checked_sub(END + LOCATOR);
        let mut locator = [0; LOCATOR as usize];
        record(at, &mut locator, b"PK\x06\x07")?;
        let at = number::<8>(&locator, 8)?;
        let mut end = [0; 56];
        record(Some(at), &mut end, b"PK\x06\x06")?;
        disks = number::<8>(&end, 16)?;
        (count, size, start) =
            (number::<8>(&end, 32)?, number::<8>(&end, 40)?, number::<8>(&end, 48)?);
        behind = Some(at);
    }
    let end = start.checked_add(size);
    if disks != 0 || end.is_none() || end > behind || behind > Some(length) {
        return Err(broken());
    }
    if size > DIRECTORY {
        return Err(Fault::why(format!(
            "the directory of its zip archive has {size} bytes; at most {DIRECTORY} are read"
        )));
    }
    reader.seek(SeekFrom::Start(start))?;
    let mut directory = Vec::new();
    reader.by_ref().take(size).read_to_end(&mut directory)?;
    let mut rest = &directory[..];
    let mut found = 0;
    while !rest.is_empty() {
        (_, _, rest) = Entry::parse(rest)?;
        found += 1;
    }
    let whole = directory.len() as u64 == size;
    if whole && found == count { Ok((directory, start)) } else { Err(broken()) }
}

/// The little-endian number of `N` bytes, 8 at most, at this place of a record.
fn number<const N: usize>(record: &[u8], at: usize) -> Result<u64, Fault> {
    let bytes = record.get(at..).and_then(|rest| rest.first_chunk::<N>()).ok_or_else(broken)?;
    Ok(bytes.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
}

/// What the directory says of an entry.
#[derive(Clone, Copy, Debug)]
struct Entry {
    flags: u64,
    method: u64,
    packed: u64,
    size: u64,
    /// Where its local header is.
    header: u64,
}

impl Entry {
    /// The first entry of these bytes, its name, and the bytes behind it.
    fn parse(bytes: &[u8]) -> Result<(&str, Self, &[u8]), Fault> {
        if !bytes.starts_with(b"PK\x01\x02") {
            return Err(broken());
        }
        let mut rest = bytes.get(ENTRY..).ok_or_else(broken)?;
        let mut part = |at: usize| {
            let length = usize::try_from(number::<2>(bytes, at)?).map_err(|_| broken())?;
            let (part, behind) = rest.split_at_checked(length).ok_or_else(broken)?;
            rest = behind;
            Ok::<_, Fault>(part)
        };
        let (name, extra, _) = (part(28)?, part(30)?, part(32)?);
        let name = std::str::from_utf8(name).map_err(|_| broken())?;
        let mut entry = Self {
            flags: number::<2>(bytes, 8)?,
            method: number::<2>(bytes, 10)?,
            packed: number::<4>(bytes, 20)?,
            size: number::<4>(bytes, 24)?,
            header: number::<4>(bytes, 42)?,
        };
        entry.extend(extra)?;
        Ok((name, entry, rest))
    }

    /// Takes from the extra fields what did not fit in 32 bits: field 1 has those, in this order.
    fn extend(&mut self, mut extra: &[u8]) -> Result<(), Fault> {
        // What is shorter than a field's head is padding.
        while extra.len() >= 4 {
            let (id, length) = (number::<2>(extra, 0)?, number::<2>(extra, 2)?);
            let length = usize::try_from(length).map_err(|_| broken())?;
            let (field, behind) =
                extra.get(4..).and_then(|rest| rest.split_at_checked(length)).ok_or_else(broken)?;
            extra = behind;
            if id != 1 {
                continue;
            }
            let mut at = 0;
            for value in [&mut self.size, &mut self.packed, &mut self.header] {
                if *value == 0xffff_ffff {
                    *value = number::<8>(field, at)?;
                    at += 8;
                }
            }
        }
        Ok(())
    }

    /// Where its bytes are, which end before the directory does begin.
    fn locate<R: Read + Seek>(
        &self,
        name: &str,
        reader: &mut R,
        directory: u64,
    ) -> Result<Extent, Fault> {
        if self.flags & 1 != 0 {
            return Err(wrong(name, "is encrypted"));
        }
        if self.method != 0 || self.packed != self.size {
            return Err(wrong(name, "is compressed; torch.save stores all as it is"));
        }
        let outside = || wrong(name, "lies outside the file");
        // So the header is in the file: the directory is.
        if self.header.checked_add(LOCAL).is_none_or(|end| end > directory) {
            return Err(outside());
        }
        reader.seek(SeekFrom::Start(self.header))?;
        let mut local = [0; LOCAL as usize];
        reader.read_exact(&mut local)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(wrong(name, "does not begin where the directory says"));
        }
        let start = self.header + LOCAL + number::<2>(&local, 26)? + number::<2>(&local, 28)?;
        match start.checked_add(self.size) {
            Some(end) if end <= directory => Ok(Extent { start, length: self.size }),
            _ => Err(outside()),
        }
    }
}
