//! Zip archives, byte by byte, with room for every mistake.

/// CRC-32, bit by bit.
pub fn checksum(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |sum, _| (sum >> 1) ^ (0xedb8_8320 * (sum & 1)))
    })
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
    /// The size that it claims to have when inflated, if it is another, and the checksum of that.
    pub inflated: Option<(u32, u32)>,
    /// Where it claims to be.
    pub header: Option<u32>,
}

impl Zip {
    pub fn add(&mut self, name: &str, data: &[u8]) {
        let (name, data) = (name.to_owned(), data.to_owned());
        self.entries.push(ZipEntry { name, data, ..ZipEntry::default() });
    }

    pub fn bytes(&self) -> Vec<u8> {
        let (mut bytes, mut directory) = (Vec::new(), Vec::new());
        for (i, entry) in self.entries.iter().enumerate() {
            let short = |value: usize| (value as u16).to_le_bytes();
            let wide = self.wide.filter(|_| i + 1 == self.entries.len());
            let size = entry.size.unwrap_or(entry.data.len() as u32);
            let size = if wide.is_some() { u32::MAX } else { size };
            let (inflated, sum) = entry.inflated.unwrap_or((size, checksum(&entry.data)));
            let extra = wide.map_or(vec![], |wide| {
                let wide = wide.to_le_bytes();
                [&[9, 9, 2, 0, 7, 7][..], &[1, 0, 16, 0], &wide, &wide].concat()
            });
            let header = entry.header.unwrap_or(bytes.len() as u32).to_le_bytes();
            let name = entry.name.as_bytes();
            let padding = [0; 3];
            let head = [&[0, 0][..], &entry.flags.to_le_bytes(), &entry.method.to_le_bytes()];
            let numbers = [sum, size, inflated].map(u32::to_le_bytes).concat();
            let head = [&head.concat()[..], &[0; 4], &numbers, &short(name.len())].concat();
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
