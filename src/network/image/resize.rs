//! Pillow's resize and torchvision's centre crop, to the bit.
//!
//! Any antialiased bilinear resize, such as the `image` crate's, is within 1 of 255 of
//! Pillow's. This one gives the same numbers, so that a test can ask for equality. It computes
//! only what the crop keeps, so a picture one pixel wide costs no more than any other. It is
//! reimplemented, not copied, from what Pillow's `src/libImaging/Resample.c` computes for
//! 8-bit channels and the bilinear filter: weights with 22 fractional bits, along the rows
//! first, and 8 bits between the two passes.
//!
//! For speed, Pillow 13 goes along the columns first if a picture loses more than twice as many rows as columns.
//! Such a picture shrinks, and is more than twice as tall as wide. There Pillow 12 and 13 differ by up to
//! 1 of 255. This code does what Pillow 12 does.

use std::ops::Range;

use ndarray::{Array3, ArrayView3, s};

/// Fractional bits of a weight: of 32 bits, 8 are the pixel's, and Pillow keeps 2 free.
const PRECISION: u32 = 32 - 8 - 2;

/// Scales an image of at least one pixel until its shorter side is `shorter` pixels, and
/// cuts `size` x `size` out of the middle; `size` is at most `shorter`, and `shorter` above 0.
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

/// The part of a side that torchvision's `center_crop` keeps. If the middle part would begin within a pixel,
/// Python's `round` decides; it takes the even one of two neighbours.
fn middle(length: u64, size: u64) -> Range<u64> {
    let spare = length - size;
    let start = spare / 2 + u64::from(spare % 4 == 3);
    start..start + size
}

/// The pixels along one side that contribute to a pixel of the result.
struct Taps {
    first: usize,
    /// In units of 2^-22; they sum to about 1.
    weights: Vec<u32>,
}

/// The taps of those pixels of the result that are kept. The weights form a triangle around the
/// pixel's centre. It reaches as far as the next pixel of the result or of the input, whichever is
/// farther; this is the antialiasing.
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

    /// `int(round((length - 224) / 2.0))` in Python.
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
