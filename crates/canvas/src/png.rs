//! A picture as PNG: the marks of the SVG as pixels, on a light page.

use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use plotters::style::RGBColor;
use tiny_skia::{
    FillRule, LineJoin, Paint, Path, PathBuilder, Pixmap, PixmapPaint, Stroke, Transform,
};

use super::FigureError;
use super::canvas::{Mark, Picture, Shape};
use super::lettering::{Frame, Segment, SetLabel, outline};

/// Pixels to a canvas unit.
pub const SCALE: u32 = 2;

/// How far along a quarter circle's tangents its control points are, for a radius of one.
const QUARTER: f64 = 0.552_284_75;

/// The picture as the bytes of a PNG file. What nothing is drawn on, the corners outside the
/// card, is transparent.
pub fn png(picture: &Picture) -> Result<Vec<u8>, FigureError> {
    let mut page = blank(picture)?;
    for mark in &picture.marks {
        if mark.opacity < 1.0 {
            // As SVG has it: fill and edge are faded together, not the one through the other.
            let mut layer = blank(picture)?;
            draw(&mut layer, mark)?;
            let paint = PixmapPaint { opacity: mark.opacity as f32, ..PixmapPaint::default() };
            page.draw_pixmap(0, 0, layer.as_ref(), &paint, Transform::identity(), None);
        } else {
            draw(&mut page, mark)?;
        }
    }
    let (width, height) = (page.width(), page.height());
    let mut bytes = Vec::new();
    // Unfiltered, since few colours and flat areas pack better as they are: by a quarter.
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Best, FilterType::NoFilter)
        .write_image(&page.take_demultiplied(), width, height, ExtendedColorType::Rgba8)
        .map_err(|error| FigureError::Png(error.to_string()))?;
    Ok(bytes)
}

/// Pixels for the whole picture, all of them transparent.
fn blank(picture: &Picture) -> Result<Pixmap, FigureError> {
    let (width, height) = picture.size;
    Pixmap::new(width.saturating_mul(SCALE), height.saturating_mul(SCALE))
        .ok_or_else(|| FigureError::Png(format!("{width}×{height} is no size for a picture")))
}

/// Draws a mark, without its opacity.
fn draw(page: &mut Pixmap, mark: &Mark) -> Result<(), FigureError> {
    let (path, place) = match &mark.shape {
        Shape::Rect { frame, radius } => (rect(*frame, *radius), Transform::identity()),
        Shape::Circle { centre, radius } => {
            let (x, y) = single(*centre);
            (PathBuilder::from_circle(x, y, *radius as f32), Transform::identity())
        }
        Shape::Line(points) => (through(points, false), Transform::identity()),
        Shape::Polygon(points) => (through(points, true), Transform::identity()),
        Shape::Label(label) => (letters(label)?, transform(label)),
    };
    // What has no extent leaves no mark in the SVG either.
    let Some(path) = path else { return Ok(()) };
    let place = place.post_scale(SCALE as f32, SCALE as f32);
    if let Some(color) = mark.fill {
        page.fill_path(&path, &paint(color), FillRule::Winding, place, None);
    }
    if let Some(pen) = mark.edge {
        let width = pen.width as f32;
        let stroke = Stroke { width, line_join: LineJoin::Round, ..Stroke::default() };
        page.stroke_path(&path, &paint(pen.color), &stroke, place, None);
    }
    Ok(())
}

fn paint(RGBColor(red, green, blue): RGBColor) -> Paint<'static> {
    let mut paint = Paint::default();
    paint.set_color_rgba8(red, green, blue, 255);
    paint
}

