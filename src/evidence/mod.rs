//! What it takes to say that two forms of a block are the same function.
//!
//! - [`bound`]: rung R1. How far rounding can carry a correct form, derived; a form
//!   outside is refuted.
//! - [`exact`]: rung R3. On integers small enough, certified, `f32` is exact, and the
//!   forms must be equal to the bit.
//! - [`live`]: batch norms drawn so that every channel passes some of its values
//!   through the ReLU and stops others; without it, both rungs can be blind.
//! - [`memory`]: whether a block fits into it.
//! - [`compare`](mod@compare): differences and witnesses.
//! - [`verify`](mod@verify): the main job, both rungs on real shapes.
//!
//! Neither rung computes a block a second way. R1 runs form (c) over balls, R3 over
//! integers that carry the size of their sums; a form is handed other numbers and
//! another convolver, and stays the same lines.

pub mod any_form;
pub mod approximate;
pub mod bitwise;
pub mod bound;
pub mod compare;
pub mod contract;
pub mod duals;
pub mod exact;
pub mod exhaustive;
pub mod field;
pub mod generator;
pub mod gradient;
pub mod live;
pub mod memory;
pub mod problem;
pub mod random_functions;
pub mod rounding;
pub mod symbolic;
pub mod training;
pub mod verdict;
pub mod verify;
pub mod watched;
