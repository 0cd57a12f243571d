//! Pickles, and both kinds of files around them, byte by byte, with room for every mistake.

#![allow(unreachable_pub)]

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
    Zip::of(pickle, storages).bytes()
}

/// A zip archive, in which anything may be wrong.
#[derive(Default)]
pub struct Zip {
    pub entries: Vec<ZipEntry>,
    /// The number of entries that it claims to have.
    pub count: Option<u16>,
    /// Zip64: the size that the last entry claims, in 64 bits.
    pub wide: Option<u64>,
    /// Zip64: size and start that the directory claims to have.
    pub directory: Option<(u64, u64)>,
}

#[derive(Default)]
pub struct ZipEntry {
    pub name: String,
    pub data: Vec<u8>,
    pub method: u16,
    pub flags: u16,
    /// The size that it claims to have.
    pub size: Option<u32>,
    /// Where it claims to be.
    pub header: Option<u32>,
}

impl Zip {
    /// What torch.save writes: first `data.pkl`, `version`, `byteorder`, then the storages.
    pub fn of(pickle: &[u8], storages: &[(&str, &[u8])]) -> Self {
        let mut zip = Self::default();
        zip.add("a/data.pkl", pickle);
        zip.add("a/version", b"3\n");
        zip.add("a/byteorder", b"little");
        for (key, data) in storages {
            zip.add(&format!("a/data/{key}"), data);
        }
        zip
    }

    fn add(&mut self, name: &str, data: &[u8]) {
        let (name, data) = (name.to_owned(), data.to_owned());
        self.entries.push(ZipEntry { name, data, ..ZipEntry::default() });
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (i, entry) in self.entries.iter().enumerate() {
            let short = |value: usize| (value as u16).to_le_bytes();
            let wide = self.wide.filter(|_| i + 1 == self.entries.len());
            let size = entry.size.unwrap_or(entry.data.len() as u32);
            let size = if wide.is_some() { u32::MAX } else { size }.to_le_bytes();
            let extra = wide.map_or(vec![], |wide| {
                let wide = wide.to_le_bytes();
                [&[9, 9, 2, 0, 7, 7][..], &[1, 0, 16, 0], &wide, &wide].concat()
            });
            let header = entry.header.unwrap_or(bytes.len() as u32).to_le_bytes();
            let name = entry.name.as_bytes();
            let padding = [0; 3];
            let head = [&[0, 0][..], &entry.flags.to_le_bytes(), &entry.method.to_le_bytes()];
            let head = [&head.concat()[..], &[0; 8], &size, &size, &short(name.len())].concat();
            bytes
                .extend([b"PK\x03\x04", &head[..], &short(padding.len()), name, &padding].concat());
            bytes.extend(&entry.data);
            directory.extend([b"PK\x01\x02\0\0", &head[..], &short(extra.len())].concat());
            directory.extend([&[0; 10][..], &header, name, &extra].concat());
        }
        let (start, size) = (bytes.len() as u64, directory.len() as u64);
        bytes.extend(&directory);
        let count = self.entries.len() as u64;
        if self.wide.is_some() {
            let (size, start) = self.directory.unwrap_or((size, start));
            let end = (bytes.len() as u64).to_le_bytes();
            let numbers = [count, count, size, start].map(u64::to_le_bytes).concat();
            bytes.extend([b"PK\x06\x06", &[0; 20][..], &numbers].concat());
            bytes.extend([b"PK\x06\x07", &[0; 4][..], &end, &[0; 4]].concat());
            bytes.extend([b"PK\x05\x06", &[0; 4][..], &[0xff; 12], &[0; 2]].concat());
        } else {
            let count = self.count.unwrap_or(count as u16).to_le_bytes();
            let place = [(size as u32).to_le_bytes(), (start as u32).to_le_bytes()].concat();
            bytes.extend([b"PK\x05\x06", &[0; 4][..], &count, &count, &place, &[0; 2]].concat());
        }
        bytes
    }
}
