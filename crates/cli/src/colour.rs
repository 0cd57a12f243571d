//! The colours of a report. The text is written without colour, and then the words of verdicts are coloured in place.

use std::ffi::OsString;

use clap::builder::styling::{AnsiColor, Style};

/// What is coloured: whole lines, chosen by how they begin, and single words at the end of a line.
const LINES: [(&str, Style); 6] = [
    ("The forms are equivalent", AnsiColor::Green.on_default().bold()),
    ("NOT ", AnsiColor::Red.on_default().bold()),
    ("Not verified", AnsiColor::Red.on_default()),
    ("Interrupted", AnsiColor::Yellow.on_default()),
    ("Repeat: ", Style::new().dimmed()),
    ("All tables: ", Style::new().dimmed()),
];
const LAST_WORDS: [(&str, Style); 4] = [
    ("proved", AnsiColor::Green.on_default()),
    ("supported", AnsiColor::Green.on_default()),
    ("qualified", AnsiColor::Yellow.on_default()),
    ("REFUTED", AnsiColor::Red.on_default().bold()),
];

/// Whether the environment wants colour on a terminal: see <https://no-color.org>.
pub(super) fn wanted() -> bool {
    wanted_in(|name| std::env::var_os(name))
}

fn wanted_in(environment: impl Fn(&str) -> Option<OsString>) -> bool {
    environment("NO_COLOR").is_none_or(|value| value.is_empty())
        && environment("TERM").is_none_or(|value| value != "dumb")
}

/// The text in colour.
pub(super) fn painted(text: &str) -> String {
    text.split_inclusive('\n').map(line).collect()
}

fn line(with_end: &str) -> String {
    let line = with_end.trim_end_matches('\n');
    let end = &with_end[line.len()..];
    if let Some((_, style)) = LINES.iter().find(|(start, _)| line.starts_with(start)) {
        return format!("{style}{line}{style:#}{end}");
    }
    for (word, style) in LAST_WORDS {
        if let Some(before) = line.strip_suffix(word).filter(|before| before.ends_with(' ')) {
            return format!("{before}{style}{word}{style:#}{end}");
        }
    }
    with_end.to_owned()
}

#[cfg(test)]
mod tests {
    use super::{painted, wanted_in};

    #[test]
    fn the_environment_turns_colour_off() {
        for (name, value, wanted) in [
            ("NO_COLOR", "1", false),
            ("NO_COLOR", "", true),
            ("TERM", "dumb", false),
            ("TERM", "xterm", true),
        ] {
            let found = wanted_in(|asked| (asked == name).then(|| value.into()));
            assert_eq!(found, wanted, "{name}={value}");
        }
    }

    #[test]
    fn verdicts_are_painted_and_nothing_else_is() {
        let text = "R1 derived bound  supported\nNOT equivalent: form (a)\nas supported by\n";
        let colours = painted(text);
        assert!(colours.contains("\u{1b}[32msupported\u{1b}[0m\n"), "{colours:?}");
        assert!(colours.contains("NOT equivalent: form (a)\u{1b}[0m\n"), "{colours:?}");
        assert!(colours.ends_with("\nas supported by\n"), "{colours:?}");
    }
}
