//! The progress bar: on a terminal only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use triform::evidence::progress::Progress;

/// Does some work under a bar on standard error that says what is being done; there is none where that is no
/// terminal, and it is gone when the work is done.
pub(super) fn with_bar<T>(interrupted: &AtomicBool, work: impl FnOnce(&dyn Progress) -> T) -> T {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("{bar:24} {pos}/{len} {wide_msg}") {
        bar.set_style(style);
    }
    let bar = Bar { bar, start: Instant::now(), interrupted };
    let done = work(&bar);
    bar.bar.finish_and_clear();
    done
}

struct Bar<'a> {
    bar: ProgressBar,
    start: Instant,
    interrupted: &'a AtomicBool,
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
