//! What the caller provides for long work: a receiver of progress, a stop signal, and a clock.
//!
//! The clock comes from the caller because not every target of the library has one.

/// Receives each step of the work, says whether to stop, and tells the time.
pub trait Progress: Sync {
    /// Called before each step with the step's number, the total number of steps, and what the step does.
    fn step(&self, _number: usize, _steps: usize, _what: &str) {}

    /// Whether to stop at the next step.
    fn stopped(&self) -> bool {
        false
    }

    /// Milliseconds since some fixed moment. Without a clock, every time in a report is 0.
    fn now(&self) -> f64 {
        0.0
    }
}

/// Reports nothing, never stops, has no clock.
pub struct Quiet;

impl Progress for Quiet {}
