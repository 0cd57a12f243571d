//! Mistakes in the kernels: elements that are read from the wrong place, or with a wrong value.

use ndarray::Array4;

use super::branches::{Back, altered};
use super::{Met, as_a, over};
use crate::block::{BlockSpec, BlockWeights, Layer};
use crate::error::Result;
use crate::scalar::{Additive, Dual, M61, Var};

/// What is wrong with the kernels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kernels {
    /// The last 1x1 does not read the last path.
    LastPathDropped,
    /// The last 1x1 does not read the last channel.
    LastChannelDropped,
    /// Path `i` uses the 3x3 of path `i + 1`.
    NextPath,
    /// The taps of the 3x3 are transposed.
    Transposed,
    /// The taps of the 3x3 are rotated by 180 degrees.
    Flipped,
    /// The last 1x1 reads the channels in shuffled order: the first channel of every path, then the second channel of
    /// every path, and so on.
    Shuffled,
    /// The last 1x1 reads the paths in reverse order.
    Reversed,
    /// The first 1x1 is grouped too. Path `i` reads only the `i`-th part of the input channels.
    InputSplit,
    /// Every path uses the 3x3 of path 0.
    Shared,
    /// Each channel of the 3x3 reads only itself.
    Depthwise,
    /// The weights have the 11 significant bits of an f16.
    Half,
    /// In `f32`, the weights of the first 1x1 have 15 significant bits. This mistake is not in the list.
    FewerBits,
    /// The 3x3 of each path has the derivatives of the next path's 3x3.
    GradientOfNextPath,
}

impl Kernels {
    /// The block's weights with this mistake in them.
    pub(super) fn change<S: Additive>(
        self,
        weights: &BlockWeights<S>,
        met: &Met,
    ) -> Result<BlockWeights<S>> {
        let spec = weights.spec();
        let mut kernels = Layer::ALL.into_iter().zip(weights.kernels());
        let changed = BlockWeights::from_fn(*spec, |_| match (self, kernels.next()) {
            (Self::Half, Some((_, kernel))) => kernel.map(in_f16),
            (Self::FewerBits, Some((Layer::Reduce, kernel))) => kernel.map(in_15_bits),
            (Self::GradientOfNextPath, Some((Layer::Transform, _))) => {
                gradient_of_next_path(weights)
            }
            (_, Some((layer, kernel))) => {
                Array4::from_shape_fn(kernel.raw_dim(), |(o, c, u, v)| {
                    let from = self.read(spec, layer, [o, c, u, v]);
                    from.map_or_else(S::zero, |from| kernel[from].clone())
                })
            }
            (_, None) => unreachable!("a block has the kernels of its shape"),
        })?;
        met.meet(match self {
            Self::Half => over::<S, f32>() || over::<S, f64>() || over::<S, Dual<f32>>(),
            Self::GradientOfNextPath => {
                let forwards = over::<S, Dual<f32>>() || over::<S, Dual<M61>>();
                let backwards = over::<S, Var<f32>>() || over::<S, Var<M61>>();
                (forwards || backwards) && spec.cardinality() > 1
            }
            Self::FewerBits => over::<S, f32>(),
            // Regardless of the weights: equal ones hide a mistake but do not undo it.
            _ => self.reads_elsewhere(spec),
        });
        Ok(changed)
    }

    /// Whether any element is read from another place, in a block of this shape.
    fn reads_elsewhere(self, spec: &BlockSpec) -> bool {
        Layer::ALL.into_iter().zip(spec.convolutions()).any(|(layer, shape)| {
            ndarray::indices(shape.dimensions()).into_iter().any(|(o, c, u, v)| {
                let at = [o, c, u, v];
                self.read(spec, layer, at) != Some(at)
            })
        })
    }

    /// The index of the element that is read instead of the element at index `at`. An index is output channel, input
    /// channel, row, column. `None` means that 0 is read.
    fn read(self, spec: &BlockSpec, layer: Layer, at: [usize; 4]) -> Option<[usize; 4]> {
        let [o, c, u, v] = at;
        let (paths, d, all) = (spec.cardinality(), spec.width(), spec.inner());
        let last = spec.kernel() - 1;
        match (self, layer) {
            (Self::LastPathDropped, Layer::Expand) => (c < all - d).then_some(at),
            (Self::LastChannelDropped, Layer::Expand) => (c < all - 1).then_some(at),
            (Self::Shuffled, Layer::Expand) => Some([o, c % d * paths + c / d, u, v]),
            (Self::Reversed, Layer::Expand) => Some([o, (paths - 1 - c / d) * d + c % d, u, v]),
            (Self::NextPath, Layer::Transform) => Some([(o + d) % all, c, u, v]),
            (Self::Transposed, Layer::Transform) => Some([o, c, v, u]),
            (Self::Flipped, Layer::Transform) => Some([o, c, last - u, last - v]),
            (Self::Shared, Layer::Transform) => Some([o % d, c, u, v]),
            (Self::Depthwise, Layer::Transform) => (c == o % d).then_some(at),
            (Self::InputSplit, Layer::Reduce) => (c * paths / spec.c_in() == o / d).then_some(at),
            _ => Some(at),
        }
    }
}

