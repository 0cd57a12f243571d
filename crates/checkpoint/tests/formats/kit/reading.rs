//! What is asked of every reader of checkpoints.

use std::io::Cursor;
use std::path::Path;

use triform_checkpoint::{Checkpoint, Format};

/// Reads all tensors of these bytes as a file. An error is an answer; it is one line. A tensor has as
/// many numbers as its shape says, and at most `most`, which is what the file can hold. Returns how many
/// tensors were read.
pub fn read_all(bytes: &[u8], format: Format, most: usize) -> usize {
    let mut checkpoint = match Checkpoint::new(Cursor::new(bytes), format, Path::new("a")) {
        Ok(checkpoint) => checkpoint,
        Err(error) => {
            assert!(!error.to_string().contains('\n'), "{error}");
            return 0;
        }
    };
    let mut read = 0;
    for index in 0..checkpoint.entries().len() {
        match checkpoint.read(index) {
            Ok(numbers) => {
                let shape = &checkpoint.entries()[index].shape;
                let empty = shape.contains(&0);
                let count = if empty { 0 } else { shape.iter().product() };
                assert_eq!(numbers.len(), count, "{shape:?}");
                assert!(count <= most, "{count} numbers, of {most} at most");
                read += 1;
            }
            Err(error) => assert!(!error.to_string().contains('\n'), "{error}"),
        }
    }
    read
}
