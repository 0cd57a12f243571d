//! Tests the judging of what others hand in. The suite of cases keeps its promises, right answers pass, and wrong
//! answers do not pass.

use std::collections::{BTreeSet, HashSet};

use ndarray::{Array4, ArrayD, ArrayView4, Axis, s};
use triform::Seed;
use triform::block::{BlockForm as _, BlockNorms, Form, NormFunctions};
use triform::check::adequacy::in_files;
use triform::check::cover::{self, Shape};
use triform::check::{
    Asks, Block, Case, CaseReport, Handed, Kind, Operation, Ops, Plan, Received, Report, Verdict,
    cases, certified, judge,
};
use triform::conv::{ConvSpec, Convolution, Convolver, Fast, conv2d};
use triform::error::Result;

use crate::common::handed::{
    handed, judge_with, map, no_trivial_answer_passes, refuted_by_fewer_than, right,
};

fn all() -> Vec<Case> {
    cases(&Plan::default()).unwrap()
}

fn quick() -> Vec<Case> {
    cases(&Plan { quick: true, ..Plan::default() }).unwrap()
}

#[test]
fn the_suite_is_as_large_as_it_may_be() {
    let cases = all();
    let numbers: usize = cases.iter().flat_map(|case| case.inputs()).map(|(_, a)| a.len()).sum();
    let mut counts = std::collections::BTreeMap::new();
    for case in &cases {
        *counts.entry((case.op(), case.kind.name())).or_insert(0) += 1;
    }
    assert!(cases.len() <= 400, "{counts:?}");
    assert!(4 * numbers <= 60_000_000, "{numbers} numbers");
    // Other seeds need other shapes.
    for seed in [1, 15] {
        let suite = triform::check::cases(&Plan { seed: Seed(seed), ..Plan::default() }).unwrap();
        assert!(suite.len() <= 400, "seed {seed}: {}", suite.len());
    }
    let names: BTreeSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), cases.len());
    assert!((30..=72).contains(&quick().len()), "{}", quick().len());
    let said = format!("it has {} cases instead of {}", cases.len(), quick().len());
    assert!(include_str!("../../docs/check.md").contains(&said), "{said}");
}

#[test]
fn every_pair_and_the_named_triples_occur() {
    use rand::SeedableRng as _;
    for seed in 0..3 {
        let mut rng = triform::random::Rng::seed_from_u64(seed);
        let shapes = cover::shapes(&mut rng);
        let attributes: Vec<[usize; 9]> = shapes.iter().map(Shape::attributes).collect();
        let mut met = HashSet::new();
        for row in &attributes {
            for (a, b) in (0..9).flat_map(|a| (a + 1..9).map(move |b| (a, b))) {
                met.insert([a, row[a], b, row[b]]);
            }
        }
        let wanted = cover::pairs();
        assert!(wanted.len() > 1000 && wanted.is_subset(&met), "{}", wanted.len());
        let triples = |rows: &[[usize; 9]]| -> HashSet<_> {
            rows.iter().map(|row| [row[0], row[1], row[2]]).collect()
        };
        let wanted = cover::triples();
        let all = triples(&attributes);
        assert!(wanted.len() == 3 * 79 && wanted.iter().all(|triple| all.contains(triple)));
        // It can fail: half of the rows do not have them all.
        let half = triples(&attributes[..attributes.len() / 2]);
        assert!(!wanted.iter().all(|triple| half.contains(triple)));
    }
}

/// Every integer case is certified: no partial sum, in any order, exceeds 2^24.
#[test]
fn every_integer_case_is_certified() {
    let mut counted = 0;
    for case in all().iter().filter(|case| matches!(case.kind, Kind::Integers | Kind::Gradients)) {
        match &case.operation {
            Operation::Conv(conv) => assert!(certified(conv).unwrap(), "{}", case.name),
            Operation::Block(block) => {
                assert!(reached(block) <= f64::from(1 << 24), "{}", case.name)
            }
        }
        // The scale of a batch norm is a quotient of powers of 2, and an integer all the same.
        let is_of_scale = |name: &str| {
            let of_norm = name.starts_with("bn") || name.starts_with("downsample.1");
            of_norm && (name.ends_with(".weight") || name.ends_with("running_var"))
        };
        for (name, array) in case.inputs().into_iter().filter(|(name, _)| !is_of_scale(name)) {
            assert!(array.iter().all(|value| value.fract() == 0.0), "{} {name}", case.name);
        }
        counted += 1;
    }
    assert!(counted > 300, "{counted}");
    // It can fail: the same numbers, 65536 times as large.
    let case = all().into_iter().find(|case| case.kind == Kind::Integers).unwrap();
    let Operation::Conv(mut conv) = case.operation else { panic!("convolutions come first") };
    conv.x.mapv_inplace(|x| x * 65536.0);
    assert!(!certified(&conv).unwrap());
}

