//! R8, training mode: batch norm uses the statistics of the batch.
//!
//! The mean and variance of a channel depend only on that channel's plane, over all images and
//! positions. So training-mode batch norm is channel-wise, and the forms must agree just as in
//! inference mode. There are two tests:
//!
//! - In one order of sums (see [`crate::evidence::rungs::r2_bitwise`]): outputs *and running statistics* to the bit.
//! - With the fast convolution: within a derived bound, end to end and at cuts ([`crate::evidence::bound`]).
//!
//! **The bound.** Let the n values z_i lie in balls with centres c_i and radii e_i, and let avg be the
//! average over i. For u, eta and gamma_n see [`crate::evidence::bound`].
//!
//! The mean takes n - 1 additions and a division. The deviation from the mean takes one subtraction:
//!
//! ```text
//! m   = avg c_i            e_m   = avg e_i + gamma_n avg(|c_i| + e_i) + eta
//! d_i = c_i - m            e_d,i = e_i + e_m + u (|d_i| + e_i + e_m)
//! ```
//!
//! The variance averages n squares. The error of a deviation changes its square by at most 2 |d| e_d + e_d^2:
//!
//! ```text
//! v = avg d_i^2            e_v = avg(2 |d_i| e_d,i + e_d,i^2) + gamma_(n+1) avg (|d_i| + e_d,i)^2 + 2 eta
//! ```
//!
//! The size of the scale s = gamma / sqrt(v + epsilon) falls as v grows, so it lies between its values at v + e_v and
//! at max(v - e_v, 0). The sum, the root and the quotient each round once:
//!
//! ```text
//! s_+ = |gamma| / sqrt(max(v - e_v, 0) + epsilon)      s_- = |gamma| / sqrt(v + e_v + epsilon)
//! e_s = max(s_+ - |s|, |s| - s_-) + gamma_3 s_+ + eta
//! ```
//!
//! Finally, y = s d + beta is a product and a sum:
//!
//! ```text
//! e_y = |s| e_d + e_s (|d| + e_d) + gamma_2 (|s| + e_s) (|d| + e_d) + gamma_1 |beta| + 2 eta
//! ```
//!
//! If the values of a channel hardly differ, rounding can change its variance by any factor, and the
//! bound is accordingly large. Epsilon must be above 0.

use ndarray::{Array1, Array3, Array4, ArrayView3, ArrayViewMut3, Axis};

use super::r1_derived_bound::within;
use super::r2_bitwise::differing;
use super::{Draw, Method};
use crate::block::{Activation, BatchNorm, Form, Layer, LayerFunctions, TrainingFunctions};
use crate::conv::{ChannelWise, Fast, Reference};
use crate::error::{Error, Result};
use crate::evidence::bound::{Ball, ETA, INFLATION, U, gamma_n};
use crate::evidence::{
    Case, Evidence, Forms, Problem, RealProblem, Shape, Value, Witness, change_norms, who,
};
use crate::random::Seed;

/// R8.
pub const METHOD: Method = Method {
    name: "training mode",
    asks: "equal in training mode?",
    says: "With batch norm by the statistics of the batch, the forms are equal to the bit in one order of sums, \
           running statistics included, and otherwise within the derived bound. Used: as in R1.",
    blind_to: "the same as R1 and R2",
    on_case: Some(("2 images or more", on_case)),
    on_stage: |stage, (seed, number)| {
        let batch = Shape { n: 2, ..stage.small() };
        vec![stage.piece(batch, ("2 images", 9.0), move |forms| {
            let (real, redraws) = alive_in_training(&batch, seed, number)?;
            Ok(Evidence { redraws, ..on(forms, &real)? })
        })]
    },
    ..Method::NONE
};

fn on_case(forms: Forms<'_>, case: &Case, _draw: Draw) -> Result<Option<Evidence>> {
    let Some(real) = RealProblem::alive(case)? else { return Ok(None) };
    let Some(real) = centred(&real)? else { return Ok(None) };
    on(forms, &real).map(Some)
}

