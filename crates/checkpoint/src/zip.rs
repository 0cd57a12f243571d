//! Reads and writes zip archives, as far as PyTorch and numpy use them. Members are stored or deflated. A directory
//! at the end lists them, with 64-bit sizes if 32 bits are too few (PKWARE's `APPNOTE.TXT`, 4.3 and 4.5.3).
//!
//! The `zip` crate is not used because it accepts files that are refused here. They have bytes before or after the
//! archive, more entries than the directory counts, or a directory of any length. Here, every size in the directory
//! is compared with the file's length before memory is allocated for it. No name is used as a path.

use std::collections::HashSet;
use std::io::{Read, Seek, SeekFrom};

use flate2::read::DeflateDecoder;
use flate2::{Crc, CrcReader};

use crate::error::{Fault, bail, printable};
use crate::numbers::{integer, read_at};

/// The directory may have at most this many bytes. (The directory of ResNeXt-101 has about 60,000.)
const DIRECTORY: u64 = 1 << 22;

/// The most bytes to which one deflated byte can inflate. Two bits can stand for 258 bytes.
const DEFLATE: u64 = 1032;

/// A file inside an archive.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: String,
    flags: u64,
    method: u64,
    checksum: u32,
    /// Where its local header begins in the archive, where its bytes begin, and how many bytes there are.
    header: u64,
    pub(crate) start: u64,
    packed: u64,
    /// How many bytes it has when inflated.
    pub(crate) size: u64,
}

/// The bytes of a member as they are read.
pub(crate) type Bytes<'a> = CrcReader<Box<dyn Read + 'a>>;

impl Member {
    pub(crate) fn is_deflated(&self) -> bool {
        self.method == 8
    }

    /// Its bytes, inflated.
    pub(crate) fn open<'a, R: Read + Seek>(&self, reader: &'a mut R) -> Result<Bytes<'a>, Fault> {
        reader.seek(SeekFrom::Start(self.start))?;
        let packed = reader.take(self.packed);
        Ok(CrcReader::new(match self.is_deflated() {
            true => Box::new(DeflateDecoder::new(packed)),
            false => Box::new(packed),
        }))
    }

    /// Checks the end of the member, after all wanted bytes have been read. No byte may follow, and the checksum must
    /// match.
    pub(crate) fn close(&self, mut bytes: Bytes<'_>) -> Result<(), Fault> {
        if bytes.read(&mut [0])? != 0 {
            bail!("more bytes follow its numbers");
        }
        match bytes.crc().sum() == self.checksum {
            true => Ok(()),
            false => bail!("its bytes do not match its checksum"),
        }
    }
}

/// All members, in the order of the directory.
///
/// Errors: a file that is not an archive; a member that is encrypted, compressed by a method other than deflate,
/// listed twice, outside the file, overlapping another member, or larger than its deflated bytes allow; a name that
/// is a path.
pub(crate) fn members<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Vec<Member>, Fault> {
    let (directory, count, start) = directory(reader, length)?;
    let (mut members, mut rest) = (Vec::new(), &directory[..]);
    while !rest.is_empty() {
        members.push(Member::parse(&mut rest).ok_or_else(broken)?);
    }
    if members.len() as u64 != count {
        return Err(broken());
    }
    let mut names = HashSet::new();
    for member in &mut members {
        let name = &member.name;
        if name.split(['/', '\\']).any(|part| matches!(part, "" | "." | "..")) {
            return Err(wrong(name, "has a path as its name"));
        }
        if !names.insert(name.clone()) {
            return Err(wrong(name, "occurs twice"));
        }
        member.locate(reader, start)?;
    }
    let place = |member: &Member| (member.header, member.start + member.packed);
    let mut places: Vec<_> = members.iter().map(|member| (place(member), &member.name)).collect();
    places.sort_unstable();
    for pair in places.windows(2) {
        if let [((_, end), _), ((begin, _), name)] = pair
            && begin < end
        {
            return Err(wrong(name, "overlaps another"));
        }
    }
    Ok(members)
}

/// The fault of a member.
pub(crate) fn wrong(member: &str, why: &str) -> Fault {
    Fault::why(format!("its entry `{}` {why}", printable(member)))
}

fn broken() -> Fault {
    Fault::why("the directory of its zip archive is broken, or it ends too early")
}

