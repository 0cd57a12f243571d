//! Pickles, and both kinds of files around them, byte by byte, with room for every mistake.

use super::zip::Zip;

/// The first pickle of the older format.
pub const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// 0, 1, 2, ... as f32.
pub fn float(count: u8) -> Vec<u8> {
    (0..count).flat_map(|i| f32::from(i).to_le_bytes()).collect()
}

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

/// A call of `_rebuild_tensor_v2`.
pub fn tensor(
    class: &str,
    key: &str,
    count: u64,
    offset: u64,
    shape: &[u64],
    strides: &[u64],
) -> Vec<u8> {
    [
        &b"ctorch._utils\n_rebuild_tensor_v2\n(("[..],
        &text("storage"),
        format!("ctorch\n{class}\n").as_bytes(),
        &text(key),
        &text("cpu"),
        &integer(count),
        b"tQ",
        &integer(offset),
        &tuple(shape),
        &tuple(strides),
        b"\x89ccollections\nOrderedDict\n)RtR",
    ]
    .concat()
}

/// A pickle of a state dict of f32 vectors: names, storages, sizes.
pub fn state_dict(tensors: &[(&str, &str, u64)]) -> Vec<u8> {
    let entry = |&(name, key, count): &(&str, &str, u64)| {
        [text(name), tensor("FloatStorage", key, count, 0, &[count], &[1])].concat()
    };
    let entries: Vec<u8> = tensors.iter().flat_map(entry).collect();
    [b"\x80\x02ccollections\nOrderedDict\n)R(", &entries[..], b"u."].concat()
}

/// A file of the older format: keys, numbers of elements, bytes.
pub fn legacy(pickle: &[u8], storages: &[(&str, u64, &[u8])]) -> Vec<u8> {
    let keys: Vec<u8> = storages.iter().flat_map(|(key, ..)| text(key)).collect();
    let data = storages.iter().map(|(_, count, data)| [&count.to_le_bytes()[..], data].concat());
    let data: Vec<u8> = data.flatten().collect();
    [
        &MAGIC[..],
        b"\x80\x02M\xe9\x03.\x80\x02}",
        &text("little_endian"),
        b"\x88s.",
        pickle,
        b"\x80\x02](",
        &keys,
        b"e.",
        &data,
    ]
    .concat()
}

/// A file of the newer format: keys, bytes.
pub fn archive(pickle: &[u8], storages: &[(&str, &[u8])]) -> Vec<u8> {
    torch_zip(pickle, storages).bytes()
}

/// What torch.save writes: first `data.pkl`, `version`, `byteorder`, then the storages.
pub fn torch_zip(pickle: &[u8], storages: &[(&str, &[u8])]) -> Zip {
    let mut zip = Zip::default();
    zip.add("a/data.pkl", pickle);
    zip.add("a/version", b"3\n");
    zip.add("a/byteorder", b"little");
    for (key, data) in storages {
        zip.add(&format!("a/data/{key}"), data);
    }
    zip
}
