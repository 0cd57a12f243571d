//! Any bytes as a checkpoint of PyTorch's, or as the pickle in one: opened, and every tensor read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triform_checkpoint::Format;

#[path = "../../crates/checkpoint/tests/formats/kit/mod.rs"]
mod kit;

fuzz_target!(|bytes: &[u8]| {
    for bytes in kit::inputs::pth(bytes) {
        kit::reading::read_all(&bytes, Format::Pth, bytes.len() / 2);
    }
});
