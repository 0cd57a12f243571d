//! A writer of [ONNX](https://onnx.ai) files.
//!
//! A [`Model`] has nodes, float tensors, and inputs and outputs of fixed shapes; [`Model::to_bytes`] returns the file.
//! [`Tensor::to_bytes`] returns a single tensor, in the format of the test data in ONNX's own suites.
//!
//! ```
//! use triform_onnx::{Model, Node, Tensor, Value};
//!
//! let conv = Node::new("Conv", &["x", "weight"], &["sums"]).with("kernel_shape", [1, 1]).with("group", 2);
//! let model = Model {
//!     name: "two channels, doubled and tripled".to_owned(),
//!     nodes: vec![conv, Node::new("Relu", &["sums"], &["y"])],
//!     initialisers: vec![Tensor::new("weight", &[2, 1, 1, 1], vec![2.0, 3.0])?],
//!     inputs: vec![Value::new("x", &[1, 2, 4, 5])],
//!     outputs: vec![Value::new("y", &[1, 2, 4, 5])],
//! };
//! assert!(model.to_bytes()?.len() > 100);
//! # Ok::<(), triform_onnx::Error>(())
//! ```
//!
//! This crate checks sizes. It also checks that every name is defined once, and before it is used. It does not check
//! what an operator accepts: `onnx.checker` does that.

#![cfg_attr(not(test), warn(clippy::unwrap_used))]

mod error;
/// The messages of `onnx.proto`, which documents them. With [`Message`], they can also read ONNX files.
#[allow(missing_docs, clippy::all, reason = "made from onnx.proto by prost-build")]
#[rustfmt::skip]
pub mod proto;

use std::collections::{BTreeMap, HashSet};

/// Encodes and decodes the messages of [`proto`].
pub use prost::Message;

pub use self::error::{Error, Result};
use self::proto::attribute_proto::AttributeType;
use self::proto::tensor_proto::DataType;
use self::proto::tensor_shape_proto::{Dimension, dimension};
use self::proto::{
    AttributeProto, GraphProto, ModelProto, NodeProto, OperatorSetIdProto, TensorProto,
    TensorShapeProto, TypeProto, ValueInfoProto, Version, type_proto,
};

/// The version of the operators. It is from 2020, so that older engines can run the models too.
pub const OPSET: i64 = 13;

/// The version of the file format that came with [`OPSET`].
const IR: Version = Version::IrVersion202058;

/// Readers accept no more bytes than this, since lengths in protobuf are 32-bit signed integers.
const MOST_BYTES: usize = i32::MAX as usize;

/// A named tensor of 32-bit floats.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    value: Value,
    numbers: Vec<f32>,
}

impl Tensor {
    /// A tensor of these numbers, row-major.
    ///
    /// Errors: [`Error::Count`] if there are more or fewer numbers than the shape needs.
    pub fn new(name: &str, shape: &[usize], numbers: Vec<f32>) -> Result<Self> {
        let count = shape.iter().try_fold(1usize, |count, &size| count.checked_mul(size));
        if count != Some(numbers.len()) {
            let (name, shape) = (name.to_owned(), shape.to_vec());
            return Err(Error::Count { name, shape, count: numbers.len() });
        }
        Ok(Self { value: Value::new(name, shape), numbers })
    }

    /// Its name and shape.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// A `.pb` file of test data: the tensor as a `TensorProto`.
    pub fn to_bytes(&self) -> Vec<u8> {
        self.message().encode_to_vec()
    }

    fn message(&self) -> TensorProto {
        TensorProto {
            name: Some(self.value.name.clone()),
            dims: self.value.dims().collect(),
            data_type: Some(DataType::Float as i32),
            raw_data: Some(self.numbers.iter().flat_map(|number| number.to_le_bytes()).collect()),
            ..Default::default()
        }
    }
}

/// The name and shape of a tensor without its numbers, such as an input or output of a model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Value {
    name: String,
    shape: Vec<usize>,
}

impl Value {
    /// A value of this name and shape.
    pub fn new(name: &str, shape: &[usize]) -> Self {
        Self { name: name.to_owned(), shape: shape.to_vec() }
    }

    fn dims(&self) -> impl Iterator<Item = i64> {
        // No array in memory has a larger size.
        self.shape.iter().map(|&size| i64::try_from(size).unwrap_or(i64::MAX))
    }

