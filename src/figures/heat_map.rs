//! Draws tensors as coloured squares, with the numbers inside if there is room. The notebooks show small examples
//! this way.
//!
//! All panels of one picture share one scale, symmetric about zero, so equal numbers have equal colours. If a panel
//! is too large to read, only its first part is drawn, and its label says how much that is.

use ndarray::{Array2, ArrayView2, ArrayView4, s};
use plotters::style::RGBColor;

use triform_canvas::lettering::{Frame, Lettering};
use triform_canvas::palette::{ABOVE, BELOW, INK, MUTED, PAPER, PURPLE, RULE, SHADE};
use triform_canvas::{Canvas, FigureError, Pen, Picture};

use super::chart::BODY;

const WIDTH: f64 = 900.0;
const MARGIN: f64 = 24.0;
/// Font size of the numbers in the squares.
const NUMBER: f64 = 12.0;
/// Approximate width of a character at that size.
const CHARACTER: f64 = 7.2;
/// Height of a square with a number in it.
const TALL: f64 = 22.0;
/// The gap between two matrices of one panel.
const GAP: f64 = 10.0;
/// The most rows or columns of one matrix: 420 columns, each two pixels wide, fill a page.
const LONGEST: usize = 420;
/// The most squares in a picture of several matrices. More squares would make the file too large.
const MOST: usize = 6_000;

/// A tensor with its name, drawn as rows of matrices.
#[derive(Clone, Debug)]
pub struct Panel {
    label: String,
    matrices: Vec<Vec<Array2<f32>>>,
    /// What the matrices of a row stand for, such as channels. The label says so if not all of them are shown.
    of: &'static str,
}

impl Panel {
    /// A tensor N x C x H x W. The planes of an image stand beside each other, and the images one below the other.
    pub fn tensor(label: &str, x: ArrayView4<'_, f32>) -> Self {
        let image = |n: usize| planes(x.slice(s![n, .., .., ..]).outer_iter());
        let matrices = (0..x.dim().0).map(image).collect();
        Self { label: label.to_owned(), matrices, of: "channels" }
    }

    /// A kernel C_out x C_in/groups x k_h x k_w. If it has a single tap, it is drawn as the matrix of output by input
    /// channels. Otherwise each output channel has a row of matrices, one for each input channel.
    pub fn kernel(label: &str, kernel: ArrayView4<'_, f32>) -> Self {
        let (outputs, _, k_h, k_w) = kernel.dim();
        let matrices = if (k_h, k_w) == (1, 1) {
            vec![vec![kernel.slice(s![.., .., 0, 0]).to_owned()]]
        } else {
            (0..outputs).map(|o| planes(kernel.slice(s![o, .., .., ..]).outer_iter())).collect()
        };
        Self { label: label.to_owned(), matrices, of: "input channels" }
    }

    /// A matrix, rows by columns.
    pub fn matrix(label: &str, matrix: ArrayView2<'_, f32>) -> Self {
        let matrices = vec![vec![matrix.to_owned()]];
        Self { label: label.to_owned(), matrices, of: "columns" }
    }

    /// The name.
    pub fn label(&self) -> &str {
        &self.label
    }

    fn values(&self) -> impl Iterator<Item = f32> {
        self.matrices.iter().flatten().flatten().copied()
    }

    fn first(&self) -> (usize, usize) {
        self.matrices.first().and_then(|row| row.first()).map_or((0, 0), Array2::dim)
    }
}

fn planes<'a>(planes: impl Iterator<Item = ArrayView2<'a, f32>>) -> Vec<Array2<f32>> {
    planes.map(|plane| plane.to_owned()).collect()
}

