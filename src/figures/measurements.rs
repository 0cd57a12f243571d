//! Measures how large rounding errors are compared with the derived bound. The figures show the results.
//!
//! All measurements use the reference convolution. It sums in a fixed order, so the numbers are the same on every
//! machine.

use ndarray::{Array4, ArrayView4};

use crate::block::{BlockSpec, Form, Layer};
use crate::conv::{ConvSpec, Convolver, Reference};
use crate::error::Result;
use crate::evidence::bound::{Cuts, NormBalls, U, balls};
use crate::evidence::{RealProblem, Shape};
use crate::random::{Purpose, Seed, normal};

/// How far apart forms (a) and (c) are on a block, value by value, and how far apart they may be.
#[derive(Clone, Debug)]
pub(super) struct Differences {
    /// `|a - c|` for each output, unless it is 0 in both forms. (In that case, the last ReLU hides the difference.)
    pub(super) differences: Vec<f64>,
    /// For the same outputs, the difference that rounding can explain, end to end.
    pub(super) explained: Vec<f64>,
    /// For each value after the last 1x1, the difference that rounding can explain if that layer gets
    /// the same floats in both forms.
    pub(super) explained_at_cut: Vec<f64>,
}

/// Compares forms (a) and (c) in `f32` on a block of this shape.
///
/// Errors: a shape that is too large.
pub(super) fn differences(shape: &Shape, seed: Seed) -> Result<Differences> {
    let real = RealProblem::draw(shape, seed, &[])?;
    let [a, c] = [Form::Aggregated, Form::Grouped].map(|form| in_f32(&form, &real));
    let (a, c) = (a?, c?);
    let explained = balls(&real.weights, &real.norms, real.x.view())?;
    let norms = real.norms.cast();
    let cuts = Cuts::new(&real.problem(), &NormBalls::new(&norms).functions())?;
    let live = || a.iter().zip(&c).map(|(a, c)| *a != 0.0 || *c != 0.0);
    let differences = a.iter().zip(&c).map(|(a, c)| f64::from((a - c).abs()));
    let alive = |(value, live): (f64, bool)| live.then_some(value);
    Ok(Differences {
        differences: differences.zip(live()).filter_map(alive).collect(),
        explained: explained.iter().map(|b| 2.0 * b.radius).zip(live()).filter_map(alive).collect(),
        explained_at_cut: cuts.radii(Layer::Expand).map(|radius| 2.0 * radius).collect(),
    })
}

fn in_f32(form: &Form, real: &RealProblem) -> Result<Array4<f32>> {
    real.problem().solve(form, &Reference::default())
}

/// The errors for each cardinality C that is a power of two, with D = C d fixed. First comes the error of form (a),
/// then the error of forms (b) and (c), which sum in the same order here. The error of a form is the root mean square
/// of its deviations from the exact outputs. It is divided by the root mean square of the outputs, and given in units
/// of u = 2^-24.
///
/// Errors: shapes that are too large.
pub(super) fn error_by_cardinality(inner: usize, draws: u64) -> Result<Vec<[f64; 2]>> {
    let mut all = Vec::new();
    for power in 0..=inner.ilog2() {
        let cardinality = 1 << power;
        let spec = BlockSpec::new(2 * inner, cardinality, inner / cardinality, 2 * inner)?;
        let (mut errors, mut size) = ([0f64; 2], 0f64);
        for draw in 0..draws {
            let real = RealProblem::draw(&Shape::new(spec, (5, 6)), Seed(draw), &[])?;
            let exact = balls(&real.weights, &real.norms, real.x.view())?;
            size += exact.iter().map(|ball| ball.centre.powi(2)).sum::<f64>();
            for (error, form) in errors.iter_mut().zip([Form::Aggregated, Form::Grouped]) {
                let output = in_f32(&form, &real)?;
                let off = output.iter().zip(&exact).map(|(y, ball)| f64::from(*y) - ball.centre);
                *error += off.map(|off| off.powi(2)).sum::<f64>();
            }
        }
        all.push(errors.map(|error| (error / size).sqrt() / U));
    }
    Ok(all)
}

/// The error of a last 1x1 over `terms` channels, for each length of run that is a power of two. Each run is summed
/// from zero, then the sums of the runs are added. With runs of length 1, and with a single run, all terms are added
/// one after the other. The error is the root mean square of the deviations from the exact sums. It is divided by the
/// root mean square of the exact sums, and given in units of u = 2^-24.
pub(super) fn error_by_order(terms: usize, seed: Seed) -> Result<Vec<f64>> {
    let mut rng = seed.stream(Purpose::Floats, &[terms as u64]);
    let mut normal = |shape: [usize; 4]| -> Array4<f32> { normal(shape, &mut rng) };
    let weights = normal([64, terms, 1, 1]);
    let x = normal([1, terms, 8, 16]).mapv(|x| x.max(0.0)); // what a ReLU leaves
    let exact: Array4<f64> =
        sums(Reference::default(), x.mapv(f64::from).view(), weights.mapv(f64::from).view())?;
    let size = (exact.mapv(|z| z * z).sum() / exact.len() as f64).sqrt();
    let in_runs = |run: usize| {
        let computed: Array4<f32> = sums(Reference::in_runs_of(run), x.view(), weights.view())?;
        let off = computed.iter().zip(&exact).map(|(z, exact)| (f64::from(*z) - exact).abs());
        let square = off.map(|off| off * off).sum::<f64>() / exact.len() as f64;
        Ok(square.sqrt() / size / U)
    };
    (0..=terms.ilog2()).map(|power| in_runs(1 << power)).collect()
}

fn sums<S: crate::scalar::Dot>(
    reference: Reference,
    x: ArrayView4<'_, S>,
    weights: ArrayView4<'_, S>,
) -> Result<Array4<S>> {
    reference.sums(x, &reference.prepare(weights, ConvSpec::UNIT)?)
}

#[cfg(test)]
mod tests {
    use super::{differences, error_by_cardinality, error_by_order};
    use crate::block::BlockSpec;
    use crate::evidence::Shape;
    use crate::random::Seed;

    /// No difference is larger than what rounding can explain, and some differences are not 0.
    #[test]
    fn differences_are_explained() {
        let shape = Shape::new(BlockSpec::new(64, 32, 4, 64).unwrap(), (4, 5));
        let all = differences(&shape, Seed(0)).unwrap();
        assert_eq!(all.differences.len(), all.explained.len());
        assert_eq!(all.explained_at_cut.len(), 64 * 20);
        assert!(all.differences.iter().zip(&all.explained).all(|(d, e)| d <= e));
        assert!(all.differences.iter().any(|difference| *difference > 0.0));
    }

    /// With one path, forms (a) and (c) sum in the same order. With many paths, form (a) sums in runs of d.
    #[test]
    fn one_path_is_one_order() {
        let all = error_by_cardinality(16, 2).unwrap();
        assert_eq!(all.len(), 5);
        assert!(all[0][0] == all[0][1] && all[2][0] != all[2][1]);
        assert!(all.iter().all(|at| at[1] > 0.1 && at[1] < 1000.0));
    }

    /// Runs of length 1 and a single run give the same order. The error is least if the length of a run is the square
    /// root of the number of terms.
    #[test]
    fn runs_of_the_square_root_are_best() {
        let all = error_by_order(256, Seed(0)).unwrap();
        assert!(all.len() == 9 && all[0] == all[8] && all[4] < 0.6 * all[0], "{all:?}");
    }
}
