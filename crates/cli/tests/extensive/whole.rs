//! Whole networks in the program. They are initialised, run, and verified in three forms, and wrong forms are refuted.

use std::fs;
use std::path::Path;

use crate::common::mask::masked;
use crate::common::wrong::{FLIPPED, NEXT_PATH, norm_in_each_path, wrong};
use crate::kit::{fits_80_columns, of, printed_in, right, run_with, triform_in};
use ndarray::{Array2, Array4, ArrayView4};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use triform::block::NormFunctions;
use triform::block::grouped::Grouped;
use triform::block::{Activation, BlockForm, BlockWeights, Bottleneck, Branch, Form, With};
use triform::conv::{Convolver, Fast};
use triform::evidence::any_form::{AnyForm, Subject};
use triform::evidence::bound::balls;
use triform::evidence::verdict::against_balls;
use triform::evidence::whole::{self, LOGITS};
use triform::network::init::{self, Fan};
use triform::network::weights::{NetworkWeights, ResidualWeights};
use triform::network::{image, zoo};
use triform::random::Seed;
use triform::scalar::Additive;
use triform_cli::checkpoint;

/// A small network with every kind of block: projections with and without a stride, and identity shortcuts.
const SMALL: &str = "resnext29_4x16d";
const FORWARD: &str = "forward --arch resnext29_4x16d --weights w.safetensors --input x.npy";

/// Numbers in -1..1, well spread.
fn number(i: usize) -> f32 {
    (i as f32 * 0.754_877_7).fract() * 2.0 - 1.0
}

fn largest(logits: &Array2<f32>) -> f32 {
    logits.iter().fold(0.0, |largest, logit| largest.max(logit.abs()))
}

/// New numbers for a tensor, from its name, its shape and its numbers.
type Change<'a> = dyn Fn(&str, &[usize], &[f32]) -> Vec<f32> + 'a;

/// The weights with the numbers of each tensor changed.
fn changed(weights: &NetworkWeights, change: &Change<'_>) -> NetworkWeights {
    let mut tensors = Vec::new();
    let mut keep = |name: &str, shape: &[usize], numbers: &[f32]| {
        tensors.push(change(name, shape, numbers));
        Ok(())
    };
    weights.visit(&mut keep).unwrap();
    let mut tensors = tensors.into_iter();
    NetworkWeights::assemble(weights.architecture(), &mut |_, _| Ok(tensors.next().unwrap()))
        .unwrap()
}

/// Weights whose batch norms are unlike those of a fresh network.
fn trained(name: &str) -> NetworkWeights {
    let fresh = init::network(&zoo::named(name).unwrap(), Seed(4), Fan::Whole).unwrap();
    changed(&fresh, &|name, shape, numbers| {
        let is_norm = shape.len() == 1 && !name.starts_with("fc");
        let positive = name.ends_with("weight") || name.ends_with("running_var");
        let drawn = |i: usize| 0.3 * number(i) + if positive { 1.0 } else { 0.0 };
        if is_norm { (0..numbers.len()).map(drawn).collect() } else { numbers.to_vec() }
    })
}

/// A folder with the weights and an input of two images.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    write(folder.path(), &trained(SMALL));
    let x = Array4::from_shape_fn((2, 3, 12, 9), |(n, c, h, w)| {
        number(n * 324 + c * 108 + h * 9 + w) * 2.0
    });
    x.write_npy(fs::File::create(folder.path().join("x.npy")).unwrap()).unwrap();
    folder
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

/// Runs the program in this process, on forms that the test chooses. Returns the status and the output.
fn run(folder: &Path, forms: &[&dyn AnyForm], more: &str, interrupted: bool) -> (u8, String) {
    let path = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    let (weights, x) = (path("w.safetensors"), path("x.npy"));
    let verify = format!("verify --arch {SMALL} --weights {weights} --input {x} {more}");
    let (status, output, errors) = run_with(forms, &verify, interrupted);
    assert_eq!(errors, "");
    (status, output)
}

/// Like [`run`], with these rungs and a JSON report.
fn verify(folder: &Path, forms: &[&dyn AnyForm], rungs: &str) -> (u8, Value) {
    let (status, output) = run(folder, forms, &format!("--rung {rungs} --json"), false);
    (status, json(&output))
}

