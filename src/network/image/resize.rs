//! Reproduces Pillow's resize and torchvision's centre crop exactly, bit by bit.
//!
//! Any antialiased bilinear resize, such as that of the `image` crate, differs from Pillow's by at most 1 (of 255).
//! This code gives exactly Pillow's bytes, so a test can require equality. It computes only the pixels that the crop
//! keeps, so a picture one pixel wide costs no more than any other.
//!
//! The code is not copied from Pillow. It computes what Pillow's `src/libImaging/Resample.c` does for 8-bit channels
//! and the bilinear filter. Weights have 22 fractional bits. The first pass goes along the rows, and its results are
//! rounded to 8 bits before the second pass.
//!
//! For speed, Pillow 13 goes along the columns first if a picture loses more than twice as many rows as columns. Such
//! a picture shrinks, and is more than twice as tall as wide. For such a picture, bytes of Pillow 12 and 13 may
//! differ by 1 (of 255). This code follows Pillow 12.

use std::ops::Range;

use ndarray::{Array3, ArrayView3, s};

/// Fractional bits of a weight. Pillow computes with 32 bits: the pixel takes 8 of them, and 2 are kept free.
const PRECISION: u32 = 32 - 8 - 2;

/// Scales an image of at least one pixel until its shorter side is `shorter` pixels long. Then cuts `size` x `size`
/// pixels out of the middle. `shorter` is above 0, and `size` is at most `shorter`.
pub(super) fn resize_and_crop(image: ArrayView3<u8>, shorter: usize, size: usize) -> Array3<u8> {
    let (height, width, _) = image.dim();
    let taps = |side: usize| {
        let scaled = shorter as u64 * side as u64 / width.min(height) as u64;
        taps(side, scaled, middle(scaled, size as u64))
    };
    let (columns, mut rows) = (taps(width), taps(height));

    // Only the rows that the second pass reads.
    let first = rows.first().map_or(0, |taps| taps.first);
    let end = rows.last().map_or(0, |taps| taps.first + taps.weights.len());
    rows.iter_mut().for_each(|taps| taps.first -= first);
    let turned = resample_and_turn(image.slice(s![first..end, .., ..]), &columns);
    resample_and_turn(turned.view(), &rows)
}

/// The pixels along a side that torchvision's `center_crop` keeps. If the middle part would begin at half a pixel,
/// its start is rounded like Python's `round`, to the even neighbour.
fn middle(length: u64, size: u64) -> Range<u64> {
    let spare = length - size;
    let start = spare / 2 + u64::from(spare % 4 == 3);
    start..start + size
}

/// The pixels along one side that contribute to a pixel of the result.
struct Taps {
    first: usize,
    /// The weights, in units of 2^-22. They sum to about 1.
    weights: Vec<u32>,
}

/// The taps of each pixel of the result that is kept. The weights of a pixel form a triangle around its centre. The
/// triangle reaches to the next pixel of the result or of the input, whichever is farther away. When a picture
/// shrinks, the wide triangle is what antialiases it.
fn taps(input: usize, output: u64, kept: Range<u64>) -> Vec<Taps> {
    let scale = input as f64 / output as f64;
    let reach = scale.max(1.0);
    let pixel = |at: u64| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as usize;
        let end = ((centre + reach + 0.5) as usize).min(input);
        // Pillow multiplies by 1 / reach instead of dividing, which can change the last bit.
        let distance = |at: usize| ((at as f64 - centre + 0.5) * (1.0 / reach)).abs();
        let heights: Vec<f64> = (first..end).map(|at| (1.0 - distance(at)).max(0.0)).collect();
        let sum: f64 = heights.iter().sum();
        let fixed = |height: f64| (0.5 + height / sum * f64::from(1 << PRECISION)) as u32;
        Taps { first, weights: heights.into_iter().map(fixed).collect() }
    };
    kept.map(pixel).collect()
}

/// Resamples each row along its length, and turns the rows into columns. Doing this twice resamples both sides and
/// restores the orientation.
fn resample_and_turn(image: ArrayView3<u8>, taps: &[Taps]) -> Array3<u8> {
    Array3::from_shape_fn((taps.len(), image.dim().0, 3), |(y, x, c)| {
        let Taps { first, weights } = &taps[y];
        let pixels = image.slice(s![x, *first.., c]);
        let half = 1 << (PRECISION - 1); // to round
        let sum = pixels.iter().zip(weights).fold(half, |sum, (&v, w)| sum + u32::from(v) * w);
        // 255 at most: each weight is at most half a unit too large, and there are few.
        (sum >> PRECISION) as u8
    })
}

#[cfg(test)]
mod tests {
    use super::{PRECISION, middle, resize_and_crop, taps};
    use ndarray::Array3;

    /// The expected starts are those of Python's `int(round((length - 224) / 2.0))`.
    #[test]
    fn the_middle_is_pythons() {
        for (length, start) in
            [(224, 0), (225, 0), (226, 1), (227, 2), (228, 2), (229, 2), (231, 4)]
        {
            assert_eq!(middle(length, 224), start..start + 224, "{length}");
        }
    }

    #[test]
    fn weights_sum_to_one() {
        for (input, output) in [(1, 256), (255, 256), (256, 256), (257, 256), (13_000, 256)] {
            for taps in taps(input, output, 0..output) {
                let sum: u32 = taps.weights.iter().sum();
                let off = sum.abs_diff(1 << PRECISION);
                assert!(2 * off as usize <= taps.weights.len(), "{input} to {output}: {sum}");
                assert!(taps.first + taps.weights.len() <= input);
            }
        }
    }

    #[test]
    fn white_stays_white_and_a_long_strip_costs_no_more() {
        for (width, height) in [(1, 1), (1, 3_000_000), (3_000_000, 1), (2, 999), (1801, 1203)] {
            let image = Array3::from_elem((height, width, 3), 255);
            let cut = resize_and_crop(image.view(), 256, 224);
            assert_eq!(cut, Array3::from_elem((224, 224, 3), 255), "{width} x {height}");
        }
    }
}
