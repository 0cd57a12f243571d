//! A pickle machine that builds plain values, describes tensors, and can do nothing else.
//!
//! It knows the opcodes that PyTorch writes (protocol 2) and the names in [`Global`]. The opcodes are those that
//! PyTorch's own `torch/_weights_only_unpickler.py` accepts. The machine never calls anything that a pickle names.
//! Python's `Lib/pickletools.py` documents the opcodes.
//!
//! All values lie in one list, and refer to each other by their index in it. So no recursion is needed to build, read
//! or drop a value. That holds even if a value contains itself, or is nested as deep as its pickle is long.

use std::collections::HashMap;
use std::rc::Rc;

use crate::error::{Fault, bail};
use crate::numbers::integer;

/// A pickle may have at most this many bytes. (The pickle of ResNeXt-101 has about 100,000.)
pub(crate) const BYTES: usize = 1 << 22;
/// The most values, and the most places in the memo.
const VALUES: usize = 1 << 18;
/// The most values that wait on the stack, and the most marks among them.
const STACK: usize = 1 << 16;
/// The most bytes in one text.
const TEXT: u64 = 1 << 16;
/// The most bytes in the name of a module or a class.
const NAME: usize = 1 << 8;
/// Tensors have at most this many axes.
const AXES: usize = 8;

/// The place of a value in [`Values`].
pub(crate) type Id = usize;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// `None`, a float, a set, or an integer of more than 64 bits. Nothing here depends on such a value.
    Plain,
    Bool(bool),
    Int(i64),
    Text(Rc<str>),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// Keys and values, in insertion order; a key may occur twice.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    Storage(Storage),
    Tensor(Box<View>),
}

impl Value {
    /// Its kind, for a message.
    pub(crate) fn kind(&self) -> &'static str {
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

/// A storage: the name of its data in the file, its dtype, and its number of elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Storage {
    pub(crate) key: Rc<str>,
    pub(crate) kind: Kind,
    pub(crate) count: usize,
}

/// A tensor as a view of a storage; everything is counted in elements.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct View {
    pub(crate) storage: Storage,
    pub(crate) offset: usize,
    pub(crate) shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
}

/// A dtype: PyTorch's name for it, and the number of bytes of one element.
type Kind = (&'static str, u64);

/// The names that a pickle may use. None of them is looked up or called. This module does what they would do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Global {
    /// Makes a dict.
    OrderedDict,
    /// Makes a view.
    RebuildTensor,
    /// Returns its first argument.
    RebuildParameter,
    /// Returns its first argument, which is a tuple.
    Size,
    /// Stands for a dtype.
    Storage(Kind),
}

impl Global {
    /// Finds a name in the list of allowed names. Any other name is refused, and the message quotes it. The allowed
    /// storages are those of `torch/storage.py`, `_dtype_to_storage_type_map`, except those of quantised numbers.
    fn find(module: &str, name: &str) -> Result<Self, Fault> {
        let full = format!("{module}.{name}");
        let kind = match &*full {
            "collections.OrderedDict" => return Ok(Self::OrderedDict),
            "torch._utils._rebuild_tensor" | "torch._utils._rebuild_tensor_v2" => {
                return Ok(Self::RebuildTensor);
            }
            "torch._utils._rebuild_parameter" => return Ok(Self::RebuildParameter),
            "torch.Size" => return Ok(Self::Size),
            "torch.DoubleStorage" => ("float64", 8),
            "torch.FloatStorage" => ("float32", 4),
            "torch.HalfStorage" => ("float16", 2),
            "torch.BFloat16Storage" => ("bfloat16", 2),
            "torch.LongStorage" => ("int64", 8),
            "torch.IntStorage" => ("int32", 4),
            "torch.ShortStorage" => ("int16", 2),
            "torch.CharStorage" => ("int8", 1),
            "torch.ByteStorage" => ("uint8", 1),
            "torch.BoolStorage" => ("bool", 1),
            "torch.ComplexDoubleStorage" => ("complex128", 16),
            "torch.ComplexFloatStorage" => ("complex64", 8),
            "torch.UntypedStorage" | "torch.storage.UntypedStorage" => ("uint8", 1),
            _ => bail!(
                "its pickle asks for `{}`, which no state dict needs; nothing was run; \
                 save only model.state_dict()",
                full.escape_debug()
            ),
        };
        Ok(Self::Storage(kind))
    }
}

