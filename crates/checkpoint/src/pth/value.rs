//! What a pickle may be made of here: plain values, and tensors that are still only descriptions.
//!
//! Values lie in one list and name each other by their place in it. So a value that contains itself,
//! or that is nested as deep as its pickle is long, needs no recursion to build, to read or to drop.

use crate::error::Fault;

/// The place of a value in [`Values`].
pub(super) type Id = usize;

/// Tensors have at most this many axes.
pub(super) const AXES: usize = 8;

/// One value.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
    /// `None`, a truth value, a float, an integer of more than 64 bits: nothing here depends on it.
    Plain,
    /// `True` and `False`.
    Bool(bool),
    Int(i64),
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values, in the order in which they were set; a key may come twice.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// By its place in [`Values::storages`].
    Storage(usize),
    Tensor(Box<View>),
}

impl Value {
    /// What it is, for a message.
    pub(super) fn kind(&self) -> &'static str {
        match self {
            Self::Plain | Self::Bool(_) | Self::Int(_) => "a plain value",
            Self::Text(_) => "a text",
            Self::Tuple(_) => "a tuple",
            Self::List(_) => "a list",
            Self::Dict(_) => "a dict",
            Self::Global(_) => "a name",
            Self::Storage(_) => "a storage",
            Self::Tensor(_) => "a tensor",
        }
    }
}

/// A tensor as a view of a storage; all in elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct View {
    /// Its place in [`Values::storages`].
    pub(super) storage: usize,
    pub(super) offset: u64,
    pub(super) shape: Vec<u64>,
    pub(super) strides: Vec<u64>,
}

/// A storage as a pickle names it.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Storage {
    /// The name of its data in the file.
    pub(super) key: String,
    pub(super) kind: Kind,
    /// Number of elements.
    pub(super) count: u64,
}

/// A kind of number: the name that PyTorch gives it, and its bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    pub(super) name: &'static str,
    pub(super) bytes: u64,
}

/// The names that a pickle may use. None is looked up or called: each stands for what is done here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Global {
    /// `collections.OrderedDict`: a dict.
    OrderedDict,
    /// `torch._utils._rebuild_tensor`, `_rebuild_tensor_v2`: a view.
    RebuildTensor,
    /// `torch._utils._rebuild_parameter`: its first argument.
    RebuildParameter,
    /// `torch.Size`: its first argument, which is a tuple.
    Size,
    /// `torch.FloatStorage` and the like.
    Storage(Kind),
}

/// The class of a storage, and its kind of number: `torch/storage.py`, `_dtype_to_storage_type_map`;
/// those of quantised numbers are left out.
const STORAGES: [(&str, &str, u64); 14] = [
    ("DoubleStorage", "float64", 8),
    ("FloatStorage", "float32", 4),
    ("HalfStorage", "float16", 2),
    ("BFloat16Storage", "bfloat16", 2),
    ("LongStorage", "int64", 8),
    ("IntStorage", "int32", 4),
    ("ShortStorage", "int16", 2),
    ("CharStorage", "int8", 1),
    ("ByteStorage", "uint8", 1),
    ("BoolStorage", "bool", 1),
    ("ComplexDoubleStorage", "complex128", 16),
    ("ComplexFloatStorage", "complex64", 8),
    ("UntypedStorage", "uint8", 1),
    ("storage.UntypedStorage", "uint8", 1),
];

impl Global {
    /// The allow-list; any other name is refused, and named.
    pub(super) fn find(module: &str, name: &str) -> Result<Self, Fault> {
        let full = format!("{module}.{name}");
        let storage = full
            .strip_prefix("torch.")
            .and_then(|class| STORAGES.iter().find(|(known, ..)| *known == class));
        match full.as_str() {
            "collections.OrderedDict" => Ok(Self::OrderedDict),
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
                Ok(Self::RebuildTensor)
            }
            "torch._utils._rebuild_parameter" => Ok(Self::RebuildParameter),
            "torch.Size" => Ok(Self::Size),
            _ => match storage {
                Some(&(_, name, bytes)) => Ok(Self::Storage(Kind { name, bytes })),
                None => Err(Fault::why(format!(
                    "its pickle asks for `{}`, which no state dict needs; nothing was run; save model.state_dict() and no more",
                    full.escape_debug()
                ))),
            },
        }
    }
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(super) struct Values {
    values: Vec<Value>,
    /// The storages that were named, each once.
    pub(super) storages: Vec<Storage>,
}

impl Values {
    pub(super) fn len(&self) -> usize {
        self.values.len()
    }

    pub(super) fn push(&mut self, value: Value) -> Id {
        self.values.push(value);
        self.values.len() - 1
    }

    pub(super) fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::Plain)
    }

    pub(super) fn get_mut(&mut self, id: Id) -> Option<&mut Value> {
        self.values.get_mut(id)
    }

    pub(super) fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer that is a size.
    pub(super) fn size(&self, id: Id) -> Option<u64> {
        match self.get(id) {
            Value::Int(value) => u64::try_from(*value).ok(),
            _ => None,
        }
    }

    /// The value of this key of a dict.
    ///
    /// # Errors
    ///
    /// The key is there twice.
    pub(super) fn field(&self, dict: &[(Id, Id)], name: &str) -> Result<Option<Id>, Fault> {
        let mut found = dict.iter().filter(|(key, _)| self.text(*key) == Some(name));
        match (found.next(), found.next()) {
            (_, Some(_)) => Err(Fault::why(format!("`{name}` is there twice"))),
            (one, None) => Ok(one.map(|&(_, value)| value)),
        }
    }
}