/// Rounds an `f32`, an `f64` or the value of a dual number of `f32` to f16. Other numbers do not change.
fn in_f16<S: Additive>(weight: &S) -> S {
    let half = |weight: &mut f32| *weight = half::f16::from_f32(*weight).to_f32();
    let mut weight = weight.clone();
    if let Some(weight) = as_a(&mut weight) {
        half(weight);
    } else if let Some(weight) = as_a::<f64>(&mut weight) {
        // `half::f16::from_f64` drops bits before it rounds; these are `f32`s.
        *weight = half::f16::from_f32(*weight as f32).to_f64();
    } else if let Some(Dual { value, .. }) = as_a::<Dual<f32>>(&mut weight) {
        half(value);
    }
    weight
}

fn in_15_bits<S: Additive>(weight: &S) -> S {
    let mut weight = weight.clone();
    if let Some(weight) = as_a::<f32>(&mut weight) {
        *weight = f32::from_bits((weight.to_bits() + 0x100) & !0x1ff);
    }
    weight
}

/// The 3x3 kernel, in which each path has the derivatives of the next path. Dual numbers get these derivatives in the
/// forward pass, and numbers that remember how they were computed get them in the backward pass.
fn gradient_of_next_path<S: Additive>(weights: &BlockWeights<S>) -> Array4<S> {
    fn roll<T: Additive>(kernel: &mut Array4<Dual<T>>, d: usize) {
        let (all, from) = (kernel.dim().0, kernel.clone());
        for ((o, c, u, v), weight) in kernel.indexed_iter_mut() {
            weight.derivative = from[[(o + d) % all, c, u, v]].derivative.clone();
        }
    }
    let kernel = weights.transform();
    let (mut kernel, d) = (kernel.as_standard_layout().into_owned(), weights.spec().width());
    if let Some(kernel) = as_a::<Array4<Dual<f32>>>(&mut kernel) {
        roll(kernel, d);
    } else if let Some(kernel) = as_a::<Array4<Dual<M61>>>(&mut kernel) {
        roll(kernel, d);
    }
    let (all, width, k, _) = kernel.dim();
    let rows = kernel.into_shape_with_order((1, all, width, k * k));
    let rows = rows.unwrap_or_else(|error| unreachable!("as many: {error}"));
    let (rows, _) = altered(&rows, &rows, Back::OfNextGroup(all / d));
    let kernel = rows.into_shape_with_order((all, width, k, k));
    kernel.unwrap_or_else(|error| unreachable!("as many: {error}"))
}

#[cfg(test)]
mod tests {
    use super::Kernels;
    use crate::block::{BlockSpec, Layer};

    /// This is ShuffleNet's channel shuffle. With 3 paths of width 2, the 1x1 finds the channels in the order 0, 2, 4,
    /// 1, 3, 5.
    #[test]
    fn shuffled_channels_are_all_first_ones_then_all_second_ones() {
        let spec = BlockSpec::new(2, 3, 2, 2).unwrap();
        let read = |c| Kernels::Shuffled.read(&spec, Layer::Expand, [1, c, 0, 0]);
        let found = [0, 2, 4, 1, 3, 5];
        for (place, channel) in found.into_iter().enumerate() {
            // The weight of a place meets the channel that is there.
            assert_eq!(read(channel), Some([1, place, 0, 0]));
        }
    }

    #[test]
    fn reversed_paths_are_read_from_the_last_to_the_first() {
        let spec = BlockSpec::new(2, 3, 2, 2).unwrap();
        let read = |c| Kernels::Reversed.read(&spec, Layer::Expand, [1, c, 0, 0]);
        let from = [4, 5, 2, 3, 0, 1].map(|c| Some([1, c, 0, 0]));
        assert_eq!([0, 1, 2, 3, 4, 5].map(read), from);
    }
}
