//! `triform cases --onnx`: the models describe the same cases as cases.json, and hold the same numbers.
//!
//! `tests/handed_in/onnx_suite.py` runs the models in an engine.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::Value;
use tempfile::TempDir;
use triform_checkpoint::Checkpoint;
use triform_onnx::Message as _;
use triform_onnx::proto::attribute_proto::AttributeType;
use triform_onnx::proto::{ModelProto, NodeProto, TensorProto};

use crate::kit::{of, printed_in, text, triform_in};

/// Writes the folders `cases` and `suite`. Returns the folder around them, the program's report, and the cases that
/// cases.json lists.
fn written(options: &str) -> (TempDir, String, Vec<Value>) {
    let folder = tempfile::tempdir().unwrap();
    let report =
        printed_in(folder.path(), &format!("cases --quick --out cases --onnx suite {options}"));
    let listing = fs::read_to_string(folder.path().join("cases/cases.json")).unwrap();
    let listing: Value = serde_json::from_str(&listing).unwrap();
    let cases = listing["cases"].as_array().unwrap().clone();
    (folder, report, cases)
}

fn model(suite: &Path, case: &Value) -> ModelProto {
    let path = suite.join(format!("test_{}/model.onnx", case["name"].as_str().unwrap()));
    ModelProto::decode(&fs::read(path).unwrap()[..]).unwrap()
}

fn line(op: &str, inputs: &[&str], output: &str, attributes: &str) -> String {
    format!("{output} = {op}({}) {attributes}", inputs.join(", "))
}

/// A node as a line.
fn found(node: &NodeProto) -> String {
    let attributes = node.attribute.iter().map(|attribute| {
        let value = match attribute.r#type() {
            AttributeType::Int => format!("{}", attribute.i()),
            AttributeType::Ints => format!("{:?}", attribute.ints),
            AttributeType::Float => format!("{}", attribute.f()),
            other => panic!("{other:?}"),
        };
        format!("{}={value}", attribute.name())
    });
    let attributes: Vec<String> = attributes.collect();
    let inputs: Vec<&str> = node.input.iter().map(String::as_str).collect();
    line(node.op_type(), &inputs, &node.output.join(", "), &attributes.join(" "))
}

/// The attributes of a convolution. The order of `pad` is left, right, top, bottom.
fn conv(
    kernel: [usize; 2],
    stride: [usize; 2],
    pad: [usize; 4],
    more: ([usize; 2], usize),
) -> String {
    let ([left, right, top, bottom], (dilation, groups)) = (pad, more);
    format!(
        "dilations={dilation:?} group={groups} kernel_shape={kernel:?} \
         pads=[{top}, {left}, {bottom}, {right}] strides={stride:?}"
    )
}

/// The nodes that a case must have according to its attributes.
fn wanted(case: &Value) -> Vec<String> {
    let a = &case["attributes"];
    let size = |name: &str| of::<usize>(&a[name]);
    if case["op"] == "conv" {
        let more = (of(&a["dilation"]), size("groups"));
        let attributes = conv(of(&a["kernel_size"]), of(&a["stride"]), of(&a["pad"]), more);
        return vec![line("Conv", &["x", "weight", "bias"], "y", &attributes)];
    }
    let (kernel, stride, on) = (size("kernel_size"), size("stride"), a["stride_on"].as_str());
    let [first, second] = ["conv1", "conv2"].map(|name| if on == Some(name) { stride } else { 1 });
    let epsilon = format!("epsilon={}", of::<f32>(&a["eps"]));
    let layer =
        |name: &str, norm: &str, x: &str, (kernel, stride, groups): (usize, usize, usize)| {
            let attributes = conv([kernel; 2], [stride; 2], [kernel / 2; 4], ([1; 2], groups));
            let weight = format!("{name}.weight");
            let parts = ["weight", "bias", "running_mean", "running_var"];
            let parts = parts.map(|part| format!("{norm}.{part}"));
            let inputs = [&[name], &parts.each_ref().map(String::as_str)[..]].concat();
            [
                line("Conv", &[x, &weight], name, &attributes),
                line("BatchNormalization", &inputs, norm, &epsilon),
            ]
        };
    let relu = |x: &str, y: &str| vec![line("Relu", &[x], y, "")];
    let mut nodes = layer("conv1", "bn1", "x", (1, first, 1)).to_vec();
    nodes.extend(relu("bn1", "relu1"));
    nodes.extend(layer("conv2", "bn2", "relu1", (kernel, second, size("groups"))));
    nodes.extend(relu("bn2", "relu2"));
    nodes.extend(layer("conv3", "bn3", "relu2", (1, 1, 1)));
    let shortcut = if a["downsample"] == true {
        nodes.extend(layer("downsample.0", "downsample.1", "x", (1, stride, 1)));
        "downsample.1"
    } else {
        "x"
    };
    nodes.push(line("Add", &["bn3", shortcut], "sum", ""));
    nodes.extend(relu("sum", "y"));
    nodes
}

fn nodes(model: &ModelProto) -> Vec<String> {
    model.graph.as_ref().unwrap().node.iter().map(found).collect()
}

type Change = fn(&mut NodeProto);

