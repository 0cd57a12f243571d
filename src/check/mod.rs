//! Judges what a person hands in: a kernel, a block, outputs in files, or the cases of a test.
//!
//! A [`Case`] is an operation (grouped convolution, or the bottleneck block) with all its data. [`cases`] draws a suite
//! of them from a seed. Your code computes the outputs, in any language. [`judge`] then says for each case whether your
//! outputs are right. If not, it says how many values are wrong, which is the first, where they are, and which known
//! [mistakes](crate::gallery) give exactly these values.
//!
//! If your code runs in the same process, a function that computes the outputs of a case is enough:
//!
//! ```
#![doc = include_str!("../../examples/check_my_kernel.rs")]
//! ```
//!
//! Some properties do not show in outputs, so they are not judged. [`NOT_CHECKABLE`] lists them.

pub mod adequacy;
mod block;
mod case;
pub mod cover;
mod in_process;
mod judge;
mod locate;
mod suite;
mod words;

pub use self::block::{Asks, Block};
pub use self::case::{Answer, Case, Handed, Kind, Operation, Received, Wrong};
pub use self::in_process::{BlockCall, Check, Checked, ConvCall, Outputs, block, conv};
pub use self::judge::{CaseReport, First, NOT_CHECKABLE, Report, Verdict, judge, refuted_by};
pub use self::suite::{Ops, Plan, cases, certified};
pub use self::words::{describe, in_one_layer};
