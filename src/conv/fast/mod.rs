//! Convolution for `f32`, fast. The only unsafe code of the crate is under this
//! module; each unsafe block lists what it relies on.
//!
//! - [`layout`]: tensors lie channels last in memory.
//! - [`dense`]: pixels by output channels, for all that is wide: a 1x1, a dense k x k, wide groups.
//! - [`narrow`]: grouped k x k whose groups are narrower than a vector.
//! - [`pointwise`], [`windows`]: a 1x1, and a k x k, by these.
//! - [`paths`]: C kernels at once, for forms (a) and (b).
//! - [`panels`], [`packed`], [`padded`], [`planes`], [`buffer`]: weights, inputs and outputs laid out for
//!   them, and the memory they lie in.
//! - [`finish`]: what follows the sums, applied while they are in registers.
//! - [`source`]: pixels that are copied before they are read.
//! - [`ahead`]: memory asked for before it is needed.
//! - [`pieces`], [`tiles`]: how work is cut, and done by the threads.
//! - [`vector`], [`level`]: the few vector instructions that it is all written in, and which of them
//!   this machine has.
//! - [`peak`]: what this machine can do at most.
//! - [`double`], [`product`]: the same for `f64`, only as far as the evidence needs it.
//!
//! The order of a sum is whatever is fastest, so none of this need agree with the reference to the bit;
//! that it stays within the derived bound of it, and equals it to the bit on integers, is for the evidence
//! to show. It does not depend on the number of threads, nor on how the work is cut, nor on the width of
//! the vectors; only on whether a multiply-add is rounded once, as AVX2's and AVX-512's are, or twice.

mod ahead;
mod buffer;
mod dense;
mod double;
mod finish;
mod layout;
mod level;
mod narrow;
mod packed;
mod padded;
mod panels;
mod paths;
mod peak;
mod pieces;
mod planes;
mod pointwise;
mod product;
mod source;
mod tiles;
mod vector;
mod windows;

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::{Array4, ArrayView4};

pub use self::double::Double;
use self::finish::Finish;
use self::layout::{Image, keep_freed_memory};
pub use self::level::{LEVEL_VARIABLE, Level};
pub(super) use self::level::{Plain, vectorised};
use self::narrow::Narrow;
use self::panels::Panels;
use self::paths::Shared;
pub use self::peak::{Peak, read_bandwidth};
use self::pointwise::pointwise;
pub use self::tiles::on_one_thread;
use self::windows::convolve;
use super::after::{After, ChannelWise, Identity};
use super::convolver::{
    Convolver, concatenate_by_definition, merge_by_definition, one_input_a_path,
};
use super::spec::{ConvSpec, KernelShape};
use crate::error::Result;

/// Convolution for `f32`, with the vector instructions this machine has (AVX-512, or AVX2 with FMA, or
/// none), on the threads of the rayon pool it is called in.
///
/// The tensors it gives lie channels last in memory, and it is fastest on such. Any view will do.
///
/// Preparing the first kernel makes glibc's allocator keep freed memory, up to 64 MiB of it, for what is
/// allocated next, in the whole process; a setting of mallopt(3) or of its tunables prevents that. On Linux
/// large weights lie together in chunks of 32 MiB, in pages of 2 MiB where the system gives such for the asking;
/// a chunk is freed with the last kernel that has weights in it, and one is kept for the next.
#[derive(Clone, Copy, Debug)]
pub struct Fast {
    level: Level,
}

impl Fast {
    /// With the best instructions the machine has, or with those that [`LEVEL_VARIABLE`] names.
    pub fn new() -> Self {
        Self { level: Level::default() }
    }

    /// With the instructions of a level.
    ///
    /// # Errors
    ///
    /// [`Error::Usage`](crate::error::Error::Usage) where the machine has not got them.
    pub fn with_level(level: Level) -> Result<Self> {
        Ok(Self { level: level.check()? })
    }

    /// The instructions it uses.
    pub fn level(&self) -> Level {
        self.level
    }
}

impl Default for Fast {
    fn default() -> Self {
        Self::new()
    }
}

/// The kernel of [`Fast`]: its weights, packed for the vectors of one level.
#[derive(Debug)]
pub struct FastKernel {
    shape: KernelShape,
    level: Level,
    weights: Weights,
    /// No other kernel's.
    number: u64,
    /// Of the paths of which it is the first.
    shared: OnceLock<Shared>,
}

#[derive(Debug)]
enum Weights {
    /// For each group.
    Dense(Vec<Panels>),
    Narrow(Narrow),
}

