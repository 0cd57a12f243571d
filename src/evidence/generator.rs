//! Random blocks on which mistakes show.
//!
//! The data decides what a comparison can see. Some data hides whole classes of mistakes: batch norms at their initial
//! values, inputs of one sign, square maps, a single image or a single path. So there is a contract ([`CLAUSES`]), and
//! [`contract`] makes only cases that keep it. One more condition can be checked only when the block is run: no hidden
//! channel may be dead or pass everything (see [`super::live`]). Otherwise, what a form does to that channel would not
//! show. A few cases fail this check.
//!
//! There is only one generator. The tests pass its strategy to proptest, which shrinks failing cases. The program draws
//! cases by seed and number ([`sample`]). [`degenerate`] makes cases that hide mistakes. Such cases must run without
//! error, but they are evidence for nothing.

use ndarray::{Array4, ArrayView4, Axis, s};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::RngCore;

use crate::block::{BlockSpec, BlockWeights, Shortcut, StrideOn};
use crate::error::Result;
use crate::evidence::{Choice, LiveNorms};
use crate::random::{Purpose, Seed};
use crate::scalar::{Additive, Int, Real};

/// A block of small integers and an input for it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its shape.
    pub spec: BlockSpec,
    /// Its kernels.
    pub weights: BlockWeights<Int>,
    /// N x C_in x H x W.
    pub x: Array4<Int>,
    /// The memory layout of the input.
    pub layout: Layout,
    /// The free parameters of the batch norms. The channels use these cyclically.
    pub choices: Vec<Choice>,
}

/// The memory layout of a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Standard,
    /// Stored in every second row of a larger tensor, each row from right to left.
    Stepped,
    /// Column by column, image innermost.
    Transposed,
}

impl Layout {
    /// The same tensor in this memory layout.
    pub fn lay<S: Clone>(self, x: &Array4<S>) -> Array4<S> {
        let (n, c, h, w) = x.dim();
        match self {
            Self::Standard => x.clone(),
            // The rows in between hold different values, so that reading them is noticed.
            Self::Stepped => Array4::from_shape_fn((n, c, 2 * h, w), |(n, c, i, j)| {
                x[[n, c, (i / 2 + i % 2) % h, w - 1 - j]].clone()
            })
            .slice_move(s![.., .., ..;2, ..;-1]),
            Self::Transposed => {
                let turned = x.view().permuted_axes([3, 2, 1, 0]);
                turned.as_standard_layout().into_owned().permuted_axes([3, 2, 1, 0])
            }
        }
    }
}

/// The shapes of a block and an input for it, without the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The block's shape.
    pub spec: BlockSpec,
    /// The number of images.
    pub n: usize,
    /// H x W.
    pub map: (usize, usize),
    /// The memory layout of the input.
    pub layout: Layout,
}

impl Shape {
    /// One image, row by row.
    pub fn new(spec: BlockSpec, map: (usize, usize)) -> Self {
        Self { spec, n: 1, map, layout: Layout::Standard }
    }

    /// Kernels and an input of these shapes, each element drawn by `element`.
    pub fn draw<S: Additive>(
        &self,
        mut element: impl FnMut() -> S,
    ) -> Result<(BlockWeights<S>, Array4<S>)> {
        let mut tensor = |shape: [usize; 4]| Array4::from_shape_simple_fn(shape, &mut element);
        let weights = BlockWeights::from_fn(self.spec, &mut tensor)?;
        let x = tensor([self.n, self.spec.c_in(), self.map.0, self.map.1]);
        Ok((weights, self.layout.lay(&x)))
    }
}

impl Case {
    /// The batch norms of this case. The norm of a channel is set when the channel's sums are first seen.
    pub fn live(&self) -> LiveNorms<'_> {
        // 7 x layer, so that the layers start at different choices.
        let choose = |layer, channel| self.choices[(7 * layer + channel) % self.choices.len()];
        LiveNorms::new(choose)
    }

    /// The shape of this case, without its numbers.
    pub fn shape(&self) -> Shape {
        let (n, _, h, w) = self.x.dim();
        Shape { spec: self.spec, n, map: (h, w), layout: self.layout }
    }
}

