//! The tests that take minutes: every rung on every wrong form. `cargo test --release --test extensive`.

#[path = "../common/mod.rs"]
mod common;

mod check;
mod ladder;
mod sensitivity;
