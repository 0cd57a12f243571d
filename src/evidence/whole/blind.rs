//! What a block's own numbers hide from the evidence.

use crate::block::BlockNorms;
use crate::block::BlockWeights;
use crate::evidence::rungs::Rung;
use crate::evidence::verdict::{Finding, Verdict};

/// A reason for which mistakes in a block do not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blind {
    /// One path: nothing about paths can be wrong.
    OnePath,
    /// A kernel of zeros alone.
    ZeroKernel,
    /// The last batch norm multiplies by 0, as some start it.
    Silent,
    /// Nothing passes the ReLU after the first 1x1, or after the 3x3.
    Dead,
    /// The map is smaller than the kernel of the 3x3, so that some of its weights never multiply.
    SmallMap,
}

impl Blind {
    /// What `weights` and `norms` hide, on a map of H x W, where `alive` is how many channels pass something
    /// after each of the first two layers.
    pub(super) fn of(
        weights: &BlockWeights<f32>,
        norms: &BlockNorms<f32>,
        (h, w): (usize, usize),
        alive: [usize; 2],
    ) -> Vec<Self> {
        let spec = weights.spec();
        let kernels = [weights.reduce(), weights.transform(), weights.expand()];
        let zero = kernels.iter().any(|kernel| kernel.iter().all(|weight| *weight == 0.0));
        let cases = [
            (Self::OnePath, spec.cardinality() == 1),
            (Self::ZeroKernel, zero),
            (Self::Silent, norms.expand.is_silent()),
            (Self::Dead, alive.contains(&0)),
            (Self::SmallMap, h.min(w) < spec.kernel()),
        ];
        cases.into_iter().filter_map(|(blind, is_so)| is_so.then_some(blind)).collect()
    }

    /// Why, after "in k of the blocks".
    pub fn words(self) -> &'static str {
        match self {
            Self::OnePath => "there is one path, so no mistake about paths is possible",
            Self::ZeroKernel => "a kernel is all zeros, which hides mistakes from every rung",
            Self::Silent => {
                "the last batch norm multiplies by 0, so that R1 and R2 see nothing of the last 1x1"
            }
            Self::Dead => {
                "nothing passes one of the ReLUs, so that R1 and R2 see nothing of the layer after it"
            }
            Self::SmallMap => {
                "the map is smaller than the 3x3, so that R1 and R2 see nothing of some of its weights"
            }
        }
    }

    /// Whether it hides mistakes from a rung. One that draws its data has functions of its own between
    /// the convolutions, and a map that is large enough.
    pub(super) fn hides_from(self, rung: Rung) -> bool {
        let draws_its_data = rung.on_network().is_some_and(|judge| judge.draws_its_data());
        matches!(self, Self::OnePath | Self::ZeroKernel) || !draws_its_data
    }

    /// A finding that refutes nothing, where something was hidden from it, is qualified.
    pub(super) fn qualify(blind: &[Self], finding: &mut Finding) {
        let why = blind.iter().find(|blind| blind.hides_from(finding.rung));
        if let (Some(why), false) = (why, finding.refutes()) {
            let holds = "no form was refuted".to_owned();
            finding.verdict = Verdict::Qualified { holds, but: why.words().to_owned() };
        }
    }
}
