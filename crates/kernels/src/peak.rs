//! Measures the peak of one thread of this machine: multiply-adds per second from registers, and bytes per second
//! from memory. No convolution can exceed this peak (Williams, Waterman and Patterson 2009, "Roofline").
//!
//! The peak is measured rather than looked up, because a machine that is shared, hot or virtual does not reach its
//! nominal peak.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::simd::{Level, Work};
use crate::vector::Vector;

/// The peak of `f32` multiply-adds on one thread, as measured.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Peak {
    /// FLOP/s; a multiply-add is 2 FLOPs.
    pub flops: f64,
    /// The instructions with which it was reached, such as "AVX2 + FMA".
    pub instructions: &'static str,
}

/// A run lasts about this long.
const RUN: Duration = Duration::from_millis(50);
/// The number of runs. The best run counts, because any disturbance makes a run slower.
const RUNS: usize = 5;
/// The number of independent chains of multiply-adds. A processor may start two multiply-adds per cycle, and each
/// takes four to five cycles. So up to ten are in flight. The chains and two operands fit into the sixteen registers
/// of AVX2.
const CHAINS: usize = 12;
/// The number of steps that each chain takes between two readings of the clock. They take some tens of microseconds.
const STEPS: usize = 1 << 14;
/// Every step multiplies by `FACTOR` and adds `TERM`, so it maps `x` to `0.5 x + 1`. The numbers stay between 1 and
/// 2, where no operation is slow.
const FACTOR: f32 = 0.5;
const TERM: f32 = 1.0;

impl Peak {
    /// Measures the peak in about a quarter of a second, with a loop of independent multiply-adds in registers. The
    /// loop uses this SIMD level, or the portable code if the machine lacks the level.
    pub fn measure(level: Level) -> Self {
        let level = level.check().unwrap_or(Level::Portable);
        let instructions = match level {
            Level::Portable => "portable",
            Level::Avx2 => "AVX2 + FMA",
            Level::Avx512 => "AVX-512",
        };
        Self { flops: best(level.lanes(), || chains(level, STEPS)), instructions }
    }
}

/// FLOP/s of the best run. Each call of `run` does [`STEPS`] steps of [`CHAINS`] chains of `lanes` lanes.
fn best(lanes: usize, run: impl Fn() -> f32) -> f64 {
    let flops = (2 * lanes * CHAINS * STEPS) as f64;
    let fastest = |_| {
        let (start, mut calls) = (Instant::now(), 0u32);
        while start.elapsed() < RUN {
            black_box(run());
            calls += 1;
        }
        flops * f64::from(calls) / start.elapsed().as_secs_f64()
    };
    (0..RUNS).map(fastest).fold(0.0, f64::max)
}

/// Runs all chains for `steps` steps and returns the sum of all their lanes. The sum needs every chain, so the
/// compiler cannot drop any. The machine must have the level.
fn chains(level: Level, steps: usize) -> f32 {
    let mut sum = 0.0;
    if level == Level::Portable {
        return portable(steps);
    }
    // SAFETY: the machine has the level, which is all that the work requires.
    unsafe { level.run(Chains(steps, &mut sum)) };
    sum
}

/// The number of steps, and where to put the sum of all lanes.
struct Chains<'a>(usize, &'a mut f32);

impl Work for Chains<'_> {
    /// Safety: only what the trait requires.
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        let mut lanes = [0.0; 16];
        // SAFETY: the caller vouches for the instructions; no vector is longer than sixteen lanes.
        unsafe {
            let (factor, term) = (T::splat(black_box(FACTOR)), T::splat(black_box(TERM)));
            let mut chains = [T::splat(1.0); CHAINS];
            for _ in 0..self.0 {
                for x in &mut chains {
                    *x = term.add_product(*x, factor);
                }
            }
            chains.iter().fold(T::splat(0.0), |sum, x| sum.add(*x)).store(lanes.as_mut_ptr());
        }
        *self.1 = lanes.iter().sum();
    }
}

/// Runs the chains with the instructions that every machine of this architecture has. If these include a fused
/// multiply-add, as on AArch64, the loop uses it. Elsewhere `mul_add` would be a slow call.
fn portable(steps: usize) -> f32 {
    let (factor, term) = (black_box(FACTOR), black_box(TERM));
    let mut chains = [[1f32; 8]; CHAINS];
    for _ in 0..steps {
        for x in chains.as_flattened_mut() {
            *x = if cfg!(any(target_arch = "aarch64", target_feature = "fma")) {
                x.mul_add(factor, term)
            } else {
                *x * factor + term
            };
        }
    }
    chains.as_flattened().iter().sum()
}

/// Measures how many bytes per second one thread reads from an array of about `bytes` bytes, again and again from
/// front to back. The best of a few passes counts; together they take about a tenth of a second. If the array fits
/// into a cache, the result is the speed of that cache. If the array is much larger than the last-level cache, the
/// result is the speed of the memory.
pub fn read_bandwidth(bytes: usize) -> f64 {
    // Sums of integers may be computed in any order, so the compiler can vectorise them.
    const STRIP: usize = 16;
    let strips = (bytes / (8 * STRIP)).max(1);
    // The array is written to, as otherwise all of it might be the system's single page of zeros.
    let array: Vec<u64> = (0..(strips * STRIP) as u64).collect();
    let pass = || {
        let mut sums = [0u64; STRIP];
        for strip in array.chunks_exact(STRIP) {
            for (sum, value) in sums.iter_mut().zip(strip) {
                *sum = sum.wrapping_add(*value);
            }
        }
        sums.iter().fold(0u64, |total, sum| total.wrapping_add(*sum))
    };
    let size = (8 * array.len()) as f64;
    // Enough passes that reading the clock takes a negligible part of the time.
    let passes = ((1 << 24) / (8 * array.len())).max(1);
    let (start, mut best, mut measured) = (Instant::now(), 0f64, 0);
    while measured < 3 || start.elapsed() < 2 * RUN {
        let since = Instant::now();
        for _ in 0..passes {
            black_box(pass());
        }
        best = best.max(size * passes as f64 / since.elapsed().as_secs_f64());
        measured += 1;
    }
    best
}

#[cfg(test)]
mod tests {
    use super::{CHAINS, Level, Peak, chains, read_bandwidth};

    /// Each chain ends at 2, the fixed point of `x -> x / 2 + 1`, so the sum shows that all chains were run. The
    /// measured peak lies between limits that hold for every machine.
    #[test]
    fn every_chain_is_run_and_what_is_measured_is_possible() {
        for level in Level::available() {
            assert_eq!(chains(level, 100), (2 * CHAINS * level.lanes()) as f32, "{level}");
            let peak = Peak::measure(level);
            assert!((1e8..1e13).contains(&peak.flops), "{peak:?}");
            assert_eq!(peak.instructions == "portable", level == Level::Portable, "{peak:?}");
        }
        let cached = read_bandwidth(1 << 18);
        assert!((1e8..1e13).contains(&cached), "{cached:e}");
    }
}