/// Writes the weights after `change` has changed each number. `change` gets the name of the tensor and the number.
fn rewrite(folder: &Path, change: &dyn Fn(&str, f32) -> f32) {
    let weights = changed(&trained(SMALL), &|name, _, numbers| {
        numbers.iter().map(|number| change(name, *number)).collect()
    });
    write(folder, &weights);
}

fn write(folder: &Path, weights: &NetworkWeights) {
    fs::write(folder.join("w.safetensors"), checkpoint::safetensors(weights).unwrap()).unwrap();
}

#[test]
fn every_block_of_a_network_is_verified_by_each_rung() {
    let folder = folder();
    // All three rungs run if none is named.
    let (status, report) = run(folder.path(), &right(), "--json", false);
    let report = json(&report);
    assert_eq!((status, &report["ok"]), (0, &Value::Bool(true)), "{report:#}");
    let blocks = report["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 9);
    for block in blocks {
        let rungs = block["rungs"].as_array().unwrap();
        let names: Vec<_> = rungs.iter().map(|rung| rung["rung"].as_str().unwrap()).collect();
        assert_eq!(names, ["R1", "R2", "R4"]);
        assert!(rungs[0]["bound"]["used_at_cuts"].as_f64().unwrap() < 1.0);
        assert!(rungs[0]["bound"]["used_at_cuts"].as_f64().unwrap() > 0.0);
        assert!(rungs[1]["bound"]["values"].as_u64().unwrap() > 0);
        assert!(rungs[2]["bound"]["at_most"].as_f64().unwrap() < 1e-7);
        assert_eq!(block["map"].as_array().unwrap().len(), 2);
    }
    assert_eq!(blocks[0]["map"], serde_json::json!([12, 9]));
    assert_eq!(blocks[8]["map"], serde_json::json!([3, 3]));
    for pair in ["ab", "bc", "ac"] {
        assert!(report["max_rel_diff"][pair].as_f64().unwrap() <= LOGITS);
    }
    for form in ["a", "b", "c"] {
        assert_eq!(report["forms"][form]["logits"].as_array().unwrap().len(), 2);
    }
    assert_eq!(report["notes"], serde_json::json!([]));
}

/// Each rung alone refutes a wrong form in a network.
#[test]
fn a_wrong_form_is_refuted_in_a_network() {
    let folder = folder();
    let (next, flipped) = (wrong(Form::EarlyConcat, NEXT_PATH), wrong(Form::Grouped, FLIPPED));
    let norms = norm_in_each_path();
    let [a, b, c] = right();
    let mut refuted = 0;
    for forms in [[a, &next, c], [a, b, &flipped], [&norms, b, c]] {
        for rung in ["R1", "R2", "R4"] {
            let (status, report) = verify(folder.path(), &forms, rung);
            assert_eq!((status, &report["ok"]), (1, &Value::Bool(false)));
            let blocks = report["blocks"].as_array().unwrap();
            assert!(blocks.iter().all(|block| block["ok"] == false), "{rung}: {report:#}");
            refuted += blocks.len();
        }
        let (_, report) = verify(folder.path(), &forms, "R1");
        let furthest = ["ab", "bc", "ac"].map(|pair| report["max_rel_diff"][pair].as_f64());
        assert!(furthest.iter().any(|apart| apart.unwrap() > LOGITS), "{furthest:?}");
    }
    assert_eq!(refuted, 3 * 3 * 9);
}

#[test]
fn forms_of_a_network_are_run_one_by_one() {
    let folder = folder();
    let at = folder.path();
    let mut all = Vec::new();
    for form in ["a", "b", "c"] {
        let command = format!("{FORWARD} --form {form} --output y.npy --json");
        let report = json(&printed_in(at, &command));
        let y = Array2::<f32>::read_npy(fs::File::open(at.join("y.npy")).unwrap()).unwrap();
        assert_eq!(y.dim(), (2, 10));
        let logits: Vec<Vec<f32>> = of(&report["forms"][form]["logits"]);
        assert_eq!(y.rows().into_iter().map(|row| row.to_vec()).collect::<Vec<_>>(), logits);
        assert_eq!(report["forms"][form]["top"][1].as_array().unwrap().len(), 5);
        all.push(y);
    }
    for other in &all[1..] {
        let (apart, largest) = (largest(&(other - &all[0])), largest(&all[0]));
        assert!(apart <= 1e-5 * largest, "{apart} of {largest}");
    }
    // include_top = False: the last map.
    let words = printed_in(at, &format!("{FORWARD} --features --output f.npy"));
    let features = Array4::<f32>::read_npy(fs::File::open(at.join("f.npy")).unwrap()).unwrap();
    assert_eq!(features.dim(), (2, 1024, 3, 3));
    fits_80_columns(&words);
}

/// The seed determines what `triform init` writes, in both formats and with both fans.
#[test]
fn a_fresh_checkpoint_is_the_seeds() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    for (fan, kind) in [("layer", Fan::Whole), ("path", Fan::Path)] {
        let expected = init::network(&zoo::named(SMALL).unwrap(), Seed(7), kind).unwrap();
        for (file, bytes) in [
            ("w.safetensors", checkpoint::safetensors(&expected).unwrap()),
            ("w.npz", checkpoint::npz(&expected).unwrap()),
        ] {
            let command = format!("init {SMALL} --seed 7 --fan {fan} --output {file}");
            let words = printed_in(at, &command);
            assert!(words.starts_with(&format!("Wrote {file}: {SMALL}, ")), "{words}");
            assert!(fs::read(at.join(file)).unwrap() == bytes, "{file} {fan}");
        }
    }
    // Its batch norms are fresh, and the report says what that hides.
    let x = Array4::from_shape_fn((1, 3, 8, 8), |(_, c, h, w)| number(c * 64 + h * 8 + w));
    x.write_npy(fs::File::create(at.join("x.npy")).unwrap()).unwrap();
    let command = FORWARD.replace("w.safetensors", "w.npz") + " --form all";
    let words = printed_in(at, &command);
    let note =
        "Note: In 9 of the 9 blocks the first two batch norms still have their initial values";
    assert!(words.replace('\n', " ").contains(note), "{words}");
    // A command is not broken into lines.
    let mut lines = words.lines().filter(|line| !line.starts_with("Repeat: "));
    assert!(lines.all(|line| line.chars().count() <= 80), "{words}");
}

