//! The program: arguments, progress, exit status. No mathematics.
//!
//! The exit status is 0 if everything holds, 1 if something does not, 2 for bad input or usage, and 130 if the run was
//! interrupted.

mod args;
mod bench;
mod check;
pub mod checkpoint;
mod colour;
mod completions;
mod count;
mod destination;
mod diagnose;
pub mod error;
mod folder;
pub mod input;
mod machine;
pub mod need;
mod network;
mod onnx;
mod plot;
mod progress;
mod refute;
#[expect(non_camel_case_types, reason = "`object!` names types after keys")]
pub mod report;
mod train;
mod values;
mod verify;

use std::ffi::OsString;
use std::io::{self, Write};
use std::sync::atomic::AtomicBool;

use clap::parser::ValueSource;
use clap::{ArgMatches, ColorChoice, FromArgMatches};

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

/// Runs the program and returns its exit status. The first of the `arguments` is the program's name, and `forms` are
/// the forms to compare. Reports go to `output`, by default in colour if `terminal` is true. Errors go to `errors`,
/// each on one line.
///
/// The forms are an argument, so that a test can pass a wrong form and see that it is refuted.
pub fn run(
    arguments: impl IntoIterator<Item = OsString>,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    terminal: bool,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> u8 {
    let arguments: Vec<OsString> = arguments.into_iter().collect();
    let (command, colour, quiet) = (report::json::Command::default(), terminal, false);
    let mut context = Context { forms, output, colour, quiet, errors, interrupted, command };
    match run_command(&arguments, &mut context) {
        Ok(status) => status,
        Err(Error::Arguments(help)) if !help.use_stderr() => {
            // --help and --version. A pipe that was closed early is not an error.
            let help = help.render();
            let _ = match terminal && colour::wanted() {
                true => write!(context.output, "{}", help.ansi()),
                false => write!(context.output, "{help}"),
            };
            HOLDS
        }
        Err(error) => {
            let commands = args::command();
            let command = arguments.get(1).and_then(|name| commands.find_subcommand(name));
            let line = error.line(command.map(clap::Command::get_name));
            let _ = writeln!(context.errors, "{line}");
            BAD_INPUT
        }
    }
}

/// What every command receives.
struct Context<'a> {
    forms: &'a [&'a dyn AnyForm],
    output: &'a mut dyn Write,
    /// Whether reports are in colour.
    colour: bool,
    /// Whether only errors are printed.
    quiet: bool,
    errors: &'a mut dyn Write,
    interrupted: &'a AtomicBool,
    /// This run: its command, its options, and the command line that repeats the run.
    command: report::json::Command,
}

impl Context<'_> {
    /// Writes a report. A pipe that was closed early is not an error.
    fn print(&mut self, text: &str) -> Result<()> {
        if self.quiet {
            return Ok(());
        }
        let painted = if self.colour { colour::painted(text) } else { text.to_owned() };
        self.write(&painted)
    }

    /// Writes text unchanged, whereas [`print`](Self::print) may colour a report or leave it out.
    fn write(&mut self, text: &str) -> Result<()> {
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
    let matches = args::command().try_get_matches_from(arguments)?;
    let arguments = Arguments::from_arg_matches(&matches)?;
    let (name, matches) = match matches.subcommand() {
        Some((name, of_command)) => {
            only_for_all(name, &matches)?;
            (name, of_command)
        }
        None => ("verify", &matches),
    };
    // An unknown or unavailable SIMD level in the environment is reported before anything is computed.
    Level::chosen().map_err(triform::Error::Kernels)?;
    context.quiet = arguments.manners.quiet;
    context.colour = match arguments.manners.color {
        ColorChoice::Auto => context.colour && colour::wanted(),
        choice => choice == ColorChoice::Always,
    };
    context.command = this_run(name, matches);
    match arguments.command.unwrap_or(Command::Verify(arguments.verify)) {
        Command::Verify(options) => verify::run(&options, context),
        Command::Refute(options) => refute::run(&options, context),
        Command::Explain(options) => refute::explain(&options, context),
        Command::Count(options) => count::run(&options, context),
        Command::Diagnose(options) => diagnose::run(&options, context),
        Command::Forward(options) => network::forward(&options, context),
        Command::Train(options) => train::run(&options, context),
        Command::Cases(options) => check::cases(&options, context),
        Command::Check(options) => check::check(&options, context),
        Command::Grade(options) => check::grade(&options, context),
        Command::Adequacy(options) => check::adequacy(&options, context),
        Command::Bench(options) => bench::run(&options, context),
        Command::Init(options) => network::init(&options, context),
        Command::Plot(options) => plot::run(&options, context),
        Command::Completions(options) => completions::run(&options, context),
    }
}

