//! R8, training mode: batch norm by the statistics of the batch.
//!
//! Mean and variance of a channel are a function of that channel's plane, over all images and
//! positions, and of nothing else. So training-mode batch norm is channel-wise, and the forms must
//! agree just as in inference mode. Two tests:
//!
//! - Over one order of sums (see [`crate::evidence::rungs::r2_bitwise`]): outputs *and running statistics* to the bit.
//! - With the fast convolution: within a derived bound, end to end and at cuts ([`crate::evidence::bound`]).
//!
//! **The bound.** For n values z_i in balls of centre c_i and radius e_i; u, eta and gamma_n as in
//! [`crate::evidence::bound`]; avg is the average over i.
//!
//! The mean is n - 1 additions and a division; the deviation from it one subtraction:
//!
//! ```text
//! m   = avg c_i            e_m   = avg e_i + gamma_n avg(|c_i| + e_i) + eta
//! d_i = c_i - m            e_d,i = e_i + e_m + u (|d_i| + e_i + e_m)
//! ```
//!
//! The variance is n squares, of which each is off by 2 |d| e_d + e_d^2 for its argument, and a sum:
//!
//! ```text
//! v = avg d_i^2            e_v = avg(2 |d_i| e_d,i + e_d,i^2) + gamma_(n+1) avg (|d_i| + e_d,i)^2 + 2 eta
//! ```
//!
//! The scale s = gamma / sqrt(v + epsilon) falls as v grows, so it lies between its values at v + e_v and
//! at max(v - e_v, 0), and sum, root and quotient round three times:
//!
//! ```text
//! s_+ = |gamma| / sqrt(max(v - e_v, 0) + epsilon)      s_- = |gamma| / sqrt(v + e_v + epsilon)
//! e_s = max(s_+ - |s|, |s| - s_-) + gamma_3 s_+ + eta
//! ```
//!
//! And y = s d + beta is a product and a sum:
//!
//! ```text
//! e_y = |s| e_d + e_s (|d| + e_d) + gamma_2 (|s| + e_s) (|d| + e_d) + gamma_1 |beta| + 2 eta
//! ```
//!
//! A channel whose values hardly differ has a variance that rounding can make anything; its bound
//! says so. Epsilon must be above 0.

use std::sync::atomic::{AtomicUsize, Ordering};

use ndarray::{Array4, ArrayViewMut3};

use crate::block::{
    Activation, BatchNorm, BlockNorms, BlockWeights, Form, Functions, Layer, TrainingFunctions,
};
use crate::conv::{ChannelWise, Fast, Identity, Reference};
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::between::Between;
use crate::evidence::bound::{Ball, ETA, INFLATION, ReluBalls, U, gamma_n};
use crate::evidence::compare::{Value, Witness, Witnesses};
use crate::evidence::generator::Case;
use crate::evidence::generator::Shape;
use crate::evidence::problem::RealProblem;
use crate::evidence::rungs::r1_derived_bound::within;
use crate::evidence::rungs::r2_bitwise;
use crate::evidence::rungs::{Climb, Draw, Piece, Stage};
use crate::evidence::verdict::Evidence;
use crate::random::Seed;

/// PyTorch's.
const MOMENTUM: f32 = 0.1;

/// The forms in training mode, both tests.
///
/// # Errors
///
/// A form that is none of the block, a batch of fewer than two values a channel.
pub fn on(forms: &[&dyn AnyForm], real: &RealProblem) -> Result<Evidence> {
    let RealProblem { weights, norms, x, .. } = real;
    let bits = to_the_bit(forms, weights, norms, x)?;
    let rounding = within_the_bound(forms, weights, norms, x)?;
    Ok(Evidence { cases: 1, ..Evidence::of(rounding.bound, bits).and(rounding) })
}

