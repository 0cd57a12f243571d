//! Zip archives, as far as PyTorch and numpy use them: members that are stored as they are or deflated,
//! listed in a directory at the end, with 64-bit sizes where 32 bits are too few (PKWARE's
//! `APPNOTE.TXT`, 4.3 and 4.5.3).
//!
//! They are read here and not by a crate, so that no memory is set aside for what a file only claims:
//! all that the directory says is first compared with the file's length. No name becomes a path.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;
use flate2::{Crc, CrcReader};

use crate::error::{Fault, printable};

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
pub(crate) struct Member {
    pub(crate) name: String,
    pub(crate) deflated: bool,
    /// Where its bytes are in the archive, and how many are there.
    pub(crate) start: u64,
    pub(crate) packed: u64,
    /// How many they are when they are inflated.
    pub(crate) size: u64,
    checksum: u32,
}

/// The bytes of a member as they are read.
pub(crate) type Bytes<'a> = CrcReader<Box<dyn Read + 'a>>;

impl Member {
    /// Its bytes, inflated.
    pub(crate) fn open<'a, R: Read + Seek>(&self, reader: &'a mut R) -> Result<Bytes<'a>, Fault> {
        reader.seek(SeekFrom::Start(self.start))?;
        let packed = reader.take(self.packed);
        Ok(CrcReader::new(match self.deflated {
            true => Box::new(DeflateDecoder::new(packed)),
            false => Box::new(packed),
        }))
    }

    /// After the last byte that is wanted: none must follow, and all must be those that were written.
    pub(crate) fn close(&self, mut bytes: Bytes<'_>) -> Result<(), Fault> {
        if bytes.read(&mut [0])? != 0 {
            return Err(Fault::why("more bytes follow its numbers"));
        }
        match bytes.crc().sum() == self.checksum {
            true => Ok(()),
            false => Err(Fault::why("its bytes do not have its checksum")),
        }
    }
}

/// All members, in the order of the directory.
///
/// # Errors
///
/// No archive; a member that is encrypted, compressed otherwise, there twice, outside the file, over
/// another, larger than it can be, or that has a path for a name.
pub(crate) fn members<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Vec<Member>, Fault> {
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
pub(crate) fn wrong(member: &str, why: &str) -> Fault {
    Fault::why(format!("its entry `{}` {why}", printable(member)))
}

fn broken() -> Fault {
    Fault::why("the directory of its zip archive is broken, or it ends too early")
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

/// An archive that is being written, its members stored as they are.
pub(crate) struct Writer {
    bytes: Vec<u8>,
    directory: Vec<u8>,
    count: u64,
    /// Numbers from here on are written in 64 bits: [`u32::MAX`], or fewer to test that.
    limit: u32,
}

impl Writer {
    pub(crate) fn new() -> Self {
        Self { bytes: Vec::new(), directory: Vec::new(), count: 0, limit: u32::MAX }
    }

    /// Adds a member, of these bytes one after the other. Its name has at most 65,535 bytes.
    pub(crate) fn add(&mut self, name: &str, data: [&[u8]; 2]) {
        let header = self.bytes.len() as u64;
        let size = (data[0].len() + data[1].len()) as u64;
        let mut crc = Crc::new();
        data.iter().for_each(|part| crc.update(part));
        let mut wide = Wide { limit: self.limit, numbers: Vec::new() };
        let sizes = [wide.fit(size), wide.fit(size)].concat();
        let name = name.as_bytes();
        let both = |extra: &[u8]| {
            let lengths = [name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat();
            // Version 1.0, no flags, stored, at midnight on 1 January 1980.
            [b"\x0a\0\0\0\0\0\0\0\x21\0", &crc.sum().to_le_bytes()[..], &sizes, &lengths].concat()
        };
        let extra = wide.field();
        self.bytes.extend([b"PK\x03\x04", &both(&extra)[..], name, &extra].concat());
        data.iter().for_each(|part| self.bytes.extend(*part));
        let header = wide.fit(header);
        let extra = wide.field();
        // Made by Unix; no comment, on disk 0, and a file that all may read.
        let (made, rest) = (b"PK\x01\x02\x0a\x03", b"\0\0\0\0\0\0\0\0\xa4\x81");
        let entry = [made, &both(&extra)[..], rest, &header, name, &extra].concat();
        self.directory.extend(entry);
        self.count += 1;
    }

    /// The whole archive.
    pub(crate) fn finish(self) -> Vec<u8> {
        let Self { mut bytes, directory, count, limit } = self;
        let (start, size) = (bytes.len() as u64, directory.len() as u64);
        let mut wide = Wide { limit, numbers: Vec::new() };
        let place = [wide.fit(size), wide.fit(start)].concat();
        let short = u16::try_from(count).ok().filter(|short| *short < u16::MAX);
        bytes.extend(directory);
        if short.is_none() || !wide.numbers.is_empty() {
            let end = (bytes.len() as u64).to_le_bytes();
            // 44 bytes follow; version 4.5, on disk 0 of 1.
            let head = b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\x03\x2d\0\0\0\0\0\0\0\0\0";
            let numbers = [count, count, size, start].map(u64::to_le_bytes).concat();
            bytes.extend([head, &numbers[..], b"PK\x06\x07\0\0\0\0", &end, &[1, 0, 0, 0]].concat());
        }
        let count = short.unwrap_or(u16::MAX).to_le_bytes();
        bytes.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &place, &[0, 0]].concat());
        bytes
    }
}

/// Numbers that do not fit in 32 bits; an extra field has them, in the order of their places.
struct Wide {
    limit: u32,
    numbers: Vec<u8>,
}

impl Wide {
    /// The number in 32 bits, or the mark that the extra field has it.
    fn fit(&mut self, number: u64) -> [u8; 4] {
        let short = u32::try_from(number).ok().filter(|short| *short < self.limit);
        if short.is_none() {
            self.numbers.extend(number.to_le_bytes());
        }
        short.unwrap_or(u32::MAX).to_le_bytes()
    }

    /// The extra field; nothing if all numbers fit.
    fn field(&self) -> Vec<u8> {
        match self.numbers.len() as u16 {
            0 => Vec::new(),
            length => [&[1, 0], &length.to_le_bytes()[..], &self.numbers].concat(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::{Writer, members};

    #[test]
    fn what_is_written_is_read_also_in_64_bits() {
        for limit in [u32::MAX, 100, 1] {
            let mut writer = Writer { limit, ..Writer::new() };
            let data = [("a", &[7; 99][..]), ("b/c", &[8; 200]), ("d", &[])];
            for (name, data) in data {
                let (first, rest) = data.split_at(data.len() / 3);
                writer.add(name, [first, rest]);
            }
            let bytes = writer.finish();
            let mut reader = Cursor::new(&bytes[..]);
            let members = members(&mut reader, bytes.len() as u64).unwrap();
            assert_eq!(members.len(), data.len());
            for (member, (name, data)) in members.iter().zip(data) {
                assert_eq!(member.name, name);
                let mut found = vec![0; data.len()];
                let mut open = member.open(&mut reader).unwrap();
                open.read_exact(&mut found).unwrap();
                member.close(open).unwrap();
                assert_eq!(found, data, "{name}, limit {limit}");
            }
        }
    }
}