/// The bytes of the directory, the number of entries that it claims to have, and where it begins.
fn directory<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(Vec<u8>, u64, u64), Fault> {
    // No comment follows: neither PyTorch nor numpy writes one.
    let at = length.checked_sub(22).ok_or_else(broken)?;
    let end: [u8; 22] = read_at(reader, at)?;
    let mut signatures = end.starts_with(b"PK\x05\x06");
    let mut disks = integer(&end[4..8]) | integer(&end[20..22]);
    let mut numbers = [integer(&end[10..12]), integer(&end[12..16]), integer(&end[16..20])];
    let mut behind = at;
    if signatures && (numbers[0] == 0xffff || numbers[1..].contains(&0xffff_ffff)) {
        let locator: [u8; 20] = read_at(reader, at.checked_sub(20).ok_or_else(broken)?)?;
        behind = integer(&locator[8..16]);
        if behind > length {
            return Err(broken());
        }
        let end: [u8; 56] = read_at(reader, behind)?;
        signatures = locator.starts_with(b"PK\x06\x07") && end.starts_with(b"PK\x06\x06");
        disks = integer(&end[16..24]);
        numbers = [integer(&end[32..40]), integer(&end[40..48]), integer(&end[48..56])];
    }
    let [count, size, start] = numbers;
    if !signatures || disks != 0 || start.checked_add(size).is_none_or(|end| end > behind) {
        return Err(broken());
    }
    if size > DIRECTORY {
        bail!("the directory of its zip archive has {size} bytes; at most {DIRECTORY} are read");
    }
    reader.seek(SeekFrom::Start(start))?;
    let mut directory = vec![0; size as usize];
    reader.read_exact(&mut directory)?;
    Ok((directory, count, start))
}

impl Member {
    /// Parses the first entry of `bytes`, and moves `bytes` past it. Nothing is checked yet. `start` is not final,
    /// because only the local header says where the member's own bytes begin.
    fn parse(bytes: &mut &[u8]) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<46>()?;
        let [name, extra, comment] = [28, 30, 32].map(|at| integer(&head[at..at + 2]) as usize);
        let (name, rest) = rest.split_at_checked(name)?;
        let (mut extra, rest) = rest.split_at_checked(extra)?;
        *bytes = rest.get(comment..)?;

        let mut numbers = [24, 20, 42].map(|at| integer(&head[at..at + 4]));
        // A rest shorter than a field's head is padding.
        while let Some((head, rest)) = extra.split_first_chunk::<4>() {
            let (mut field, rest) = rest.split_at_checked(integer(&head[2..]) as usize)?;
            extra = rest;
            // Field 1 has the numbers that did not fit in 32 bits, in this order.
            let is_wide = |number: &&mut u64| head[..2] == [1, 0] && **number == 0xffff_ffff;
            for number in numbers.iter_mut().filter(is_wide) {
                let (wide, rest) = field.split_first_chunk()?;
                (*number, field) = (u64::from_le_bytes(*wide), rest);
            }
        }
        let [size, packed, header] = numbers;
        head.starts_with(b"PK\x01\x02").then_some(Self {
            name: str::from_utf8(name).ok()?.to_owned(),
            flags: integer(&head[8..10]),
            method: integer(&head[10..12]),
            checksum: integer(&head[16..20]) as u32,
            header,
            start: header,
            packed,
            size,
        })
    }

    /// Checks the member and finds its bytes, which must end before the directory begins.
    fn locate<R: Read + Seek>(&mut self, reader: &mut R, directory: u64) -> Result<(), Fault> {
        let &mut Self { ref name, method, packed, size, .. } = self;
        let why = match method {
            _ if self.flags & 1 != 0 => "is encrypted".to_owned(),
            0 if packed != size => "is stored, but its two sizes differ".to_owned(),
            8 if size > packed.saturating_mul(DEFLATE) => {
                format!("cannot inflate from {packed} bytes to {size}")
            }
            0 | 8 => String::new(),
            method => format!("is compressed by method {method}; only deflate is read"),
        };
        if !why.is_empty() {
            return Err(wrong(name, &why));
        }
        let outside = || wrong(name, "lies outside the file");
        // This puts the header inside the file, since the directory is.
        let behind = self.header.checked_add(30).filter(|behind| *behind <= directory);
        let behind = behind.ok_or_else(outside)?;
        let local: [u8; 30] = read_at(reader, self.header)?;
        if !local.starts_with(b"PK\x03\x04") {
            return Err(wrong(name, "does not begin where the directory says"));
        }
        self.start = behind + integer(&local[26..28]) + integer(&local[28..30]);
        match self.start.checked_add(packed) {
            Some(end) if end <= directory => Ok(()),
            _ => Err(outside()),
        }
    }
}

