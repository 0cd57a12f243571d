//! What the fuzz target runs on every input. `tests/lesson/fuzz_corpus.rs` uses the same code. [`check`] runs the
//! input's convolution, a [`Case`], on all convolvers, and compares the results to the bit.
//!
//! The expected answer comes from the reference over checked integers, which cannot round. The data are such small
//! integers that floats cannot round either, in whatever order they are summed: see `CERTIFIED`.
//!
//! **The sign of zero.** `tests/lesson/convolution.rs` compares with `==`, for which -0 equals +0.
//! `src/evidence/rungs/r3_exact_integers.rs` says why: a sum whose terms are all zero may be -0 in one order and +0 in
//! another. Here, the reference must give the exact bits, since it adds to +0, which never gives -0. The fast convolver
//! must give the exact bits too, except where a 1x1 may be a matrix product. With one output channel, or at most two
//! input channels, `gemm` starts from a product, and 0 times -3 is -0. There, and only there, -0 counts as +0.

#![allow(unreachable_pub)]

use std::ops::Range;

use ndarray::{Array4, ArrayView4, ArrayViewMut3, s};
use triform::conv::{
    Affine, ChannelWise, Convolver, Double, Elementwise, Epilogue, Fast, Reference,
};
use triform::scalar::{Int, Ordered, Scalar};

#[path = "case.rs"]
mod case;

use case::{CERTIFIED, REPEATED, SHIFT};
pub use case::{Case, Path, Step, Tensor, Verb};

/// A number type: how it is made from an integer, and how it is turned into a float.
pub struct Kind<S> {
    pub of: fn(i64) -> S,
    pub float: fn(&S) -> f32,
}

pub const F32: Kind<f32> = Kind { of: |value| value as f32, float: |x| *x };
const F64: Kind<f64> = Kind { of: |value| value as f64, float: |x| *x as f32 };
const INT: Kind<Int> = Kind {
    of: Int::from,
    float: |x| {
        let value = x.value().expect("far from overflow");
        assert!(value.abs() <= CERTIFIED, "{value}");
        value as f32
    },
};

impl Tensor {
    /// The same values, in the memory layout that `layout` names.
    pub fn lay<S: Scalar>(&self, of: fn(i64) -> S) -> Array4<S> {
        let x = self.values.mapv(of);
        let (n, c, h, w) = x.dim();
        // Axes exchanged; each of these orders is its own inverse.
        let permuted = |axes: [usize; 4]| {
            x.view().permuted_axes(axes).as_standard_layout().into_owned().permuted_axes(axes)
        };
        match self.layout {
            // Channels last.
            1 => {
                let last = x.view().permuted_axes([0, 2, 3, 1]).as_standard_layout().into_owned();
                last.permuted_axes([0, 3, 1, 2])
            }
            2 => permuted([3, 2, 1, 0]),
            3 => permuted([0, 1, 3, 2]),
            4 => permuted([1, 0, 2, 3]),
            // Every second row and third column of a larger one, whose other values are wrong.
            5 => {
                let larger = Array4::from_elem((n, c, 2 * h, 3 * w), of(77));
                let mut larger = larger.slice_move(s![.., .., ..;2, ..;3]);
                larger.assign(&x);
                larger
            }
            6 => {
                let reversed = x.slice(s![..;-1, ..;-1, ..;-1, ..;-1]);
                let reversed = reversed.as_standard_layout().into_owned();
                reversed.slice_move(s![..;-1, ..;-1, ..;-1, ..;-1])
            }
            REPEATED => x.slice_move(s![..n.min(1), .., .., ..]),
            _ => x,
        }
    }

    /// A view of the result of [`Tensor::lay`].
    fn view<'a, S>(&self, laid: &'a Array4<S>) -> ArrayView4<'a, S> {
        laid.broadcast(self.values.raw_dim()).expect("the same shape, or one image of it")
    }

    /// [`Tensor::lay`], as an owned array.
    fn owned<S: Scalar>(&self, of: fn(i64) -> S) -> Array4<S> {
        let laid = self.lay(of);
        if laid.dim() == self.values.dim() { laid } else { self.view(&laid).to_owned() }
    }
}

/// The steps of all channels. If a convolver asks for a channel that does not exist, this panics.
struct Steps<'a, S> {
    steps: &'a [Step],
    of: fn(i64) -> S,
    /// The steps as data, if all are affine.
    affine: Option<Vec<Affine<S>>>,
    /// Whether `as_data` returns `None`, so that the convolver can only apply the steps.
    opaque: bool,
}

/// An affine step.
fn affine<S>(step: &Step, of: fn(i64) -> S) -> Option<Affine<S>> {
    match *step {
        Step::Affine(scale, shift, relu) => {
            Some(Affine { scale: of(scale), shift: of(shift), relu })
        }
        _ => None,
    }
}

impl<S: Ordered> ChannelWise<S> for Steps<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        match &self.steps[channel] {
            Step::Identity => {}
            Step::Relu => plane.mapv_inplace(|z| z.relu()),
            Step::Ramp => {
                for ((n, i, j), z) in plane.indexed_iter_mut() {
                    *z = z.add(&(self.of)((4 * n + 2 * i + j) as i64 % (SHIFT + 1)));
                }
            }
            step => {
                let affine = affine(step, self.of).expect("it is affine");
                plane.mapv_inplace(|z| affine.at(&z));
            }
        }
    }

    fn as_data(&self, channels: Range<usize>) -> Option<Elementwise<'_, S>> {
        let steps = &self.steps[channels.clone()];
        let all = |same: fn(&Step) -> bool| !steps.is_empty() && steps.iter().all(same);
        match &self.affine {
            _ if self.opaque => None,
            _ if all(|step| matches!(step, Step::Identity)) => Some(Elementwise::Identity),
            _ if all(|step| matches!(step, Step::Relu)) => Some(Elementwise::Relu),
            affine => affine.as_ref().map(|affine| Elementwise::Affine(&affine[channels])),
        }
    }
}

