//! What a cell shows, in the kernel's format.

use triform::error::{Error, Result};
use triform::figures::ALL;
use triform::figures::heat_map::{self, Panel};
use triform_canvas::{FigureError, Picture};

/// The width in pixels that a page has for the output of a cell.
const COLUMN: u32 = 860;

/// Something to look at: a picture, a table or a text for a page, with plain text for a terminal.
///
/// The kernel calls [`evcxr_display`](Shown::evcxr_display) on the value at the end of a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shown {
    mime: &'static str,
    rich: String,
    plain: String,
}

impl Shown {
    /// A picture, with a text for those who cannot see it. The picture is at most as wide as a page's
    /// column, and shrinks on a narrow page.
    fn picture(picture: &Picture) -> Self {
        let (width, height) = picture.size;
        let shown = width.min(COLUMN);
        let size = |width: u32, height: u32| {
            format!(
                "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"figure\" role=\"img\" width=\"{width}\" height=\"{height}\""
            )
        };
        let narrow = size(shown, (height * shown).div_ceil(width)) + " style=\"max-width:100%\"";
        let rich = picture.svg.replacen(&size(width, height), &narrow, 1);
        Self { mime: "image/svg+xml", rich, plain: picture.title.clone() }
    }

    /// Text with Markdown's marks, which also reads well as plain text.
    pub(super) fn markdown(text: String) -> Self {
        Self { mime: "text/markdown", rich: text.clone(), plain: text }
    }

    /// A piece of HTML, and the same content as plain text.
    pub(super) fn html(html: String, plain: String) -> Self {
        Self { mime: "text/html", rich: html, plain }
    }

    /// Plain text alone.
    pub(super) fn text(plain: String) -> Self {
        Self { mime: "text/plain", rich: String::new(), plain }
    }

    /// The plain text.
    pub fn plain(&self) -> &str {
        &self.plain
    }

    /// Prints the value in the kernel's format: each kind of content between two marker lines.
    pub fn evcxr_display(&self) {
        print!("{}", self.message());
    }

    fn message(&self) -> String {
        let part = |mime: &str, text: &str| {
            format!("EVCXR_BEGIN_CONTENT {mime}\n{}\nEVCXR_END_CONTENT\n", text.trim_end())
        };
        let rich = if self.rich.is_empty() { String::new() } else { part(self.mime, &self.rich) };
        rich + &part("text/plain", &self.plain)
    }
}

/// A loop or a `match` at the end of a cell has the value `()`. With this trait, nothing is shown for it. Without the
/// trait, the kernel would show "()".
pub trait Nothing {
    /// Shows nothing; the kernel calls this at the end of a cell.
    fn evcxr_display(&self) {}
}

impl Nothing for () {}

/// Prints the library's version. Call it once, with a `?`, in the cell that loads the library.
///
/// Errors: none. It returns a `Result`, so that the first `?` of a notebook is in this cell. In the cell with the first
/// `?`, the kernel shows the last value as a debugger would.
pub fn ready() -> Result<()> {
    println!("triform {}", env!("CARGO_PKG_VERSION"));
    Ok(())
}

/// One of the figures that `triform plot` draws, by its name, such as `three_forms`.
///
/// Errors: [`Error::NoSuchName`]; [`Error::Figure`] if the figure's data cannot be computed.
///
/// ```
/// use triform_notebook::figure;
/// assert!(figure("block_diagonal")?.plain().contains("four blocks on the diagonal"));
/// assert!(figure("block_diagnoal").unwrap_err().to_string().contains("block_diagonal"));
/// # Ok::<(), triform::Error>(())
/// ```
pub fn figure(name: &str) -> Result<Shown> {
    let found = ALL.iter().find(|figure| figure.name == name);
    let figure = found
        .ok_or_else(|| Error::no_such_name("figure", name, ALL.iter().map(|figure| figure.name)))?;
    shown(figure.name, figure.draw(None))
}

/// Tensors as coloured squares, all on one colour scale, with numbers where there is room.
///
/// Errors: [`Error::Figure`] for a label that the font cannot write or the picture cannot hold.
///
/// ```
/// use triform_notebook::*;
/// let x = integers([1, 2, 3, 3], 1);
/// heat_map(&[Panel::tensor("the input", x.view())])?;
/// # Ok::<(), triform::Error>(())
/// ```
pub fn heat_map(panels: &[Panel]) -> Result<Shown> {
    let labels: Vec<&str> = panels.iter().map(Panel::label).collect();
    shown("heat_map", heat_map::draw(&format!("Heat map: {}.", labels.join("; ")), panels))
}

fn shown(name: &'static str, picture: std::result::Result<Picture, FigureError>) -> Result<Shown> {
    let shown = picture.map(|picture| Shown::picture(&picture));
    shown.map_err(|error| Error::Figure { name, why: error.to_string() })
}

#[cfg(test)]
mod tests {
    use super::Shown;
    use triform_canvas::Canvas;

    #[test]
    fn the_kernel_gets_each_kind_between_two_lines() {
        let shown = Shown::html("<p>1</p>".to_owned(), "1\n".to_owned());
        assert_eq!(
            shown.message(),
            "EVCXR_BEGIN_CONTENT text/html\n<p>1</p>\nEVCXR_END_CONTENT\n\
             EVCXR_BEGIN_CONTENT text/plain\n1\nEVCXR_END_CONTENT\n"
        );
        assert_eq!(Shown::markdown("**a**".to_owned()).plain(), "**a**");
    }

    #[test]
    fn a_picture_is_no_wider_than_a_column() {
        for (size, shown) in [((1200, 600), (860, 430)), ((500, 300), (500, 300))] {
            let picture = Canvas::new(size.0, size.1, "a title").unwrap().finish().unwrap();
            let message = Shown::picture(&picture).message();
            let (wide, high) = shown;
            let style = "style=\"max-width:100%\"";
            let expected = format!(
                "width=\"{wide}\" height=\"{high}\" {style} viewBox=\"0 0 {} {}\"",
                size.0, size.1
            );
            assert!(message.contains(&expected), "{message}");
            assert!(message.contains("text/plain\na title\n"), "{message}");
        }
    }
}