/// An integer as a float: exact if it is small enough, NaN if it is poisoned.
pub(crate) fn float<S: Real>(integer: &Int) -> S {
    S::from_f64(integer.value().map_or(f64::NAN, |value| value as f64))
}

/// The case with this seed and number. `attempt` counts how often the case was drawn again.
pub fn sample(seed: Seed, number: u64, attempt: u64) -> Case {
    draw(&contract(), seed, number, attempt)
}

/// The case of [`degenerate`] with this seed, number and attempt.
pub fn sample_degenerate(seed: Seed, number: u64, attempt: u64) -> Case {
    draw(&degenerate(), seed, number, attempt)
}

fn draw(strategy: &impl Strategy<Value = Case>, seed: Seed, number: u64, attempt: u64) -> Case {
    let mut bytes = [0; 32];
    seed.stream(Purpose::Cases, &[number, attempt]).fill_bytes(&mut bytes);
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    match strategy.new_tree(&mut TestRunner::new_with_rng(Config::default(), rng)) {
        Ok(tree) => tree.current(),
        Err(reason) => unreachable!("no part of the strategies rejects anything: {reason}"),
    }
}

/// A block's shape, the number of images and the map size.
type Sizes = (BlockSpec, usize, (usize, usize));

/// Cases that keep the contract.
pub fn contract() -> impl Strategy<Value = Case> {
    let paths = prop_oneof![Just((3, 2)), Just((4, 2)), Just((4, 3)), Just((5, 2)), Just((5, 3))];
    let map = (3usize..7, 1usize..3, any::<bool>()).prop_map(|(small, more, high)| {
        if high { (small + more, small) } else { (small, small + more) }
    });
    let channels = prop_oneof![
        (3usize..7).prop_map(|c| (c, c)),
        // C_out is any value of 2..6 except C_in.
        (2usize..6, 1usize..4).prop_map(|(i, more)| (i, 2 + (i - 2 + more) % 4)),
    ];
    let sizes = (2usize..4, paths, channels, map, geometry()).prop_map(sizes);
    sizes.prop_flat_map(|sizes| case(sizes, true))
}

/// Cases whose sizes may break the contract: one image, one path, one channel, square maps, a single pixel.
pub fn degenerate() -> impl Strategy<Value = Case> {
    let paths = (1usize..4, 1usize..3);
    let channels = (1usize..4, 1usize..4);
    let map = (1usize..5, 1usize..5);
    let sizes = (1usize..3, paths, channels, map, geometry()).prop_map(sizes);
    sizes.prop_flat_map(|sizes| case(sizes, false))
}

/// The kernel size, the stride, the layer that has the stride, and the shortcut. The last is `None` if the shapes
/// decide the shortcut.
type Geometry = (usize, usize, StrideOn, Option<Shortcut>);

fn geometry() -> impl Strategy<Value = Geometry> {
    (
        prop_oneof![4 => Just(3usize), 1 => Just(1), 1 => Just(5)],
        1usize..3,
        prop_oneof![Just(StrideOn::Transform), Just(StrideOn::Reduce)],
        prop_oneof![
            3 => Just(None),
            1 => Just(Some(Shortcut::None)),
            1 => Just(Some(Shortcut::Projection)),
        ],
    )
}

type Drawn = (usize, (usize, usize), (usize, usize), (usize, usize), Geometry);

fn sizes((n, (c, d), (c_in, c_out), map, geometry): Drawn) -> Sizes {
    let (kernel, stride, stride_on, shortcut) = geometry;
    let spec = || {
        let spec = BlockSpec::new(c_in, c, d, c_out)?;
        let spec = spec.with_kernel(kernel)?.with_stride(stride, stride_on)?;
        shortcut.map_or(Ok(spec), |shortcut| spec.with_shortcut(shortcut))
    };
    match spec() {
        Ok(spec) => (spec, n, map),
        Err(error) => unreachable!("the sizes drawn are small, and none is 0: {error}"),
    }
}

