//! What a layer computes against what it has to move: the two sides of a roofline.

use super::convolution;
use super::macs::{Macs, convolution_macs};
use super::sum::{add, product};
use crate::block::{BlockSpec, Layer, Shortcut};
use crate::conv::ConvSpec;
use crate::error::Result;

/// Work of a convolution, or of several one after the other, on one image.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-adds.
    pub macs: Macs,
    /// Numbers read and written at least: the weights, the input and the output, each once.
    pub numbers: u64,
}

impl Work {
    /// FLOPs: 2 a MAC, all taps, as published figures count.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn flops(&self) -> Result<u64> {
        add("FLOPs", self.macs.all_taps, self.macs.all_taps)
    }

    /// Arithmetic intensity in `f32`, FLOPs a byte: 2 MACs / (4 (weights + input + output)), summed over
    /// the layers above and below the line.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`](crate::Error::CountTooLarge).
    pub fn intensity(&self) -> Result<f64> {
        Ok(self.flops()? as f64 / (size_of::<f32>() as f64 * self.numbers as f64))
    }

    fn plus(&self, other: &Self) -> Result<Self> {
        let numbers = add("numbers that are moved", self.numbers, other.numbers)?;
        Ok(Self { macs: self.macs.plus(&other.macs)?, numbers })
    }
}

/// The convolutions of a block in form (c), each with its work on one image of H x W.
///
/// # Errors
///
/// Those of [`convolution_macs`].
pub fn block_layers(spec: &BlockSpec, map: (usize, usize)) -> Result<Vec<(Layer, Work)>> {
    let (c_in, inner, c_out, k) = (spec.c_in(), spec.inner(), spec.c_out(), spec.kernel());
    let (inside, out) = (spec.inner_map(map)?, spec.output_map(map)?);
    let transform = spec.transform(spec.cardinality());
    let mut layers = vec![
        (Layer::Reduce, work(1, [c_in, inner], &spec.reduce(), map, inside)?),
        (Layer::Transform, work(k, [inner, inner], &transform, inside, out)?),
        (Layer::Expand, work(1, [inner, c_out], &spec.expand(), out, out)?),
    ];
    if spec.shortcut() == Shortcut::Projection {
        layers.push((Layer::Shortcut, work(1, [c_in, c_out], &spec.projection(), map, out)?));
    }
    Ok(layers)
}

/// All the convolutions of a block together; the same whatever the form, for the forms multiply the same
/// numbers.
///
/// # Errors
///
/// Those of [`convolution_macs`].
///
/// ```
/// use triform::{block::BlockSpec, count::block_work};
/// let work = block_work(&BlockSpec::new(256, 32, 4, 256)?, (56, 56))?;
/// assert_eq!(work.flops()?, 2 * 70_144 * 56 * 56);
/// // Between the layers go 256, 128, 128 and 256 channels; the two in the middle are written and read.
/// assert_eq!(work.numbers, 70_144 + (256 + 4 * 128 + 256) * 56 * 56);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn block_work(spec: &BlockSpec, map: (usize, usize)) -> Result<Work> {
    let layers = block_layers(spec, map)?;
    layers.iter().try_fold(Work::default(), |sum, (_, work)| sum.plus(work))
}

fn work(
    k: usize,
    [c_in, c_out]: [usize; 2],
    spec: &ConvSpec,
    (h, w): (usize, usize),
    (h_out, w_out): (usize, usize),
) -> Result<Work> {
    let moved = [
        convolution(k, k, c_in, c_out, spec.groups())?,
        product("values of a map", &[c_in, h, w])?,
        product("values of a map", &[c_out, h_out, w_out])?,
    ];
    let numbers =
        moved.iter().try_fold(0, |sum, part| add("numbers that are moved", sum, *part))?;
    Ok(Work { macs: convolution_macs(k, c_in, c_out, spec, (h, w))?, numbers })
}

#[cfg(test)]
mod tests {
    use super::{block_layers, block_work};
    use crate::block::{BlockSpec, Layer, StrideOn};
    use crate::count::block_macs;

    /// By hand: the grouped 3x3 of conv2, and that all layers are the block.
    #[test]
    fn the_layers_are_the_block() {
        let spec = BlockSpec::new(256, 32, 4, 256).unwrap();
        let layers = block_layers(&spec, (56, 56)).unwrap();
        let (layer, grouped) = layers[1];
        assert_eq!(layer, Layer::Transform);
        let pixels = 56 * 56;
        assert_eq!(grouped.macs.all_taps, 9 * 4 * 128 * pixels);
        assert_eq!(grouped.numbers, 9 * 4 * 128 + 2 * 128 * pixels);
        let intensity = (2 * 9 * 4 * 128 * pixels) as f64 / (4 * grouped.numbers) as f64;
        assert_eq!(grouped.intensity().unwrap(), intensity);

        let strided = BlockSpec::new(256, 32, 8, 512).unwrap();
        for spec in [spec, strided.with_stride(2, StrideOn::Transform).unwrap()] {
            let macs = block_macs(&spec, (56, 56)).unwrap();
            let both = macs.convolutions.plus(&macs.shortcut).unwrap();
            assert_eq!(block_work(&spec, (56, 56)).unwrap().macs, both);
        }
    }
}
