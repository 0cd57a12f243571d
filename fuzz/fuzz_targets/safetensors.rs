//! Any bytes as a `.safetensors` file: opened, and every tensor read.
#![no_main]

use std::io::Cursor;
use std::path::Path;

use libfuzzer_sys::fuzz_target;
use triform::network::checkpoint::safetensors::Safetensors;

mod inputs;
mod reading;

fuzz_target!(|bytes: &[u8]| {
    let bytes = inputs::safetensors(bytes);
    let opened = Safetensors::new(Cursor::new(&bytes), Path::new("a.safetensors"));
    reading::read_all(opened, bytes.len() / 2);
});
