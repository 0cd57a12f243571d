//! The pictures of the README and of the report, drawn by the program itself.
//!
//! A figure is a function from nothing to a [`Picture`], a list of marks, which is written as
//! [SVG](svg::svg) and as [PNG](png::png). Both are the same bytes on every run and on every
//! machine: letters are outlines of the font embedded here rather than `<text>`. The one SVG
//! serves light pages and dark ones (see [`palette`]); the PNG is light.
//!
//! Text that would make a picture hard to read is an error and never a slightly bad picture: a
//! letter without a glyph, two labels on top of each other, a label that leaves the canvas or
//! the box it names, one too small to read, or a colour that has no dark counterpart.

mod block_diagonal;
mod boxes;
pub mod canvas;
mod chart;
mod complexity_by_stage;
mod error_by_cardinality;
mod error_by_macs;
mod error_by_order;
pub mod heat_map;
mod layer_shares;
pub mod lettering;
mod near_misses;
pub mod palette;
mod parameters_by_groups;
mod plot;
pub mod png;
pub mod roofline;
mod rounding;
mod speed;
mod split_transform_merge;
pub mod svg;
mod three_forms;
mod width_by_cardinality;

use plotters::drawing::DrawingAreaErrorKind;
use plotters_backend::DrawingErrorKind;

use canvas::Picture;

use crate::error::Error;

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
    Figure { name: "near_misses", draw: near_misses::draw },
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

/// What a picture is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// See [`svg`](svg::svg).
    Svg,
    /// See [`png`](png::png).
    Png,
}

impl Format {
    /// The picture's file.
    ///
    /// # Errors
    ///
    /// [`Error::Figure`] for a picture that was not drawn or cannot be written.
    pub fn bytes(
        self,
        name: &'static str,
        picture: Result<Picture, FigureError>,
    ) -> Result<Vec<u8>, Error> {
        let bytes = picture.and_then(|picture| match self {
            Self::Svg => svg::svg(&picture).map(String::into_bytes),
            Self::Png => png::png(&picture),
        });
        bytes.map_err(|error| Error::Figure { name, why: error.to_string() })
    }
}

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
pub enum FigureError {
    /// The embedded font is damaged.
    #[error("the embedded font cannot be read")]
    Font,
    /// The embedded font lacks a character.
    #[error("the embedded font has no glyph for {character:?} in {text:?}")]
    MissingGlyph {
        /// The character that has no glyph.
        character: char,
        /// The label in which it stands.
        text: String,
    },
    /// Two labels cover each other.
    #[error("the labels {first:?} and {second:?} overlap")]
    LabelsOverlap {
        /// The label drawn first.
        first: String,
        /// The label drawn over it.
        second: String,
    },
    /// A label reaches over the edge of the canvas.
    #[error("the label {0:?} leaves the canvas")]
    LabelOutside(String),
    /// A label is larger than the box it is written in.
    #[error("the label {0:?} does not fit its box")]
    LabelTooBig(String),
    /// A label is smaller than a reader can make out.
    #[error("the label {0:?} is too small to read")]
    LabelTooSmall(String),
    /// A colour is not of the palette, so it would not follow the reader's theme.
    #[error("the colour {0} is not of the palette")]
    OffPalette(String),
    /// What is to be drawn could not be computed.
    #[error("the data cannot be computed: {0}")]
    Data(String),
    /// The pixels could not be drawn or written.
    #[error("the PNG cannot be written: {0}")]
    Png(String),
    /// Plotters refused a chart.
    #[error("the chart cannot be drawn: {0}")]
    Chart(String),
}

impl FigureError {
    /// What is to be drawn could not be computed, and why.
    fn data(error: crate::error::Error) -> Self {
        Self::Data(error.to_string())
    }
}

impl From<DrawingAreaErrorKind<FigureError>> for FigureError {
    fn from(error: DrawingAreaErrorKind<FigureError>) -> Self {
        match error {
            DrawingAreaErrorKind::BackendError(DrawingErrorKind::DrawingError(cause)) => cause,
            other => Self::Chart(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests;
