//! R9, whole networks: every block in every form, on the activations that it really receives.
//!
//! The network runs once with all its blocks in form (a), once in (b), once in (c), and the logits are compared. That
//! alone is weak evidence, because a difference could be rounding. R1's bound, chained from block to block, outgrows
//! the logits by tens of orders of magnitude. The reason is that each layer's bound assumes that all errors add up. So
//! no end-to-end bound is given for a network. The logits are compared within a chosen tolerance ([`LOGITS`]), and the
//! blocks are judged one by one:
//!
//! - R1, the derived bound, on the block's own weights, batch norms and activations;
//! - R2, to the bit, on the same data, with all sums taken in one order;
//! - R4, the prime field, with the block's own weights ([`crate::evidence::rungs::r4_prime_field`]).
//!
//! If the blocks are equal, so are the networks. Everything else (the stem, the pooling, the basic blocks and the
//! classifier) has no forms. In those parts, the same code runs on the same numbers.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array2, Array3, Array4, ArrayView4, Axis};
use rayon::iter::{IndexedParallelIterator, IntoParallelRefIterator, ParallelIterator};

use super::rungs::{Draw, Rung};
use super::verify::check_forms;
use crate::block::{BlockSpec, Form, Layer};
use crate::conv::Fast;
use crate::error::{Error, Result};
use crate::evidence::{
    AnyForm, Finding, Forms, OnReal, Progress, Verdict, differences, pairs, place,
};
use crate::network::architecture::{Architecture, NamedBlock};
use crate::network::forward::{Network, NetworkFunctions, average_pool};
use crate::network::weights::{NetworkWeights, ResidualWeights, TopWeights};
use crate::random::Seed;

/// The findings about a network.
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
    /// What the evidence cannot show for this network.
    pub notes: Vec<String>,
    /// Whether the run was stopped early, so that results are missing.
    pub partial: bool,
}

/// The findings about a block of a network.
#[derive(Clone, Debug)]
pub struct BlockReport {
    /// Its name in the paper's Table 1, such as `conv3_1`.
    pub name: String,
    /// Its shape.
    pub spec: BlockSpec,
    /// The size of its input map, H x W.
    pub map: (usize, usize),
    /// The largest difference between the outputs of each pair of forms, such as `ab`.
    pub differences: Vec<(String, f64)>,
    /// How many hidden channels are dead.
    pub dead_channels: usize,
    /// The reasons why the block's own numbers can hide mistakes.
    pub blind: Vec<Blind>,
    /// The findings, rung by rung.
    pub findings: Vec<Finding>,
}

impl BlockReport {
    /// Whether mistakes could hide from every rung that ran.
    pub fn is_unseen(&self) -> bool {
        let hidden =
            |finding: &Finding| self.blind.iter().any(|blind| blind.hides_from(finding.rung));
        self.findings.iter().all(hidden)
    }
}