/// The same block with shifts that suit training mode, where a channel's values are centred before
/// the shift: of at most a quarter of gamma, so that some values pass the ReLU and some do not.
/// `None` where nevertheless a hidden channel is not alive.
///
/// # Errors
///
/// A batch of fewer than two values a channel.
pub fn centred(real: &RealProblem) -> Result<Option<RealProblem>> {
    let centred = |norm: &BatchNorm<f32>| {
        let all = |which: usize| (0..norm.channels()).map(move |c| *norm.channel(c)[which]);
        // The shift keeps its sign, and its size as far as it may.
        let beta = all(0)
            .zip(all(1))
            .map(|(gamma, beta)| beta.signum() * beta.abs().min(0.25 * gamma.abs()));
        BatchNorm::new(
            all(0).collect(),
            beta.collect(),
            all(2).collect(),
            all(3).collect(),
            *norm.epsilon(),
        )
    };
    let mut real = real.clone();
    real.norms.reduce = centred(&real.norms.reduce)?;
    real.norms.transform = centred(&real.norms.transform)?;

    let (alive, looked_at) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let see = |layer: Layer, _: usize, plane: ArrayViewMut3<'_, f32>| {
        if matches!(layer, Layer::Reduce | Layer::Transform) {
            let passes = plane.iter().filter(|y| **y > 0.0).count();
            looked_at.fetch_add(1, Ordering::Relaxed);
            alive.fetch_add(usize::from(0 < passes && passes < plane.len()), Ordering::Relaxed);
        }
    };
    let functions = training(&real.weights, &real.norms, &real.x)?;
    let between = Between::from(&functions);
    Problem { weights: &real.weights, x: real.x.view(), between }.solve_seen(
        &Form::Grouped,
        &Fast::new(),
        &see,
    )?;
    Ok((alive.into_inner() == looked_at.into_inner()).then_some(real))
}

/// The forms in training mode: within the bound.
///
/// # Errors
///
/// A form that is none of the block, a batch of fewer than two values a channel.
pub fn within_the_bound(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<Evidence> {
    let floats = training(weights, norms, x)?;
    let exact = norms.cast();
    let balls = TrainingBalls::new(&exact);
    let problem = Problem { weights, x: x.view(), between: Between::from(&floats) };
    within(forms, &problem, &balls.functions())
}

/// The forms in training mode over one order of sums: where outputs or running statistics differ in
/// any bit.
///
/// # Errors
///
/// A form that is none of the block, a batch of fewer than two values a channel.
pub fn to_the_bit(
    forms: &[&dyn AnyForm],
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<Witnesses> {
    let tree = Reference::in_runs_of(weights.spec().width());
    let (mut outputs, mut statistics) = (Vec::new(), Vec::new());
    for form in forms {
        // Statistics of its own for each form.
        let functions = training(weights, norms, x)?;
        let problem = Problem { weights, x: x.view(), between: Between::from(&functions) };
        outputs.push(problem.solve(*form, &tree)?.mapv(f32::to_bits));
        let channels = functions.running().into_iter().flat_map(|layer| layer.into_values());
        let bits: Vec<u32> = channels
            .flat_map(|running| [running.mean.to_bits(), running.variance.to_bits()])
            .collect();
        let length = bits.len();
        let bits = Array4::from_shape_vec((1, length, 1, 1), bits);
        statistics.push(bits.unwrap_or_else(|error| unreachable!("as long as it is: {error}")));
    }
    let mut witnesses = r2_bitwise::differing(forms, &outputs, "output");
    witnesses.add(differing_statistics(forms, &statistics));
    Ok(witnesses)
}

fn differing_statistics(forms: &[&dyn AnyForm], statistics: &[Array4<u32>]) -> Witnesses {
    let length = statistics.first().map_or(0, Array4::len);
    let other = statistics.iter().zip(forms).find(|(bits, _)| bits.len() != length);
    if let Some((bits, form)) = other {
        let witness = Witness {
            form: form.letter(),
            name: form.name(),
            place: "running statistics",
            index: [0; 4],
            found: Value::Text(format!("{} of them", bits.len())),
            expected: Value::Text(format!("{length}, as the others have")),
            allowed: 0.0,
            wrong: 1,
            elements: 1,
        };
        return [witness].into_iter().collect();
    }
    r2_bitwise::differing(forms, statistics, "running statistics")
}

fn training(
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: &Array4<f32>,
) -> Result<TrainingFunctions<f32>> {
    let (n, _, h, w) = x.dim();
    TrainingFunctions::new(norms, MOMENTUM, Activation::Relu, weights.spec(), (n, (h, w)))
}

/// The functions of a block in training mode over balls.
pub struct TrainingBalls<'a> {
    layers: [TrainingBall<'a>; 3],
    shortcut: Option<TrainingBall<'a>>,
}

/// Training-mode batch norm of one layer over balls.
pub struct TrainingBall<'a> {
    norm: &'a BatchNorm<f64>,
    activation: Activation,
}

impl<'a> TrainingBall<'a> {
    /// Of this batch norm, with this activation after it.
    pub fn new(norm: &'a BatchNorm<f64>, activation: Activation) -> Self {
        Self { norm, activation }
    }
}

impl<'a> TrainingBalls<'a> {
    /// Of these batch norms, with ReLU where the paper puts it.
    pub fn new(norms: &'a BlockNorms<f64>) -> Self {
        let of = TrainingBall::new;
        Self {
            layers: [
                of(&norms.reduce, Activation::Relu),
                of(&norms.transform, Activation::Relu),
                of(&norms.expand, Activation::Identity),
            ],
            shortcut: norms.shortcut.as_ref().map(|norm| of(norm, Activation::Identity)),
        }
    }

    /// The functions, to be handed to a form.
    pub fn functions(&self) -> Functions<'_, Ball> {
        let [reduce, transform, expand] = &self.layers;
        let shortcut = self.shortcut.as_ref();
        let shortcut = shortcut.map_or(&Identity as &dyn ChannelWise<Ball>, |norm| norm);
        Functions { reduce, transform, expand, shortcut, output: &ReluBalls }
    }
}

