//! Judges a function from arrays to arrays in this process.

use std::fmt;

use ndarray::{Array4, ArrayD, ArrayView1, ArrayView4};

use super::block::{Asks, Block};
use super::case::{Case, Handed, Kind, Operation, Received};
use super::judge::{Report, judge};
use super::suite::{Ops, Plan, cases};
use crate::block::{BlockNorms, BlockWeights};
use crate::conv::{Arrays, ConvSpec, Convolution};
use crate::error::Result;
use crate::evidence::Layout;

/// The arguments of a grouped convolution.
#[derive(Clone, Copy, Debug)]
pub struct ConvCall<'a> {
    /// The input, N x C_in x H x W. It may be a transposed or stepped view.
    pub x: ArrayView4<'a, f32>,
    /// The kernel, C_out x C_in/groups x k_h x k_w.
    pub weight: ArrayView4<'a, f32>,
    /// The bias, C_out numbers.
    pub bias: ArrayView1<'a, f32>,
    /// Stride, padding, dilation, groups.
    pub spec: ConvSpec,
    /// The gradient with respect to the output, N x C_out x H_out x W_out, if gradients are asked for.
    pub grad_output: Option<ArrayView4<'a, f32>>,
}

/// The arguments of a block.
#[derive(Clone, Copy, Debug)]
pub struct BlockCall<'a> {
    /// The input, N x C_in x H x W. It may be a transposed or stepped view.
    pub x: ArrayView4<'a, f32>,
    /// The kernels.
    pub weights: &'a BlockWeights<f32>,
    /// The batch norms.
    pub norms: &'a BlockNorms<f32>,
    /// How far a batch moves the running statistics, if training mode is asked for.
    pub momentum: Option<f32>,
    /// The gradient with respect to the output, N x C_out x H_out x W_out, if gradients are asked for.
    pub grad_output: Option<ArrayView4<'a, f32>>,
}

/// The arrays that a function returns, by name.
#[derive(Clone, Debug, Default)]
pub struct Outputs(Handed);

impl Outputs {
    /// Adds an array under its name. For a convolution, the names are `y`, or `grad_x`, `grad_weight` and `grad_bias`.
    /// For a block, they are `y`, `bn1.running_mean`, `grad_conv1.weight` and so on.
    pub fn with(mut self, name: &str, array: ArrayD<f32>) -> Self {
        self.0.insert(name.to_owned(), Received::Floats(array));
        self
    }
}

/// Outputs that hold only `y`.
impl From<Array4<f32>> for Outputs {
    fn from(y: Array4<f32>) -> Self {
        Self::default().with("y", y.into_dyn())
    }
}

impl From<&Arrays> for Outputs {
    fn from(arrays: &Arrays) -> Self {
        let with = |outputs: Self, (name, array): &(String, ArrayD<f64>)| {
            outputs.with(name, array.mapv(|value| value as f32))
        };
        arrays.iter().fold(Self::default(), with)
    }
}

/// The verdict on a function. Printing the verdict gives the report.
#[derive(Clone, Debug)]
pub struct Checked {
    /// The name of the function.
    pub name: String,
    /// The verdict, case by case.
    pub report: Report,
}

impl Checked {
    /// Panics if anything is wrong, so that a test fails.
    ///
    /// # Panics
    ///
    /// If the verdict is not "agree". The message is the report.
    pub fn assert(&self) {
        assert!(self.report.verdict() == "agree", "\n{self}");
    }
}

impl fmt::Display for Checked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.report.words(&self.name))
    }
}

/// The cases on which a function is judged.
#[derive(Clone, Debug)]
pub struct Check {
    name: String,
    plan: Plan,
}

impl Check {
    /// Judges forward passes on the quick suite.
    pub fn new(name: &str) -> Self {
        let kinds = vec![Kind::Integers, Kind::Floats, Kind::Specials, Kind::Layout];
        let plan = Plan { kinds, quick: true, ..Plan::default() };
        Self { name: name.to_owned(), plan }
    }

    /// Uses these kinds of cases.
    pub fn kinds(mut self, kinds: &[Kind]) -> Self {
        self.plan.kinds = kinds.to_vec();
        self
    }

    /// Uses all cases instead of the quick suite.
    pub fn all(mut self) -> Self {
        self.plan.quick = false;
        self
    }