/// A case of these sizes. If `contract` is set, the numbers are corrected to keep the clauses about numbers
/// ([`keep_the_contract`]). Sizes drawn by [`contract`] already keep the clauses about sizes.
fn case((spec, n, (h, w)): Sizes, contract: bool) -> impl Strategy<Value = Case> {
    let (c_in, inner, width, c_out) = (spec.c_in(), spec.inner(), spec.width(), spec.c_out());
    let k = spec.kernel();
    let projection = spec.shortcut() == Shortcut::Projection;
    (
        kernel([inner, c_in, 1, 1], 8),
        kernel([inner, width, k, k], 4),
        kernel([c_out, inner, 1, 1], 4),
        kernel([c_out, c_in, 1, 1], 4),
        tensor([n, c_in, h, w], 8),
        prop_oneof![Just(Layout::Standard), Just(Layout::Stepped), Just(Layout::Transposed)],
        vec(choice(), 4 * inner + 1),
    )
        .prop_map(
            move |(mut reduce, mut transform, mut expand, shortcut, mut x, layout, mut choices)| {
                if contract {
                    keep_the_contract(
                        [&mut reduce, &mut transform, &mut expand, &mut x],
                        &mut choices,
                    );
                }
                let shortcut = projection.then_some(shortcut);
                match BlockWeights::new(spec, reduce, transform, expand, shortcut) {
                    Ok(weights) => Case { spec, weights, x, layout, choices },
                    Err(error) => unreachable!("the shapes are the block's own: {error}"),
                }
            },
        )
}

/// Corrects numbers that break the contract, and leaves all others unchanged.
///
/// A freely drawn kernel of 12 weights has only one sign once in 2^11 draws. Other clauses fail more rarely. Long runs
/// meet all of these failures, so the numbers are corrected.
fn keep_the_contract([reduce, transform, expand, x]: [&mut Array4<Int>; 4], norms: &mut [Choice]) {
    let zero = Int::from(0);
    for values in [reduce, &mut *transform, expand, x] {
        let (a, b, c, d) = values.dim();
        if !values.iter().any(|value| *value > zero) {
            values[[0; 4]] = Int::from(1);
        }
        if !values.iter().any(|value| *value < zero) {
            values[[a - 1, b - 1, c - 1, d - 1]] = Int::from(-1);
        }
    }
    if !is_asymmetric(transform.view()) {
        let last = transform.len_of(Axis(2)) - 1;
        // Any symmetry of the taps would make two of these three corners equal.
        transform[[0, 0, 0, 0]] = Int::from(2);
        transform[[0, 0, 0, last]] = Int::from(-2);
        transform[[0, 0, last, 0]] = Int::from(1);
    }
    for choice in &mut *norms {
        for value in [&mut choice.mean, &mut choice.beta] {
            if *value == 0.0 {
                *value = 0.5;
            }
        }
    }
    let negative = norms.iter().filter(|choice| choice.negative).count();
    if negative == 0 || negative == norms.len() {
        norms[0].negative = negative == 0;
    }
}

/// Whether a tensor has a value above 0 and a value below 0.
fn has_both_signs(x: ArrayView4<'_, Int>) -> bool {
    let zero = Int::from(0);
    x.iter().any(|value| *value > zero) && x.iter().any(|value| *value < zero)
}

