//! The program as its users meet it: arguments, reports, files, exit status.

#[path = "../../../../tests/common/mod.rs"]
mod common;

mod bad_input;
mod bench;
mod checkpoints;
mod claims;
mod cli;
mod count;
mod images;
mod notebooks;

use std::path::{Path, PathBuf};

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
