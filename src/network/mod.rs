//! What stands around the blocks in a network: the image, the stem, the stages,
//! and how weights are drawn.

pub mod image;
pub mod init;
pub mod resnext50;
pub mod stem;
