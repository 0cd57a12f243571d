//! A matrix product of `f64`, by the `gemm` crate.

/// The product of `a` (m x k) and `b` (k x `columns`), written to `c` (m x `columns`); all row-major.
#[rustfmt::skip]
pub fn product(a: &[f64], b: &[f64], c: &mut [f64], m: usize, columns: usize) {
    let k = a.len() / m;
    assert!(a.len() == m * k && b.len() == k * columns && c.len() == m * columns);
    // SAFETY: with the strides given, gemm reads element (i, j) of a at i k + j, and of
    // b at j columns + p, and writes element (i, p) of c at i columns + p, for i < m,
    // j < k and p < columns: all inside the slices, by the assertion above. `c` is borrowed
    // mutably, so it overlaps neither input. With read_dst false nothing of c is read.
    unsafe {
        gemm::gemm(
            m, columns, k,
            c.as_mut_ptr(), 1, columns as isize, false,
            a.as_ptr(), 1, k as isize,
            b.as_ptr(), 1, columns as isize,
            0.0, 1.0, false, false, false, gemm::Parallelism::None,
        );
    }
}
