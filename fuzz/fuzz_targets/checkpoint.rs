// Any bytes as a checkpoint of the format that the target is named after: opened, and every tensor read.

use libfuzzer_sys::fuzz_target;

#[path = "../../crates/checkpoint/tests/formats/kit.rs"]
mod kit;

fuzz_target!(|input: &[u8]| {
    kit::run(env!("CARGO_BIN_NAME"), input);
});