/// The largest sum of absolute values in any layer of a block, in inference mode. It is computed independently of the
/// crate's own certificate.
fn reached(block: &Block) -> f64 {
    let spec = block.weights.spec();
    let mut most = 0f64;
    let mut layer =
        |x: &Array4<f64>, w: Array4<f64>, spec: ConvSpec, norm: &triform::BatchNorm<f64>| {
            let sizes = conv2d(x.mapv(f64::abs).view(), w.mapv(f64::abs).view(), spec).unwrap();
            let mut z = conv2d(x.view(), w.view(), spec).unwrap();
            let mut sizes_after = sizes.clone();
            for c in 0..w.dim().0 {
                let [gamma, beta, mean, variance] = norm.channel(c).map(|value| *value);
                let scale = gamma / (variance + norm.epsilon()).sqrt();
                assert_eq!(scale.abs(), 1.0);
                z.index_axis_mut(Axis(1), c).mapv_inplace(|z| scale * (z - mean) + beta);
                let size = |size: f64| size + mean.abs() + beta.abs();
                sizes_after.index_axis_mut(Axis(1), c).mapv_inplace(size);
            }
            most = sizes_after.iter().fold(most, |most, size| most.max(*size));
            (z, sizes_after)
        };
    let kernel = |number: usize| block.weights.kernels().nth(number).unwrap().to_owned();
    let norms = &block.norms;
    let relu = |z: Array4<f64>| z.mapv(|z| z.max(0.0));
    let (h, _) = layer(&block.x, kernel(0), spec.reduce(), &norms.reduce);
    let (h, _) = layer(&relu(h), kernel(1), spec.transform(spec.cardinality()), &norms.transform);
    let (_, mut sum) = layer(&relu(h), kernel(2), spec.expand(), &norms.expand);
    match &norms.shortcut {
        Some(norm) => sum += &layer(&block.x, kernel(3), spec.projection(), norm).1,
        None => sum += &block.x.mapv(f64::abs),
    }
    sum.iter().fold(most, |most, size| most.max(*size))
}

#[test]
fn what_is_allowed_is_small() {
    let mut counted = 0;
    for case in all().iter().filter(|case| matches!(case.kind, Kind::Floats | Kind::Training)) {
        for answer in case.answers().unwrap() {
            let most =
                |array: &ArrayD<f64>| array.iter().fold(0f64, |most, value| most.max(value.abs()));
            let (allowed, largest) = (most(&answer.allowed), most(&answer.value));
            assert!(
                0.0 < allowed && allowed <= 0.01 * largest,
                "{} {}: {allowed:e} of {largest:e}",
                case.name,
                answer.name
            );
            counted += 1;
        }
    }
    assert!(counted > 60, "{counted}");
}

/// In most exact cases, some input has integers above 2048. Neither bf16 nor TF32 can hold all integers of that size.
#[test]
fn integers_are_large_on_one_side() {
    let cases = all();
    let exact = cases.iter().filter(|case| matches!(case.kind, Kind::Integers | Kind::Gradients));
    let is_large = |case: &&Case| {
        case.inputs().iter().any(|(_, array)| array.iter().any(|value| value.abs() > 2048.0))
    };
    let (all, large) = (exact.clone().count(), exact.clone().filter(is_large).count());
    assert!(10 * large >= 8 * all, "{large} of {all}");
    // Each operand has its turn, so that rounding it alone shows.
    for (kind, operand) in [
        (Kind::Integers, "x"),
        (Kind::Integers, "weight"),
        (Kind::Gradients, "x"),
        (Kind::Gradients, "weight"),
        (Kind::Gradients, "grad_output"),
    ] {
        let of_kind = exact.clone().filter(|case| case.kind == kind && case.op() == "conv");
        let is_large = |case: &&Case| {
            let mut inputs = case.inputs().into_iter();
            inputs.any(|(name, array)| {
                name == operand && array.iter().any(|value| value.abs() > 2048.0)
            })
        };
        let (all, large) = (of_kind.clone().count(), of_kind.filter(is_large).count());
        assert!(5 * large >= all, "{operand} of {}: {large} of {all}", kind.name());
    }
}

