//! R0, approximate: equal up to a tolerance that somebody chose.
//!
//! This is how blocks are usually compared. It is a smoke test: it catches gross errors. But a chosen
//! tolerance is right only for the data it was chosen for. PyTorch's `allclose` allows 1e-8 plus 1e-5 of
//! the value. Its `testing.assert_close` for `float32` allows 1e-5 plus 1.3e-6 of the value. Where
//! large terms cancel, rounding is relative to the terms and not to the small result. So on
//! inputs of 0 to 255 these tolerances refute correct forms (a test shows it), and on tiny inputs
//! they accept wrong forms.
//!
//! Here the tolerance is [`TOLERANCE`] times an output's *size*: what the output would be if no terms
//! cancelled. Nothing justifies that number, so the next rung derives its bound. If sums are so long that
//! rounding alone could exceed the tolerance, the tolerance is enlarged to match ([`Tolerance::of`]). So a
//! correct form is never refuted here.

use approx::abs_diff_ne;
use ndarray::{Array4, ArrayView4};

use super::{Draw, Method, on_floats};
use crate::block::{
    Activation, BlockForm as _, BlockNorms, BlockSpec, BlockWeights, Form, NormFunctions,
};
use crate::conv::Double;
use crate::error::Result;
use crate::evidence::bound::gamma_n;
use crate::evidence::{
    Bound, Evidence, Forms, OnReal, Value, Witness, change_norms, compare, largest, who,
};

/// R0.
pub const METHOD: Method = Method {
    name: "approximate",
    asks: "equal up to a chosen tolerance?",
    says: "All outputs agree with one form's output within 2^-16 of the sum of their terms' sizes, or within what \
           rounding can explain where that is more. The 2^-16 is chosen, not derived: this is only a smoke test.",
    blind_to: "whatever the tolerance hides",
    on_case: Some(("f32", |forms, case, draw| on_floats(forms, case, draw, on_block))),
    on_block: Some(("f32", on_block)),
    ..Method::NONE
};

fn on_block(forms: Forms<'_>, real: &OnReal<'_>, _draw: Draw) -> Result<Evidence> {
    let tolerance = Tolerance::of(real.weights, real.norms, real.x)?;
    Ok(close(forms, real.outputs, &tolerance))
}

/// How far two forms may differ at an output, as a fraction of the output's size: 2^-16, about 1.5e-5.
pub const TOLERANCE: f64 = 1.0 / 65536.0;

/// How far two forms may differ, output by output.
pub struct Tolerance {
    /// The tolerance as a fraction of an output's size.
    relative: f64,
    /// The size of each output, N x C_out x H_out x W_out.
    sizes: Array4<f64>,
}

impl Tolerance {
    /// The tolerance for this block and input: [`TOLERANCE`], or `2 gamma_n` where that is more.
    ///
    /// So no correct form is refuted. Here `n` is the number of roundings in the computation of an output. There is one
    /// for each term of its three sums, seven for each batch norm, and one for the shortcut. The error of a correct
    /// form is at most `gamma_n` times the output's size. This follows from the bounds of the layers
    /// ([`crate::evidence::bound`]) by `(1 + gamma_a) (1 + gamma_b) - 1 <= gamma_(a + b)` (Higham, lemma 3.3).
    ///
    /// Underflow is ignored, because the ladder's data stays far from it.
    pub fn of(
        weights: &BlockWeights<f32>,
        norms: &BlockNorms<f32>,
        x: ArrayView4<'_, f32>,
    ) -> Result<Self> {
        let gamma = gamma_n(roundings(weights.spec()));
        Ok(Self { relative: TOLERANCE.max(2.0 * gamma), sizes: sizes(weights, norms, x)? })
    }
}

fn roundings(spec: &BlockSpec) -> usize {
    spec.c_in() + spec.width() * spec.kernel().pow(2) + spec.inner() + 3 * 7 + 1
}

