//! Fast grouped convolution of `f32` on ndarray views. It uses the SIMD instructions that this machine has (AVX-512,
//! AVX2 with FMA, or none) and the threads of the rayon pool that it is called in.
//!
//! In all comments, N is the batch size, C_in and C_out are the numbers of input and output channels, H x W is the
//! map size, and k_h x k_w is the kernel size. A tensor is an ndarray array in the order N, C, H, W. Weights have the
//! shape C_out x C_in/groups x k_h x k_w, as in a PyTorch state dict. As in PyTorch, the kernel is not flipped.
//!
//! ```
//! use ndarray::Array4;
//! use triform_kernels::{Elementwise, Epilogue, Kernel, Level, Spec, conv};
//!
//! let weights = Array4::from_elem((64, 2, 3, 3), 0.5);
//! let spec = Spec { padding: [[1, 1]; 2], groups: 32, ..Spec::default() };
//! let kernel = Kernel::new(weights.view(), spec, Level::default())?;
//! let x = Array4::from_elem((1, 64, 14, 14), 1.0);
//! let z = conv(x.view(), &kernel, Epilogue::only(Elementwise::RELU))?;
//! assert_eq!((z.dim(), z[[0, 0, 7, 7]]), ((1, 64, 14, 14), 9.0));
//! # Ok::<(), triform_kernels::Error>(())
//! ```
//!
//! A [`Kernel`] is made from weights and a [`Spec`] for a [`Level`]. [`conv`] takes one kernel; [`split`],
//! [`each`] and [`merge`] take several at once. An [`Epilogue`] is applied while the sums are in registers.
//!
//! All unsafe code of the project is in this crate. Each unsafe block lists what it relies on. From the bottom up,
//! the modules are:
//!
//! - `vector` and `simd`: the vectors that all kernels are written in;
//! - `tiles`, `memory`, `layout` and `pixels`;
//! - `planes`, which converts between layouts, and `epilogue`, which follows the sums;
//! - `pack` and `dense`, and `narrow`, which is for groups narrower than a vector;
//! - `kernel`;
//! - `conv` and `paths`.
//!
//! Terms are added in whichever order is fastest. So results may differ from those of plain loops by rounding, unless
//! all numbers are integers. The order does not depend on the number of threads, on how the work is divided, or on
//! the vector width. So results differ between machines only if one machine rounds a multiply-add once, as AVX2 and
//! AVX-512 do, and the other rounds it twice.

#![allow(unsafe_code)]

mod conv;
mod dense;
mod epilogue;
mod error;
mod kernel;
mod layout;
mod memory;
mod narrow;
mod pack;
mod paths;
mod peak;
mod pixels;
mod planes;
mod simd;
mod tiles;
mod vector;

pub use conv::{conv, product};
pub use epilogue::{Elementwise, Epilogue};
pub use error::{Error, Result};
pub use kernel::{Kernel, Spec};
pub use paths::{concatenate, each, merge, split};
pub use peak::{Peak, read_bandwidth};
pub use simd::{LEVEL_VARIABLE, Level, Plain, vectorised};
pub use tiles::on_one_thread;