/// The formulas of the module's docs, in their order.
impl ChannelWise<Ball> for TrainingBall<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Ball>) {
        let n = plane.len();
        let average = |of: &dyn Fn(&Ball) -> f64| plane.iter().map(of).sum::<f64>() / n as f64;
        let u = U * INFLATION;

        let m = average(&|z| z.centre);
        let e_m =
            average(&|z| z.radius) + gamma_n(n) * average(&|z| z.centre.abs() + z.radius) + ETA;
        let deviation = |z: &Ball| {
            let (d, e) = (z.centre - m, z.radius + e_m);
            (d, e + u * (d.abs() + e))
        };

        let squared = |x: f64| x * x;
        let v = average(&|z| squared(deviation(z).0));
        let of_arguments = average(&|z| {
            let (d, e) = deviation(z);
            2.0 * d.abs() * e + e * e
        });
        let of_squares = average(&|z| {
            let (d, e) = deviation(z);
            squared(d.abs() + e)
        });
        let e_v = of_arguments + gamma_n(n + 1) * of_squares + 2.0 * ETA;

        let [gamma, beta, ..] = self.norm.channel(channel);
        let epsilon = self.norm.epsilon();
        let s = gamma / (v + epsilon).sqrt();
        let above = gamma.abs() / ((v - e_v).max(0.0) + epsilon).sqrt();
        let below = gamma.abs() / (v + e_v + epsilon).sqrt();
        let e_s = (above - s.abs()).max(s.abs() - below) + gamma_n(3) * above + ETA;

        plane.mapv_inplace(|z| {
            let (d, e_d) = deviation(&z);
            let size = d.abs() + e_d;
            let radius = s.abs() * e_d
                + e_s * size
                + gamma_n(2) * (s.abs() + e_s) * size
                + gamma_n(1) * beta.abs()
                + 2.0 * ETA;
            let y = Ball { centre: s * d + beta, radius };
            if self.activation == Activation::Relu { y.relu() } else { y }
        });
    }
}

/// R8.
pub struct TrainingMode;

impl Climb for TrainingMode {
    fn name(&self) -> &'static str {
        "training mode"
    }

    fn asks(&self) -> &'static str {
        "equal with batch norm by the statistics of the batch, running statistics too?"
    }

    fn says(&self) -> &'static str {
        "With batch norm by the statistics of the batch: equal to the bit in one order of sums, running \
         statistics too, and otherwise within the derived bound, used as in R1."
    }

    fn blind_to(&self) -> &'static str {
        "as R1 and R2"
    }

    fn case_scope(&self) -> Option<&'static str> {
        Some("2 images or more")
    }

    fn on_case(
        &self,
        forms: &[&dyn AnyForm],
        case: &Case,
        _draw: Draw,
    ) -> Result<Option<Evidence>> {
        let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
        let Some(real) = centred(&real)? else { return Ok(None) };
        on(forms, &real).map(Some)
    }

    fn on_stage(&self, stage: &Stage, (seed, number): Draw) -> Vec<Piece> {
        let batch = Shape { n: 2, ..stage.small() };
        vec![stage.piece(batch, ("2 images", 9.0), move |forms| {
            let (real, redraws) = alive_in_training(&batch, seed, number)?;
            Ok(Evidence { redraws, ..on(forms, &real)? })
        })]
    }
}

/// A block that is alive in training mode too, and how often it was drawn again. After ten times it
/// is taken as it is: on a map of a pixel or two nothing may suit.
fn alive_in_training(shape: &Shape, seed: Seed, number: u64) -> Result<(RealProblem, u64)> {
    let mut redraws = 0;
    loop {
        let real = RealProblem::draw(shape, seed, &[number, 8, redraws])?;
        match centred(&real)? {
            Some(centred) => return Ok((centred, redraws)),
            None if redraws == 10 => return Ok((real, redraws)),
            None => redraws += 1,
        }
    }
}
