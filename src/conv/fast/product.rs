//! A 1x1 convolution as a matrix product, a run of pixels at a time, so that
//! what follows finds the sums in cache.
#![allow(unsafe_code)]

use std::ops::Range;

use ndarray::ArrayViewMut3;

use super::finish::Finish;

/// Pixels of a run: 256 channels of it fill half of a 1 MiB second-level cache.
const RUN: usize = 512;

/// `z` (C_out x H x W) = `matrix` (C_out x C_in) times `x` (C_in x H W).
pub(super) fn conv(
    matrix: &[f32],
    x: &[f32],
    z: &mut ArrayViewMut3<'_, f32>,
    finish: &Finish<'_>,
    n: usize,
) {
    let (c_out, h, w) = z.dim();
    let pixels = h * w;
    let Some(z) = z.as_slice_mut() else { unreachable!("freshly allocated") };
    for start in (0..pixels).step_by(RUN) {
        let run = start..(start + RUN).min(pixels);
        product(matrix, x, z, c_out, pixels, run.clone());
        for (c, plane) in z.chunks_exact_mut(pixels).enumerate() {
            finish.pixels(n, c, start, &mut plane[run.clone()]);
        }
    }
}

/// The floats that `gemm` multiplies.
pub(super) trait Float: Copy + 'static {
    const ZERO: Self;
    const ONE: Self;
}

impl Float for f32 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

impl Float for f64 {
    const ZERO: Self = 0.0;
    const ONE: Self = 1.0;
}

/// Columns `run` of the product of `a` (m x k) and `b` (k x `columns`), written
/// to the same columns of `c` (m x `columns`); all row-major.
pub(super) fn product<T: Float>(
    a: &[T],
    b: &[T],
    c: &mut [T],
    m: usize,
    columns: usize,
    run: Range<usize>,
) {
    let k = a.len() / m;
    assert!(a.len() == m * k && b.len() == k * columns && c.len() == m * columns);
    assert!(run.start <= run.end && run.end <= columns);
    // SAFETY: with the strides given, gemm reads element (i, j) of a at i k + j, and of
    // b at j columns + p, and writes element (i, p) of c at i columns + p, for i < m,
    // j < k and p in run: all inside the slices, by the assertions above. `c` is borrowed
    // mutably, so it overlaps neither input. With read_dst false nothing of c is read. T is f32 or
    // f64, both of which gemm knows.
    unsafe {
        gemm::gemm(
            m,
            run.len(),
            k,
            c.as_mut_ptr().add(run.start),
            1,
            columns as isize,
            false,
            a.as_ptr(),
            1,
            k as isize,
            b.as_ptr().add(run.start),
            1,
            columns as isize,
            T::ZERO,
            T::ONE,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}
