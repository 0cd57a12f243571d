//! Whole networks are compared with torchvision in each form, and counted by a number type that counts. Also tests the
//! messages about tensors that do not fit.

use std::fs::File;
use std::path::Path;

use ndarray::{Array2, Array4, ArrayView4, Axis};
use serde_json::Value;
use triform::block::{Bottleneck, Form, StrideOn};
use triform::conv::{Convolver, Double, Fast, Reference};
use triform::count;
use triform::network::architecture::{Architecture, BlockKind, Stage, Stem};
use triform::network::forward::{Network, NetworkFunctions, average_pool};
use triform::network::init::{self, Fan};
use triform::network::load::from_tensors;
use triform::network::weights::NetworkWeights;
use triform::network::zoo;
use triform::random::Seed;
use triform::scalar::{Counter, Real, counted};

/// Numbers in -0.5..0.5, made by the hash function of tests/golden/networks.py.
fn uniform(tensor: u32, length: usize) -> Vec<f64> {
    (0..length as u32)
        .map(|i| {
            let mut x = i.wrapping_mul(0x9E37_79B1).wrapping_add(tensor.wrapping_mul(0x85EB_CA77));
            x ^= x >> 16;
            x = x.wrapping_mul(0x7FEB_352D);
            x ^= x >> 15;
            x = x.wrapping_mul(0x846C_A68B);
            x ^= x >> 16;
            f64::from(x) / 4_294_967_296.0 - 0.5
        })
        .collect()
}

/// The weights that tests/golden/networks.py gives to a network.
fn golden_weights(architecture: &Architecture) -> NetworkWeights {
    let mut tensor = 0;
    NetworkWeights::assemble(architecture, &mut |name, shape| {
        let numbers = uniform(tensor, shape.iter().product());
        tensor += 1;
        let (factor, shift) = match *shape {
            [c_out, _, k_h, k_w] => ((24.0 / (c_out * k_h * k_w) as f64).sqrt(), 0.0),
            [_, c_in] => (2.0 / (c_in as f64).sqrt(), 0.0),
            _ if name.ends_with("running_var") || name.ends_with(".weight") => (1.0, 1.0),
            _ => (1.0, 0.0),
        };
        Ok(numbers.into_iter().map(|u| (factor * u + shift) as f32).collect())
    })
    .unwrap()
}

/// Pooled features and logits of a network in a form.
fn run<S: Real, V: Convolver<S> + 'static>(
    form: Form,
    weights: &NetworkWeights,
    x: ArrayView4<'_, f32>,
    convolver: &V,
) -> [Vec<Vec<f64>>; 2] {
    let to = |value: &f32| S::from_f64(f64::from(*value));
    let prepare = |weights: &_, convolver: &_| Bottleneck::prepare(&form, weights, convolver);
    let network = Network::prepare(&prepare, weights, to, convolver).unwrap();
    let functions = NetworkFunctions::new(weights).unwrap();
    let x = x.map(to);
    let features = network.features(x.view(), &functions, convolver, &mut |_, _| {}).unwrap();
    let logits = network.logits(features.view(), &functions, convolver).unwrap();
    let pooled = average_pool(features.view()).remove_axis(Axis(3)).remove_axis(Axis(2));
    let rows = |rows: Array2<S>| {
        rows.rows().into_iter().map(|row| row.iter().map(S::to_f64).collect()).collect()
    };
    [rows(pooled), rows(logits)]
}

