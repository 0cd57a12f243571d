//! Draws the cases of a suite from a seed.

use ndarray::{Array1, Array4};
use rand::Rng as _;
use rand::seq::IndexedRandom as _;
use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::block::{Asks, Block, exact_norm};
use super::case::{Case, Kind, Operation};
use super::cover::{self, Shape};
use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockSpec, BlockWeights, NormFunctions, Shortcut, StrideOn,
};
use crate::conv::{Along, ConvSpec, Convolution};
use crate::error::{Error, Result};
use crate::evidence::generator;
use crate::evidence::rungs::r3_exact_integers::{ExactCase, LIMIT_F32};
use crate::evidence::rungs::r7_derivatives::backwards::exact_gradients;
use crate::evidence::rungs::r8_training::alive_in_training;
use crate::evidence::{Choice, Layout, RealProblem};
use crate::random::{Purpose, Rng, Seed, normal};
use crate::scalar::Int;

/// Which operations a suite has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ops {
    /// Only convolutions.
    Conv,
    /// Only blocks.
    Block,
    /// Both.
    #[default]
    All,
}

/// What a suite contains.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed for all numbers.
    pub seed: Seed,
    /// The operations.
    pub ops: Ops,
    /// The kinds of cases.
    pub kinds: Vec<Kind>,
    /// Whether to use fewer cases. Every kind still has some cases. They include the shapes that networks use most.
    pub quick: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self { seed: Seed(0), ops: Ops::All, kinds: Kind::IN_FILES.to_vec(), quick: false }
    }
}

/// The most cases of a suite in files.
const MOST: usize = 400;

/// The operand that has large integers. The others are small, so that sums are exact.
#[derive(Clone, Copy, PartialEq)]
enum Large {
    Input,
    Weights,
    Gradient,
}

impl Large {
    /// Each operand has its turn, so that code which rounds only one of them is caught.
    fn of(kind: Kind, path: &[u64]) -> Self {
        let turn = path.last().copied().unwrap_or_default();
        match (kind, turn % 6) {
            (Kind::Gradients, 0 | 3) => Self::Gradient,
            (Kind::Gradients, 1 | 4) => Self::Input,
            (Kind::Gradients, _) => Self::Weights,
            (_, turn) if turn % 2 == 0 => Self::Input,
            _ => Self::Weights,
        }
    }
}

/// The largest integer that is drawn for an operand. Neither bf16 nor TF32 holds all integers up to this size.
const LARGE: i64 = 4095;

