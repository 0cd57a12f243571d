//! What the tests of judging share: right answers, changed answers, and assertions that hold for every suite.

use std::collections::BTreeMap;

use ndarray::ArrayD;
use rayon::iter::{IntoParallelRefIterator, ParallelIterator};
use triform::check::adequacy::in_files;
use triform::check::{Case, Handed, Operation, Received, Report, Verdict, judge, refuted_by};
use triform::conv::Arrays;

/// Arrays as they would come back from a file.
pub fn handed(arrays: &Arrays) -> Handed {
    let float = |array: &ArrayD<f64>| Received::Floats(array.mapv(|value| value as f32));
    arrays.iter().map(|(name, array)| (name.clone(), float(array))).collect()
}

/// The right answers, rounded to `f32`.
pub fn right(case: &Case) -> Handed {
    let answers = case.answers().unwrap();
    handed(&answers.into_iter().map(|answer| (answer.name, answer.value)).collect())
}

pub fn judge_with(cases: &[Case], of: impl Fn(&Case, Handed) -> Handed + Sync) -> Report {
    judge(cases, |case| Ok(of(case, right(case)))).unwrap()
}

pub fn map(handed: Handed, of: impl Fn(&str, &ArrayD<f32>) -> ArrayD<f32>) -> Handed {
    let one = |(name, array): (String, Received)| {
        let Received::Floats(array) = array else { panic!("floats") };
        let array = of(&name, &array);
        (name, Received::Floats(array))
    };
    handed.into_iter().map(one).collect()
}

/// The mistakes that fewer than `least` cases refute, each with the number of cases that refute it.
pub fn refuted_by_fewer_than(
    least: usize,
    cases: &[Case],
) -> Vec<((&'static str, &'static str), usize)> {
    let refuted: Vec<_> =
        cases.par_iter().map(|case| (case.op(), refuted_by(case).unwrap())).collect();
    let mut counts = BTreeMap::new();
    for (op, names) in refuted {
        for name in names {
            *counts.entry((op, name)).or_insert(0) += 1;
        }
    }
    let count = |key| (key, counts.get(&key).copied().unwrap_or(0));
    in_files().map(count).filter(|(_, count)| *count < least).collect()
}

/// Asserts that no case accepts zeros, ones, NaN, the input, the bias alone or another case's output.
pub fn no_trivial_answer_passes(cases: &[Case]) {
    let constant =
        |value: f32| move |_: &Case, handed: Handed| map(handed, |_, array| array.mapv(|_| value));
    let of_input = |case: &Case, handed: Handed| {
        let inputs = case.inputs();
        let (_, x) = &inputs[0];
        map(handed, |_, array| {
            let mut values = x.iter().map(|x| *x as f32).cycle();
            ArrayD::from_shape_simple_fn(array.raw_dim(), || values.next().unwrap())
        })
    };
    let of_bias = |case: &Case, handed: Handed| {
        let Operation::Conv(conv) = &case.operation else {
            return map(handed, |_, array| array.mapv(|_| 1.0));
        };
        let bias = conv.bias.mapv(|bias| bias as f32);
        map(handed, |_, array| {
            ArrayD::from_shape_fn(array.raw_dim(), |at| {
                bias[at[array.ndim().min(2) - 1] % bias.len()]
            })
        })
    };
    let reports = [
        judge_with(cases, constant(0.0)),
        judge_with(cases, constant(1.0)),
        judge_with(cases, constant(f32::NAN)),
        judge_with(cases, of_input),
        judge_with(cases, of_bias),
    ];
    for (number, report) in reports.iter().enumerate() {
        let passed: Vec<&str> = report
            .cases
            .iter()
            .filter(|case| case.verdict == Verdict::Agree)
            .map(|case| &*case.name)
            .collect();
        assert!(passed.is_empty(), "{number}: {passed:?}");
    }
    // The last case's output, whatever is asked for.
    let last = right(&cases[0]);
    let report = judge(&cases[1..], |_| Ok(last.clone())).unwrap();
    assert_eq!(report.count(Verdict::Agree), 0);
}
