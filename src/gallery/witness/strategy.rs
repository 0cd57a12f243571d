//! Examples that the property tester draws and then makes as small as possible.

use std::ops::RangeInclusive;

use ndarray::Array4;
use proptest::collection::vec;
use proptest::prelude::{Just, Strategy, any};

use super::example::{Example, Mode};
use crate::block::{BatchNorm, BlockNorms, BlockSpec, BlockWeights, Layer, Shortcut, StrideOn};
use crate::error::Result;
use crate::evidence::Layout;
use crate::gallery::Kind;

/// Sizes of an example: images, input channels, paths, width, output channels, map.
type Sizes = (usize, usize, usize, usize, usize, (usize, usize));
/// Whether the kernel is 3x3, whether the stride is 2, whether the stride is on the first 1x1, and whether there is a
/// shortcut.
type Geometry = (bool, bool, bool, bool);

/// The largest width of a path, and the largest number of channels of all paths together.
const WIDTH: usize = 2;
const INNER: usize = 3 * WIDTH;
/// The largest number of channels of input and output.
const CHANNELS: usize = 2;
const TAPS: usize = 9;
const MAP: usize = 3;

/// Numbers to fill an example with. There are enough for the largest example. Each number has a fixed place, so
/// shrinking a size does not change the numbers. There are four kernels, of INNER x CHANNELS, INNER x WIDTH x TAPS,
/// CHANNELS x INNER and CHANNELS x CHANNELS numbers. The input has 2 x CHANNELS x MAP x MAP numbers.
type Numbers = (Vec<i32>, Vec<i32>, Vec<i32>, Vec<i32>, Vec<i32>);

/// In the input, this value stands for NaN.
const NAN: i32 = 3;

/// For each channel, layer by layer: gamma - 1, beta, mean.
type Norms = Vec<(i32, i32, i32)>;

/// Examples of a kind, with at least this many paths and input channels. Parts that are drawn first are shrunk first.
/// So the batch norms become the identity if they can, and the input and the weights show the difference.
pub(super) fn examples(
    kind: Kind,
    (paths, channels): (usize, usize),
) -> impl Strategy<Value = Example> {
    let maps = (1..=MAP, 1..=MAP);
    let sizes = (1..=2usize, channels..=CHANNELS, paths..=3, 1..=WIDTH, 1..=CHANNELS, maps);
    let geometry = (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>());
    let plain = kind == Kind::Numbers;
    let uses = (flag(plain), flag(plain), flag(kind == Kind::Epsilon));
    let norms = vec((-2..=1, -2..=2, -2..=2), 2 * INNER + 2 * CHANNELS);
    let moves = match kind {
        Kind::Derivatives | Kind::Gradients | Kind::TrainingGradients => -2..=2,
        _ => 0..=0,
    };
    let weights = if kind == Kind::ManyBits { -4096..=4096 } else { -2..=2 };
    let inputs = if kind == Kind::NotANumber { -2..=NAN } else { -2..=2 };
    let moves = numbers(moves.clone(), moves);
    (sizes, geometry, uses, norms, moves, numbers(weights, inputs)).prop_map(
        move |(sizes, geometry, uses, norms, moves, numbers)| {
            build(kind, sizes, geometry, uses, &norms, &moves, &numbers)
                .unwrap_or_else(|error| unreachable!("all sizes suit each other: {error}"))
        },
    )
}

fn numbers(
    weights: RangeInclusive<i32>,
    inputs: RangeInclusive<i32>,
) -> impl Strategy<Value = Numbers> {
    let kernel = |length| vec(weights.clone(), length);
    (
        kernel(INNER * CHANNELS),
        kernel(INNER * WIDTH * TAPS),
        kernel(CHANNELS * INNER),
        kernel(CHANNELS * CHANNELS),
        vec(inputs, 2 * CHANNELS * MAP * MAP),
    )
}

/// Fills kernels and an input of these shapes with the numbers.
fn fill(
    (reduce, transform, expand, projection, x): &Numbers,
    spec: BlockSpec,
    (n, map): (usize, (usize, usize)),
) -> Result<Filled> {
    let (d, k) = (spec.width(), spec.kernel());
    // The place of channel j of path i, the same for every width.
    let inner = |channel: usize| channel / d * WIDTH + channel % d;
    let of = |numbers: &[i32], at: usize| numbers[at] as f32;
    let mut layers = Layer::ALL.into_iter();
    let weights = BlockWeights::from_fn(spec, |shape| {
        let layer = layers.next();
        Array4::from_shape_fn(shape, |(o, c, u, v)| match layer {
            Some(Layer::Reduce) => of(reduce, inner(o) * CHANNELS + c),
            Some(Layer::Transform) => {
                // The only tap of a 1x1 is the middle one of a 3x3.
                let tap = if k == 1 { TAPS / 2 } else { u * k + v };
                of(transform, (inner(o) * WIDTH + c) * TAPS + tap)
            }
            Some(Layer::Expand) => of(expand, o * INNER + inner(c)),
            _ => of(projection, o * CHANNELS + c),
        })
    });
    let x = Array4::from_shape_fn((n, spec.c_in(), map.0, map.1), |(n, c, i, j)| {
        of(x, ((n * CHANNELS + c) * MAP + i) * MAP + j)
    });
    Ok((weights?, x))
}

