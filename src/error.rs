//! One error type for the whole crate. Every message states the numbers involved.

use std::path::PathBuf;

/// What can be wrong with an input.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the message explains the variant and its fields")]
pub enum Error {
    #[error("{what} is 0; it must be at least 1")]
    Zero { what: &'static str },

    #[error("{channels} {which} channels cannot be divided into {groups} groups of equal size")]
    GroupsDoNotDivide { groups: usize, channels: usize, which: &'static str },

    #[error(
        "a kernel of {kernel} taps (dilation {dilation}) is larger than the padded map: {axis} {size}, \
         padding {}", on_both_sides(.padding)
    )]
    KernelTooLarge {
        axis: &'static str,
        kernel: usize,
        dilation: usize,
        size: usize,
        padding: [usize; 2],
    },

    #[error("{what} has shape {found:?}; it must be {expected}")]
    Shape { what: &'static str, expected: String, found: Vec<usize> },

    #[error("{what}: {expected} needed, but {found} given")]
    Count { what: &'static str, expected: usize, found: usize },

    /// A kernel of even size has no centre, so "same" padding does not exist.
    #[error(
        "kernel size {kernel} is even; it must be odd, so that the middle convolution keeps the map size"
    )]
    EvenKernel { kernel: usize },

    #[error(
        "an identity shortcut cannot join {c_in} input channels at stride {stride} \
         to {c_out} output channels; use a projection"
    )]
    IdentityShortcut { c_in: usize, c_out: usize, stride: usize },

    #[error(
        "a block with a shortcut needs padding {} in its {kernel}x{kernel} convolution, not {padding}, \
         which changes the map size", kernel / 2
    )]
    ShortcutOfAnotherMap { kernel: usize, padding: usize },

    #[error(
        "batch norm, channel {channel}: variance {variance}, epsilon {epsilon}; the variance must be at \
         least 0, and variance + epsilon must be above 0"
    )]
    Variance { channel: usize, variance: f64, epsilon: f64 },

    #[error("{what}: element {index:?} is {value}, not a finite number")]
    NotFinite { what: &'static str, index: Vec<usize>, value: f64 },

    /// Weights so large that a network's floats overflow.
    #[error(
        "{what}: element {index:?} is {value}; these weights overflow f32, so no result can be trusted"
    )]
    Overflow { what: String, index: Vec<usize>, value: f64 },

    #[error("{what}: too large for 64 bits or for any memory; the sizes are {factors:?}")]
    TooManyElements { what: &'static str, factors: Vec<usize> },

    #[error("{what}: the count is more than 2^64 - 1")]
    CountTooLarge { what: &'static str },

    #[error(
        "a block of two 3x3 convolutions cannot be grouped, since C paths of depth 2 equal one dense block C \
         times as wide; it must have 1 group of width 64, not {groups} of width {width_per_group}"
    )]
    GroupedBasicBlock { groups: usize, width_per_group: usize },

    #[error("{paths} paths cannot be merged into {fewer} paths; {fewer} must divide {paths}")]
    PathsDoNotDivide { paths: usize, fewer: usize },

    #[error(
        "`{given}` is not a count: {why}; examples are 70144, 25,028,904, 89.6M, 4.23G and 4.2e9"
    )]
    CountSyntax { given: String, why: &'static str },

    #[error("a sum has {terms} terms; the bound on rounding holds only for fewer than 2^24 terms")]
    TooManyTerms { terms: usize },

    #[error("integer overflow in {what}, first at element {index:?}")]
    IntegerOverflow { what: &'static str, index: Vec<usize> },

    #[error(
        "no integer case for {block} stays exact: partial sums may reach {reached}, \
         and the limit is {limit}"
    )]
    NoExactCase { block: String, reached: i64, limit: i64 },

    #[error(
        "`{given}` is not a block: {why}; write C_INxCxD, such as 256x32x4 (256 channels, 32 paths of \
         width 4), or C_IN-CxD-C_OUT, such as 64-32x4-256; append /2 for stride 2"
    )]
    BlockSyntax { given: String, why: String },

    #[error("`{given}` is not a valid block: {why}")]
    BlockSizes { given: String, why: String },

    #[error("batch norm in training mode needs at least 2 values per channel, not {values}")]
    Statistics { values: usize },

    #[error("rung {rung} ran on no case of stage {stage}; nothing was verified")]
    NothingRan { rung: String, stage: String },

    #[error(
        "the generator broke its contract: the {cases} cases of rung {rung} did not meet the requirement \
         `{clause}`; such cases can hide mistakes"
    )]
    Degenerate { rung: String, clause: &'static str, cases: u64 },

    #[error(
        "rung {rung} redrew {redraws} cases to get {cases} cases that give evidence; the limit is 10 redraws \
         or a quarter of the cases, whichever is more"
    )]
    Redraws { rung: String, redraws: u64, cases: u64 },

    #[error(
        "the shorter side of an image must be scaled to between {least} and {most} pixels, not {side}"
    )]
    Side { side: u32, least: u32, most: u32 },

    /// A checkpoint whose tensors or numbers do not match its network.
    #[error("checkpoint {}: {why}", path.display())]
    Checkpoint { path: PathBuf, why: String },

    #[error("case {case}: {why}")]
    Case { case: String, why: String },

    #[error("figure {name}: {why}")]
    Figure { name: &'static str, why: String },

    /// An error from the fast kernels.
    #[error(transparent)]
    Kernels(triform_kernels::Error),

    #[error("`{given}` is not one of the rungs R0 to {last}")]
    NoSuchRung { given: String, last: String },

    #[error("there is no {what} `{given}`{}", hint(.near))]
    NoSuchName { what: &'static str, given: String, near: Vec<&'static str> },

    /// Forms, weights or input that cannot be verified or timed together.
    #[error("{0}")]
    Unsuitable(String),

    #[error("{0}; this is a bug in the program")]
    Contradiction(String),
}

