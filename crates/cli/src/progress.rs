//! The progress bar: on a terminal only.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use triform::evidence::progress::Progress;

/// Does some work while a bar on standard error shows the step, the time and the estimated time left. The bar
/// appears only on a terminal and without `--quiet`, and disappears when the work is done.
pub(super) fn with_bar<T>(context: &Context<'_>, work: impl FnOnce(&dyn Progress) -> T) -> T {
    let target = match context.quiet {
        true => ProgressDrawTarget::hidden(),
        false => ProgressDrawTarget::stderr(),
    };
    let bar = ProgressBar::with_draw_target(Some(0), target);
    let template = "{bar:20} {pos}/{len} {elapsed}, about {eta} left: {wide_msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    // The clock keeps running during a long step.
    bar.enable_steady_tick(Duration::from_millis(500));
    let bar = Bar { bar, start: Instant::now(), interrupted: context.interrupted };
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