/// The cases of a plan, convolutions first. The same plan gives the same cases on every machine.
///
/// Errors: [`Error::NoExactCase`] if no integers are found whose sums are exact. That does not happen for the shapes of
/// this module.
pub fn cases(plan: &Plan) -> Result<Vec<Case>> {
    let mut jobs = Vec::new();
    let wanted = |kind: &Kind| plan.kinds.contains(kind);
    if plan.ops != Ops::Block {
        let shapes = cover::shapes(&mut plan.seed.stream(Purpose::Handout, &[0]));
        let fewer = cover::fewer(&shapes);
        let every = |step: usize| fewer.iter().step_by(step).copied().collect::<Vec<_>>();
        // NaN shows whether one group leaks into another.
        let grouped: Vec<Shape> =
            fewer.iter().filter(|shape| shape.groups() > 1).step_by(5).copied().collect();
        let mut all = [
            (Kind::Integers, shapes.clone(), 4),
            (Kind::Floats, every(6), 0),
            (Kind::Gradients, fewer.clone(), 2),
            (Kind::Specials, grouped.clone(), 1),
            (Kind::Layout, every(3), 4),
        ];
        // The last of `fewer` add the fewest new pairs of values.
        let mut count = 0;
        for (kind, shapes, _) in all.iter().filter(|(kind, ..)| Kind::IN_FILES.contains(kind)) {
            count += shapes.len() + usual(*kind)?.len();
        }
        count += Kind::IN_FILES.into_iter().map(|kind| blocks(kind).len()).sum::<usize>();
        let [.., (_, gradients, _), _, _] = &mut all;
        gradients.truncate(gradients.len() - count.saturating_sub(MOST));
        for (kind, all, quick) in all {
            let mut some = all;
            if plan.quick {
                // The first of `fewer` add the most new pairs of values.
                some = if kind == Kind::Specials { some } else { fewer.clone() };
                some.truncate(quick);
                if kind == Kind::Integers {
                    some.extend(past_a_vector(&shapes));
                }
            }
            let some = some.iter().map(Sizes::of).collect::<Result<Vec<_>>>()?;
            let some = some.into_iter().chain(usual(kind)?).filter(|_| wanted(&kind));
            jobs.extend(some.enumerate().map(|(at, sizes)| (kind, at, Drawn::Conv(sizes))));
        }
    }
    if plan.ops != Ops::Conv {
        for kind in Kind::ALL.into_iter().filter(wanted) {
            let most = match (plan.quick, kind) {
                (false, _) => usize::MAX,
                (true, Kind::Integers) => 4,
                (true, _) => 3,
            };
            let blocks = blocks(kind).into_iter().take(most);
            jobs.extend(blocks.enumerate().map(|(at, block)| (kind, at, Drawn::Block(block))));
        }
    }
    let draw = |(number, (kind, at, drawn)): (usize, (Kind, usize, Drawn))| -> Result<Case> {
        let path = [1, number as u64];
        let (op, operation) = match drawn {
            Drawn::Conv(sizes) => {
                ("conv", Operation::Conv(conv(&sizes, kind, (plan.seed, &path))?))
            }
            Drawn::Block(sized) => {
                ("block", Operation::Block(Box::new(block(&sized, kind, (plan.seed, &path))?)))
            }
        };
        Ok(Case { name: format!("{op}-{}-{at:03}", kind.name()), kind, operation })
    };
    let jobs: Vec<_> = jobs.into_iter().enumerate().collect();
    jobs.into_par_iter().map(draw).collect()
}

/// Shapes whose groups have one channel more than a vector of 8 or of 16 numbers. There is one shape for each vector
/// size, for input channels and for output channels.
fn past_a_vector(shapes: &[Shape]) -> impl Iterator<Item = Shape> + '_ {
    [(0, 9), (1, 9), (0, 17), (1, 17)].into_iter().filter_map(|(side, width)| {
        shapes.iter().find(|shape| shape.widths()[side] == width).copied()
    })
}

/// The sizes of a convolution.
#[derive(Clone, Copy)]
struct Sizes {
    n: usize,
    /// Input and output channels of a group.
    widths: [usize; 2],
    kernel: (usize, usize),
    map: (usize, usize),
    spec: ConvSpec,
}

impl Sizes {
    fn of(shape: &Shape) -> Result<Self> {
        let (n, widths, kernel, map) = (shape.batch(), shape.widths(), shape.kernel(), shape.map());
        Ok(Self { n, widths, kernel, map, spec: shape.spec()? })
    }
}

