//! From an input of a fuzz target to a file. Bytes as they are would hardly ever reach a tensor, so what
//! does not look like a file has one built around it.

use std::io::Read;

use super::arrays::{self, npy};
use super::pickles;
use super::zip::{Zip, checksum};

/// What begins like a file of either format of PyTorch's is one; all else is the pickle in one of each.
pub fn pth(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.starts_with(b"PK") || bytes.starts_with(&pickles::MAGIC) {
        return vec![bytes.to_vec()];
    }
    let numbers = [0; 64];
    vec![
        pickles::archive(bytes, &[("0", &numbers), ("1", &numbers[..6])]),
        pickles::legacy(bytes, &[("0", 16, &numbers)]),
    ]
}

/// What begins like a zip archive is one; of all else the first byte says what it is: the numbers and
/// the header of an array, any member, or one that is deflated, whose length and checksum are right.
pub fn npz(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"PK") {
        return bytes.to_vec();
    }
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let mut zip = Zip::default();
    match kind % 4 {
        // The text of a header, without its braces, and 0 to 63 bytes of numbers.
        0 | 1 => {
            let header = format!("{{{}}}", String::from_utf8_lossy(bytes));
            zip.add("w.npy", &npy(&header, &[0x3c; 64][..usize::from(kind / 4)]));
        }
        2 => ["w.npy", "v.npy"].into_iter().for_each(|name| zip.add(name, bytes)),
        _ => zip.add("w.npy", bytes),
    }
    if kind % 4 == 3 {
        let (inflated, sum) = inflate(bytes);
        zip.entries[0].method = 8;
        zip.entries[0].inflated = Some((inflated, sum));
    }
    zip.bytes()
}

/// How long a member is that was deflated to these bytes, and its checksum.
fn inflate(bytes: &[u8]) -> (u32, u32) {
    let mut inflated = Vec::new();
    // What cannot be inflated is a case, too.
    let _ = flate2::read::DeflateDecoder::new(bytes).take(1 << 20).read_to_end(&mut inflated);
    (inflated.len() as u32, checksum(&inflated))
}

/// What begins with the length of a header that may be there is a file; all else is the header, but for
/// the first byte, which says how many bytes of numbers are behind it. 255 says that the rest is tensors.
pub fn safetensors(bytes: &[u8]) -> Vec<u8> {
    if let Some((length, rest)) = bytes.split_first_chunk()
        && u64::from_le_bytes(*length) <= rest.len() as u64
    {
        return bytes.to_vec();
    }
    match bytes.split_first().unwrap_or((&0, &[])) {
        (255, tensors) => in_line(tensors),
        (&numbers, header) => arrays::safetensors(header, &[0x3c; 255][..usize::from(numbers)]),
    }
}

/// Tensors one behind the other: of each, three bytes say the kind, the sizes, and whether it is moved.
/// Some share a name.
fn in_line(tensors: &[u8]) -> Vec<u8> {
    let (mut entries, mut end) = (Vec::new(), 0);
    for (number, &[kind, sizes, moved]) in tensors.as_chunks().0.iter().enumerate() {
        let (dtype, width) =
            [("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8)][usize::from(kind % 4)];
        let (rows, columns) = (usize::from(sizes / 16), usize::from(sizes % 16));
        let name = if kind < 250 { number } else { usize::from(kind) };
        let from = end + usize::from(moved.saturating_sub(250));
        end = from + width * rows * columns - usize::from(moved == 249 && rows * columns > 0);
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":[{rows},{columns}],"data_offsets":[{from},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    arrays::safetensors(header.as_bytes(), &tensors.repeat(end / tensors.len().max(1) + 1)[..end])
}