/// All values of a pickle.
#[derive(Debug, Default)]
pub(crate) struct Values {
    values: Vec<Value>,
    /// The storages that were named, by their keys.
    pub(crate) storages: HashMap<Rc<str>, Storage>,
}

impl Values {
    pub(crate) fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::Plain)
    }

    pub(crate) fn text(&self, id: Id) -> Option<&Rc<str>> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer that is a size.
    fn size(&self, id: Id) -> Option<usize> {
        match self.get(id) {
            Value::Int(value) => usize::try_from(*value).ok(),
            _ => None,
        }
    }

    /// A tuple of sizes.
    fn sizes(&self, id: Id) -> Option<Vec<usize>> {
        match self.get(id) {
            Value::Tuple(sizes) if sizes.len() <= AXES => {
                sizes.iter().map(|&size| self.size(size)).collect()
            }
            _ => None,
        }
    }

    /// The value of a key in a dict. It is an error if the key occurs twice.
    pub(crate) fn field(&self, dict: &[(Id, Id)], name: &str) -> Result<Option<&Value>, Fault> {
        let is_name = |(key, _): &&(Id, Id)| self.text(*key).is_some_and(|key| **key == *name);
        let mut found = dict.iter().filter(is_name);
        match (found.next(), found.next()) {
            (_, Some(_)) => bail!("`{name}` occurs twice"),
            (one, None) => Ok(one.map(|&(_, value)| self.get(value))),
        }
    }
}

/// Reads bytes one after another, and no more than [`BYTES`] of them.
#[derive(Debug)]
pub(crate) struct Bytes<'a> {
    all: &'a [u8],
    /// How many were read.
    pub(crate) taken: usize,
}

impl<'a> Bytes<'a> {
    pub(crate) fn new(all: &'a [u8]) -> Self {
        Self { all, taken: 0 }
    }

    fn take(&mut self, count: usize) -> Result<&'a [u8], Fault> {
        let end = self.taken + count;
        if end > BYTES {
            bail!("its pickle is longer than {BYTES} bytes");
        }
        let Some(bytes) = self.all.get(self.taken..end) else { bail!("it ends too early") };
        self.taken = end;
        Ok(bytes)
    }

    /// An unsigned integer of `bytes` bytes, at most 4.
    fn integer(&mut self, bytes: usize) -> Result<u64, Fault> {
        Ok(integer(self.take(bytes)?))
    }

    /// A text that follows its length. The length takes `bytes` bytes.
    fn text(&mut self, bytes: usize) -> Result<Rc<str>, Fault> {
        match self.integer(bytes)? {
            length if length <= TEXT => utf8(self.take(length as usize)?).map(Rc::from),
            length => bail!("its pickle has a text of {length} bytes; at most {TEXT} are read"),
        }
    }

    /// A name up to the end of its line.
    fn line(&mut self) -> Result<&'a str, Fault> {
        let from = self.taken;
        while self.take(1)? != b"\n" {
            if self.taken - from > NAME {
                bail!("its pickle has a name of more than {NAME} bytes");
            }
        }
        utf8(&self.all[from..self.taken - 1])
    }
}

fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    str::from_utf8(bytes).map_err(|_| Fault::why("a text in its pickle is not UTF-8"))
}

