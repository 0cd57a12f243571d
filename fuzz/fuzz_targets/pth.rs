//! Any bytes as a checkpoint of PyTorch's: opened, and every tensor read. What begins like a file of
//! either format is taken for one; all else is the pickle in one of each.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use triform::network::checkpoint::pth::Pth;

#[path = "../../tests/common/pickles.rs"]
#[allow(dead_code)]
mod pickles;
mod reading;
#[path = "../../tests/common/zip.rs"]
mod zip;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") || bytes.starts_with(&pickles::MAGIC) {
        read(bytes);
    } else {
        let numbers = [0; 64];
        read(&pickles::archive(bytes, &[("0", &numbers), ("1", &numbers[..6])]));
        read(&pickles::legacy(bytes, &[("0", 16, &numbers)]));
    }
});

fn read(bytes: &[u8]) {
    reading::read_all(Pth::new(Cursor::new(bytes), Path::new("a.pth")), bytes.len() / 2);
}
