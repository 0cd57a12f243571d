//! The README is true: its commands run, its report is what the program prints, its links lead
//! somewhere. `INSTA_UPDATE=always cargo test` puts a new report into it. (Its Rust runs as a doc test, see src/lib.rs.)

use std::fs;

use crate::common::mask::masked;
use crate::kit::printed_in;

fn readme() -> String {
    document("README.md")
}

fn document(name: &str) -> String {
    fs::read_to_string(crate::kit::root().join(name)).unwrap()
}

/// Lines of the fenced blocks of a language.
fn fenced<'a>(text: &'a str, language: &str) -> Vec<&'a str> {
    let mut lines = Vec::new();
    let mut inside = false;
    for line in text.lines() {
        match line.strip_prefix("```") {
            Some(tag) => inside = !inside && tag == language,
            None if inside => lines.push(line),
            None => {}
        }
    }
    lines
}

#[test]
fn every_command_runs() {
    let text = readme() + &document("README.zh.md");
    let mut commands: Vec<&str> = Vec::new();
    for line in fenced(&text, "sh") {
        let command = line.split('#').next().unwrap().trim();
        // Each once, in their order: one reads what another has written.
        if !command.is_empty() && !commands.contains(&command) {
            commands.push(command);
        }
    }
    assert!(commands.contains(&"cargo run --release") && commands.contains(&"cargo test"));
    // Not in the repository, which tests only read: some of them write files.
    let folder = tempfile::tempdir().unwrap();
    let photograph = crate::kit::root().join("assets/chelsea.png");
    fs::create_dir(folder.path().join("assets")).unwrap();
    fs::copy(photograph, folder.path().join("assets/chelsea.png")).unwrap();
    let mut ran = 0;
    for command in commands {
        let Some(arguments) = command.strip_prefix("cargo run --release -- ") else {
            // What the notebooks take is not there in every test; `.ci/run` runs them.
            let others = ["cargo run --release", "cargo test", "notebooks/run"];
            assert!(others.contains(&command), "{command}");
            continue;
        };
        printed_in(folder.path(), arguments);
        ran += 1;
    }
    assert!(ran >= 6, "{ran}");
}

/// The reports as printed, but for times and rounding, which differ from machine to machine.
#[test]
fn the_reports_are_what_the_program_prints() {
    let mut text = readme();
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let reports = text.clone();
    let root = crate::kit::root();
    let mut shown_ones = 0;
    for rest in reports.split("<!-- report: ").skip(1) {
        let (command, rest) = rest.split_once(" -->\n```text\n").unwrap();
        let (shown, _) = rest.split_once("\n```").unwrap();
        let printed = printed_in(&root, command);
        if update {
            text =
                text.replacen(&format!("\n{shown}\n"), &format!("\n{}\n", printed.trim_end()), 1);
        } else {
            assert_eq!(masked(shown), masked(printed.trim_end()), "{command}");
        }
        shown_ones += 1;
    }
    assert_eq!(shown_ones, 4);
    if update {
        fs::write(root.join("README.md"), text).unwrap();
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut checked = 0;
    for document in ["README.md", "README.zh.md", "CONTRIBUTING.md", "CHANGELOG.md"] {
        let root = crate::kit::root();
        let text = fs::read_to_string(root.join(document)).unwrap();
        for (at, _) in text.match_indices("](") {
            let link = text[at + 2..].split(')').next().unwrap();
            if !link.starts_with("http") {
                assert!(root.join(link).exists(), "{document}: {link}");
                checked += 1;
            }
        }
    }
    assert!(checked > 10, "{checked}");
}

/// What the Chinese README quotes of a report stands in the English one, which is compared with the program.
#[test]
fn the_chinese_readme_quotes_the_english_one() {
    let (english, chinese) = (readme(), document("README.zh.md"));
    let mut checked = 0;
    for line in fenced(&chinese, "text").into_iter().filter(|line| line.is_ascii()) {
        // Of commands and formulas only what a report prints is looked for.
        if line.trim() != "..." && !line.starts_with("proofs/") {
            assert!(english.contains(line.trim()), "README.zh.md: {line}");
            checked += 1;
        }
    }
    // Measured ratios, "1.20 倍" for "1.20 times".
    let words: Vec<&str> = chinese.split(' ').collect();
    for pair in words.windows(2).filter(|pair| pair[1].starts_with('倍')) {
        assert!(english.contains(pair[0]), "README.zh.md: {} times", pair[0]);
        checked += 1;
    }
    assert!(checked > 14, "{checked}");
}