/// Whether the kernel has no symmetry. Turning the taps by 180 degrees, mirroring them and transposing them must each
/// change the kernel. A kernel of one tap counts as asymmetric.
fn is_asymmetric(kernel: ArrayView4<'_, Int>) -> bool {
    let k = kernel.len_of(Axis(2));
    let differs = |at: fn(usize, usize, usize) -> [usize; 2]| {
        kernel.indexed_iter().any(|((o, c, u, v), weight)| {
            let [u, v] = at(u, v, k - 1);
            kernel[[o, c, u, v]] != *weight
        })
    };
    k == 1
        || (differs(|u, v, last| [last - u, last - v])
            && differs(|u, v, last| [last - u, v])
            && differs(|u, v, last| [u, last - v])
            && differs(|u, v, _| [v, u]))
}

/// A tensor of integers, each in -range..=range.
pub fn tensor(shape: [usize; 4], range: i64) -> impl Strategy<Value = Array4<Int>> {
    array(shape, vec(-range..=range, shape.iter().product::<usize>()))
}

/// A tensor of integers, each in -range..=range but not 0. A channel whose weights are all 0 would be constant, and so
/// dead or open.
fn kernel(shape: [usize; 4], range: i64) -> impl Strategy<Value = Array4<Int>> {
    let weight = (0..2 * range).prop_map(move |i| if i < range { i + 1 } else { range - 1 - i });
    array(shape, vec(weight, shape.iter().product::<usize>()))
}

fn array(
    shape: [usize; 4],
    values: impl Strategy<Value = Vec<i64>>,
) -> impl Strategy<Value = Array4<Int>> {
    values.prop_map(move |values| {
        let mut values = values.into_iter().map(Int::from);
        Array4::from_shape_simple_fn(shape, || values.next().unwrap_or_else(Int::zero))
    })
}

fn choice() -> impl Strategy<Value = Choice> {
    (any::<bool>(), 0.0..1.0, 0.0..1.0, -1.0..1.0, -1.0..1.0, 0.2..0.8).prop_map(
        |(negative, gamma, variance, mean, beta, quantile)| Choice {
            negative,
            gamma,
            variance,
            mean,
            beta,
            quantile,
        },
    )
}

/// A condition on a case, in words and in code.
pub type Clause = (&'static str, fn(&Case) -> bool);

/// What must hold for every case. A case that breaks a clause hides mistakes:
///
/// - a single image hides mistakes about batches, and a single path hides all mistakes about paths;
/// - width 1 hides interleaved channels, and C = d hides a swap of C and d;
/// - a square map hides swapped axes, and inputs of one sign can hide mistakes about a ReLU;
/// - constant or symmetric kernels hide that a kernel is transposed, flipped or swapped;
/// - batch norms at their initial values hide a missing shift, and a batch norm that uses another channel's numbers.
pub const CLAUSES: [Clause; 9] = [
    ("two images at least", |case| case.x.len_of(Axis(0)) >= 2),
    ("three paths at least", |case| case.spec.cardinality() >= 3),
    ("paths of width 2 at least", |case| case.spec.width() >= 2),
    ("C other than d", |case| case.spec.cardinality() != case.spec.width()),
    ("a map that is not square", |case| case.x.len_of(Axis(2)) != case.x.len_of(Axis(3))),
    ("inputs of both signs", |case| has_both_signs(case.x.view())),
    ("kernels of both signs", |case| {
        let weights = &case.weights;
        let kernels = [weights.reduce(), weights.transform(), weights.expand()];
        kernels.into_iter().all(has_both_signs)
    }),
    ("a kernel without symmetry", |case| is_asymmetric(case.weights.transform())),
    ("batch norms with nothing at its initial value", |case| {
        // Gamma and the variance are drawn, so a channel has the initial 1 only by chance.
        let moved = |choice: &Choice| {
            choice.mean != 0.0 && choice.beta != 0.0 && (0.0..1.0).contains(&choice.quantile)
        };
        let negative = case.choices.iter().filter(|choice| choice.negative).count();
        case.choices.iter().all(moved) && 0 < negative && negative < case.choices.len()
    }),
];

/// What must occur among many cases. For example, if all strides were 1, a stride on the wrong convolution would not
/// show.
pub const VARIETY: [Clause; 8] = [
    ("stride 1", |case| case.spec.stride() == 1),
    ("stride 2 on the 3x3", |case| case.spec.transform(1).height().stride == 2),
    ("stride 2 on the first 1x1", |case| case.spec.reduce().height().stride == 2),
    ("C_in other than C_out", |case| case.spec.c_in() != case.spec.c_out()),
    ("C_in equal to C_out", |case| case.spec.c_in() == case.spec.c_out()),
    ("a projection", |case| case.spec.shortcut() == Shortcut::Projection),
    ("an input stored in every second row", |case| case.layout == Layout::Stepped),
    ("an input stored column by column", |case| case.layout == Layout::Transposed),
];

/// Among this many cases or more, each entry of [`VARIETY`] must occur. Each entry holds for a case with a probability
/// of at least 1/5. So less than one run in 10^8 misses an entry by chance: 8 x 0.8^100 = 1.6e-9.
pub const MANY: u64 = 100;

/// The number of cases, the varieties seen among them, and the first clause that was broken.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    cases: u64,
    seen: [bool; VARIETY.len()],
    broken: Option<&'static str>,
}