/// A block that is alive in training mode too, and how often it was drawn again. After ten redraws, the last block is
/// used even if it is not alive. On a map of one or two pixels, there may be no block that is alive.
pub(crate) fn alive_in_training(
    shape: &Shape,
    seed: Seed,
    number: u64,
) -> Result<(RealProblem, u64)> {
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

/// PyTorch's default momentum of the running statistics.
pub(crate) const MOMENTUM: f32 = 0.1;

/// Judges the forms in training mode with both tests.
fn on(forms: Forms<'_>, real: &RealProblem) -> Result<Evidence> {
    let bits = to_the_bit(forms, real)?;
    let rounding = within_the_bound(forms, real)?;
    Ok(Evidence { cases: 1, ..Evidence::of(rounding.bound, bits).and(rounding) })
}

/// The same block with shifts that suit training mode, where batch norm centres a channel's values before the shift. In
/// the hidden layers, each shift is at most a quarter of gamma. So some values pass the ReLU and some do not. `None` if
/// a hidden channel is still dead or open.
pub(super) fn centred(real: &RealProblem) -> Result<Option<RealProblem>> {
    let mut real = real.clone();
    let hidden = |layer| matches!(layer, Layer::Reduce | Layer::Transform);
    real.norms = change_norms(&real.norms, |layer, [gamma, mut beta, mean, variance]| {
        if hidden(layer) {
            // The shift keeps its sign. Only its size is limited.
            beta = beta.signum() * beta.abs().min(0.25 * gamma.abs());
        }
        [gamma, beta, mean, variance]
    })?;
    let functions = training(&real)?;
    let planes = in_training(&real, &functions).planes(&Form::Grouped, &Fast::new(), |_, _| ())?;
    let is_alive = |plane: &Array3<f32>| {
        let passes = plane.iter().filter(|y| **y > 0.0).count();
        0 < passes && passes < plane.len()
    };
    let all = planes.iter().all(|((layer, _), plane)| !hidden(*layer) || is_alive(plane));
    Ok(all.then_some(real))
}

/// Compares the forms in training mode with the derived bound.
fn within_the_bound(forms: Forms<'_>, real: &RealProblem) -> Result<Evidence> {
    let functions = training(real)?;
    let exact = real.norms.cast();
    let balls = LayerFunctions::of(&exact, Activation::Relu, |norm, activation| {
        Ok::<_, Error>(TrainingBall::new(norm, activation))
    })?;
    within(forms, &in_training(real, &functions), &balls.functions())
}

/// Compares the forms in training mode, in one order of sums. Returns witnesses if outputs or running
/// statistics differ in any bit.
fn to_the_bit(forms: Forms<'_>, real: &RealProblem) -> Result<Vec<Witness>> {
    let tree = Reference::in_runs_of(real.weights.spec().width());
    let (mut outputs, mut statistics) = (Vec::new(), Vec::new());
    for form in forms {
        // Each form has its own running statistics.
        let functions = training(real)?;
        let output = in_training(real, &functions).solve(*form, &tree)?;
        outputs.push(output.mapv(f32::to_bits));
        let channels = functions.running().into_iter().flat_map(|layer| layer.into_values());
        let numbers = channels.flat_map(|running| [running.mean, running.variance]);
        let bits: Array1<u32> = numbers.map(f32::to_bits).collect();
        statistics.push(bits.insert_axis(Axis(0)).insert_axis(Axis(2)).insert_axis(Axis(3)));
    }
    let mut witnesses = differing(forms, &outputs, "output");
    witnesses.extend(differing_statistics(forms, &statistics));
    Ok(witnesses)
}

fn differing_statistics(forms: Forms<'_>, statistics: &[Array4<u32>]) -> Vec<Witness> {
    let place = "running statistics";
    let length = statistics.first().map_or(0, Array4::len);
    let other = statistics.iter().zip(forms).find(|(bits, _)| bits.len() != length);
    let Some((bits, form)) = other else { return differing(forms, statistics, place) };
    let [found, expected] =
        [format!("{} of them", bits.len()), format!("{length}, as the others have")];
    let values = [found, expected].map(Value::Text);
    vec![Witness::new(who(*form), place, [0; 4], values)]
}

/// The functions of a block in training mode.
fn training(real: &RealProblem) -> Result<TrainingFunctions<f32>> {
    let RealProblem { weights, norms, x, .. } = real;
    let (n, _, h, w) = x.dim();
    TrainingFunctions::new(norms, MOMENTUM, Activation::Relu, weights.spec(), (n, (h, w)))
}

fn in_training<'a>(
    real: &'a RealProblem,
    functions: &'a TrainingFunctions<f32>,
) -> Problem<'a, f32> {
    Problem { weights: &real.weights, x: real.x.view(), between: functions.into() }
}

/// Training-mode batch norm of one layer over balls.
pub struct TrainingBall<'a> {
    norm: &'a BatchNorm<f64>,
    activation: Activation,
}

impl<'a> TrainingBall<'a> {
    /// Takes this batch norm, with this activation after it.
    pub fn new(norm: &'a BatchNorm<f64>, activation: Activation) -> Self {
        Self { norm, activation }
    }
}

/// How far a value lies from the mean: d and e_d of the module's docs.
fn deviation(z: &Ball, mean: &Ball) -> Ball {
    let (d, e) = (z.centre - mean.centre, z.radius + mean.radius);
    Ball { centre: d, radius: e + U * INFLATION * (d.abs() + e) }
}

/// Mean and variance of a channel: m and v of the module's docs, with e_m and e_v.
pub(crate) fn statistics(plane: ArrayView3<'_, Ball>) -> [Ball; 2] {
    let n = plane.len();
    let average = |of: &dyn Fn(&Ball) -> f64| plane.iter().map(of).sum::<f64>() / n as f64;
    let e_m = average(&|z| z.radius) + gamma_n(n) * average(&|z| z.centre.abs() + z.radius) + ETA;
    let mean = Ball { centre: average(&|z| z.centre), radius: e_m };

    let squared = |x: f64| x * x;
    let v = average(&|z| squared(deviation(z, &mean).centre));
    let of_arguments = average(&|z| {
        let Ball { centre: d, radius: e } = deviation(z, &mean);
        2.0 * d.abs() * e + e * e
    });
    let of_squares = average(&|z| {
        let Ball { centre: d, radius: e } = deviation(z, &mean);
        squared(d.abs() + e)
    });
    let e_v = of_arguments + gamma_n(n + 1) * of_squares + 2.0 * ETA;
    [mean, Ball { centre: v, radius: e_v }]
}

/// The formulas of the module's docs, in the same order.
impl ChannelWise<Ball> for TrainingBall<'_> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, Ball>) {
        let [mean, Ball { centre: v, radius: e_v }] = statistics(plane.view());
        let [gamma, beta, ..] = self.norm.channel(channel);
        let epsilon = self.norm.epsilon();
        let s = gamma / (v + epsilon).sqrt();
        let above = gamma.abs() / ((v - e_v).max(0.0) + epsilon).sqrt();
        let below = gamma.abs() / (v + e_v + epsilon).sqrt();
        let e_s = (above - s.abs()).max(s.abs() - below) + gamma_n(3) * above + ETA;

        plane.mapv_inplace(|z| {
            let Ball { centre: d, radius: e_d } = deviation(&z, &mean);
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
