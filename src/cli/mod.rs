//! The program: arguments, progress, exit status. No mathematics.
//!
//! Exit status: 0 all holds; 1 something was refuted; 2 bad input or usage; 130 interrupted.

mod args;
mod bench;
mod count;
mod diagnose;
mod explain;
mod forward;
mod init;
mod json_file;
mod memory;
mod network;
mod plot;
mod progress;
mod refute;
mod threads;
mod verify;
mod verify_network;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use clap::{CommandFactory, Parser};

use self::args::{Arguments, Command};
use crate::conv::Level;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;

/// Everything holds.
pub const HOLDS: u8 = 0;
/// Something was refuted.
pub const REFUTED: u8 = 1;
/// Bad input or usage.
pub const BAD_INPUT: u8 = 2;
/// Interrupted.
pub const INTERRUPTED: u8 = 130;

/// Runs the program on `arguments` (the first is the program's name), comparing `forms`, and
/// returns its exit status. Reports go to `output`, errors to `errors`, one line each.
///
/// The forms are an argument so that a wrong one can be handed in and seen to be refuted.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    // Whose help to point to.
    let command = arguments.get(1).and_then(|word| word.to_str()).unwrap_or_default().to_owned();
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) if !error.use_stderr() => {
            // --help and --version. A pipe closed early ends quietly.
            let _ = write!(output, "{error}");
            return HOLDS;
        }
        Err(error) => {
            let text = error.to_string();
            // Its first paragraph, in one line.
            let lines = text.lines().take_while(|line| !line.is_empty()).map(str::trim);
            let what = lines.collect::<Vec<_>>().join(" ");
            let known = Arguments::command().find_subcommand(&command).is_some();
            let help = if known { format!("{command} --help") } else { "--help".to_owned() };
            let _ = writeln!(errors, "{what}; see `triform {help}`");
            return BAD_INPUT;
        }
    };
    let command = arguments.command.unwrap_or(Command::Verify(arguments.verify));
    // Before anything is computed with other instructions than were asked for.
    let done = Level::chosen().map_err(Error::Kernels).and_then(|_| match command {
        Command::Verify(options) => verify::run(&options, forms, output, errors, interrupted),
        Command::Refute(options) => refute::run(&options, output, interrupted),
        Command::Explain(options) => explain::run(&options, output),
        Command::Count(options) => count::run(&options, output),
        Command::Diagnose(options) => diagnose::run(&options, output),
        Command::Forward(options) => forward::run(&options, forms, output, errors, interrupted),
        Command::Bench(options) => bench::run(&options, forms, output, errors, interrupted),
        Command::Init(options) => init::run(&options, output, errors, interrupted),
        Command::Plot(options) => plot::run(&options, output),
    });
    match done {
        Ok(status) => status,
        Err(error) => {
            // One line, whatever is in a path.
            let _ = writeln!(errors, "error: {}", error.to_string().replace(['\n', '\r'], " "));
            BAD_INPUT
        }
    }
}

/// Writes a report. A pipe that was closed early ends it quietly.
fn print(output: &mut dyn Write, text: &str) -> Result<()> {
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            Err(Error::Io { action: "write", path: "standard output".into(), source: error })
        }
        _ => Ok(()),
    }
}

/// A whole number of 64 bits.
fn number(what: &'static str, text: &str) -> Result<u64> {
    text.parse().map_err(|_| Error::Number { what, given: text.to_owned() })
}

/// `56x56`: height x width.
fn parse_map(text: &str) -> Result<(usize, usize)> {
    let syntax = |why: String| Error::MapSyntax { given: text.to_owned(), why };
    let parts: Vec<&str> = text.split(['x', 'X', '×']).collect();
    let [h, w] = parts[..] else {
        return Err(syntax(format!("2 sizes are needed, not {}", parts.len())));
    };
    let size = |what: &str, part: &str| match part.parse::<usize>() {
        Ok(0) => Err(syntax(format!("{what} is 0; it must be at least 1"))),
        Ok(size) => Ok(size),
        Err(_) => Err(syntax(format!("`{part}` is not a whole number below 2^64"))),
    };
    Ok((size("height", h)?, size("width", w)?))
}

/// A size that is at least 1.
fn size(what: &'static str, text: &str) -> Result<usize> {
    match number(what, text)? {
        0 => Err(Error::Zero { what }),
        size => usize::try_from(size).map_err(|_| Error::Number { what, given: text.to_owned() }),
    }
}

/// `224`, or `224x160`.
fn parse_size(text: &str) -> Result<(usize, usize)> {
    if text.contains(['x', 'X', '×']) {
        return parse_map(text);
    }
    size("input size", text).map(|size| (size, size))
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+=:,@".contains(c);
    if !text.is_empty() && text.chars().all(plain) {
        text.to_owned()
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}