/// Draws the panels one below the other. A screen reader reads out the title in place of the picture.
///
/// Errors: [`FigureError`] for a label that is too long or has a character that the font lacks, and for a matrix of
/// more than 420 rows or columns.
pub fn draw(title: &str, panels: &[Panel]) -> Result<Picture, FigureError> {
    if let Some((rows, columns)) =
        panels.iter().map(Panel::first).find(|size| size.0.max(size.1) > LONGEST)
    {
        return Err(FigureError::Data(format!("{rows} x {columns} is too large to draw")));
    }
    let values = panels.iter().flat_map(Panel::values).filter(|value| value.is_finite());
    let scale = Scale(values.fold(0.0_f32, |largest, value| largest.max(value.abs())));
    let laid: Vec<Laid> =
        panels.iter().map(|panel| Laid::out(panel, MOST / panels.len().max(1))).collect();
    let height = MARGIN + laid.iter().map(Laid::height).sum::<f64>() + LEGEND;
    let mut canvas = Canvas::new(WIDTH as u32, height.ceil() as u32, title)?;
    let mut top = MARGIN;
    for panel in &laid {
        panel.draw(&mut canvas, top, &scale)?;
        top += panel.height();
    }
    let odd = panels.iter().flat_map(Panel::values).any(|value| !value.is_finite());
    scale.legend(&mut canvas, top + LEGEND / 2.0 - 8.0, odd)?;
    canvas.finish()
}

/// The height that the legend takes.
const LEGEND: f64 = 40.0;
/// The height of a panel's label.
const LABEL: f64 = 26.0;

/// A panel, and how large its squares are.
struct Laid<'a> {
    panel: &'a Panel,
    /// Width and height of a square.
    square: (f64, f64),
    /// How many rows of matrices are shown, and how many matrices of each row.
    shown: (usize, usize),
    numbers: bool,
}

impl<'a> Laid<'a> {
    fn out(panel: &'a Panel, most: usize) -> Self {
        let (rows, columns) = panel.first();
        let across = panel.matrices.first().map_or(0, Vec::len);
        let squares = (rows * columns).max(1);
        let widest = panel.values().map(|value| text(value).chars().count()).max().unwrap_or(1);
        let wide = (CHARACTER * widest as f64 + 8.0).max(TALL);
        let room = WIDTH - 2.0 * MARGIN;
        let fits =
            |across: usize, wide: f64| across as f64 * (columns as f64 * wide + GAP) - GAP <= room;
        if fits(across, wide) && panel.matrices.len() * across * squares <= most.min(1_500) {
            let square = (wide, TALL);
            return Self { panel, square, shown: (panel.matrices.len(), across), numbers: true };
        }
        // Without numbers: squares as large as they can be, and at least two pixels wide.
        let side =
            (room - GAP * across.saturating_sub(1) as f64) / (across * columns).max(1) as f64;
        let side = side.floor().clamp(2.0, 14.0);
        let mut shown = across;
        while shown > 1 && !fits(shown, side) {
            shown -= 1;
        }
        let shown = shown.min((most / squares).max(1));
        let down = panel.matrices.len().min((most / (shown * squares).max(1)).max(1));
        Self { panel, square: (side, side), shown: (down, shown), numbers: false }
    }

    fn height(&self) -> f64 {
        let rows = self.panel.first().0 as f64 * self.square.1;
        let down = self.shown.0 as f64;
        LABEL + down * rows + (down - 1.0).max(0.0) * GAP + 18.0
    }

    fn draw(&self, canvas: &mut Canvas, top: f64, scale: &Scale) -> Result<(), FigureError> {
        let style = Lettering::centred(BODY, INK).from_left();
        canvas.label(&self.label(), (MARGIN, top + 8.0), &style)?;
        let (rows, columns) = self.panel.first();
        let (wide, tall) = self.square;
        for (i, row) in self.panel.matrices.iter().take(self.shown.0).enumerate() {
            for (j, matrix) in row.iter().take(self.shown.1).enumerate() {
                let left = MARGIN + j as f64 * (columns as f64 * wide + GAP);
                let top = top + LABEL + i as f64 * (rows as f64 * tall + GAP);
                self.matrix(canvas, (left, top), matrix, scale)?;
            }
        }
        Ok(())
    }

