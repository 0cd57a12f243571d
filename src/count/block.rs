//! Counts for convolutions and blocks: parameters, multiply-adds, and numbers read or written.

use super::{add, product};
use crate::block::{BlockSpec, Layer};
use crate::conv::{ConvSpec, KernelShape};
use crate::error::{Error, Result, divide, none_is_0};
use crate::network::layers::Map;

/// Counts the parameters of a convolution without bias: `k_h k_w C_in C_out / groups`. A dense convolution has
/// `groups` times as many.
///
/// Errors: [`Error::Zero`] for 0 groups; [`Error::GroupsDoNotDivide`]; [`Error::TooManyElements`] beyond 64 bits.
///
/// ```
/// use triform::count::convolution;
/// assert_eq!(convolution(3, 3, 128, 128, 32)?, 4_608);
/// assert_eq!(convolution(3, 3, 128, 128, 1)?, 32 * 4_608);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn convolution(
    k_h: usize,
    k_w: usize,
    c_in: usize,
    c_out: usize,
    groups: usize,
) -> Result<u64> {
    none_is_0(&[("number of groups", groups)])?;
    divide(groups, c_in, "input")?;
    divide(groups, c_out, "output")?;
    product("parameters", &[k_h, k_w, c_in / groups, c_out])
}

/// MACs of one image, counted in two ways. A MAC is one multiplication and one addition: 2 FLOPs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// All taps at all output positions, including taps on the padding: `k_h k_w H_out W_out C_in/groups C_out`.
    /// Published counts are of this kind.
    pub all_taps: u64,
    /// Only the taps that fall inside the map. These are exactly the multiplications in the definition of
    /// convolution.
    pub inside: u64,
}

impl Macs {
    /// The sum of the two counts.
    ///
    /// Errors: [`Error::CountTooLarge`].
    pub fn plus(&self, other: &Self) -> Result<Self> {
        let [all_taps, inside] = [(self.all_taps, other.all_taps), (self.inside, other.inside)]
            .map(|(left, right)| add("multiply-adds", left, right));
        Ok(Self { all_taps: all_taps?, inside: inside? })
    }
}

/// Counts the MACs of a k x k convolution from `c_in` to `c_out` channels on an H x W map.
///
/// Consider one axis of size `n`, with stride `s`, padding `p` and dilation `e`. At output position `i`, tap `u`
/// reads position `i s + u e - p`. That lies inside the map if `0 <= i s + u e - p < n`. So the number of taps inside
/// is the sum over `u` of
///
/// ```text
/// min(n_out, ceil((n + p - u e) / s)) - ceil((p - u e) / s)      each part 0 at least
/// ```
///
/// The number for an H x W map is the product of the numbers for its two axes.
///
/// Errors: groups that do not divide the channels; a kernel larger than the padded map; [`Error::TooManyElements`]
/// beyond 64 bits.
///
/// ```
/// use triform::{conv::ConvSpec, count::convolution_macs};
/// // The stem of ResNet on 224 x 224.
/// let macs = convolution_macs(7, 3, 64, &ConvSpec::new(2, 3, 1, 1)?, (224, 224))?;
/// assert_eq!(macs.all_taps, 118_013_952);
/// assert!(macs.inside < macs.all_taps);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn convolution_macs(
    k: usize,
    c_in: usize,
    c_out: usize,
    spec: &ConvSpec,
    (h, w): Map,
) -> Result<Macs> {
    let channels = convolution(1, 1, c_in, c_out, spec.groups())?;
    let axis = |name, n: usize| -> Result<[u64; 2]> {
        let n_out = spec.output_size(name, n, k)?;
        // Checked first, because the number of taps inside the map is at most this.
        let all = product("multiply-adds", &[n_out, k])?;
        let along = if name == "height" { spec.height() } else { spec.width() };
        let taps = (0..k).map(|u| along.inside(u, n, n_out).0.len() as u64);
        Ok([all, taps.sum()])
    };
    let ([all_h, inside_h], [all_w, inside_w]) = (axis("height", h)?, axis("width", w)?);
    let positions = |h: u64, w: u64| {
        h.checked_mul(w).and_then(|taps| taps.checked_mul(channels)).ok_or_else(|| {
            Error::TooManyElements { what: "multiply-adds", factors: vec![k, c_in, c_out] }
        })
    };
    Ok(Macs { all_taps: positions(all_h, all_w)?, inside: positions(inside_h, inside_w)? })
}

/// The work of one convolution, or of several in sequence, on one image. It holds the two quantities of a
/// roofline: how many operations are done, and how many numbers must be read or written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Multiply-adds.
    pub macs: Macs,
    /// The least number of values that must be read or written: the weights, the input and the output, each once.
    pub numbers: u64,
}