/// Reads one pickle. Returns its values, and which of them is its result. `bytes` then continues after the pickle.
pub(crate) fn load(bytes: &mut Bytes<'_>) -> Result<(Values, Id), Fault> {
    let mut machine = Machine::default();
    loop {
        let [opcode] = *bytes.take(1)? else { bail!("it ends too early") };
        if opcode == b'.' {
            let root = machine.pop()?;
            if !machine.stack.is_empty() || !machine.marks.is_empty() {
                bail!("its pickle leaves unused values");
            }
            return Ok((machine.values, root));
        }
        machine.step(opcode, bytes)?;
        let counts = [machine.values.values.len(), machine.memo.len(), machine.copied];
        let waiting = machine.stack.len().max(machine.marks.len());
        if counts.iter().any(|count| *count > VALUES) || waiting > STACK {
            bail!("its pickle holds more values than any state dict needs");
        }
    }
}

#[derive(Debug, Default)]
struct Machine {
    values: Values,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u64, Id>,
    /// How many pairs were copied from lists into dicts.
    copied: usize,
}

impl Machine {
    /// Pops the last `count` values, which must lie above the last mark.
    fn pop_many(&mut self, count: usize) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.last().copied().unwrap_or(0);
        match self.stack.len().checked_sub(count).filter(|at| *at >= mark) {
            Some(at) => Ok(self.stack.split_off(at)),
            None => bail!("its pickle takes from an empty stack"),
        }
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let id = self.top()?;
        self.stack.pop();
        Ok(id)
    }

    fn top(&self) -> Result<Id, Fault> {
        let mark = self.marks.last().copied().unwrap_or(0);
        let top = self.stack.get(mark..).and_then(|above| above.last());
        top.copied().ok_or_else(|| Fault::why("its pickle takes from an empty stack"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let Some(mark) = self.marks.pop() else { bail!("its pickle lacks a mark that it needs") };
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// Executes one opcode. Most opcodes push a value.
    fn step(&mut self, opcode: u8, bytes: &mut Bytes<'_>) -> Result<(), Fault> {
        let value = match opcode {
            // PROTO
            0x80 => match bytes.integer(1)? {
                2 => return Ok(()),
                other => bail!("its pickle uses protocol {other}; only 2 is read"),
            },
            // NONE, EMPTY_SET (nobody asks for a set's contents); NEWTRUE, NEWFALSE
            b'N' | 0x8f => Value::Plain,
            0x88 => Value::Bool(true),
            0x89 => Value::Bool(false),
            // BININT1, BININT2, BININT, LONG1, BINFLOAT
            b'K' => Value::Int(bytes.integer(1)?.cast_signed()),
            b'M' => Value::Int(bytes.integer(2)?.cast_signed()),
            b'J' => Value::Int(i64::from(bytes.integer(4)? as i32)),
            0x8a => {
                let length = bytes.integer(1)? as usize;
                long(bytes.take(length)?)
            }
            b'G' => bytes.take(8).map(|_| Value::Plain)?,
            // BINUNICODE, SHORT_BINSTRING
            b'X' => Value::Text(bytes.text(4)?),
            b'U' => Value::Text(bytes.text(1)?),
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT
            b')' => Value::Tuple(Vec::new()),
            b']' => Value::List(Vec::new()),
            b'}' => Value::Dict(Vec::new()),
            // MARK, TUPLE, TUPLE1, TUPLE2, TUPLE3
            b'(' => {
                self.marks.push(self.stack.len());
                return Ok(());
            }
            b't' => Value::Tuple(self.pop_mark()?),
            0x85..=0x87 => Value::Tuple(self.pop_many(usize::from(opcode - 0x84))?),
            // APPEND, APPENDS, SETITEM, SETITEMS
            b'a' => return self.pop_many(1).and_then(|items| self.append(&items)),
            b'e' => return self.pop_mark().and_then(|items| self.append(&items)),
            b's' => return self.pop_many(2).and_then(|items| self.set(&items)),
            b'u' => return self.pop_mark().and_then(|items| self.set(&items)),
            // BINGET, LONG_BINGET
            b'h' | b'j' => {
                let place = bytes.integer(if opcode == b'h' { 1 } else { 4 })?;
                let Some(id) = self.memo.get(&place) else {
                    bail!("its pickle reads a value that it never stored");
                };
                self.stack.push(*id);
                return Ok(());
            }
            // BINPUT, LONG_BINPUT
            b'q' | b'r' => {
                let place = bytes.integer(if opcode == b'q' { 1 } else { 4 })?;
                self.memo.insert(place, self.top()?);
                return Ok(());
            }
            // GLOBAL, REDUCE, BUILD, BINPERSID
            b'c' => Value::Global(Global::find(bytes.line()?, bytes.line()?)?),
            b'R' => return self.reduce(),
            b'b' => return self.build(),
            b'Q' => self.storage()?,
            _ => bail!(
                "its pickle has the opcode {opcode:#04x}, which no state dict needs; nothing was run"
            ),
        };
        self.push(value);
        Ok(())
    }

    fn push(&mut self, value: Value) {
        self.stack.push(self.values.values.len());
        self.values.values.push(value);
    }

    /// The value on top of the stack, so that it can be changed.
    fn top_mut(&mut self) -> Result<Option<&mut Value>, Fault> {
        let top = self.top()?;
        Ok(self.values.values.get_mut(top))
    }

    fn append(&mut self, items: &[Id]) -> Result<(), Fault> {
        let Some(Value::List(list)) = self.top_mut()? else {
            bail!("its pickle appends to something that is not a list");
        };
        list.extend(items);
        Ok(())
    }

    /// Puts items, which alternate between key and value, into the dict on top of the stack.
    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let Some(Value::Dict(dict)) = self.top_mut()? else {
            bail!("its pickle sets a key of something that is not a dict");
        };
        let (pairs, []) = items.as_chunks() else {
            bail!("its pickle sets a key without a value");
        };
        dict.extend(pairs.iter().map(|&[key, value]| (key, value)));
        Ok(())
    }

    /// Replaces an allowed name and its arguments with the result.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let callable = self.values.get(callable);
        let &Value::Global(global) = callable else {
            bail!("its pickle calls {}; nothing was run", callable.kind());
        };
        let Value::Tuple(arguments) = self.values.get(arguments) else {
            bail!("its pickle calls with arguments that are not a tuple");
        };
        let value = match (global, &arguments[..]) {
            (Global::OrderedDict, []) => Value::Dict(Vec::new()),
            (Global::OrderedDict, &[pairs]) => {
                let pairs = self.pairs(pairs)?;
                self.copied = self.copied.saturating_add(pairs.len());
                Value::Dict(pairs)
            }
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..])
                if arguments.len() <= 7 =>
            {
                Value::Tensor(Box::new(self.view(storage, offset, shape, strides)?))
            }
            (Global::RebuildParameter, &[tensor, _, _])
                if matches!(self.values.get(tensor), Value::Tensor(_)) =>
            {
                self.stack.push(tensor);
                return Ok(());
            }
            (Global::Size, &[tuple]) if matches!(self.values.get(tuple), Value::Tuple(_)) => {
                self.stack.push(tuple);
                return Ok(());
            }
            (Global::Storage(_), _) => {
                bail!("its pickle calls a storage class, which no state dict needs")
            }
            _ => bail!("its pickle calls a function with arguments that do not fit"),
        };
        self.push(value);
        Ok(())
    }

    /// The pairs of `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>, Fault> {
        let Value::List(list) = self.values.get(list) else {
            bail!("its pickle makes a dict from something that is not a list");
        };
        let pair = |&id: &Id| match self.values.get(id) {
            Value::List(pair) | Value::Tuple(pair) => match pair[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        let pairs: Option<Vec<_>> = list.iter().map(pair).collect();
        pairs.ok_or_else(|| Fault::why("its pickle makes a dict from items that are not pairs"))
    }

    fn view(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<View, Fault> {
        let values = &self.values;
        let Value::Storage(storage) = values.get(storage) else {
            bail!("its pickle makes a tensor from something that is not a storage");
        };
        let (Some(offset), Some(shape), Some(strides)) =
            (values.size(offset), values.sizes(shape), values.sizes(strides))
        else {
            bail!(
                "its pickle gives a tensor of storage {:?} an offset, shape or strides that are not \
                 integers from 0 up, or more than {AXES} axes",
                storage.key
            );
        };
        if shape.len() != strides.len() {
            bail!("its pickle makes a tensor with more or fewer axes than strides");
        }
        Ok(View { storage: storage.clone(), offset, shape, strides })
    }

    /// Drops the state of an `OrderedDict`. The state consists of attributes such as `_metadata`.
    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        match (self.values.get(self.top()?), self.values.get(state)) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            (other, _) => bail!("its pickle sets the state of {}", other.kind()),
        }
    }

    /// Reads the tuple `("storage", class, key, location, number of elements)`. In the older format, one more item
    /// follows. It is `None` or, in the earliest files, it may say which part of another storage this storage is.
    fn storage(&mut self) -> Result<Value, Fault> {
        let id = self.pop()?;
        let values = &mut self.values;
        let Value::Tuple(items) = values.get(id) else {
            bail!("its pickle has a persistent id that is not a tuple");
        };
        let (class, key, count, part) = match items[..] {
            [what, class, key, _, count, ref part @ ..]
                if values.text(what).is_some_and(|what| **what == *"storage")
                    && part.len() <= 1 =>
            {
                (class, key, count, part.first())
            }
            _ => bail!("its pickle has a persistent id that is not a storage's"),
        };
        if part.is_some_and(|part| *values.get(*part) != Value::Plain) {
            bail!(
                "its pickle has a storage that is part of another storage; save the checkpoint again"
            );
        }
        let (&Value::Global(Global::Storage(kind)), Some(key), Some(count)) =
            (values.get(class), values.text(key), values.size(count))
        else {
            bail!("its pickle has a storage without class, key or size");
        };
        let storage = Storage { key: Rc::clone(key), kind, count };
        let known = values.storages.entry(Rc::clone(&storage.key)).or_insert(storage.clone());
        if *known != storage {
            bail!("its pickle gives storage {:?} two dtypes or sizes", storage.key);
        }
        Ok(Value::Storage(storage))
    }
}

