//! Convolution: a specification, a fast implementation, and the interface that forms use for both.
//!
//! All doc comments use these letters: N is the batch size, C_in and C_out are the numbers of channels, H x W is the
//! map size, and k_h x k_w is the kernel size. A tensor is an ndarray `Array4` with the axes N, C, H, W. A kernel has
//! the shape C_out x C_in/groups x k_h x k_w, as in a PyTorch state dict. As in all networks, convolution means
//! cross-correlation, so the kernel is not flipped.
//!
//! - [`ConvSpec`]: stride, padding and dilation along each axis ([`Along`]), and groups.
//! - [`Convolver`]: the interface. It prepares kernels, and convolves with one kernel or many.
//! - [`Reference`]: the specification, in plain loops over any ring.
//! - [`Reference::input_gradient`], [`kernel_gradient`], [`bias_gradient`]: the gradients of a convolution, also in
//!   plain loops.
//! - [`Convolution`]: a grouped convolution with bias and all its data.
//! - [`Recorded`]: runs any convolver over numbers that remember how they were computed.
//! - [`Fast`]: fast convolution for `f32`. It uses the crate `triform-kernels` at a SIMD [`Level`].
//! - [`Double`]: convolution for `f64`, which the evidence needs.
//! - [`Peak`] and [`read_bandwidth`]: the measured limits of this machine.
//! - [`ChannelWise`] and [`Epilogue`]: the steps after the sums.
//! - [`max_pool`]: max pooling, which the stem needs.
//! - [`block_diagonal`]: converts a grouped kernel to the equivalent dense kernel.

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
