//! Reports without what differs from machine to machine and run to run.

/// Times, rounding and whatever comes of it, as `#`; runs of spaces, whose width depends on them,
/// as one; and the closing sentence, whose breaks do, as one line.
pub fn masked(report: &str) -> String {
    let (tables, conclusion) = match report.find("The forms computed") {
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
        let number = word.trim_matches(|c| "(),%".contains(c));
        let is_float = number.contains(['.', 'e']) && number.parse::<f64>().is_ok();
        if is_float || word == "beyond" { "#".to_owned() } else { word.to_owned() }
    };
    line.split_whitespace().map(word).collect::<Vec<_>>().join(" ")
}
