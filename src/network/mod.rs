//! Networks as data, and what a network has besides its blocks: the image, the classes, the stem, how
//! weights are drawn.

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
