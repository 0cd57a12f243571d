//! A case: the data that are handed out, and the outputs that must come back.

use ndarray::{Array1, Array4, ArrayD, Ix1, Ix4};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::block::Block;
use crate::conv::{Along, Arrays, ConvSpec, Convolution};
use crate::error::{Error, Result};
use crate::evidence::rungs::r3_exact_integers::LIMIT_F32;

/// What kind of numbers a case has, and what the case asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Certified integers. Every partial sum is exact in `f32`, in any order of addition. The output must be exact.
    Integers,
    /// Floats with many significant bits. The output must lie within a derived bound.
    Floats,
    /// A block in training mode: the output and the running statistics, within a derived bound.
    Training,
    /// Certified integers, and a gradient with respect to the output. The gradients must be exact.
    Gradients,
    /// NaN and infinities in the input. They must reach the right outputs, and no other outputs.
    Specials,
    /// Certified integers, with a transposed or stepped view as input. Such cases exist only in process, not in files.
    Layout,
}

impl Kind {
    /// All kinds.
    pub const ALL: [Self; 6] = [
        Self::Integers,
        Self::Floats,
        Self::Training,
        Self::Gradients,
        Self::Specials,
        Self::Layout,
    ];

    /// The kinds that a folder of files can hold.
    pub const IN_FILES: [Self; 5] =
        [Self::Integers, Self::Floats, Self::Training, Self::Gradients, Self::Specials];

    /// The name of the kind in files and arguments.
    pub fn name(self) -> &'static str {
        match self {
            Self::Integers => "integers",
            Self::Floats => "floats",
            Self::Training => "training",
            Self::Gradients => "gradients",
            Self::Specials => "specials",
            Self::Layout => "layout",
        }
    }

    /// Whether only the exact answer counts as right.
    pub fn is_exact(self) -> bool {
        !matches!(self, Self::Floats | Self::Training)
    }

    /// Whether the case asks for an output in inference mode, on finite numbers.
    pub fn is_plain(self) -> bool {
        matches!(self, Self::Integers | Self::Floats | Self::Layout)
    }
}

/// An operation with its data.
#[derive(Clone, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "a suite has a few hundred of them, nearly all convolutions"
)]
pub enum Operation {
    /// A grouped convolution with bias.
    Conv(Convolution),
    /// The bottleneck block.
    Block(Box<Block>),
}

/// One case of a suite.
#[derive(Clone, Debug)]
pub struct Case {
    /// The name of the case, which is also the name of its file.
    pub name: String,
    /// What kind of numbers it has, and what it asks for.
    pub kind: Kind,
    /// The operation, with all its data.
    pub operation: Operation,
}

/// The right values of one array.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The name of the array.
    pub name: String,
    /// The right values.
    pub value: ArrayD<f64>,
    /// How far off each value may be. It is 0 where a value must be exact.
    pub allowed: ArrayD<f64>,
    /// How far off a sum of products in `f32` can be because of rounding, whatever the order of the sum (R1). If
    /// `allowed` is not 0, both are the same.
    pub rounding: ArrayD<f64>,
}

/// Arrays as they are handed in, by name.
pub type Handed = std::collections::BTreeMap<String, Received>;

/// One array that came back.
#[derive(Clone, Debug, PartialEq)]
pub enum Received {
    /// 32-bit floats, as asked for.
    Floats(ArrayD<f32>),
    /// Numbers of another type, under numpy's name for it.
    Other {
        /// The type of the numbers.
        dtype: String,
        /// Its shape.
        shape: Vec<usize>,
    },
}

