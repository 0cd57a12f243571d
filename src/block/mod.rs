//! The ResNeXt block: one set of weights, three forms that read it.
//!
//! Letters, the paper's: cardinality C, the number of paths; width d of a path;
//! D = C d. The layers, in order: *reduce* (1x1, C_in to D), *transform* (3x3,
//! D to D within each path), *expand* (1x1, D to C_out). C = 1 is ResNet's
//! bottleneck, d = 1 a depthwise one.
//!
//! Read [`grouped`] (c), then [`early_concat`] (b), then [`aggregated`] (a): the
//! paper's Figure 3 from right to left.
//!
//! Between the convolutions come batch norm and ReLU, as channel-wise functions
//! ([`Functions`]): each looks at one channel and is told its number. Cutting the
//! channels into paths cuts no channel. So such a function cannot distinguish a path from
//! a part of a wide layer; and it may be anything that does not mix channels.

pub mod aggregated;
pub mod early_concat;
mod form;
mod functions;
pub mod grouped;
mod norm;
mod spec;
mod training;
mod weights;

pub use form::{BlockForm, Bottleneck, Branch, Form, With};
pub use functions::{Activation, Functions, Layer, LayerFunctions, NormFunctions};
pub use norm::{BatchNorm, BlockNorms, Normalise};
pub use spec::{BlockSpec, Shortcut, StrideOn};
pub use training::{RecordedNorm, Running, TrainingFunctions, TrainingNorm};
pub use weights::{BlockWeights, Path};