/// The result of a convolver for a case: tensors, or the text of its error.
pub type Outcome = Result<Vec<Array4<f32>>, String>;

/// Runs the case. If `opaque`, the convolver does not get its functions as data.
pub fn run<S, V>(kind: &Kind<S>, convolver: &V, case: &Case, opaque: bool) -> Outcome
where
    S: Ordered,
    V: Convolver<S>,
{
    let of = kind.of;
    let kernel = |path: &Path| {
        let weights = path.weights.lay(of);
        convolver.prepare(path.weights.view(&weights), path.spec)
    };
    let steps = |steps| {
        let affine = <[Step]>::iter(steps).map(|step| affine(step, of)).collect();
        Steps { steps, of, affine, opaque }
    };
    let z = || -> triform::Result<Vec<Array4<S>>> {
        let kernels = case.paths.iter().map(kernel).collect::<triform::Result<Vec<_>>>()?;
        let (function, output) = (steps(&case.function), steps(&case.output));
        let shortcut = case.shortcut.as_ref().map(|tensor| (tensor, tensor.lay(of)));
        let shortcut = shortcut.as_ref().map(|(tensor, laid)| tensor.view(laid));
        let after = Epilogue { function: &function, shortcut, output: &output };
        let owned = || case.xs.iter().map(|x| x.owned(of)).collect::<Vec<_>>();
        // These three take one input in its own layout; the others own theirs.
        let first = case.xs.first().map(|x| (x, x.lay(of)));
        let first = first.as_ref().map(|(x, laid)| x.view(laid));
        match (case.verb, first) {
            (Verb::Conv, Some(x)) => Ok(vec![convolver.conv(x, &kernels[0], &after)?]),
            (Verb::Sums, Some(x)) => Ok(vec![convolver.sums(x, &kernels[0])?]),
            (Verb::Split, Some(x)) => convolver.split(x, &kernels, &function),
            (Verb::Merge, _) => Ok(vec![convolver.merge(&owned(), &kernels, &after)?]),
            _ => convolver.each(&owned(), &kernels, &function),
        }
    };
    let z = z().map_err(|error| error.to_string())?;
    Ok(z.iter().map(|z| z.map(kind.float)).collect())
}

/// Whether the fast convolver may treat one of the kernels as a matrix.
fn has_a_matrix(case: &Case) -> bool {
    case.paths.iter().any(|path| {
        let shape = path.weights.values.shape();
        shape[2..] == [1, 1] && path.spec.height().padding[0] == 0 && path.spec.groups() == 1
    })
}

/// Checks that both outcomes are the same to the bit, or are the same error. If `one_zero`, -0 equals +0.
pub fn same(who: &str, expected: &Outcome, found: &Outcome, one_zero: bool) -> Result<(), String> {
    // -0 + 0 is +0; every other value is unchanged.
    let bits = |z: &f32| if one_zero { (z + 0.0).to_bits() } else { z.to_bits() };
    let (Ok(expected), Ok(found)) = (expected, found) else {
        let short = |outcome: &Outcome| match outcome {
            Ok(tensors) => format!("{} tensors", tensors.len()),
            Err(error) => format!("the error \"{error}\""),
        };
        let wrong = || format!("{who}: {}, not {}", short(found), short(expected));
        return if expected == found { Ok(()) } else { Err(wrong()) };
    };
    let shapes = |tensors: &[Array4<f32>]| tensors.iter().map(Array4::dim).collect::<Vec<_>>();
    if shapes(expected) != shapes(found) {
        return Err(format!("{who}: {:?}, not {:?}", shapes(found), shapes(expected)));
    }
    for (number, (expected, found)) in expected.iter().zip(found).enumerate() {
        for ((at, expected), found) in expected.indexed_iter().zip(found) {
            if bits(expected) != bits(found) {
                return Err(format!("{who}: tensor {number}, {at:?}: {found:?}, not {expected:?}"));
            }
        }
    }
    Ok(())
}

/// The outcome of a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// Values were compared, and they were not all 0.
    Compared,
    /// The output has no elements, or only zeros.
    Hollow,
    /// All convolvers refused the input, with the same message.
    Refused,
}

/// Runs a case on all convolvers. The error names the convolver that disagrees.
pub fn check(case: &Case) -> Result<Ran, String> {
    check_against(&Fast::new(), case)
}

/// Like [`check`], with `fast` in place of the fast convolver.
pub fn check_against<V: Convolver<f32>>(fast: &V, case: &Case) -> Result<Ran, String> {
    let reference = Reference::default();
    let runs = Reference::in_runs_of(case.run);
    let expected = run(&INT, &reference, case, false);
    same("integers, in runs", &expected, &run(&INT, &runs, case, true), false)?;
    same("reference", &expected, &run(&F32, &reference, case, false), false)?;
    same("reference, in runs", &expected, &run(&F32, &runs, case, true), false)?;
    let matrix = has_a_matrix(case);
    let fused = run(&F32, fast, case, false);
    same("fast", &expected, &fused, matrix)?;
    // The sums are the same, so the bits are too, even those of zeros.
    same("fast, functions kept from it", &fused, &run(&F32, fast, case, true), false)?;
    same("double", &expected, &run(&F64, &Double, case, false), matrix)?;

    Ok(match expected {
        Err(_) => Ran::Refused,
        Ok(tensors) if tensors.iter().flatten().all(|&z| z == 0.0) => Ran::Hollow,
        Ok(_) => Ran::Compared,
    })
}
