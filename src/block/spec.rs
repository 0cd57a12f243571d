//! The shape of a block. It is checked once, when it is constructed.

use std::fmt;
use std::str::FromStr;

use crate::conv::{ConvSpec, KernelShape};
use crate::error::{Error, Result, none_is_0};

/// Which convolution has the block's stride.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum StrideOn {
    /// The 3x3, as in the ResNeXt paper and in torchvision ("ResNet v1.5").
    #[default]
    Transform,
    /// The first 1x1, as in the original ResNet.
    Reduce,
}

/// What is added to the branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Shortcut {
    /// Nothing is added.
    None,
    /// The input of the block.
    Identity,
    /// A 1x1 convolution of the input with the block's stride, then batch norm.
    Projection,
}

/// The shape of a bottleneck block. It has C_in input channels, C paths of width d and C_out output channels. The
/// middle convolution, called the 3x3, has kernel size k. The shape also gives the stride, the convolution that has the
/// stride, and the shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BlockSpec {
    c_in: usize,
    cardinality: usize,
    width: usize,
    c_out: usize,
    kernel: usize,
    padding: usize,
    stride: usize,
    stride_on: StrideOn,
    shortcut: Shortcut,
}

impl BlockSpec {
    /// A block with `cardinality` paths of `width` channels. The 3x3 has stride 1. If C_in = C_out, the shortcut is the
    /// identity, otherwise a projection (He et al. 2016, type B).
    ///
    /// Errors: [`Error::Zero`] for a size of 0, [`Error::TooManyElements`] for more inner channels
    /// or weights than an array can hold.
    pub fn new(c_in: usize, cardinality: usize, width: usize, c_out: usize) -> Result<Self> {
        none_is_0(&[
            ("number of input channels", c_in),
            ("cardinality", cardinality),
            ("width of a path", width),
            ("number of output channels", c_out),
        ])?;
        let shortcut = if c_in == c_out { Shortcut::Identity } else { Shortcut::Projection };
        let (kernel, padding, stride, stride_on) = (3, 1, 1, StrideOn::default());
        let spec =
            Self { c_in, cardinality, width, c_out, kernel, padding, stride, stride_on, shortcut };
        spec.count_weights()?;
        Ok(spec)
    }

    /// Sets the stride and which convolution has it. An identity shortcut becomes a projection if
    /// the stride is above 1.
    ///
    /// Errors: [`Error::Zero`].
    pub fn with_stride(mut self, stride: usize, stride_on: StrideOn) -> Result<Self> {
        none_is_0(&[("stride", stride)])?;
        (self.stride, self.stride_on) = (stride, stride_on);
        if stride > 1 && self.shortcut == Shortcut::Identity {
            self.shortcut = Shortcut::Projection;
        }
        Ok(self)
    }

    /// Sets the kernel size k of the middle convolution. Also sets its padding to k/2, which keeps the map size.
    ///
    /// Errors: [`Error::Zero`], [`Error::EvenKernel`], [`Error::TooManyElements`].
    pub fn with_kernel(mut self, kernel: usize) -> Result<Self> {
        none_is_0(&[("kernel size", kernel)])?;
        if kernel.is_multiple_of(2) {
            return Err(Error::EvenKernel { kernel });
        }
        (self.kernel, self.padding) = (kernel, kernel / 2);
        self.count_weights()?;
        Ok(self)
    }

    /// Divides the same C d channels into fewer but wider paths. `fewer` is the new number of paths.
    ///
    /// Errors: [`Error::Zero`]; [`Error::PathsDoNotDivide`]; [`Error::TooManyElements`].
    pub fn with_paths(mut self, fewer: usize) -> Result<Self> {
        let paths = self.cardinality;
        none_is_0(&[("cardinality", fewer)])?;
        if !paths.is_multiple_of(fewer) {
            return Err(Error::PathsDoNotDivide { paths, fewer });
        }
        self.width *= paths / fewer;
        self.cardinality = fewer;
        self.count_weights()?;
        Ok(self)
    }

    /// Sets the padding of the middle convolution. Any padding other than k/2 changes the map size. No shortcut fits
    /// then, so the block gets [`Shortcut::None`].
    pub fn with_padding(mut self, padding: usize) -> Self {
        self.padding = padding;
        if !self.keeps_the_map() {
            self.shortcut = Shortcut::None;
        }
        self
    }

    /// Sets the shortcut.
    ///
    /// Errors: [`Error::IdentityShortcut`] for an identity between different shapes, [`Error::ShortcutOfAnotherMap`]
    /// for any shortcut except `None` if the padding changes the map size.
    pub fn with_shortcut(mut self, shortcut: Shortcut) -> Result<Self> {
        if shortcut != Shortcut::None && !self.keeps_the_map() {
            let (kernel, padding) = (self.kernel, self.padding);
            return Err(Error::ShortcutOfAnotherMap { kernel, padding });
        }
        let same_shape = self.c_in == self.c_out && self.stride == 1;
        if shortcut == Shortcut::Identity && !same_shape {
            let Self { c_in, c_out, stride, .. } = self;
            return Err(Error::IdentityShortcut { c_in, c_out, stride });
        }
        self.shortcut = shortcut;
        Ok(self)
    }

    getters! {
        /// Input channels, C_in.
        c_in: usize,
        /// Number of paths, C.
        cardinality: usize,
        /// Channels of a path, d.
        width: usize,
        /// Output channels, C_out.
        c_out: usize,
        /// Kernel size k of the middle convolution (3 in the paper).
        kernel: usize,
        /// Padding of the middle convolution, on each side.
        padding: usize,
        /// Stride of the block.
        stride: usize,
        /// The convolution that has the stride.
        stride_on: StrideOn,
        /// What is added to the branch.
        shortcut: Shortcut,
    }

