//! Reports without what differs from machine to machine and run to run.

/// Times, rounding and whatever comes of it, as `#`; runs of spaces, whose width depends on them,
/// as one; and the closing sentence, whose breaks do, as one line.
pub fn masked(report: &str) -> String {
    let (tables, conclusion) = match report.find("The forms agreed") {
        Some(at) => report.split_at(at),
        None => (report, ""),
    };
    let (conclusion, repeat) = match conclusion.find("Repeat:") {
        Some(at) => conclusion.split_at(at),
        None => (conclusion, ""),
    };
    let mut lines: Vec<String> = tables.lines().map(masked_line).collect();
    if !conclusion.is_empty() {
        lines.push(masked_line(conclusion));
        lines.push(repeat.trim_end().to_owned());
    }
    lines.join("\n")
}

fn masked_line(line: &str) -> String {
    let word = |word: &str| {
        let number = word.trim_matches(|c| "(),%<".contains(c)).trim_end_matches('.');
        let is_float = number.contains(['.', 'e']) && number.parse::<f64>().is_ok();
        if is_float { "#".to_owned() } else { word.to_owned() }
    };
    let words: Vec<&str> = line.split_whitespace().collect();
    if let [block, .., used, verdict] = words[..]
        && (used.ends_with('%') || used == "beyond")
        && ["within", "blunt", "REFUTED"].contains(&verdict)
    {
        // A row of R1: even how many words it has depends on the rounding.
        return format!("{block} # {verdict}");
    }
    words.into_iter().map(word).collect::<Vec<_>>().join(" ")
}
