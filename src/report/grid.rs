//! Numbers in columns.

use super::words::line;

/// Columns of a plain page.
const WIDTH: usize = 80;

/// Appends rows in columns: the first `words` of them start at the left, all others end at the right. Two
/// spaces between columns, or one where two would be wider than a page.
pub(crate) fn grid(text: &mut String, rows: &[Vec<String>], words: usize) {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
    };
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let total: usize = widths.iter().sum::<usize>() + 2 * columns.saturating_sub(1);
    let gap = if total <= WIDTH { "  " } else { " " };
    for row in rows {
        let cells: Vec<String> =
            row.iter()
                .zip(&widths)
                .enumerate()
                .map(|(column, (cell, &width))| {
                    if column < words {
                        format!("{cell:width$}")
                    } else {
                        format!("{cell:>width$}")
                    }
                })
                .collect();
        line(text, &cells.join(gap));
    }
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
