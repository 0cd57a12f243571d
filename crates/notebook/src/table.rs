//! Tables in a cell.

use std::fmt::Display;

use super::display::Shown;
use triform_canvas::escape;
use triform_cli::report::words::grid;

pub use triform::count::thousands;

/// A table that a cell fills row by row and shows at its end. Numbers are aligned right, words left.
///
/// ```
/// use triform_notebook::*;
/// let mut table = Table::new(&["groups g", "parameters"]);
/// for groups in [1, 32] {
///     table.row(&[&groups, &thousands(count::convolution(3, 3, 128, 128, groups)?)]);
/// }
/// assert_eq!(table.plain(), "groups g  parameters\n       1     147,456\n      32       4,608\n");
/// # Ok::<(), triform::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Table {
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these column headings.
    pub fn new(head: &[&str]) -> Self {
        Self { rows: vec![head.iter().map(|cell| (*cell).to_owned()).collect()] }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: &[&dyn Display]) -> &mut Self {
        self.rows.push(cells.iter().map(ToString::to_string).collect());
        self
    }

    /// The table in plain text.
    pub fn plain(&self) -> String {
        let mut text = String::new();
        let words = (0..self.columns()).take_while(|column| !self.is_numbers(*column)).count();
        grid(&mut text, &self.rows, words);
        text
    }

    /// Shows the table; the kernel calls this at the end of a cell.
    pub fn evcxr_display(&self) {
        self.shown().evcxr_display();
    }

    fn shown(&self) -> Shown {
        let row = |(number, cells): (usize, &Vec<String>)| {
            let tag = if number == 0 { "th" } else { "td" };
            let cells = cells.iter().enumerate().map(|(column, cell)| {
                let side = if self.is_numbers(column) { "right" } else { "left" };
                format!("<{tag} style=\"text-align:{side}\">{}</{tag}>", html(cell))
            });
            format!("<tr>{}</tr>\n", cells.collect::<String>())
        };
        let rows: String = self.rows.iter().enumerate().map(row).collect();
        Shown::html(format!("<table>\n{rows}</table>"), self.plain())
    }

    fn columns(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or(0)
    }

    /// Whether all cells below the heading of this column begin like a number.
    fn is_numbers(&self, column: usize) -> bool {
        let mut cells = self.rows.iter().skip(1).filter_map(|row| row.get(column)).peekable();
        let begins = |cell: &String| {
            cell.is_empty() || cell.starts_with(|c: char| c.is_ascii_digit() || "+-−".contains(c))
        };
        cells.peek().is_some() && cells.all(begins)
    }
}

/// Text between backticks becomes code, as in Markdown.
fn html(text: &str) -> String {
    let escaped = escape(text);
    let pieces: Vec<&str> = escaped.split('`').collect();
    if pieces.len().is_multiple_of(2) {
        return escaped; // a backtick that is not closed is kept
    }
    let piece = |(number, piece): (usize, &&str)| {
        if number.is_multiple_of(2) { (*piece).to_owned() } else { format!("<code>{piece}</code>") }
    };
    pieces.iter().enumerate().map(piece).collect()
}

#[cfg(test)]
mod tests {
    use super::{Table, html};

    #[test]
    fn numbers_end_and_words_begin_in_line() {
        let mut table = Table::new(&["what", "n"]);
        table.row(&[&"a < b", &7]).row(&[&"c", &-12]);
        assert_eq!(table.plain(), "what     n\na < b    7\nc      -12\n");
        let html = format!("{:?}", table.shown());
        assert!(html.contains("text-align:left\\\">a &lt; b</td>"), "{html}");
        assert!(html.contains("text-align:right\\\">-12</td>"), "{html}");
        assert!(html.contains("text-align:right\\\">n</th>"), "{html}");
    }

    #[test]
    fn what_is_between_backticks_is_code() {
        assert_eq!(html("`a < b`, and `c`"), "<code>a &lt; b</code>, and <code>c</code>");
        assert_eq!(html("plain"), "plain");
        assert_eq!(html("`open"), "`open");
    }
}
