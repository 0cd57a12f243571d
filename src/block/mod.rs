//! The ResNeXt block: one set of weights, three forms that read it.
//!
//! Letters, the paper's: cardinality C, the number of paths; width d of a path;
//! D = C d. The layers, in order: *reduce* (1x1, C_in to D), *transform* (3x3,
//! D to D within each path), *expand* (1x1, D to C_out). C = 1 is ResNet's
//! bottleneck, d = 1 a depthwise one.
//!
//! Read [`grouped`] (c), then [`early_concat`] (b), then [`aggregated`] (a): the
//! argument of the paper's section 4, from right to left.

mod activation;
pub mod aggregated;
mod bottleneck;
mod branch;
pub mod early_concat;
mod form;
mod functions;
pub mod grouped;
mod norm;
mod spec;
mod weights;

pub use activation::Activation;
pub use bottleneck::Bottleneck;
pub use branch::{BlockForm, Branch};
pub use form::Form;
pub use functions::{Functions, Layer, NormFunctions};
pub use norm::{BatchNorm, BlockNorms, Normalise};
pub use spec::{BlockSpec, Shortcut, StrideOn};
pub use weights::{BlockWeights, Path};
