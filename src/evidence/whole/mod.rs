//! R9, whole networks: every block in every form, on the activations that it really receives.
//!
//! The network runs once with all its blocks in form (a), once in (b), once in (c), and the logits are
//! compared. That alone is little: a difference cannot be told from rounding, for the bound of R1,
//! chained from block to block, outgrows the logits by tens of orders of magnitude (each layer's bound
//! takes all errors to point one way). So no bound is quoted for a network from end to end, the
//! logits are held against a tolerance that is chosen ([`LOGITS`]), and the evidence is block by block:
//!
//! - R1, the derived bound, on the weights, the batch norms and the activations as they are;
//! - R2, to the bit, where all sums are taken in one order, on the same;
//! - R4, the prime field, with the block's own weights ([`crate::evidence::rungs::r4_prime_field::with_these_weights`]).
//!
//! The equality of the blocks is the equality of the networks: all else, the stem, the pooling, the
//! basic blocks and the classifier, has no forms, and is the same code on the same numbers.

mod blind;
mod block;
mod logits;

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array4, ArrayView4};
use rayon::iter::{IntoParallelIterator, ParallelIterator};

pub use self::blind::Blind;
use self::block::Received;
pub use self::logits::{LOGITS, Logits};
use super::any_form::AnyForm;
use super::progress::Progress;
use super::rungs::Rung;
use super::verdict::Finding;
use crate::block::{BlockSpec, Form};
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::forward::{Network, NetworkFunctions};
use crate::network::weights::{NetworkWeights, ResidualWeights};
use crate::random::Seed;

/// What was found about a network.
#[derive(Clone, Debug)]
pub struct NetworkReport {
    /// The network.
    pub architecture: Architecture,
    /// The input, N x 3 x H x W.
    pub input: [usize; 4],
    /// The seed of every random choice.
    pub seed: u64,
    /// The logits of each form (the pooled features, where the network has no top).
    pub logits: Logits,
    /// The blocks that have forms, in order.
    pub blocks: Vec<BlockReport>,
    /// What keeps the evidence from seeing something.
    pub notes: Vec<String>,
    /// Whether the run was cut short, so that blocks are missing.
    pub partial: bool,
}

/// What was found about a block of a network.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// Its name in the paper's Table 1, such as `conv3_1`.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
    /// The map it receives, H x W.
    pub map: (usize, usize),
    /// For each pair of forms, by their letters: the largest difference of two outputs.
    pub differences: Vec<(String, f64)>,
    /// Hidden channels through whose ReLU nothing passed.
    pub dead_channels: usize,
    /// What its own numbers hide.
    pub blind: Vec<Blind>,
    /// Rung by rung.
    pub findings: Vec<Finding>,
}

impl BlockReport {
    /// Whether something was hidden from every rung that ran.
    pub fn is_unseen(&self) -> bool {
        let hidden =
            |finding: &Finding| self.blind.iter().any(|blind| blind.hides_from(finding.rung));
        self.findings.iter().all(hidden)
    }
}

impl NetworkReport {
    /// Whether all that was asked for was verified, and nothing refuted.
    pub fn holds(&self) -> bool {
        let all_judged = self.blocks.iter().all(|block| !block.findings.is_empty());
        !self.partial && !self.blocks.is_empty() && all_judged && !self.refutes()
    }

    /// Whether a form was refuted, in a block or by its logits.
    pub fn refutes(&self) -> bool {
        self.findings().any(Finding::refutes) || !self.logits.agree()
    }

    /// All findings, block by block.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.blocks.iter().flat_map(|block| &block.findings)
    }
}

/// What a network gave in one form.
pub struct Ran {
    /// Out of the last block, N x C x h x w.
    pub features: Array4<f32>,
    /// N x classes; without a top the pooled features.
    pub logits: Array2<f32>,
    /// What each block received.
    pub received: Vec<Array4<f32>>,
}

/// Runs a network with every bottleneck in one form, on `x`, N x 3 x H x W; what its blocks receive is
/// kept where `keep` says so.
///
/// # Errors
///
/// An input that the network cannot take, or a form that is none.
pub fn run(
    form: &dyn AnyForm,
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    keep: bool,
) -> Result<Ran> {
    let fast = Fast::new();
    let bottleneck = |weights: &_, fast: &_| form.bottleneck(weights, fast);
    let network = Network::prepare(&bottleneck, weights, |x| *x, &fast)?;
    let functions = NetworkFunctions::new(weights)?;
    let mut received = Vec::new();
    let features = network.features(x, &functions, &fast, &mut |_, x| {
        received.extend(keep.then(|| x.to_owned()));
    })?;
    let logits = network.logits(features.view(), &functions, &fast)?;
    Ok(Ran { features, logits, received })
}

/// Refuses logits that are no finite numbers.
///
/// # Errors
///
/// [`Error::Overflow`].
pub fn finite(logits: &Array2<f32>) -> Result<()> {
    match logits.indexed_iter().find(|(_, logit)| !logit.is_finite()) {
        Some(((n, class), &value)) => {
            let (what, index) = ("logits".to_owned(), vec![n, class]);
            Err(Error::Overflow { what, index, value: f64::from(value) })
        }
        None => Ok(()),
    }
}

