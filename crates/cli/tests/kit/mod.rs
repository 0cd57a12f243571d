//! What the tests of the program share. They run the program as a separate process, or in this process on forms that a
//! test chooses.
#![allow(dead_code, unreachable_pub)] // each program of tests uses a part of it

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::AtomicBool;

use serde::de::DeserializeOwned;
use serde_json::Value;
use triform::block::Form;
use triform::evidence::any_form::AnyForm;

/// The project's folder.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The program, to be run in the project's folder.
pub fn program() -> Command {
    let mut program = Command::new(env!("CARGO_BIN_EXE_triform"));
    program.current_dir(root());
    program
}

/// A command's words, as a shell reads them.
fn words(command: &str) -> Vec<String> {
    shlex::split(command).unwrap()
}

/// The output of the program when it is called with a command's words.
pub fn triform(command: &str) -> Output {
    program().args(words(command)).output().unwrap()
}

/// The same, run in a folder.
pub fn triform_in(folder: &Path, command: &str) -> Output {
    program().current_dir(folder).args(words(command)).output().unwrap()
}

/// What the program prints when it runs in a folder. Its exit status must be 0.
pub fn printed_in(folder: &Path, command: &str) -> String {
    let output = triform_in(folder, command);
    assert_eq!(output.status.code(), Some(0), "{command}: {}", text(&output.stderr));
    text(&output.stdout)
}

pub fn printed(command: &str) -> String {
    printed_in(&root(), command)
}

pub fn json(command: &str) -> Value {
    serde_json::from_str(&printed(command)).unwrap()
}

/// A value from JSON.
pub fn of<T: DeserializeOwned>(json: &Value) -> T {
    serde_json::from_value(json.clone()).unwrap()
}

/// Runs the program in this process. Returns its status, its output and its errors.
pub fn run_with(forms: &[&dyn AnyForm], command: &str, interrupted: bool) -> (u8, String, String) {
    let arguments = words(&format!("triform {command}")).into_iter().map(OsString::from);
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let interrupted = AtomicBool::new(interrupted);
    let status = triform_cli::run(arguments, forms, &mut output, false, &mut errors, &interrupted);
    (status, text(&output), text(&errors))
}

/// The three forms of the paper.
pub fn right() -> [&'static dyn AnyForm; 3] {
    Form::ALL.each_ref().map(|form| form as &dyn AnyForm)
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[track_caller]
pub fn fits_80_columns(report: &str) {
    for line in report.lines() {
        assert!(line.chars().count() <= 80, "{} columns: {line}", line.chars().count());
    }
}
