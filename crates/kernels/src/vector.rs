//! The vector instructions that the kernels are written in. Each kernel is one algorithm, generic over
//! [`Vector`].

use crate::simd::Level;

/// Calls code in which the size `$size`, from 1 to `$most`, is a constant. (Larger sizes are not compiled, because
/// there are too few registers for such tiles.)
macro_rules! of_size {
    ($size:expr, $most:expr, $known:ident => $call:expr) => {
        of_size!($size, $most, $known => $call, 1 2 3 4 5 6 7 8 9 10 11 12 13 14)
    };
    ($size:expr, $most:expr, $known:ident => $call:expr, $($each:literal)*) => {
        match $size {
            $($each if const { $each <= $most } => {
                const $known: usize = $each;
                $call
            })*
            other => unreachable!("no code for size {other}"),
        }
    };
}
pub(crate) use of_size;

/// A vector of `f32`.
///
/// # Safety
///
/// A caller of any method must make sure of this:
/// - the machine has the instructions of the type's level;
/// - `load` reads and `store` writes [`Vector::LANES`] consecutive, valid `f32`s (no alignment is needed).
pub(crate) trait Vector: Copy {
    const LEVEL: Level;
    const LANES: usize = Self::LEVEL.lanes();
    const ROWS: usize = Self::LEVEL.rows();
    const OUTPUTS: usize = Self::LEVEL.sizes()[2];
    unsafe fn splat(value: f32) -> Self;
    unsafe fn load(from: *const f32) -> Self;
    unsafe fn add(self, other: Self) -> Self;
    unsafe fn mul(self, other: Self) -> Self;
    /// `self + a * b`, rounded once or twice.
    unsafe fn add_product(self, a: Self, b: Self) -> Self;
    /// Computes `max(z, 0)` in each lane. NaN stays NaN, and -0 stays -0.
    unsafe fn relu(self) -> Self;
    /// Divides the vector into runs of `D` lanes, and fills each run with its lane `j`. `D` is 1, 4 or 8, and `j <
    /// D`.
    unsafe fn spread<const D: usize>(self, j: usize) -> Self;
    unsafe fn store(self, to: *mut f32);
    /// Prefetches the cache line of an address. Any address will do.
    unsafe fn prefetch(at: *const f32);
    /// Prefetches data that is needed later, and only as far as the L2 cache.
    unsafe fn prefetch_for_later(at: *const f32);
}

/// Loads `R` rows of `V` vectors. The rows begin `pitch` floats apart.
/// Safety: the machine has the instructions of `T`, and each row has `V` vectors.
#[inline(always)]
pub(crate) unsafe fn load_rows<T: Vector, const R: usize, const V: usize>(
    rows: &mut [[T; V]; R],
    from: *const f32,
    pitch: usize,
) {
    for (r, row) in rows.iter_mut().enumerate() {
        for (v, vector) in row.iter_mut().enumerate() {
            // SAFETY: upheld by the caller.
            *vector = unsafe { T::load(from.add(r * pitch + v * T::LANES)) };
        }
    }
}

/// Stores `R` rows of `V` vectors. The rows begin `pitch` floats apart.
/// Safety: as for [`load_rows`], and nobody else reads or writes there.
#[inline(always)]
pub(crate) unsafe fn store_rows<T: Vector, const R: usize, const V: usize>(
    rows: &[[T; V]; R],
    to: *mut f32,
    pitch: usize,
) {
    // By reference: an iterator that owns the rows would keep them in memory rather than in registers.
    for (r, row) in rows.iter().enumerate() {
        for (v, vector) in row.iter().enumerate() {
            // SAFETY: upheld by the caller.
            unsafe { vector.store(to.add(r * pitch + v * T::LANES)) };
        }
    }
}

/// Methods of [`Vector`], each defined by the value that it returns.
macro_rules! methods {
    ($(fn $name:ident $(<const $size:ident: usize>)? ($($argument:ident: $kind:ty),*)
       $(-> $result:ty)? = $value:expr;)*) => {$(
        #[inline(always)]
        // Plain Rust needs no unsafe block.
        #[allow(unused_unsafe, unused_variables)]
        unsafe fn $name $(<const $size: usize>)? ($($argument: $kind),*) $(-> $result)? {
            // SAFETY: the caller vouches for the instructions and for LANES valid f32s behind a pointer; no
            // alignment is assumed. A prefetch is a hint, which reads nothing.
            unsafe { $value }
        }
    )*};
}

/// Eight lanes in plain Rust, for any machine.
#[derive(Clone, Copy)]
pub(crate) struct Portable([f32; 8]);