/// Kernels and an input.
type Filled = (BlockWeights<f32>, Array4<f32>);

/// A random flag if the flag matters, otherwise false.
fn flag(matters: bool) -> proptest::strategy::BoxedStrategy<bool> {
    if matters { any::<bool>().boxed() } else { Just(false).boxed() }
}

fn build(
    kind: Kind,
    (n, c_in, paths, width, c_out, map): Sizes,
    (has_taps, has_stride, stride_on_1x1, has_shortcut): Geometry,
    (transposed, second_call, epsilon_counts): (bool, bool, bool),
    norms: &Norms,
    moves: &Numbers,
    numbers: &Numbers,
) -> Result<Example> {
    let stride_on = if stride_on_1x1 { StrideOn::Reduce } else { StrideOn::Transform };
    let spec = BlockSpec::new(c_in, paths, width, c_out)?
        .with_kernel(if has_taps { 3 } else { 1 })?
        .with_stride(if has_stride { 2 } else { 1 }, stride_on)?;
    let spec = if has_shortcut { spec } else { spec.with_shortcut(Shortcut::None)? };
    let (weights, mut x) = fill(numbers, spec, (n, map))?;
    if kind == Kind::NotANumber {
        x.mapv_inplace(|x| if x == NAN as f32 { f32::NAN } else { x });
    }
    let mode = match kind {
        Kind::Derivatives => Mode::Derivative(Box::new(fill(moves, spec, (n, map))?)),
        Kind::Training => Mode::Training,
        Kind::Gradients | Kind::TrainingGradients => {
            let training = kind == Kind::TrainingGradients;
            let (h, w) = spec.output_map(map)?;
            // There is a number for each element of the largest input, and outputs are never larger than inputs.
            let v = Array4::from_shape_fn((n, spec.c_out(), h, w), |(n, c, i, j)| {
                moves.4[((n * CHANNELS + c) * MAP + i) * MAP + j] as f32
            });
            Mode::Gradient { training, v }
        }
        _ => Mode::Evaluation,
    };
    let layout = if transposed { Layout::Transposed } else { Layout::Standard };
    let norms = block_norms(kind, &weights, norms, epsilon_counts)?;
    Ok(Example { norms, x, weights, layout, second_call, mode })
}

/// The batch norms of an example. In inference mode, variance and epsilon sum to 1, so the batch norms divide by 1.
fn block_norms(
    kind: Kind,
    weights: &BlockWeights<f32>,
    numbers: &Norms,
    epsilon_counts: bool,
) -> Result<BlockNorms<f32>> {
    let epsilon = match kind {
        // The variance of a batch may well be 0.
        Kind::Training | Kind::TrainingGradients => 1.0,
        _ if epsilon_counts => 0.75,
        _ => 0.0,
    };
    let in_training = matches!(kind, Kind::Training | Kind::TrainingGradients);
    let variance = if in_training { 1.0 } else { 1.0 - epsilon };
    let spec = weights.spec();
    // The place of channel j of path i, the same for every width.
    let inner = |channel: usize| channel / spec.width() * WIDTH + channel % spec.width();
    let layer = |first: usize, channels: usize, place: &dyn Fn(usize) -> usize| {
        let own = (0..channels).map(|channel| {
            let (gamma, beta, mean) = numbers[first + place(channel)];
            [1.0 + gamma as f32, beta as f32, mean as f32, variance]
        });
        BatchNorm::of_channels(&own.collect::<Vec<_>>(), epsilon)
    };
    BlockNorms::from_fn(weights.shortcut().is_some(), |at| match at {
        Layer::Reduce => layer(0, spec.inner(), &inner),
        Layer::Transform => layer(INNER, spec.inner(), &inner),
        Layer::Expand => layer(2 * INNER, spec.c_out(), &|channel| channel),
        _ => layer(2 * INNER + CHANNELS, spec.c_out(), &|channel| channel),
    })
}

#[cfg(test)]
mod tests {
    use proptest::strategy::{Strategy as _, ValueTree as _};
    use proptest::test_runner::TestRunner;

    use super::{Kind, examples};

    /// There are enough numbers for every size.
    #[test]
    fn examples_can_be_drawn() {
        let mut runner = TestRunner::deterministic();
        for kind in [Kind::Numbers, Kind::Epsilon, Kind::Training, Kind::TrainingGradients] {
            for _ in 0..50 {
                let example = examples(kind, (2, 1)).new_tree(&mut runner).unwrap().current();
                assert!(example.weights.spec().cardinality() >= 2);
            }
        }
    }
}
