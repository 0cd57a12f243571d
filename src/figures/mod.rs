//! The pictures of the README and of the report, drawn by the program itself.
//!
//! A figure is a function from nothing to a [`Picture`], which `triform_canvas` writes as SVG and as PNG.

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

use triform_canvas::{FigureError, Picture};

/// A figure that can be drawn: a name, which its files carry too, and what draws it.
pub struct Figure {
    /// The name without its ending, such as `three_forms`.
    pub name: &'static str,
    /// Draws the figure.
    pub draw: fn() -> Result<Picture, FigureError>,
}

/// Every figure, in the order they are written. A new figure is added here.
pub const ALL: &[Figure] = &[
    Figure { name: "three_forms", draw: three_forms::draw },
    Figure { name: "split_transform_merge", draw: split_transform_merge::draw },
    Figure { name: "gallery", draw: matrices::gallery },
    Figure { name: "rounding", draw: rounding::draw },
    Figure { name: "error_by_cardinality", draw: lines::error_by_cardinality },
    Figure { name: "error_by_order", draw: lines::error_by_order },
    Figure { name: "complexity_by_stage", draw: bars::complexity_by_stage },
    Figure { name: "width_by_cardinality", draw: lines::width_by_cardinality },
    Figure { name: "layer_shares", draw: bars::layer_shares },
    Figure { name: "parameters_by_groups", draw: lines::parameters_by_groups },
    Figure { name: "error_by_macs", draw: lines::error_by_macs },
    Figure { name: "speed", draw: bars::speed },
    Figure { name: "roofline", draw: roofline::of_the_record },
    Figure { name: "block_diagonal", draw: matrices::block_diagonal },
];

impl From<crate::Error> for FigureError {
    fn from(error: crate::Error) -> Self {
        Self::Data(error.to_string())
    }
}

#[cfg(test)]
mod tests;
