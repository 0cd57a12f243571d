//! Checks every figure. Most checks read the text of its SVG, so they measure exactly what is drawn.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use super::{ALL, Figure};
use triform_canvas::lettering::Frame;

/// The figures' SVG text, drawn once.
static DRAWN: LazyLock<Vec<String>> =
    LazyLock::new(|| ALL.iter().map(|figure| figure.draw(None).unwrap().svg).collect());

fn each(check: impl Fn(&Figure, &str)) {
    for (figure, svg) in ALL.iter().zip(DRAWN.iter()) {
        check(figure, svg);
    }
}

/// The value of an attribute in the text of a tag.
fn attribute<'a>(tag: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = tag.split_once(&format!(" {name}=\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

fn numbers(text: &str) -> Vec<f64> {
    text.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == '-'))
        .filter(|word| !word.is_empty())
        .map(|word| word.parse().unwrap())
        .collect()
}

/// The text between `<` and `>`, for each tag.
fn tags(svg: &str) -> impl Iterator<Item = &str> {
    svg.split('<').skip(1).map(|rest| rest.split_once('>').unwrap().0)
}

/// The smallest rectangle around each label, computed from its glyphs' outlines and its transform.
fn labels(svg: &str) -> Vec<Frame> {
    let mut outlines = BTreeMap::new();
    let mut labels = Vec::new();
    let mut transform = None;
    for tag in tags(svg) {
        if let Some(id) = attribute(tag, "id") {
            outlines.insert(id, numbers(attribute(tag, "d").unwrap()));
        } else if let Some(text) = attribute(tag, "transform") {
            transform = Some(text);
            labels.push(Frame {
                left: f64::INFINITY,
                top: f64::INFINITY,
                right: f64::NEG_INFINITY,
                bottom: f64::NEG_INFINITY,
            });
        } else if let Some(id) = attribute(tag, "href") {
            let values = numbers(transform.unwrap());
            let (x, y, scale) = (values[0], values[1], values[values.len() - 1]);
            let degrees = if values.len() == 4 { values[2] } else { 0.0 };
            let (sin, cos) = degrees.to_radians().sin_cos();
            let shift: f64 = attribute(tag, "x").unwrap().parse().unwrap();
            let frame = labels.last_mut().unwrap();
            for point in outlines[id.trim_start_matches('#')].chunks(2) {
                let (u, v) = ((point[0] + shift) * scale, point[1] * scale);
                let (u, v) = (x + u * cos - v * sin, y + u * sin + v * cos);
                frame.left = frame.left.min(u);
                frame.right = frame.right.max(u);
                frame.top = frame.top.min(v);
                frame.bottom = frame.bottom.max(v);
            }
        }
    }
    labels
}

#[test]
fn names_are_file_names_and_each_is_used_once() {
    for (index, figure) in ALL.iter().enumerate() {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        assert!(figure.name.chars().all(plain), "{}", figure.name);
        assert!(ALL[..index].iter().all(|other| other.name != figure.name));
    }
}

#[test]
fn nothing_depends_on_the_readers_fonts() {
    each(|figure, svg| {
        for word in ["<text", "font", "<image", "<script", "url("] {
            assert!(!svg.contains(word), "{} in {}", word, figure.name);
        }
    });
}

#[test]
fn a_screen_reader_is_told_what_it_is() {
    each(|figure, svg| {
        assert!(svg.contains("role=\"img\""), "{}", figure.name);
        let (_, rest) = svg.split_once("<title>").unwrap();
        assert!(!rest.starts_with("</title>"), "{}", figure.name);
    });
}

#[test]
fn labels_as_drawn_are_on_the_canvas_and_clear_of_each_other() {
    each(|figure, svg| {
        let size = numbers(attribute(svg, "viewBox").unwrap());
        let canvas = Frame::new(size[0], size[1], size[2], size[3]);
        let labels = labels(svg);
        assert!(!labels.is_empty(), "{}", figure.name);
        for (index, label) in labels.iter().enumerate() {
            assert!(canvas.holds(label), "{label:?} in {}", figure.name);
            for other in &labels[..index] {
                let name = figure.name;
                assert!(!label.overlaps(other), "{label:?}, {other:?} in {name}");
            }
        }
    });
}

#[test]
fn a_label_is_drawn_where_the_canvas_says() {
    use plotters_backend::FontTransform::{None, Rotate90, Rotate180, Rotate270};
    use plotters_backend::text_anchor::{HPos, VPos};
    use triform_canvas::Canvas;
    use triform_canvas::lettering::Lettering;
    use triform_canvas::palette::INK;

    for turn in [None, Rotate90, Rotate180, Rotate270] {
        for across in [HPos::Left, HPos::Center, HPos::Right] {
            for down in [VPos::Top, VPos::Center, VPos::Bottom] {
                let style =
                    Lettering { turn: turn.clone(), across, down, ..Lettering::centred(20.0, INK) };
                let mut canvas = Canvas::new(600, 400, "a test").unwrap();
                let said = canvas.label("Qgj 12", (300.0, 200.0), &style).unwrap();
                let drawn = labels(&canvas.finish().unwrap().svg)[0];
                for (one, other) in [
                    (said.left, drawn.left),
                    (said.top, drawn.top),
                    (said.right, drawn.right),
                    (said.bottom, drawn.bottom),
                ] {
                    assert!((one - other).abs() < 0.02, "{said:?} {drawn:?}");
                }
            }
        }
    }
}
