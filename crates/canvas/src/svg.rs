//! A picture as SVG text, which follows the reader's theme.

use std::collections::BTreeMap;
use std::fmt::Write;

use ab_glyph::GlyphId;
use plotters::style::RGBColor;

use super::FigureError;
use super::canvas::{Mark, Pen, Picture, Shape};
use super::lettering::{Segment, SetLabel, outline};
use super::palette::{dark_style, hex};

/// Outlines by glyph number: each is written once, and in an order that is always the same.
type Glyphs = BTreeMap<u16, String>;

/// The picture as SVG text.
pub fn svg(picture: &Picture) -> Result<String, FigureError> {
    let mut glyphs = Glyphs::new();
    let mut body = String::new();
    for mark in &picture.marks {
        let element = element(mark, &mut glyphs)?;
        if mark.opacity < 1.0 {
            let opacity = num(mark.opacity);
            body += &format!("<g opacity=\"{opacity}\">\n{element}</g>\n");
        } else {
            body += &element;
        }
    }
    let (width, height) = picture.size;
    let glyphs = glyphs.iter().map(|(id, data)| {
        // No newline inside: the outlines are for the renderer, not for a reader.
        format!("<path id=\"glyph{id}\" d=\"{data}\"/>")
    });
    Ok(format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" \
         width=\"{width}\" height=\"{height}\" viewBox=\"0 0 {width} {height}\">\n\
         <title>{}</title>\n<style>{}</style>\n<defs>{}</defs>\n{body}</svg>\n",
        escape(&picture.title),
        dark_style(&body),
        glyphs.collect::<String>(),
    ))
}

/// A mark as one element, on a line of its own.
fn element(mark: &Mark, glyphs: &mut Glyphs) -> Result<String, FigureError> {
    let paint = paint(mark.fill, mark.edge);
    let place = match &mark.shape {
        Shape::Rect { frame, radius } => {
            let (x, y) = (num(frame.left), num(frame.top));
            let (w, h) = (num(frame.right - frame.left), num(frame.bottom - frame.top));
            let place = format!("x=\"{x}\" y=\"{y}\" width=\"{w}\" height=\"{h}\"");
            format!("rect {place}{}", corner(*radius))
        }
        Shape::Circle { centre: (x, y), radius } => {
            format!("circle cx=\"{}\" cy=\"{}\" r=\"{}\"", num(*x), num(*y), num(*radius))
        }
        Shape::Line(points) => format!("polyline points=\"{}\"", joined(points)),
        Shape::Polygon(points) => format!("polygon points=\"{}\"", joined(points)),
        Shape::Label(label) => return letters(label, &paint, glyphs),
    };
    Ok(format!("<{place}{paint}/>\n"))
}

/// A label: its glyphs, by reference to their outlines.
fn letters(label: &SetLabel, paint: &str, glyphs: &mut Glyphs) -> Result<String, FigureError> {
    let (x, y) = (num(label.origin.0), num(label.origin.1));
    let turn = match label.degrees {
        0 => String::new(),
        degrees => format!(" rotate({degrees})"),
    };
    // A scale is a factor, so two decimals would move letters; four do not.
    let scale = (label.scale * 1e4).round() / 1e4;
    let mut group = format!("<g transform=\"translate({x} {y}){turn} scale({scale})\"{paint}>");
    for (GlyphId(id), x) in &label.glyphs {
        let outline = outline(GlyphId(*id))?;
        if outline.is_empty() {
            continue;
        }
        glyphs.entry(*id).or_insert_with(|| data(&outline));
        // Glyphs are named by their number in the font: figures that share a page then give
        // one name to one outline only. Writing to a String cannot fail.
        let _ = write!(group, "<use href=\"#glyph{id}\" x=\"{}\"/>", num(*x));
    }
    Ok(group + "</g>\n")
}

/// An outline as the data of a path.
fn data(outline: &[Segment]) -> String {
    let at = |(x, y): (f64, f64)| format!("{} {}", num(x), num(y));
    let segments = outline.iter().map(|segment| match *segment {
        Segment::Move(a) => format!("M{}", at(a)),
        Segment::Line(a) => format!("L{}", at(a)),
        Segment::Quad(a, b) => format!("Q{} {}", at(a), at(b)),
        Segment::Cubic(a, b, c) => format!("C{} {} {}", at(a), at(b), at(c)),
        Segment::Close => String::from("Z"),
    });
    segments.collect()
}

fn joined(points: &[(f64, f64)]) -> String {
    let points = points.iter().map(|(x, y)| format!("{},{}", num(*x), num(*y)));
    points.collect::<Vec<_>>().join(" ")
}

fn corner(radius: f64) -> String {
    if radius > 0.0 { format!(" rx=\"{}\"", num(radius)) } else { String::new() }
}

/// The attributes that colour a shape.
fn paint(fill: Option<RGBColor>, edge: Option<Pen>) -> String {
    let mut paint = match fill {
        Some(color) => format!(" fill=\"{}\"", hex(color)),
        None => String::from(" fill=\"none\""),
    };
    if let Some(Pen { color, width }) = edge {
        let (color, width) = (hex(color), num(width));
        let _ = write!(paint, " stroke=\"{color}\" stroke-width=\"{width}\"");
        paint += " stroke-linejoin=\"round\"";
    }
    paint
}

/// Text as it stands between the tags of SVG, or of HTML.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// A number with two decimals at most, and no trailing zeros or `-0`.
fn num(value: f64) -> String {
    let hundredths = (value * 100.0).round();
    // Adding zero turns -0 into 0.
    (hundredths / 100.0 + 0.0).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::canvas::Canvas;

    #[test]
    fn numbers_keep_two_decimals_at_most() {
        let written = [0.0, -0.001, 1.0, 1.5, -2.346, 1200.0].map(num);
        assert_eq!(written, ["0", "0", "1", "1.5", "-2.35", "1200"]);
    }

    #[test]
    fn the_title_is_escaped() {
        let picture = Canvas::new(600, 300, "a < b & c > d").unwrap().finish().unwrap();
        assert!(svg(&picture).unwrap().contains("<title>a &lt; b &amp; c &gt; d</title>"));
    }
}
