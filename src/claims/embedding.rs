//! Checks of the claims that a wider block or network can compute what a grouped one computes.

use ndarray::{Array4, ArrayView4, s};

use super::{Given, refuted};
use crate::block::{BlockSpec, BlockWeights, Form};
use crate::conv::{ConvSpec, Convolver, Epilogue, Identity, Reference};
use crate::count;
use crate::error::{Error, Result};
use crate::evidence::rungs::r4_prime_field::{P, uniform};
use crate::evidence::{AnyForm, Bound, Problem, RandomFunctions, Shape, Verdict};
use crate::network::zoo;
use crate::random::{Purpose, Rng, Seed};
use crate::scalar::{Additive, M61, Scalar};

const SEED: Seed = Seed(0);

pub(super) fn fewer_paths(given: Given) -> Result<Verdict> {
    let mut shape = Shape::new(BlockSpec::new(256, 32, 4, 256)?, (5, 4));
    shape.n = 2;
    let mut rng = SEED.stream(Purpose::Field, &[2]);
    let (weights, x) = shape.draw(|| uniform(&mut rng))?;
    let functions = RandomFunctions::new(SEED, &[2]);
    let run = |weights: &BlockWeights<M61>, form: &dyn AnyForm| {
        let problem = Problem { weights, x: x.view(), between: functions.functions().into() };
        problem.solve(form, &Reference::default())
    };
    let expected = run(&weights, &Form::Grouped)?;
    let mut compared = 0;
    for fewer in [16, 8, 4, 2, 1] {
        let wide = spoiled(given, weights.in_paths(fewer)?, weights.spec().width())?;
        for form in Form::ALL {
            if run(&wide, &form)? != expected {
                let found = format!("another output, as {}, form {form:?}", wide.spec());
                return Ok(refuted("one block, in fewer paths", &found, "the same"));
            }
            compared += 1;
        }
    }
    let cases = compared.try_into().map_err(|_| Error::Zero { what: "number of cases" })?;
    let at_most = (1.0 + 2.0 * functions.pairs()) / P;
    Ok(Verdict::Supported { cases, bound: Bound::Probability { at_most } })
}

/// Compares ResNeXt-50 32x4d with a Wide ResNet-50-2 that has the same weights, and zeros everywhere else. Only the
/// stages, the pooling and the classifier are run. They run over the prime field, block after block, with random
/// functions between the convolutions.
pub(super) fn in_wide_resnet(given: Given) -> Result<Verdict> {
    let (resnext, wide) = (zoo::named("resnext50_32x4d")?, zoo::named("wide_resnet50_2")?);
    let mut rng = SEED.stream(Purpose::Field, &[3]);
    let mut narrow = tensor([1, 64, 5, 3], &mut rng);
    let mut dense = narrow.clone();
    let mut pairs = 0.0;
    for (number, (block, twin)) in
        resnext.bottlenecks()?.iter().zip(wide.bottlenecks()?).enumerate()
    {
        let (weights, _) = Shape::new(block.spec, (1, 1)).draw(|| uniform(&mut rng))?;
        let inside = weights.in_paths(1)?;
        if *inside.spec() != twin.spec {
            let found = inside.spec().to_string();
            return Ok(refuted("shape of a block", &found, &twin.spec.to_string()));
        }
        let inside = if number == 0 { spoiled(given, inside, block.spec.width())? } else { inside };
        let functions = RandomFunctions::new(SEED, &[3, number as u64]);
        let run = |weights: &BlockWeights<M61>, x: ArrayView4<'_, M61>| {
            let problem = Problem { weights, x, between: functions.functions().into() };
            problem.solve(&Form::Grouped, &Reference::default())
        };
        (narrow, dense) = (run(&weights, narrow.view())?, run(&inside, dense.view())?);
        pairs += functions.pairs();
    }
    let classifier = tensor([1000, narrow.dim().1, 1, 1], &mut rng);
    let logits = |features| {
        let reference = Reference::default();
        let kernel = reference.prepare(classifier.view(), ConvSpec::UNIT)?;
        reference.conv(pooled(features).view(), &kernel, &Epilogue::only(&Identity))
    };
    let (narrow, dense) = (logits(&narrow)?, logits(&dense)?);
    let differing = narrow.iter().zip(&dense).filter(|(left, right)| left != right).count();
    if differing > 0 {
        let found = format!("{differing} of {} differ", narrow.len());
        return Ok(refuted("logits of ResNeXt-50 in Wide ResNet-50-2", &found, "none"));
    }
    let millions = |network| -> Result<f64> {
        let counts = count::network(network, network.usual_input())?;
        Ok(counts.total.parameters.trained()? as f64 / 1e6)
    };
    let at_most = (2.0 + 2.0 * pairs) / P;
    Ok(Verdict::Qualified {
        holds: format!(
            "{} logits agree modulo 2^61 - 1 (by accident with P <= {at_most:.0e}): {:.1} million \
             parameters inside {:.1} million",
            narrow.len(),
            millions(&resnext)?,
            millions(&wide)?
        ),
        but: "only stages, pooling and classifier ran, on a map of 5 x 3; the stem is the same in both"
            .to_owned(),
    })
}

/// If the check is given the wrong thing, changes one weight of the 3x3 from 0 to 1. Through this weight, the first
/// path also reads the second path.
fn spoiled(given: Given, weights: BlockWeights<M61>, width: usize) -> Result<BlockWeights<M61>> {
    let mut transform = weights.transform().to_owned();
    let beside = transform.slice_mut(s![0, width, 1, 1]);
    let one = beside.into_scalar();
    *one = one.add(&given.pick(M61::zero(), M61::one()));
    let (reduce, expand) = (weights.reduce().to_owned(), weights.expand().to_owned());
    let shortcut = weights.shortcut().map(|kernel| kernel.to_owned());
    BlockWeights::new(*weights.spec(), reduce, transform, expand, shortcut)
}

fn tensor(shape: [usize; 4], rng: &mut Rng) -> Array4<M61> {
    Array4::from_shape_simple_fn(shape, || uniform(rng))
}

/// The mean of each map, computed in the field: the sum of its elements, divided by their number.
fn pooled(features: &Array4<M61>) -> Array4<M61> {
    let (n, c, h, w) = features.dim();
    let part = M61::new((h * w) as u64).inverse();
    Array4::from_shape_fn((n, c, 1, 1), |(n, c, ..)| {
        let map = features.slice(s![n, c, .., ..]);
        map.iter().fold(M61::zero(), |sum, value| sum.add(value)).mul(&part)
    })
}
