//! Makes files byte by byte, breaks them by edits, and turns the inputs of the fuzz targets into files. The program's
//! tests and the fuzz targets use this module too.

#![allow(dead_code, unreachable_pub)]

use std::io::{Cursor, Read, Write};
use std::path::Path;

use flate2::Crc;
use triform_checkpoint::{Checkpoint, Format, write};

/// A tensor: its name, shape and numbers.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

pub fn bytes(numbers: &[f32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_le_bytes()).collect()
}

/// These bytes, with the last occurrence of `old` replaced.
pub fn edit(bytes: &[u8], old: &[u8], new: &[u8]) -> Vec<u8> {
    let at = bytes.windows(old.len()).rposition(|part| part == old).expect("they are there");
    [&bytes[..at], new, &bytes[at + old.len()..]].concat()
}

/// A `.npy` file of version 1, made from the text of its header and its numbers.
pub fn npy(header: &str, data: &[u8]) -> Vec<u8> {
    let length = (header.len() as u16).to_le_bytes();
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes(), data].concat()
}

pub fn npy_header(descr: &str, shape: &str) -> String {
    format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n")
}

/// A `.safetensors` file, made from its header and its numbers.
pub fn safetensors(header: &[u8], data: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header, data].concat()
}

/// A zip archive of these members, uncompressed.
pub fn zip(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, data) in members {
        let (at, size) = ((bytes.len() as u32).to_le_bytes(), data.len() as u32);
        let numbers = [checksum(data), size, size, name.len() as u32].map(u32::to_le_bytes);
        // Version, flags, method and time are 0; the numbers follow, and three bytes of padding.
        let [head, padded] =
            [[0, 0], [3, 0]].map(|extra| [&[0; 8], &numbers.as_flattened()[..14], &extra].concat());
        bytes.extend([b"PK\x03\x04\0\0", &padded[..], name.as_bytes(), &[0; 3], data].concat());
        directory.extend([b"PK\x01\x02\0\0\0\0", &head[..], &[0; 10]].concat());
        directory.extend([&at, name.as_bytes()].concat());
    }
    let [count, size, start] = [members.len(), directory.len(), bytes.len()].map(|x| x as u32);
    let count = [&count.to_le_bytes()[..2]; 2].concat();
    let place = [size.to_le_bytes(), start.to_le_bytes()].concat();
    [&bytes[..], &directory, b"PK\x05\x06\0\0\0\0", &count, &place, &[0, 0]].concat()
}

fn checksum(bytes: &[u8]) -> u32 {
    let mut sum = Crc::new();
    sum.update(bytes);
    sum.sum()
}

/// Offsets of the numbers in a directory entry of a zip archive. (The first two numbers have two bytes each, and a 0
/// follows.)
pub const FLAGS: usize = 8;
pub const METHOD: usize = 10;
pub const SUM: usize = 16;
pub const PACKED: usize = 20;
pub const SIZE: usize = 24;
pub const AT: usize = 42;

/// A zip archive in which one number is changed, in the directory's entry of one member.
pub fn set(zip: &[u8], member: &str, number: usize, value: u32) -> Vec<u8> {
    let name = zip.windows(member.len()).rposition(|part| part == member.as_bytes());
    let at = name.expect("it is there") - 46 + number;
    [&zip[..at], &value.to_le_bytes(), &zip[at + 4..]].concat()
}

/// A zip archive with one member marked as deflated, with the length and checksum of `inflated`.
pub fn set_deflated(zip: &[u8], member: &str, inflated: &[u8]) -> Vec<u8> {
    let numbers = [(METHOD, 8), (SIZE, inflated.len() as u32), (SUM, checksum(inflated))];
    numbers.iter().fold(zip.to_owned(), |zip, &(number, value)| set(&zip, member, number, value))
}

/// A zip archive of these members, deflated.
pub fn zip_deflated(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let deflate = |(name, data): &(String, Vec<u8>)| {
        let mut deflated = flate2::write::DeflateEncoder::new(Vec::new(), Default::default());
        deflated.write_all(data).unwrap();
        (name.clone(), deflated.finish().unwrap())
    };
    let zip = zip(&members.iter().map(deflate).collect::<Vec<_>>());
    members.iter().fold(zip, |zip, (name, data)| set_deflated(&zip, name, data))
}

