//! Whether a mistake was met.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// Set once a mistake had something to get wrong: a path to drop, a NaN rule to break. Where it
/// never is, a check that saw nothing has not missed anything: the mistake does not apply there.
#[derive(Clone, Debug, Default)]
pub(super) struct Met(Arc<AtomicBool>);

impl Met {
    /// Sets it if `met`.
    pub(super) fn meet(&self, met: bool) {
        if met {
            self.0.store(true, Ordering::Relaxed);
        }
    }

    /// Whether it was set.
    pub(super) fn is_met(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}
