//! The pictures of the README and of the report, drawn by the program itself.
//!
//! A figure is a function from nothing to a [`Picture`], which `triform_canvas` writes as SVG and as PNG.

mod block_diagonal;
mod boxes;
mod chart;
mod complexity_by_stage;
mod error_by_cardinality;
mod error_by_macs;
mod error_by_order;
mod gallery;
pub mod heat_map;
mod layer_shares;
mod measurements;
mod parameters_by_groups;
pub mod roofline;
mod rounding;
mod speed;
mod split_transform_merge;
mod three_forms;
mod width_by_cardinality;

use triform_canvas::{FigureError, Picture};

/// A figure that can be drawn: a name, which its files carry too, and what draws it.
pub struct Figure {
    /// The name without its ending, such as `three_forms`.
    pub name: &'static str,
    /// Draws the figure.
    pub draw: fn() -> Result<Picture, FigureError>,
}

/// Every figure, in the order in which they are written. A new figure is added here.
pub const ALL: &[Figure] = &[
    Figure { name: "three_forms", draw: three_forms::draw },
    Figure { name: "split_transform_merge", draw: split_transform_merge::draw },
    Figure { name: "gallery", draw: gallery::draw },
    Figure { name: "rounding", draw: rounding::draw },
    Figure { name: "error_by_cardinality", draw: error_by_cardinality::draw },
    Figure { name: "error_by_order", draw: error_by_order::draw },
    Figure { name: "complexity_by_stage", draw: complexity_by_stage::draw },
    Figure { name: "width_by_cardinality", draw: width_by_cardinality::draw },
    Figure { name: "layer_shares", draw: layer_shares::draw },
    Figure { name: "parameters_by_groups", draw: parameters_by_groups::draw },
    Figure { name: "error_by_macs", draw: error_by_macs::draw },
    Figure { name: "speed", draw: speed::draw },
    Figure { name: "roofline", draw: roofline::of_the_record },
    Figure { name: "block_diagonal", draw: block_diagonal::draw },
];

#[cfg(test)]
mod tests;