/// The first pickle of PyTorch's older format.
pub const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// BINUNICODE.
pub fn text(text: &str) -> Vec<u8> {
    [b"X", &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// LONG1 of 8 bytes, so that `u64::MAX` is -1.
pub fn integer(value: u64) -> Vec<u8> {
    [b"\x8a\x08", &value.to_le_bytes()[..]].concat()
}

fn tuple(values: &[u64]) -> Vec<u8> {
    let values = values.iter().flat_map(|&value| integer(value));
    [b'('].into_iter().chain(values).chain([b't']).collect()
}

/// A call of `_rebuild_tensor_v2` with the class, key and count of a storage, and with an offset, a shape and
/// strides.
pub fn tensor(storage: (&str, &str, u64), view: (u64, &[u64], &[u64])) -> Vec<u8> {
    let ((class, key, count), (offset, shape, strides)) = (storage, view);
    let class = format!("ctorch\n{class}\n");
    let storage = [&text("storage"), class.as_bytes(), &text(key), &text("cpu"), &integer(count)];
    let view = [integer(offset), tuple(shape), tuple(strides)].concat();
    let (start, end) =
        (b"ctorch._utils\n_rebuild_tensor_v2\n((", b"\x89ccollections\nOrderedDict\n)RtR");
    [&start[..], &storage.concat(), b"tQ", &view, end].concat()
}

/// A pickle of a dict of these values.
pub fn dict(entries: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let entries: Vec<u8> =
        entries.iter().flat_map(|(name, value)| [text(name), value.clone()].concat()).collect();
    [b"\x80\x02ccollections\nOrderedDict\n)R(", &entries[..], b"u."].concat()
}

/// A file in PyTorch's older format, made from a pickle and from the key, number of elements and bytes of each
/// storage.
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    let keys: Vec<u8> = storages.iter().flat_map(|(key, ..)| text(key)).collect();
    let data = storages.iter().map(|(_, count, data)| [&count.to_le_bytes()[..], data].concat());
    let (data, order) = (data.collect::<Vec<_>>().concat(), text("little_endian"));
    let head = [b"\x80\x02M\xe9\x03.\x80\x02}", &order[..], b"\x88s."].concat();
    [&MAGIC[..], &head, pickle, b"\x80\x02](", &keys, b"e.", &data].concat()
}

/// A file of the newer format.
pub fn archive(pickle: &[u8], storages: &[(&str, u64, Vec<u8>)]) -> Vec<u8> {
    zip(&members(pickle, storages))
}

/// The members of such a file.
pub fn members(pickle: &[u8], storages: &[(&str, u64, Vec<u8>)]) -> Vec<(String, Vec<u8>)> {
    let parts = [("data.pkl", pickle), ("version", b"3\n"), ("byteorder", b"little")];
    let parts = parts.map(|(name, data)| (format!("a/{name}"), data.to_vec()));
    let data = |(key, _, data): &(&str, u64, Vec<u8>)| (format!("a/data/{key}"), data.clone());
    parts.into_iter().chain(storages.iter().map(data)).collect()
}

/// The same tensors as a file of each format.
pub fn in_each_format(tensors: &[Tensor]) -> Vec<(&'static str, Vec<u8>)> {
    let mut entries = Vec::new();
    let mut storages = Vec::new();
    let keys: Vec<String> = (0..tensors.len()).map(|key| key.to_string()).collect();
    for ((name, shape, numbers), key) in tensors.iter().zip(&keys) {
        let behind = |axis: usize| shape[axis + 1..].iter().product::<usize>() as u64;
        let strides: Vec<u64> = (0..shape.len()).map(behind).collect();
        let shape: Vec<u64> = shape.iter().map(|&size| size as u64).collect();
        let count = numbers.len() as u64;
        entries.push((&**name, tensor(("FloatStorage", key, count), (0, &shape, &strides))));
        storages.push((&**key, count, bytes(numbers)));
    }
    let tensor = |(name, shape, numbers): &Tensor| write::Tensor::f32(name, shape, numbers);
    let tensors: Vec<_> = tensors.iter().map(tensor).collect();
    let names = entries.iter().map(|(name, _)| format!("{name}.npy"));
    let arrays: Vec<_> = names.zip(tensors.iter().map(|x| write::npy(x).unwrap())).collect();
    vec![
        ("a.safetensors", write::safetensors(&tensors).unwrap()),
        ("a.npz", write::npz(&tensors).unwrap()),
        ("deflated.npz", zip_deflated(&arrays)),
        ("new.pth", archive(&dict(&entries), &storages)),
        ("old.pth", legacy(&dict(&entries), &storages)),
    ]
}

/// Turns an input of the fuzz target `pth` into files. Bytes that begin like a file of either format are used as a
/// file. Other bytes become the pickle in a file of each format, because they would hardly ever reach a tensor as
/// files of their own.
fn pth(bytes: &[u8]) -> Vec<Vec<u8>> {
    if bytes.starts_with(b"PK") || bytes.starts_with(&MAGIC) {
        return vec![bytes.to_vec()];
    }
    let numbers = vec![0; 64];
    let new = archive(bytes, &[("0", 16, numbers.clone()), ("1", 3, vec![0; 6])]);
    vec![new, legacy(bytes, &[("0", 16, numbers)])]
}

/// Turns an input of the fuzz target `npz` into a file. Bytes that begin like a zip archive are used as an archive.
/// Otherwise the first byte says what the other bytes are: the header of an array, two members, or a deflated member
/// with the right length and checksum.
fn npz(bytes: &[u8]) -> Vec<u8> {
    if bytes.starts_with(b"PK") {
        return bytes.to_vec();
    }
    let (kind, bytes) = bytes.split_first().unwrap_or((&0, &[]));
    let of = |name: &str, bytes: &[u8]| (name.to_owned(), bytes.to_vec());
    match kind % 4 {
        // The text of a header without its braces, and 0 to 63 bytes of numbers.
        0 | 1 => {
            let header = format!("{{{}}}", String::from_utf8_lossy(bytes));
            zip(&[of("w.npy", &npy(&header, &[0x3c; 64][..usize::from(kind / 4)]))])
        }
        2 => zip(&[of("w.npy", bytes), of("v.npy", bytes)]),
        _ => {
            let mut inflated = Vec::new();
            let mut inflate = flate2::read::DeflateDecoder::new(bytes).take(1 << 20);
            // Bytes that cannot be inflated are a case, too.
            let _ = inflate.read_to_end(&mut inflated);
            set_deflated(&zip(&[of("w.npy", bytes)]), "w.npy", &inflated)
        }
    }
}

/// Turns an input of the fuzz target `safetensors` into a file. Bytes that begin with a plausible header length are
/// used as a whole file. Otherwise the first byte says how many bytes of numbers follow the header, and the other
/// bytes are the header. If the first byte is 255, the other bytes describe tensors, with three bytes each. The three
/// bytes give the kind of the tensor, its sizes, and whether it is moved. Some tensors share a name.
fn safetensors_of(bytes: &[u8]) -> Vec<u8> {
    if let Some((length, rest)) = bytes.split_first_chunk()
        && u64::from_le_bytes(*length) <= rest.len() as u64
    {
        return bytes.to_vec();
    }
    let tensors = match bytes.split_first().unwrap_or((&0, &[])) {
        (255, tensors) => tensors,
        (&numbers, header) => return safetensors(header, &[0x3c; 255][..usize::from(numbers)]),
    };
    let (mut entries, mut end) = (Vec::new(), 0);
    for (number, &[kind, sizes, moved]) in tensors.as_chunks().0.iter().enumerate() {
        let kinds = [("F32", 4), ("F16", 2), ("BF16", 2), ("I64", 8)];
        let (dtype, width) = kinds[usize::from(kind % 4)];
        let (rows, columns) = (usize::from(sizes / 16), usize::from(sizes % 16));
        let name = if kind < 250 { number } else { usize::from(kind) };
        let from = end + usize::from(moved.saturating_sub(250));
        end = from + width * rows * columns - usize::from(moved == 249 && rows * columns > 0);
        entries.push(format!(
            r#""{name}":{{"dtype":"{dtype}","shape":[{rows},{columns}],"data_offsets":[{from},{end}]}}"#
        ));
    }
    let header = format!("{{{}}}", entries.join(","));
    safetensors(header.as_bytes(), &tensors.repeat(end / tensors.len().max(1) + 1)[..end])
}

/// Runs an input of a fuzz target: opens its files and reads every tensor. Returns how many tensors were read.
pub fn run(target: &str, input: &[u8]) -> usize {
    // A stored byte holds at most half a number, and a deflated byte stands for at most 1032 bytes.
    let (files, format, bytes) = match target {
        "pth" => (pth(input), Format::Pth, 1),
        "npz" => (vec![npz(input)], Format::Npz, 1032),
        _ => (vec![safetensors_of(input)], Format::Safetensors, 1),
    };
    files.iter().map(|file| read_all(file, format, bytes * file.len() / 2)).sum()
}

/// Opens these bytes as a file, and reads all its tensors. An error is allowed if its message is one line. A tensor
/// must have as many numbers as its shape says. It must not have more than `most` numbers, which is the most that the
/// file can hold. Returns how many tensors were read.
fn read_all(bytes: &[u8], format: Format, most: usize) -> usize {
    let one_line = |error| assert!(!format!("{error}").contains('\n'), "{error}");
    let checkpoint = Checkpoint::new(Cursor::new(bytes), format, Path::new("a"));
    let Ok(mut checkpoint) = checkpoint.map_err(one_line) else { return 0 };
    let mut read = 0;
    for index in 0..checkpoint.entries().len() {
        let Ok(numbers) = checkpoint.read(index).map_err(one_line) else { continue };
        let shape = &checkpoint.entries()[index].shape;
        let count = if shape.contains(&0) { 0 } else { shape.iter().product() };
        assert_eq!(numbers.len(), count, "{shape:?}");
        assert!(count <= most, "{count} numbers, of {most} at most");
        read += 1;
    }
    read
}