impl NetworkReport {
    /// Whether everything requested was verified, and nothing was refuted.
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

/// The results of a network in one form.
pub struct Ran {
    /// The output of the last block, N x C x h x w.
    pub features: Array4<f32>,
    /// N x classes; the pooled features if the network has no top.
    pub logits: Array2<f32>,
    /// The input of each block.
    pub received: Vec<Array4<f32>>,
}

/// Runs a network on `x` (N x 3 x H x W), with every bottleneck in one form. `keep`: whether to keep the input of
/// each block.
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

/// Refuses logits that are not finite numbers.
pub fn finite(logits: &Array2<f32>) -> Result<()> {
    match logits.indexed_iter().find(|(_, logit)| !logit.is_finite()) {
        Some(((n, class), &value)) => {
            let (what, index) = ("logits".to_owned(), vec![n, class]);
            Err(Error::Overflow { what, index, value: f64::from(value) })
        }
        None => Ok(()),
    }
}

/// Verifies that a network computes the same function in all `forms`. Its blocks are judged by `rungs`, which must
/// be among [`Rung::of_networks`], and its logits are compared. `x`: N x 3 x H x W.
///
/// # Errors
///
/// [`Error::Unsuitable`] for fewer than two forms, for a rung that cannot judge networks, for a network in which no
/// block has forms, and for an empty batch. [`Error::Overflow`] if form (c) leaves the range of f32 with these
/// weights. Also fails for an input that the network cannot take.
pub fn verify(
    forms: Forms<'_>,
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    rungs: &[Rung],
    seed: Seed,
    progress: &dyn Progress,
) -> Result<NetworkReport> {
    check(forms, weights, x, rungs)?;
    let named = weights.architecture().bottlenecks()?;
    let steps = forms.len() + named.len();
    // The blocks receive the activations of form (c) itself, whichever forms are judged.
    let right = run(&Form::Grouped, weights, x, true)?;
    let mut logits = Vec::new();
    for (number, form) in forms.iter().enumerate() {
        if progress.stopped() {
            break;
        }
        progress.step(number, steps, &format!("the network in form ({})", form.letter()));
        logits.push((form.letter(), run(*form, weights, x, false)?.logits));
    }
    let done = AtomicUsize::new(forms.len());
    let blocks = named.par_iter().zip(weights.blocks()).zip(&right.received).enumerate();
    let judged = blocks.filter_map(|(number, ((named, block), x))| {
        let ResidualWeights::Bottleneck(weights, norms) = block else { return None };
        if progress.stopped() {
            return Some(Ok(None));
        }
        progress.step(done.fetch_add(1, Ordering::Relaxed), steps, &named.name);
        let real = OnReal { weights, norms, x: x.view(), outputs: &[] };
        Some(judge(forms, named, real, rungs, (seed, number as u64), progress).map(Some))
    });
    // Wait for all blocks before taking the first error, so that it is always the same one.
    let judged: Vec<_> = judged.collect();
    let judged = judged.into_iter().collect::<Result<Vec<_>>>()?;
    // Checked last, because if a block overflows, its own error names the block.
    finite(&right.logits)?;
    let partial = logits.len() < forms.len() || judged.iter().any(Option::is_none);
    let (n, c, h, w) = x.dim();
    let blocks: Vec<BlockReport> = judged.into_iter().flatten().collect();
    Ok(NetworkReport {
        notes: notes(weights, &blocks),
        architecture: weights.architecture().clone(),
        input: [n, c, h, w],
        seed: seed.0,
        logits: Logits::of(logits, scale(weights.top(), right.features.view())),
        blocks,
        partial,
    })
}

fn check(
    forms: Forms<'_>,
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    rungs: &[Rung],
) -> Result<()> {
    let name = &weights.architecture().name;
    check_forms(forms, rungs.len())?;
    let words = if let Some(rung) = rungs.iter().find(|rung| rung.on_network.is_none()) {
        format!("{rung} does not judge networks with given weights; R1, R2 and R4 do")
    } else if weights.architecture().bottlenecks()?.is_empty() {
        format!(
            "{name} has only blocks of depth 2, which have no forms to compare (paper, Figure 4); to run it, use \
             `triform forward --arch {name}` without --form all"
        )
    } else if x.dim().0 == 0 {
        "the input has no image (N = 0), so there is nothing to verify".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::Unsuitable(words))
}

/// What the evidence could not show, in words.
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
            "In {fresh} of the {} blocks the first two batch norms still have their initial values, 1 and 0, so \
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

/// Judges a block with each of the rungs, on the input that the block received.
fn judge(
    forms: Forms<'_>,
    NamedBlock { name, spec }: &NamedBlock,
    real: OnReal<'_>,
    rungs: &[Rung],
    draw: Draw,
    progress: &dyn Progress,
) -> Result<BlockReport> {
    let (_, _, h, w) = real.x.dim();
    let dead = dead_channels(name, &real)?;
    let blind = Blind::of(&real, dead.map(|dead| spec.inner() - dead));
    let outputs = real.problem().solve_all(forms, &Fast::new())?;
    let real = OnReal { outputs: &outputs, ..real };
    let mut findings = Vec::new();
    for &rung in rungs {
        let Some(on_network) = rung.on_network else { continue };
        let since = progress.now();
        let evidence = (on_network.judge)(forms, &real, draw)?;
        let ms = progress.now() - since;
        let about = (rung, name.as_str(), on_network.scope.to_owned());
        let mut finding = Finding::conclude(about, evidence, draw.0.0, ms)?;
        // If mistakes could hide from a rung that refutes nothing, its verdict is qualified.
        let why = blind.iter().find(|blind| blind.hides_from(rung));
        if let (Some(why), false) = (why, finding.refutes()) {
            let holds = "no form was refuted".to_owned();
            finding.verdict = Verdict::Qualified { holds, but: why.words().to_owned() };
        }
        findings.push(finding);
    }
    Ok(BlockReport {
        name: name.clone(),
        spec: *spec,
        map: (h, w),
        differences: differences(forms, &outputs),
        dead_channels: dead.iter().sum(),
        blind,
        findings,
    })
}

/// The number of dead channels in each of the first two layers. Form (c) itself is run, whichever
/// forms are judged. Its values must stay finite, because no bound covers overflow.
fn dead_channels(name: &str, real: &OnReal<'_>) -> Result<[usize; 2]> {
    let planes = real.problem().planes(&Form::Grouped, &Fast::new(), |_, _| ())?;
    let of = |layer| planes.range((layer, 0)..=(layer, usize::MAX));
    // In computation order.
    for layer in [Layer::Shortcut, Layer::Reduce, Layer::Transform, Layer::Expand, Layer::Output] {
        for ((_, channel), plane) in of(layer) {
            if let Some(((n, h, w), &value)) = plane.indexed_iter().find(|(_, x)| !x.is_finite()) {
                let (index, value) = (vec![n, *channel, h, w], f64::from(value));
                let what = format!("{name} {}", place(layer));
                return Err(Error::Overflow { what, index, value });
            }
        }
    }
    let is_dead = |plane: &Array3<f32>| plane.iter().all(|value| *value <= 0.0);
    let dead = |layer| of(layer).filter(|(_, plane)| is_dead(plane)).count();
    Ok([Layer::Reduce, Layer::Transform].map(dead))
}

/// A reason why mistakes in a block may not show.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Blind {
    /// The block has one path, so no mistake about paths is possible.
    OnePath,
    /// A kernel is all zeros.
    ZeroKernel,
    /// The last batch norm multiplies by 0, as some initialisations set it.
    Silent,
    /// Nothing passes the ReLU after the first 1x1, or after the 3x3.
    Dead,
    /// The map is smaller than the middle convolution's kernel, so some of that kernel's weights may go unused.
    SmallMap,
}

