//! README and docs are true: their commands run, and their reports are what the program prints. `INSTA_UPDATE=always
//! cargo test -p triform-cli --test extensive documents` puts new reports into the pages.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use crate::common::mask::masked;
use crate::kit::{printed_in, root};

/// All pages that have commands or reports.
fn pages() -> Vec<PathBuf> {
    let entries = ["docs", "docs/zh"].map(|folder| fs::read_dir(root().join(folder)).unwrap());
    let pages = entries.into_iter().flatten().map(|entry| entry.unwrap().path());
    let pages = pages.filter(|path| path.extension().is_some_and(|ending| ending == "md"));
    let mut pages: Vec<PathBuf> = ["README.md", "README.zh.md"]
        .map(|name| root().join(name))
        .into_iter()
        .chain(pages)
        .collect();
    pages.sort();
    pages
}

/// Lines of the fenced blocks in a language.
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
    let text: String = pages().iter().map(|page| fs::read_to_string(page).unwrap()).collect();
    let mut commands: Vec<&str> = Vec::new();
    for line in fenced(&text, "sh") {
        let command = line.split('#').next().unwrap().trim();
        // Each command once and in order, since some read what others have written.
        if !command.is_empty() && !commands.contains(&command) {
            commands.push(command);
        }
    }
    assert!(commands.contains(&"cargo run --release") && commands.contains(&"cargo test"));
    // Not run in the repository, since some commands write files.
    let folder = tempfile::tempdir().unwrap();
    let photograph = root().join("assets/chelsea.png");
    fs::create_dir(folder.path().join("assets")).unwrap();
    fs::copy(photograph, folder.path().join("assets/chelsea.png")).unwrap();
    // The reader's own convolution is the book's.
    let words = ["-O2", "-std=c11", "-o", "conv"];
    let source = root().join("examples/check/conv.c");
    let compiled =
        Command::new("cc").args(words).arg(source).current_dir(folder.path()).status().unwrap();
    assert!(compiled.success());
    let mut ran = 0;
    for command in commands {
        let Some(arguments) = command.strip_prefix("cargo run --release -- ") else {
            // `.ci/run` and `.ci/full` run these.
            let property_tests = "PROPTEST_CASES=10000 cargo test --test lesson forms::";
            let others = ["cargo run --release", "cargo test", "notebooks/run", property_tests];
            assert!(others.contains(&command), "{command}");
            continue;
        };
        // A whole training takes minutes; three steps show that the command is right.
        let steps = if arguments.starts_with("train") { " --steps 3" } else { "" };
        printed_in(folder.path(), &format!("{arguments}{steps}"));
        ran += 1;
    }
    assert!(ran >= 25, "{ran}");
}

/// The reports are as printed, except for times and rounding, which differ between machines.
#[test]
fn the_reports_are_what_the_program_prints() {
    let update = std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always");
    let mut printed: BTreeMap<String, String> = BTreeMap::new();
    let mut reports = 0;
    for path in pages() {
        let mut text = fs::read_to_string(&path).unwrap();
        let before = text.clone();
        for rest in before.split("<!-- report: ").skip(1) {
            let (command, rest) = rest.split_once(" -->\n```text\n").unwrap();
            let (shown, _) = rest.split_once("```").unwrap();
            let printed = printed
                .entry(command.to_owned())
                .or_insert_with(|| printed_in(&root(), command).trim_end().to_owned() + "\n");
            if update {
                let start = format!("<!-- report: {command} -->\n```text\n");
                text = text.replacen(
                    &format!("{start}{shown}```"),
                    &format!("{start}{printed}```"),
                    1,
                );
            } else {
                assert_eq!(masked(shown), masked(printed), "{}: {command}", path.display());
            }
            reports += 1;
        }
        if update {
            fs::write(&path, text).unwrap();
        }
    }
    assert_eq!(reports, 5);
    // What a newcomer sees first.
    let first = &printed["verify"];
    assert!(first.lines().count() <= 30, "{first}");
    let top: Vec<&str> = first.lines().take(14).collect();
    assert!(top[0].contains("equivalent"), "{first}");
    assert!(
        (0..9).all(|rung| top.iter().any(|line| line.starts_with(&format!("R{rung} ")))),
        "{first}"
    );
}
