//! The tile: four output channels by up to 64 pixels, summed in registers.
//!
//! Every convolution is, for one output channel, a sum over taps of a weight
//! times a run of pixels that starts somewhere in memory. So the tile knows
//! nothing of kernels, strides or groups: it is given where each tap starts.
#![allow(unsafe_code)]

use super::vector::{Portable, Vector};

/// Output channels of a tile.
pub(super) const TILE_ROWS: usize = 4;
/// Pixels of the widest tile.
pub(super) const MAX_WIDTH: usize = 64;
/// Tiles are a multiple of this many pixels wide; what is beyond the run is
/// computed and thrown away.
pub(super) const QUANTUM: usize = 16;

/// The instructions to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2,
    #[cfg(target_arch = "x86_64")]
    Avx512,
}

impl Level {
    /// The best this machine has.
    pub(super) fn detect() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// All that this machine has, best last.
    pub(super) fn available() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
                levels.push(Self::Avx2);
            }
            if is_x86_feature_detected!("avx512f") {
                levels.push(Self::Avx512);
            }
        }
        levels
    }
}

/// Where each tap starts, from the tile's first pixel on.
#[derive(Debug)]
pub(super) struct Taps {
    offsets: Vec<usize>,
    reach: usize,
}

impl Taps {
    pub(super) fn new(offsets: Vec<usize>) -> Self {
        let reach = offsets.iter().copied().max().unwrap_or(0);
        Self { offsets, reach }
    }

    /// One tap for each of `channels` planes of `pitch` pixels.
    pub(super) fn planes(channels: usize, pitch: usize) -> Self {
        Self::new((0..channels).map(|c| c * pitch).collect())
    }
}

/// A run of taps with its own weights and its own memory.
pub(super) struct Segment<'a> {
    /// For each tap, the weights of the tile's four channels.
    pub(super) weights: &'a [f32],
    /// What the taps' offsets point into.
    pub(super) x: &'a [f32],
}

/// Sums of four output channels over a run of pixels.
pub(super) struct Tile {
    sums: [f32; TILE_ROWS * MAX_WIDTH],
    width: usize,
}

impl Tile {
    /// A tile for a run of `width` pixels, 1 to [`MAX_WIDTH`].
    pub(super) fn new(width: usize) -> Self {
        assert!((1..=MAX_WIDTH).contains(&width), "a tile of {width} pixels");
        Self { sums: [0.0; TILE_ROWS * MAX_WIDTH], width }
    }

    /// The sums of each channel.
    pub(super) fn rows(&self) -> impl Iterator<Item = &[f32]> {
        self.sums.chunks_exact(MAX_WIDTH).map(|row| &row[..self.width])
    }

    /// Fills the tile. For each channel and segment: from zero, tap after tap, weight
    /// times the pixels from `start` + offset on; then the sum of the segments, in order.
    pub(super) fn compute(
        &mut self,
        level: Level,
        segments: &[Segment<'_>],
        taps: &Taps,
        start: usize,
    ) {
        let width = self.width.next_multiple_of(QUANTUM);
        for segment in segments {
            assert!(segment.weights.len() >= taps.offsets.len() * TILE_ROWS, "weights missing");
            assert!(start + taps.reach + width <= segment.x.len(), "input too short for the tile");
        }
        // SAFETY:
        // - a Level other than Portable exists only where `available` detected its
        //   instructions;
        // - every read of weights is at tap * TILE_ROWS + m, below the length asserted;
        // - every read of x is at start + offset + p with p < width, below the length
        //   asserted, as no offset is above `reach`;
        // - every write is at m * MAX_WIDTH + p with p < width <= MAX_WIDTH, and `sums`
        //   has TILE_ROWS * MAX_WIDTH elements.
        unsafe {
            let sums = &mut self.sums;
            match (level, width / QUANTUM) {
                #[cfg(target_arch = "x86_64")]
                (Level::Avx512, 4) => avx512::<4>(segments, taps, start, sums),
                #[cfg(target_arch = "x86_64")]
                (Level::Avx512, 3) => avx512::<3>(segments, taps, start, sums),
                #[cfg(target_arch = "x86_64")]
                (Level::Avx512, 2) => avx512::<2>(segments, taps, start, sums),
                #[cfg(target_arch = "x86_64")]
                (Level::Avx512, _) => avx512::<1>(segments, taps, start, sums),
                #[cfg(target_arch = "x86_64")]
                (Level::Avx2, quanta) => {
                    for p in (0..quanta).map(|q| q * QUANTUM) {
                        avx2(segments, taps, start + p, &mut sums[p..]);
                    }
                }
                (Level::Portable, quanta) => {
                    for p in (0..quanta).map(|q| q * QUANTUM) {
                        sum::<Portable, 2>(segments, taps, start + p, &mut sums[p..]);
                    }
                }
            }
        }
    }
}

/// # Safety
///
/// That of [`sum`], and the machine has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512<const V: usize>(
    segments: &[Segment<'_>],
    taps: &Taps,
    start: usize,
    out: &mut [f32],
) {
    // SAFETY: handed on to the caller.
    unsafe { sum::<std::arch::x86_64::__m512, V>(segments, taps, start, out) }
}

/// # Safety
///
/// That of [`sum`], and the machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(segments: &[Segment<'_>], taps: &Taps, start: usize, out: &mut [f32]) {
    // SAFETY: handed on to the caller.
    unsafe { sum::<std::arch::x86_64::__m256, 2>(segments, taps, start, out) }
}

