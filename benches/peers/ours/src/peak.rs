//! The processor's peak: fused multiply-adds in registers, as wide as it has them.

use std::hint::black_box;
use std::time::Instant;

use pulp::{Arch, Simd, WithSimd};
use rayon::ThreadPoolBuilder;

use worker::Result;

/// More than the latency of such an instruction times how many start at once, and with the two
/// operands no more than there are registers.
const CHAINS: usize = 12;
const ROUNDS: usize = 1 << 21;

struct Chains;

impl WithSimd for Chains {
    /// Floating-point operations.
    type Output = usize;

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) -> usize {
        let (factor, summand) = (simd.splat_f32s(black_box(0.5)), simd.splat_f32s(black_box(1.0)));
        let mut chains = [simd.splat_f32s(black_box(1.5)); CHAINS];
        for _ in 0..ROUNDS {
            for chain in &mut chains {
                *chain = simd.mul_add_f32s(*chain, factor, summand);
            }
        }
        for chain in chains {
            black_box(simd.reduce_sum_f32s(chain));
        }
        2 * CHAINS * ROUNDS * S::F32_LANES
    }
}

/// Billions of operations a second of all threads together, the best of many: it takes a while until
/// threads that have just been started are on processors of their own.
pub fn gflops(threads: usize) -> Result<f64> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    let once = || {
        let start = Instant::now();
        let operations: usize = pool.broadcast(|_| Arch::new().dispatch(Chains)).into_iter().sum();
        operations as f64 / start.elapsed().as_secs_f64() / 1e9
    };
    Ok((0..200).map(|_| once()).fold(0.0, f64::max))
}
