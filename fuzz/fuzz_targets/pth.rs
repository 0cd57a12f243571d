//! Any bytes as a checkpoint of PyTorch's: opened, and every tensor read. What begins like a file of
//! either format is taken for one; all else is the pickle in one of each.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use triform::network::checkpoint::Checkpoint;
use triform::network::checkpoint::pth::Pth;

#[path = "../../tests/common/pickles.rs"]
#[allow(dead_code)]
mod pickles;

fuzz_target!(|bytes: &[u8]| {
    if bytes.starts_with(b"PK") || bytes.starts_with(&pickles::MAGIC) {
        read(bytes);
    } else {
        let numbers = [0; 64];
        read(&pickles::archive(bytes, &[("0", &numbers), ("1", &numbers[..6])]));
        read(&pickles::legacy(bytes, &[("0", 16, &numbers)]));
    }
});

/// Reads all there is. An error is an answer; it is one line. Numbers are as many as the shape says.
fn read(bytes: &[u8]) {
    let mut pth = match Pth::new(Cursor::new(bytes), Path::new("a.pth")) {
        Ok(pth) => pth,
        Err(error) => return assert!(!error.to_string().contains('\n'), "{error}"),
    };
    for index in 0..pth.entries().len() {
        match pth.read(index) {
            Ok(numbers) => {
                let shape = &pth.entries()[index].shape;
                let empty = shape.contains(&0);
                let count = if empty { 0 } else { shape.iter().product() };
                assert_eq!(numbers.len(), count, "{shape:?}");
                assert!(count <= bytes.len() / 2, "{count} numbers of {} bytes", bytes.len());
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
}
