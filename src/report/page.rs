//! A text for reading: plain at 80 columns, or Markdown.

/// A page that grows from top to bottom.
#[derive(Clone, Debug)]
pub struct Page {
    text: String,
    markdown: bool,
}

/// Columns of a plain page.
const WIDTH: usize = 80;

impl Page {
    /// An empty one.
    pub fn new(markdown: bool) -> Self {
        Self { text: String::new(), markdown }
    }

    /// Its text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A heading, after an empty line unless it is the first.
    pub fn heading(&mut self, level: usize, words: &str) {
        self.gap();
        if self.markdown {
            self.line(&format!("{} {words}", "#".repeat(level)));
            self.gap();
        } else {
            self.line(words);
            let under = if level == 1 { "=" } else { "-" };
            self.line(&under.repeat(words.chars().count()));
        }
    }

    /// A paragraph, broken at 80 columns.
    pub fn paragraph(&mut self, words: &str) {
        if self.markdown {
            self.gap();
        }
        self.wrap("", words);
        if self.markdown {
            self.gap();
        }
    }

    /// A paragraph with an empty line before it.
    pub fn next_paragraph(&mut self, words: &str) {
        self.gap();
        self.paragraph(words);
    }

    /// An item of a list, with a word for it in front.
    pub fn item(&mut self, name: &str, words: &str) {
        let start = if self.markdown {
            format!("- **{name}:** ")
        } else {
            format!("{:15} ", format!("{name}:"))
        };
        self.wrap(&start, words);
    }

    /// An item of a list.
    pub fn bullet(&mut self, words: &str) {
        self.wrap("- ", words);
    }

    /// Lines that stay as they are.
    pub fn block(&mut self, lines: &str) {
        if self.markdown {
            self.gap();
            self.line("```text");
        }
        for line in lines.lines() {
            let indented = if self.markdown { line.to_owned() } else { format!("  {line}") };
            self.line(&indented);
        }
        if self.markdown {
            self.line("```");
        }
    }

    /// A table; its first row is the head.
    pub fn table(&mut self, rows: &[Vec<String>]) {
        let columns = rows.first().map_or(0, Vec::len);
        let width = |column: usize| {
            rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max()
        };
        let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
        self.gap();
        for (number, row) in rows.iter().enumerate() {
            let cells: Vec<String> = row
                .iter()
                .zip(&widths)
                .map(|(cell, width)| format!("{cell}{}", " ".repeat(width - cell.chars().count())))
                .collect();
            if self.markdown {
                self.line(&format!("| {} |", cells.join(" | ")));
                if number == 0 {
                    let rules: Vec<String> =
                        widths.iter().map(|width| "-".repeat(*width)).collect();
                    self.line(&format!("| {} |", rules.join(" | ")));
                }
            } else {
                self.line(&cells.join("  "));
            }
        }
        if self.markdown {
            self.gap();
        }
    }

    /// An empty line, unless there is one.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    fn line(&mut self, line: &str) {
        self.text.push_str(line.trim_end());
        self.text.push('\n');
    }

    /// Words in lines; those after the first are indented as far as `start` is long.
    fn wrap(&mut self, start: &str, words: &str) {
        let indent = if self.markdown && !start.is_empty() { 2 } else { start.chars().count() };
        let mut row = start.trim_end().to_owned();
        let mut begun = !row.is_empty();
        let mut length = start.chars().count();
        row.push_str(&" ".repeat(length - row.chars().count()));
        let mut first = true;
        for word in words.split_whitespace() {
            let wide = word.chars().count();
            if !first && length + 1 + wide > WIDTH {
                self.line(&row);
                row = " ".repeat(indent);
                length = indent;
                first = true;
            }
            if !first {
                row.push(' ');
                length += 1;
            }
            row.push_str(word);
            length += wide;
            first = false;
            begun = true;
        }
        if begun {
            self.line(&row);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Page;

    fn page(markdown: bool) -> String {
        let mut page = Page::new(markdown);
        page.heading(1, "Title");
        page.paragraph(&"word ".repeat(20));
        page.item("name", &"thing ".repeat(15));
        page.block("1·2\n3");
        page.table(&[vec!["a".into(), "b".into()], vec!["long".into(), "c".into()]]);
        page.into_text()
    }

    #[test]
    fn plain_pages_fit_80_columns() {
        let text = page(false);
        assert!(text.starts_with("Title\n=====\nword word"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            text.contains("\nname:           thing") && text.contains("\n                thing")
        );
        assert!(text.contains("\n  1·2\n  3\n\na     b\nlong  c\n"), "{text}");
    }

    #[test]
    fn markdown_pages_have_its_marks() {
        let text = page(true);
        assert!(text.starts_with("# Title\n\nword"), "{text}");
        assert!(text.contains("\n- **name:** thing") && text.contains("```text\n1·2\n3\n```\n"));
        assert!(text.contains("| a    | b |\n| ---- | - |\n| long | c |\n"), "{text}");
    }
}
