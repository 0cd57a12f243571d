//! SIMD levels: which vector instructions to use. They are detected while the program runs.

use std::env;
use std::fmt;
use std::sync::OnceLock;

use crate::error::{Error, Result};
use crate::vector::{Portable, Vector};

/// The environment variable that overrides the choice of [`Level::best`].
pub const LEVEL_VARIABLE: &str = "TRIFORM_LEVEL";

/// A SIMD level: the vector instructions that a kernel is packed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Plain Rust, for any machine.
    Portable,
    /// AVX2 and FMA: 8 lanes.
    Avx2,
    /// AVX-512F: 16 lanes.
    Avx512,
}

impl Level {
    /// All levels, slowest first.
    pub const ALL: [Self; 3] = [Self::Portable, Self::Avx2, Self::Avx512];

    /// The levels that this machine has, slowest first.
    pub fn available() -> Vec<Self> {
        Self::ALL.into_iter().filter(|level| level.is_here()).collect()
    }

    /// The level to use. It is the level that the environment variable [`LEVEL_VARIABLE`] names, or else the best
    /// level that this machine has.
    ///
    /// Errors: [`Error::Level`] if the variable names an unknown level or one that the machine lacks.
    pub fn chosen() -> Result<Self> {
        let Some(asked) = env::var_os(LEVEL_VARIABLE).filter(|asked| !asked.is_empty()) else {
            return Ok(Self::best());
        };
        let name = asked.to_string_lossy();
        let named = Self::ALL.into_iter().find(|level| level.to_string() == name);
        let all = listed(&Self::ALL);
        let wrong = || Error::Level(format!("{LEVEL_VARIABLE}: {name:?} is not one of {all}"));
        named.ok_or_else(wrong)?.check()
    }

    /// The best level that this machine has.
    pub fn best() -> Self {
        Self::available().pop().unwrap_or(Self::Portable)
    }

    /// The level itself, if this machine has it.
    ///
    /// Errors: [`Error::Level`].
    pub fn check(self) -> Result<Self> {
        let here = listed(&Self::available());
        let missing = || Error::Level(format!("this machine has no {self}; it has {here}"));
        if self.is_here() { Ok(self) } else { Err(missing()) }
    }

    fn is_here(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma"),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => is_x86_feature_detected!("avx512f"),
            #[cfg(not(target_arch = "x86_64"))]
            _ => false,
        }
    }

    /// Floats in a vector.
    pub(crate) const fn lanes(self) -> usize {
        self.sizes()[0]
    }

    /// Rows of a dense tile that is two vectors wide. There are as many rows as there are registers for their sums.
    pub(crate) const fn rows(self) -> usize {
        self.sizes()[1]
    }

    /// The number of lanes, of rows of a dense tile, and of vectors of a narrow tile. The last two are as large as
    /// the registers for the sums allow.
    pub(crate) const fn sizes(self) -> [usize; 3] {
        match self {
            Self::Portable => [8, 3, 3],
            Self::Avx2 => [8, 6, 8],
            Self::Avx512 => [16, 14, 8],
        }
    }

    /// Does the work with the vectors of this level.
    /// Safety: whatever the work requires, and the machine has the level (see [`Level::check`]).
    pub(crate) unsafe fn run(self, work: impl Work) {
        debug_assert!(self.is_here(), "{self}");
        // SAFETY: upheld by the caller.
        unsafe {
            match self {
                #[cfg(target_arch = "x86_64")]
                Self::Avx512 => avx512(work),
                #[cfg(target_arch = "x86_64")]
                Self::Avx2 => avx2(work),
                _ => work.run::<Portable>(),
            }
        }
    }
}

impl Default for Level {
    /// Computes [`Level::chosen`] once. If that is an error, the default is [`Level::best`].
    fn default() -> Self {
        static DEFAULT: OnceLock<Level> = OnceLock::new();
        *DEFAULT.get_or_init(|| Self::chosen().unwrap_or_else(|_| Self::best()))
    }
}

fn listed(levels: &[Level]) -> String {
    let names: Vec<String> = levels.iter().map(Level::to_string).collect();
    names.join(", ")
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        })
    }
}

/// Work that is written once, generic over the vector type.
pub(crate) trait Work {
    /// Does the work. An implementation and all functions that it calls are `#[inline(always)]`, so that all of them
    /// are compiled with the instructions of `T`.
    /// Safety: the machine has the instructions of `T`, and all other requirements of the implementation hold.
    unsafe fn run<T: Vector>(self);
}

/// Plain Rust, compiled once for each level, so that the compiler vectorises its loops for that level.
pub trait Plain {
    /// Does the work. An implementation is `#[inline(always)]`.
    fn run(self);
}

impl<P: Plain> Work for P {
    #[inline(always)]
    unsafe fn run<T: Vector>(self) {
        Plain::run(self);
    }
}

/// Runs `plain` at [`Level::default`], for callers without a kernel. The results do not depend on the level.
pub fn vectorised(plain: impl Plain) {
    // SAFETY: the machine has the level, by `Level::chosen` or `Level::best`.
    unsafe { Level::default().run(plain) }
}

/// Safety: whatever the work requires, and the machine has AVX-512F.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f")]
unsafe fn avx512(work: impl Work) {
    // SAFETY: upheld by the caller.
    unsafe { work.run::<std::arch::x86_64::__m512>() }
}

/// Safety: whatever the work requires, and the machine has AVX2 and FMA.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
unsafe fn avx2(work: impl Work) {
    // SAFETY: upheld by the caller.
    unsafe { work.run::<std::arch::x86_64::__m256>() }
}
