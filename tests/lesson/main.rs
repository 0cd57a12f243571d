//! Quick tests of the library. Each form, convolution, count and rung is compared with something independent.

#[path = "../common/mod.rs"]
mod common;

mod architecture;
mod block;
mod check;
mod convolution;
mod cuts;
mod forms;
mod formulas;
mod fuzz_corpus;
mod golden;
mod gradients;
mod kernels;
mod network;
mod theorem;