/// Verifies that a network is one function in all `forms`: its blocks by `rungs`, each of [`Rung::of_networks`],
/// and its logits. `x`: N x 3 x H x W.
///
/// # Errors
///
/// [`Error::Unsuitable`] for fewer than two forms, for another rung, for a network without a block that has
/// forms, for an empty batch; [`Error::Overflow`] for weights with which form (c) leaves the range of f32;
/// an input that the network cannot take.
pub fn verify(
    forms: &[&dyn AnyForm],
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    rungs: &[Rung],
    seed: Seed,
    progress: &dyn Progress,
) -> Result<NetworkReport> {
    check(forms, weights, x, rungs)?;
    let named = weights.architecture().bottlenecks()?;
    let steps = forms.len() + named.len();
    // What the blocks receive is what form (c) itself gives them, whatever the forms do that are judged.
    let right = run(&Form::Grouped, weights, x, true)?;
    let mut logits = Vec::new();
    for (number, form) in forms.iter().enumerate() {
        if progress.stopped() {
            break;
        }
        progress.step(number, steps, &format!("the network in form ({})", form.letter()));
        logits.push((form.letter(), run(*form, weights, x, false)?.logits));
    }
    let blocks = named.into_iter().zip(weights.blocks()).zip(right.received).enumerate();
    let blocks: Vec<Received<'_>> = blocks
        .filter_map(|(number, ((named, block), x))| match block {
            ResidualWeights::Bottleneck(weights, norms) => {
                Some(Received { number, named, weights, norms, x })
            }
            ResidualWeights::Basic(..) => None,
        })
        .collect();
    let done = AtomicUsize::new(forms.len());
    let judged = blocks.into_par_iter().map(|block| -> Result<Option<BlockReport>> {
        if progress.stopped() {
            return Ok(None);
        }
        progress.step(done.fetch_add(1, Ordering::Relaxed), steps, &block.named.name);
        block.judge(forms, rungs, seed, progress).map(Some)
    });
    // All of them, and then the first that failed, so that it is always the same.
    let judged: Vec<_> = judged.collect();
    let judged = judged.into_iter().collect::<Result<Vec<_>>>()?;
    // Only now: a block that overflows has said so, by its name.
    finite(&right.logits)?;
    let partial = logits.len() < forms.len() || judged.iter().any(Option::is_none);
    let (n, c, h, w) = x.dim();
    let blocks: Vec<BlockReport> = judged.into_iter().flatten().collect();
    Ok(NetworkReport {
        notes: notes(weights, &blocks),
        architecture: weights.architecture().clone(),
        input: [n, c, h, w],
        seed: seed.0,
        logits: Logits::of(logits, logits::scale(weights.top(), right.features.view())),
        blocks,
        partial,
    })
}

fn check(
    forms: &[&dyn AnyForm],
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    rungs: &[Rung],
) -> Result<()> {
    let name = &weights.architecture().name;
    if forms.len() < 2 {
        let words = format!("2 forms at least are needed to compare, not {}", forms.len());
        return Err(Error::Unsuitable(words));
    }
    if rungs.is_empty() {
        return Err(Error::Zero { what: "number of rungs" });
    }
    if let Some(rung) = rungs.iter().find(|rung| rung.on_network().is_none()) {
        let words = format!(
            "{rung} draws its own weights; a network of given weights is verified by R1, R2 and R4"
        );
        return Err(Error::Unsuitable(words));
    }
    if weights.architecture().bottlenecks()?.is_empty() {
        let words = format!(
            "{name} is of blocks of depth 2, which have no forms to compare (paper, Figure 4); `triform \
             forward --arch {name}` without --form all runs it"
        );
        return Err(Error::Unsuitable(words));
    }
    if x.dim().0 == 0 {
        return Err(Error::Unsuitable(
            "the input has no image (N = 0): nothing to verify".to_owned(),
        ));
    }
    Ok(())
}

/// What the evidence could not see, in words.
fn notes(weights: &NetworkWeights, blocks: &[BlockReport]) -> Vec<String> {
    let mut notes = Vec::new();
    let all = weights.blocks();
    let fresh = |block: &&ResidualWeights| match block {
        ResidualWeights::Bottleneck(_, norms) => {
            norms.reduce.is_fresh() && norms.transform.is_fresh()
        }
        ResidualWeights::Basic(..) => false,
    };
    let fresh = all.iter().filter(fresh).count();
    if fresh > 0 {
        notes.push(format!(
            "In {fresh} of the {} blocks the first two batch norms are as they are initialised, 1 and 0: \
             mistakes about them do not show in R1 and R2.",
            all.len()
        ));
    }
    let all: BTreeSet<Blind> =
        blocks.iter().flat_map(|block| block.blind.iter().copied()).collect();
    for blind in all {
        let count = blocks.iter().filter(|block| block.blind.contains(&blind)).count();
        notes.push(format!("In {count} of the {} blocks {}.", blocks.len(), blind.words()));
    }
    notes
}