/// ResNeXt-50 is embedded in Wide ResNet-50-2, in f32. Each block of either network lies within the bound of the wider
/// network, which rounds more. The logits of the two networks agree within 1e-5 of the largest logit.
#[test]
fn resnext50_is_inside_wide_resnet50_2_in_f32() {
    let narrow = trained("resnext50_32x4d");
    let wide = narrow.in_groups(1).unwrap();
    assert_eq!(wide.architecture(), &zoo::named("wide_resnet50_2").unwrap());
    let x = Array4::from_shape_fn((1, 3, 40, 64), |(_, c, h, w)| number(c * 2560 + h * 64 + w));
    let one = whole::run(&Form::Grouped, &narrow, x.view(), true).unwrap();
    let other = whole::run(&Form::Grouped, &wide, x.view(), false).unwrap();
    let (apart, largest) = (largest(&(&one.logits - &other.logits)), largest(&one.logits));
    assert!(largest > 0.0 && apart <= 1e-5 * largest, "{apart} of {largest}");
    let mut blocks = 0;
    for ((narrow, wide), x) in narrow.blocks().iter().zip(wide.blocks()).zip(&one.received) {
        let ResidualWeights::Bottleneck(wide, norms) = wide else { panic!("a bottleneck") };
        let ResidualWeights::Bottleneck(narrow, _) = narrow else { panic!("a bottleneck") };
        let balls = balls(wide, norms, x.view()).unwrap();
        let functions = NormFunctions::new(norms, Activation::Relu).unwrap();
        for weights in [narrow, wide] {
            let fast = Fast::new();
            let block = Bottleneck::prepare(&Form::Grouped, weights, &fast).unwrap();
            let y = block.forward(x.view(), &functions.functions(), &fast).unwrap();
            let (used, witness) = against_balls(('c', "inside"), &y, &balls);
            assert!(witness.is_none() && used < 1.0, "block {blocks}: {witness:?}");
        }
        blocks += 1;
    }
    assert_eq!(blocks, 16);
    // Of fewer groups, 5 do not divide the 32 paths, and 8 do.
    assert!(narrow.in_groups(5).unwrap_err().to_string().contains("32 paths"));
    assert_eq!(narrow.in_groups(8).unwrap().architecture().name, "resnext50_32x4d in 8 groups");
}

