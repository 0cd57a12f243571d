//! What the main job finds.

use std::fmt;

use crate::block::BlockSpec;
use crate::count;
use crate::error::Error;
use crate::evidence::compare::Witness;
use crate::evidence::rungs::Rung;
use crate::evidence::rungs::r3_exact_integers::ExactReport;
use crate::evidence::verdict::Finding;

/// The findings of R1 and R3 on one block.
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
    /// What R1 found, if it ran.
    pub rounding: Option<RoundingReport>,
    /// SHA-256 of the bits of form (c)'s output.
    pub digest: String,
    /// What R3 found, if it ran.
    pub exact: Option<ExactReport>,
    /// Hidden channels, in either run, through which nothing passes.
    pub dead_channels: usize,
    /// The worst element of each form and run that is refuted.
    pub refuted: Vec<(Rung, Witness)>,
}

/// R1's findings on one block.
#[derive(Clone, Copy, Debug)]
pub struct RoundingReport {
    /// The derived bound on the difference of two correct forms at any element: the largest.
    pub bound: f64,
    /// The largest part of its ball's radius that any form's element uses; at most 1 if correct.
    pub used: f64,
    /// The same layer by layer, each form fed the same floats.
    pub used_at_cuts: f64,
    /// Whether the bound is larger than the largest output, hence says nothing.
    pub is_blunt: bool,
}

/// Something that could not be verified.
#[derive(Debug)]
pub struct Failure {
    /// By which rung; `None` where a form did not run at all.
    pub rung: Option<Rung>,
    /// On what, in a word.
    pub stage: String,
    /// Why.
    pub error: Error,
}

/// "R4 on conv2: " and why.
impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rung, stage, error } = self;
        match rung {
            Some(rung) => write!(f, "{rung} on {stage}: {error}"),
            None => write!(f, "{stage}: {error}"),
        }
    }
}

/// The findings on all the blocks.
#[derive(Debug)]
pub struct Report {
    /// The seed of every random choice.
    pub seed: u64,
    /// The real blocks in `f32`, one by one, where a rung ran on them.
    pub blocks: Vec<BlockReport>,
    /// Rung by rung, and stage by stage.
    pub findings: Vec<Finding>,
    /// Whether the run was cut short, so that blocks or rungs are missing.
    pub partial: bool,
    /// What could not be verified. What was found beside it is in the report.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Whether something was verified, in full, and no form refuted.
    pub fn holds(&self) -> bool {
        !self.partial && !self.findings.is_empty() && !self.refutes()
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        self.findings.iter().any(Finding::refutes)
    }
}

#[cfg(test)]
mod tests {
    use super::Report;

    /// Nothing verified is not verified; nor is a part.
    #[test]
    fn no_vacuous_report_holds() {
        let report = |partial| Report {
            seed: 0,
            blocks: Vec::new(),
            findings: Vec::new(),
            partial,
            failures: Vec::new(),
        };
        assert!(!report(false).holds() && !report(true).holds());
        assert!(!report(false).refutes());
    }
}