    /// Channels of all paths together, D = C d.
    pub fn inner(&self) -> usize {
        self.cardinality * self.width
    }

    /// The shortest name of the block. It is written like `256x32x4` if C_in = C_out and the stride is 1. Otherwise it
    /// is written like `64-32x4-256/2`.
    pub fn name(&self) -> String {
        match self.c_in == self.c_out && self.stride == 1 {
            true => format!("{}x{}x{}", self.c_in, self.cardinality, self.width),
            false => self.to_string(),
        }
    }

    /// The geometry of the first 1x1, for one path or for all.
    pub fn reduce(&self) -> ConvSpec {
        let stride = if self.stride_on == StrideOn::Reduce { self.stride } else { 1 };
        ConvSpec::of(stride, 0, 1)
    }

    /// The geometry of the 3x3. `groups` is C for all paths together, or 1 for a single path.
    ///
    /// # Panics
    ///
    /// If `groups` is 0.
    pub fn transform(&self, groups: usize) -> ConvSpec {
        let stride = if self.stride_on == StrideOn::Transform { self.stride } else { 1 };
        ConvSpec::of(stride, self.padding, groups)
    }

    /// The geometry of the last 1x1, for one path or for all.
    pub fn expand(&self) -> ConvSpec {
        ConvSpec::UNIT
    }

    /// The geometry of the shortcut's projection.
    pub fn projection(&self) -> ConvSpec {
        ConvSpec::of(self.stride, 0, 1)
    }

    /// The block's convolutions in form (c): the first 1x1, the 3x3, the last 1x1 and, if the shortcut is
    /// a projection, its 1x1. The order is that of [`Layer::ALL`](super::Layer::ALL).
    pub fn convolutions(&self) -> Vec<KernelShape> {
        let (c_in, inner, c_out) = (self.c_in, self.inner(), self.c_out);
        let mut all = vec![
            KernelShape::square(1, c_in, inner, self.reduce()),
            KernelShape::square(self.kernel, inner, inner, self.transform(self.cardinality)),
            KernelShape::square(1, inner, c_out, self.expand()),
        ];
        if self.shortcut == Shortcut::Projection {
            all.push(KernelShape::square(1, c_in, c_out, self.projection()));
        }
        all
    }

    /// The output map size H_out x W_out for an input map H x W.
    ///
    /// Errors: [`Error::Zero`] for an empty map, [`Error::KernelTooLarge`] for a map that is too small.
    pub fn output_map(&self, map: (usize, usize)) -> Result<(usize, usize)> {
        self.convolutions()[1].output_map(self.inner_map(map)?)
    }

    /// The size of the map that the 3x3 reads, for an input map H x W.
    ///
    /// Errors: [`Error::Zero`] for an empty map.
    pub fn inner_map(&self, map: (usize, usize)) -> Result<(usize, usize)> {
        self.convolutions()[0].output_map(map)
    }

    fn keeps_the_map(&self) -> bool {
        self.padding == self.kernel / 2
    }

    fn count_weights(&self) -> Result<()> {
        for factors in [
            vec![self.cardinality, self.width, self.c_in],
            vec![self.cardinality, self.width, self.width, self.kernel, self.kernel],
            vec![self.cardinality, self.width, self.c_out],
            vec![self.c_in, self.c_out],
        ] {
            let product = factors.iter().try_fold(1usize, |product, &f| product.checked_mul(f));
            // An array's size must fit in isize.
            if product.is_none_or(|product| product > isize::MAX as usize / 8) {
                return Err(Error::TooManyElements { what: "weights of a block", factors });
            }
        }
        Ok(())
    }
}

/// Reads the name of a block. `256x32x4` is C_in x C x d, with C_out = C_in. `64-32x4-256` is C_in, then C x d, then
/// C_out. `/2` at the end is the stride of the 3x3. A `d` after the width is ignored.
impl FromStr for BlockSpec {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let syntax = |why: String| Error::BlockSyntax { given: text.to_owned(), why };
        let by = |c| matches!(c, 'x' | 'X' | '×');
        let (sizes, stride) = match text.split_once('/') {
            Some((sizes, stride)) => (sizes, Some(stride)),
            None => (text, None),
        };
        let (paths, c_out) = match sizes.split('-').collect::<Vec<_>>()[..] {
            [c_in, paths, c_out] if !c_in.is_empty() => (format!("{c_in}x{paths}"), Some(c_out)),
            _ => (sizes.to_owned(), None),
        };
        let parts: Vec<&str> = paths.split(by).collect();
        let [c_in, cardinality, width] = parts[..] else {
            return Err(syntax(format!("3 sizes are needed, not {}", parts.len())));
        };
        let wrong = |part| syntax(format!("`{part}` is not an integer below 2^64"));
        let size = |part: &str| part.parse::<usize>().map_err(|_| wrong(part.to_owned()));
        let width = width.strip_suffix('d').unwrap_or(width);
        let (c_in, cardinality, width) = (size(c_in)?, size(cardinality)?, size(width)?);
        let c_out = c_out.map_or(Ok(c_in), size)?;
        let stride = stride.map_or(Ok(1), size)?;
        Self::new(c_in, cardinality, width, c_out)
            .and_then(|spec| spec.with_stride(stride, StrideOn::default()))
            .map_err(|error| Error::BlockSizes { given: text.to_owned(), why: error.to_string() })
    }
}

/// Writes a name like `64-32x4-256`: C_in, then C x d, then C_out. If the stride is 2, `/2` follows.
impl fmt::Display for BlockSpec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}x{}-{}", self.c_in, self.cardinality, self.width, self.c_out)?;
        if self.stride > 1 { write!(f, "/{}", self.stride) } else { Ok(()) }
    }
}