/// Refuses an option that stands before the name of a command, unless the option is global. Such an option belongs to
/// `triform verify`, so the command would ignore it.
fn only_for_all(command: &str, matches: &ArgMatches) -> Result<()> {
    let given = |id: &str| matches.value_source(id) == Some(ValueSource::CommandLine);
    for option in args::command().get_arguments().filter(|option| !option.is_global_set()) {
        if given(option.get_id().as_str()) {
            let long = option.get_long().unwrap_or_default();
            let words =
                format!("--{long} must come after the command, as in `triform {command} --{long}`");
            return Err(Error::Usage(words));
        }
    }
    Ok(())
}

/// Describes this run: its command, the options that were given, and the seed. The command line that repeats the run
/// leaves out options that change no result.
fn this_run(name: &str, matches: &ArgMatches) -> report::json::Command {
    let left_out = |id: &str| match id {
        "json" | "csv" | "color" | "quiet" | "full" => true,
        // The number of threads changes only times.
        "threads" => name != "bench",
        _ => false,
    };
    let commands = args::command();
    let options = commands.find_subcommand(name).into_iter().flat_map(|c| c.get_arguments());
    let given = |id| matches.value_source(id) == Some(ValueSource::CommandLine);
    let mut options: Vec<_> = options
        .map(|option| (option.get_id().as_str(), option))
        .filter(|(id, _)| given(id) || *id == "seed")
        .collect();
    options.sort_by_key(|(id, _)| (*id != "seed", matches.index_of(id)));
    let mut run = report::json::Command { name: name.to_owned(), ..Default::default() };
    run.repeat = format!("triform {name}");
    for (id, option) in options {
        let takes_values = option.get_action().takes_values();
        let values = matches.get_raw(id).into_iter().flatten().filter(|_| takes_values);
        let values: Vec<String> = values.map(|v| v.to_string_lossy().into_owned()).collect();
        if !left_out(id) {
            let flag = option.get_long().map_or(String::new(), |long| format!(" --{long}"));
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            run.repeat += &match option.get_value_delimiter() {
                _ if values.is_empty() => flag,
                Some(by) => format!("{flag} {}", values.join(&by.to_string())),
                // Each value has its own flag.
                None => values.iter().map(|value| format!("{flag} {value}")).collect(),
            };
        }
        run.options.insert(id.replace('_', "-"), values);
    }
    run
}

/// The text, quoted for a shell.
fn quoted(text: &str) -> String {
    // Only a NUL cannot be quoted, and no argument contains one.
    shlex::try_quote(text).map_or_else(|_| text.to_owned(), |quoted| quoted.into_owned())
}

#[cfg(test)]
mod tests {
    use super::{args, this_run};

    #[test]
    fn a_command_is_repeated_as_it_was_given() {
        for (given, again) in [
            ("--rung R1,R3 --json --cases 5", "triform verify --seed 0 --rung R1,R3 --cases 5"),
            ("verify --seed 7 --threads 2 --quiet", "triform verify --seed 7"),
            ("verify --block 8x2x2 --seed 1", "triform verify --seed 1 --block 8x2x2"),
            (
                "verify --image it's.png --no-memory-check",
                r#"triform verify --seed 0 --image "it's.png" --no-memory-check"#,
            ),
            ("count resnet50 resnet18 --json", "triform count resnet50 resnet18"),
            ("count --block 8x2x2 --block 4x2x2", "triform count --block 8x2x2 --block 4x2x2"),
            ("refute dilated --seed 3", "triform refute --seed 3 dilated"),
        ] {
            let words = ["triform"].into_iter().chain(given.split(' '));
            let matches = args::command().try_get_matches_from(words).unwrap();
            let (name, matches) = matches.subcommand().unwrap_or(("verify", &matches));
            assert_eq!(this_run(name, matches).repeat, again);
        }
    }
}
