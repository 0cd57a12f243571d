//! Random blocks on which a comparison means something.
//!
//! What the data is decides what a comparison can see: with batch norms at their initial values,
//! inputs of one sign, square maps, one image or one path, whole classes of mistakes give the right
//! answer. So there is a contract ([`super::contract`]), and a [`Strategy`] whose every case keeps
//! it, save that now and then a channel is not alive.
//!
//! There is one generator. The tests hand the strategy to proptest, which shrinks what fails; the
//! program draws from it by seed and number ([`sample`]). [`degenerate`] makes the cases that hide
//! mistakes; they must work, and count as evidence for nothing.

use ndarray::{Array4, ArrayView4, Axis, s};
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};
use proptest::prop_oneof;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use rand::RngCore;

use super::live::{Choice, LiveNorms, LiveScalar};
use crate::block::{BlockSpec, BlockWeights, Shortcut, StrideOn};
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
    /// How the input is to lie in memory.
    pub layout: Layout,
    /// What is free in the batch norms; the channels take them in turn.
    pub choices: Vec<Choice>,
}

/// How a tensor lies in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// Row by row.
    Standard,
    /// Every second row of a larger one, each row from right to left.
    Stepped,
    /// Column by column, image innermost.
    Transposed,
}

impl Layout {
    /// The same tensor, lying in memory as this says.
    pub fn lay<S: Clone>(self, x: &Array4<S>) -> Array4<S> {
        let (n, c, h, w) = x.dim();
        match self {
            Self::Standard => x.clone(),
            // Between the rows that count lie others, which differ from them.
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

/// A block and an input for it, but for the numbers.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    /// The block's.
    pub spec: BlockSpec,
    /// Images.
    pub n: usize,
    /// H x W.
    pub map: (usize, usize),
    /// How the input lies in memory.
    pub layout: Layout,
}

impl Shape {
    /// One image, row by row.
    pub fn new(spec: BlockSpec, map: (usize, usize)) -> Self {
        Self { spec, n: 1, map, layout: Layout::Standard }
    }

    /// Kernels and an input of these shapes, each element drawn by `element`.
    ///
    /// # Errors
    ///
    /// Those of [`BlockWeights::new`].
    pub fn draw<S: Additive>(
        &self,
        mut element: impl FnMut() -> S,
    ) -> crate::error::Result<(BlockWeights<S>, Array4<S>)> {
        let spec = self.spec;
        let mut tensor = |shape: [usize; 4]| Array4::from_shape_simple_fn(shape, &mut element);
        let (inner, k) = (spec.inner(), spec.kernel());
        let reduce = tensor([inner, spec.c_in(), 1, 1]);
        let transform = tensor([inner, spec.width(), k, k]);
        let expand = tensor([spec.c_out(), inner, 1, 1]);
        let shortcut = (spec.shortcut() == Shortcut::Projection)
            .then(|| tensor([spec.c_out(), spec.c_in(), 1, 1]));
        let x = tensor([self.n, spec.c_in(), self.map.0, self.map.1]);
        let weights = BlockWeights::new(spec, reduce, transform, expand, shortcut)?;
        Ok((weights, self.layout.lay(&x)))
    }
}

impl Case {
    /// The batch norms of this case, to be set on first sight of the sums.
    pub fn live<S: LiveScalar>(&self) -> LiveNorms<'_, S> {
        // 7 is prime to the number of choices.
        let choose = |layer, channel| self.choices[(7 * layer + channel) % self.choices.len()];
        LiveNorms::new(choose)
    }

    /// The kernels as floats that are no integers, so that sums round.
    pub fn real_weights(&self) -> BlockWeights<f32> {
        self.weights.map(|w| real::<f32>(w) / 7.0)
    }

    /// The input likewise.
    pub fn real_x(&self) -> Array4<f32> {
        self.layout.lay(&self.x.map(|x| real::<f32>(x) / 3.0))
    }

    /// Its shape, without the numbers.
    pub fn shape(&self) -> Shape {
        let (n, _, h, w) = self.x.dim();
        Shape { spec: self.spec, n, map: (h, w), layout: self.layout }
    }

    /// Whether the shortcut is a projection.
    pub fn has_projection(&self) -> bool {
        self.spec.shortcut() == Shortcut::Projection
    }
}

/// An integer of a case as a float, exactly: those drawn are small.
fn real<S: Real>(integer: &Int) -> S {
    S::from_f64(integer.value().map_or(f64::NAN, |value| value as f64))
}

/// The case of this seed and number; `attempt` counts how often it was drawn again.
pub fn sample(seed: Seed, number: u64, attempt: u64) -> Case {
    draw(&contract(), seed, number, attempt)
}

/// A case of [`degenerate`], likewise.
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

/// Sizes of a case.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    n: usize,
    paths: (usize, usize),
    channels: (usize, usize),
    map: (usize, usize),
    geometry: Geometry,
}

#[derive(Clone, Copy, Debug)]
struct Geometry {
    kernel: usize,
    stride: usize,
    stride_on: StrideOn,
    shortcut: Option<Shortcut>,
}