impl Blind {
    /// The reasons that apply to a block. `alive`: how many channels are not dead in each of the first
    /// two layers.
    fn of(real: &OnReal<'_>, alive: [usize; 2]) -> Vec<Self> {
        let OnReal { weights, norms, x, .. } = real;
        let (_, _, h, w) = x.dim();
        let spec = weights.spec();
        let mut kernels = weights.kernels().take(3);
        let zero = kernels.any(|kernel| kernel.iter().all(|weight| *weight == 0.0));
        let cases = [
            (Self::OnePath, spec.cardinality() == 1),
            (Self::ZeroKernel, zero),
            (Self::Silent, norms.expand.is_silent()),
            (Self::Dead, alive.contains(&0)),
            (Self::SmallMap, h.min(w) < spec.kernel()),
        ];
        cases.into_iter().filter_map(|(blind, is_so)| is_so.then_some(blind)).collect()
    }

    /// The reason in words, to follow "In k of the blocks".
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

    /// Whether this hides mistakes from a rung. A rung that draws its own data also has its own functions
    /// between the convolutions, and a map that is large enough.
    fn hides_from(self, rung: Rung) -> bool {
        let draws_its_data = rung.on_network.is_some_and(|judge| judge.draws_its_data);
        matches!(self, Self::OnePath | Self::ZeroKernel) || !draws_its_data
    }
}

/// The largest allowed difference of two forms' logits, relative to [`Logits::scale`]: 1e-5. It is chosen, not
/// derived. On networks for ImageNet, correct forms differ by less than 1e-6. A mistake in one block makes a far larger
/// difference than 1e-5, unless the block contributes almost nothing.
pub const LOGITS: f64 = 1e-5;

/// The logits of each form, N x classes, by the form's letter.
#[derive(Clone, Debug)]
pub struct Logits {
    /// The logits, in the order of the forms.
    pub of_form: Vec<(char, Array2<f32>)>,
    /// The largest absolute value of any logit.
    pub largest: f64,
    /// The sum of the absolute values of a logit's terms, for the logit where this sum is largest.
    pub scale: f64,
    /// The largest difference between the logits of each pair of forms, such as `ab`.
    pub differences: Vec<(String, f64)>,
}

