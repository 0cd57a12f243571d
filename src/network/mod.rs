//! Networks as data, and what a network needs besides its blocks: images, classes, the stem, and weights. Weights are
//! drawn or loaded.

pub mod architecture;
mod basic;
pub mod classes;
pub mod forward;
pub mod image;
pub mod init;
pub mod layers;
pub mod load;
pub mod stem;
pub mod weights;
pub mod zoo;