impl Vector for Portable {
    const LEVEL: Level = Level::Portable;
    #[inline(always)]
    unsafe fn add(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(sum, b)| *sum += b);
        self
    }
    #[inline(always)]
    unsafe fn mul(mut self, other: Self) -> Self {
        self.0.iter_mut().zip(other.0).for_each(|(product, b)| *product *= b);
        self
    }
    #[inline(always)]
    unsafe fn add_product(mut self, a: Self, b: Self) -> Self {
        // Not f32::mul_add, which is a slow library call on a machine without the instruction.
        for ((sum, a), b) in self.0.iter_mut().zip(a.0).zip(b.0) {
            *sum += a * b;
        }
        self
    }
    methods! {
        fn splat(value: f32) -> Self = Self([value; 8]);
        fn load(from: *const f32) -> Self = Self(from.cast::<[f32; 8]>().read_unaligned());
        fn relu(self: Self) -> Self = Self(self.0.map(|z| if z < 0.0 { 0.0 } else { z }));
        fn spread<const D: usize>(self: Self, j: usize) -> Self =
            Self(std::array::from_fn(|lane| self.0[lane / D * D + j]));
        fn store(self: Self, to: *mut f32) = to.cast::<[f32; 8]>().write_unaligned(self.0);
        fn prefetch(at: *const f32) = ();
        fn prefetch_for_later(at: *const f32) = ();
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use std::arch::x86_64::*;

    use super::{Level, Vector};

    /// Makes a register a [`Vector`]. The code for both lengths differs only in the names of the instructions, and in
    /// how runs of eight lanes are filled.
    macro_rules! register {
        ($register:ty: $level:ident;
         $splat:ident $load:ident $store:ident $zero:ident $add:ident $mul:ident $add_product:ident
         $max:ident $permute:ident, |$z:ident, $j:ident| $eight:expr) => {
            impl Vector for $register {
                const LEVEL: Level = Level::$level;
                methods! {
                    fn splat(value: f32) -> Self = $splat(value);
                    fn load(from: *const f32) -> Self = $load(from);
                    fn add(self: Self, other: Self) -> Self = $add(self, other);
                    fn mul(self: Self, other: Self) -> Self = $mul(self, other);
                    fn add_product(self: Self, a: Self, b: Self) -> Self = $add_product(a, b, self);
                    // The instruction returns its second operand if one is NaN or both are zeros.
                    fn relu(self: Self) -> Self = $max($zero(), self);
                    fn spread<const D: usize>(self: Self, j: usize) -> Self = match (D, j) {
                        (1, _) => self,
                        (4, 0) => $permute::<0b00_00_00_00>(self),
                        (4, 1) => $permute::<0b01_01_01_01>(self),
                        (4, 2) => $permute::<0b10_10_10_10>(self),
                        (4, _) => $permute::<0b11_11_11_11>(self),
                        _ => {
                            let ($z, $j) = (self, j as i32);
                            $eight
                        }
                    };
                    fn store(self: Self, to: *mut f32) = $store(to, self);
                    fn prefetch(at: *const f32) = _mm_prefetch::<_MM_HINT_T0>(at.cast());
                    fn prefetch_for_later(at: *const f32) = _mm_prefetch::<_MM_HINT_T1>(at.cast());
                }
            }
        };
    }

    register! {
        __m256: Avx2;
        _mm256_set1_ps _mm256_loadu_ps _mm256_storeu_ps _mm256_setzero_ps _mm256_add_ps _mm256_mul_ps
        _mm256_fmadd_ps _mm256_max_ps _mm256_permute_ps,
        |z, j| _mm256_permutevar8x32_ps(z, _mm256_set1_epi32(j))
    }

    register! {
        __m512: Avx512;
        _mm512_set1_ps _mm512_loadu_ps _mm512_storeu_ps _mm512_setzero_ps _mm512_add_ps _mm512_mul_ps
        _mm512_fmadd_ps _mm512_max_ps _mm512_permute_ps,
        |z, j| {
            let from = _mm512_mask_set1_epi32(_mm512_set1_epi32(j), 0xff00, j + 8);
            _mm512_permutexvar_ps(from, z)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Vector;
    use crate::simd::{Level, Work};

    /// Compares the lanes of each operation with the expected values.
    struct Lanes;

    impl Work for Lanes {
        #[inline(always)]
        unsafe fn run<T: Vector>(self) {
            let [a, b, c] = [0, 4, 9].map(|seed| {
                let value = |lane: usize| match (lane * 7 + seed) % 11 {
                    0 => -0.0,
                    1 => f32::NAN,
                    2 => f32::NEG_INFINITY,
                    other => other as f32 - 6.5,
                };
                (0..T::LANES).map(value).collect::<Vec<f32>>()
            });
            let same = |got: T, expected: &dyn Fn(usize) -> f32, what: &str| {
                let mut lanes = vec![0.0; T::LANES];
                // SAFETY: the caller vouches for the instructions; `lanes` holds a vector.
                unsafe { got.store(lanes.as_mut_ptr()) };
                for (lane, got) in lanes.iter().enumerate() {
                    let expected = expected(lane);
                    let equal = got.to_bits() == expected.to_bits();
                    assert!(equal || got.is_nan() && expected.is_nan(), "{what}, lane {lane}");
                }
            };
            // SAFETY: as above.
            unsafe {
                let [x, y, z] = [&a, &b, &c].map(|lanes| T::load(lanes.as_ptr()));
                same(T::splat(2.5), &|_| 2.5, "splat");
                same(x.add(y), &|l| a[l] + b[l], "add");
                same(x.mul(y), &|l| a[l] * b[l], "mul");
                same(x.add_product(y, z), &|l| a[l] + b[l] * c[l], "add_product");
                same(x.relu(), &|l| if a[l] < 0.0 { 0.0 } else { a[l] }, "relu");
                (0..8).for_each(|j| same(x.spread::<8>(j), &|l| a[l / 8 * 8 + j], "spread 8"));
                (0..4).for_each(|j| same(x.spread::<4>(j), &|l| a[l / 4 * 4 + j], "spread 4"));
                same(x.spread::<1>(0), &|l| a[l], "spread 1");
            }
        }
    }

    #[test]
    fn every_level_does_to_each_lane_what_it_should() {
        for level in Level::available() {
            // SAFETY: the level is available.
            unsafe { level.run(Lanes) }
        }
    }
}