    fn message(&self) -> ValueInfoProto {
        let dim = self.dims().map(|size| Dimension {
            value: Some(dimension::Value::DimValue(size)),
            ..Default::default()
        });
        let tensor = type_proto::Tensor {
            elem_type: Some(DataType::Float as i32),
            shape: Some(TensorShapeProto { dim: dim.collect() }),
        };
        let value = Some(type_proto::Value::TensorType(tensor));
        ValueInfoProto {
            name: Some(self.name.clone()),
            r#type: Some(TypeProto { value, ..Default::default() }),
            ..Default::default()
        }
    }
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Attribute {
    /// An integer.
    Int(i64),
    /// Integers.
    Ints(Vec<i64>),
    /// A float.
    Float(f32),
}

impl From<i64> for Attribute {
    fn from(value: i64) -> Self {
        Self::Int(value)
    }
}

impl<const N: usize> From<[i64; N]> for Attribute {
    fn from(values: [i64; N]) -> Self {
        Self::Ints(values.to_vec())
    }
}

impl From<f32> for Attribute {
    fn from(value: f32) -> Self {
        Self::Float(value)
    }
}

impl Attribute {
    fn message(&self, name: &str) -> AttributeProto {
        let name = Some(name.to_owned());
        let of_type = |r#type: AttributeType| Some(r#type as i32);
        let rest = AttributeProto { name, ..Default::default() };
        match self {
            Self::Int(i) => {
                AttributeProto { r#type: of_type(AttributeType::Int), i: Some(*i), ..rest }
            }
            Self::Ints(ints) => {
                AttributeProto { r#type: of_type(AttributeType::Ints), ints: ints.clone(), ..rest }
            }
            Self::Float(f) => {
                AttributeProto { r#type: of_type(AttributeType::Float), f: Some(*f), ..rest }
            }
        }
    }
}

/// An operator with its attributes, its inputs and its outputs.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    op: String,
    attributes: BTreeMap<String, Attribute>,
    inputs: Vec<String>,
    outputs: Vec<String>,
}

impl Node {
    /// An operator of the default domain, such as `Conv`. An optional input that is not given has the name "".
    pub fn new(op: &str, inputs: &[&str], outputs: &[&str]) -> Self {
        let owned = |names: &[&str]| names.iter().map(|&name| name.to_owned()).collect();
        Self {
            op: op.to_owned(),
            attributes: BTreeMap::new(),
            inputs: owned(inputs),
            outputs: owned(outputs),
        }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Attribute>) -> Self {
        self.attributes.insert(name.to_owned(), value.into());
        self
    }

    /// Its name: the name of its first output.
    fn name(&self) -> &str {
        self.outputs.first().map_or("", String::as_str)
    }

    fn message(&self) -> NodeProto {
        let attributes = self.attributes.iter();
        NodeProto {
            name: Some(self.name().to_owned()),
            op_type: Some(self.op.clone()),
            input: self.inputs.clone(),
            output: self.outputs.clone(),
            attribute: attributes.map(|(name, value)| value.message(name)).collect(),
            ..Default::default()
        }
    }
}

/// A model: one graph.
#[derive(Clone, Debug, PartialEq)]
pub struct Model {
    /// The graph's name.
    pub name: String,
    /// The operators. Each comes after the operators whose outputs it uses.
    pub nodes: Vec<Node>,
    /// The tensors that the file holds, such as weights.
    pub initialisers: Vec<Tensor>,
    /// What a run takes.
    pub inputs: Vec<Value>,
    /// What a run returns.
    pub outputs: Vec<Value>,
}

impl Model {
    /// A `.onnx` file: the model as a `ModelProto`.
    ///
    /// Errors: [`Error::Twice`], [`Error::Undefined`], [`Error::TooLarge`].
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        self.check_names()?;
        let graph = GraphProto {
            name: Some(self.name.clone()),
            node: self.nodes.iter().map(Node::message).collect(),
            initializer: self.initialisers.iter().map(Tensor::message).collect(),
            input: self.inputs.iter().map(Value::message).collect(),
            output: self.outputs.iter().map(Value::message).collect(),
            ..Default::default()
        };
        let model = ModelProto {
            ir_version: Some(IR as i64),
            opset_import: vec![OperatorSetIdProto {
                domain: Some(String::new()),
                version: Some(OPSET),
            }],
            producer_name: Some(env!("CARGO_PKG_NAME").to_owned()),
            producer_version: Some(env!("CARGO_PKG_VERSION").to_owned()),
            graph: Some(graph),
            ..Default::default()
        };
        fits(model.encoded_len())?;
        Ok(model.encode_to_vec())
    }

    /// Checks that each value is defined once, and before it is used.
    fn check_names(&self) -> Result<()> {
        let tensors = self.initialisers.iter().map(|tensor| &tensor.value);
        let mut known = HashSet::new();
        for value in self.inputs.iter().chain(tensors) {
            define(&mut known, &value.name)?;
        }
        for node in &self.nodes {
            for name in node.inputs.iter().filter(|name| !name.is_empty()) {
                uses(&known, name, node.name())?;
            }
            for name in &node.outputs {
                define(&mut known, name)?;
            }
        }
        self.outputs.iter().try_for_each(|value| uses(&known, &value.name, &self.name))
    }
}

fn define<'a>(known: &mut HashSet<&'a str>, name: &'a str) -> Result<()> {
    match known.insert(name) {
        true => Ok(()),
        false => Err(Error::Twice { name: name.to_owned() }),
    }
}

fn uses(known: &HashSet<&str>, name: &str, used_by: &str) -> Result<()> {
    match known.contains(name) {
        true => Ok(()),
        false => Err(Error::Undefined { name: name.to_owned(), used_by: used_by.to_owned() }),
    }
}

fn fits(bytes: usize) -> Result<()> {
    match bytes <= MOST_BYTES {
        true => Ok(()),
        false => Err(Error::TooLarge { bytes, most: MOST_BYTES }),
    }
}

#[cfg(test)]
mod tests {
    use super::proto::attribute_proto::AttributeType;
    use super::proto::type_proto::Value as Type;
    use super::proto::{ModelProto, TensorProto};
    use super::{Error, MOST_BYTES, Message as _, Model, Node, Tensor, Value, fits};

