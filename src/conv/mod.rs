//! Convolution: a specification, a fast implementation, and the interface that forms use for either.
//!
//! Letters used in all doc comments: N batch size, C_in and C_out channels, H x W map size,
//! k_h x k_w kernel size. A tensor is an ndarray `Array4` in the order N, C, H, W; a kernel has the
//! shape C_out x C_in/groups x k_h x k_w, as in a PyTorch state dict. What networks call
//! convolution is cross-correlation: the kernel is not flipped.
//!
//! - [`ConvSpec`]: stride, padding and dilation along each axis ([`Along`]), and groups.
//! - [`Convolver`]: the interface. It prepares kernels, and convolves one or many at a time.
//! - [`Reference`]: the specification, in plain loops over any ring.
//! - [`Reference::input_gradient`], [`kernel_gradient`], [`bias_gradient`]: its gradients, also in loops.
//! - [`Convolution`]: a grouped convolution with bias and all its data.
//! - [`Recorded`]: runs any convolver over numbers that remember how they were computed.
//! - [`Fast`]: fast convolution for `f32`, by the crate `triform-kernels` at a SIMD [`Level`].
//! - [`Double`]: convolution for `f64`, as the evidence needs it.
//! - [`Peak`] and [`read_bandwidth`]: the limits of this machine, measured.
//! - [`ChannelWise`] and [`Epilogue`]: what follows the sums.
//! - [`max_pool`]: max pooling, which the stem needs.
//! - [`block_diagonal`]: a grouped kernel as the equivalent dense one.

mod block_diagonal;
mod convolution;
mod convolver;
mod double;
mod epilogue;
mod fast;
mod gradients;
mod pool;
mod recorded;
pub mod reference;
mod spec;

pub use block_diagonal::block_diagonal;
pub(crate) use convolution::named;
pub use convolution::{Arrays, Convolution};
pub use convolver::Convolver;
pub use double::Double;
pub(crate) use epilogue::apply_from;
pub use epilogue::{Affine, ChannelWise, Elementwise, Epilogue, Identity};
pub use fast::Fast;
pub use gradients::{bias_gradient, kernel_gradient};
pub use pool::max_pool;
pub use recorded::Recorded;
pub use reference::{Reference, conv2d};
pub use spec::{Along, ConvSpec, KernelShape};
pub use triform_kernels::{LEVEL_VARIABLE, Level, Peak, on_one_thread, read_bandwidth};
