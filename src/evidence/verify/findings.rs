//! What the main job finds.

use serde::Serialize;

use crate::block::BlockSpec;
use crate::count;
use crate::evidence::compare::Witness;

/// Both rungs' findings on one block.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// The block's name, such as conv2_1.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
    /// The map it reads, H x W.
    pub map: (usize, usize),
    /// Parameters of its convolutions.
    pub parameters: count::BlockParameters,
    /// Each form's letter and shortest time, in milliseconds.
    pub times: Vec<(char, f64)>,
    /// For each pair of forms, by their letters: the largest difference.
    pub differences: Vec<(String, f64)>,
    /// The largest output of any form.
    pub largest: f32,
    /// One unit in its last place.
    pub ulp: f64,
    /// The derived bound (R1) on the difference of two correct forms at any element: the largest.
    pub bound: f64,
    /// The largest part of its ball's radius that any form's element uses; at most 1 if correct.
    pub used: f64,
    /// Whether the bound is larger than the largest output, hence says nothing.
    pub bound_is_blunt: bool,
    /// SHA-256 of the bits of form (c)'s output.
    pub digest: String,
    /// The exact run.
    pub exact: ExactReport,
    /// Hidden channels, in either run, through which nothing passes.
    pub dead_channels: usize,
    /// The worst element of each form and run that is refuted.
    pub refuted: Vec<(Rung, Witness)>,
}

/// The exact run's findings on one block.
#[derive(Clone, Debug)]
pub struct ExactReport {
    /// "f32", or "f64" where no integers small enough for `f32` were found.
    pub float: &'static str,
    /// No partial sum exceeds this.
    pub reached: i64,
    /// Partial sums up to this are exact.
    pub limit: i64,
    /// For each pair of forms, by their letters: elements that differ.
    pub differing: Vec<(String, usize)>,
    /// Elements compared.
    pub elements: usize,
}

/// A rung of the ladder of evidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub enum Rung {
    /// Derived bound.
    R1,
    /// Exact integers.
    R3,
}

impl BlockReport {
    /// Whether no form was refuted.
    pub fn holds(&self) -> bool {
        self.refuted.is_empty()
    }
}

/// The findings on all the blocks.
#[derive(Clone, Debug)]
pub struct Report {
    /// The seed of every random choice.
    pub seed: u64,
    /// Block by block.
    pub blocks: Vec<BlockReport>,
    /// Whether the run was cut short, so that blocks are missing.
    pub partial: bool,
}

impl Report {
    /// Whether something was verified, in full, and no form refuted.
    pub fn holds(&self) -> bool {
        !self.partial && !self.blocks.is_empty() && self.blocks.iter().all(BlockReport::holds)
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        self.blocks.iter().any(|block| !block.holds())
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    /// Nothing verified is not verified; nor is a part.
    #[test]
    fn no_vacuous_report_holds() {
        let report = |partial| Report { seed: 0, blocks: Vec::new(), partial };
        assert!(!report(false).holds() && !report(true).holds());
        assert!(!report(false).refutes());
    }
}
