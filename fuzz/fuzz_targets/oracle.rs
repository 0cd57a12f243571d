//! What the fuzz target runs on every input, shared with `tests/fuzz_corpus.rs`: the input's
//! convolution ([`Case`]) by all convolvers, to the bit ([`check`]).
//!
//! The expected answer is the reference's over checked integers, which cannot round. The data are
//! such integers that floats cannot round either, whatever order they sum in: see `CERTIFIED`.
//!
//! **The sign of zero.** `tests/lesson/convolution.rs` compares with `==`, to which -0 is +0, and
//! `src/evidence/rungs/r3_exact_integers.rs` says why it may: a sum whose terms are all zero may be -0 in one order and
//! +0 in another. Here the reference must give the very bits, as it adds to +0, which never gives -0.
//! So must the fast convolver, but where a 1x1 may be a matrix product: with one output channel, or at
//! most two input channels, `gemm` starts from a product, and 0 times -3 is -0. So there, and only
//! there, -0 is taken for +0.

#![allow(unreachable_pub)]

use std::ops::Range;

use ndarray::{Array4, ArrayView4, ArrayViewMut3, s};
use triform::conv::{
    Affine, ChannelWise, Convolver, Double, Elementwise, Epilogue, Fast, Reference,
};
use triform::scalar::{Dot, Int, Ordered};

#[path = "case.rs"]
mod case;

use case::{CERTIFIED, Layout, Path, SHIFT, Step, Tensor};
pub use case::{Case, Verb};

/// What a kind of number must offer here.
trait Number: Dot + Ordered {
    fn of(value: i64) -> Self;
    fn float(&self) -> f32;
}

impl Number for Int {
    fn of(value: i64) -> Self {
        Self::from(value)
    }
    fn float(&self) -> f32 {
        let value = self.value().expect("far from overflow");
        assert!(value.abs() <= CERTIFIED, "{value}");
        value as f32
    }
}

impl Number for f32 {
    fn of(value: i64) -> Self {
        value as f32
    }
    fn float(&self) -> f32 {
        *self
    }
}

impl Number for f64 {
    fn of(value: i64) -> Self {
        value as f64
    }
    fn float(&self) -> f32 {
        *self as f32
    }
}

impl Tensor {
    /// The same values, lying in memory as the layout says.
    fn lay<S: Number>(&self) -> Array4<S> {
        let x = self.values.mapv(S::of);
        let (n, c, h, w) = x.dim();
        match self.layout {
            Layout::Standard => x,
            Layout::Permuted(axes) => {
                let permuted = x.view().permuted_axes(axes);
                permuted.as_standard_layout().into_owned().permuted_axes(axes)
            }
            Layout::Stepped => {
                let larger = Array4::from_elem((n, c, 2 * h, 3 * w), S::of(77));
                let mut larger = larger.slice_move(s![.., .., ..;2, ..;3]);
                larger.assign(&x);
                larger
            }
            Layout::Reversed => {
                let reversed = x.slice(s![..;-1, ..;-1, ..;-1, ..;-1]);
                let reversed = reversed.as_standard_layout().into_owned();
                reversed.slice_move(s![..;-1, ..;-1, ..;-1, ..;-1])
            }
            Layout::Repeated => x.slice_move(s![..n.min(1), .., .., ..]),
        }
    }

    /// A view of what [`Tensor::lay`] gave.
    fn view<'a, S>(&self, laid: &'a Array4<S>) -> ArrayView4<'a, S> {
        laid.broadcast(self.values.raw_dim()).expect("the same shape, or one image of it")
    }

    /// [`Tensor::lay`], for who wants to own it.
    fn owned<S: Number>(&self) -> Array4<S> {
        let laid = self.lay();
        if laid.dim() == self.values.dim() { laid } else { self.view(&laid).to_owned() }
    }
}

/// The steps of all channels; counted wrongly, a channel has none.
struct Steps<'a, S> {
    steps: &'a [Step],
    /// Those that are affine, where all are.
    affine: Option<Vec<Affine<S>>>,
    /// Whether to keep from the convolver what they are made of.
    opaque: bool,
}

impl<'a, S: Number> Steps<'a, S> {
    fn new(steps: &'a [Step], opaque: bool) -> Self {
        let affine = |step: &Step| match *step {
            Step::Affine(scale, shift, relu) => {
                Some(Affine { scale: S::of(scale), shift: S::of(shift), relu })
            }
            _ => None,
        };
        Self { steps, affine: steps.iter().map(affine).collect(), opaque }
    }
}

impl<S: Number> ChannelWise<S> for Steps<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        match self.steps[channel] {
            Step::Identity => {}
            Step::Relu => plane.mapv_inplace(|z| z.relu()),
            Step::Affine(scale, shift, relu) => {
                let affine = Affine { scale: S::of(scale), shift: S::of(shift), relu };
                plane.mapv_inplace(|z| affine.at(&z));
            }
            Step::Ramp => {
                for ((n, i, j), z) in plane.indexed_iter_mut() {
                    *z = z.add(&S::of((4 * n + 2 * i + j) as i64 % (SHIFT + 1)));
                }
            }
        }
    }

    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        let steps = &self.steps[channels.clone()];
        match steps.first() {
            _ if self.opaque => None,
            Some(Step::Identity) if steps.iter().all(|step| matches!(step, Step::Identity)) => {
                Some(Elementwise::Identity)
            }
            Some(Step::Relu) if steps.iter().all(|step| matches!(step, Step::Relu)) => {
                Some(Elementwise::Relu)
            }
            _ => self.affine.as_ref().map(|affine| Elementwise::Affine(&affine[channels])),
        }
    }
}

