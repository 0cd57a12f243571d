//! The list of claims: each is checked, each check refutes what it says it does, and the README's
//! table is the list.

use std::collections::BTreeSet;
use std::fs;

use crate::kit::{fits_80_columns, right, run_with};
use triform::claims::{ALL, Claim, Given, named};
use triform::evidence::verdict::Verdict;
use triform_cli::report;

/// What is wrong with a list of claims: those that do not hold, and the checks that pass the wrong
/// thing that they name.
fn complaints(claims: &[Claim]) -> Vec<String> {
    let mut complaints = Vec::new();
    for claim in claims {
        if let Verdict::Refuted { witnesses } = (claim.check)(Given::Right).unwrap() {
            complaints.push(format!("{} does not hold: {witnesses:?}", claim.name));
        }
        match (claim.check)(Given::Wrong).unwrap() {
            Verdict::Refuted { witnesses } => {
                let witness = &witnesses[0];
                assert_ne!(witness.found, witness.expected, "{}", claim.name);
            }
            _ => complaints.push(format!("{} passes {}", claim.name, claim.refutes)),
        }
    }
    complaints
}

#[test]
fn every_claim_holds_and_every_check_refutes() {
    assert_eq!(complaints(ALL), Vec::<String>::new());
    println!("{} claims checked, and each check refuted what it must", ALL.len());
    assert!(ALL.len() >= 20);
}

/// A claim is added whose check looks at nothing: it passes whatever it is given, which is told; and
/// the README has no row for it, which is told too.
#[test]
fn a_claim_without_a_check_is_seen() {
    let unchecked = Claim {
        name: "unchecked",
        refutes: "something wrong",
        check: |_| Ok(Verdict::Proved { scope: "nothing".to_owned() }),
        ..ALL[0]
    };
    assert_eq!(complaints(&[unchecked]), ["unchecked passes something wrong"]);
    let made = report::claims::table(&[unchecked]).unwrap();
    let readme = readme();
    let row = made.lines().last().unwrap();
    assert!(row.starts_with("| `unchecked` ") && !table(&readme).contains(row));
}

#[test]
fn claims_say_where_they_come_from_and_have_names_of_their_own() {
    let names: BTreeSet<&str> = ALL.iter().map(|claim| claim.name).collect();
    assert_eq!(names.len(), ALL.len());
    for claim in ALL {
        for text in [claim.statement, claim.source, claim.how, claim.refutes] {
            assert!(text.len() > 8 && !text.contains('|') && !text.ends_with('.'), "{text}");
        }
        assert!(named(claim.name).is_ok());
    }
    assert!(named("nothing").is_err());
}

const START: &str = "<!-- claims: made by INSTA_UPDATE=always cargo test -->\n";
const END: &str = "<!-- end of claims -->";

const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../README.md");

fn readme() -> String {
    fs::read_to_string(PATH).unwrap()
}

/// The table between its marks in a text.
fn table(text: &str) -> &str {
    let (_, rest) = text.split_once(START).expect("where the table starts");
    rest.split_once(END).expect("where it ends").0
}

/// No row is stale, none is missing, none is left over.
#[test]
fn the_table_of_the_readme_is_the_list() {
    let text = readme();
    let made = report::claims::table(ALL).unwrap();
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let old = format!("{START}{}{END}", table(&text));
        fs::write(PATH, text.replacen(&old, &format!("{START}{made}{END}"), 1)).unwrap();
        return;
    }
    assert!(table(&text) == made, "README.md is stale; it should have\n{made}");
    let rows = made.lines().skip(2).count();
    assert_eq!(rows, ALL.len());
    for (row, claim) in made.lines().skip(2).zip(ALL) {
        assert!(row.starts_with(&format!("| `{}` {} |", claim.name, claim.statement)));
    }
}

fn explain(more: &str) -> (u8, String, String) {
    run_with(&right(), &format!("explain {more}"), false)
}

#[test]
fn the_argument_reads_like_this() {
    let (status, text, errors) = explain("");
    assert_eq!((status, errors.as_str()), (0, ""));
    fits_80_columns(&text);
    insta::assert_snapshot!("argument", text);
    let (status, markdown, _) = explain("--markdown");
    assert_eq!(status, 0);
    assert!(markdown.starts_with("# Why the three forms are one\n\nThe paper draws"));
    assert_eq!(markdown.matches("```text").count() * 2, markdown.matches("```").count());
    // The same words and numbers in both.
    let words = |text: &str| -> Vec<String> {
        let words = text.split_whitespace().map(|word| word.replace(['*', ':', '|'], ""));
        let marks = |word: &String| !word.trim_matches(['#', '-', '=', '`']).is_empty();
        words.filter(|word| marks(word) && word != "```text").collect()
    };
    assert_eq!(words(&text), words(&markdown));
}

#[test]
fn each_claim_is_told_with_its_verdict() {
    for claim in ALL {
        let (status, text, errors) = explain(claim.name);
        assert_eq!((status, errors.as_str()), (0, ""), "{}", claim.name);
        fits_80_columns(&text);
        let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains(" Verdict: ") && words.contains(": refuted ("), "{text}");
    }
}
