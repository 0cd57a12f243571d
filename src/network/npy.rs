//! stub
#![allow(missing_docs)]
use crate::error::{Error, Result};
use ndarray::Array4;
use ndarray_npy::ReadNpyExt;
use std::path::Path;
pub fn read(path: &Path) -> Result<Array4<f32>> {
    let file = std::fs::File::open(path).map_err(|source| Error::Io {
        action: "read",
        path: path.to_owned(),
        source,
    })?;
    Array4::read_npy(file)
        .map_err(|error| Error::Checkpoint { path: path.to_owned(), why: error.to_string() })
}
