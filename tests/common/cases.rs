//! Random blocks on which a comparison means something, as strategies that shrink.
//!
//! What the data is decides what a comparison can see. So a case has: N >= 2 images,
//! C >= 3 paths of width d >= 2 with C != d, a map with H != W, kernels and inputs of both signs and
//! without symmetry, strides 1 and 2 on either convolution, all three kinds of shortcut, C_in and
//! C_out that differ at times, and batch norms with nothing at its initial value under which every
//! hidden channel passes some values and stops others.
//!
//! [`degenerate`] makes the cases that hide mistakes (C = 1, d = 1, N = 1, square maps, 1x1 maps);
//! they must work, and count as evidence for nothing.

use ndarray::Array4;
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};
use triform::block::{BlockSpec, BlockWeights, Shortcut, StrideOn};
use triform::evidence::exact::{ExactCase, LIMIT_F32, certify};
use triform::evidence::live::{Choice, LiveNorms};
use triform::scalar::Int;

/// A fixed seed, so that a failure here is a failure everywhere; regressions beside the tests.
/// `PROPTEST_RNG_SEED=n` tries other cases, `PROPTEST_CASES=n` more of them.
pub fn config(cases: u32) -> Config {
    let from_environment = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            from_environment.cases
        } else {
            cases
        },
        rng_seed: match from_environment.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0x7269_6672_6f6d),
            chosen => chosen,
        },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..from_environment
    }
}

/// The integers of a case.
#[derive(Clone, Debug)]
pub struct Case {
    pub spec: BlockSpec,
    pub weights: BlockWeights<Int>,
    pub x: Array4<Int>,
    pub choices: Vec<Choice>,
}

impl Case {
    /// The batch norms of this case, to be set on first sight of the sums.
    pub fn live<S: triform::evidence::live::LiveScalar>(&self) -> LiveNorms<'_, S> {
        // Channels take their choices in turn; 7 is prime to their number.
        let choose = |layer, channel| self.choices[(7 * layer + channel) % self.choices.len()];
        LiveNorms::new(choose)
    }

    /// The case in integers, with its certificate for `f32`.
    pub fn exact(&self) -> ExactCase {
        let certified =
            certify(self.weights.clone(), self.x.clone(), &self.live(), LIMIT_F32).unwrap();
        certified.unwrap_or_else(|reached| panic!("partial sums reach {reached}"))
    }

    /// The kernels as floats that are no integers, so that sums round.
    pub fn real_weights(&self) -> BlockWeights<f32> {
        self.weights.map(|w| real(w) / 7.0)
    }

    /// The input likewise.
    pub fn real_x(&self) -> Array4<f32> {
        self.x.map(|x| real(x) / 3.0)
    }

    pub fn has_projection(&self) -> bool {
        self.spec.shortcut() == Shortcut::Projection
    }
}

fn real(integer: &Int) -> f32 {
    integer.value().unwrap() as f32
}

/// Sizes of a case.
#[derive(Clone, Copy, Debug)]
struct Sizes {
    n: usize,
    c: usize,
    d: usize,
    c_in: usize,
    c_out: usize,
    h: usize,
    w: usize,
    k: usize,
    stride: usize,
    stride_on: StrideOn,
    shortcut: Option<Shortcut>,
}

/// Cases that keep the contract above.
pub fn contract() -> impl Strategy<Value = Case> {
    let paths = prop_oneof![Just((3, 2)), Just((4, 2)), Just((4, 3)), Just((5, 2)), Just((5, 3))];
    let map = (3usize..7, 1usize..3).prop_flat_map(|(small, more)| {
        prop_oneof![Just((small, small + more)), Just((small + more, small))]
    });
    let channels = prop_oneof![
        (3usize..7).prop_map(|c| (c, c)),
        (2usize..6, 2usize..6).prop_filter("C_in = C_out is the other arm", |(i, o)| i != o),
    ];
    (2usize..4, paths, channels, map, geometry())
        .prop_map(|(n, (c, d), (c_in, c_out), (h, w), (k, stride, stride_on, shortcut))| Sizes {
            n,
            c,
            d,
            c_in,
            c_out,
            h,
            w,
            k,
            stride,
            stride_on,
            shortcut,
        })
        .prop_flat_map(case)
}

/// Cases that break the contract in every size.
pub fn degenerate() -> impl Strategy<Value = Case> {
    let channels = (1usize..4, 1usize..4);
    (1usize..3, 1usize..4, 1usize..3, channels, 1usize..5, 1usize..5, geometry())
        .prop_map(|(n, c, d, (c_in, c_out), h, w, (k, stride, stride_on, shortcut))| Sizes {
            n,
            c,
            d,
            c_in,
            c_out,
            h,
            w,
            k,
            stride,
            stride_on,
            shortcut,
        })
        .prop_flat_map(case)
}

fn geometry() -> impl Strategy<Value = (usize, usize, StrideOn, Option<Shortcut>)> {
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
}

fn case(sizes: Sizes) -> impl Strategy<Value = Case> {
    let Sizes { n, c, d, c_in, c_out, h, w, k, stride, stride_on, shortcut } = sizes;
    let mut spec = BlockSpec::new(c_in, c, d, c_out)
        .unwrap()
        .with_kernel(k)
        .unwrap()
        .with_stride(stride, stride_on)
        .unwrap();
    if let Some(shortcut) = shortcut {
        spec = spec.with_shortcut(shortcut).unwrap();
    }
    let projection = spec.shortcut() == Shortcut::Projection;
    (
        tensor([c * d, c_in, 1, 1], 8),
        tensor([c * d, d, k, k], 4),
        tensor([c_out, c * d, 1, 1], 4),
        tensor([c_out, c_in, 1, 1], 4),
        tensor([n, c_in, h, w], 8),
        vec(choice(), 4 * c * d + 1),
    )
        .prop_map(move |(reduce, transform, expand, shortcut, x, choices)| {
            let shortcut = projection.then_some(shortcut);
            let weights = BlockWeights::new(spec, reduce, transform, expand, shortcut).unwrap();
            Case { spec, weights, x, choices }
        })
}

/// A tensor of integers, each of -range..=range.
pub fn tensor(shape: [usize; 4], range: i64) -> impl Strategy<Value = Array4<Int>> {
    vec(-range..=range, shape.iter().product::<usize>()).prop_map(move |values| {
        Array4::from_shape_vec(shape, values.into_iter().map(Int::from).collect()).unwrap()
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