impl Work {
    fn of(kernel: &KernelShape, (h, w): Map) -> Result<Self> {
        let KernelShape { c_out, k_h: k, spec, .. } = kernel;
        let (h_out, w_out) = kernel.output_map((h, w))?;
        let moved = [
            product("parameters", &kernel.dimensions())?,
            product("values of a map", &[kernel.c_in(), h, w])?,
            product("values of a map", &[*c_out, h_out, w_out])?,
        ];
        let sum = |sum, part: u64| add("numbers that are moved", sum, part);
        let numbers = moved.into_iter().try_fold(0, sum)?;
        Ok(Self { macs: convolution_macs(*k, kernel.c_in(), *c_out, spec, (h, w))?, numbers })
    }

    /// FLOPs: 2 per MAC, over all taps, as in published counts.
    ///
    /// Errors: [`Error::CountTooLarge`].
    pub fn flops(&self) -> Result<u64> {
        add("FLOPs", self.macs.all_taps, self.macs.all_taps)
    }

    /// Arithmetic intensity in `f32`, in FLOPs per byte: `2 MACs / (4 (weights + input + output))`. Numerator and
    /// denominator are each summed over the layers.
    ///
    /// Errors: [`Error::CountTooLarge`].
    pub fn intensity(&self) -> Result<f64> {
        Ok(self.flops()? as f64 / (size_of::<f32>() as f64 * self.numbers as f64))
    }
}

/// The convolutions of a block in form (c), each with its work on one image of H x W.
///
/// Errors: those of [`convolution_macs`].
pub fn block_layers(spec: &BlockSpec, map: Map) -> Result<Vec<(Layer, Work)>> {
    let maps = [map, spec.inner_map(map)?, spec.output_map(map)?, map];
    let layers = Layer::ALL.into_iter().zip(spec.convolutions().into_iter().zip(maps));
    layers.map(|(layer, (kernel, map))| Ok((layer, Work::of(&kernel, map)?))).collect()
}

/// The work of all convolutions of a block together. The number of MACs is the same for every form, because all forms
/// do the same multiplications.
///
/// Errors: those of [`convolution_macs`].
///
/// ```
/// use triform::{block::BlockSpec, count::block_work};
/// let work = block_work(&BlockSpec::new(256, 32, 4, 256)?, (56, 56))?;
/// assert_eq!(work.flops()?, 2 * 70_144 * 56 * 56);
/// // Between the layers go 256, 128, 128 and 256 channels; the two in the middle are written and read.
/// assert_eq!(work.numbers, 70_144 + (256 + 4 * 128 + 256) * 56 * 56);
/// // The grouped 3x3 by itself.
/// let grouped = triform::count::block_layers(&BlockSpec::new(256, 32, 4, 256)?, (56, 56))?[1].1;
/// assert_eq!(grouped.numbers, 9 * 4 * 128 + 2 * 128 * 56 * 56);
/// assert_eq!(grouped.intensity()?, grouped.flops()? as f64 / (4 * grouped.numbers) as f64);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn block_work(spec: &BlockSpec, map: Map) -> Result<Work> {
    block_layers(spec, map)?.iter().try_fold(Work::default(), |sum, (_, work)| {
        let numbers = add("numbers that are moved", sum.numbers, work.numbers)?;
        Ok(Work { macs: sum.macs.plus(&work.macs)?, numbers })
    })
}

/// A count for a block's convolutions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OfBlock<T> {
    /// The three convolutions. Their count is the same in every form. They have `C (C_in d + k k d d + d C_out)`
    /// parameters, which the paper gives as "about 70k".
    pub convolutions: T,
    /// The projection of the shortcut, from C_in to C_out channels; 0 if there is none.
    pub shortcut: T,
}

/// Parameters of a block's convolutions.
pub type BlockParameters = OfBlock<u64>;
/// MACs of a block's convolutions.
pub type BlockMacs = OfBlock<Macs>;

/// Counts a block's parameters, without batch norms.
///
/// Errors: [`Error::TooManyElements`].
///
/// ```
/// use triform::{block::BlockSpec, count::block};
/// // The paper, section 3.4: about 70k parameters in both templates of Figure 1.
/// assert_eq!(block(&BlockSpec::new(256, 32, 4, 256)?)?.convolutions, 70_144);
/// assert_eq!(block(&BlockSpec::new(256, 1, 64, 256)?)?.convolutions, 69_632);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn block(spec: &BlockSpec) -> Result<BlockParameters> {
    let mut sum = BlockParameters::default();
    for (number, kernel) in spec.convolutions().iter().enumerate() {
        let parameters = product("parameters", &kernel.dimensions())?;
        match number {
            3 => sum.shortcut = parameters,
            _ => sum.convolutions = add("parameters of a block", sum.convolutions, parameters)?,
        }
    }
    Ok(sum)
}

/// Counts a block's MACs for one image of H x W.
///
/// Errors: those of [`convolution_macs`].
pub fn block_macs(spec: &BlockSpec, map: Map) -> Result<BlockMacs> {
    let mut sum = BlockMacs::default();
    for (layer, Work { macs, .. }) in block_layers(spec, map)? {
        match layer {
            Layer::Shortcut => sum.shortcut = macs,
            _ => sum.convolutions = sum.convolutions.plus(&macs)?,
        }
    }
    Ok(sum)
}