fn rect(frame: Frame, radius: f64) -> Option<Path> {
    let Frame { left, top, right, bottom } = frame;
    let (width, height) = (right - left, bottom - top);
    if width <= 0.0 || height <= 0.0 {
        return None;
    }
    let radius = radius.min(width / 2.0).min(height / 2.0);
    if radius <= 0.0 {
        return through(&[(left, top), (right, top), (right, bottom), (left, bottom)], true);
    }
    // From each side's end round the corner to the next one's start, clockwise.
    let (r, k) = (radius, radius * (1.0 - QUARTER));
    let corners = [
        [(right - r, top), (right - k, top), (right, top + k), (right, top + r)],
        [(right, bottom - r), (right, bottom - k), (right - k, bottom), (right - r, bottom)],
        [(left + r, bottom), (left + k, bottom), (left, bottom - k), (left, bottom - r)],
        [(left, top + r), (left, top + k), (left + k, top), (left + r, top)],
    ];
    let mut path = PathBuilder::new();
    for (index, [start, a, b, end]) in corners.into_iter().enumerate() {
        let first = if index == 0 { Segment::Move(start) } else { Segment::Line(start) };
        push(&mut path, first, 0.0);
        push(&mut path, Segment::Cubic(a, b, end), 0.0);
    }
    path.close();
    path.finish()
}

fn through(points: &[(f64, f64)], closed: bool) -> Option<Path> {
    let mut path = PathBuilder::new();
    for (index, point) in points.iter().enumerate() {
        let segment = if index == 0 { Segment::Move(*point) } else { Segment::Line(*point) };
        push(&mut path, segment, 0.0);
    }
    if closed {
        path.close();
    }
    path.finish()
}

/// The outlines of a label's glyphs, in stored units.
fn letters(label: &SetLabel) -> Result<Option<Path>, FigureError> {
    let mut path = PathBuilder::new();
    for (id, shift) in &label.glyphs {
        for segment in outline(*id)? {
            push(&mut path, segment, *shift);
        }
    }
    Ok(path.finish())
}

/// From a label's stored units to the canvas.
fn transform(label: &SetLabel) -> Transform {
    // Not by sine and cosine, which are not exact, nor the same on every machine.
    let (sin, cos) = match label.degrees {
        90 => (1.0, 0.0),
        180 => (0.0, -1.0),
        270 => (-1.0, 0.0),
        _ => (0.0, 1.0),
    };
    let (x, y) = single(label.origin);
    let scale = label.scale as f32;
    Transform::from_row(scale * cos, scale * sin, -scale * sin, scale * cos, x, y)
}

/// Goes on with a path, by a segment that is moved to the right.
fn push(path: &mut PathBuilder, segment: Segment, shift: f64) {
    let at = |(x, y): (f64, f64)| single((x + shift, y));
    match segment {
        Segment::Move(a) => {
            let (x, y) = at(a);
            path.move_to(x, y);
        }
        Segment::Line(a) => {
            let (x, y) = at(a);
            path.line_to(x, y);
        }
        Segment::Quad(a, b) => {
            let ((x1, y1), (x, y)) = (at(a), at(b));
            path.quad_to(x1, y1, x, y);
        }
        Segment::Cubic(a, b, c) => {
            let ((x1, y1), (x2, y2), (x, y)) = (at(a), at(b), at(c));
            path.cubic_to(x1, y1, x2, y2, x, y);
        }
        Segment::Close => path.close(),
    }
}

fn single((x, y): (f64, f64)) -> (f32, f32) {
    (x as f32, y as f32)
}

#[cfg(test)]
mod tests {
    use image::RgbaImage;
    use plotters_backend::FontTransform;

    use super::*;
    use crate::canvas::{Canvas, Pen};
    use crate::lettering::Lettering;
    use crate::palette::{BLUE, INK, ORANGE, PAPER, RULE};

    fn canvas() -> Canvas {
        Canvas::new(400, 300, "a test").unwrap()
    }

    fn pixels(canvas: Canvas) -> RgbaImage {
        let bytes = png(&canvas.finish().unwrap()).unwrap();
        image::load_from_memory(&bytes).unwrap().to_rgba8()
    }

