//! What can be wrong with a model.

/// Why a model or a tensor was not made.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
#[allow(missing_docs, reason = "the messages say what the fields are")]
pub enum Error {
    /// A tensor whose numbers do not fill its shape.
    #[error("tensor `{name}` has shape {shape:?}, but {count} numbers")]
    Count { name: String, shape: Vec<usize>, count: usize },

    /// A value that is used before it is defined, or that is never defined.
    #[error("`{used_by}` uses `{name}`, which is not defined before it")]
    Undefined { name: String, used_by: String },

    /// A value that is defined twice.
    #[error("value `{name}` is defined twice")]
    Twice { name: String },

    /// A model that is too large for any reader.
    #[error("the model has {bytes} bytes; at most {most} fit in a protobuf message")]
    TooLarge { bytes: usize, most: usize },
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