/// Weights that make f32 overflow are bad input, and no form is refuted for them.
#[test]
fn weights_that_overflow_are_no_refutation() {
    let folder = folder();
    let says = |command: &str| {
        let output = triform_in(folder.path(), &FORWARD.replace("forward", command));
        let says = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{says}");
        assert!(says.contains("overflow f32") && says.lines().count() == 1, "{says}");
        says
    };
    let huge = |named: &'static str| {
        rewrite(folder.path(), &|name, number| {
            if name == named { 3e38f32.copysign(number) } else { number }
        });
    };
    huge("layer2.1.conv1.weight");
    let error = says("verify");
    assert!(error.starts_with("error: conv3_2 after the first 1x1: element ["), "{error}");
    huge("fc.weight");
    assert!(says("verify").starts_with("error: logits: element [0, "), "verify");
    assert!(says("forward").starts_with("error: logits: element [0, "), "forward");
    // A batch norm whose scale overflows is an error that names it.
    let fresh = |name: &str, shape: &[usize]| {
        let length = shape.iter().product();
        Ok(vec![if name == "layer2.1.bn2.weight" { 3e38 } else { 0.5 }; length])
    };
    let error = NetworkWeights::assemble(&zoo::named(SMALL).unwrap(), &mut { fresh });
    let error = error.unwrap_err().to_string();
    assert!(error.starts_with("batch norm scale of layer2.1.bn2: element [0] is inf"), "{error}");
}

/// If the numbers of a block hide mistakes from a rung, the verdict of that rung is qualified.
#[test]
fn what_the_weights_hide_is_said() {
    let folder = folder();
    let at = folder.path();
    let flipped = wrong(Form::EarlyConcat, FLIPPED);
    let [a, b, c] = right();
    let verdicts = |report: &Value, block: usize| -> Vec<String> {
        let rungs = report["blocks"][block]["rungs"].as_array().unwrap();
        rungs.iter().map(|rung| of(&rung["verdict"])).collect()
    };
    let notes = |report: &Value| report["notes"].to_string();

    // The last batch norm of conv3_1 hides all paths, the second of conv4_2 the 3x3. R4 sees all.
    rewrite(at, &|name, number| match name {
        "layer2.0.bn3.weight" => 0.0,
        "layer3.1.bn2.bias" => -1000.0,
        _ => number,
    });
    let (status, report) = verify(at, &[a, b, c], "R1,R2,R4");
    assert_eq!(status, 0, "{report:#}");
    for block in 0..9 {
        let expected = match block {
            3 | 7 => ["qualified", "qualified", "supported"],
            _ => ["supported"; 3],
        };
        assert_eq!(verdicts(&report, block), expected, "{block}");
    }
    assert!(notes(&report).contains("In 1 of the 9 blocks the last batch norm multiplies by 0"));
    assert!(notes(&report).contains("In 1 of the 9 blocks nothing passes one of the ReLUs"));
    let dead = report["blocks"][7]["dead_channels"].as_u64().unwrap();
    assert!((256..400).contains(&dead), "{dead}: the 3x3's 256 channels, and some of the 1x1's");

    // With all weights 0 no rung refutes a wrong form, and the report says that this is not evidence.
    rewrite(at, &|name, number| if name.contains("conv") { 0.0 } else { number });
    let (status, words) = run(at, &[a, &flipped, c], "", false);
    let words = words.replace('\n', " ");
    assert_eq!(status, 0, "{words}");
    assert!(words.contains("In 9 of the 9 blocks a kernel is all zeros"), "{words}");
    assert!(words.contains("But in 9 of them no rung saw everything"), "{words}");

    // On 1 x 1 maps only the middle tap of a 3x3 multiplies; R4 takes a larger map.
    rewrite(at, &|_, number| number);
    let x = Array4::from_shape_fn((1, 3, 1, 1), |(_, c, ..)| number(c));
    x.write_npy(fs::File::create(at.join("x.npy")).unwrap()).unwrap();
    let (status, report) = verify(at, &[a, &flipped, c], "R1,R2");
    assert_eq!(status, 0, "{report:#}");
    assert!(notes(&report).contains("In 9 of the 9 blocks the map is smaller than the 3x3"));
    assert_eq!(verdicts(&report, 0), ["qualified", "qualified"]);
    assert_eq!(verify(at, &[a, &flipped, c], "R4").0, 1);
}

