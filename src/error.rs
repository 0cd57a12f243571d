//! One error type for the whole crate, with the numbers in every message.

use std::path::PathBuf;

/// What can be wrong with an input.
#[derive(Debug, thiserror::Error)]
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
        "a kernel of {kernel} taps (dilation {dilation}) does not fit the {axis} of {size} \
         with padding {padding}"
    )]
    KernelTooLarge {
        /// "height" or "width".
        axis: &'static str,
        /// Taps along that axis.
        kernel: usize,
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
        found: Vec<usize>,
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

    /// A kernel of even size has no centre, so "same" padding does not exist.
    #[error("kernel size {kernel} is even; the block's 3x3 needs an odd size, to keep the map")]
    EvenKernel {
        /// Taps along each axis.
        kernel: usize,
    },

    /// An identity shortcut between tensors of different shapes.
    #[error(
        "an identity shortcut cannot join {c_in} input channels at stride {stride} \
         to {c_out} output channels; use a projection"
    )]
    IdentityShortcut {
        /// Input channels.
        c_in: usize,
        /// Output channels.
        c_out: usize,
        /// Stride of the block.
        stride: usize,
    },

    /// A shortcut around a convolution whose padding changes the map.
    #[error(
        "no shortcut fits a {kernel}x{kernel} convolution of padding {padding}, which changes the \
         map; only padding {} keeps it", kernel / 2
    )]
    ShortcutOfAnotherMap {
        /// Kernel size.
        kernel: usize,
        /// Padding on each side.
        padding: usize,
    },

    /// A batch norm whose variance plus epsilon has no real square root above 0.
    #[error(
        "batch norm, channel {channel}: variance {variance} with epsilon {epsilon}; the variance \
         must be at least 0 and their sum above 0"
    )]
    Variance {
        /// Channel.
        channel: usize,
        /// Its variance.
        variance: f64,
        /// Epsilon.
        epsilon: f64,
    },

    /// A number that must be finite is NaN or infinite.
    #[error("{what}: element {index:?} is {value}, not a finite number")]
    NotFinite {
        /// The tensor in question.
        what: &'static str,
        /// Where.
        index: Vec<usize>,
        /// The value found.
        value: f64,
    },

    /// Weights so large that a network leaves the range of its floats.
    #[error(
        "{what}: element {index:?} is {value}; these weights overflow f32, and nothing can be said of them"
    )]
    Overflow {
        /// Where.
        what: String,
        /// Image, channel, row, column.
        index: Vec<usize>,
        /// What came of it.
        value: f64,
    },

    /// A product of sizes that does not fit in 64 bits.
    #[error("{what}: {factors:?} multiply to more than 64 bits or any memory can hold")]
    TooManyElements {
        /// What was to be sized.
        what: &'static str,
        /// The sizes.
        factors: Vec<usize>,
    },

    /// A sum of counts that does not fit in 64 bits.
    #[error("{what}: more than 2^64 - 1")]
    CountTooLarge {
        /// What was counted.
        what: &'static str,
    },

    /// A block of depth 2 with groups.
    #[error(
        "a block of two 3x3 has no grouped form ({groups} groups of {width_per_group} asked for): C paths \
         of depth 2 are one dense block C times as wide; its groups are 1 and its width 64"
    )]
    GroupedBasicBlock {
        /// Number of groups.
        groups: usize,
        /// Width of a group in the first stage.
        width_per_group: usize,
    },

    /// A number of paths that does not divide the block's.
    #[error("{paths} paths cannot be bundled into {fewer}: that does not divide them")]
    PathsDoNotDivide {
        /// The block's paths.
        paths: usize,
        /// Those it was to have.
        fewer: usize,
    },

    /// Text that is no count.
    #[error("`{given}` is no count: {why} (such as 70144, 25,028,904, 89.6M, 4.23G or 4.2e9)")]
    CountSyntax {
        /// The text.
        given: String,
        /// What is wrong with it.
        why: &'static str,
    },

    /// Sums of so many terms that no bound on their rounding is known.
    #[error("sums of {terms} terms: no bound on the rounding is known from 2^24 terms on")]
    TooManyTerms {
        /// Terms of one sum.
        terms: usize,
    },

    /// Checked integer arithmetic left the range of 64 bits.
    #[error("integer overflow in {what}, first at element {index:?}")]
    IntegerOverflow {
        /// The computation in question.
        what: &'static str,
        /// First poisoned element.
        index: Vec<usize>,
    },

    /// No integers small enough to be exact were found.
    #[error(
        "no integer case for {block} stays exact: partial sums may reach {reached}, \
         the limit is {limit}"
    )]
    NoExactCase {
        /// The block in question.
        block: String,
        /// Largest certified partial sum.
        reached: i64,
        /// Largest that is exact.
        limit: i64,
    },

    /// Text that does not describe a block.
    #[error(
        "`{given}` is not a block: {why} (C_in x C x d, such as 256x32x4: 256 channels, 32 paths \
         of width 4)"
    )]
    BlockSyntax {
        /// The text.
        given: String,
        /// What is wrong with it.
        why: String,
    },

    /// A batch too small for statistics.
    #[error("batch norm in training mode needs 2 values a channel at least, not {values}")]
    Statistics {
        /// Values a channel.
        values: usize,
    },

    /// Text that names no rung.
    #[error(
        "`{given}` is no rung that verify climbs; they are R0 to R8 (R9: verify --arch; R10: make -C proofs)"
    )]
    RungSyntax {
        /// The text.
        given: String,
    },

    /// A name that nothing has.
    #[error("there is no {what} `{given}`{hint} `{list}` lists them all")]
    NoSuchName {
        /// What was to be found.
        what: &'static str,
        /// The name.
        given: String,
        /// The nearest, in words.
        hint: String,
        /// The command that lists the names.
        list: &'static str,
    },

    /// A rung without a case.
    #[error("rung {rung} ran on no case ({stage}); nothing was verified")]
    NothingRan {
        /// The rung.
        rung: String,
        /// What it was to run on.
        stage: String,
    },

    /// Cases on which a mistake would not show.
    #[error(
        "the generator broke its contract: among {cases} cases of rung {rung} there was not always \
         {clause}; on such cases mistakes do not show"
    )]
    Degenerate {
        /// The rung.
        rung: String,
        /// What was missing.
        clause: &'static str,
        /// Number of cases.
        cases: u64,
    },

    /// Cases that had to be drawn again too often.
    #[error(
        "rung {rung} drew {redraws} cases again to get {cases} whose every channel is alive; at \
         most ten, or one in four, are allowed"
    )]
    Redraws {
        /// The rung.
        rung: String,
        /// How often.
        redraws: u64,
        /// Number of cases that ran.
        cases: u64,
    },

    /// A path that is not a regular file.
    #[error("{} is {found}, not a file", path.display())]
    NotAFile {
        /// The path.
        path: PathBuf,
        /// What it is.
        found: &'static str,
    },

    /// A file that cannot be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// "read", "write".
        action: &'static str,
        /// The path.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },

    /// A side to which an image cannot be scaled.
    #[error(
        "the shorter side of an image is scaled to {least} pixels at least and {most} at most, not {side}"
    )]
    Side {
        /// The side asked for.
        side: u32,
        /// The least.
        least: u32,
        /// The most.
        most: u32,
    },

    /// A file that is no image this program reads.
    #[error("cannot read {} as a JPEG or PNG image: {why}", path.display())]
    Image {
        /// The path.
        path: PathBuf,
        /// Why.
        why: String,
    },

    /// A `.npy` array of other axes or numbers than an input has.
    #[error("cannot read {} as a .npy array: {why}", path.display())]
    Array {
        /// The path.
        path: PathBuf,
        /// Why.
        why: String,
    },

    /// A file of tensors that cannot be read or written.
    #[error(transparent)]
    Tensors(triform_checkpoint::Error),

    /// A checkpoint that holds other tensors or numbers than its network has.
    #[error("checkpoint {}: {why}", path.display())]
    Checkpoint {
        /// The path.
        path: PathBuf,
        /// What is wrong; if it is one tensor, its name.
        why: String,
    },

    /// A figure that could not be drawn.
    #[error("figure {name}: {why}")]
    Figure {
        /// The figure.
        name: &'static str,
        /// Why.
        why: String,
    },

    /// What the fast kernels refuse.
    #[error(transparent)]
    Kernels(triform_kernels::Error),

    /// The program contradicts itself.
    #[error("{0}; this is a bug of the program")]
    Contradiction(String),

    /// Options that do not go together, or a form list that is too short.
    #[error("{0}")]
    Usage(String),
}

impl Error {
    /// [`Error::NoSuchName`], with those of `names` that are most like what was given.
    pub fn no_such_name(
        what: &'static str,
        given: &str,
        names: impl Iterator<Item = &'static str>,
        list: &'static str,
    ) -> Self {
        let mut alike: Vec<(f64, &str)> = names
            .map(|name| (strsim::jaro_winkler(name, &given.to_lowercase()), name))
            .filter(|(alike, name)| *alike > 0.8 || (given.len() >= 2 && name.contains(given)))
            .collect();
        // The most alike first; a stable sort.
        alike.sort_by(|one, other| other.0.total_cmp(&one.0));
        let near: Vec<&str> = alike.iter().map(|(_, name)| *name).take(3).collect();
        let hint = match near[..] {
            [] => ";".to_owned(),
            _ => format!("; did you mean {}?", near.join(", ")),
        };
        Self::NoSuchName { what, given: given.to_owned(), hint, list }
    }
}

/// The crate's result.
pub type Result<T, E = Error> = std::result::Result<T, E>;
