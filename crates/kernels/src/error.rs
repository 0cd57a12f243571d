//! The errors of a call. Every message states the numbers involved.

/// What can be wrong with a call. The fields are the numbers that the messages state.
#[allow(missing_docs)]
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A size that must be at least 1 is 0.
    #[error("{what} is 0; it must be at least 1")]
    Zero { what: &'static str },

    /// The number of groups does not divide a number of channels; `which` is "input" or "output".
    #[error("{channels} {which} channels cannot be divided into {groups} groups of equal size")]
    GroupsDoNotDivide { groups: usize, channels: usize, which: &'static str },

    /// The dilated kernel is larger than the padded map along one axis, "height" or "width".
    #[error(
        "a kernel of {taps} taps (dilation {dilation}) is larger than the padded map: {axis} {size}, \
         padding {}", on_both_sides(.padding)
    )]
    KernelTooLarge {
        axis: &'static str,
        taps: usize,
        dilation: usize,
        size: usize,
        padding: [usize; 2],
    },

    /// A tensor does not have the expected shape. `expected` gives that shape in words or numbers.
    #[error("{what} has shape {found:?}; it must be {expected}")]
    Shape { what: &'static str, expected: String, found: [usize; 4] },

    /// Two numbers that must be equal are not.
    #[error("{what}: {expected} needed, but {found} given")]
    Count { what: &'static str, expected: usize, found: usize },

    /// A product of sizes is larger than any memory can hold.
    #[error("{what}: too large for 64 bits or for any memory; the sizes are {factors:?}")]
    TooManyElements { what: &'static str, factors: Vec<usize> },

    /// A SIMD level that this machine does not have, or a name that no level has.
    #[error("{0}")]
    Level(String),
}

/// The padding in words: `1`, or `2 before the map and 0 after it` if the sides differ.
fn on_both_sides([before, after]: &[usize; 2]) -> String {
    match before == after {
        true => before.to_string(),
        false => format!("{before} before the map and {after} after it"),
    }
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
