//! **triform**: the three forms of the ResNeXt block over one set of weights, and
//! the evidence that they are one function.
//!
//! Xie et al. 2017, "Aggregated Residual Transformations for Deep Neural
//! Networks" (arXiv 1611.05431), Figure 3, draws one block three times: (a) 32
//! parallel paths, summed; (b) the paths concatenated, then one 1x1; (c) grouped
//! convolution; and says that the three are strictly equivalent. Here each form
//! is written once, over any kind of number, and run, and compared.
//!
//! The floors, each of which uses only those above it:
//!
//! - [`error`]: one error type.
//! - [`random`]: every random choice, from one seed.
//! - [`scalar`]: what the numbers can be.
//! - [`conv`]: convolution, as specified and fast.
//! - [`block`]: the three forms.
//! - [`network`]: what stands around the blocks in a network.
//! - [`count`](mod@count): how many parameters.
//! - [`evidence`]: what it takes to say that two forms are equal.
//! - [`gallery`]: wrong blocks that the evidence must refute.
//! - [`claims`]: what is said about the forms, each with its check.
//! - [`figures`]: the plots and diagrams.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

pub mod block;
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

pub use error::{Error, Result};

/// The README's Rust, as a test.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