/// Faults that the suite once missed, because no case had the sizes or the numbers to show them.
#[test]
fn kernels_meet_what_they_treat_apart() {
    let cases = all();
    let of = |kind: Kind| {
        let of_kind = move |case: &&Case| case.kind == kind;
        let conv = |case: &Case| match &case.operation {
            Operation::Conv(conv) => Some(conv.clone()),
            Operation::Block(_) => None,
        };
        cases.iter().filter(of_kind).filter_map(conv).collect::<Vec<Convolution>>()
    };
    type Fault = (&'static str, fn(&Convolution) -> bool);
    fn wide(conv: &Convolution) -> usize {
        conv.shape().unwrap().output(conv.x.dim().into()).unwrap()[3]
    }
    let faults: [Fault; 12] = [
        ("a batch of 4", |conv| conv.x.dim().0 == 4),
        ("16, 24 or 32 columns", |conv| wide(conv) > 8 && wide(conv).is_multiple_of(8)),
        ("8 columns and half a vector", |conv| wide(conv) > 8 && wide(conv) % 8 == 4),
        ("a long remainder of channels", |conv| {
            conv.weight.dim().1 > 8 && conv.weight.dim().1 % 8 > 2
        }),
        ("a kernel of even size", |conv| {
            conv.weight.dim().2 == conv.weight.dim().3 && conv.weight.dim().2 % 2 == 0
        }),
        ("a large depthwise kernel", |conv| conv.weight.dim().1 == 1 && conv.weight.dim().2 == 7),
        ("12 groups", |conv| conv.spec.groups() == 12),
        ("a stride of 4", |conv| conv.spec.height().stride == 4),
        ("a stride along the width alone", |conv| {
            conv.spec.height().stride < conv.spec.width().stride
        }),
        ("a dilation along the height alone", |conv| {
            conv.spec.height().dilation > 1 && conv.spec.width().dilation == 1
        }),
        ("padding of rows alone", |conv| {
            conv.spec.height().padding != [0; 2] && conv.spec.width().padding == [0; 2]
        }),
        ("padding of columns alone", |conv| {
            conv.spec.height().padding == [0; 2] && conv.spec.width().padding != [0; 2]
        }),
    ];
    for kind in [Kind::Integers, Kind::Gradients] {
        for (what, shows) in &faults {
            let showing = of(kind).iter().filter(|conv| shows(conv)).count();
            assert!(showing > 0, "{what} in {}", kind.name());
        }
    }
}

/// Code that leaves a batch norm's division out, forwards or backwards, differs in every exact case of a block.
#[test]
fn norms_divide_by_more_than_one() {
    let cases = all().into_iter().filter(|case| case.kind.is_exact());
    let blocks = cases.filter_map(|case| match case.operation {
        Operation::Block(block) => Some((case.name, block)),
        Operation::Conv(_) => None,
    });
    let mut counted = 0;
    for (name, block) in blocks {
        let BlockNorms { reduce, transform, expand, shortcut, .. } = &block.norms;
        for norm in [reduce, transform, expand].into_iter().chain(shortcut) {
            let channels = norm.channels();
            let divisors: BTreeSet<String> = (0..channels)
                .map(|c| {
                    let [gamma, _, _, variance] = norm.channel(c);
                    let divisor = (variance + norm.epsilon()).sqrt();
                    assert_eq!((gamma / divisor).abs(), 1.0, "{name}");
                    divisor.to_string()
                })
                .collect();
            assert!(divisors.len() > 2, "{name}: {divisors:?}");
            counted += 1;
        }
    }
    assert!(counted > 60, "{counted}");
}

/// Each mistake that files can show is refuted by some case of the quick suite.
#[test]
fn the_quick_suite_refutes_each_mistake() {
    assert_eq!(refuted_by_fewer_than(1, &quick()), []);
    assert!(in_files().count() > 90);
}

/// Right answers also pass if the fast kernels compute them in `f32`.
#[test]
fn right_answers_pass() {
    for seed in [0, 7] {
        let cases = cases(&Plan { seed: Seed(seed), quick: true, ..Plan::default() }).unwrap();
        let fast = |case: &Case| -> Result<Handed, String> {
            let y = match &case.operation {
                Operation::Conv(conv)
                    if conv.grad_output.is_none() && case.kind != Kind::Specials =>
                {
                    let (x, w) = (conv.x.mapv(|x| x as f32), conv.weight.mapv(|w| w as f32));
                    let kernel = Fast::new().prepare(w.view(), conv.spec).unwrap();
                    let mut y = Fast::new().sums(x.view(), &kernel).unwrap();
                    for (mut plane, bias) in y.axis_iter_mut(Axis(1)).zip(&conv.bias) {
                        plane += *bias as f32;
                    }
                    y
                }
                Operation::Block(block) if matches!(block.asks, Asks::Output) => {
                    let weights = block.weights.map(|w| *w as f32);
                    let norms =
                        NormFunctions::new(&block.norms.cast(), triform::Activation::Relu).unwrap();
                    let x = block.x.mapv(|x| x as f32);
                    Form::Aggregated
                        .forward(&weights, x.view(), &norms.functions(), &Fast::new())
                        .unwrap()
                }
                _ => return Ok(right(case)),
            };
            Ok([("y".to_owned(), Received::Floats(y.into_dyn()))].into())
        };
        let report = judge(&cases, fast).unwrap();
        assert_eq!(report.verdict(), "agree", "{}", report.words("triform"));
        assert_eq!(report.count(Verdict::Agree), cases.len());
    }
}

/// No case accepts zeros, ones, NaN, the input, the bias alone, or another case's output.
#[test]
fn trivial_answers_pass_no_case() {
    no_trivial_answer_passes(&quick());
}

/// Mistakes that are in no gallery are refuted. The report names no known mistake, and says where the values are wrong.
#[test]
fn unknown_mistakes_are_refuted_and_placed() {
    let plan = Plan { ops: Ops::Conv, kinds: vec![Kind::Integers], ..Plan::default() };
    let cases: Vec<Case> = cases(&plan).unwrap().into_iter().step_by(3).collect();
    type Change = fn(&Case, &[usize], &[usize], f32) -> f32;
    let wrong: [(&str, Change, &str); 6] = [
        (
            "one more in the first row",
            |_, at, _, y| if at[2] == 0 { y + 1.0 } else { y },
            "in row 0",
        ),
        (
            "the first image negated",
            |_, at, shape, y| if at[0] == 0 && shape[0] > 1 { -y } else { y },
            "in image 0",
        ),
        (
            "the first channel doubled",
            |_, at, _, y| if at[1] == 0 { 2.0 * y + 1.0 } else { y },
            "channel",
        ),
        (
            "the corner wrong",
            |_, at, _, y| if at[2] + at[3] == 0 { y - 3.0 } else { y },
            "in row 0, in column 0",
        ),
        ("odd columns negated", |_, at, _, y| if at[3] % 2 == 1 { -y } else { y }, "column"),
        ("everything off by one", |_, _, _, y| y + 1.0, "everywhere"),
    ];
    for (what, change, place) in wrong {
        let report = judge_with(&cases, |case, handed| {
            map(handed, |_, array| {
                let shape = array.shape().to_vec();
                ArrayD::from_shape_fn(array.raw_dim(), |at| {
                    use ndarray::Dimension as _;
                    change(case, at.slice(), &shape, array[at.slice()])
                })
            })
        });
        assert_eq!(report.verdict(), "differ", "{what}");
        assert!(report.mistakes.is_empty(), "{what}: {:?}", report.mistakes);
        let words: Vec<&String> = report.cases.iter().flat_map(|case| &case.whereabouts).collect();
        let placed = words.iter().filter(|words| words.contains(place)).count();
        assert!(2 * placed > words.len(), "{what}: {place} in {placed} of {words:#?}");
    }
}

#[test]
fn what_is_missing_or_misshapen_is_said() {
    let plan = Plan { quick: true, ops: Ops::Conv, ..Plan::default() };
    let cases = cases(&plan).unwrap();
    let none = judge(&cases, |_| Err("no file".to_owned())).unwrap();
    assert_eq!((none.verdict(), none.count(Verdict::Missing)), ("incomplete", cases.len()));
    let flat = judge_with(&cases, |_, handed| {
        map(handed, |_, array| array.to_shape(array.len()).unwrap().to_owned().into_dyn())
    });
    assert_eq!(flat.verdict(), "differ");
    assert!(
        flat.cases[0].problem.as_ref().unwrap().contains("is asked for"),
        "{:?}",
        flat.cases[0]
    );
    let double = judge(&cases, |_| {
        let other = Received::Other { dtype: "float64".to_owned(), shape: vec![1] };
        Ok([("y".to_owned(), other)].into())
    });
    assert_eq!(double.unwrap().cases[0].verdict, Verdict::Misshapen);
    assert_eq!(judge(&[], |_| Err(String::new())).unwrap().verdict(), "incomplete");
}

/// A port may compute its own gradients, which can be wrong in another way than the known mistake. The outputs still
/// identify the mistake.
#[test]
fn a_port_with_its_own_gradients_is_named() {
    let plan = Plan { quick: true, ops: Ops::Conv, ..Plan::default() };
    let report = judge(&cases(&plan).unwrap(), |case| {
        let conv = of_conv(case);
        let turned = |w: ArrayView4<'_, f64>| w.slice(s![.., .., ..;-1, ..;-1]).to_owned();
        let wrong = Convolution { weight: turned(conv.weight.view()), ..conv.clone() };
        let mut arrays = wrong.outputs().unwrap();
        for (_, gradient) in arrays.iter_mut().filter(|(name, _)| name == "grad_weight") {
            let four = gradient.view().into_dimensionality().unwrap();
            *gradient = turned(four).into_dyn();
        }
        Ok(handed(&arrays))
    });
    let report = report.unwrap();
    assert_eq!(report.mistakes, ["kernel-flipped"]);
    let words = report.words("a port");
    assert!(words.contains("ases of these kinds fail too: gradients."), "{words}");
}

/// Libraries often choose a kernel by several attributes together. The suite also refutes a library in which only one
/// kernel is wrong.
#[test]
fn a_kernel_that_is_wrong_for_one_shape_is_refuted() {
    type Meets = fn(&Convolution) -> bool;
    let square = |conv: &Convolution, k: usize, stride: usize| {
        let of = |along: triform::conv::Along| along.stride == stride && along.dilation == 1;
        conv.weight.dim().2 == k
            && conv.weight.dim().3 == k
            && of(conv.spec.height())
            && of(conv.spec.width())
    };
    let shapes: [(&str, Meets); 7] = [
        ("grouped 3x3", |conv| conv.spec.groups() > 1 && conv.weight.dim().1 > 1),
        ("grouped 3x3, stride 2", |conv| conv.spec.groups() > 1 && conv.weight.dim().1 > 1),
        ("depthwise 3x3", |conv| conv.weight.dim().1 == 1 && conv.spec.groups() > 1),
        ("depthwise 3x3, stride 2", |conv| conv.weight.dim().1 == 1 && conv.spec.groups() > 1),
        ("dense 1x1", |conv| conv.spec.groups() == 1),
        ("3x3, nine images", |conv| conv.x.dim().0 == 9),
        ("3x3, wide map", |conv| conv.x.dim().3 > 32),
    ];
    for seed in [0, 1, 2] {
        let kinds = vec![Kind::Integers];
        let plan = Plan { seed: Seed(seed), ops: Ops::Conv, kinds, quick: true };
        let cases = cases(&plan).unwrap();
        for (name, meets) in shapes {
            let (k, stride) = (
                if name.contains("1x1") { 1 } else { 3 },
                if name.contains("stride 2") { 2 } else { 1 },
            );
            let report = judge_with(&cases, |case, handed| {
                let conv = of_conv(case);
                let is_chosen = square(conv, k, stride) && meets(conv);
                map(handed, |_, y| if is_chosen { y.mapv(|_| 0.0) } else { y.clone() })
            });
            assert_eq!(report.verdict(), "differ", "{name}, seed {seed}");
        }
    }
}

fn of_conv(case: &Case) -> &Convolution {
    match &case.operation {
        Operation::Conv(conv) => conv,
        Operation::Block(_) => panic!("{} is a block", case.name),
    }
}

/// A small file can ask for more work than anybody has time for.
#[test]
fn too_much_work_is_refused() {
    let mut attributes = all().into_iter().find(|case| case.op() == "conv").unwrap().attributes();
    for (name, value) in [
        ("pad", serde_json::json!([32, 32, 32, 32])),
        ("stride", serde_json::json!([1, 1])),
        ("dilation", serde_json::json!([1, 1])),
        ("groups", serde_json::json!(1)),
    ] {
        attributes.insert(name.to_owned(), value);
    }
    let read = |size: usize| {
        let zeros = |name: &str, shape: &[usize]| (name.to_owned(), ArrayD::<f32>::zeros(shape));
        let (x, weight) = (zeros("x", &[1, 1, size, size]), zeros("weight", &[1, 1, 65, 65]));
        Case::read("a", ("conv", Kind::Integers), &attributes, &[x, weight, zeros("bias", &[1])])
    };
    assert!(read(8).is_ok());
    // 2048 * 2048 outputs of 65 * 65 terms.
    let error = read(2048).unwrap_err().to_string();
    assert!(error.contains("17179869184 multiply-adds"), "{error}");
}

/// Cases that somebody else has written are refused if exact answers are not possible, or if there is nothing to
/// answer.
#[test]
fn cases_of_others_must_be_what_they_say() {
    let case = all().into_iter().find(|case| case.kind == Kind::Integers).unwrap();
    let arrays: Vec<(String, ArrayD<f32>)> = case
        .inputs()
        .into_iter()
        .map(|(name, array)| (name, array.mapv(|value| value as f32)))
        .collect();
    let read = |change: &dyn Fn(f32) -> f32, pad: usize| {
        let mut attributes = case.attributes();
        attributes.insert("pad".to_owned(), serde_json::json!([pad, pad, pad, pad]));
        let mut arrays = arrays.clone();
        arrays[0].1.mapv_inplace(change);
        Case::read("a", ("conv", Kind::Integers), &attributes, &arrays)
            .and_then(|case| case.certify())
            .map_err(|error| error.to_string())
    };
    assert_eq!(read(&|x| x, 1), Ok(()));
    for (change, pad, words) in [
        (&|x| x + 0.5, 1, "which is not an integer"),
        (&|x| x * 65536.0, 1, "the absolute values in a sum add up to"),
        (&|x| x, 1 << 20, "numbers can be judged"),
        (&|x| x, 1 << 62, ""),
    ] as [(&dyn Fn(f32) -> f32, usize, &str); 4]
    {
        let error = read(change, pad).unwrap_err();
        assert!(error.contains(words), "{error}");
    }
    let empty = vec![("x".to_owned(), ArrayD::zeros(vec![0, 1, 2, 2]))];
    let error = Case::read("a", ("conv", Kind::Integers), &case.attributes(), &empty).unwrap_err();
    assert!(error.to_string().contains("it holds no number"), "{error}");
}

/// If the operands were rounded to a narrow format, the report names the format. Such outputs count as neither right
/// nor wrong.
#[test]
fn narrow_formats_are_named() {
    let plan = Plan { ops: Ops::Conv, kinds: vec![Kind::Integers], ..Plan::default() };
    let cases: Vec<Case> = cases(&plan).unwrap().into_iter().step_by(7).collect();
    let bf16 = |value: f64| half::bf16::from_f64(value).to_f64();
    let report = judge(&cases, |case| {
        let Operation::Conv(conv) = &case.operation else { panic!("a convolution") };
        let mut conv = conv.clone();
        conv.x.mapv_inplace(bf16);
        conv.weight.mapv_inplace(bf16);
        Ok(handed(&conv.outputs().unwrap()))
    });
    let report = report.unwrap();
    assert_eq!(report.verdict(), "rounds", "{}", report.words("bf16"));
    let class = report.cases.iter().find_map(|case| case.class.clone()).unwrap();
    assert!(class.contains("bf16"), "{class}");
    let cut_off = |value: f64| f64::from(f32::from_bits((value as f32).to_bits() & !0x1fff));
    let report = judge(&cases, |case| {
        let conv = of_conv(case);
        let (x, weight) = (conv.x.mapv(cut_off), conv.weight.mapv(cut_off));
        Ok(handed(&Convolution { x, weight, ..conv.clone() }.outputs().unwrap()))
    });
    let report = report.unwrap();
    assert_eq!(report.verdict(), "rounds", "{}", report.words("TF32"));
    let classes: Vec<&String> =
        report.cases.iter().filter_map(|case| case.class.as_ref()).collect();
    assert!(classes.iter().any(|class| class.contains("TF32, cut off")), "{classes:?}");
    // Only the weights are rounded, as is common where they are stored. Small integers do not tell that from rounding
    // all operands, but floats do.
    let plan = Plan { ops: Ops::Conv, kinds: vec![Kind::Floats], ..Plan::default() };
    let floats = triform::check::cases(&plan).unwrap();
    let weights = judge(&floats, |case| {
        let conv = of_conv(case);
        let weight = conv.weight.mapv(bf16);
        Ok(handed(&Convolution { weight, ..conv.clone() }.outputs().unwrap()))
    });
    let weights = weights.unwrap();
    assert_eq!(weights.verdict(), "rounds", "{}", weights.words("bf16 weights"));
    let class = |report: &Report, words: &str| {
        let of =
            |case: &&CaseReport| case.class.as_ref().is_some_and(|class| class.contains(words));
        report.cases.iter().filter(of).count()
    };
    assert!(
        class(&weights, "the weights were rounded to bf16") > 5,
        "{}",
        weights.words("weights")
    );
    // Right sums that are stored in bf16.
    let in_bf16 = |y: f32| half::bf16::from_f32(y).to_f32();
    let stored = judge_with(&cases, |_, handed| map(handed, |_, array| array.mapv(in_bf16)));
    assert_eq!(stored.verdict(), "rounds", "{}", stored.words("bf16 outputs"));
    assert!(class(&stored, "the outputs were rounded to bf16") > 5, "{}", stored.words("stored"));
    // No format excuses an error of 1%, even if sums in that format can be as far off.
    let off =
        judge_with(&cases, |_, handed| map(handed, |_, array| array.mapv(|y| in_bf16(y * 1.01))));
    assert_eq!(off.count(Verdict::Rounds), 0, "{}", off.words("off"));
    assert!(class(&off, "sums kept in bf16") > 5, "{}", off.words("off"));
    let garbage = judge_with(&cases, |_, handed| {
        map(handed, |_, array| {
            let mut array = array.clone();
            *array.first_mut().unwrap() = 1e38;
            array
        })
    });
    assert!(garbage.cases[0].class.as_ref().unwrap().contains("out of bounds"));
}

/// Algorithms that mix neighbouring inputs carry NaN too far. The report says so. Rounding of the finite values is no
/// worse in a case with NaN than in one without.
#[test]
fn nan_that_spreads_is_told_from_rounding() {
    let plan = Plan { kinds: vec![Kind::Specials], ..Plan::default() };
    let cases = cases(&plan).unwrap();
    let spread = judge_with(&cases, |_, handed| {
        map(handed, |_, array| {
            let mut array = array.clone();
            *array.iter_mut().find(|value| value.is_finite()).unwrap() = f32::NAN;
            array
        })
    });
    assert_eq!(spread.count(Verdict::Differ), cases.len(), "{}", spread.words("spread"));
    for case in &spread.cases {
        assert!(case.class.as_ref().unwrap().contains("reach too many outputs"), "{case:?}");
    }
    let wrong = judge_with(&cases, |_, handed| map(handed, |_, array| array.mapv(|y| y + 4096.0)));
    let said = |case: &CaseReport| case.class.is_some();
    assert!(wrong.count(Verdict::Differ) == cases.len() && !wrong.cases.iter().any(said));
    // With few terms, one step to the next float may be more than rounding explains.
    let has_many_terms = |case: &Case| match &case.operation {
        Operation::Conv(conv) => conv.weight.len() > 8 * conv.weight.dim().0,
        Operation::Block(_) => true,
    };
    let cases: Vec<Case> = cases.into_iter().filter(has_many_terms).collect();
    assert!(cases.len() > 8, "{}", cases.len());
    let next = judge_with(&cases, |_, handed| {
        map(handed, |_, array| {
            array.mapv(|y| if y.is_finite() && y.abs() > 1.0 { y.next_up() } else { y })
        })
    });
    assert_eq!(next.verdict(), "rounds", "{}", next.words("next"));
}

/// A mistake may change values less than rounding could. The report still says what it is.
#[test]
fn a_small_error_is_not_excused_as_rounding() {
    let plan = Plan { ops: Ops::Conv, kinds: vec![Kind::Integers], ..Plan::default() };
    let tall = |case: &Case| of_conv(case).weight.dim().2 >= 256;
    let cases: Vec<Case> = cases(&plan).unwrap().into_iter().filter(tall).collect();
    assert!(cases.len() > 10, "{}", cases.len());
    let report = judge(&cases, |case| {
        let mut conv = of_conv(case).clone();
        conv.bias.fill(0.0);
        Ok(handed(&conv.outputs().unwrap()))
    });
    let report = report.unwrap();
    assert_eq!(report.count(Verdict::Differ), cases.len(), "{}", report.words("no bias"));
    assert!(report.mistakes.contains(&"bias-missing"), "{:?}", report.mistakes);
}

/// If several properties tell failing cases from passing ones equally well, the report names all of them.
#[test]
fn properties_that_cannot_be_told_apart_are_all_named() {
    let plan =
        Plan { ops: Ops::Block, kinds: vec![Kind::Integers], quick: true, ..Plan::default() };
    let cases = cases(&plan).unwrap();
    let with_projection =
        |case: &Case| case.inputs().iter().any(|(name, _)| name == "downsample.0.weight");
    let report = judge_with(&cases, |case, handed| match with_projection(case) {
        true => map(handed, |_, array| array.mapv(|y| y + 1000.0)),
        false => handed,
    });
    let features = [&report.pattern[..], &report.pattern_also[..]].concat();
    assert!(features.contains(&"projection"), "{features:?}");
    assert!(report.words("block").contains("projection"), "{}", report.words("block"));
}

/// A convolver that rounds its operands to bf16.
struct InBf16;

impl Convolver<f32> for InBf16 {
    type Kernel = <Fast as Convolver<f32>>::Kernel;

    fn prepare(&self, weights: ArrayView4<'_, f32>, spec: ConvSpec) -> Result<Self::Kernel> {
        Fast::new().prepare(weights.mapv(in_bf16).view(), spec)
    }

    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &Self::Kernel) -> Result<Array4<f32>> {
        Fast::new().sums(x.mapv(in_bf16).view(), kernel)
    }
}

