//! Checkpoints: tensors by the names of PyTorch's state dict, in a file.
//!
//! A reader first tells what is in the file ([`Checkpoint::entries`]), so that all that is missing,
//! surplus or of another shape can be named at once; then tensors are read one by one, so that no more
//! than one of them is in memory twice.

mod numbers;
pub mod pth;
pub mod safetensors;

use crate::error::Result;

/// What a file says of a tensor before its numbers are read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its name, such as `layer1.0.conv2.weight`.
    pub name: String,
    /// Its shape; none of a number.
    pub shape: Vec<usize>,
    /// The kind of its numbers.
    pub dtype: Dtype,
}

/// The kinds of numbers that a checkpoint may store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Dtype {
    /// 32-bit floats.
    F32,
    /// 16-bit floats, which f32 holds exactly.
    F16,
    /// Floats of 8 bits of exponent and 7 of mantissa, which f32 holds exactly.
    BF16,
    /// Any other, by its name: it is not read as weights.
    Other(String),
}

/// An open checkpoint.
pub trait Checkpoint {
    /// All tensors, in the order of the file.
    fn entries(&self) -> &[Entry];

    /// The numbers of the tensor of this index, row-major, as f32.
    ///
    /// # Errors
    ///
    /// [`Error::Checkpoint`](crate::Error::Checkpoint) for a kind of number that f32 does not hold, or a
    /// file that does not hold what it says; [`Error::Io`](crate::Error::Io).
    fn read(&mut self, index: usize) -> Result<Vec<f32>>;
}