/// Sizes that real networks use, and sizes that kernels often treat apart: remainders of vectors, of blocks of columns
/// and of batches, and geometry that differs by axis. A covering array need not contain them, and libraries often choose
/// a kernel by all attributes together. Kinds other than integers get only some of these sizes.
fn usual(kind: Kind) -> Result<Vec<Sizes>> {
    // Images, groups, channels of a group (in and out), kernel, stride, padding, map.
    type Square = (usize, usize, [usize; 2], usize, usize, usize, (usize, usize));
    const SQUARE: [Square; 17] = [
        (2, 4, [4, 4], 3, 1, 1, (5, 7)),
        (2, 24, [1, 1], 3, 2, 1, (7, 6)),
        (2, 4, [4, 4], 3, 2, 1, (8, 7)),
        (2, 48, [1, 1], 3, 1, 1, (6, 7)),
        (9, 2, [2, 2], 3, 1, 1, (4, 5)),
        (1, 32, [4, 4], 3, 1, 1, (4, 5)),
        (1, 2, [2, 3], 3, 1, 1, (3, 33)),
        (1, 8, [1, 1], 5, 1, 2, (6, 9)),
        (1, 1, [3, 8], 7, 2, 3, (11, 14)),
        (2, 1, [9, 5], 1, 1, 0, (4, 6)),
        (1, 1, [5, 7], 1, 2, 0, (5, 6)),
        (1, 2, [1, 2], 1, 1, 0, (2, 17)),
        (1, 3, [2, 2], 3, 1, 1, (18, 31)),
        (1, 1, [2, 2], 3, 1, 1, (65, 4)),
        (2, 4, [4, 4], 3, 1, 1, (6, 6)),
        (1, 2, [3, 2], 3, 1, 0, (3, 3)),
        (1, 2, [2, 2], 5, 1, 2, (2, 3)),
    ];
    // Images, groups, channels of a group, kernel, stride, dilation, padding (above, below, left, right), map.
    type ByAxis = (
        usize,
        usize,
        [usize; 2],
        (usize, usize),
        (usize, usize),
        (usize, usize),
        [usize; 4],
        (usize, usize),
    );
    const BY_AXIS: [ByAxis; 9] = [
        (4, 5, [6, 3], (2, 2), (1, 1), (1, 1), [0; 4], (4, 17)),
        (1, 12, [3, 2], (1, 3), (1, 2), (1, 1), [0, 0, 1, 1], (5, 24)),
        (1, 16, [2, 2], (3, 1), (2, 1), (1, 1), [1, 1, 0, 0], (9, 32)),
        (2, 6, [11, 5], (3, 3), (1, 1), (2, 1), [2, 2, 1, 1], (6, 16)),
        (1, 3, [52, 5], (3, 1), (1, 1), (1, 1), [0; 4], (5, 18)),
        (1, 7, [13, 6], (4, 4), (4, 4), (1, 1), [0; 4], (8, 20)),
        (1, 64, [1, 1], (7, 7), (1, 1), (1, 1), [3; 4], (7, 24)),
        (1, 2, [15, 11], (1, 1), (1, 1), (1, 1), [0; 4], (3, 20)),
        (4, 3, [6, 13], (2, 2), (2, 2), (1, 1), [0; 4], (6, 8)),
    ];
    let [square, by_axis] = match kind {
        Kind::Integers => [SQUARE.len(), BY_AXIS.len()],
        Kind::Gradients => [2, BY_AXIS.len()],
        Kind::Floats => [2, 0],
        Kind::Specials | Kind::Layout => [2, 0],
        Kind::Training => [0, 0],
    };
    let of_square = |&(n, groups, widths, k, stride, padding, map): &Square| {
        let spec = ConvSpec::new(stride, padding, 1, groups)?;
        Ok(Sizes { n, widths, kernel: (k, k), map, spec })
    };
    let of_axes = |&(n, groups, widths, kernel, stride, dilation, padding, map): &ByAxis| {
        let [up, down, left, right] = padding;
        let height = Along { stride: stride.0, padding: [up, down], dilation: dilation.0 };
        let width = Along { stride: stride.1, padding: [left, right], dilation: dilation.1 };
        let spec = ConvSpec::by_axis(height, width, groups)?;
        Ok(Sizes { n, widths, kernel, map, spec })
    };
    let square = SQUARE[..square].iter().map(of_square);
    square.chain(BY_AXIS[..by_axis].iter().map(of_axes)).collect()
}

enum Drawn {
    Conv(Sizes),
    Block(SizedBlock),
}

/// A random integer from -range to range, never 0.
fn nonzero(range: i64, rng: &mut Rng) -> f64 {
    let size = rng.random_range(1..=range);
    (if rng.random() { size } else { -size }) as f64
}

