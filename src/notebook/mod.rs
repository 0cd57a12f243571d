//! What the cells of `notebooks/` use: one `use triform::notebook::*;` and a cell can make tensors, run
//! the forms, count, show pictures and tables, and check an answer.
//!
//! The Rust kernel of Jupyter, evcxr, shows the value at a cell's end by its `evcxr_display`; here that is
//! [`Shown`]. Elsewhere the same value prints as text.
//!
//! ```
//! use triform::notebook::*;
//!
//! let spec = BlockSpec::new(4, 2, 2, 4)?;
//! let weights = whole_block(spec, 1)?;
//! let x = whole_numbers([1, 4, 3, 3], 2);
//! let y = Form::Grouped.forward(&weights, x.view(), &Functions::none(), &Reference::default())?;
//! heat_map(&[Panel::tensor("x", x.view()), Panel::tensor("y", y.view())])?;
//! # Ok::<(), triform::Error>(())
//! ```

mod display;
mod exercise;
mod reports;
mod table;
mod tensors;

pub use ndarray::{self, Array1, Array2, Array4, ArrayView4, Axis, arr1, arr2, concatenate, s};

pub use display::{Nothing, Shown, figure, heat_map, ready};
pub use exercise::{check, holds, predict};
pub use reports::{argument, claim, diagnosis, logits, near_miss, timed, verified};
pub use table::{Table, thousands};
pub use tensors::{
    is_equal, largest_difference, spelled, spelled_block, whole_block, whole_numbers,
};

pub use crate::block::{
    Activation, BatchNorm, BlockForm, BlockNorms, BlockSpec, BlockWeights, Bottleneck, Form,
    Functions, Layer, NormFunctions, Shortcut, StrideOn,
};
pub use crate::conv::{
    Affine, After, ChannelWise, ConvSpec, Convolver, Fast, Identity, Reference, block_diagonal,
    conv2d,
};
pub use crate::count::{self, Quantity};
pub use crate::error::{Error, Result};
pub use crate::evidence::any_form::Problem;
pub use crate::evidence::between::Between;
pub use crate::evidence::near_misses;
pub use crate::evidence::rungs::Rung;
pub use crate::network::{self, init, zoo};
pub use crate::random::{Purpose, Seed};
pub use crate::report::figures::heat_map::Panel;
pub use crate::scalar::{Additive, Int, M61, Ordered, Polynomial, Scalar, Spelled, Tally, counted};
