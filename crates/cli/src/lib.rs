//! The program: arguments, progress, exit status. No mathematics.
//!
//! Exit status: 0 all holds; 1 something was refuted; 2 bad input or usage; 130 interrupted.

mod args;
mod array;
mod bench;
pub mod checkpoint;
mod count;
mod destination;
mod diagnose;
pub mod error;
mod explain;
mod forward;
mod init;
mod memory;
pub mod need;
mod network;
pub mod photograph;
mod plot;
mod progress;
mod refute;
pub mod report;
mod threads;
mod values;
mod verify;
mod verify_network;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use self::args::{Arguments, Command};
use self::error::{Error, Result};
use triform::conv::Level;
use triform::evidence::any_form::AnyForm;

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
    match run_command(&arguments, forms, output, errors, interrupted) {
        Ok(status) => status,
        Err(Error::Arguments(help)) if !help.use_stderr() => {
            // --help and --version. A pipe closed early ends quietly.
            let _ = write!(output, "{help}");
            HOLDS
        }
        Err(error) => {
            let commands = Arguments::command();
            let command = arguments.get(1).and_then(|name| commands.find_subcommand(name));
            let _ = writeln!(errors, "{}", error.line(command.map(clap::Command::get_name)));
            BAD_INPUT
        }
    }
}

fn run_command(
    arguments: &[OsString],
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let matches = Arguments::command().try_get_matches_from(arguments)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
    // Before anything is computed with other instructions than were asked for.
    Level::chosen().map_err(triform::Error::Kernels)?;
    match arguments.command.unwrap_or(Command::Verify(arguments.verify)) {
        Command::Verify(options) => {
            let again = repeat("verify", matches, &["json", "threads"]);
            verify::run(&options, again, forms, output, errors, interrupted)
        }
        Command::Refute(options) => refute::run(&options, output, interrupted),
        Command::Explain(options) => explain::run(&options, output),
        Command::Count(options) => count::run(&options, output),
        Command::Diagnose(options) => diagnose::run(&options, output),
        Command::Forward(options) => {
            let again = repeat("forward", matches, &["json", "threads"]);
            forward::run(&options, again, forms, output, errors, interrupted)
        }
        Command::Bench(options) => {
            let again = repeat("bench", matches, &["json"]);
            bench::run(&options, &again, forms, output, errors, interrupted)
        }
        Command::Init(options) => init::run(&options, output, errors, interrupted),
        Command::Plot(options) => plot::run(&options, output),
    }
}

/// The command that repeats a run: its seed, and the options as they were given, `left_out` excepted.
fn repeat(name: &str, matches: &ArgMatches, left_out: &[&str]) -> String {
    let commands = Arguments::command();
    let options = commands.find_subcommand(name).into_iter().flat_map(|c| c.get_arguments());
    let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut options: Vec<_> = options
        .map(|option| (option.get_id().as_str(), option))
        .filter(|(id, _)| (given(id) || *id == "seed") && !left_out.contains(id))
        .collect();
    options.sort_by_key(|(id, _)| (*id != "seed", matches.index_of(id)));
    let mut line = format!("triform {name}");
    for (id, option) in options {
        line += &format!(" --{}", option.get_long().unwrap_or(id));
        if option.get_action().takes_values() {
            let values = matches.get_raw(id).into_iter().flatten();
            let values: Vec<String> = values.map(|v| quoted(&v.to_string_lossy())).collect();
            line += &format!(" {}", values.join(","));
        }
    }
    line
}

/// Writes a report. A pipe that was closed early ends it quietly.
fn print(output: &mut dyn Write, text: &str) -> Result<()> {
    let written = output.write_all(text.as_bytes()).and_then(|()| output.flush());
    match written {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
            let path = "standard output".into();
            Err(Error::Io { action: "write", path, source: error })
        }
        _ => Ok(()),
    }
}

/// As a shell reads it.
fn quoted(text: &str) -> String {
    // Only a NUL cannot be quoted, and no argument has one.
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::{Arguments, repeat};

    #[test]
    fn a_command_is_repeated_as_it_was_given() {
        for (given, again) in [
            ("--rung R1,R3 --json --cases 5", "triform verify --seed 0 --rung R1,R3 --cases 5"),
            ("verify --seed 7 --threads 2", "triform verify --seed 7"),
            ("verify --block 8x2x2 --seed 1", "triform verify --seed 1 --block 8x2x2"),
            (
                "verify --image it's.png --no-memory-check",
                r#"triform verify --seed 0 --image "it's.png" --no-memory-check"#,
            ),
        ] {
            let words = ["triform"].into_iter().chain(given.split(' '));
            let matches = Arguments::command().try_get_matches_from(words).unwrap();
            let matches = matches.subcommand().map_or(&matches, |(_, matches)| matches);
            assert_eq!(repeat("verify", matches, &["json", "threads"]), again);
        }
    }
}
