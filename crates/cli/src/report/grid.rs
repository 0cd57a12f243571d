//! Numbers in columns.

use super::words::{WIDTH, line};

/// Appends rows in columns: the first `words` of them start at the left, all others end at the right. Two
/// spaces between columns, or one where two would be wider than a page.
pub fn grid(text: &mut String, rows: &[Vec<String>], words: usize) {
    let rows = padded(rows, words);
    let wide = |cells: &Vec<String>| cells.join("  ").chars().count() > WIDTH;
    let gap = if rows.iter().any(wide) { " " } else { "  " };
    for cells in rows {
        line(text, &cells.join(gap));
    }
}

/// The cells of each column made as wide as its widest: in the first `words` columns they start at the left,
/// in all others they end at the right.
pub(super) fn padded(rows: &[Vec<String>], words: usize) -> Vec<Vec<String>> {
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let pad = |(column, cell): (usize, &String)| {
        let width = width(column).unwrap_or(0);
        if column < words { format!("{cell:width$}") } else { format!("{cell:>width$}") }
    };
    rows.iter().map(|row| row.iter().enumerate().map(pad).collect()).collect()
}

/// Cells of a row.
pub(super) fn row<const N: usize>(cells: [&str; N]) -> Vec<String> {
    cells.map(str::to_owned).to_vec()
}

#[cfg(test)]
mod tests {
    use super::{grid, row};

    #[test]
    fn words_start_and_numbers_end_in_line() {
        let mut text = String::new();
        grid(&mut text, &[row(["name", "n"]), row(["a", "1,000"]), row(["b", "7"])], 1);
        assert_eq!(text, "name      n\na     1,000\nb         7\n");
        let mut text = String::new();
        grid(&mut text, &[row([&"x".repeat(39), &"1".repeat(40)])], 1);
        assert_eq!(text.trim_end().len(), 80);
    }
}
