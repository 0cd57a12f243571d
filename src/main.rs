//! The program `triform`; see the library's `cli`.

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};

use triform::block::Form;
use triform::cli;
use triform::evidence::any_form::AnyForm;

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

fn main() -> ExitCode {
    // The first Ctrl-C asks the work to stop and report what it has; the second ends it. Where
    // no handler can be set, the first one ends it, as it would any program.
    let _ = ctrlc::set_handler(|| {
        if INTERRUPTED.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(cli::INTERRUPTED));
        }
    });
    let forms = Form::ALL.each_ref().map(|form| form as &dyn AnyForm);
    ExitCode::from(cli::run(
        std::env::args_os(),
        &forms,
        &mut std::io::stdout(),
        &mut std::io::stderr(),
        &INTERRUPTED,
    ))
}
