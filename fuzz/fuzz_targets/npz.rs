//! Any bytes as an `.npz` file: opened, and every tensor read.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use triform::network::checkpoint::npz::Npz;

mod inputs;
mod reading;

fuzz_target!(|bytes: &[u8]| {
    let bytes = inputs::npz(bytes);
    // Half a number for a stored byte, and 1032 bytes for a deflated one.
    reading::read_all(Npz::new(Cursor::new(&bytes), Path::new("a.npz")), 1032 * bytes.len() / 2);
});
