//! What is asked of every reader of checkpoints.

#![allow(unreachable_pub)]

use triform::Result;
use triform::network::checkpoint::Checkpoint;

/// Reads all there is. An error is an answer; it is one line. Numbers are as many as the shape says, and
/// no more than `most`, which is what the file can hold. Gives how many tensors were read.
pub fn read_all(opened: Result<impl Checkpoint>, most: usize) -> usize {
    let mut checkpoint = match opened {
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