fn in_bf16(value: f32) -> f32 {
    half::bf16::from_f32(value).to_f32()
}

#[test]
fn a_block_in_a_narrow_format_is_named() {
    let plan = Plan { ops: Ops::Block, kinds: vec![Kind::Integers], ..Plan::default() };
    let report = judge(&cases(&plan).unwrap(), |case| {
        let Operation::Block(block) = &case.operation else { panic!("a block") };
        let (weights, norms) = (block.weights.map(|w| *w as f32), block.norms.cast());
        let norms = NormFunctions::new(&norms, triform::Activation::Relu).unwrap();
        let x = block.x.mapv(|x| x as f32);
        let y = Form::Grouped.forward(&weights, x.view(), &norms.functions(), &InBf16).unwrap();
        Ok([("y".to_owned(), Received::Floats(y.into_dyn()))].into())
    });
    let report = report.unwrap();
    assert_eq!(report.verdict(), "rounds", "{}", report.words("bf16"));
    let classes = report.cases.iter().filter_map(|case| case.class.as_ref());
    assert!(classes.clone().count() > 6);
    assert!(
        classes.clone().all(|class| class.contains("bf16")),
        "{:?}",
        classes.collect::<Vec<_>>()
    );
}

/// Hand-written batch norms often share one epsilon, PyTorch's default. The report names this mistake.
#[test]
fn an_epsilon_of_its_own_is_named() {
    let kinds = vec![Kind::Integers, Kind::Floats];
    let plan = Plan { ops: Ops::Block, kinds, quick: true, ..Plan::default() };
    let report = judge(&cases(&plan).unwrap(), |case| {
        let Operation::Block(block) = &case.operation else { panic!("a block") };
        let mut norms = block.norms.clone();
        let all = [&mut norms.reduce, &mut norms.transform, &mut norms.expand];
        for norm in all.into_iter().chain(&mut norms.shortcut) {
            let [gamma, beta, mean, variance] = [0, 1, 2, 3].map(|part| {
                let values = (0..norm.channels()).map(|channel| *norm.channel(channel)[part]);
                values.collect::<ndarray::Array1<f64>>()
            });
            *norm = triform::BatchNorm::new(gamma, beta, mean, variance, 1e-5).unwrap();
        }
        let (weights, norms) = (block.weights.map(|w| *w as f32), norms.cast());
        let norms = NormFunctions::new(&norms, triform::Activation::Relu).unwrap();
        let x = block.x.mapv(|x| x as f32);
        let y = Form::Grouped.forward(&weights, x.view(), &norms.functions(), &Fast::new());
        Ok([("y".to_owned(), Received::Floats(y.unwrap().into_dyn()))].into())
    });
    assert_eq!(report.unwrap().mistakes, ["epsilon-1e-5-everywhere"]);
}

