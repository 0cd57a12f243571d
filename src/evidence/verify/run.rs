//! The forms in `f32`, each timed, on one block.

use ndarray::Array4;

use crate::block::{Activation, Bottleneck, Form, Shortcut};
use crate::conv::{Fast, on_one_thread};
use crate::count;
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, check_shape};
use crate::evidence::between::Between;
use crate::evidence::live::LiveNorms;
use crate::evidence::problem::RealProblem;
use crate::evidence::progress::Progress;
use crate::evidence::rungs::multiply_adds;
use crate::network::architecture::NamedBlock;
use crate::network::init;
use crate::random::{Purpose, Seed};

/// Each form is timed this often, and the shortest time reported.
const TIMED_RUNS: usize = 3;

/// A block in `f32`, its input, and what the forms made of it.
pub(super) struct Run {
    pub(super) named: NamedBlock,
    pub(super) real: RealProblem,
    pub(super) parameters: count::BlockParameters,
    pub(super) outputs: Vec<Array4<f32>>,
    pub(super) times: Vec<(char, f64)>,
}

impl Run {
    /// Multiply-adds of one form, about.
    pub(super) fn size(&self) -> f64 {
        let (_, _, h, w) = self.real.x.dim();
        multiply_adds(&self.named.spec, (h, w))
    }
}

/// Draws a block for an input, runs and times each form on it, and gives form (c)'s output
/// besides.
pub(super) fn run_forms(
    forms: &[&dyn AnyForm],
    named: NamedBlock,
    x: Array4<f32>,
    (seed, number): (Seed, usize),
    progress: &dyn Progress,
) -> Result<(Run, Array4<f32>)> {
    let fast = Fast::new();
    let block = number as u64;
    let weights = init::block(named.spec, &mut seed.stream(Purpose::Weights, &[block]))?;
    let projection = named.spec.shortcut() == Shortcut::Projection;

    let live = LiveNorms::<f32>::seeded(seed, Purpose::Norms, block);
    let drawing = Bottleneck::prepare(&Form::Grouped, &weights, &fast)?;
    let next = drawing.forward(x.view(), &live.functions(projection), &fast)?;
    let norms = live.norms(projection)?;

    let mut outputs = Vec::with_capacity(forms.len());
    let mut times = Vec::with_capacity(forms.len());
    let (h, w) = named.spec.output_map((x.dim().2, x.dim().3))?;
    for form in forms {
        let block = form.bottleneck(&weights, &fast)?;
        let between = Between::norms(&norms, Activation::Relu);
        let built = between.built_by::<Fast>(*form, &named.spec)?;
        let mut shortest = f64::INFINITY;
        for run in 0..TIMED_RUNS {
            let start = progress.now();
            // Other work may be under way on the others.
            let forward = || block.forward(x.view(), &built.functions(), &fast);
            let output = on_one_thread(forward)?;
            shortest = shortest.min(progress.now() - start);
            if run == 0 {
                check_shape(output.shape(), &[x.dim().0, named.spec.c_out(), h, w])?;
                outputs.push(output);
            }
        }
        times.push((form.letter(), shortest));
    }
    let (dead, open) = (live.dead_channels(), live.open_channels());
    let real = RealProblem { weights, norms, x, dead, open };
    let parameters = count::block(&named.spec)?;
    Ok((Run { named, real, parameters, outputs, times }, next))
}