/// The size of each output: what the output would be if no terms cancelled in any layer. The sizes are
/// computed by running the block, without its ReLUs, on the absolute values of weights, input, scales,
/// means and shifts.
fn sizes(
    weights: &BlockWeights<f32>,
    norms: &BlockNorms<f32>,
    x: ArrayView4<'_, f32>,
) -> Result<Array4<f64>> {
    // scale (z - mean) + shift becomes |scale| (z + |mean|) + |shift|.
    let norms = change_norms(&norms.cast(), |_, [gamma, beta, mean, variance]: [f64; 4]| {
        [gamma.abs(), beta.abs(), -mean.abs(), variance]
    })?;
    let functions = NormFunctions::new(&norms, Activation::Identity)?;
    let weights = weights.map(|weight| f64::from(weight.abs()));
    let x = x.mapv(|x| f64::from(x.abs()));
    Form::Grouped.forward(&weights, x.view(), &functions.functions(), &Double)
}

/// Finds the output that is closest to all the others (on a tie, the last such output). Compares each form's output
/// with it.
pub fn close(forms: Forms<'_>, outputs: &[Array4<f32>], tolerance: &Tolerance) -> Evidence {
    let Tolerance { relative, sizes } = tolerance;
    let from_all = |of| outputs.iter().map(|other| compare(of, other).0).sum::<f64>();
    let nearest = outputs.iter().rev().min_by(|l, r| from_all(l).total_cmp(&from_all(r)));
    let bound = |used| Bound::Tolerance { relative: *relative, used };
    let Some(most) = nearest else { return Evidence::none(bound(0.0)) };
    let (mut used, mut witnesses) = (0f64, Vec::new());
    for (form, output) in forms.iter().zip(outputs) {
        assert_eq!(output.shape(), sizes.shape(), "an output and its sizes");
        let mut witness: Option<Witness> = None;
        for (((index, &found), &expected), size) in output.indexed_iter().zip(most).zip(sizes) {
            let (found, expected) = (f64::from(found), f64::from(expected));
            let allowed = relative * size;
            if found != expected {
                let part = (found - expected).abs() / allowed;
                used = used.max(if part.is_nan() { f64::INFINITY } else { part });
            }
            if abs_diff_ne!(found, expected, epsilon = allowed) {
                let values = [found, expected].map(Value::Number);
                let first = || Witness::new(who(*form), "output", index.into(), values);
                let elements = output.len();
                let first = witness.get_or_insert_with(|| Witness {
                    allowed,
                    wrong: 0,
                    elements,
                    ..first()
                });
                first.wrong += 1;
            }
        }
        witnesses.extend(witness);
    }
    let largest_size = sizes.iter().fold(0.0, |max, size| size.max(max));
    let blunt = relative * largest_size > f64::from(largest(outputs));
    Evidence { blunt, ..Evidence::of(bound(used), witnesses) }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{TOLERANCE, Tolerance, close, roundings};
    use crate::block::{BatchNorm, BlockNorms, BlockSpec, BlockWeights, Form, Layer, Shortcut};
    use crate::evidence::bound::{balls, gamma_n};
    use crate::evidence::{AnyForm, Bound, Evidence, RealProblem, sample};
    use crate::random::Seed;

    /// The tolerance for a block with one channel, one pixel and no shortcut. For each weight of a layer, the block has
    /// one path of width 1.
    fn tolerance(x: f32, weights: [Vec<f32>; 3], means: [f32; 3]) -> Tolerance {
        let paths = weights[0].len();
        let spec = BlockSpec::new(1, paths, 1, 1).unwrap().with_kernel(1).unwrap();
        let spec = spec.with_shortcut(Shortcut::None).unwrap();
        let tensor = |shape, weights| Array4::from_shape_vec(shape, weights).unwrap();
        let [column, row] = [(paths, 1, 1, 1), (1, paths, 1, 1)];
        let [a, b, c] = weights;
        let [a, b, c] = [tensor(column, a), tensor(column, b), tensor(row, c)];
        let weights = BlockWeights::new(spec, a, b, c, None).unwrap();
        let norms = BlockNorms::from_fn(false, |layer| {
            let channels = if layer == Layer::Expand { 1 } else { paths };
            let channel = [-2.0, -0.5, means[layer as usize], 0.75];
            BatchNorm::of_channels(&vec![channel; channels], 0.25)
        });
        let norms = norms.unwrap();
        Tolerance::of(&weights, &norms, Array4::from_elem((1, 1, 1, 1), x).view()).unwrap()
    }

    fn two_paths(x: f32, sign: f32) -> Tolerance {
        tolerance(x, [vec![3.0, -5.0], vec![-1.0, 2.0], vec![sign, -1.0]], [3.0, -1.0, 0.0])
    }

    fn of_two(outputs: [Array4<f32>; 2], tolerance: &Tolerance) -> Evidence {
        let forms: [&dyn AnyForm; 2] = [&Form::Aggregated, &Form::Grouped];
        close(&forms, &outputs, tolerance)
    }

    /// The sizes in the three layers, by hand:
    ///
    /// ```text
    /// 2 (3 7 + 3) + 0.5    = 48.5        2 (5 7 + 3) + 0.5    = 76.5
    /// 2 (48.5 + 1) + 0.5   = 99.5        2 (2 76.5 + 1) + 0.5 = 308.5
    /// 2 (99.5 + 308.5) + 0.5 = 816.5
    /// ```
    ///
    /// Terms that cancel do not change these sizes. So even a result near 0 may be off by the tolerance times 816.5,
    /// and by no more.
    #[test]
    fn the_tolerance_goes_with_what_is_summed() {
        for sign in [1.0, -1.0] {
            let of = two_paths(7.0 * sign, sign);
            assert_eq!(of.sizes[[0, 0, 0, 0]], 816.5);
            assert_eq!(of.relative, TOLERANCE, "21 + 1 + 1 + 2 + 1 roundings are far less");
        }
        let tolerance = two_paths(7.0, 1.0);
        let off = |by: f64| {
            let output = |value: f64| Array4::from_elem((1, 1, 1, 1), value as f32);
            of_two([output(by * 816.5 * TOLERANCE), output(0.0)], &tolerance)
        };
        assert!(off(0.99).witnesses.is_empty());
        let evidence = off(1.01);
        let [witness] = &evidence.witnesses[..] else { panic!("{:?}", evidence.witnesses) };
        assert_eq!((witness.form, witness.wrong, witness.allowed), ('a', 1, 816.5 * TOLERANCE));
        assert!(matches!(evidence.bound, Bound::Tolerance { used, .. } if used > 1.0));
        assert!(!off(f64::NAN).witnesses.is_empty(), "NaN is close to nothing");
    }

    /// R0's tolerance is never less than the bound that R1 derives, so R0 refutes no form that R1 accepts.
    #[test]
    fn rounding_never_exceeds_the_tolerance() {
        let mut compared = 0;
        for number in 0..200 {
            let real = RealProblem::of(&sample(Seed(3), number, 0)).unwrap();
            let tolerance = Tolerance::of(&real.weights, &real.norms, real.x.view()).unwrap();
            let rounding = 2.0 * gamma_n(roundings(real.weights.spec()));
            let balls = balls(&real.weights, &real.norms, real.x.view()).unwrap();
            for (ball, size) in balls.iter().zip(&tolerance.sizes) {
                assert!(2.0 * ball.radius <= rounding * size, "{number}: {ball:?}, {size}");
                compared += 1;
            }
        }
        assert!(compared > 10_000, "{compared}");
    }

    /// From 128 roundings on, rounding alone could use up the tolerance. From 2^24 roundings on, no bound is known. So
    /// everything is allowed, and the evidence is blunt.
    #[test]
    fn long_sums_are_allowed_what_rounding_can_use() {
        let of = |paths| tolerance(1.0, [(); 3].map(|()| vec![1.0; paths]), [0.0; 3]);
        assert_eq!(of(100).relative, TOLERANCE);
        let n = 1000.0 + 24.0;
        let expected = 2.0 * n / (f64::from(1 << 24) - n);
        let long = of(1000).relative;
        assert!((long / expected - 1.0).abs() < 1e-5, "{long} {expected}");
        let endless = of(1 << 24);
        let output = || endless.sizes.mapv(|size| size as f32);
        let evidence = of_two([output(), output()], &endless);
        assert!(evidence.blunt && evidence.witnesses.is_empty());
    }
}