    /// The colour at a place of the canvas, which has to be opaque.
    fn at(pixels: &RgbaImage, (x, y): (f64, f64)) -> RGBColor {
        let scale = f64::from(SCALE);
        let [red, green, blue, alpha] = pixels.get_pixel((x * scale) as u32, (y * scale) as u32).0;
        assert_eq!(alpha, 255, "at {x}, {y}");
        RGBColor(red, green, blue)
    }

    #[test]
    fn the_card_is_opaque_and_its_corners_are_not() {
        let pixels = pixels(canvas());
        assert_eq!(pixels.dimensions(), (400 * SCALE, 300 * SCALE));
        for (x, y) in [(0, 0), (799, 0), (0, 599), (799, 599)] {
            assert_eq!(pixels.get_pixel(x, y).0[3], 0, "at {x}, {y}");
        }
        assert_eq!(at(&pixels, (6.0, 6.0)), PAPER);
        for edge in [(200.0, 0.0), (200.0, 299.5), (0.0, 150.0), (399.5, 150.0)] {
            assert_eq!(at(&pixels, edge), RULE);
        }
    }

    #[test]
    fn shapes_are_where_the_svg_has_them() {
        let mut canvas = canvas();
        let pen = |width| Pen { color: ORANGE, width };
        canvas.rect(Frame::new(20.0, 20.0, 60.0, 40.0), 0.0, Some(BLUE), Some(pen(4.0))).unwrap();
        canvas.rect(Frame::new(100.0, 20.0, 60.0, 40.0), 99.0, Some(BLUE), None).unwrap();
        canvas.circle((50.0, 100.0), 20.0, Some(BLUE), None).unwrap();
        canvas.circle((120.0, 100.0), 20.0, None, Some(pen(4.0))).unwrap();
        canvas.line(&[(20.0, 150.0), (80.0, 150.0), (80.0, 190.0)], pen(8.0)).unwrap();
        canvas.polygon(&[(100.0, 150.0), (160.0, 150.0), (100.0, 190.0)], BLUE).unwrap();
        let pixels = pixels(canvas);
        for (place, color) in [
            ((50.0, 40.0), BLUE),
            // The edge is half inside, half outside, and hides the fill.
            ((18.5, 40.0), ORANGE),
            ((21.0, 40.0), ORANGE),
            ((22.5, 40.0), BLUE),
            ((17.5, 40.0), PAPER),
            // A radius that is too large is cut to half of the height.
            ((101.0, 40.0), BLUE),
            ((130.0, 20.5), BLUE),
            ((103.0, 23.0), PAPER),
            ((156.0, 56.0), PAPER),
            ((50.0, 81.0), BLUE),
            ((50.0, 78.0), PAPER),
            // 14.8 along both axes is 20.9 away, 13.4 is 19.
            ((64.8, 114.8), PAPER),
            ((63.4, 113.4), BLUE),
            ((120.0, 100.0), PAPER),
            ((139.0, 100.0), ORANGE),
            ((141.0, 100.0), ORANGE),
            ((143.0, 100.0), PAPER),
            ((50.0, 147.0), ORANGE),
            ((50.0, 145.0), PAPER),
            // The ends are cut off square, the joint is round, and the inside is not filled.
            ((19.0, 150.0), PAPER),
            ((80.0, 191.0), PAPER),
            ((82.0, 148.0), ORANGE),
            ((83.5, 146.5), PAPER),
            ((60.0, 162.0), PAPER),
            ((104.0, 189.0), PAPER),
            ((102.0, 186.0), BLUE),
            ((140.0, 175.0), PAPER),
        ] {
            assert_eq!(at(&pixels, place), color, "at {place:?}");
        }
    }

