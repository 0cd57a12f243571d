//! The blocks of ResNeXt-50 (32x4d), Table 1 of the paper.

use crate::block::{BlockSpec, StrideOn};
use crate::error::Result;

/// A block and its name in the paper's table: `conv3_1` is the first of stage conv3.
#[derive(Clone, Debug)]
pub struct NamedBlock {
    /// Its name.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
}

/// The first two blocks of each of the four stages, in order: the one whose shortcut
/// is a projection, and one whose shortcut is the identity. Width and channels
/// double from stage to stage, and from the second stage on the first block has
/// stride 2, on the 3x3.
///
/// # Errors
///
/// None in practice: the shapes are the paper's.
pub fn first_two_blocks() -> Result<Vec<NamedBlock>> {
    let mut blocks = Vec::new();
    let mut c_in = 64;
    for stage in 0..4 {
        let (width, c_out) = (4 << stage, 256 << stage);
        let stride = if stage == 0 { 1 } else { 2 };
        for number in 1..=2 {
            let stride = if number == 1 { stride } else { 1 };
            let spec =
                BlockSpec::new(c_in, 32, width, c_out)?.with_stride(stride, StrideOn::Transform)?;
            blocks.push(NamedBlock { name: format!("conv{}_{number}", stage + 2), spec });
            c_in = c_out;
        }
    }
    Ok(blocks)
}
