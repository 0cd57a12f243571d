//! What the diagrams of blocks have in common: boxes, arrows between them, and the shortcut.

use plotters::style::RGBColor;

use triform_canvas::FigureError;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{INK, MUTED, PAPER, RULE, SHADE};
use triform_canvas::{Canvas, Pen};

/// How tall a box is.
pub(super) const TALL: f64 = 32.0;

/// Text in boxes and beside them.
pub(super) const BODY: f64 = 14.75;
/// A panel's heading.
pub(super) const HEADING: f64 = 19.0;

/// Arrows that belong to no path in particular.
pub(super) const THIN: Pen = Pen { color: MUTED, width: 1.5 };

/// The plus in a circle at which the shortcut comes back: the circle's radius ...
pub(super) const SUM: f64 = 11.0;
/// ... and how far the plus reaches from the middle.
const ARM: f64 = 6.0;

/// The name of a panel and a line below it.
pub(super) fn heading(
    canvas: &mut Canvas,
    left: f64,
    name: &str,
    what: &str,
) -> Result<(), FigureError> {
    let style = Lettering::centred(HEADING, INK).from_left();
    canvas.label(name, (left, 42.0), &style)?;
    let style = Lettering::centred(BODY, MUTED).from_left();
    canvas.label(what, (left, 68.0), &style)?;
    Ok(())
}

/// A box that carries no weights.
pub(super) fn plain(canvas: &mut Canvas, frame: Frame, text: &str) -> Result<(), FigureError> {
    boxed(canvas, frame, text, SHADE, Pen { color: RULE, width: 1.5 })
}

/// A box in the colours of the weights it carries.
pub(super) fn boxed(
    canvas: &mut Canvas,
    frame: Frame,
    text: &str,
    fill: RGBColor,
    edge: Pen,
) -> Result<(), FigureError> {
    canvas.rect(frame, 5.0, Some(fill), Some(edge))?;
    canvas.label_in(text, frame, &Lettering::centred(BODY, INK))
}

/// The pen for the edge of a box with weights, and for the arrows between such boxes.
pub(super) fn strong(color: RGBColor) -> Pen {
    Pen { color, width: 2.0 }
}

/// An arrow from the bottom of one box to the top of the next.
pub(super) fn down(
    canvas: &mut Canvas,
    x: f64,
    from: f64,
    to: f64,
    pen: Pen,
) -> Result<(), FigureError> {
    canvas.arrow(&[(x, from + 1.0), (x, to - 2.0)], pen)
}

/// An arrow down that a name interrupts.
pub(super) fn down_named(
    canvas: &mut Canvas,
    x: f64,
    from: f64,
    to: f64,
    name: &str,
) -> Result<(), FigureError> {
    // The head takes room below the name, so the name stands above the middle.
    let middle = f64::midpoint(from, to) - 3.0;
    canvas.line(&[(x, from + 1.0), (x, middle - 10.0)], THIN)?;
    canvas.label(name, (x, middle), &Lettering::centred(BODY, MUTED))?;
    down(canvas, x, middle + 10.0, to, THIN)
}

/// Three dots for all the paths between the second and the last.
pub(super) fn dots(canvas: &mut Canvas, x: f64, y: f64) -> Result<(), FigureError> {
    for step in [-8.0, 0.0, 8.0] {
        canvas.circle((x + step, y), 1.75, Some(MUTED), None)?;
    }
    Ok(())
}

/// The shortcut, from the right of the input down a lane beside everything to a sum below the
/// input's middle, and the arrow from there on to `below`. The paths' own arrow to the sum is
/// the caller's, who knows whose it is.
pub(super) fn add_shortcut(
    canvas: &mut Canvas,
    input: Frame,
    lane: f64,
    y: f64,
    below: f64,
) -> Result<(), FigureError> {
    let (x, start) = input.centre();
    canvas.circle((x, y), SUM, Some(PAPER), Some(THIN))?;
    canvas.line(&[(x - ARM, y), (x + ARM, y)], THIN)?;
    canvas.line(&[(x, y - ARM), (x, y + ARM)], THIN)?;

    let side = x + SUM;
    canvas.arrow(&[(input.right, start), (lane, start), (lane, y), (side, y)], THIN)?;
    let place = (f64::midpoint(side, lane), y - 13.0);
    canvas.label("shortcut", place, &Lettering::centred(BODY, MUTED))?;
    down(canvas, x, y + SUM, below, THIN)
}