/// The algorithm, over V vectors of pixels.
///
/// # Safety
///
/// - The machine has the instructions of `T`.
/// - Each segment has `TILE_ROWS` weights a tap, and `V * T::LANES` pixels from
///   `start` + offset on, for every offset.
/// - `out` has room for `V * T::LANES` sums at each multiple of [`MAX_WIDTH`] below
///   `TILE_ROWS * MAX_WIDTH`.
#[inline(always)]
unsafe fn sum<T: Vector, const V: usize>(
    segments: &[Segment<'_>],
    taps: &Taps,
    start: usize,
    out: &mut [f32],
) {
    debug_assert!(out.len() >= (TILE_ROWS - 1) * MAX_WIDTH + V * T::LANES);
    // SAFETY: as the function's.
    unsafe {
        let mut totals = [[T::splat(0.0); V]; TILE_ROWS];
        for segment in segments {
            let mut sums = [[T::splat(0.0); V]; TILE_ROWS];
            let x = segment.x.as_ptr().add(start);
            for (tap, &offset) in taps.offsets.iter().enumerate() {
                let from = x.add(offset);
                let mut pixels = [T::splat(0.0); V];
                for (v, pixel) in pixels.iter_mut().enumerate() {
                    *pixel = T::load(from.add(v * T::LANES));
                }
                let weights = segment.weights.as_ptr().add(tap * TILE_ROWS);
                for (m, row) in sums.iter_mut().enumerate() {
                    let weight = T::splat(*weights.add(m));
                    for (sum, &pixel) in row.iter_mut().zip(&pixels) {
                        *sum = sum.add_product(weight, pixel);
                    }
                }
            }
            for (total, sum) in totals.as_flattened_mut().iter_mut().zip(sums.as_flattened()) {
                *total = total.add(*sum);
            }
        }
        for (m, row) in totals.iter().enumerate() {
            for (v, total) in row.iter().enumerate() {
                total.store(out.as_mut_ptr().add(m * MAX_WIDTH + v * T::LANES));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, MAX_WIDTH, Segment, TILE_ROWS, Taps, Tile};

    #[test]
    fn every_level_and_width_gives_the_sums_it_should() {
        let offsets = vec![0, 5, 64, 131];
        let x: Vec<f32> = (0..256).map(|p| ((p * 7) % 23) as f32 - 11.0).collect();
        let weights: Vec<f32> = (0..16).map(|w| ((w * 5) % 9) as f32 - 4.0).collect();
        let taps = Taps::new(offsets.clone());
        let levels = Level::available();
        println!("levels tested: {levels:?}");
        for level in levels {
            for width in 1..=MAX_WIDTH {
                let mut tile = Tile::new(width);
                let segments = [0, 1].map(|_| Segment { weights: &weights, x: &x });
                tile.compute(level, &segments, &taps, 3);
                for (m, row) in tile.rows().enumerate() {
                    assert_eq!(row.len(), width);
                    for (p, &sum) in row.iter().enumerate() {
                        let once: f32 = (0..4)
                            .map(|t| weights[t * TILE_ROWS + m] * x[3 + offsets[t] + p])
                            .sum();
                        assert_eq!(sum, 2.0 * once, "{level:?}, width {width}, row {m}, pixel {p}");
                    }
                }
            }
        }
    }

    #[test]
    #[should_panic(expected = "input too short")]
    fn a_tile_that_would_read_past_the_end_is_refused() {
        let segment = [Segment { weights: &[0.0; 4], x: &[0.0; 20] }];
        Tile::new(10).compute(Level::detect(), &segment, &Taps::new(vec![0]), 5);
    }
}
