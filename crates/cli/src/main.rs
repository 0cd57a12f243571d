//! The program `triform`; all its code is in the library `triform_cli`.

use std::io::IsTerminal;
use std::process::ExitCode;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use triform::block::Form;
use triform::evidence::any_form::AnyForm;
use triform_cli as cli;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Two signals this close together count as one.
const TOGETHER: Duration = Duration::from_millis(300);

fn main() -> ExitCode {
    // The first Ctrl-C asks the work to stop and report what it has; a later one ends the program.
    // (Two that arrive together count as one: `timeout` signals both the program and its group.) If no
    // handler can be set, the first one ends the program, as usual.
    let first = OnceLock::new();
    let _ = ctrlc::set_handler(move || {
        INTERRUPTED.store(true, Ordering::Relaxed);
        if first.get_or_init(Instant::now).elapsed() > TOGETHER {
            std::process::exit(i32::from(cli::INTERRUPTED));
        }
    });
    let forms = Form::ALL.each_ref().map(|form| form as &dyn AnyForm);
    ExitCode::from(cli::run(
        std::env::args_os(),
        &forms,
        &mut std::io::stdout(),
        std::io::stdout().is_terminal(),
        &mut std::io::stderr(),
        &INTERRUPTED,
    ))
}