/// A little-endian integer in two's complement.
fn long(bytes: &[u8]) -> Value {
    let sign = bytes.last().is_some_and(|last| *last >= 0x80);
    let mut wide = [if sign { 0xff } else { 0 }; 8];
    match wide.get_mut(..bytes.len()) {
        Some(low) => low.copy_from_slice(bytes),
        None => return Value::Plain,
    }
    Value::Int(i64::from_le_bytes(wide))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &[u8]) -> Value {
        let (values, root) = load(&mut Bytes::new(body)).unwrap();
        values.get(root).clone()
    }

    #[test]
    fn integers_are_read_in_all_their_forms() {
        assert_eq!(value(b"K\xff."), Value::Int(255));
        assert_eq!(value(b"M\xff\xff."), Value::Int(65535));
        assert_eq!(value(b"J\xff\xff\xff\xff."), Value::Int(-1));
        assert_eq!(value(b"\x8a\x00."), Value::Int(0));
        assert_eq!(value(b"\x8a\x01\x80."), Value::Int(-128));
        assert_eq!(value(b"\x8a\x02\x80\x00."), Value::Int(128));
        assert_eq!(value(b"\x8a\x08\0\0\0\0\0\0\0\x80."), Value::Int(i64::MIN));
        assert_eq!(value(b"\x8a\x09\0\0\0\0\0\0\0\x80\0."), Value::Plain);
    }
}
