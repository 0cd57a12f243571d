//! The results of training as a file, and a committed run for figures and claims.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::lockstep::Trained;
use crate::error::{Error, Result};

/// The committed run, written by `triform train --wrong --json assets/training.json`.
const COMMITTED: &str = include_str!("../../assets/training.json");

/// The results of training.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// The result of each form in the fixed order, then of each form in its own order.
    pub runs: Vec<Trained>,
    /// The result of form (c) from weights that are drawn path by path.
    pub by_path: Trained,
    /// In each form's own order, after each step: the largest difference between two forms' weights and
    /// statistics, divided by the largest of these numbers.
    pub drift: Vec<f64>,
    /// The results of wrong blocks. Empty if none were requested, and incomplete if training was stopped.
    pub wrong: Vec<WrongBlock>,
}

/// A wrong block, trained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct WrongBlock {
    /// Its mistake.
    pub mistake: String,
    /// The loss of the last step's batch; `None` where the weights did not stay finite.
    pub loss: Option<f64>,
    /// The share of the test images that the block recognises.
    pub accuracy: Option<f64>,
    /// If `loss` or `accuracy` is `None`, the reason.
    pub why_null: BTreeMap<String, String>,
}

/// The committed run.
///
/// Errors: [`Error::Figure`] for a file that is not a record.
pub fn committed() -> Result<Record> {
    serde_json::from_str(COMMITTED)
        .map_err(|error| Error::Figure { name: "training", why: error.to_string() })
}

impl Record {
    /// The accuracy of the right block in its least accurate run.
    pub fn least_accurate(&self) -> f64 {
        self.runs.iter().fold(1.0, |least, run| run.accuracy.min(least))
    }

    /// How many wrong blocks are at least as accurate as the right block in its least accurate run.
    pub fn as_accurate_as_the_right_one(&self) -> usize {
        let least = self.least_accurate();
        self.wrong.iter().filter(|wrong| wrong.accuracy.is_some_and(|own| own >= least)).count()
    }
}