impl Case {
    /// "conv" or "block".
    pub fn op(&self) -> &'static str {
        match self.operation {
            Operation::Conv(_) => "conv",
            Operation::Block(_) => "block",
        }
    }

    /// The arrays that are handed out, under torchvision's names. `f32` holds each value exactly.
    pub fn inputs(&self) -> Arrays {
        match &self.operation {
            Operation::Conv(conv) => {
                let arrays = [
                    ("x", conv.x.clone().into_dyn()),
                    ("weight", conv.weight.clone().into_dyn()),
                    ("bias", conv.bias.clone().into_dyn()),
                ];
                let mut arrays = crate::conv::named(arrays);
                if let Some(g) = &conv.grad_output {
                    arrays.push(("grad_output".to_owned(), g.clone().into_dyn()));
                }
                arrays
            }
            Operation::Block(block) => block.inputs(),
        }
    }

    /// The right outputs, and how far off each value may be.
    ///
    /// Errors: those of the operation, for arrays whose shapes do not match.
    pub fn answers(&self) -> Result<Vec<Answer>> {
        match &self.operation {
            Operation::Conv(conv) => of_conv(conv, self.kind),
            Operation::Block(block) => block.answers(self.kind),
        }
    }

    /// The name of each mistake, with a function that computes the outputs of the wrong code for this case. The
    /// function returns `None` if the mistake does not apply to the case.
    pub fn mistakes(&self) -> Box<dyn Iterator<Item = (&'static str, Wrong<'_>)> + '_> {
        match &self.operation {
            Operation::Conv(conv) => {
                let all = crate::gallery::convolutions::ALL.iter();
                Box::new(all.map(move |mistake| {
                    (mistake.name, Box::new(move || mistake.outputs(conv)) as Wrong<'_>)
                }))
            }
            Operation::Block(block) => Box::new(block.mistakes()),
        }
    }

    /// The sizes of the case in a few words. For a convolution, they are the shapes of input and kernel, and the
    /// attributes that differ from their defaults.
    pub fn in_short(&self) -> String {
        let conv = match &self.operation {
            Operation::Conv(conv) => conv,
            Operation::Block(block) => {
                return format!("block {}, x {:?}", block.weights.spec(), block.x.shape());
            }
        };
        let mut text = format!("x {:?}, weight {:?}", conv.x.shape(), conv.weight.shape());
        let attributes = self.attributes();
        for (name, default) in [
            ("groups", json!(1)),
            ("stride", json!([1, 1])),
            ("pad", json!([0, 0, 0, 0])),
            ("dilation", json!([1, 1])),
        ] {
            if let Some(value) = attributes.get(name).filter(|value| **value != default) {
                text += &format!(", {name} {}", value.to_string().replace(',', ", "));
            }
        }
        text
    }

    /// All mistakes that the judge tries. For a block, these include the mistakes that are made in every layer.
    pub(super) fn suspects(&self) -> Box<dyn Iterator<Item = (&'static str, Wrong<'_>)> + '_> {
        match &self.operation {
            Operation::Conv(_) => self.mistakes(),
            Operation::Block(block) => Box::new(self.mistakes().chain(block.everywhere())),
        }
    }

    /// How much rounding can change a value in an array, if the code has this mistake.
    ///
    /// For a convolution, the bound is derived as for right code. It needs the sum of the absolute values of the terms.
    /// The same wrong code gives at least this sum if it runs on the absolute values of all numbers. Wrong code may add
    /// the bias several times, but at most once for each group. For a block, the bound is that of the right code.
    pub(super) fn rounding_of(&self, mistake: &str, array: &str, answers: &[Answer]) -> f64 {
        let largest = |values: &ArrayD<f64>| {
            values.iter().filter(|value| value.is_finite()).fold(0f64, |most, v| most.max(*v))
        };
        let of_wrong_code = |conv: &Convolution| {
            let at = answers.iter().position(|answer| answer.name == array)?;
            let terms = conv.terms().ok()?.get(at)? + conv.spec.groups();
            let wrong = crate::gallery::convolutions::named(mistake)?;
            let sizes = wrong.outputs(&conv.of_sizes())?;
            let (_, sizes) = sizes.into_iter().find(|(name, _)| name == array)?;
            Some(crate::evidence::bound::of_sum(terms)(largest(&sizes)))
        };
        let of_right_code = || {
            let answer = answers.iter().find(|answer| answer.name == array);
            answer.map_or(0.0, |answer| largest(&answer.rounding))
        };
        match &self.operation {
            Operation::Conv(conv) => of_wrong_code(conv).unwrap_or_else(of_right_code),
            Operation::Block(_) => of_right_code(),
        }
    }

    /// Checks that the answers can be computed. This is for cases that somebody else has written. If answers must be
    /// exact, all numbers must be integers, and the absolute values of the terms of a sum must add up to at most 2^24.
    /// In a case of kind `specials`, `x` may also have NaN and infinities. For a block, only the numbers after each
    /// layer are checked, not the sums. If answers need not be exact, no sum may exceed the largest `f32`.
    ///
    /// Errors: [`Error::Case`].
    pub fn certify(&self) -> Result<()> {
        if !self.kind.is_exact() {
            return self.is_within_floats();
        }
        let wrong = |why: String| {
            let case = self.name.clone();
            let kind = self.kind.name();
            Err(Error::Case {
                case,
                why: format!("{why}, but answers of kind {kind} must be exact"),
            })
        };
        let conv = match &self.operation {
            Operation::Conv(conv) => conv,
            Operation::Block(block) => {
                let (reached, integers) = block.certificate()?;
                return match (integers, reached <= LIMIT_F32 as f64) {
                    (true, true) => Ok(()),
                    (true, false) => wrong(format!("a number is {reached}, more than {LIMIT_F32}")),
                    (false, _) => wrong("some numbers after a layer are not integers".to_owned()),
                };
            }
        };
        for (name, array) in self.inputs() {
            let may_be_wild = self.kind == Kind::Specials && name == "x";
            let is_broken = |value: &&f64| match value.is_finite() {
                true => value.fract() != 0.0,
                false => !may_be_wild,
            };
            let broken = array.iter().find(is_broken);
            if let Some(value) = broken {
                return wrong(format!("`{name}` has {value}, which is not an integer"));
            }
        }
        let x = conv.x.mapv(|x| if x.is_finite() { x } else { 0.0 });
        let reached = super::suite::largest(&Convolution { x, ..conv.clone() })?;
        if reached > LIMIT_F32 {
            return wrong(format!(
                "the absolute values in a sum add up to {reached}, more than {LIMIT_F32}"
            ));
        }
        Ok(())
    }

    /// Checks that no number is larger than `f32` can hold: in a convolution no sum of absolute values, in a block no
    /// number after a layer.
    fn is_within_floats(&self) -> Result<()> {
        let reached = match &self.operation {
            Operation::Conv(conv) => {
                let sizes = conv.of_sizes().outputs()?;
                sizes.iter().flat_map(|(_, array)| array).fold(0f64, |most, v| most.max(*v))
            }
            Operation::Block(block) => block.certificate()?.0,
        };
        if reached <= f64::from(f32::MAX) {
            return Ok(());
        }
        let why = format!("a sum may reach {reached:.2e}; the largest float32 is {:.2e}", f32::MAX);
        Err(Error::Case { case: self.name.clone(), why })
    }

    /// The sizes of the operation, under the names of PyTorch's arguments.
    pub fn attributes(&self) -> Map<String, Value> {
        let object = match &self.operation {
            Operation::Conv(conv) => of_spec(conv),
            Operation::Block(block) => block.attributes(),
        };
        match object {
            Value::Object(map) => map,
            _ => unreachable!("attributes are an object"),
        }
    }

    /// Builds a case from attributes and arrays that were read from files.
    ///
    /// Errors: [`Error::Case`] for an unknown operation, or if an array or attribute is missing; those of the
    /// operation, for arrays whose shapes do not match.
    pub fn read(
        name: &str,
        (op, kind): (&str, Kind),
        attributes: &Map<String, Value>,
        arrays: &[(String, ArrayD<f32>)],
    ) -> Result<Self> {
        let parts = Parts { case: name, attributes, arrays };
        if kind == Kind::Layout || (op, kind) == ("conv", Kind::Training) {
            let why = format!("a file cannot hold {op} cases of kind {}", kind.name());
            return Err(parts.wrong(why));
        }
        let operation = match op {
            "conv" => Operation::Conv(parts.conv(kind)?),
            "block" => Operation::Block(Box::new(Block::read(&parts, kind)?)),
            other => {
                let why = format!("its operation is `{other}`; it must be conv or block");
                return Err(parts.wrong(why));
            }
        };
        Ok(Self { name: name.to_owned(), kind, operation })
    }

    /// SHA-256 of everything that is handed out: name, operation, kind, attributes and inputs.
    pub fn digest(&self) -> [u8; 32] {
        let attributes = Value::Object(self.attributes()).to_string();
        let mut hash = hmac_sha256::Hash::new();
        hash.update(format!("{}\n{}\n{}\n{attributes}\n", self.name, self.op(), self.kind.name()));
        for (name, array) in self.inputs() {
            hash.update(format!("{name} {:?}\n", array.shape()));
            let bytes: Vec<u8> =
                array.iter().flat_map(|value| (*value as f32).to_le_bytes()).collect();
            hash.update(bytes);
        }
        hash.finalize()
    }

    /// How many numbers are handed out. This is the size of the case.
    pub fn size(&self) -> usize {
        let numbers = |arrays: Arrays| arrays.iter().map(|(_, array)| array.len()).sum();
        numbers(self.inputs())
    }
}