    fn model() -> Model {
        let conv = Node::new("Conv", &["x", "w", ""], &["sums"]).with("pads", [1, 2, 3, 4]);
        let norm = Node::new("InstanceNormalization", &["sums", "w", "w"], &["y"]);
        Model {
            name: "graph".to_owned(),
            nodes: vec![conv.with("group", 2), norm.with("epsilon", 0.5)],
            initialisers: vec![Tensor::new("w", &[2], vec![-0.0, 3.5]).unwrap()],
            inputs: vec![Value::new("x", &[1, 2, 4, 5])],
            outputs: vec![Value::new("y", &[1, 2])],
        }
    }

    #[test]
    fn a_model_is_read_back() {
        let read = ModelProto::decode(&model().to_bytes().unwrap()[..]).unwrap();
        assert_eq!((read.ir_version, read.opset_import[0].version), (Some(7), Some(13)));
        let graph = read.graph.unwrap();
        let [conv, norm] = &graph.node[..] else { panic!("two nodes") };
        assert_eq!(
            (conv.op_type(), conv.name(), norm.op_type()),
            ("Conv", "sums", "InstanceNormalization")
        );
        assert_eq!(
            (&conv.input[..], &conv.output[..]),
            (&["x", "w", ""].map(str::to_owned)[..], &["sums".to_owned()][..])
        );
        // By name.
        let [group, pads] = &conv.attribute[..] else { panic!("two attributes") };
        assert_eq!((group.name(), group.r#type(), group.i()), ("group", AttributeType::Int, 2));
        assert_eq!(
            (pads.name(), pads.r#type(), &pads.ints[..]),
            ("pads", AttributeType::Ints, &[1, 2, 3, 4][..])
        );
        let [epsilon] = &norm.attribute[..] else { panic!("one attribute") };
        assert_eq!((epsilon.r#type(), epsilon.f()), (AttributeType::Float, 0.5));
        let [value] = &graph.input[..] else { panic!("one input") };
        let Some(Type::TensorType(tensor)) = value.r#type.clone().unwrap().value else {
            panic!("a tensor")
        };
        assert_eq!((value.name(), tensor.elem_type()), ("x", 1));
        assert_eq!(tensor.shape.unwrap().dim.len(), 4);
        assert_eq!(graph.initializer[0].name(), "w");
    }

    #[test]
    fn a_tensor_keeps_every_bit() {
        let numbers = vec![-0.0, f32::MIN_POSITIVE / 2.0, f32::INFINITY, f32::NAN, 0.1, -3.0];
        let bytes = Tensor::new("t", &[2, 3], numbers.clone()).unwrap().to_bytes();
        let read = TensorProto::decode(&bytes[..]).unwrap();
        assert_eq!((read.name(), &read.dims[..], read.data_type()), ("t", &[2, 3][..], 1));
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        assert_eq!(read.raw_data(), bytes);
    }

    #[test]
    fn what_cannot_be_is_told() {
        let error = Tensor::new("t", &[2, 3], vec![0.0; 5]).unwrap_err();
        assert_eq!(error.to_string(), "tensor `t` has shape [2, 3], but 5 numbers");
        assert!(Tensor::new("t", &[usize::MAX, 2], Vec::new()).is_err());
        let told = |change: &dyn Fn(&mut Model)| {
            let mut model = model();
            change(&mut model);
            model.to_bytes().unwrap_err()
        };
        let undefined = |name: &str, by: &str| {
            let (name, used_by) = (name.to_owned(), by.to_owned());
            Error::Undefined { name, used_by }
        };
        let twice = |name: &str| Error::Twice { name: name.to_owned() };
        assert_eq!(told(&|model| model.nodes.reverse()), undefined("sums", "y"));
        assert_eq!(told(&|model| model.initialisers.clear()), undefined("w", "sums"));
        assert_eq!(
            told(&|model| model.outputs.push(Value::new("z", &[]))),
            undefined("z", "graph")
        );
        assert_eq!(told(&|model| model.inputs.push(Value::new("w", &[2]))), twice("w"));
        assert_eq!(told(&|model| model.nodes.push(Node::new("Relu", &["y"], &["y"]))), twice("y"));
    }

    #[test]
    fn a_message_ends_at_two_gigabytes() {
        assert_eq!(fits(MOST_BYTES), Ok(()));
        let told = fits(MOST_BYTES + 1).unwrap_err().to_string();
        assert_eq!(
            told,
            "the model has 2147483648 bytes; at most 2147483647 fit in a protobuf message"
        );
    }
}