/// A random integer whose absolute value is at most `range`. In one of sixteen draws, it may be as large as [`LARGE`].
fn sprinkled(range: i64, rng: &mut Rng) -> f64 {
    let range = if rng.random_range(0..16) == 0 { LARGE } else { range };
    nonzero(range, rng)
}

fn conv(sizes: &Sizes, kind: Kind, (seed, path): (Seed, &[u64])) -> Result<Convolution> {
    let mut rng = seed.stream(Purpose::Handout, path);
    let Sizes { n, widths: [c_in, c_out], kernel: (k_h, k_w), map: (h, w), spec } = *sizes;
    let groups = spec.groups();
    let (x, weight) = ([n, groups * c_in, h, w], [groups * c_out, c_in, k_h, k_w]);
    if kind == Kind::Floats {
        let scale = 1.0 / ((c_in * k_h * k_w) as f32).sqrt();
        let mut floats = |shape: [usize; 4]| normal(shape, &mut rng);
        let (x, weight) =
            (floats(x).mapv(f64::from), floats(weight).mapv(|w| f64::from(w * scale)));
        let bias = floats([groups * c_out, 1, 1, 1]).mapv(f64::from);
        let bias = Array1::from_iter(bias);
        return Ok(Convolution { x, weight, bias, spec, grad_output: None });
    }
    let large = Large::of(kind, path);
    // The range is halved until the certificate holds. It starts where the certificate usually holds.
    let mut range = (LIMIT_F32 / (4 * (c_in * k_h * k_w) as i64)).clamp(3, LARGE);
    loop {
        let mut tensor = |shape: [usize; 4], is_large: bool, small: i64| {
            Array4::from_shape_simple_fn(shape, || match is_large {
                true => sprinkled(range, &mut rng),
                false => nonzero(small, &mut rng),
            })
        };
        let weights = if c_in * k_h * k_w > 1024 { 1 } else { 3 };
        let mut x = tensor(x, large == Large::Input, 7);
        let weight = tensor(weight, large == Large::Weights, weights);
        let bias = Array1::from_iter(tensor([groups * c_out, 1, 1, 1], false, 1000));
        let mut conv = Convolution { x: x.clone(), weight, bias, spec, grad_output: None };
        if kind == Kind::Gradients {
            let output = conv.shape()?.output(conv.x.dim().into())?;
            conv.grad_output = Some(tensor(output, large == Large::Gradient, 7));
        }
        if certified(&conv)? {
            if kind == Kind::Specials {
                let wild = [f64::NAN, f64::INFINITY, f64::NEG_INFINITY];
                for (value, number) in wild.into_iter().zip(1..) {
                    // Far apart, so that each reaches its own part of the output.
                    let (len, at) = (x.len(), x.len() * number / 4);
                    if let Some(x) = x.iter_mut().nth(at.min(len - 1)) {
                        *x = value;
                    }
                }
                conv.x = x;
                // A stride may skip all of them.
                let mut at = 0;
                while !conv.y()?.iter().any(|y| y.is_nan()) && at < conv.x.len() {
                    if let Some(x) = conv.x.iter_mut().nth(at) {
                        *x = f64::NAN;
                    }
                    at += 1;
                }
            }
            return Ok(conv);
        }
        range /= 2;
        if range == 0 {
            let (reached, limit) = (largest(&conv)?, LIMIT_F32);
            return Err(Error::NoExactCase { block: format!("{spec:?}"), reached, limit });
        }
    }
}

/// Whether every partial sum of every output, in any order, is at most 2^24 in absolute value.
pub fn certified(conv: &Convolution) -> Result<bool> {
    Ok(largest(conv)? <= LIMIT_F32)
}

