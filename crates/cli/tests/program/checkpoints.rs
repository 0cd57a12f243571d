//! Checkpoints of a block in every format. Some are as torchvision wrote them, and some do not fit the block. Broken
//! files are tested with their reader, in `crates/checkpoint`.

use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use ndarray::Array4;
use tempfile::tempdir;
use triform::block::{BlockSpec, Bottleneck, Form, StrideOn};
use triform::conv::Fast;
use triform::network::architecture::Architecture;
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::init::{self, Fan};
use triform::network::weights::NetworkWeights;
use triform::random::Seed;
use triform_checkpoint::{Checkpoint, Dtype, Format};
use triform_cli::checkpoint;
use triform_cli::error::{Error, Result};

#[path = "../../../checkpoint/tests/formats/kit.rs"]
mod kit;

use kit::{Tensor, in_each_format, npy, npy_header};

/// The endings of the files that make.py wrote: the same block in each format.
const FORMATS: [&str; 5] = ["_new.pth", "_old.pth", ".safetensors", ".npz", "_deflated.npz"];

fn file(name: &str) -> PathBuf {
    crate::kit::root().join("crates/checkpoint/tests/checkpoints").join(name)
}

/// Three paths of width 2, stride 2, with a projection.
fn block() -> Architecture {
    let spec = BlockSpec::new(12, 3, 2, 16).unwrap();
    Architecture::single(&spec.with_stride(2, StrideOn::Transform).unwrap())
}

fn read(path: &Path) -> Result<NetworkWeights> {
    checkpoint::read(&block(), path)
}

/// The block's output for an image, in form (c).
fn output(weights: &NetworkWeights, x: &Array4<f32>) -> Array4<f32> {
    let fast = Fast::new();
    let prepare = |weights: &_, fast: &_| Bottleneck::prepare(&Form::Grouped, weights, fast);
    let network = Network::<f32, Fast>::prepare(&prepare, weights, |x| *x, &fast).unwrap();
    let functions = NetworkFunctions::new(weights).unwrap();
    network.features(x.view(), &functions, &fast, &mut |_, _| {}).unwrap()
}

fn tensors(weights: &NetworkWeights) -> Vec<Tensor> {
    let mut tensors = Vec::new();
    let mut keep = |name: &str, shape: &[usize], numbers: &[f32]| {
        tensors.push((name.to_owned(), shape.to_vec(), numbers.to_vec()));
        Ok(())
    };
    weights.visit(&mut keep).unwrap();
    tensors
}

#[test]
fn every_format_gives_the_same_block_to_the_bit() {
    let mut given = Checkpoint::open(&file("output.npz")).unwrap();
    assert_eq!(given.entries()[0].shape, [2, 12, 5, 6]);
    let x = Array4::from_shape_vec((2, 12, 5, 6), given.read(0).unwrap()).unwrap();
    let expected = given.read(1).unwrap();
    let weights = FORMATS.map(|format| read(&file(&format!("block_f32{format}"))).unwrap());
    let outputs = weights.each_ref().map(|weights| output(weights, &x));
    for (weights, output) in weights.iter().zip(&outputs) {
        assert_eq!(tensors(weights), tensors(&weights_of("f32", ".npz")));
        let bits = |y: &Array4<f32>| y.iter().map(|y| y.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(output), bits(&outputs[0]));
    }
    // And that is the output of torchvision's block.
    let largest = expected.iter().fold(0.0, |most: f32, y| most.max(y.abs()));
    assert_eq!(expected.len(), outputs[0].len());
    for (found, expected) in outputs[0].iter().zip(&expected) {
        assert!((found - expected).abs() <= 1e-6 * largest, "{found} {expected}");
    }
}

fn weights_of(kind: &str, format: &str) -> NetworkWeights {
    read(&file(&format!("block_{kind}{format}"))).unwrap()
}

/// Writes these bytes to a file of this name. Asserts that reading the file fails with one line that contains all these
/// words, and that the program prints the same line. Returns the error.
#[track_caller]
fn refuse(name: &str, bytes: &[u8], words: &[&str]) -> Error {
    let folder = tempdir().unwrap();
    let (path, x) = (folder.path().join(name), folder.path().join("x.npy"));
    fs::write(&path, bytes).unwrap();
    fs::write(&x, npy(&npy_header("<f4", "(1, 12, 2, 2)"), &[0; 192])).unwrap();
    let error = read(&path).expect_err("it is not refused");
    let says = error.to_string();
    assert!(says.starts_with("checkpoint ") && says.contains(name), "{says}");
    assert!(!says.contains(char::is_control), "{says:?}");
    for word in words {
        assert!(says.contains(word), "{name}: {says:?} does not say {word:?}");
    }
    let output = Command::new(env!("CARGO_BIN_EXE_triform"))
        .args(["forward", "--arch", "12-3x2-16/2", "--weights"])
        .args([&path, Path::new("--input"), &x])
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(2), "{name}: {says}");
    assert!(output.stdout.is_empty(), "{name}");
    assert_eq!(String::from_utf8(output.stderr).unwrap(), format!("error: {says}\n"));
    error
}