impl Error {
    /// [`Error::NoSuchName`], suggesting those of `names` that are most similar to `given`.
    pub fn no_such_name(
        what: &'static str,
        given: &str,
        names: impl Iterator<Item = &'static str>,
    ) -> Self {
        let small = given.to_lowercase();
        // The beginning of a name counts as one edit away from it, however long the rest is.
        let edits = |name: &str| match name.starts_with(&small) {
            true => 1,
            false => strsim::osa_distance(name, &small),
        };
        let mut near: Vec<&str> = names
            .filter(|name| {
                strsim::jaro_winkler(name, &small) > 0.8
                    || (given.len() >= 2 && name.contains(given))
            })
            .collect();
        // Fewest edits first; the sort is stable.
        near.sort_by_key(|name| edits(name));
        near.truncate(3);
        Self::NoSuchName { what, given: given.to_owned(), near }
    }
}

/// The padding in words: `1`, or `2 before the map and 0 after it` if the sides differ.
pub(crate) fn on_both_sides([before, after]: &[usize; 2]) -> String {
    match before == after {
        true => before.to_string(),
        false => format!("{before} before the map and {after} after it"),
    }
}

fn hint(near: &[&str]) -> String {
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    match &quoted[..] {
        [] => String::new(),
        [one] => format!("; did you mean {one}?"),
        [first @ .., last] => format!("; did you mean {} or {last}?", first.join(", ")),
    }
}

/// The crate's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Checks that none of these sizes is 0.
pub(crate) fn none_is_0(sizes: &[(&'static str, usize)]) -> Result<()> {
    let zero = sizes.iter().find(|(_, size)| *size == 0);
    zero.map_or(Ok(()), |(what, _)| Err(Error::Zero { what }))
}

/// Checks that the number of groups divides the number of channels.
pub(crate) fn divide(groups: usize, channels: usize, which: &'static str) -> Result<()> {
    let divides = channels.is_multiple_of(groups);
    if divides { Ok(()) } else { Err(Error::GroupsDoNotDivide { groups, channels, which }) }
}

/// Checks that the number found is the expected one.
pub(crate) fn as_many(what: &'static str, found: usize, expected: usize) -> Result<()> {
    if found == expected { Ok(()) } else { Err(Error::Count { what, expected, found }) }
}