    fn label(&self) -> String {
        let all = (self.panel.matrices.len(), self.panel.matrices.first().map_or(0, Vec::len));
        let mut label = self.panel.label.clone();
        if self.shown.1 < all.1 {
            label += &format!("; the first {} of {} {}", self.shown.1, all.1, self.panel.of);
        }
        if self.shown.0 < all.0 {
            label += &format!("; the first {} of {} rows", self.shown.0, all.0);
        }
        label
    }

    fn matrix(
        &self,
        canvas: &mut Canvas,
        (left, top): (f64, f64),
        matrix: &Array2<f32>,
        scale: &Scale,
    ) -> Result<(), FigureError> {
        let (wide, tall) = self.square;
        let between = self.numbers.then_some(Pen { color: PAPER, width: 1.0 });
        for (i, row) in matrix.outer_iter().enumerate() {
            let mut j = 0;
            while j < row.len() {
                let color = scale.color(row[j]);
                // Neighbours of the same colour share a rectangle, unless squares show their numbers.
                let same = row.iter().skip(j).take_while(|value| scale.color(**value) == color);
                let run = if self.numbers { 1 } else { same.count() };
                let (x, y) = (left + j as f64 * wide, top + i as f64 * tall);
                let frame = Frame::new(x, y, run as f64 * wide, tall);
                canvas.rect(frame, 0.0, Some(color), between)?;
                if self.numbers {
                    let style = Lettering::centred(NUMBER, INK);
                    canvas.label(&text(row[j]), frame.centre(), &style)?;
                }
                j += run;
            }
        }
        let (rows, columns) = matrix.dim();
        let whole = Frame::new(left, top, columns as f64 * wide, rows as f64 * tall);
        canvas.rect(whole, 0.0, None, Some(Pen { color: RULE, width: 1.0 }))
    }
}

/// The largest absolute value, which has the strongest colour.
struct Scale(f32);

impl Scale {
    /// Zero has its own colour. There are four steps below it and four above.
    fn color(&self, value: f32) -> RGBColor {
        if !value.is_finite() {
            return PURPLE;
        }
        if value == 0.0 {
            return SHADE;
        }
        let step = (4.0 * value.abs() / self.0).ceil().clamp(1.0, 4.0);
        let colors = if value < 0.0 { BELOW } else { ABOVE };
        colors[step as usize - 1]
    }

    fn legend(&self, canvas: &mut Canvas, y: f64, odd: bool) -> Result<(), FigureError> {
        let style = Lettering::centred(BODY, MUTED).from_left();
        let words = |canvas: &mut Canvas, words: &str, x: f64| -> Result<f64, FigureError> {
            Ok(canvas.label(words, (x, y), &style)?.right + 8.0)
        };
        let (mut x, largest) = (MARGIN, text(self.0));
        if self.0 > 0.0 {
            x = words(canvas, &format!("−{largest}"), x)?;
            let pen = Pen { color: RULE, width: 0.5 };
            for color in BELOW.into_iter().rev().chain([SHADE]).chain(ABOVE) {
                canvas.rect(Frame::new(x, y - 7.0, 20.0, 14.0), 0.0, Some(color), Some(pen))?;
                x += 20.0;
            }
            x = words(canvas, &largest, x + 8.0)?;
            x = words(canvas, "grey: zero", x + 14.0)?;
        } else {
            x = words(canvas, if odd { "no other number" } else { "all zero" }, x)?;
        }
        if odd {
            words(canvas, "purple: NaN, infinity", x + 14.0)?;
        }
        Ok(())
    }
}

/// Writes a number for a square. The text is short, and has a typographic minus sign.
fn text(value: f32) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let small = value.abs() < 0.01 || value.abs() >= 100_000.0;
    let text = match value {
        _ if !value.is_finite() => value.to_string(),
        _ if value.fract() == 0.0 && !small => value.to_string(),
        _ if small => format!("{value:.0e}"),
        _ => format!("{value:.2}"),
    };
    text.replace('-', "−")
}

