//! What can be wrong with a call, with the numbers in every message.

/// What can be wrong with a call.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size that must be at least 1 is 0.
    #[error("{what} is 0; it must be at least 1")]
    Zero {
        /// The size in question.
        what: &'static str,
    },

    /// The number of groups does not divide a number of channels.
    #[error("{groups} groups do not divide {channels} {which} channels")]
    GroupsDoNotDivide {
        /// Number of groups.
        groups: usize,
        /// Number of channels.
        channels: usize,
        /// "input" or "output".
        which: &'static str,
    },

    /// The dilated kernel is larger than the padded map.
    #[error(
        "a kernel of {taps} taps (dilation {dilation}) does not fit the {axis} of {size} with \
         padding {padding}"
    )]
    KernelTooLarge {
        /// "height" or "width".
        axis: &'static str,
        /// Taps along that axis.
        taps: usize,
        /// Dilation.
        dilation: usize,
        /// Size of the map along that axis.
        size: usize,
        /// Padding on each side.
        padding: usize,
    },

    /// A tensor has another shape than it must have.
    #[error("{what} has shape {found:?}; it must be {expected}")]
    Shape {
        /// The tensor in question.
        what: &'static str,
        /// The shape it must have, in words or numbers.
        expected: String,
        /// The shape it has.
        found: [usize; 4],
    },

    /// Two numbers that must be equal are not.
    #[error("{what}: {found} where {expected} are needed")]
    Count {
        /// What was counted.
        what: &'static str,
        /// The count it must have.
        expected: usize,
        /// The count it has.
        found: usize,
    },

    /// A product of sizes that is more than memory can hold.
    #[error("{what}: {factors:?} multiply to more than 64 bits or any memory can hold")]
    TooManyElements {
        /// What was to be sized.
        what: &'static str,
        /// The sizes.
        factors: Vec<usize>,
    },

    /// SIMD instructions that this machine does not have, or that have no such name.
    #[error("{0}")]
    Level(String),
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
