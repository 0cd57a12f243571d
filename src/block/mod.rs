//! The ResNeXt block: one set of weights, and three forms that read these weights.
//!
//! The letters are those of the paper. The cardinality C is the number of paths, d is the width of a path, and D = C d.
//! In order, the layers are *reduce* (1x1, C_in to D), *transform* (3x3, D to D within each path) and *expand* (1x1, D
//! to C_out). If C = 1, the block is ResNet's bottleneck. If d = 1, the 3x3 is depthwise.
//!
//! The best order to read the modules is [`grouped`] (c), [`early_concat`] (b), [`aggregated`] (a). That is the paper's
//! Figure 3 from right to left.
//!
//! Batch norm and ReLU come between the convolutions, as channel-wise functions ([`Functions`]). Such a function sees
//! one channel and the number of that channel. Dividing the channels into paths leaves every channel whole. So the
//! function cannot tell whether a channel belongs to a path or to one wide layer. Any function that does not mix
//! channels may be used.

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
