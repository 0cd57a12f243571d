//! Checkpoints of this format.
#![no_main]

include!("checkpoint.rs");
