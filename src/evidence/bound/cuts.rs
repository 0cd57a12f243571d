//! The derived bound at cuts. It judges each layer by itself, on the same floats in every form.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{ArrayView3, ArrayViewMut3, Zip};

use super::{Ball, Balls};
use crate::block::{BlockForm as _, Form, Functions, Layer};
use crate::conv::Fast;
use crate::error::Result;
use crate::evidence::{AnyForm, Planes, Problem, Value, Watched, Witness, keep, place, who};

/// A block cut after each channel-wise function. The values that arrive at a cut must lie in `balls`. Then the floats
/// of `given` replace them.
pub struct Cuts {
    given: Planes<f32>,
    balls: Planes<Ball>,
}

/// How a form behaved at the cuts.
#[derive(Debug, Default)]
struct Seen {
    planes: BTreeMap<(Layer, usize), usize>,
    used: f64,
    witness: Option<Witness>,
}

impl Cuts {
    /// Cuts the block of `problem`. `exact` holds the same functions over balls. The floats that replace the values at
    /// the cuts are those of form (c), but any floats would do.
    pub fn new(problem: &Problem<'_, f32>, exact: &Functions<'_, Ball>) -> Result<Self> {
        let given = problem.planes(&Form::Grouped, &Fast::new(), |_, _| ())?;
        let balls = Mutex::new(Planes::new());
        let see = |layer: Layer, channel: usize, mut plane: ArrayViewMut3<'_, Ball>| {
            keep(&balls, (layer, channel), plane.view());
            if let Some(given) = given.get(&(layer, channel)) {
                Zip::from(&mut plane)
                    .and(given)
                    .for_each(|ball, &value| *ball = Ball::exact(value));
            }
        };
        let weights = problem.weights.map(|&w| Ball::exact(w));
        let x = problem.x.map(|&x| Ball::exact(x));
        let watched = Watched::new(exact, &see);
        Form::Grouped.forward(&weights, x.view(), &watched.functions(), &Balls)?;
        Ok(Self { given, balls: balls.into_inner().unwrap_or_else(PoisonError::into_inner) })
    }

    /// The largest bound on the difference of two forms at any cut.
    pub fn bound(&self) -> f64 {
        let radii = self.balls.values().flatten().map(|ball| ball.radius);
        2.0 * radii.fold(0.0, f64::max)
    }

    /// The radii after a layer, channel by channel.
    pub fn radii(&self, layer: Layer) -> impl Iterator<Item = f64> {
        let planes = self.balls.iter().filter(move |((at, _), _)| *at == layer);
        planes.flat_map(|(_, plane)| plane.iter().map(|ball| ball.radius))
    }

    /// Returns the largest part of the bound that `form` uses at any cut after a layer, and a witness if `form` is
    /// refuted. `problem` must have the same functions and weights. Each channel must arrive at each cut exactly once,
    /// in the shape of the layer's plane. Otherwise the form is refuted too.
    pub fn hold(
        &self,
        form: &dyn AnyForm,
        problem: &Problem<'_, f32>,
    ) -> Result<(f64, Option<Witness>)> {
        let seen = Mutex::new(Seen::default());
        let see = |layer: Layer, channel: usize, mut plane: ArrayViewMut3<'_, f32>| {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let at = (layer, channel);
            *seen.planes.entry(at).or_default() += 1;
            match (self.balls.get(&at), self.given.get(&at)) {
                (Some(balls), Some(given)) if balls.dim() == plane.dim() => {
                    seen.look(form, at, plane.view(), balls.view());
                    plane.assign(given);
                }
                _ => {
                    let found = format!("a function applied to {:?} values", plane.dim());
                    seen.misplaced(form, at, found);
                }
            }
        };
        let output = problem.solve_seen(form, &Fast::new(), &see)?;
        let mut seen = seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        for &at in self.given.keys() {
            let times = seen.planes.get(&at).copied().unwrap_or(0);
            if times != 1 {
                seen.misplaced(form, at, format!("a function applied {times} times"));
            }
        }
        // The output must equal the floats given at the last cut; otherwise the form changed them.
        for (&at, given) in self.given.range((Layer::Output, 0)..) {
            let plane = output.index_axis(ndarray::Axis(1), at.1);
            seen.look(form, at, plane, given.mapv(Ball::exact).view());
        }
        Ok((seen.used, seen.witness))
    }
}

impl Seen {
    fn look(
        &mut self,
        form: &dyn AnyForm,
        (layer, channel): (Layer, usize),
        plane: ArrayView3<'_, f32>,
        balls: ArrayView3<'_, Ball>,
    ) {
        for (((n, h, w), &value), ball) in plane.indexed_iter().zip(balls) {
            let distance = (f64::from(value) - ball.centre).abs();
            let inside = ball.contains(value);
            if distance > 0.0 || !inside {
                // Adding the shortcut rounds once, and may well use all of that bound. That says nothing
                // about the layers. But a value outside its ball counts everywhere.
                let used =
                    if inside && layer == Layer::Output { 0.0 } else { distance / ball.radius };
                self.used = self.used.max(if used.is_nan() { f64::INFINITY } else { used });
            }
            if inside {
                continue;
            }
            let witness = self.witness.get_or_insert_with(|| {
                let values = [f64::from(value), ball.centre].map(Value::Number);
                let witness = Witness::new(who(form), place(layer), [n, channel, h, w], values);
                Witness { allowed: ball.radius, wrong: 0, elements: balls.len(), ..witness }
            });
            let here = witness.place == place(layer) && witness.index[1] == channel;
            witness.wrong += usize::from(here);
        }
    }

    fn misplaced(&mut self, form: &dyn AnyForm, (layer, channel): (Layer, usize), found: String) {
        self.used = f64::INFINITY;
        self.witness.get_or_insert_with(|| {
            let expected = "a function applied exactly once to each channel's plane".to_owned();
            let values = [Value::Misplaced(found), Value::Text(expected)];
            Witness::new(who(form), place(layer), [0, channel, 0, 0], values)
        });
    }
}
