//! Makes pictures as SVG and, with the feature `png`, also as PNG. They are drawn on a [`Canvas`] directly, or by
//! Plotters through [`Plot`](plot::Plot).
//!
//! A picture has the same bytes on every run and on every machine, because its letters are outlines of the embedded
//! font rather than `<text>`. The same SVG serves light pages and dark pages (see [`palette`]). The PNG is for light
//! pages.
//!
//! Anything that would make a picture hard to read is an error:
//!
//! - a letter without a glyph;
//! - two labels that cover each other;
//! - a label that leaves the canvas or its box, or is too small to read;
//! - a colour without a dark counterpart.

mod canvas;
pub mod lettering;
pub mod palette;
pub mod plot;

use plotters::drawing::DrawingAreaErrorKind;
use plotters_backend::DrawingErrorKind;

pub use canvas::*;

/// Why a figure could not be drawn.
#[derive(Debug, thiserror::Error)]
#[expect(missing_docs, reason = "a field is a part of its message")]
pub enum FigureError {
    /// The embedded font is damaged.
    #[error("the embedded font cannot be read")]
    Font,
    /// The embedded font lacks a character.
    #[error("the embedded font has no glyph for {character:?} in {text:?}")]
    MissingGlyph { character: char, text: String },
    /// Two labels cover each other.
    #[error("the labels {first:?} and {second:?} overlap")]
    LabelsOverlap { first: String, second: String },
    /// A label reaches over the edge of the canvas.
    #[error("the label {0:?} leaves the canvas")]
    LabelOutside(String),
    /// A label is larger than the box it is written in.
    #[error("the label {0:?} does not fit its box")]
    LabelTooBig(String),
    /// A label is smaller than a reader can make out.
    #[error("the label {0:?} is too small to read")]
    LabelTooSmall(String),
    /// A colour is not in the palette, so it would not follow the reader's theme.
    #[error("the colour {0} is not in the palette")]
    OffPalette(String),
    /// The data to be drawn could not be computed.
    #[error("the data cannot be computed: {0}")]
    Data(String),
    /// The pixels could not be drawn or written.
    #[error("the PNG cannot be written: {0}")]
    Png(String),
    /// Plotters refused a chart.
    #[error("the chart cannot be drawn: {0}")]
    Chart(String),
}

impl From<DrawingAreaErrorKind<FigureError>> for FigureError {
    fn from(error: DrawingAreaErrorKind<FigureError>) -> Self {
        match error {
            DrawingAreaErrorKind::BackendError(DrawingErrorKind::DrawingError(cause)) => cause,
            other => Self::Chart(other.to_string()),
        }
    }
}

/// The file format of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// A scalable picture, for light pages and dark pages.
    Svg,
    /// Pixels, light.
    #[cfg(feature = "png")]
    Png,
}

impl Format {
    /// The bytes of the picture's file.
    ///
    /// Errors: [`FigureError`] for a picture that cannot be written.
    pub fn bytes(self, picture: &Picture) -> Result<Vec<u8>, FigureError> {
        match self {
            Self::Svg => Ok(picture.svg.clone().into_bytes()),
            #[cfg(feature = "png")]
            Self::Png => picture.png(),
        }
    }
}