/// Adds the absolute values of the terms of each output, and returns the largest of these sums.
pub(super) fn largest(conv: &Convolution) -> Result<i64> {
    let sizes = conv.of_sizes().outputs()?;
    let all = sizes.iter().flat_map(|(_, array)| array);
    Ok(all.fold(0f64, |most, size| most.max(*size)) as i64)
}

/// A block and the size of its input.
#[derive(Clone, Copy, Debug)]
struct SizedBlock {
    spec: BlockSpec,
    n: usize,
    map: (usize, usize),
}

/// The blocks for cases of a kind. They differ in the number and the width of the paths, in the kernel size and in the
/// place of the stride. Some have a projection. Most maps are not square.
fn blocks(kind: Kind) -> Vec<SizedBlock> {
    let sized = |text: &str, kernel: usize, on: StrideOn, n: usize, map: (usize, usize)| {
        let spec: Result<BlockSpec> = text.parse();
        let stride = |spec: BlockSpec| spec.with_stride(spec.stride(), on);
        match spec.and_then(|spec| spec.with_kernel(kernel)).and_then(stride) {
            Ok(spec) => SizedBlock { spec, n, map },
            Err(error) => unreachable!("{text} is a block: {error}"),
        }
    };
    let (on_3x3, on_1x1) = (StrideOn::Transform, StrideOn::Reduce);
    // The quick suite has the first ones: a projection with and without a stride, and none; another kernel; the stride
    // on the first 1x1.
    let mut all = vec![
        sized("8-4x2-12/2", 3, on_3x3, 2, (5, 4)),
        sized("5-4x3-7", 5, on_3x3, 2, (6, 4)),
        sized("7-5x3-10/2", 3, on_1x1, 3, (6, 5)),
        sized("16x8x3", 3, on_3x3, 2, (5, 3)),
        sized("6x3x2", 3, on_3x3, 2, (4, 5)),
        sized("24-6x4-33/2", 3, on_3x3, 1, (5, 6)),
        sized("9-3x4-16", 3, on_3x3, 1, (3, 6)),
        sized("17-2x9-8", 3, on_3x3, 2, (3, 4)),
        sized("12x12x1", 3, on_3x3, 2, (4, 6)),
        sized("8x1x8", 3, on_3x3, 2, (4, 3)),
        sized("10-7x2-10/2", 1, on_3x3, 2, (3, 5)),
        sized("32-32x2-20/2", 3, on_3x3, 2, (4, 5)),
    ];
    let most = match kind {
        Kind::Integers => 12,
        Kind::Gradients => 8,
        Kind::Training => 6,
        Kind::Floats | Kind::Layout => 5,
        Kind::Specials => 4,
    };
    if kind == Kind::Training {
        // Statistics of only a few values are so badly conditioned that no bound is useful.
        all.iter_mut()
            .for_each(|sized| (sized.n, sized.map) = (3, (sized.map.0 + 3, sized.map.1 + 4)));
    }
    all.truncate(most);
    all
}

fn block(sized: &SizedBlock, kind: Kind, (seed, path): (Seed, &[u64])) -> Result<Block> {
    let &SizedBlock { spec, n, map } = sized;
    let shape = generator::Shape { spec, n, map, layout: Layout::Standard };
    let of_real = |real: RealProblem, asks| Block {
        weights: real.weights.map(|w| f64::from(*w)),
        norms: real.norms.cast(),
        x: real.x.mapv(f64::from),
        asks,
    };
    match kind {
        Kind::Floats => {
            let mut draws = 0..32;
            loop {
                let draw = draws.next().unwrap_or_default();
                let real = RealProblem::draw(&shape, seed, &[path, &[draw]].concat())?;
                if real.dead + real.open == 0 || draws.is_empty() {
                    return Ok(of_real(real, Asks::Output));
                }
            }
        }
        Kind::Training => {
            let (mut real, _) = alive_in_training(&shape, seed, path.iter().sum())?;
            // Large enough to show an epsilon that is left out or replaced by another.
            let epsilon = 1.0 / 32.0;
            real.norms = BlockNorms::from_fn(spec.shortcut() == Shortcut::Projection, |layer| {
                let norm = real.norms.all().nth(layer as usize);
                let norm = norm.unwrap_or_else(|| unreachable!("a norm for each layer"));
                let [gamma, beta, mean, variance] = norm.arrays().map(Clone::clone);
                BatchNorm::new(gamma, beta, mean, variance, epsilon)
            })?;
            // A power of 2, so that no engine rounds 1 - momentum.
            Ok(of_real(real, Asks::Training { momentum: 0.125 }))
        }
        Kind::Integers | Kind::Gradients | Kind::Specials | Kind::Layout => {
            integers(&shape, kind, (seed, path))
        }
    }
}