    /// Draws the cases from this seed instead of seed 0.
    pub fn seed(mut self, seed: u64) -> Self {
        self.plan.seed = crate::random::Seed(seed);
        self
    }

    /// Calls the function on each case, one after the other, and judges the outputs. The cases differ in shape, so this
    /// also tests any state that the function keeps between calls.
    ///
    /// Errors: those of [`cases`] and [`judge`].
    pub fn conv(self, mut function: impl FnMut(&ConvCall<'_>) -> Outputs) -> Result<Checked> {
        self.run(Ops::Conv, |case| match &case.operation {
            Operation::Conv(conv) => of_conv(conv, layout(case), &mut function),
            Operation::Block(_) => unreachable!("only convolutions are asked for"),
        })
    }

    /// Calls the function on each case of a block, and judges the outputs.
    ///
    /// Errors: those of [`cases`] and [`judge`].
    pub fn block(self, mut function: impl FnMut(&BlockCall<'_>) -> Outputs) -> Result<Checked> {
        self.run(Ops::Block, |case| match &case.operation {
            Operation::Block(block) => of_block(block, layout(case), &mut function),
            Operation::Conv(_) => unreachable!("only blocks are asked for"),
        })
    }

    fn run(self, ops: Ops, mut outputs: impl FnMut(&Case) -> Outputs) -> Result<Checked> {
        let cases = cases(&Plan { ops, ..self.plan })?;
        let given: Vec<(&str, Outputs)> =
            cases.iter().map(|case| (case.name.as_str(), outputs(case))).collect();
        let of = |case: &Case| {
            let found = given.iter().find(|(name, _)| *name == case.name);
            found.map(|(_, Outputs(handed))| handed.clone()).ok_or_else(String::new)
        };
        Ok(Checked { name: self.name, report: judge(&cases, of)? })
    }
}

/// Judges the forward pass of a grouped convolution with bias, on the quick suite. See [`Check`] for more.
///
/// # Panics
///
/// If the cases cannot be drawn. No seed is known to cause that.
pub fn conv(name: &str, function: impl FnMut(&ConvCall<'_>) -> Outputs) -> Checked {
    let checked = Check::new(name).conv(function);
    checked.unwrap_or_else(|error| panic!("{error}"))
}

/// Judges a bottleneck block in inference mode, on the quick suite. See [`Check`] for more.
///
/// # Panics
///
/// If the cases cannot be drawn. No seed is known to cause that.
pub fn block(name: &str, function: impl FnMut(&BlockCall<'_>) -> Outputs) -> Checked {
    let checked = Check::new(name).block(function);
    checked.unwrap_or_else(|error| panic!("{error}"))
}

/// How the input lies in memory. Cases of kind `Layout` have a stepped or a transposed input.
fn layout(case: &Case) -> Layout {
    let number: usize = case.name.bytes().filter(u8::is_ascii_digit).map(usize::from).sum();
    match (case.kind, number % 2) {
        (Kind::Layout, 0) => Layout::Stepped,
        (Kind::Layout, _) => Layout::Transposed,
        _ => Layout::Standard,
    }
}

fn float(value: &f64) -> f32 {
    *value as f32
}

fn of_conv(
    conv: &Convolution,
    layout: Layout,
    function: &mut impl FnMut(&ConvCall<'_>) -> Outputs,
) -> Outputs {
    let (x, weight) = (layout.lay(&conv.x.map(float)), conv.weight.map(float));
    let (bias, g) = (conv.bias.map(float), conv.grad_output.as_ref().map(|g| g.map(float)));
    function(&ConvCall {
        x: x.view(),
        weight: weight.view(),
        bias: bias.view(),
        spec: conv.spec,
        grad_output: g.as_ref().map(|g| g.view()),
    })
}

fn of_block(
    block: &Block,
    layout: Layout,
    function: &mut impl FnMut(&BlockCall<'_>) -> Outputs,
) -> Outputs {
    let (x, weights) = (layout.lay(&block.x.map(float)), block.weights.map(float));
    let norms = block.norms.cast();
    let (momentum, g) = match &block.asks {
        Asks::Output => (None, None),
        Asks::Training { momentum } => (Some(float(momentum)), None),
        Asks::Gradients { grad_output } => (None, Some(grad_output.map(float))),
    };
    function(&BlockCall {
        x: x.view(),
        weights: &weights,
        norms: &norms,
        momentum,
        grad_output: g.as_ref().map(|g| g.view()),
    })
}