#[cfg(test)]
mod tests {
    use ndarray::{Array2, Array4};

    use super::*;

    /// Counts the shapes of this colour. The style sheet also names colours, so it is left out.
    fn filled(svg: &str, color: RGBColor) -> usize {
        let svg = svg.split("</defs>").last().unwrap();
        svg.matches(&format!("fill=\"{}\"", triform_canvas::palette::hex(color))).count()
    }

    #[test]
    fn equal_numbers_have_equal_colours_in_all_panels() {
        let small = Array2::from_elem((1, 2), 1.0_f32);
        let large = Array2::from_shape_vec((1, 2), vec![-4.0, 1.0]).unwrap();
        let panels = [Panel::matrix("small", small.view()), Panel::matrix("large", large.view())];
        let svg = draw("two matrices", &panels).unwrap().svg;
        // The legend shows each colour once.
        assert_eq!(filled(&svg, ABOVE[0]), 3 + 1);
        assert_eq!(filled(&svg, BELOW[3]), 1 + 1);
        assert_eq!(filled(&svg, ABOVE[3]), 1);
    }

    #[test]
    fn zero_and_nan_have_colours_of_their_own() {
        let scale = Scale(8.0);
        assert_eq!([0.0, -0.0, f32::NAN].map(|v| scale.color(v)), [SHADE, SHADE, PURPLE]);
        assert_eq!([8.0, -8.0].map(|v| scale.color(v)), [ABOVE[3], BELOW[3]]);
        assert_eq!([1e-9, -2.0, 2.1].map(|v| scale.color(v)), [ABOVE[0], BELOW[0], ABOVE[1]]);
        assert_eq!(Scale(0.0).color(0.0), SHADE);
        assert_eq!(Scale(1.0).color(f32::INFINITY), PURPLE);
        let zeros = Array4::zeros((1, 2, 3, 3));
        assert!(draw("zeros", &[Panel::tensor("0", zeros.view())]).is_ok());
        let nan = Array4::from_elem((1, 1, 1, 1), f32::NAN);
        assert!(draw("NaN", &[Panel::kernel("w", nan.view())]).is_ok());
        assert!(draw("nothing", &[]).is_ok());
        let long = Array2::zeros((1, 421));
        assert!(draw("long", &[Panel::matrix("w", long.view())]).is_err());
    }

    /// Tensors of all sizes can be drawn, from a single number to a map of the first stage. None makes a huge file.
    #[test]
    fn tensors_of_any_size_can_be_drawn() {
        let shapes = [
            (1, 1, 1, 1),
            (2, 4, 3, 3),
            (1, 256, 56, 56),
            (1, 3, 224, 224),
            (4, 32, 1, 1),
            (0, 1, 1, 1),
        ];
        for shape in shapes {
            let x = Array4::from_shape_fn(shape, |(n, c, h, w)| {
                ((7 * n + 5 * c + 3 * h + w) % 11) as f32 - 5.0
            });
            for panel in [Panel::tensor("x", x.view()), Panel::kernel("w", x.view())] {
                let svg = draw("x", &[panel]).unwrap().svg;
                assert!(svg.len() < 6_000_000, "{shape:?}: {}", svg.len());
            }
        }
        let wide = Panel::tensor("x", Array4::zeros((1, 256, 56, 56)).view());
        assert!(Laid::out(&wide, MOST).label().contains("of 256 channels"));
    }

    #[test]
    fn numbers_are_short() {
        let texts = [0.0, -3.0, 0.123_456, -1.5e-7, 70_144.0, 2e9].map(text);
        assert_eq!(texts, ["0", "−3", "0.12", "−2e−7", "70144", "2e9"]);
    }
}