/// A function that computes the outputs of a mistake. It returns `None` where the mistake does not apply.
pub type Wrong<'a> = Box<dyn Fn() -> Option<Arrays> + 'a>;

fn of_conv(conv: &Convolution, kind: Kind) -> Result<Vec<Answer>> {
    conv.check()?;
    let sizes = conv.of_sizes().outputs()?;
    let all = conv.outputs()?.into_iter().zip(sizes).zip(conv.terms()?);
    let answer = |(((name, value), (_, sizes)), terms): ((_, (_, ArrayD<f64>)), usize)| {
        let rounding = crate::evidence::bound::of_sum(terms);
        // Infinity and NaN are not rounded.
        let rounding = sizes.mapv(|size| if size.is_finite() { rounding(size) } else { 0.0 });
        Answer::new(name, value, rounding, kind)
    };
    Ok(all.map(answer).collect())
}

impl Answer {
    /// Makes an answer. If the kind of the case is exact, no error is allowed. Otherwise an error up to `rounding` is
    /// allowed.
    pub(super) fn new(name: String, value: ArrayD<f64>, rounding: ArrayD<f64>, kind: Kind) -> Self {
        let allowed = match kind.is_exact() {
            true => ArrayD::zeros(value.raw_dim()),
            false => rounding.clone(),
        };
        Self { name, value, allowed, rounding }
    }
}