/// The sum of all `|w| |feature|`, plus `|bias|`, for the logit where this sum is largest. The terms themselves may
/// cancel, but rounding is relative to their sizes, not to the logit. If the network has no top, the largest absolute
/// value of a pooled feature.
fn scale(top: Option<&TopWeights>, features: ArrayView4<'_, f32>) -> f64 {
    let pooled = average_pool(features);
    let size = |value: &f32| f64::from(value.abs());
    let Some(top) = top else { return pooled.iter().map(size).fold(0.0, f64::max) };
    let mut largest = 0f64;
    for image in pooled.outer_iter() {
        for (kernel, bias) in top.kernel.axis_iter(Axis(0)).zip(&top.bias) {
            let terms = kernel.iter().zip(&image).map(|(w, x)| size(w) * size(x));
            largest = largest.max(terms.sum::<f64>() + size(bias));
        }
    }
    largest
}

impl Logits {
    fn of(of_form: Vec<(char, Array2<f32>)>, scale: f64) -> Self {
        let sizes = of_form.iter().flat_map(|(_, logits)| logits);
        let largest = sizes.fold(0f64, |largest, value| largest.max(f64::from(value.abs())));
        let apart = |l: usize, r: usize| {
            let pairs = of_form[l].1.iter().zip(&of_form[r].1);
            pairs.fold(0f64, |apart, (l, r)| {
                let difference = (f64::from(*l) - f64::from(*r)).abs();
                // Comparisons with NaN are false, so NaN is checked for explicitly.
                if difference.is_nan() { f64::INFINITY } else { apart.max(difference) }
            })
        };
        let letters: Vec<char> = of_form.iter().map(|(letter, _)| *letter).collect();
        let differences = pairs(&letters, apart);
        Self { of_form, largest, scale, differences }
    }

    /// The differences relative to the largest logit.
    pub fn relative(&self) -> impl Iterator<Item = (&str, f64)> {
        self.differences.iter().map(|(pair, apart)| {
            (pair.as_str(), if *apart == 0.0 { 0.0 } else { apart / self.largest })
        })
    }

    /// Whether each pair of forms agrees within [`LOGITS`].
    pub fn agree(&self) -> bool {
        let allowed = LOGITS * self.scale;
        self.differences.iter().all(|(_, apart)| *apart == 0.0 || *apart <= allowed)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array4, arr2};

    use super::{Logits, scale};
    use crate::network::weights::TopWeights;

    fn of(a: [f32; 2], b: [f32; 2], c: [f32; 2], scale: f64) -> Logits {
        let all = [('a', a), ('b', b), ('c', c)].map(|(letter, x)| (letter, arr2(&[x])));
        Logits::of(all.to_vec(), scale)
    }

    #[test]
    fn logits_are_compared_relative_to_what_they_are_made_of() {
        let logits = of([1.0, -8.0], [1.0, -8.0], [1.5, -8.0], 8.0);
        assert_eq!(logits.largest, 8.0);
        let expected = [("ab", 0.0), ("bc", 0.0625), ("ac", 0.0625)];
        assert_eq!(logits.relative().collect::<Vec<_>>(), expected);
        assert!(!logits.agree());
        // A little less than 1e-5 of the scale, and twice as much.
        assert!(of([0.0, 1.0], [9e-5, 1.0], [0.0, 1.0], 10.0).agree());
        assert!(!of([0.0, 1.0], [2e-4, 1.0], [0.0, 1.0], 10.0).agree());
        // NaN never counts as agreement, whether it is in one form or in all.
        assert!(!of([1.0, 2.0], [1.0, f32::NAN], [1.0, 2.0], 2.0).agree());
        assert!(!of([f32::NAN, 2.0], [f32::NAN, 2.0], [f32::NAN, 2.0], 2.0).agree());
    }

    /// Pooled features 2 and -3, weights 1 and 1, bias -1: 2 + 3 + 1.
    #[test]
    fn terms_that_cancel_count_by_their_size() {
        let values = vec![1.0, 3.0, -3.0, -3.0];
        let features = Array4::from_shape_vec((1, 2, 1, 2), values).unwrap();
        let (kernel, bias) = (Array4::ones((1, 2, 1, 1)), Array1::from_elem(1, -1.0));
        assert_eq!(scale(Some(&TopWeights { kernel, bias }), features.view()), 6.0);
        assert_eq!(scale(None, features.view()), 3.0);
    }
}
