//! Blocks over `f32` whose every channel is alive.

use ndarray::Array4;

use super::any_form::Problem;
use super::between::Between;
use super::generator::Case;
use super::generator::Shape;
use super::live::LiveNorms;
use crate::block::{Activation, BlockNorms, BlockWeights, Bottleneck, Form, Shortcut};
use crate::conv::Reference;
use crate::error::Result;
use crate::network::init;
use crate::random::{Purpose, Seed, normal};

/// A block, its batch norms, an input.
#[derive(Clone, Debug)]
pub struct RealProblem {
    /// The kernels.
    pub weights: BlockWeights<f32>,
    /// The batch norms, in inference mode.
    pub norms: BlockNorms<f32>,
    /// N x C_in x H x W.
    pub x: Array4<f32>,
    /// Hidden channels through which nothing passes.
    pub dead: usize,
    /// Hidden channels of which everything passes.
    pub open: usize,
}

impl RealProblem {
    /// The floats of a case of the generator.
    ///
    /// # Errors
    ///
    /// None for a case of the generator, which suits itself.
    pub fn of(case: &Case) -> Result<Self> {
        Self::set(case.real_weights(), case.real_x(), &case.live())
    }

    /// The floats of a case of the generator; `None` where a hidden channel is dead or open.
    ///
    /// # Errors
    ///
    /// None for a case of the generator, which suits itself.
    pub fn alive(case: &Case) -> Result<Option<Self>> {
        Ok(Some(Self::of(case)?).filter(Self::is_alive))
    }

    /// He-initialised kernels and a standard normal input; `path` numbers the draw.
    ///
    /// # Errors
    ///
    /// A shape that is too large.
    pub fn draw(shape: &Shape, seed: Seed, path: &[u64]) -> Result<Self> {
        let weights = init::block(shape.spec, &mut seed.stream(Purpose::Weights, path))?;
        let (h, w) = shape.map;
        let size = (shape.n, shape.spec.c_in(), h, w);
        let x = normal(size, &mut seed.stream(Purpose::Input, path));
        let live = LiveNorms::<f32>::drawn(seed, Purpose::Norms, path);
        Self::set(weights, shape.layout.lay(&x), &live)
    }

    /// Sets the batch norms by running form (c).
    fn set(weights: BlockWeights<f32>, x: Array4<f32>, live: &LiveNorms<'_, f32>) -> Result<Self> {
        let projection = weights.spec().shortcut() == Shortcut::Projection;
        // By the reference, so that they are the same on every machine.
        let reference = Reference::default();
        let block = Bottleneck::prepare(&Form::Grouped, &weights, &reference)?;
        block.forward(x.view(), &live.functions(projection), &reference)?;
        let norms = live.norms(projection)?;
        let (dead, open) = (live.dead_channels(), live.open_channels());
        Ok(Self { weights, norms, x, dead, open })
    }

    /// Whether every hidden channel passes some of its values and stops others.
    pub fn is_alive(&self) -> bool {
        self.dead + self.open == 0
    }

    /// As the forms are handed it.
    pub fn problem(&self) -> Problem<'_, f32> {
        let between = Between::norms(&self.norms, Activation::Relu);
        Problem { weights: &self.weights, x: self.x.view(), between }
    }
}
