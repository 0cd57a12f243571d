//! What the cells of `notebooks/` use. After `use triform_notebook::*;` a cell can make tensors,
//! run the forms, count, show pictures and tables, and check an answer.
//!
//! The Rust kernel of Jupyter, evcxr, shows the value at the end of a cell by calling the value's
//! `evcxr_display`. Here that value is usually a [`Shown`], which also has a plain text for a terminal.
//!
//! ```
//! use triform_notebook::*;
//!
//! let spec = BlockSpec::new(4, 2, 2, 4)?;
//! let weights = integer_block(spec, 1)?;
//! let x = integers([1, 4, 3, 3], 2);
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
pub use reports::{argument, claim, diagnosis, logits, mistake, timed, verified};
pub use table::{Table, thousands};
pub use tensors::{
    expression_block, expressions, integer_block, integers, is_equal, largest_difference,
};

pub use triform::block::{
    Activation, BatchNorm, BlockForm, BlockNorms, BlockSpec, BlockWeights, Bottleneck, Form,
    Functions, Layer, NormFunctions, Shortcut, StrideOn,
};
pub use triform::conv::{
    Affine, ChannelWise, ConvSpec, Convolver, Epilogue, Fast, Identity, Reference, block_diagonal,
    conv2d,
};
pub use triform::count::{self, Quantity};
pub use triform::error::{Error, Result};
pub use triform::evidence::any_form::Between;
pub use triform::evidence::any_form::Problem;
pub use triform::evidence::rungs::Rung;
pub use triform::figures::heat_map::Panel;
pub use triform::gallery;
pub use triform::network::{self, init, zoo};
pub use triform::random::{Purpose, Seed};
pub use triform::scalar::{
    Additive, Counter, Expression, Int, M61, Ordered, Polynomial, Scalar, counted,
};