/// Cases that keep the contract.
pub fn contract() -> impl Strategy<Value = Case> {
    let paths = prop_oneof![Just((3, 2)), Just((4, 2)), Just((4, 3)), Just((5, 2)), Just((5, 3))];
    let map = (3usize..7, 1usize..3, any::<bool>()).prop_map(|(small, more, high)| {
        if high { (small + more, small) } else { (small, small + more) }
    });
    let channels = prop_oneof![
        (3usize..7).prop_map(|c| (c, c)),
        // The second is any but the first.
        (2usize..6, 1usize..4).prop_map(|(i, more)| (i, 2 + (i - 2 + more) % 4)),
    ];
    (2usize..4, paths, channels, map, geometry())
        .prop_map(|(n, paths, channels, map, geometry)| Sizes { n, paths, channels, map, geometry })
        .prop_flat_map(|sizes| case(sizes, true))
}

/// Cases that break the contract in every size: one image, one path, one channel, square maps, a
/// single pixel.
pub fn degenerate() -> impl Strategy<Value = Case> {
    let paths = (1usize..4, 1usize..3);
    let channels = (1usize..4, 1usize..4);
    let map = (1usize..5, 1usize..5);
    (1usize..3, paths, channels, map, geometry())
        .prop_map(|(n, paths, channels, map, geometry)| Sizes { n, paths, channels, map, geometry })
        .prop_flat_map(|sizes| case(sizes, false))
}

fn geometry() -> impl Strategy<Value = Geometry> {
    (
        prop_oneof![4 => Just(3usize), 1 => Just(1), 1 => Just(5)],
        1usize..3,
        prop_oneof![Just(StrideOn::Transform), Just(StrideOn::Reduce)],
        prop_oneof![
            3 => Just(None), // whatever the shapes ask for
            1 => Just(Some(Shortcut::None)),
            1 => Just(Some(Shortcut::Projection)),
        ],
    )
        .prop_map(|(kernel, stride, stride_on, shortcut)| Geometry {
            kernel,
            stride,
            stride_on,
            shortcut,
        })
}

/// A case of these sizes. With `contract`, its numbers keep the contract's clauses about numbers
/// ([`keep_the_contract`]), as sizes drawn by [`contract`] keep those about sizes.
fn case(sizes: Sizes, contract: bool) -> impl Strategy<Value = Case> {
    let spec = match spec(&sizes) {
        Ok(spec) => spec,
        Err(error) => unreachable!("the sizes drawn are small, and none is 0: {error}"),
    };
    let (c_in, inner, width, c_out) = (spec.c_in(), spec.inner(), spec.width(), spec.c_out());
    let (k, (h, w)) = (spec.kernel(), sizes.map);
    let projection = spec.shortcut() == Shortcut::Projection;
    (
        kernel([inner, c_in, 1, 1], 8),
        kernel([inner, width, k, k], 4),
        kernel([c_out, inner, 1, 1], 4),
        kernel([c_out, c_in, 1, 1], 4),
        tensor([sizes.n, c_in, h, w], 8),
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

/// Puts right what the draw left out of the contract; what keeps it stays as it is.
///
/// Drawn freely, a kernel of 12 weights has one sign once in 2^11 draws, and other clauses fail more
/// rarely. Long runs meet all of them, so none is left to chance.
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

/// Whether a tensor has a value above 0 and one below.
pub(super) fn has_both_signs(x: ArrayView4<'_, Int>) -> bool {
    let zero = Int::from(0);
    x.iter().any(|value| *value > zero) && x.iter().any(|value| *value < zero)
}

/// Whether turning, mirroring or transposing the taps would change it; one tap has no symmetry to
/// lack.
pub(super) fn is_asymmetric(kernel: ArrayView4<'_, Int>) -> bool {
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

fn spec(sizes: &Sizes) -> crate::error::Result<BlockSpec> {
    let ((c, d), (c_in, c_out)) = (sizes.paths, sizes.channels);
    let Geometry { kernel, stride, stride_on, shortcut } = sizes.geometry;
    let spec = BlockSpec::new(c_in, c, d, c_out)?;
    let spec = spec.with_kernel(kernel)?.with_stride(stride, stride_on)?;
    shortcut.map_or(Ok(spec), |shortcut| spec.with_shortcut(shortcut))
}

/// A tensor of integers, each of -range..=range.
pub fn tensor(shape: [usize; 4], range: i64) -> impl Strategy<Value = Array4<Int>> {
    array(shape, vec(-range..=range, shape.iter().product::<usize>()))
}

/// The same without 0, for a channel whose weights are all 0 is constant, hence not alive.
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

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{Sizes, keep_the_contract, sample, spec};
    use crate::block::{BlockWeights, StrideOn};
    use crate::evidence::contract::Coverage;
    use crate::random::Seed;
    use crate::scalar::Int;

    /// Whatever the numbers are that are drawn, what is made of them keeps every clause.
    #[test]
    fn the_contract_is_kept_by_construction() {
        let mut kept = 0;
        for (kernel, fill, negative) in [1, 3, 5]
            .into_iter()
            .flat_map(|k| (-1..2).flat_map(move |f| [(k, f, true), (k, f, false)]))
        {
            let geometry = super::Geometry {
                kernel,
                stride: 1,
                stride_on: StrideOn::Transform,
                shortcut: None,
            };
            let sizes = Sizes { n: 2, paths: (3, 2), channels: (2, 2), map: (3, 4), geometry };
            let spec = spec(&sizes).unwrap();
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
            let case = super::Case { spec, weights, x, ..case };
            assert_eq!(Coverage::of(&case).broken(), None, "{kernel}, {fill}: {case:?}");
            kept += 1;
        }
        assert_eq!(kept, 18);
    }
}