#[test]
fn weights_that_are_not_the_blocks_are_named_in_every_format() {
    let folder = tempdir().unwrap();
    let right = tensors(&weights_of("f32", ".npz"));
    for (name, bytes) in in_each_format(&right) {
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        assert_eq!(tensors(&read(&path).unwrap()), right, "{name}");
    }
    let place = |name: &str| right.iter().position(|tensor| tensor.0 == name).unwrap();
    let set = |name: &str, element: usize, number: f32| {
        let mut wrong = right.clone();
        wrong[place(name)].2[element] = number;
        wrong
    };
    let mut missing = right.clone();
    missing.retain(|(name, ..)| !name.starts_with("bn"));
    let mut surplus = right.clone();
    for i in 0..9 {
        surplus.push((format!("fc{i}.weight"), vec![2], vec![0.0; 2]));
    }
    surplus.push(("a\n\x1b[2J".to_owned(), vec![1], vec![0.0]));
    let mut misshapen = right.clone();
    misshapen[place("conv2.weight")].1 = vec![6, 3, 3, 2];
    let others = vec![("embedding".to_owned(), vec![1], vec![0.0])];

    let all = |layers: &[&str]| -> Vec<String> {
        let parts = ["weight", "bias", "running_mean", "running_var"];
        layers.iter().flat_map(|bn| parts.map(|part| format!("{bn}.{part}"))).collect()
    };
    // Five names of each kind are given.
    let missing_names = all(&["bn1", "bn2", "bn3"])[..5].join(", ");
    let missing_names = format!("missing: {missing_names}, ... and 7 more");
    let surplus_names: Vec<String> = (0..4).map(|i| format!("fc{i}.weight")).collect();
    let surplus_names = surplus_names.join(", ");
    let surplus_names = format!("surplus: a\\n\\u{{1b}}[2J, {surplus_names}, ... and 5 more");
    let cases: [(Vec<Tensor>, &[&str]); 9] = [
        (missing, &[&missing_names]),
        (surplus, &[&surplus_names]),
        (misshapen, &["wrong shapes: conv2.weight [6, 3, 3, 2] instead of [6, 2, 3, 3]"]),
        (others, &["none of its 1 tensors (embedding)", "expected (conv1.weight, bn1.weight,"]),
        (set("conv2.weight", 3 * 18 + 9 + 5, f32::NAN), &["conv2.weight[3, 1, 1, 2] is NaN"]),
        (set("bn1.bias", 4, f32::INFINITY), &["bn1.bias[4] is inf, not a finite number"]),
        (
            set("downsample.0.weight", 0, f32::NEG_INFINITY),
            &["downsample.0.weight[0, 0, 0, 0] is -inf"],
        ),
        (
            set("bn3.running_var", 5, -0.5),
            &["bn3.running_var[5] is -0.5, but a variance must be at least 0"],
        ),
        (vec![], &["none of its 0 tensors is one of the 20"]),
    ];
    for (tensors, words) in &cases {
        for (name, bytes) in in_each_format(tensors) {
            let error = refuse(name, &bytes, words);
            assert!(matches!(error, Error::Work(triform::Error::Checkpoint { .. })), "{error:?}");
        }
    }
}

/// The program prints what the reader says about a broken file.
#[test]
fn a_file_that_cannot_be_read_is_refused_in_every_format() {
    let right = tensors(&weights_of("f32", ".npz"));
    for (name, mut bytes) in in_each_format(&right) {
        bytes.pop();
        let error = refuse(name, &bytes, &[]);
        assert!(matches!(error, Error::Tensors(_)), "{error:?}");
    }
    refuse(
        "weights.onnx",
        b"",
        &["its name must end in one of .safetensors, .npz, .pth, .pt, .bin"],
    );
}

#[test]
fn what_is_written_comes_back_as_it_was() {
    let block = block();
    let weights = init::network(&block, Seed(9), Fan::Path).unwrap();
    let safetensors = checkpoint::safetensors(&weights).unwrap();
    let npz = checkpoint::npz(&weights).unwrap();
    for (bytes, format, integers) in
        [(&safetensors, Format::Safetensors, "i64"), (&npz, Format::Npz, "<i8")]
    {
        let mut file = Checkpoint::new(Cursor::new(bytes), format, Path::new("w")).unwrap();
        let integers = Dtype::Other(integers.to_owned());
        let counters = file.entries().iter().filter(|entry| entry.dtype == integers);
        assert_eq!(counters.count(), 4);
        assert_eq!(checkpoint::load(&block, &mut file).unwrap(), weights);
    }
}
