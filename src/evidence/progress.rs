//! What the caller provides for long work: somewhere to report steps, whether to stop, and a clock.
//!
//! The clock is the caller's, since not every machine that the library is compiled for has one.

/// Hears each step of the work, says whether to stop, and tells the time.
pub trait Progress: Sync {
    /// Called before each step, with its number, the number of steps and what it does.
    fn step(&self, _number: usize, _steps: usize, _what: &str) {}

    /// Whether to stop at the next step.
    fn stopped(&self) -> bool {
        false
    }

    /// Milliseconds since any fixed moment. Without a clock every time in a report is 0.
    fn now(&self) -> f64 {
        0.0
    }
}

/// Reports nothing, never stops, has no clock.
pub struct Quiet;

impl Progress for Quiet {}
