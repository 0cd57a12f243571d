//! A text to read: either plain, with 80 columns, or in Markdown.

use super::words::{line, padded, wrapped};

/// A page that grows from top to bottom.
#[derive(Clone, Debug)]
pub struct Page {
    text: String,
    markdown: bool,
}

impl Page {
    /// An empty page.
    pub fn new(markdown: bool) -> Self {
        Self { text: String::new(), markdown }
    }

    /// Its text.
    pub fn into_text(self) -> String {
        self.text
    }

    /// A heading. An empty line comes before it, unless the heading is the first line.
    pub fn heading(&mut self, level: usize, words: &str) {
        self.gap();
        if self.markdown {
            line(&mut self.text, &format!("{} {words}", "#".repeat(level)));
            self.gap();
        } else {
            line(&mut self.text, words);
            let under = if level == 1 { "=" } else { "-" };
            line(&mut self.text, &under.repeat(words.chars().count()));
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

    /// An item of a list that begins with a name.
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

    /// Preformatted lines, after an empty line.
    pub fn block(&mut self, lines: &str) {
        self.gap();
        if self.markdown {
            line(&mut self.text, "```text");
        }
        let indent = if self.markdown { "" } else { "  " };
        for each in lines.lines() {
            line(&mut self.text, &format!("{indent}{each}"));
        }
        if self.markdown {
            line(&mut self.text, "```");
        }
    }

    /// A line that keeps its columns.
    pub fn row(&mut self, row: &str) {
        line(&mut self.text, row);
    }

    /// An indented paragraph.
    pub fn indented(&mut self, words: &str) {
        line(&mut self.text, &wrapped(words, "  ", "  "));
    }

    /// A table. Its first row is the head.
    pub fn table(&mut self, rows: &[Vec<String>]) {
        self.gap();
        for (number, cells) in padded(rows, usize::MAX).iter().enumerate() {
            if !self.markdown {
                line(&mut self.text, &cells.join("  "));
                continue;
            }
            line(&mut self.text, &format!("| {} |", cells.join(" | ")));
            if number == 0 {
                let rules = cells.iter().map(|cell| "-".repeat(cell.chars().count()));
                let rules: Vec<String> = rules.collect();
                line(&mut self.text, &format!("| {} |", rules.join(" | ")));
            }
        }
        if self.markdown {
            self.gap();
        }
    }

    /// An empty line, unless the page is empty or already ends with an empty line.
    pub fn gap(&mut self) {
        if !self.text.is_empty() && !self.text.ends_with("\n\n") {
            self.text.push('\n');
        }
    }

    /// Wraps words. The first line begins with `start`, and later lines are indented.
    fn wrap(&mut self, start: &str, words: &str) {
        let indent = if self.markdown && !start.is_empty() { 2 } else { start.chars().count() };
        line(&mut self.text, &wrapped(words, start, &" ".repeat(indent)));
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