/// If a convolution and a block each have a mistake, the report names both. A mistake in one of them does not hide a
/// mistake in the other.
#[test]
fn mistakes_of_both_operations_are_told_apart() {
    let plan = Plan { quick: true, kinds: vec![Kind::Integers], ..Plan::default() };
    let cases = cases(&plan).unwrap();
    let wrong = |case: &Case, name: &str| {
        let found = case.mistakes().find(|(known, _)| *known == name);
        found.and_then(|(_, wrong)| wrong()).map_or_else(|| right(case), |arrays| handed(&arrays))
    };
    let report = judge(&cases, |case| {
        Ok(wrong(case, if case.op() == "conv" { "groups-ignored" } else { "shift-dropped" }))
    });
    let words = report.unwrap().words("both");
    for sentence in [
        "The convolution behaves like the known mistake `groups-ignored` (every",
        "The block behaves like the known mistake `shift-dropped` (the second",
    ] {
        assert!(words.contains(sentence), "{words}");
    }
    let report = judge(&cases, |case| {
        let off = |_: &str, y: &ArrayD<f32>| y.mapv(|y| 3.0 * y + 99.0);
        let is_conv = case.op() == "conv";
        Ok(if is_conv { map(right(case), off) } else { wrong(case, "shift-dropped") })
    });
    let words = report.unwrap().words("both");
    assert!(words.contains("The convolution is wrong too, and no known mistake"), "{words}");
}

/// If a case asks for exact answers, a block that somebody else wrote must allow them.
#[test]
fn blocks_of_others_are_certified() {
    let blocks = cases(&Plan { ops: Ops::Block, ..Plan::default() }).unwrap();
    let exact: Vec<&Case> = blocks.iter().filter(|case| case.kind.is_exact()).collect();
    assert!(exact.len() > 20);
    for case in &exact {
        assert_eq!(case.certify().map_err(|error| error.to_string()), Ok(()), "{}", case.name);
    }
    for factor in [0.5, 65536.0] {
        let mut case = exact[0].clone();
        let Operation::Block(block) = &mut case.operation else { panic!("a block") };
        block.x.mapv_inplace(|x| factor * x);
        let error = case.certify().unwrap_err().to_string();
        assert!(error.contains("must be exact"), "{error}");
    }
}