/// What a convolver makes of the case: tensors or the text of its error.
type Outcome = Result<Vec<Array4<f32>>, String>;

fn run<S: Number, V: Convolver<S>>(convolver: &V, case: &Case, opaque: bool) -> Outcome {
    let kernel = |path: &Path| {
        let weights = path.weights.lay();
        convolver.prepare(path.weights.view(&weights), path.spec)
    };
    let z = || -> triform::Result<Vec<Array4<S>>> {
        let kernels = case.paths.iter().map(kernel).collect::<triform::Result<Vec<_>>>()?;
        let function = Steps::new(&case.function, opaque);
        let output = Steps::new(&case.output, opaque);
        let shortcut = case.shortcut.as_ref().map(|tensor| (tensor, tensor.lay()));
        let shortcut = shortcut.as_ref().map(|(tensor, laid)| tensor.view(laid));
        let after = Epilogue { function: &function, shortcut, output: &output };
        let whole = |x: &Tensor| x.owned();
        match case.verb {
            Verb::Each => {
                let xs: Vec<_> = case.xs.iter().map(whole).collect();
                convolver.each(&xs, &kernels, &function)
            }
            Verb::Merge => {
                let xs: Vec<_> = case.xs.iter().map(whole).collect();
                Ok(vec![convolver.merge(&xs, &kernels, &after)?])
            }
            verb => {
                let laid = case.xs[0].lay();
                let x = case.xs[0].view(&laid);
                match verb {
                    Verb::Split => convolver.split(x, &kernels, &function),
                    Verb::Conv => Ok(vec![convolver.conv(x, &kernels[0], &after)?]),
                    _ => Ok(vec![convolver.sums(x, &kernels[0])?]),
                }
            }
        }
    };
    let z = z().map_err(|error| error.to_string())?;
    Ok(z.iter().map(|z| z.mapv(|z| z.float())).collect())
}

/// Whether the fast convolver may take one of the kernels for a matrix.
fn has_a_matrix(case: &Case) -> bool {
    case.paths.iter().any(|path| {
        let shape = path.weights.values.shape();
        shape[2..] == [1, 1] && path.spec.padding() == 0 && path.spec.groups() == 1
    })
}

fn same(who: &str, expected: &Outcome, found: &Outcome, one_zero: bool) -> Result<(), String> {
    // -0 + 0 is +0; every other value stays what it is.
    let bits = |z: f32| if one_zero { (z + 0.0).to_bits() } else { z.to_bits() };
    let (expected, found) = match (expected, found) {
        (Ok(expected), Ok(found)) => (expected, found),
        (Err(expected), Err(found)) if expected == found => return Ok(()),
        _ => return Err(format!("{who}: {}, not {}", short(found), short(expected))),
    };
    if expected.len() != found.len() {
        return Err(format!("{who}: {} tensors, not {}", found.len(), expected.len()));
    }
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        if expected.dim() != found.dim() {
            return Err(format!("{who}: {:?}, not {:?}", found.dim(), expected.dim()));
        }
        for ((at, &expected), &found) in expected.indexed_iter().zip(found) {
            if bits(expected) != bits(found) {
                return Err(format!("{who}: tensor {number}, {at:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    Ok(())
}

fn short(outcome: &Outcome) -> String {
    match outcome {
        Ok(tensors) => format!("{} tensors", tensors.len()),
        Err(error) => format!("the error \"{error}\""),
    }
}

/// What a case was worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// That many values were compared, and they were not all 0.
    Compared(usize),
    /// An output without elements, or of zeros only.
    Hollow,
    /// An input that all refused, in the same words.
    Refused,
}

/// Runs a case by all convolvers; says in words who disagrees.
pub fn check(case: &Case) -> Result<Ran, String> {
    check_against(&Fast::new(), case)
}

/// The same, with `fast` in the place of the fast convolver.
pub fn check_against<V: Convolver<f32>>(fast: &V, case: &Case) -> Result<Ran, String> {
    let reference = Reference::default();
    let runs = Reference::in_runs_of(case.run);
    let expected = run::<Int, _>(&reference, case, false);
    same("integers, in runs", &expected, &run::<Int, _>(&runs, case, true), false)?;
    same("reference", &expected, &run::<f32, _>(&reference, case, false), false)?;
    same("reference, in runs", &expected, &run::<f32, _>(&runs, case, true), false)?;
    let matrix = has_a_matrix(case);
    let fused = run::<f32, _>(fast, case, false);
    same("fast", &expected, &fused, matrix)?;
    // The same sums, so the same bits, zeros too.
    same("fast, functions kept from it", &fused, &run::<f32, _>(fast, case, true), false)?;
    same("double", &expected, &run::<f64, _>(&Double, case, false), matrix)?;

    Ok(match expected {
        Err(_) => Ran::Refused,
        Ok(tensors) if tensors.iter().flatten().all(|&z| z == 0.0) => Ran::Hollow,
        Ok(tensors) => Ran::Compared(tensors.iter().map(Array4::len).sum()),
    })
}
