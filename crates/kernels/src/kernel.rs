//! The weights of one convolution, made ready once and used many times.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use ndarray::ArrayView4;

use crate::error::Result;
use crate::layout::keep_freed_memory;
use crate::narrow::Narrow;
use crate::pack::Panels;
use crate::shared::Shared;
use crate::simd::Level;
use crate::spec::{Shape, Spec};

/// The weights of one convolution, packed for the vectors of one level.
///
/// Making the first kernel makes glibc's allocator keep freed memory, up to 64 MiB of it, for what is
/// allocated next, in the whole process; a setting of mallopt(3) or of its tunables prevents that. On Linux
/// large weights lie together in chunks of 32 MiB, in pages of 2 MiB where the system gives such for the asking;
/// a chunk is freed with the last kernel that has weights in it, and one is kept for the next.
#[derive(Debug)]
pub struct Kernel {
    pub(crate) shape: Shape,
    pub(crate) level: Level,
    pub(crate) weights: Weights,
    /// No other kernel's.
    pub(crate) number: u64,
    /// Of the paths of which it is the first.
    pub(crate) shared: OnceLock<Shared>,
}

#[derive(Debug)]
pub(crate) enum Weights {
    /// For each group.
    Dense(Vec<Panels>),
    Narrow(Narrow),
}

impl Kernel {
    /// Packs weights C_out x C_in/groups x k_h x k_w for the vectors of a level.
    ///
    /// # Errors
    ///
    /// A dimension, stride, dilation or number of groups of 0; groups that do not divide C_out; a level that the
    /// machine has not got.
    pub fn new(weights: ArrayView4<'_, f32>, spec: Spec, level: Level) -> Result<Self> {
        let level = level.check()?;
        keep_freed_memory();
        let shape = Shape::new(weights.dim().into(), spec)?;
        let Shape { c_in_group, k_h, k_w, .. } = shape;
        let (lanes, groups, c_out_group) = (level.lanes(), spec.groups, shape.c_out_group());
        let weights = weights.as_standard_layout();
        let Some(flat) = weights.as_slice() else { unreachable!("standard layout") };
        // One group is narrow only where the pixels of a row lie next to each other.
        let narrow = Narrow::suits(c_in_group, c_out_group)
            && k_h * k_w > 1
            && (groups > 1 || spec.stride == 1);
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
    pub(crate) fn pointwise(&self) -> Option<&Panels> {
        let Shape { k_h, k_w, spec, .. } = self.shape;
        match &self.weights {
            Weights::Dense(panels) if k_h * k_w == 1 && spec.padding == 0 => match &panels[..] {
                [panels] => Some(panels),
                _ => None,
            },
            _ => None,
        }
    }

    /// Multiply-adds for so many pixels of output.
    pub(crate) fn macs(&self, pixels: usize) -> usize {
        let Shape { c_out, c_in_group, k_h, k_w, .. } = self.shape;
        pixels * c_out * c_in_group * k_h * k_w
    }

    /// Output channels.
    pub fn c_out(&self) -> usize {
        self.shape.c_out
    }
}