/// A block of certified integers without dead channels.
fn integers(shape: &generator::Shape, kind: Kind, (seed, path): (Seed, &[u64])) -> Result<Block> {
    let spec = shape.spec;
    let mut reached = 0;
    for attempt in 0..64 {
        let mut rng = seed.stream(Purpose::Handout, &[path, &[attempt]].concat());
        // Only the last kernel has large integers. In an earlier one, they would grow through further sums.
        let large = [LARGE, LARGE / 4, 64, 7][(attempt as usize / 4).min(3)];
        let mut number = 0;
        let weights = BlockWeights::from_fn(spec, |shape| {
            number += 1;
            let last = number == 3;
            Array4::from_shape_simple_fn(shape, || {
                let range = if last && rng.random_range(0..8) == 0 { large } else { 2 };
                Int::from(nonzero(range, &mut rng) as i64)
            })
        })?;
        let (h, w) = shape.map;
        let x = Array4::from_shape_simple_fn((shape.n, spec.c_in(), h, w), || {
            Int::from(nonzero(5, &mut rng) as i64)
        });
        let signs = [true, false];
        let choices = (0..4 * spec.inner() + 1).map(|at| Choice {
            // Both signs, whatever is drawn.
            negative: if at < 2 { at == 0 } else { *signs.choose(&mut rng).unwrap_or(&true) },
            gamma: rng.random(),
            variance: rng.random(),
            mean: nonzero(3, &mut rng) / 4.0,
            beta: nonzero(3, &mut rng) / 4.0,
            quantile: rng.random_range(0.2..0.8),
        });
        let case =
            generator::Case { spec, weights, x, layout: shape.layout, choices: choices.collect() };
        let Some(exact) = ExactCase::alive(&case)? else { continue };
        reached = exact.reached;
        let norms = BlockNorms::from_fn(spec.shortcut() == Shortcut::Projection, |layer| {
            let mut all = exact.norms.all();
            all.nth(layer as usize)
                .map_or_else(|| unreachable!("a norm for each layer"), exact_norm)
        })?;
        let (weights, x, expected) = exact.floats::<f64>();
        let mut block = Block { weights, norms, x, asks: Asks::Output };
        match kind {
            Kind::Gradients => {
                let v = expected.mapv(|_| Int::from(nonzero(3, &mut rng) as i64));
                let plain = NormFunctions::new(&block.norms, Activation::Relu)?;
                let data = (&exact.weights, exact.x.view(), &v);
                if exact_gradients(data, &plain)?.is_none() {
                    continue;
                }
                let grad_output = v.mapv(|v| v.value().unwrap_or_default() as f64);
                block.asks = Asks::Gradients { grad_output };
            }
            Kind::Specials => {
                let len = block.x.len();
                let wild = [f64::NAN, f64::INFINITY];
                for (value, at) in wild.into_iter().zip([len / 3, len - 1]) {
                    if let Some(x) = block.x.iter_mut().nth(at) {
                        *x = value;
                    }
                }
            }
            _ => {}
        }
        return Ok(block);
    }
    Err(Error::NoExactCase { block: spec.to_string(), reached, limit: LIMIT_F32 })
}
