//! Any bytes as a `.safetensors` file: opened, and every tensor read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triform_checkpoint::Format;

#[path = "../../crates/checkpoint/tests/formats/kit/mod.rs"]
mod kit;

fuzz_target!(|bytes: &[u8]| {
    let bytes = kit::inputs::safetensors(bytes);
    kit::reading::read_all(&bytes, Format::Safetensors, bytes.len() / 2);
});
