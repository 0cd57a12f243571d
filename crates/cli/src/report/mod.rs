//! What the program shows: reports in words, tables and JSON.

pub mod bench;
pub mod check;
pub mod claims;
pub mod count;
pub mod diagnose;
pub mod explain;
pub mod json;
mod matrix;
pub mod network;
pub mod page;
pub mod refute;
pub mod train;
pub mod verify;
pub mod words;
