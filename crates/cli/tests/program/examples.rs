//! The chapter "Check your own block" is true. Its convolution in C agrees, a spoilt copy is refuted by name, and the
//! chapter shows both reports as the program prints them.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kit::{printed_in, root, text, triform_in};
use tempfile::tempdir;

/// Compiles a source to `conv`, with the compiler that also links Rust's programs. Returns its warnings.
fn compile(folder: &Path, source: &str) -> String {
    fs::write(folder.join("conv.c"), source).unwrap();
    let words = ["-O2", "-std=c11", "-Wall", "-Wextra", "-o", "conv", "conv.c"];
    let output = Command::new("cc").args(words).current_dir(folder).output().unwrap();
    let warnings = text(&output.stderr);
    assert!(output.status.success(), "{warnings}");
    warnings
}

#[test]
fn a_convolution_in_c_is_judged() {
    let folder = tempdir().unwrap();
    let folder = folder.path();
    let book = fs::read_to_string(root().join("docs/check.md")).unwrap();
    let shown = |command: &str, report: &str| {
        let block = format!("$ triform {command}\n{}\n", report.trim_end());
        assert!(book.contains(&block), "docs/check.md should show\n{block}");
    };
    let make = "cases --out cases --op conv --kind integers,specials --quick";
    shown(make, &printed_in(folder, make));

    let source = fs::read_to_string(root().join("examples/check/conv.c")).unwrap();
    assert_eq!(compile(folder, &source), "");
    let check = "check cases --run ./conv";
    let report = printed_in(folder, check);
    assert!(report.starts_with("./conv agrees: all "), "{report}");
    shown(check, &report);

    let spoilt = source.replacen("long offset = o / each_out * each_in;", "long offset = 0;", 1);
    assert_ne!(spoilt, source);
    compile(folder, &spoilt);
    let output = triform_in(folder, check);
    assert_eq!(output.status.code(), Some(1));
    let report = text(&output.stdout);
    assert!(report.contains("the known mistake `groups-ignored`"), "{report}");
    shown(check, &report);
}
