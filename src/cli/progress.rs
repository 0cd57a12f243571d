//! The progress bar: on a terminal only.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar on standard error that says what is being done, or nothing where that is no terminal.
pub(super) fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    bar
}

/// Shows each step of the work on a bar: its number, how many there are, what it does.
pub(super) fn steps(bar: &ProgressBar) -> impl Fn(usize, usize, &str) + Sync + '_ {
    |number, steps, what| {
        bar.set_length(steps as u64);
        bar.set_position(number as u64);
        bar.set_message(what.to_owned());
    }
}
