//! The progress bar: on a terminal only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use triform::evidence::progress::Progress;

/// A bar on standard error that says what is being done, or nothing where that is no terminal; gone when
/// it is dropped.
pub(super) struct Bar<'a> {
    bar: ProgressBar,
    start: Instant,
    interrupted: &'a AtomicBool,
}

impl<'a> Bar<'a> {
    pub(super) fn new(interrupted: &'a AtomicBool) -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
            bar.set_style(style);
        }
        Self { bar, start: Instant::now(), interrupted }
    }
}

impl Drop for Bar<'_> {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

impl Progress for Bar<'_> {
    fn step(&self, number: usize, steps: usize, what: &str) {
        self.bar.set_length(steps as u64);
        self.bar.set_position(number as u64);
        self.bar.set_message(what.to_owned());
    }

    fn stopped(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn now(&self) -> f64 {
        self.start.elapsed().as_secs_f64() * 1e3
    }
}