/// Compares runs in f32 and in f64 with torchvision's logits and features in f64. In f32, the difference may be at most
/// 1e-5 of the largest logit, and is 20 times smaller. In f64, it may be at most 2e-11. It is not smaller, because the
/// batch norms here use f32's 1e-5 as epsilon. This epsilon differs from PyTorch's by 2.5e-8 of itself, or 2.5e-13 of a
/// variance near 1, in each of 53 batch norms.
#[test]
fn networks_agree_with_torchvision_in_each_form() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/networks.json");
    let golden: Value = serde_json::from_reader(File::open(path).unwrap()).unwrap();
    let mut compared = 0;
    for name in ["resnet18", "resnet50", "resnext50_32x4d"] {
        let golden = &golden[name];
        let size = |axis: usize| golden["input"][axis].as_u64().unwrap() as usize;
        let shape = (size(0), 3, size(1), size(2));
        let pixels = uniform(999, shape.0 * 3 * shape.2 * shape.3);
        let pixels = pixels.into_iter().map(|u| (4.0 * u) as f32).collect();
        let x = Array4::from_shape_vec(shape, pixels).unwrap();
        let weights = golden_weights(&zoo::named(name).unwrap());
        let largest = golden["largest"].as_f64().unwrap();
        for form in Form::ALL {
            let single = run::<f32, _>(form, &weights, x.view(), &Fast::new());
            let double = run::<f64, _>(form, &weights, x.view(), &Double);
            for (limit, [features, logits]) in [(1e-5, single), (2e-11, double)] {
                for (key, rows, step) in [("logits", logits, 100), ("features", features, 0)] {
                    for (row, expected) in rows.iter().zip(golden[key].as_array().unwrap()) {
                        let step = if step == 0 { row.len() / 8 } else { step };
                        let expected = expected.as_array().unwrap();
                        // The largest logit is known; for features, the largest of this row serves instead.
                        let largest = match key {
                            "logits" => largest,
                            _ => row.iter().fold(0.0, |most: f64, x| most.max(x.abs())),
                        };
                        assert_eq!(row.iter().step_by(step).count(), expected.len());
                        for (found, expected) in row.iter().step_by(step).zip(expected) {
                            let error = (found - expected.as_f64().unwrap()).abs();
                            assert!(error <= limit * largest, "{name} {form:?} {key}: {error}");
                            compared += 1;
                        }
                    }
                }
            }
        }
    }
    assert_eq!(compared, 2 * 3 * ((3 + 1 + 2) * (10 + 8)));
}

/// A network with this kind of block, small enough for plain loops.
fn small(block: BlockKind, stride_on: StrideOn) -> Architecture {
    let expansion = if block == BlockKind::Bottleneck { 4 } else { 1 };
    let groups = if block == BlockKind::Bottleneck { 4 } else { 1 };
    let stage = |inner, stride| Stage { blocks: 2, groups, inner, c_out: expansion * 8, stride };
    Architecture {
        name: "small".to_owned(),
        stem: Stem::ImageNet,
        block,
        stages: vec![stage(8, 1), stage(12, 2)],
        stride_on,
        classes: Some(5),
    }
}

/// Three counts agree: the closed form, the lengths of the arrays, and the multiplications of a number type that
/// counts.
#[test]
fn counting_closes_for_whole_networks() {
    for (kind, stride_on) in [
        (BlockKind::Basic, StrideOn::Transform),
        (BlockKind::Bottleneck, StrideOn::Transform),
        (BlockKind::Bottleneck, StrideOn::Reduce),
    ] {
        let architecture = small(kind, stride_on);
        let weights = init::network(&architecture, Seed(3), Fan::Whole).unwrap();
        let counts = count::network(&architecture, (19, 22)).unwrap().total;
        let mut held = 0;
        let trained = |name: &str| !name.contains("running");
        weights
            .visit(&mut |name, _, numbers| {
                held += if trained(name) { numbers.len() as u64 } else { 0 };
                Ok(())
            })
            .unwrap();
        assert_eq!(counts.parameters.trained().unwrap(), held);

        let reference = Reference::default();
        let to = |x: &f32| Counter(f64::from(*x));
        for form in Form::ALL {
            let prepare =
                &|weights: &_, convolver: &_| Bottleneck::prepare(&form, weights, convolver);
            let network = Network::prepare(prepare, &weights, to, &reference).unwrap();
            let functions = NetworkFunctions::none();
            let x = Array4::from_elem((2, 3, 19, 22), Counter(0.5));
            let (_, done) = counted(|| {
                let features = network.features(x.view(), &functions, &reference, &mut |_, _| {});
                network.logits(features.unwrap().view(), &functions, &reference).unwrap()
            });
            let inside = counts.operations.macs_inside().unwrap();
            assert_eq!(done.multiplications, 2 * inside, "{kind:?} {form:?}");
        }
    }
}

#[test]
fn the_state_dict_is_that_of_the_layers() {
    for name in ["resnet18", "resnext50_32x4d", "resnext29_8x64d"] {
        let architecture = zoo::named(name).unwrap();
        let mut names = Vec::new();
        // The tensors requested while the network is assembled must be those of its layers.
        let weights = NetworkWeights::assemble(&architecture, &mut |name, shape| {
            names.push((name.to_owned(), shape.to_vec()));
            Ok(vec![names.len() as f32; shape.iter().product()])
        });
        // And afterwards each tensor is visited under its own name.
        let mut number = 0;
        weights
            .unwrap()
            .visit(&mut |name, shape, numbers| {
                assert_eq!((name, shape), (names[number].0.as_str(), &names[number].1[..]));
                number += 1;
                assert_eq!(numbers.len(), shape.iter().product::<usize>());
                assert!(numbers.iter().all(|found| *found == number as f32), "{name}");
                Ok(())
            })
            .unwrap();
        assert_eq!(number, names.len());
        assert_eq!(names, architecture.state_dict().unwrap(), "{name}");
    }
    let entries = zoo::named("resnext50_32x4d").unwrap().state_dict().unwrap();
    // torchvision's has 320, with its 53 batch counters.
    assert_eq!(entries.len() + 53, 320);
}

