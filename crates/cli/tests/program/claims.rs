//! Tests the list of claims. Every claim holds, and every check refutes the wrong thing that its claim names.

use std::collections::BTreeSet;

use crate::kit::{fits_80_columns, right, run_with};
use triform::claims::{ALL, Claim, Given, named};
use triform::evidence::verdict::Verdict;

/// Complaints about a list of claims: claims that do not hold, and checks that accept the wrong thing.
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

/// A check that looks at nothing accepts everything, and the test reports such a check.
#[test]
fn a_claim_without_a_check_is_seen() {
    let unchecked = Claim {
        name: "unchecked",
        refutes: "something wrong",
        check: |_| Ok(Verdict::Proved { scope: "nothing".to_owned() }),
        ..ALL[0]
    };
    assert_eq!(complaints(&[unchecked]), ["unchecked passes something wrong"]);
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
