//! Zip archives, as far as PyTorch and numpy use them: members that are stored as they are or deflated,
//! listed in a directory at the end, with 64-bit sizes where 32 bits do not do (PKWARE's
//! `APPNOTE.TXT`, 4.3 and 4.5.3).
//!
//! It is read here and not by a crate, so that nothing is set aside for what a file only claims: the
//! directory says nothing that is not held against the file's length first. No name becomes a path.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use flate2::CrcReader;
use flate2::read::DeflateDecoder;

use super::fault::{Fault, printable};

/// The directory has at most this many bytes: that of ResNeXt-101 has some 60,000.
const DIRECTORY: u64 = 1 << 22;

/// A deflated byte stands for at most this many: two bits for 258 of them.
const DEFLATE: u64 = 1032;

/// Lengths of the records, without what is of any length.
const END: u64 = 22;
const LOCATOR: u64 = 20;
const ENTRY: usize = 46;
const LOCAL: u64 = 30;

/// A file inside an archive, found and checked.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) name: String,
    pub(super) deflated: bool,
    /// Where its bytes are in the archive, and how many are there.
    pub(super) start: u64,
    pub(super) packed: u64,
    /// How many they are when they are inflated.
    pub(super) size: u64,
    checksum: u32,
}

/// The bytes of a member as they are read.
pub(super) type Bytes<'a> = CrcReader<Box<dyn Read + 'a>>;

impl Member {
    /// Its bytes, inflated.
    pub(super) fn open<'a, R: Read + Seek>(&self, reader: &'a mut R) -> Result<Bytes<'a>, Fault> {
        reader.seek(SeekFrom::Start(self.start))?;
        let packed = reader.take(self.packed);
        Ok(CrcReader::new(match self.deflated {
            true => Box::new(DeflateDecoder::new(packed)),
            false => Box::new(packed),
        }))
    }

    /// After the last byte that is wanted: none must follow, and all must be those that were written.
    pub(super) fn close(&self, mut bytes: Bytes<'_>) -> Result<(), Fault> {
        if bytes.read(&mut [0])? != 0 {
            return Err(Fault::why("more bytes follow its numbers".to_owned()));
        }
        match bytes.crc().sum() == self.checksum {
            true => Ok(()),
            false => Err(Fault::why("its bytes do not have its checksum".to_owned())),
        }
    }
}

/// All members, in the order of the directory.
///
/// # Errors
///
/// No archive; a member that is encrypted, compressed otherwise, there twice, outside the file, over
/// another, larger than it can be, or that has a path for a name.
pub(super) fn members<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Vec<Member>, Fault> {
    let (directory, start) = directory(reader, length)?;
    let mut members = Vec::new();
    let mut names = HashSet::new();
    let mut places = Vec::new();
    for (name, entry) in &directory {
        if name.split(['/', '\\']).any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong(name, "has a path for a name"));
        }
        if !names.insert(name) {
            return Err(wrong(name, "is there twice"));
        }
        let member = entry.locate(name, reader, start)?;
        places.push((entry.header, member.start + member.packed, name));
        members.push(member);
    }
    places.sort_unstable();
    for pair in places.windows(2) {
        if let [(_, end, _), (begin, _, name)] = pair
            && begin < end
        {
            return Err(wrong(name, "lies over another"));
        }
    }
    Ok(members)
}

/// What is wrong with a member.
pub(super) fn wrong(member: &str, why: &str) -> Fault {
    Fault::why(format!("its entry `{}` {why}", printable(member)))
}

fn broken() -> Fault {
    Fault::why("the directory of its zip archive is broken, or it ends too early".to_owned())
}

/// The entries of the directory, and where it begins.
fn directory<R: Read + Seek>(
    reader: &mut R,
    length: u64,
) -> Result<(Vec<(String, Entry)>, u64), Fault> {
    let mut record = |at: Option<u64>, record: &mut [u8], signature: &[u8; 4]| {
        let at = at.filter(|at| *at <= length).ok_or_else(broken)?;
        reader.seek(SeekFrom::Start(at))?;
        reader.read_exact(record)?;
        if record.starts_with(signature) { Ok(()) } else { Err(broken()) }
    };
    // No comment follows: neither PyTorch nor numpy writes one.
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
    let mut entries = Vec::new();
    while !rest.is_empty() {
        let (name, entry, behind) = Entry::parse(rest)?;
        entries.push((name.to_owned(), entry));
        rest = behind;
    }
    let whole = directory.len() as u64 == size;
    if whole && entries.len() as u64 == count { Ok((entries, start)) } else { Err(broken()) }
}

/// The little-endian number of `N` bytes, 8 at most, at this place of a record.
fn number<const N: usize>(record: &[u8], at: usize) -> Result<u64, Fault> {
    let bytes = record.get(at..).and_then(|rest| rest.first_chunk::<N>()).ok_or_else(broken)?;
    Ok(bytes.iter().rev().fold(0, |sum, &byte| (sum << 8) | u64::from(byte)))
}

/// What the directory says of a member.
#[derive(Clone, Copy, Debug)]
struct Entry {
    flags: u64,
    method: u64,
    checksum: u32,
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
            checksum: number::<4>(bytes, 16)? as u32,
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
    ) -> Result<Member, Fault> {
        if self.flags & 1 != 0 {
            return Err(wrong(name, "is encrypted"));
        }
        let deflated = match self.method {
            0 if self.packed == self.size => false,
            0 => return Err(wrong(name, "is stored, and yet of two sizes")),
            8 => true,
            method => {
                let why = format!("is compressed by method {method}; deflate is read");
                return Err(wrong(name, &why));
            }
        };
        if deflated && self.size > self.packed.saturating_mul(DEFLATE) {
            let why = format!("cannot be {} bytes deflated to {}", self.size, self.packed);
            return Err(wrong(name, &why));
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
        if start.checked_add(self.packed).is_none_or(|end| end > directory) {
            return Err(outside());
        }
        let (name, packed, size) = (name.to_owned(), self.packed, self.size);
        Ok(Member { name, deflated, start, packed, size, checksum: self.checksum })
    }
}
