//! Writes cases as an ONNX backend test suite, in the layout that the test runners of ONNX engines read.
//!
//! ```text
//! test_NAME/model.onnx                        weights included
//! test_NAME/data.json                         the difference that is allowed
//! test_NAME/test_data_set_0/input_0.pb        x
//! test_NAME/test_data_set_0/output_0.pb       y, rounded to f32
//! ```
//!
//! Only `x` is an input of the model. The other arrays are initialisers, although ONNX's runner would also accept them
//! as inputs. In a real model the weights are constants, and only then do engines pack kernels and fold batch norms
//! into them. That code should be judged too.

use std::path::Path;

use ndarray::ArrayD;
use serde_json::json;

use super::error::Result;
use super::folder::Staged;
use triform::block::Shortcut;
use triform::check::{Answer, Block, Case, Kind, Operation};
use triform::conv::{Arrays, KernelShape};
use triform_onnx::{Model, Node, Tensor};

/// A block's convolutions and batch norms, named as in torchvision.
const LAYERS: [[&str; 2]; 4] =
    [["conv1", "bn1"], ["conv2", "bn2"], ["conv3", "bn3"], ["downsample.0", "downsample.1"]];

/// Whether ONNX can express the case. ONNX has no gradients, and its versions differ in how batch norms work in
/// training mode.
pub(super) fn can_say(case: &Case) -> bool {
    matches!(case.kind, Kind::Integers | Kind::Floats | Kind::Specials)
}

/// Writes the suite of the cases that ONNX [can express](can_say). The folder appears once the caller calls
/// [`finish`](Staged::finish).
pub(super) fn suite(folder: &Path, cases: &[Case]) -> Result<Staged> {
    let staged = Staged::new(folder)?;
    for case in cases.iter().filter(|case| can_say(case)) {
        let write =
            |name: &str, bytes: &[u8]| staged.write(&format!("test_{}/{name}", case.name), bytes);
        let answers = case.answers()?;
        let (x, weights): (Arrays, Arrays) =
            case.inputs().into_iter().partition(|(name, _)| name == "x");
        let inputs = tensors(x.iter().map(|(name, array)| (name, array)))?;
        let outputs = tensors(answers.iter().map(|answer| (&answer.name, &answer.value)))?;
        let values = |tensors: &[Tensor]| tensors.iter().map(|t| t.value().clone()).collect();
        let model = Model {
            name: case.name.clone(),
            nodes: nodes(&case.operation)?,
            initialisers: tensors(weights.iter().map(|(name, array)| (name, array)))?,
            inputs: values(&inputs),
            outputs: values(&outputs),
        };
        write("model.onnx", &model.to_bytes()?)?;
        let allowed = answers.iter().map(allowed).fold(0.0, f64::max);
        let tolerance = json!({ "rtol": 0.0, "atol": allowed });
        write("data.json", format!("{tolerance}\n").as_bytes())?;
        for (which, tensors) in [("input", &inputs), ("output", &outputs)] {
            for (at, tensor) in tensors.iter().enumerate() {
                write(&format!("test_data_set_0/{which}_{at}.pb"), &tensor.to_bytes())?;
            }
        }
    }
    Ok(staged)
}

fn tensors<'a>(arrays: impl Iterator<Item = (&'a String, &'a ArrayD<f64>)>) -> Result<Vec<Tensor>> {
    let tensor = |(name, array): (&String, &ArrayD<f64>)| {
        let numbers = array.iter().map(|value| *value as f32).collect();
        Ok(Tensor::new(name, array.shape(), numbers)?)
    };
    arrays.map(tensor).collect()
}

/// The largest difference that is allowed for any value of the answer. It includes the rounding of the expected value
/// to f32. A runner has one tolerance for all values.
fn allowed(answer: &Answer) -> f64 {
    let rounded = |value: f64| (value - f64::from(value as f32)).abs();
    let all = answer.value.iter().zip(&answer.allowed).filter(|(value, _)| value.is_finite());
    let most = all.map(|(value, allowed)| allowed + rounded(*value)).fold(0.0, f64::max);
    // numpy subtracts and compares in f32.
    most * (1.0 + 1e-6)
}

fn nodes(operation: &Operation) -> Result<Vec<Node>> {
    Ok(match operation {
        Operation::Conv(conv) => vec![convolution(&conv.shape()?, &["x", "weight", "bias"], "y")],
        Operation::Block(block) => of_block(block),
    })
}

/// A `Conv` node of this shape. ONNX lists the paddings in the order top, left, bottom, right.
fn convolution(shape: &KernelShape, inputs: &[&str], output: &str) -> Node {
    let (height, width) = (shape.spec.height(), shape.spec.width());
    let [[top, bottom], [left, right]] = [height.padding, width.padding].map(|p| p.map(integer));
    Node::new("Conv", inputs, &[output])
        .with("kernel_shape", [shape.k_h, shape.k_w].map(integer))
        .with("strides", [height.stride, width.stride].map(integer))
        .with("pads", [top, left, bottom, right])
        .with("dilations", [height.dilation, width.dilation].map(integer))
        .with("group", integer(shape.spec.groups()))
}

fn integer(size: usize) -> i64 {
    // Sizes of arrays in memory fit.
    size as i64
}

/// The nodes of the bottleneck. Each is named after its output.
fn of_block(block: &Block) -> Vec<Node> {
    let shapes = block.weights.spec().convolutions();
    let epsilon = *block.norms.expand.epsilon() as f32;
    let mut nodes = Vec::new();
    let mut layer = |at: usize, input: &str| {
        let [conv, norm] = LAYERS[at];
        nodes.push(convolution(&shapes[at], &[input, &format!("{conv}.weight")], conv));
        let parts = ["weight", "bias", "running_mean", "running_var"];
        let [scale, shift, mean, variance] = parts.map(|part| format!("{norm}.{part}"));
        let inputs = [conv, &scale, &shift, &mean, &variance];
        nodes.push(Node::new("BatchNormalization", &inputs, &[norm]).with("epsilon", epsilon));
        // An activation follows the first two convolutions.
        if let Some(relu) = ["relu1", "relu2"].get(at) {
            nodes.push(Node::new("Relu", &[norm], &[relu]));
        }
    };
    layer(0, "x");
    layer(1, "relu1");
    layer(2, "relu2");
    let shortcut = match block.weights.spec().shortcut() {
        Shortcut::Projection => {
            layer(3, "x");
            Some("downsample.1")
        }
        Shortcut::Identity => Some("x"),
        Shortcut::None => None,
    };
    let sum = match shortcut {
        Some(shortcut) => {
            nodes.push(Node::new("Add", &["bn3", shortcut], &["sum"]));
            "sum"
        }
        None => "bn3",
    };
    nodes.push(Node::new("Relu", &[sum], &["y"]));
    nodes
}
