//! R10's link from proofs to code: the index formulas of proofs/ and the Rust forms give the same numbers. Coq checks
//! the formulas on proofs/Cases.v (`make -C proofs`), and these tests check the forms.

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
        let found = cases(&form).unwrap();
        assert_eq!(
            first_difference(&found, COMMITTED),
            None,
            "form {form:?}; if this is meant: INSTA_UPDATE=always cargo test --test lesson, and make -C proofs"
        );
    }
    assert_eq!(COMMITTED.matches("{| paths").count(), 7);
}

/// Each mistake that proofs/WrongBlocks.v refutes is in the gallery, and the cases refute it in the
/// Rust forms too.
#[test]
fn the_cases_refute_what_the_proofs_refute() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("proofs/WrongBlocks.v");
    let mut met = 0;
    for line in fs::read_to_string(path).unwrap().lines() {
        let Some(name) = line.strip_prefix("Theorem ") else { continue };
        let name = name.split([' ', ':']).next().unwrap().replace('_', "-");
        // A name in Coq cannot begin with a digit.
        let name = if name == "shared-3x3" { "3x3-shared" } else { &name };
        let found = cases(&gallery::named(name).unwrap().wrong()).unwrap();
        assert!(first_difference(&found, COMMITTED).is_some(), "{name}");
        met += 1;
    }
    assert_eq!(met, 7);
}
