//! Pillow's resize and torchvision's centre crop, to the bit.
//!
//! Any antialiased bilinear resize is within 1 of 255 of Pillow's; that of the `image`
//! crate is, too. This one has the same numbers, so that a test can ask for equality, and it
//! computes only what the crop keeps, so that a picture of one pixel's width costs no more
//! than another. Reimplemented, not copied, from what Pillow's `src/libImaging/Resample.c`
//! computes for 8-bit channels and the bilinear filter: weights in 22 bits after the point,
//! along the rows first, and 8 bits between the two passes.
//!
//! Pillow 13 goes along the columns first where a picture loses more than twice as many rows
//! as columns, to be faster; that is one which shrinks and is more than twice as tall as wide.
//! There Pillow 12 and 13 are up to 1 of 255 apart, and this is Pillow 12.

use std::ops::Range;

use image::{Rgb, RgbImage};

/// Bits after the point of a weight: 8 of the 32 are the pixel's, and Pillow keeps 2 free.
const PRECISION: u32 = 32 - 8 - 2;

/// Scales an image, of one pixel at least, until its shorter side is `shorter` pixels, and
/// cuts `size` x `size` out of the middle; `size` is at most `shorter`, and `shorter` above 0.
pub(super) fn resize_and_crop(image: &RgbImage, shorter: u32, size: u32) -> RgbImage {
    let (width, height) = image.dimensions();
    let taps = |side: u32| {
        let scaled = u64::from(shorter) * u64::from(side) / u64::from(width.min(height));
        taps(side, scaled, middle(scaled, u64::from(size)))
    };
    let (columns, mut rows) = (taps(width), taps(height));

    // Only the rows that the second pass reads.
    let first = rows.first().map_or(0, |taps| taps.first);
    let end = rows.last().map_or(0, |taps| taps.first + taps.weights.len() as u32);
    rows.iter_mut().for_each(|taps| taps.first -= first);
    let turned = resample_and_turn(image, first..end, &columns);
    resample_and_turn(&turned, 0..size, &rows)
}

/// What torchvision's `center_crop` keeps of a side: where it cannot be the middle, Python's
/// `round` decides, which takes the even one of two neighbours.
fn middle(length: u64, size: u64) -> Range<u64> {
    let spare = length - size;
    let start = spare / 2 + u64::from(spare % 4 == 3);
    start..start + size
}

/// The pixels along one side that make a pixel of the result.
struct Taps {
    first: u32,
    /// In units of 2^-22; they sum to about 1.
    weights: Vec<u32>,
}

/// The taps of those pixels of the result that are kept. A triangle around the pixel's centre
/// reaches as far as the next pixel of the result or of the input, whichever is farther: that
/// is the antialiasing.
fn taps(input: u32, output: u64, kept: Range<u64>) -> Vec<Taps> {
    let scale = f64::from(input) / output as f64;
    let reach = scale.max(1.0);
    let pixel = |at: u64| {
        let centre = (at as f64 + 0.5) * scale;
        let first = (centre - reach + 0.5).max(0.0) as u32;
        let end = ((centre + reach + 0.5) as u32).min(input);
        // The product with 1 / reach, not a quotient, is Pillow's, and can differ in the last bit.
        let distance = |at: u32| ((f64::from(at) - centre + 0.5) * (1.0 / reach)).abs();
        let heights: Vec<f64> = (first..end).map(|at| (1.0 - distance(at)).max(0.0)).collect();
        let sum: f64 = heights.iter().sum();
        let fixed = |height: f64| (0.5 + height / sum * f64::from(1 << PRECISION)) as u32;
        Taps { first, weights: heights.into_iter().map(fixed).collect() }
    };
    kept.map(pixel).collect()
}

/// Resamples the given rows along their length, and turns them into columns: twice this, and
/// both sides are resampled and the image stands as it did.
fn resample_and_turn(image: &RgbImage, rows: Range<u32>, taps: &[Taps]) -> RgbImage {
    RgbImage::from_fn(rows.end - rows.start, taps.len() as u32, |x, y| {
        let Taps { first, weights } = &taps[y as usize];
        let mut sums = [1 << (PRECISION - 1); 3]; // a half, to round
        for (at, weight) in (*first..).zip(weights) {
            let pixel = image.get_pixel(at, rows.start + x);
            for (sum, value) in sums.iter_mut().zip(pixel.0) {
                *sum += u32::from(value) * weight;
            }
        }
        // 255 at most: each weight is at most half a unit too large, and there are few.
        Rgb(sums.map(|sum| (sum >> PRECISION) as u8))
    })
}

#[cfg(test)]
mod tests {
    use super::{PRECISION, middle, resize_and_crop, taps};
    use image::{Rgb, RgbImage};

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
                assert!(taps.first + taps.weights.len() as u32 <= input);
            }
        }
    }

    /// From 2 pixels to 4: a quarter and three quarters; from 4 to 2, with antialiasing, each
    /// takes a seventh of a pixel that lies beyond its half.
    #[test]
    fn weights_by_hand() {
        let in_parts = |input, output, parts: f64| -> Vec<Vec<f64>> {
            let round = |&weight: &u32| {
                (f64::from(weight) / f64::from(1 << PRECISION) * parts * 1e5).round() / 1e5
            };
            let taps = taps(input, output, 0..output);
            taps.iter().map(|taps| taps.weights.iter().map(round).collect()).collect()
        };
        assert_eq!(in_parts(2, 4, 4.0), [vec![4.0], vec![3.0, 1.0], vec![1.0, 3.0], vec![4.0]]);
        assert_eq!(in_parts(4, 2, 7.0), [[3.0, 3.0, 1.0], [1.0, 3.0, 3.0]]);
    }

    #[test]
    fn white_stays_white_and_a_long_strip_costs_no_more() {
        let white = Rgb([255; 3]);
        for (width, height) in [(1, 1), (1, 3_000_000), (3_000_000, 1), (2, 999), (1801, 1203)] {
            let image = RgbImage::from_pixel(width, height, white);
            let cut = resize_and_crop(&image, 256, 224);
            assert_eq!(cut.dimensions(), (224, 224));
            assert!(cut.pixels().all(|pixel| *pixel == white), "{width} x {height}");
        }
    }
}
