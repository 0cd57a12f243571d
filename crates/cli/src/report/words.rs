//! Words and numbers for a reader: plain text in lines of 80 columns, and tables in columns.

use textwrap::{Options, WordSplitter};
use triform::block::StrideOn;
pub(crate) use triform::count::thousands;

/// Columns of a plain page.
pub(super) const WIDTH: usize = 80;

/// Appends words, broken at 80 columns.
pub(super) fn paragraph(text: &mut String, words: &str) {
    line(text, &wrapped(words, "", ""));
}

/// A paragraph and an empty line.
pub(super) fn passage(text: &mut String, words: &str) {
    paragraph(text, words);
    text.push('\n');
}

/// Words in lines of at most 80 columns. The first line begins with `first`, all others with `rest`.
pub(super) fn wrapped(words: &str, first: &str, rest: &str) -> String {
    let options = Options::new(WIDTH).initial_indent(first).subsequent_indent(rest);
    textwrap::fill(words, options.break_words(false).word_splitter(WordSplitter::NoHyphenation))
}

/// Appends a line, without spaces at its end.
pub(super) fn line(text: &mut String, row: &str) {
    text.push_str(row.trim_end());
    text.push('\n');
}

/// A difference, and the same in ulps.
pub(super) fn with_ulps(difference: f64, ulp: f64) -> String {
    let ulps = difference / ulp;
    match ulps {
        0.0 => "0".to_owned(),
        _ if ulps < 10.0 => format!("{difference:.1e} ({ulps:.1})"),
        _ if ulps < 1e4 => format!("{difference:.1e} ({ulps:.0})"),
        _ => format!("{difference:.1e} ({ulps:.0e})"),
    }
}

/// A fraction as a percentage with two digits: 0.00409 as "0.41%".
pub(super) fn percent(part: f64) -> String {
    let percent = 100.0 * part;
    if percent >= 1e4 {
        return "beyond".to_owned();
    }
    if percent > 0.0 && percent < 1e-3 {
        return "<0.001%".to_owned();
    }
    // Enough decimals to show two digits, but at most four.
    let decimals =
        if percent > 0.0 { (1.0 - percent.log10().floor()).clamp(0.0, 4.0) } else { 0.0 };
    format!("{percent:.*}%", decimals as usize)
}

/// The convolution that carries a block's stride, as the option `--stride-on` calls it.
pub(super) fn stride_word(stride_on: StrideOn) -> &'static str {
    match stride_on {
        StrideOn::Transform => "3x3",
        StrideOn::Reduce => "1x1",
    }
}

/// "1 path", "32 paths".
pub(super) fn several(count: usize, one: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {one}s") }
}

/// "ab" as "a-b".
pub(super) fn dashed(pair: &str) -> String {
    pair.chars().map(String::from).collect::<Vec<_>>().join("-")
}

/// Appends rows in columns: the first `words` columns are left-aligned, all others right-aligned.
/// Two spaces separate columns, or one if the rows would otherwise be wider than a page.
pub fn grid(text: &mut String, rows: &[Vec<String>], words: usize) {
    let rows = padded(rows, words);
    let wide = |cells: &Vec<String>| cells.join("  ").chars().count() > WIDTH;
    let gap = if rows.iter().any(wide) { " " } else { "  " };
    for cells in rows {
        line(text, &cells.join(gap));
    }
}

/// Pads the cells of each column to the widest one. The first `words` columns are left-aligned, all
/// others right-aligned.
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
    use super::{dashed, grid, paragraph, percent, row, thousands};

    #[test]
    fn numbers_and_lines_are_broken_where_they_should_be() {
        assert_eq!(
            [7, 999, 1000, 70_144, 1_234_567].map(thousands).join(" "),
            "7 999 1,000 70,144 1,234,567"
        );
        assert_eq!(dashed("ab"), "a-b");
        let percentages = [0.0, 0.00409, 0.5, 1.0, 0.000_012, 1e-9].map(percent).join(" ");
        assert_eq!(percentages, "0% 0.41% 50% 100% 0.0012% <0.001%");
        let mut text = String::new();
        paragraph(&mut text, &"word ".repeat(40));
        assert!(text.lines().count() > 2 && text.lines().all(|line| line.len() <= 80));
    }

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