impl Coverage {
    /// The coverage of one case.
    pub fn of(case: &Case) -> Self {
        Self {
            cases: 1,
            seen: VARIETY.map(|(_, holds)| holds(case)),
            broken: CLAUSES.iter().find(|(_, holds)| !holds(case)).map(|(clause, _)| *clause),
        }
    }

    /// The coverage of both sets of cases.
    pub fn and(mut self, other: &Self) -> Self {
        self.cases += other.cases;
        for (seen, other) in self.seen.iter_mut().zip(other.seen) {
            *seen |= other;
        }
        self.broken = self.broken.or(other.broken);
        self
    }

    /// The first clause that is broken, or the first variety missing among many cases, if any.
    pub fn broken(&self) -> Option<&'static str> {
        if self.broken.is_some() || self.cases < MANY {
            return self.broken;
        }
        let missing = VARIETY.iter().zip(self.seen).find(|(_, seen)| !seen);
        missing.map(|((variety, _), _)| *variety)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, s};

    use super::{
        CLAUSES, Case, Coverage, Layout, MANY, VARIETY, keep_the_contract, sample,
        sample_degenerate,
    };
    use crate::block::{BlockSpec, BlockWeights};
    use crate::random::Seed;
    use crate::scalar::{Int, Scalar};

    /// Whatever numbers are drawn, the case made from them keeps every clause.
    #[test]
    fn the_contract_is_kept_by_construction() {
        for (kernel, fill) in [1, 3, 5].into_iter().flat_map(|k| (-1..2).map(move |f| (k, f))) {
            for negative in [true, false] {
                let spec = BlockSpec::new(2, 3, 2, 2).unwrap().with_kernel(kernel).unwrap();
                let all = |shape: [usize; 4]| Array4::from_elem(shape, Int::from(fill));
                let (mut reduce, mut expand) = (all([6, 2, 1, 1]), all([2, 6, 1, 1]));
                let (mut transform, mut x) = (all([6, 2, kernel, kernel]), all([2, 2, 3, 4]));
                let mut case = sample(Seed(0), 0, 0);
                for choice in &mut case.choices {
                    (choice.negative, choice.mean, choice.beta) = (negative, 0.0, 0.0);
                }
                let arrays = [&mut reduce, &mut transform, &mut expand, &mut x];
                keep_the_contract(arrays, &mut case.choices);
                let weights = BlockWeights::new(spec, reduce, transform, expand, None).unwrap();
                let case = Case { spec, weights, x, ..case };
                assert_eq!(Coverage::of(&case).broken(), None, "{kernel}, {fill}: {case:?}");
            }
        }
    }

    fn coverage(draw: impl Fn(u64) -> Case, cases: u64) -> Coverage {
        (0..cases).fold(Coverage::default(), |seen, number| seen.and(&Coverage::of(&draw(number))))
    }

    /// Without the corrections, seeds 140 and 623 would each give a kernel of only one sign.
    #[test]
    fn the_generator_keeps_the_contract() {
        for seed in [0, 1, 2, 3, 140, 623] {
            let seen = coverage(|number| sample(Seed(seed), number, 0), MANY);
            assert_eq!(seen.broken(), None);
        }
    }

    #[test]
    fn the_degenerate_generator_breaks_it() {
        let draw = |number| sample_degenerate(Seed(0), number, 0);
        assert!(coverage(draw, MANY).broken().is_some());
        // Every clause about sizes and signs is broken by some case.
        for (clause, holds) in &CLAUSES[..7] {
            assert!((0..500).any(|number| !holds(&draw(number))), "{clause}");
        }
    }

    /// A clause fails on a case that was changed to break that clause.
    #[test]
    fn each_clause_is_looked_at() {
        let good = sample(Seed(1), 0, 0);
        let broken = |change: &dyn Fn(&mut Case)| {
            let mut case = good.clone();
            change(&mut case);
            Coverage::of(&case).broken()
        };
        assert_eq!(broken(&|_| ()), None);
        let (h, w) = (good.x.shape()[2], good.x.shape()[3]);
        let side = h.min(w);
        let absolute = |x: &Array4<Int>| x.mapv(Int::abs);
        for (clause, change) in [
            (
                "two images at least",
                &(|case: &mut Case| {
                    case.x = case.x.slice(s![..1, .., .., ..]).to_owned();
                }) as &dyn Fn(&mut Case),
            ),
            ("a map that is not square", &|case: &mut Case| {
                case.x = case.x.slice(s![.., .., ..side, ..side]).to_owned();
            }),
            ("inputs of both signs", &|case: &mut Case| case.x = absolute(&case.x)),
            ("kernels of both signs", &|case: &mut Case| {
                case.weights = case.weights.map(|w| w.abs().neg());
            }),
            ("batch norms with nothing at its initial value", &|case: &mut Case| {
                case.choices[3].beta = 0.0;
            }),
            ("batch norms with nothing at its initial value", &|case: &mut Case| {
                case.choices.iter_mut().for_each(|choice| choice.negative = false);
            }),
        ] {
            assert_eq!(broken(change), Some(clause));
        }
        let symmetric = super::is_asymmetric(Array4::from_elem((2, 2, 3, 3), Int::from(2)).view());
        assert!(!symmetric);
    }

    /// A long run in which a required variety never occurs is noticed.
    #[test]
    fn variety_is_looked_for() {
        let same = |number: u64| {
            let mut case = sample(Seed(2), number % 4, 0);
            case.layout = Layout::Standard;
            case
        };
        assert_eq!(coverage(same, MANY - 1).broken(), None, "too few to tell");
        let broken = coverage(same, MANY).broken().unwrap();
        assert!(VARIETY.iter().any(|(variety, _)| *variety == broken));
    }

    /// A tensor has the same elements in every memory layout.
    #[test]
    fn layouts_change_no_element() {
        let x = sample(Seed(3), 0, 0).x;
        for layout in [Layout::Standard, Layout::Stepped, Layout::Transposed] {
            let laid = layout.lay(&x);
            assert_eq!(laid, x);
            assert_eq!(laid.is_standard_layout(), layout == Layout::Standard);
        }
    }

    #[test]
    fn seed_number_and_attempt_decide() {
        let draw = |seed, number, attempt| sample(Seed(seed), number, attempt).x;
        assert_eq!(draw(1, 2, 0), draw(1, 2, 0));
        assert_ne!(draw(1, 2, 0), draw(1, 3, 0));
        assert_ne!(draw(1, 2, 0), draw(1, 2, 1));
        assert_ne!(draw(1, 2, 0), draw(2, 2, 0));
    }
}
