//! **triform**: the three forms of the ResNeXt block on one set of weights, with evidence that they
//! compute the same function.
//!
//! Figure 3 of Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural Networks" (arXiv 1611.05431),
//! draws one block in three forms and says that they are strictly equivalent. Form (a) sums C paths. Form (b)
//! concatenates the paths and then applies one 1x1. Form (c) is a grouped convolution. Here each form is written once,
//! generic over the number type, and all three run on the same weights:
//!
//! ```
//! use ndarray::Array4;
//! use triform::*;
//! use triform::{network::init, random::Purpose};
//!
//! let spec: BlockSpec = "64x8x4".parse()?; // C_in x C x d: 64 channels, 8 paths of width 4
//! let weights = init::block(spec, &mut Seed(7).stream(Purpose::Weights, &[]))?;
//! let x = Array4::from_shape_fn((1, 64, 7, 9), |(_, c, i, j)| ((c + i * j) as f32).sin());
//!
//! // Sums over d channels first, then over the C paths: one order of addition for all three.
//! let one_order = Reference::in_runs_of(spec.width());
//! let y = Form::ALL.map(|form| form.forward(&weights, x.view(), &Functions::none(), &one_order));
//! let [a, b, c] = y.map(Result::unwrap);
//! assert!(a == b && b == c); // to the bit
//! # Ok::<(), triform::Error>(())
//! ```
//!
//! [`verify`] tests forms with nine checks, the rungs R0 to R8. They include a rounding bound, exact integers, a prime
//! field and proofs at small sizes. A form that you write is tested in the same way:
//!
//! ```no_run
#![doc = include_str!("../examples/own_form.rs")]
//! ```
//!
//! These are the modules. Each module uses only the modules above it:
//!
//! - [`error`]: one error type.
//! - [`random`]: all random numbers, drawn from one seed.
//! - [`scalar`]: the number types.
//! - [`conv`]: convolution, as a specification and as a fast implementation.
//! - [`block`]: the three forms.
//! - [`network`]: whole networks, and what they need besides their blocks.
//! - [`count`](mod@count): parameters and multiply-adds.
//! - [`evidence`]: the rungs, which test whether forms compute the same function.
//! - [`gallery`]: wrong blocks, which the rungs must refute.
//! - [`train`]: the three forms trained in lockstep.
//! - [`claims`]: statements about the forms, each with a check.
//! - [`check`]: judges other people's kernels, blocks and test data.
//! - [`figures`]: the plots and diagrams.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

/// Writes getters but no setters, so that a field cannot change after it has been checked.
macro_rules! getters {
    ($($(#[$doc:meta])* $field:ident: $type:ty,)*) => {
        $($(#[$doc])* pub fn $field(&self) -> $type { self.$field })*
    };
}

pub mod block;
pub mod check;
pub mod claims;
pub mod conv;
pub mod count;
pub mod error;
pub mod evidence;
pub mod figures;
pub mod gallery;
pub mod network;
pub mod random;
pub mod scalar;
pub mod train;

pub use block::{Activation, BatchNorm, BlockForm, BlockSpec, BlockWeights, Bottleneck, Branch};
pub use block::{Form, Functions, Shortcut};
pub use conv::{ChannelWise, ConvSpec, Convolver, Fast, Reference, conv2d};
pub use error::{Error, Result};
pub use evidence::any_form::{AnyForm, Subject};
pub use evidence::progress::Quiet;
pub use evidence::rungs::Rung;
pub use evidence::verdict::Verdict;
pub use evidence::verify::{Input, Plan, verify};
pub use random::Seed;
pub use scalar::Additive;

/// Runs the README's Rust code as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
