//! The program: arguments, progress, exit status. No mathematics.
//!
//! Exit status: 0 all holds; 1 something was refuted; 2 bad input or usage; 130 interrupted.

mod args;
mod bench;
pub mod checkpoint;
mod count;
mod destination;
mod diagnose;
pub mod error;
pub mod input;
mod machine;
pub mod need;
mod network;
mod plot;
mod progress;
mod refute;
#[expect(non_camel_case_types, reason = "`object!` names types after keys")]
pub mod report;
mod values;
mod verify;

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
    let again = String::new();
    let mut context = Context { forms, output, errors, interrupted, again };
    match run_command(&arguments, &mut context) {
        Ok(status) => status,
        Err(Error::Arguments(help)) if !help.use_stderr() => {
            // --help and --version. A pipe closed early ends quietly.
            let _ = write!(context.output, "{help}");
            HOLDS
        }
        Err(error) => {
            let commands = Arguments::command();
            let command = arguments.get(1).and_then(|name| commands.find_subcommand(name));
            let line = error.line(command.map(clap::Command::get_name));
            let _ = writeln!(context.errors, "{line}");
            BAD_INPUT
        }
    }
}

/// What every command is handed.
struct Context<'a> {
    forms: &'a [&'a dyn AnyForm],
    output: &'a mut dyn Write,
    errors: &'a mut dyn Write,
    interrupted: &'a AtomicBool,
    /// The command that repeats this run.
    again: String,
}

impl Context<'_> {
    /// Writes a report. A pipe that was closed early ends it quietly.
    fn print(&mut self, text: &str) -> Result<()> {
        let written = self.output.write_all(text.as_bytes()).and_then(|()| self.output.flush());
        match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                let path = "standard output".into();
                Err(Error::Io { action: "write", path, source: error })
            }
            _ => Ok(()),
        }
    }
}

fn run_command(arguments: &[OsString], context: &mut Context<'_>) -> Result<u8> {
    let matches = Arguments::command().try_get_matches_from(arguments)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    let (name, matches) = matches.subcommand().unwrap_or(("verify", &matches));
    // Before anything is computed with other instructions than were asked for.
    Level::chosen().map_err(triform::Error::Kernels)?;
    // The number of threads changes no result but a time.
    let left_out = if name == "bench" { &["json"][..] } else { &["json", "threads"] };
    context.again = repeat(name, matches, left_out);
    match arguments.command.unwrap_or(Command::Verify(arguments.verify)) {
        Command::Verify(options) => verify::run(&options, context),
        Command::Refute(options) => refute::run(&options, context),
        Command::Explain(options) => refute::explain(&options, context),
        Command::Count(options) => count::run(&options, context),
        Command::Diagnose(options) => diagnose::run(&options, context),
        Command::Forward(options) => network::forward(&options, context),
        Command::Bench(options) => bench::run(&options, context),
        Command::Init(options) => network::init(&options, context),
        Command::Plot(options) => plot::run(&options, context),
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
