//! The program on what takes minutes: the README's commands, whole networks, the gallery.

#[path = "../../../../tests/common/mod.rs"]
mod common;

mod gallery;
mod readme;
mod whole;

use std::path::{Path, PathBuf};

/// The project's folder.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