    #[test]
    fn a_label_is_turned_as_the_svg_turns_it() {
        use FontTransform::{None, Rotate90, Rotate180, Rotate270};

        // An L has a stem at its left and a foot below; for each turn, the sides they are on.
        for (turn, stem, foot) in [
            (None, (0.04, 0.5), (0.6, 0.95)),
            (Rotate90, (0.5, 0.04), (0.05, 0.6)),
            (Rotate180, (0.96, 0.5), (0.4, 0.05)),
            (Rotate270, (0.5, 0.96), (0.95, 0.4)),
        ] {
            let mut canvas = canvas();
            let style = Lettering { turn, ..Lettering::centred(150.0, INK) };
            let ink = canvas.label("L", (200.0, 150.0), &style).unwrap();
            let pixels = pixels(canvas);
            let inside = |(x, y): (f64, f64)| {
                let (width, height) = (ink.right - ink.left, ink.bottom - ink.top);
                at(&pixels, (ink.left + x * width, ink.top + y * height))
            };
            assert_eq!(inside(stem), INK);
            assert_eq!(inside(foot), INK);
            assert_eq!(inside((0.5, 0.5)), PAPER);
            assert_eq!(inside((1.0 - stem.0, 1.0 - stem.1)), PAPER);
            // The ink ends where the canvas says, to a pixel.
            let is_ink = |[red, _, _, alpha]: [u8; 4]| red < 0x80 && alpha == 255;
            let dark = pixels.enumerate_pixels().filter(|(_, _, pixel)| is_ink(pixel.0));
            let dark: Vec<_> = dark.map(|(x, y, _)| (x, y)).collect();
            let (left, right) = range(dark.iter().map(|(x, _)| *x));
            let (top, bottom) = range(dark.iter().map(|(_, y)| *y));
            for (one, other) in
                [(left, ink.left), (top, ink.top), (right, ink.right), (bottom, ink.bottom)]
            {
                assert!((one - other).abs() < 0.5, "{one} and {other} in {ink:?}");
            }
        }
    }

    /// Where the first of these pixels begins and the last one ends, on the canvas.
    fn range(pixels: impl Iterator<Item = u32> + Clone) -> (f64, f64) {
        let (first, last) = (pixels.clone().min().unwrap(), pixels.max().unwrap());
        (f64::from(first) / f64::from(SCALE), f64::from(last + 1) / f64::from(SCALE))
    }

    #[test]
    fn letters_have_holes_and_stand_side_by_side() {
        let mut canvas = canvas();
        let ink = canvas.label("oo", (200.0, 150.0), &Lettering::centred(150.0, INK)).unwrap();
        let pixels = pixels(canvas);
        let (middle, width) = ((ink.top + ink.bottom) / 2.0, ink.right - ink.left);
        let colors = [0.03, 0.22, 0.42, 0.5, 0.58, 0.78, 0.97]
            .map(|part| at(&pixels, (ink.left + part * width, middle)));
        assert_eq!(colors, [INK, PAPER, INK, PAPER, INK, PAPER, INK]);
    }

    #[test]
    fn fill_and_edge_fade_together() {
        let mut canvas = canvas();
        let frame = Frame::new(100.0, 100.0, 80.0, 60.0);
        let edge = Some(Pen { color: INK, width: 8.0 });
        canvas.faded(0.5, |canvas| canvas.rect(frame, 0.0, Some(INK), edge)).unwrap();
        let pixels = pixels(canvas);
        let half = |ink: u8| ((u16::from(ink) + 256) / 2) as u8;
        let faded = RGBColor(half(INK.0), half(INK.1), half(INK.2));
        // The middle, the edge inside and the edge outside.
        for place in [(140.0, 130.0), (102.0, 130.0), (98.0, 130.0)] {
            let RGBColor(red, green, blue) = at(&pixels, place);
            for (one, other) in [(red, faded.0), (green, faded.1), (blue, faded.2)] {
                assert!(one.abs_diff(other) <= 1, "{one} and {other} at {place:?}");
            }
        }
        assert_eq!(at(&pixels, (94.0, 130.0)), PAPER);
    }

    #[test]
    fn a_picture_without_pixels_is_refused() {
        let picture = Picture { size: (0, 5), title: String::new(), marks: Vec::new() };
        assert!(matches!(png(&picture), Err(FigureError::Png(_))));
    }
}
