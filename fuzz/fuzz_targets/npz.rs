//! Fuzzes the reader of checkpoints in this format.
#![no_main]

include!("checkpoint.rs");