#[test]
fn models_say_what_the_cases_say() {
    let (folder, _, cases) = written("--kind integers,floats,specials");
    let suite = folder.path().join("suite");
    assert_eq!(fs::read_dir(&suite).unwrap().count(), cases.len());
    let mut seen = BTreeMap::new();
    for case in &cases {
        let right = model(&suite, case);
        let wanted = wanted(case);
        assert_eq!(nodes(&right), wanted, "{}", case["name"]);

        // Whatever is changed, the lines differ.
        let changes: [(&str, Change); 5] = [
            ("pads", |conv| conv.attribute[3].ints.swap(0, 1)),
            ("strides", |conv| conv.attribute[4].ints.reverse()),
            ("group", |conv| conv.attribute[1].i = Some(1)),
            ("operator", |node| node.op_type = Some("Identity".to_owned())),
            ("input", |node| node.input.swap(0, 1)),
        ];
        for (what, change) in changes {
            let mut wrong = right.clone();
            // A block's second convolution is its fourth node.
            let graph = &mut wrong.graph.as_mut().unwrap().node;
            let at = if graph.len() == 1 { 0 } else { 3 };
            assert_eq!(graph[at].op_type(), "Conv");
            change(&mut graph[at]);
            if nodes(&wrong) != wanted {
                *seen.entry((case["op"].as_str().unwrap(), what)).or_insert(0) += 1;
            }
        }
    }
    // A block pads all sides alike, and has one stride.
    for (op, count) in [("conv", 5), ("block", 3)] {
        assert_eq!(seen.keys().filter(|(of, _)| *of == op).count(), count, "{seen:?}");
    }
    // Both kinds of shortcut occur.
    for downsample in [true, false] {
        assert!(cases.iter().any(|case| case["attributes"]["downsample"] == downsample));
    }
}

#[test]
fn models_hold_the_numbers_of_the_cases() {
    let (folder, _, cases) = written("--kind integers,specials");
    let suite = folder.path().join("suite");
    for case in &cases {
        let name = case["name"].as_str().unwrap();
        let test = suite.join(format!("test_{name}"));
        let data = |file: &str| {
            TensorProto::decode(&fs::read(test.join("test_data_set_0").join(file)).unwrap()[..])
                .unwrap()
        };
        let graph = model(&suite, case).graph.unwrap();
        let mut held = graph.initializer.clone();
        held.push(data("input_0.pb"));
        let mut npz = Checkpoint::open(&folder.path().join(format!("cases/{name}.npz"))).unwrap();
        assert_eq!(held.len(), npz.entries().len(), "{name}");
        for (index, entry) in npz.entries().to_vec().iter().enumerate() {
            let tensor = held.iter().find(|tensor| tensor.name() == entry.name).unwrap();
            let shape: Vec<usize> = tensor.dims.iter().map(|&size| size as usize).collect();
            assert_eq!(shape, entry.shape, "{name}: {}", entry.name);
            let numbers = npz.read(index).unwrap();
            let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
            assert!(tensor.raw_data() == bytes, "{name}: {}", entry.name);
        }
        // One input and one output; the answer itself is what `triform check` takes.
        assert_eq!((graph.input.len(), graph.input[0].name()), (1, "x"));
        assert_eq!((graph.output.len(), graph.output[0].name()), (1, "y"));
        let y = data("output_0.pb");
        assert_eq!(y.dims, of::<Vec<i64>>(&case["outputs"]["y"]["shape"]), "{name}");
        // Exact kinds are compared exactly.
        let tolerance = fs::read_to_string(test.join("data.json")).unwrap();
        assert_eq!(tolerance, "{\"atol\":0.0,\"rtol\":0.0}\n", "{name}");
    }
}

#[test]
fn what_has_no_onnx_form_is_skipped_and_counted() {
    let (folder, report, cases) = written("--op block --kind floats,training,gradients");
    let floats = cases.iter().filter(|case| case["kind"] == "floats").count();
    let report = report.split_whitespace().collect::<Vec<_>>().join(" ");
    let wrote = format!("Wrote {floats} cases to suite as an ONNX backend test suite.");
    let skipped = format!("{} have no ONNX form", cases.len() - floats);
    assert!(report.contains(&wrote) && report.contains(&skipped), "{report}");
    assert_eq!(fs::read_dir(folder.path().join("suite")).unwrap().count(), floats);
    for case in cases.iter().filter(|case| case["kind"] == "floats") {
        let name = case["name"].as_str().unwrap();
        let path = folder.path().join(format!("suite/test_{name}/data.json"));
        let tolerance: Value = serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap();
        let atol = tolerance["atol"].as_f64().unwrap();
        assert!(0.0 < atol && atol < 0.01, "{name}: {atol}");
    }
}

#[test]
fn both_folders_are_written_or_neither() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("full")).unwrap();
    fs::write(folder.path().join("full/file"), "").unwrap();
    for (options, why) in [
        ("--out cases --onnx full", "cannot use full: it is not empty"),
        ("--out full --onnx suite", "cannot use full: it is not empty"),
        ("--out cases --onnx ./cases/suite", "must not contain each other"),
        ("--out suite/cases --onnx suite", "must not contain each other"),
        ("--out cases --onnx suite --kind gradients", "none of these cases can be an ONNX model"),
    ] {
        let output = triform_in(folder.path(), &format!("cases --op block --quick {options}"));
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{options}: {errors}");
        assert!(errors.contains(why), "{options}: {errors}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "{options}");
    }
}
