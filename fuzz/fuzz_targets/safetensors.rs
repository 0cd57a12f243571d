//! Any bytes as a `.safetensors` file: opened, and every tensor read.
#![no_main]

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/checkpoint/tests/formats/kit.rs"]
mod kit;

fuzz_target!(|input: &[u8]| {
    kit::run("safetensors", input);
});