#[test]
fn all_that_is_wrong_with_a_checkpoint_is_named_at_once() {
    let right = small(BlockKind::Bottleneck, StrideOn::Transform);
    let says = |other: &Architecture| load_ones(&right, &names(other, "")).unwrap_err().to_string();
    let mut other = right.clone();
    other.classes = Some(7);
    other.stages[1].blocks = 3;
    let error = says(&other);
    let (shapes, surplus) = error.split_once("; surplus: ").unwrap();
    assert!(shapes.contains("it does not fit small: wrong shapes: fc.weight ["), "{error}");
    assert!(shapes.ends_with("fc.bias [7] instead of [5]"), "{error}");
    // 15 tensors of a third block, of which five are named.
    let (five, more) = surplus.split_once(", ... and ").unwrap();
    assert_eq!((five.split(", ").count(), more), (5, "10 more"), "{error}");
    assert!(five.split(", ").all(|name| name.starts_with("layer2.2.")), "{error}");

    let error = says(&zoo::named("resnet18").unwrap());
    let fits = "it fits resnet18; it does not fit small: wrong shapes: ";
    let places = [fits, "; missing: ", "; surplus: "]
        .map(|words| error.find(words).unwrap_or_else(|| panic!("{words}: {error}")));
    assert!(places.is_sorted(), "{error}");
    assert!(error.len() < 1000, "{error}");
}

/// The names and shapes of a network's tensors, with this prefix before each name.
fn names(architecture: &Architecture, prefix: &str) -> Vec<(String, Vec<usize>)> {
    let named = architecture.state_dict().unwrap().into_iter();
    named.map(|(name, shape)| (format!("{prefix}{name}"), shape)).collect()
}

/// Loads tensors of these names and shapes, as if every number were 1.
fn load_ones(
    wanted: &Architecture,
    names: &[(String, Vec<usize>)],
) -> triform::Result<NetworkWeights> {
    let mut ones = |index: usize| Ok(vec![1.0; names[index].1.iter().product()]);
    from_tensors(wanted, names, &mut ones, Path::new("w"))
}

#[test]
fn what_would_fit_is_said() {
    let named = |name: &str| zoo::named(name).unwrap();
    let resnet18 = || named("resnet18");
    for (wanted, found, words) in [
        (
            resnet18(),
            names(&named("resnet34"), ""),
            "it fits resnet34; it does not fit resnet18: surplus: ",
        ),
        (
            resnet18(),
            names(&resnet18().with_classes(10), ""),
            "it fits resnet18 with 10 classes (--classes 10); it does not fit resnet18: wrong shapes: fc.weight \
             [10, 512] instead of [1000, 512], fc.bias [10] instead of [1000]",
        ),
        (
            resnet18().with_classes(10),
            names(&resnet18(), ""),
            "it fits resnet18; it does not fit resnet18 with 10 classes (--classes 10): ",
        ),
        (
            resnet18(),
            names(&resnet18().without_top(), ""),
            "it fits resnet18 without its top (--features); it does not fit resnet18: missing: fc.weight, fc.bias",
        ),
        (
            resnet18(),
            names(&resnet18(), "backbone."),
            "it fits resnet18 if `backbone.` is removed from every name; it does not fit resnet18: ",
        ),
        (resnet18(), Vec::new(), "it does not fit resnet18: none of its 0 tensors"),
    ] {
        let error = load_ones(&wanted, &found).unwrap_err().to_string();
        assert!(error.contains(words), "{error}");
    }
    // These load: names of DataParallel, and tensors of a top that is not asked for.
    assert!(load_ones(&resnet18(), &names(&resnet18(), "module.")).is_ok());
    let features = load_ones(&resnet18().without_top(), &names(&resnet18(), ""));
    assert!(features.unwrap().top().is_none());
    // Not all names have the prefix.
    let mut some = names(&resnet18(), "module.");
    some[0].0 = "conv1.weight".to_owned();
    assert!(load_ones(&resnet18(), &some).is_err());
}
