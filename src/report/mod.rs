//! report
pub mod figures;