fn of_spec(conv: &Convolution) -> Value {
    let (height, width) = (conv.spec.height(), conv.spec.width());
    let [[up, down], [left, right]] = [height.padding, width.padding];
    let (c_out, c_in_group, k_h, k_w) = conv.weight.dim();
    json!({
        "in_channels": c_in_group * conv.spec.groups(),
        "out_channels": c_out,
        "kernel_size": [k_h, k_w],
        "stride": [height.stride, width.stride],
        // As torch.nn.functional.pad takes it: left, right, top, bottom.
        "pad": [left, right, up, down],
        // As conv2d takes it; null where two sides differ.
        "padding": if up == down && left == right { json!([up, left]) } else { Value::Null },
        "dilation": [height.dilation, width.dilation],
        "groups": conv.spec.groups(),
    })
}

/// The data from which a case is read.
pub(super) struct Parts<'a> {
    pub(super) case: &'a str,
    attributes: &'a Map<String, Value>,
    arrays: &'a [(String, ArrayD<f32>)],
}

impl Parts<'_> {
    pub(super) fn wrong(&self, why: String) -> Error {
        Error::Case { case: self.case.to_owned(), why }
    }

    /// A required attribute.
    pub(super) fn attribute(&self, name: &str) -> Result<&Value> {
        self.attributes
            .get(name)
            .ok_or_else(|| self.wrong(format!("attribute `{name}` is missing")))
    }

    /// Reads an integer of at least 0.
    pub(super) fn integer(&self, name: &str) -> Result<usize> {
        let value = self.attribute(name)?;
        let integer = value.as_u64().and_then(|value| usize::try_from(value).ok());
        integer.ok_or_else(|| {
            self.wrong(format!(
                "attribute `{name}` is {value}; it must be an integer of at least 0"
            ))
        })
    }

    /// Reads a number.
    pub(super) fn number(&self, name: &str) -> Result<f64> {
        let value = self.attribute(name)?;
        value.as_f64().ok_or_else(|| {
            self.wrong(format!("attribute `{name}` is {value}; it must be a number"))
        })
    }

    /// Reads N integers of at least 0.
    fn integers<const N: usize>(&self, name: &str) -> Result<[usize; N]> {
        let value = self.attribute(name)?;
        let integers = value.as_array().and_then(|values| {
            let all = values.iter().map(|value| usize::try_from(value.as_u64()?).ok());
            all.collect::<Option<Vec<_>>>()?.try_into().ok()
        });
        integers.ok_or_else(|| {
            self.wrong(format!("attribute `{name}` is {value}; it must be {N} integers"))
        })
    }

    fn array(&self, name: &str) -> Result<ArrayD<f64>> {
        let found = self.arrays.iter().find(|(known, _)| known == name);
        let (_, array) = found.ok_or_else(|| self.wrong(format!("array `{name}` is missing")))?;
        if array.is_empty() {
            let shape = array.shape();
            return Err(
                self.wrong(format!("array `{name}` has shape {shape:?}; it holds no number"))
            );
        }
        Ok(array.mapv(f64::from))
    }

    pub(super) fn tensor(&self, name: &str) -> Result<Array4<f64>> {
        let array = self.array(name)?;
        let shape = array.shape().to_vec();
        array.into_dimensionality::<Ix4>().map_err(|_| {
            self.wrong(format!("array `{name}` has shape {shape:?}; it must have 4 axes"))
        })
    }

    pub(super) fn vector(&self, name: &str) -> Result<Array1<f64>> {
        let array = self.array(name)?;
        let shape = array.shape().to_vec();
        array.into_dimensionality::<Ix1>().map_err(|_| {
            self.wrong(format!("array `{name}` has shape {shape:?}; it must have 1 axis"))
        })
    }

    /// Returns an error for an array that is too large to judge.
    pub(super) fn limit(&self, what: &str, sizes: &[usize]) -> Result<()> {
        match product(sizes).filter(|numbers| *numbers <= MOST) {
            Some(_) => Ok(()),
            None => {
                let why =
                    format!("{what} has shape {sizes:?}; at most {MOST} numbers can be judged");
                Err(self.wrong(why))
            }
        }
    }

    fn conv(&self, kind: Kind) -> Result<Convolution> {
        let [left, right, up, down] = self.integers("pad")?;
        let ([s_h, s_w], [d_h, d_w]) = (self.integers("stride")?, self.integers("dilation")?);
        let height = Along { stride: s_h, padding: [up, down], dilation: d_h };
        let width = Along { stride: s_w, padding: [left, right], dilation: d_w };
        let grad_output = match kind {
            Kind::Gradients => Some(self.tensor("grad_output")?),
            _ => None,
        };
        let conv = Convolution {
            x: self.tensor("x")?,
            weight: self.tensor("weight")?,
            bias: self.vector("bias")?,
            spec: ConvSpec::by_axis(height, width, self.integer("groups")?)?,
            grad_output,
        };
        conv.check()?;
        // Mistakes pad the map, and take strides for 1: their arrays are limited too.
        let (n, c_in, h, w) = conv.x.dim();
        let (c_out, c_in_group, k_h, k_w) = conv.weight.dim();
        let long = |size: usize, along: Along| {
            along.padding.iter().fold(size, |all, padding| all.saturating_add(*padding))
        };
        let (h, w) = (long(h, conv.spec.height()), long(w, conv.spec.width()));
        self.limit("the padded input", &[n, c_in, h, w])?;
        self.limit("the output at stride 1", &[n, c_out, h, w])?;
        let [.., out_h, out_w] = conv.shape()?.output(conv.x.dim().into())?;
        let work = [n, c_out, out_h, out_w, c_in_group, k_h, k_w];
        if product(&work).is_none_or(|work| work as u64 > MOST_WORK) {
            let why = format!("it needs more than {MOST_WORK} multiply-adds, too many to judge");
            return Err(self.wrong(why));
        }
        Ok(conv)
    }
}

/// The largest number of elements in an array of a case. Without a limit, a file could ask for huge arrays by asking
/// for much padding.
const MOST: usize = 1 << 23;

/// The largest number of multiply-adds of a case.
const MOST_WORK: u64 = 1 << 34;

/// The product of the sizes. `None` if the product is too large for a `usize`.
fn product(sizes: &[usize]) -> Option<usize> {
    sizes.iter().try_fold(1usize, |all, size| all.checked_mul(*size))
}
