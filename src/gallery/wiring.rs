//! Mistakes in how the layers of form (c) are put together.

use ndarray::{Array4, ArrayView4, s};

use super::met::Met;
use crate::block::{BlockSpec, BlockWeights, Branch, Functions};
use crate::conv::{ConvSpec, Convolver, apply_from};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// What is wrong between the layers of form (c).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring {
    /// Group i of the 3x3 reads every C-th channel.
    Interleaved,
    /// Two neighbouring groups of the 3x3 read the channels of the first of them.
    HalvedGroups,
    /// All the padding of the 3x3 is above and to the left, as far as it goes.
    PaddingShifted,
    /// The map is padded before batch norm and ReLU.
    PaddedBefore,
    /// The 3x3 has dilation 2.
    Dilated,
    /// The 3x3 takes the height for the width.
    AxesSwapped,
    /// The stride is on the other convolution.
    StrideMoved,
}

/// Form (c) with its layers put together so.
pub(super) struct Rewired<K> {
    reduce: K,
    transform: K,
    expand: K,
    wiring: Wiring,
    spec: BlockSpec,
    met: Met,
}

impl<K> Rewired<K> {
    pub(super) fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        wiring: Wiring,
        weights: &BlockWeights<S>,
        convolver: &V,
        met: Met,
    ) -> Result<Self> {
        let spec = *weights.spec();
        let groups = spec.cardinality();
        let (mut reduce, mut transform) = (spec.reduce(), spec.transform(groups));
        match wiring {
            Wiring::PaddingShifted | Wiring::PaddedBefore => {
                transform = ConvSpec::new(transform.stride(), 0, 1, groups)?;
            }
            Wiring::Dilated => {
                // With the padding that keeps the map the same.
                let padding = spec.padding() + spec.kernel() / 2;
                transform = ConvSpec::new(transform.stride(), padding, 2, groups)?;
            }
            Wiring::StrideMoved => {
                let (first, second) = (transform.stride(), reduce.stride());
                reduce = ConvSpec::new(first, 0, 1, 1)?;
                transform = ConvSpec::new(second, spec.padding(), 1, groups)?;
            }
            Wiring::Interleaved | Wiring::HalvedGroups | Wiring::AxesSwapped => {}
        }
        let (paths, d) = (spec.cardinality(), spec.width());
        met.meet(match wiring {
            Wiring::Interleaved => paths > 1 && d > 1,
            Wiring::HalvedGroups => paths > 1,
            Wiring::PaddingShifted | Wiring::PaddedBefore => spec.padding() > 0,
            Wiring::Dilated => spec.kernel() > 1,
            Wiring::StrideMoved => spec.stride() > 1,
            Wiring::AxesSwapped => false, // that depends on the map
        });
        Ok(Self {
            reduce: convolver.prepare(weights.reduce(), reduce)?,
            transform: convolver.prepare(weights.transform(), transform)?,
            expand: convolver.prepare(weights.expand(), spec.expand())?,
            wiring,
            spec,
            met,
        })
    }

    /// Which channel the 3x3 reads for this one.
    fn source(&self, channel: usize) -> usize {
        let (paths, d) = (self.spec.cardinality(), self.spec.width());
        let (path, j) = (channel / d, channel % d);
        match self.wiring {
            Wiring::Interleaved => j * paths + path,
            Wiring::HalvedGroups => (path - path % 2) * d + j,
            _ => channel,
        }
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Rewired<V::Kernel> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let p = self.spec.padding();
        let reduced = if self.wiring == Wiring::PaddedBefore {
            let mut padded = pad(&convolver.sums(x, &self.reduce)?, p, [p, p]);
            apply_from(functions.reduce, 0, padded.view_mut());
            padded
        } else {
            convolver.conv(x, &self.reduce, &functions.after_reduce())?
        };
        let read = Array4::from_shape_fn(reduced.raw_dim(), |(n, c, i, j)| {
            reduced[[n, self.source(c), i, j]].clone()
        });
        let (_, _, h, w) = read.dim();
        let transformed = match self.wiring {
            Wiring::PaddingShifted => {
                let padded = pad(&read, p, [p + p.min(1), p + p.min(1)]);
                convolver.conv(padded.view(), &self.transform, &functions.after_transform())?
            }
            Wiring::AxesSwapped => {
                let stride = self.spec.transform(1).stride();
                self.met.meet(h != w && (self.spec.kernel() > 1 || stride > 1));
                let z = convolver.sums(relabelled(read)?.view(), &self.transform)?;
                let mut z = relabelled(z)?;
                apply_from(functions.transform, 0, z.view_mut());
                z
            }
            _ => convolver.conv(read.view(), &self.transform, &functions.after_transform())?,
        };
        convolver.conv(transformed.view(), &self.expand, &functions.after_sum(shortcut))
    }
}

/// Zeros around each plane, `p` on each side, the plane placed at `corner`; what does not fit is
/// cut off.
fn pad<S: Additive>(x: &Array4<S>, p: usize, corner: [usize; 2]) -> Array4<S> {
    let (n, c, h, w) = x.dim();
    let mut padded = Array4::from_elem((n, c, h + 2 * p, w + 2 * p), S::zero());
    let [i, j] = corner;
    let (rows, columns) = (h.min(h + 2 * p - i), w.min(w + 2 * p - j));
    padded.slice_mut(s![.., .., i..i + rows, j..j + columns]).assign(&x.slice(s![
        ..,
        ..,
        ..rows,
        ..columns
    ]));
    padded
}

/// The same memory with height and width exchanged.
fn relabelled<S: Additive>(x: Array4<S>) -> Result<Array4<S>> {
    let (n, c, h, w) = x.dim();
    let found = x.shape().to_vec();
    let x = x.as_standard_layout().into_owned();
    let expected = format!("{:?}", [n, c, w, h]);
    x.into_shape_with_order((n, c, w, h)).map_err(|_| Error::Shape { what: "map", expected, found })
}

#[cfg(test)]
mod tests {
    use super::{Rewired, Wiring};
    use crate::block::BlockSpec;
    use crate::gallery::met::Met;

    #[test]
    fn the_3x3_reads_the_channels_it_is_said_to() {
        let spec = BlockSpec::new(2, 3, 2, 2).unwrap();
        let sources = |wiring| {
            let (reduce, transform, expand) = ((), (), ());
            let rewired = Rewired { reduce, transform, expand, wiring, spec, met: Met::default() };
            [0, 1, 2, 3, 4, 5].map(|channel| rewired.source(channel))
        };
        assert_eq!(sources(Wiring::Interleaved), [0, 3, 1, 4, 2, 5]);
        assert_eq!(sources(Wiring::HalvedGroups), [0, 1, 0, 1, 4, 5]);
    }
}