impl FastKernel {
    fn new(weights: ArrayView4<'_, f32>, spec: ConvSpec, level: Level) -> Result<Self> {
        keep_freed_memory();
        let shape = KernelShape::new(weights.dim().into(), spec)?;
        let KernelShape { c_in_group, k_h, k_w, .. } = shape;
        let (lanes, groups, c_out_group) = (level.lanes(), spec.groups(), shape.c_out_group());
        let weights = weights.as_standard_layout();
        let Some(flat) = weights.as_slice() else { unreachable!("standard layout") };
        // One group is narrow only where the pixels of a row lie next to each other.
        let narrow = Narrow::suits(c_in_group, c_out_group)
            && k_h * k_w > 1
            && (groups > 1 || spec.stride() == 1);
        let weights = if narrow {
            let weight =
                |o: usize, tap: usize, c: usize| flat[(o * c_in_group + c) * k_h * k_w + tap];
            Weights::Narrow(Narrow::new(c_in_group, groups, k_h * k_w, lanes, weight))
        } else {
            let width = if c_out_group <= lanes { lanes } else { 2 * lanes };
            let taps = c_in_group * k_h * k_w;
            let panels = |group: usize| {
                let flat = &flat[group * c_out_group * taps..(group + 1) * c_out_group * taps];
                let weight = |o: usize, k: usize| {
                    let (tap, c) = (k / c_in_group, k % c_in_group);
                    flat[(o * c_in_group + c) * k_h * k_w + tap]
                };
                Panels::new(c_out_group, taps, width, weight)
            };
            Weights::Dense((0..groups).map(panels).collect())
        };
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        Ok(Self { shape, level, weights, number, shared: OnceLock::new() })
    }

    /// The panels of a 1x1 without padding, in one group.
    fn pointwise(&self) -> Option<&Panels> {
        let KernelShape { k_h, k_w, spec, .. } = self.shape;
        match &self.weights {
            Weights::Dense(panels) if k_h * k_w == 1 && spec.padding() == 0 => match &panels[..] {
                [panels] => Some(panels),
                _ => None,
            },
            _ => None,
        }
    }

    /// Multiply-adds for so many pixels of output.
    fn macs(&self, pixels: usize) -> usize {
        let KernelShape { c_out, c_in_group, k_h, k_w, .. } = self.shape;
        pixels * c_out * c_in_group * k_h * k_w
    }
}

impl Convolver<f32> for Fast {
    type Kernel = FastKernel;

    fn prepare(&self, weights: ArrayView4<'_, f32>, spec: ConvSpec) -> Result<FastKernel> {
        FastKernel::new(weights, spec, self.level)
    }

    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &FastKernel) -> Result<Array4<f32>> {
        self.conv(x, kernel, &After::only(&Identity))
    }

    fn conv(
        &self,
        x: ArrayView4<'_, f32>,
        kernel: &FastKernel,
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        let output = kernel.shape.output(x.dim().into())?;
        after.check(&output)?;
        let mut z;
        let finish;
        if let Some(panels) = kernel.pointwise() {
            finish = Finish::or_planes(after, kernel.shape.c_out);
            z = pointwise(x, kernel, panels, &finish, output);
        } else {
            finish = Finish::new(after, kernel.shape.c_out);
            z = convolve(&Image::new(x), kernel, &finish, output)?;
        }
        finish.rest(after, z.view_mut())?;
        Ok(z)
    }

    fn split(
        &self,
        x: ArrayView4<'_, f32>,
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        match paths::same_pixels(kernels) {
            Some(panels) => paths::split(x, kernels, &panels, function),
            None => paths::each(&vec![x; kernels.len()], kernels, function),
        }
    }

    fn each(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        function: &dyn ChannelWise<f32>,
    ) -> Result<Vec<Array4<f32>>> {
        one_input_a_path(xs, kernels.len())?;
        let views: Vec<_> = xs.iter().map(|x| x.view()).collect();
        paths::each(&views, kernels, function)
    }

    fn merge(
        &self,
        xs: &[Array4<f32>],
        kernels: &[FastKernel],
        after: &After<'_, f32>,
    ) -> Result<Array4<f32>> {
        match paths::same_pixels(kernels) {
            Some(panels) if paths::can_merge(&panels, &kernels[0]) => {
                paths::merge(xs, kernels, &panels, after)
            }
            _ => merge_by_definition(self, xs, kernels, after),
        }
    }

    fn concatenate(&self, xs: &[Array4<f32>]) -> Result<Array4<f32>> {
        match paths::concatenate(xs) {
            Some(together) => Ok(together),
            None => concatenate_by_definition(xs),
        }
    }
}
