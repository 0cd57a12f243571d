//! Multiplications, in closed form, for any map. A MAC is one multiplication and one addition; 2
//! FLOPs.

use super::sum::{add, product};
use crate::block::{BlockSpec, Shortcut};
use crate::conv::ConvSpec;
use crate::error::{Error, Result};

/// MACs of one image, counted in two ways.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Macs {
    /// Every tap at every output, k_h k_w H_out W_out times C_in/groups times C_out: how published
    /// figures count.
    pub all_taps: u64,
    /// Taps that fall inside the map only: what the definition of convolution multiplies.
    pub inside: u64,
}

impl Macs {
    /// Both together.
    ///
    /// # Errors
    ///
    /// [`Error::CountTooLarge`].
    pub fn plus(&self, other: &Self) -> Result<Self> {
        let add = |left, right| add("multiply-adds", left, right);
        Ok(Self {
            all_taps: add(self.all_taps, other.all_taps)?,
            inside: add(self.inside, other.inside)?,
        })
    }
}

/// MACs of a k x k convolution from `c_in` to `c_out` channels on an H x W map. Along one axis of
/// size n, with stride s, padding p and dilation e, tap u meets the map at output i if
/// 0 <= i s + u e - p < n; so the number of taps inside is the sum over u of
///
/// ```text
/// min(n_out, ceil((n + p - u e) / s)) - ceil((p - u e) / s)      each part 0 at least
/// ```
///
/// and that of an H x W map is the product of the two axes'.
///
/// # Errors
///
/// Groups that do not divide the channels; a map smaller than the kernel;
/// [`Error::TooManyElements`] beyond 64 bits.
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
    (h, w): (usize, usize),
) -> Result<Macs> {
    let channels = super::convolution(1, 1, c_in, c_out, spec.groups())?;
    let axis = |name, n: usize| -> Result<(u64, u64)> {
        let n_out = spec.output_size(name, n, k)?;
        let ceil = |x: i128| -> i128 {
            let s = spec.stride() as i128;
            (x + s - 1).div_euclid(s).max(0)
        };
        // Checked before the sum of the taps inside, which is no larger.
        let all = product("multiplications", &[n_out, k])?;
        let (n, p, e) = (n as i128, spec.padding() as i128, spec.dilation() as i128);
        let taps = (0..k as i128).map(|u| {
            let inside = ceil(n + p - u * e).min(n_out as i128) - ceil(p - u * e);
            inside.max(0) as u64
        });
        Ok((all, taps.sum()))
    };
    let ((all_h, inside_h), (all_w, inside_w)) = (axis("height", h)?, axis("width", w)?);
    let positions = |h: u64, w: u64| {
        h.checked_mul(w).and_then(|taps| taps.checked_mul(channels)).ok_or_else(|| {
            Error::TooManyElements { what: "multiplications", factors: vec![k, c_in, c_out] }
        })
    };
    Ok(Macs { all_taps: positions(all_h, all_w)?, inside: positions(inside_h, inside_w)? })
}

/// MACs of a block's convolutions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BlockMacs {
    /// The three convolutions; the same in every form.
    pub convolutions: Macs,
    /// The projection of the shortcut, where there is one.
    pub shortcut: Macs,
}

/// Counts a block's MACs for one image of H x W.
///
/// # Errors
///
/// Those of [`convolution_macs`].
///
/// ```
/// use triform::{block::BlockSpec, count::block_macs};
/// let macs = block_macs(&BlockSpec::new(256, 32, 4, 256)?, (56, 56))?;
/// assert_eq!(macs.convolutions.all_taps, 70_144 * 56 * 56);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn block_macs(spec: &BlockSpec, map: (usize, usize)) -> Result<BlockMacs> {
    let (c_in, inner, c_out) = (spec.c_in(), spec.inner(), spec.c_out());
    let (inner_map, output_map) = (spec.inner_map(map)?, spec.output_map(map)?);
    let layers = [
        convolution_macs(1, c_in, inner, &spec.reduce(), map)?,
        convolution_macs(
            spec.kernel(),
            inner,
            inner,
            &spec.transform(spec.cardinality()),
            inner_map,
        )?,
        convolution_macs(1, inner, c_out, &spec.expand(), output_map)?,
    ];
    let shortcut = match spec.shortcut() {
        Shortcut::Projection => convolution_macs(1, c_in, c_out, &spec.projection(), map)?,
        Shortcut::None | Shortcut::Identity => Macs::default(),
    };
    let convolutions = layers.iter().try_fold(Macs::default(), |sum, layer| sum.plus(layer))?;
    Ok(BlockMacs { convolutions, shortcut })
}
