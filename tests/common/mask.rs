//! Masks for reports: they remove what differs between machines and between runs.

/// Replaces times, rounding errors and all that follows from them by `#`. These numbers also change the spacing and the
/// line breaks. So runs of spaces become one space, and each paragraph becomes one line.
pub fn masked(report: &str) -> String {
    let mut lines: Vec<String> = Vec::new();
    let mut in_paragraph = false;
    for line in report.lines() {
        // A row of a table has two spaces between cells, or starts with them.
        let is_text = !line.trim_end().is_empty() && !line.contains("  ");
        match lines.last_mut().filter(|_| in_paragraph && is_text) {
            Some(paragraph) => *paragraph += &format!(" {}", masked_line(line)),
            None => lines.push(masked_line(line)),
        }
        in_paragraph = is_text;
    }
    lines.join("\n")
}

fn masked_line(line: &str) -> String {
    let word = |word: &str| {
        let number = word.trim_matches(|c| "(),;%<".contains(c)).trim_end_matches('.');
        let is_float = number.contains(['.', 'e']) && number.parse::<f64>().is_ok();
        if is_float { "#".to_owned() } else { word.to_owned() }
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [block, .., used, verdict] = words[..]
        && (used.ends_with('%') || used == "beyond")
        && ["within", "blunt", "REFUTED"].contains(&verdict)
    {
        // A row of R1: even its number of words depends on the rounding.
        return format!("{block} # {verdict}");
    }
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}
