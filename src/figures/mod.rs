//! The pictures of the README and of the report, drawn by the program itself.
//!
//! A figure is a function that returns a [`Picture`], which `triform_canvas` writes as SVG and as PNG.

mod bars;
mod boxes;
mod chart;
pub mod heat_map;
mod lines;
mod matrices;
mod measurements;
pub mod roofline;
mod rounding;
mod split_transform_merge;
mod three_forms;
pub mod training;

use triform_canvas::{FigureError, Picture};

use crate::block::BlockSpec;
use crate::error::{Error, Result};

/// A figure that can be drawn: its name, which its files share, and the function that draws it.
pub struct Figure {
    /// The name of its files without their ending, such as `three_forms`.
    pub name: &'static str,
    draw: Draw,
}

/// What draws a figure.
enum Draw {
    /// The figure is always the same.
    Fixed(fn() -> Result<Picture, FigureError>),
    /// The figure shows a block: the paper's, unless another is given.
    OfBlock(fn(&BlockSpec) -> Result<Picture, FigureError>),
}

impl Figure {
    /// Whether the figure can show another block than the paper's.
    pub fn shows_a_block(&self) -> bool {
        matches!(self.draw, Draw::OfBlock(_))
    }

    /// Draws the figure. If the figure shows a block, it shows `block`, or the paper's block if none is given.
    ///
    /// Errors: a block that it cannot draw.
    pub fn draw(&self, block: Option<&BlockSpec>) -> Result<Picture, FigureError> {
        match self.draw {
            Draw::Fixed(draw) => draw(),
            Draw::OfBlock(draw) => draw(block.unwrap_or(&BlockSpec::new(256, 32, 4, 256)?)),
        }
    }
}

/// The figure of this name.
///
/// Errors: [`Error::NoSuchName`].
pub fn named(name: &str) -> Result<&'static Figure> {
    let names = || ALL.iter().map(|figure| figure.name);
    let found = ALL.iter().find(|figure| figure.name == name);
    found.ok_or_else(|| Error::no_such_name("figure", name, names()))
}

use Draw::{Fixed, OfBlock};

/// All figures, in the order in which they are written. Add new figures here.
pub const ALL: &[Figure] = &[
    Figure { name: "three_forms", draw: OfBlock(three_forms::draw) },
    Figure { name: "split_transform_merge", draw: Fixed(split_transform_merge::draw) },
    Figure { name: "gallery", draw: Fixed(matrices::gallery) },
    Figure { name: "rounding", draw: Fixed(rounding::draw) },
    Figure { name: "error_by_cardinality", draw: Fixed(lines::error_by_cardinality) },
    Figure { name: "error_by_order", draw: Fixed(lines::error_by_order) },
    Figure { name: "complexity_by_stage", draw: Fixed(bars::complexity_by_stage) },
    Figure { name: "width_by_cardinality", draw: Fixed(lines::width_by_cardinality) },
    Figure { name: "layer_shares", draw: Fixed(bars::layer_shares) },
    Figure { name: "parameters_by_groups", draw: Fixed(lines::parameters_by_groups) },
    Figure { name: "error_by_macs", draw: Fixed(lines::error_by_macs) },
    Figure { name: "training", draw: Fixed(training::training) },
    Figure { name: "adequacy", draw: Fixed(matrices::adequacy) },
    Figure { name: "accuracy_of_wrong_blocks", draw: Fixed(training::accuracy_of_wrong_blocks) },
    Figure { name: "speed", draw: Fixed(bars::speed) },
    Figure { name: "roofline", draw: Fixed(roofline::of_the_record) },
    Figure { name: "block_diagonal", draw: Fixed(matrices::block_diagonal) },
];

impl From<crate::Error> for FigureError {
    fn from(error: crate::Error) -> Self {
        Self::Data(error.to_string())
    }
}

#[cfg(test)]
mod tests;
