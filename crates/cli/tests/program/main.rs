//! The program as its users meet it: arguments, reports, files, exit status.

#[path = "../../../../tests/common/mod.rs"]
mod common;
#[path = "../kit/mod.rs"]
mod kit;

mod bad_input;
mod bench;
mod check;
mod check_onnx;
mod checkpoints;
mod claims;
mod cli;
mod count;
mod documents;
mod examples;
mod images;
mod manners;
mod notebooks;
mod schema;
mod train;