/// The report in words: when all holds, when a form is refuted, when nothing was done.
#[test]
fn the_report_reads_like_this() {
    let folder = folder();
    let flipped = wrong(Form::EarlyConcat, FLIPPED);
    let [a, b, c] = right();
    let shown = |forms: &[&dyn AnyForm], interrupted: bool| {
        let (status, words) = run(folder.path(), forms, "", interrupted);
        let words = words.replace(folder.path().to_str().unwrap(), "FOLDER");
        for line in words.lines().filter(|line| !line.starts_with("Repeat: ")) {
            assert!(line.chars().count() <= 80, "{line}");
        }
        // The paragraph breaks depend on the length of the folder's name, and the used part of the
        // bound on the rounding of this machine.
        let (head, rest) = words.split_once("Network: ").unwrap();
        let (subject, rest) = rest.split_once("\n\n").unwrap();
        let words = format!("{head}Network: {}\n\n{rest}", subject.replace('\n', " "));
        let percent =
            |word: &str| if word.ends_with('%') { "#".to_owned() } else { word.to_owned() };
        let line = |line: &str| line.split(' ').map(percent).collect::<Vec<_>>().join(" ");
        let words: Vec<String> = masked(&words).lines().map(line).collect();
        format!("status {status}\n{}", words.join("\n"))
    };
    let all = [shown(&[a, b, c], false), shown(&[a, &flipped, c], false), shown(&[a, b, c], true)];
    insta::assert_snapshot!("network", all.join("\n========\n"));
    let (status, report) = run(folder.path(), &right(), "--json", true);
    assert_eq!((status, json(&report)["partial"].as_bool()), (130, Some(true)));
}

/// `--image` gives the network the output of torchvision's transform.
#[test]
fn a_photograph_is_the_networks_input() {
    let folder = tempdir().unwrap();
    let at = folder.path();
    let photograph = crate::kit::root().join("assets/chelsea.png");
    let photograph = photograph.to_str().unwrap();
    let weights = init::network(&zoo::named("resnet18").unwrap(), Seed(1), Fan::Whole).unwrap();
    fs::write(at.join("w.npz"), checkpoint::npz(&weights).unwrap()).unwrap();
    let x = image::normalise(triform_cli::input::read(Path::new(photograph)).unwrap().view());
    x.write_npy(fs::File::create(at.join("x.npy")).unwrap()).unwrap();
    let logits = |more: &str| {
        let command = format!("forward --arch resnet18 --weights w.npz --json {more}");
        json(&printed_in(at, &command))["forms"]["c"]["logits"].to_string()
    };
    let expected = logits("--input x.npy");
    assert_eq!(logits(&format!("--image {photograph}")), expected);
    assert_eq!(logits(""), expected);
    assert_ne!(logits(&format!("--image {photograph} --resize 232")), expected);
}

/// Form (c) times 2^200: infinite in f32.
struct Overflowing;

struct Doubled<K>(Grouped<K>);

impl Subject for Overflowing {}

impl BlockForm for Overflowing {
    fn letter(&self) -> char {
        'c'
    }
    fn name(&self) -> &'static str {
        "doubled two hundred times"
    }
    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> triform::Result<Box<dyn Branch<S, V>>> {
        Ok(Box::new(Doubled(Grouped::prepare(weights, convolver)?)))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Doubled<V::Kernel> {
    fn forward(&self, x: ArrayView4<'_, S>, with: &With<'_, S, V>) -> triform::Result<Array4<S>> {
        let mut y = self.0.forward(x, with)?;
        y.mapv_inplace(|y| (0..200).fold(y, |y, _| y.add(&y)));
        Ok(y)
    }
}

/// If a form overflows where the right form (c) does not, the form is refuted.
#[test]
fn a_form_that_overflows_is_refuted() {
    let folder = folder();
    let [a, b, _] = right();
    for rung in ["R1", "R2", "R4"] {
        let (status, report) = verify(folder.path(), &[a, b, &Overflowing], rung);
        assert_eq!(status, 1, "{report:#}");
        assert!(report["blocks"].as_array().unwrap().iter().all(|block| block["ok"] == false));
    }
}