/// Makes an archive of these members, uncompressed. Each member has a name of at most 65,535 bytes. Its bytes are
/// given in two parts, which are written one after the other. Numbers from `limit` on are written in 64 bits. Tests
/// use a small `limit`, so that small archives have numbers of 64 bits too.
pub(crate) fn archive(members: &[(String, [&[u8]; 2])], limit: u32) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let (at, size) = (bytes.len() as u64, (data[0].len() + data[1].len()) as u64);
        let mut crc = Crc::new();
        data.iter().for_each(|part| crc.update(part));
        let head = |sizes: &[[u8; 4]], extra: &[u8]| {
            let lengths = [name.len() as u16, extra.len() as u16].map(u16::to_le_bytes).concat();
            let (sum, sizes) = (crc.sum().to_le_bytes(), sizes.concat());
            // Version 1.0, no flags, stored, at midnight on 1 January 1980.
            [b"\x0a\0\0\0\0\0\0\0\x21\0", &sum[..], &sizes, &lengths].concat()
        };
        let (sizes, extra) = fit([size, size], limit);
        bytes.extend([b"PK\x03\x04", &head(&sizes, &extra)[..], name.as_bytes(), &extra].concat());
        data.iter().for_each(|part| bytes.extend(*part));
        let (numbers, extra) = fit([size, size, at], limit);
        let [sizes @ .., at] = &numbers;
        // Made by Unix; no comment, on disk 0, and a file that all may read.
        directory.extend([b"PK\x01\x02\x0a\x03", &head(sizes, &extra)[..]].concat());
        directory.extend([b"\0\0\0\0\0\0\0\0\xa4\x81", &at[..], name.as_bytes(), &extra].concat());
    }
    let (count, size, start) = (members.len(), directory.len() as u64, bytes.len() as u64);
    bytes.extend(directory);
    let (place, wide) = fit([size, start], limit);
    let short = u16::try_from(count).ok().filter(|short| *short < u16::MAX);
    if short.is_none() || !wide.is_empty() {
        let end = (bytes.len() as u64).to_le_bytes();
        // 44 bytes follow; version 4.5, on disk 0 of 1.
        let head = b"PK\x06\x06\x2c\0\0\0\0\0\0\0\x2d\x03\x2d\0\0\0\0\0\0\0\0\0";
        let numbers = [count as u64, count as u64, size, start].map(u64::to_le_bytes).concat();
        bytes.extend([head, &numbers[..], b"PK\x06\x07\0\0\0\0", &end, &[1, 0, 0, 0]].concat());
    }
    let count = short.unwrap_or(u16::MAX).to_le_bytes();
    bytes.extend([b"PK\x05\x06\0\0\0\0", &count[..], &count, &place.concat(), &[0, 0]].concat());
    bytes
}

/// Writes each number in 32 bits, or a mark that the number is in the extra field. Also returns the extra field,
/// which is empty if no number needs it.
fn fit<const N: usize>(numbers: [u64; N], limit: u32) -> ([[u8; 4]; N], Vec<u8>) {
    let mut wide = Vec::new();
    let short = numbers.map(|number| match u32::try_from(number) {
        Ok(short) if short < limit => short.to_le_bytes(),
        _ => {
            wide.extend(number.to_le_bytes());
            [0xff; 4]
        }
    });
    let length = (wide.len() as u16).to_le_bytes();
    let field = if wide.is_empty() { wide } else { [&[1, 0], &length[..], &wide].concat() };
    (short, field)
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::*;

    #[test]
    fn what_is_written_is_read_also_in_64_bits() {
        for limit in [u32::MAX, 100, 1] {
            let data = [("a", vec![7; 99]), ("b/c", vec![8; 200]), ("d", vec![])];
            let parts = data.each_ref().map(|(name, data)| {
                let (first, rest) = data.split_at(data.len() / 3);
                ((*name).to_owned(), [first, rest])
            });
            let bytes = archive(&parts, limit);
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

    #[test]
    fn sizes_of_64_bits_are_held_against_the_file() {
        let good = archive(&[("a".to_owned(), [&[7; 99], &[]])], 0);
        let end = good.len() - 22 - 20 - 56;
        let entry = end - 46 - 1 - 28;
        // The member's two sizes and place; the directory's length and start.
        let cases: [(usize, &[u64], &str); 8] = [
            (entry + 51, &[1 << 62; 2], "entry `a` lies outside the file"),
            (entry + 51, &[u64::MAX; 2], "entry `a` lies outside the file"),
            (entry + 51, &[7], "entry `a` is stored, but its two sizes differ"),
            (entry + 67, &[u64::MAX], "entry `a` lies outside the file"),
            (end + 40, &[1 << 62; 2], "directory of its zip archive is broken"),
            (end + 40, &[u64::MAX, 1], "directory of its zip archive is broken"),
            (end + 32, &[2], "directory of its zip archive is broken"),
            // The place of the record that has these numbers.
            (end + 64, &[u64::MAX], "directory of its zip archive is broken"),
        ];
        for (at, value, words) in cases {
            let mut bytes = good.clone();
            for (to, number) in bytes[at..].as_chunks_mut().0.iter_mut().zip(value) {
                *to = number.to_le_bytes();
            }
            let found = members(&mut Cursor::new(&bytes), bytes.len() as u64);
            assert!(matches!(found, Err(Fault::Why(why)) if why.contains(words)), "{at} {words}");
        }
        // A field of another kind is skipped.
        let mut entry = good[entry..end].to_vec();
        entry[30] += 6;
        entry.splice(47..47, [9, 9, 2, 0, 7, 7]);
        let entry = Member::parse(&mut &entry[..]).unwrap();
        assert_eq!([entry.size, entry.packed, entry.header], [99, 99, 0]);
    }
}
