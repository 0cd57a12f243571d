//! Any bytes as an `.npz` file: opened, and every tensor read.
#![no_main]

use libfuzzer_sys::fuzz_target;
use triform_checkpoint::Format;

#[path = "../../crates/checkpoint/tests/formats/kit/mod.rs"]
mod kit;

fuzz_target!(|bytes: &[u8]| {
    let bytes = kit::inputs::npz(bytes);
    // Half a number for a stored byte, and 1032 bytes for a deflated one.
    kit::reading::read_all(&bytes, Format::Npz, 1032 * bytes.len() / 2);
});
