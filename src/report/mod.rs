//! What the program shows: tables, JSON, figures, and files written whole.

pub mod figures;
pub mod file;
pub mod json;
pub mod table;
mod words;
