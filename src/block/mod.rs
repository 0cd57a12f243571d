//! The ResNeXt block: one set of weights, three forms that read it.
//!
//! The letters are the paper's: the cardinality C is the number of paths, d is the width of a path,
//! and D = C d. The layers, in order: *reduce* (1x1, C_in to D), *transform* (3x3, D to D within
//! each path), *expand* (1x1, D to C_out). With C = 1 the block is ResNet's bottleneck; with d = 1
//! its 3x3 is depthwise.
//!
//! Read [`grouped`] (c), then [`early_concat`] (b), then [`aggregated`] (a): the
//! paper's Figure 3 from right to left.
//!
//! Between the convolutions come batch norm and ReLU, as channel-wise functions ([`Functions`]):
//! each sees one channel and that channel's number. Dividing the channels into paths leaves every
//! channel whole, so such a function cannot distinguish a path from a part of a wide layer. Any
//! function that does not mix channels may be used.

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
