//! R10's tie: the index formulas that proofs/ is about, and the Rust forms, give the same numbers. Coq checks the
//! one half on proofs/Cases.v (`make -C proofs`), this the other.

use std::fs;
use std::path::Path;

use triform::block::Form;
use triform::claims::theorem::{COMMITTED, cases, first_difference};
use triform::gallery;

#[test]
fn the_forms_give_what_the_formulas_give() {
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proofs/Cases.v");
        fs::write(path, cases(&Form::Grouped).unwrap()).unwrap();
        return;
    }
    for form in Form::ALL {
        let difference = first_difference(&cases(&form).unwrap(), COMMITTED);
        assert_eq!(
            difference, None,
            "form {form:?}; if this is meant: INSTA_UPDATE=always cargo test --test theorem, and make -C proofs"
        );
    }
    assert_eq!(COMMITTED.matches("{| paths").count(), 7);
}

/// The mistakes of proofs/WrongBlocks.v.
const REFUTED: [&str; 7] = [
    "last-path-dropped",
    "concatenated-in-reverse",
    "groups-interleaved",
    "input-split",
    "3x3-shared",
    "next-path-3x3",
    "norm-in-each-path",
];

/// Each mistake that proofs/WrongBlocks.v refutes, in the Rust forms: the cases refute it too.
#[test]
fn the_cases_refute_what_the_proofs_refute() {
    for name in REFUTED {
        let wrong = gallery::named(name).unwrap().wrong();
        let found = cases(&wrong).unwrap();
        assert!(first_difference(&found, COMMITTED).is_some(), "{name}");
    }
}

/// The names of the mistakes are those of the gallery.
#[test]
fn the_proofs_speak_of_mistakes_that_the_gallery_has() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proofs/WrongBlocks.v");
    let text = fs::read_to_string(path).unwrap();
    let mut met = 0;
    for line in text.lines() {
        let Some(name) = line.strip_prefix("Theorem ") else { continue };
        let name = name.split([' ', ':']).next().unwrap().replace('_', "-");
        let name = match &name[..] {
            // No name of Coq's begins with a digit.
            "shared-3x3" => "3x3-shared",
            name => name,
        };
        assert!(REFUTED.contains(&name), "{name}");
        gallery::named(name).unwrap();
        met += 1;
    }
    assert_eq!(met, REFUTED.len());
}
