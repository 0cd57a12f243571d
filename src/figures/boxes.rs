//! The common parts of the block diagrams: boxes, arrows between them, the shortcut, and the legend.

use plotters::style::RGBColor;
use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{
    BLUE, GREEN, INK, MUTED, ORANGE, PALE_BLUE, PALE_GREEN, PALE_ORANGE, PAPER, RULE, SHADE,
};
use triform_canvas::{Canvas, FigureError, Pen};

/// Height of a box.
pub(super) const TALL: f64 = 32.0;
/// Font size of text in boxes and beside them.
pub(super) const BODY: f64 = 14.75;
/// The pen of arrows that do not belong to one path.
pub(super) const THIN: Pen = Pen { color: MUTED, width: 1.5 };
/// The pen of thin lines beside boxes.
pub(super) const HAIR: Pen = Pen { color: RULE, width: 1.0 };

/// The radius of the circle where the shortcut is added. The circle holds a plus.
pub(super) const SUM: f64 = 11.0;
/// How far the plus in the circle reaches from the middle.
const ARM: f64 = 6.0;

/// The colours of a path's weights. The first is for the edge of a box and the arrows from the box. The second is for
/// the inside of the box.
#[derive(Clone, Copy)]
pub(super) struct Weights(pub(super) Pen, RGBColor);

const fn weights(edge: RGBColor, fill: RGBColor) -> Weights {
    Weights(Pen { color: edge, width: 2.0 }, fill)
}

/// The colours of the three paths that are drawn.
pub(super) const COLORS: [Weights; 3] =
    [weights(BLUE, PALE_BLUE), weights(ORANGE, PALE_ORANGE), weights(GREEN, PALE_GREEN)];

/// Writes the name of a panel, and a line of text below the name.
pub(super) fn heading(
    canvas: &mut Canvas,
    left: f64,
    name: &str,
    what: &str,
) -> Result<(), FigureError> {
    canvas.label(name, (left, 42.0), &Lettering::centred(19.0, INK).from_left())?;
    canvas.label(what, (left, 68.0), &Lettering::centred(BODY, MUTED).from_left()).map(drop)
}

/// Draws a box in the colours of the weights that it carries, or in grey if it carries none.
pub(super) fn boxed(
    canvas: &mut Canvas,
    frame: Frame,
    text: &str,
    weights: Option<Weights>,
) -> Result<(), FigureError> {
    let plain = Weights(Pen { color: RULE, width: 1.5 }, SHADE);
    let Weights(edge, fill) = weights.unwrap_or(plain);
    canvas.rect(frame, 5.0, Some(fill), Some(edge))?;
    canvas.label_in(text, frame, &Lettering::centred(BODY, INK))
}

/// Draws the boxes of a path, each at its own height. An arrow leads from each box to the next, and from the last box
/// to `end`.
pub(super) fn column(
    canvas: &mut Canvas,
    (left, wide): (f64, f64),
    boxes: impl IntoIterator<Item = (f64, String, Option<Weights>)>,
    end: f64,
) -> Result<(), FigureError> {
    let mut boxes = boxes.into_iter().peekable();
    while let Some((top, text, weights)) = boxes.next() {
        let frame = Frame::new(left, top, wide, TALL);
        boxed(canvas, frame, &text, weights)?;
        let next = boxes.peek().map_or(end, |next| next.0);
        down(canvas, frame.centre().0, frame.bottom, next, weights.map_or(THIN, |w| w.0))?;
    }
    Ok(())
}

/// Draws an arrow from the bottom of one box to the top of the next.
pub(super) fn down(
    canvas: &mut Canvas,
    x: f64,
    from: f64,
    to: f64,
    pen: Pen,
) -> Result<(), FigureError> {
    canvas.arrow(&[(x, from + 1.0), (x, to - 2.0)], pen)
}

/// Draws an arrow down, interrupted by a name.
pub(super) fn down_named(
    canvas: &mut Canvas,
    x: f64,
    from: f64,
    to: f64,
    name: &str,
) -> Result<(), FigureError> {
    // The arrow head takes room below the name, so the name is above the middle.
    let middle = f64::midpoint(from, to) - 3.0;
    canvas.line(&[(x, from + 1.0), (x, middle - 10.0)], THIN)?;
    canvas.label(name, (x, middle), &Lettering::centred(BODY, MUTED))?;
    down(canvas, x, middle + 10.0, to, THIN)
}

/// Draws three dots, which stand for all paths between the second and the last.
pub(super) fn dots(canvas: &mut Canvas, x: f64, y: f64) -> Result<(), FigureError> {
    [-8.0, 0.0, 8.0]
        .into_iter()
        .try_for_each(|step| canvas.circle((x + step, y), 1.75, Some(MUTED), None))
}

/// Draws the shortcut. It leaves the input on the right, goes down beside the boxes, and ends at the sum, which lies
/// below the middle of the input. An arrow leads from the sum to `below`. The caller draws the arrow from the paths
/// to the sum.
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

/// Draws a thin line, and two lines of text below it. The first line of text explains the colours and the boxes. A
/// colour's name may be empty. The second line says what the boxes leave out.
pub(super) fn legend(
    canvas: &mut Canvas,
    (left, right): (f64, f64),
    y: f64,
    names: [&str; 3],
    words: &[&str],
    rest: &str,
) -> Result<(), FigureError> {
    canvas.line(&[(left, y - 25.0), (right, y - 25.0)], HAIR)?;
    let style = Lettering::centred(BODY, MUTED).from_left();
    let mut x = left + 1.0;
    for (Weights(edge, fill), name) in COLORS.into_iter().zip(names) {
        canvas.rect(Frame::new(x, y - 7.0, 14.0, 14.0), 3.0, Some(fill), Some(edge))?;
        x += 21.0;
        if !name.is_empty() {
            x = canvas.label(name, (x + 1.0, y), &style)?.right + 18.0;
        }
    }
    for words in words {
        x = canvas.label(words, (x + 3.0, y), &style)?.right + 25.0;
    }
    canvas.label(rest, (left, y + 25.0), &style).map(drop)
}
