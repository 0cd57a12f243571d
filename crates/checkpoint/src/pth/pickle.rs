//! A pickle machine that builds plain values and can do nothing else.
//!
//! It knows the opcodes that PyTorch writes (protocol 2), which are those that PyTorch's own
//! `torch/_weights_only_unpickler.py` takes, and the names of [`Global`]. It calls nothing. What the
//! opcodes mean is in Python's `Lib/pickletools.py`.

use std::collections::HashMap;
use std::io::Read;

use super::bytes::Bytes;
use super::value::{AXES, Global, Id, Storage, Value, Values, View};
use crate::error::Fault;

/// A pickle has at most this many bytes: that of ResNeXt-101 has some 100,000.
pub(super) const BYTES: u64 = 1 << 22;
/// Values, and places in the memo.
const VALUES: usize = 1 << 18;
/// Values that wait on the stack, and marks among them.
const STACK: usize = 1 << 16;
/// Bytes of one text.
const TEXT: usize = 1 << 16;
/// Bytes of a module's or a class's name.
const NAME: usize = 1 << 8;

/// Reads one pickle, its values and which of them it is about; the reader then stands behind it.
///
/// # Errors
///
/// An opcode or a name that is not known, a value where another kind is needed, a limit, the end of the
/// bytes.
pub(super) fn load<R: Read>(bytes: &mut Bytes<R>) -> Result<(Values, Id), Fault> {
    let mut machine = Machine::default();
    loop {
        let opcode = bytes.byte()?;
        if opcode == b'.' {
            let root = machine.pop()?;
            return match (&machine.stack[..], &machine.marks[..]) {
                ([], []) => Ok((machine.values, root)),
                _ => Err(wrong("ends with values to spare")),
            };
        }
        machine.step(opcode, bytes)?;
        let full = machine.values.len() > VALUES
            || machine.memo.len() > VALUES
            || machine.copied > VALUES
            || machine.stack.len() > STACK
            || machine.marks.len() > STACK;
        if full {
            return Err(wrong("holds more values than any state dict"));
        }
    }
}

fn wrong(why: &str) -> Fault {
    Fault::why(format!("its pickle {why}"))
}

#[derive(Debug, Default)]
struct Machine {
    values: Values,
    stack: Vec<Id>,
    /// How high the stack was at each mark.
    marks: Vec<usize>,
    memo: HashMap<u32, Id>,
    /// The storages by their keys.
    keys: HashMap<String, usize>,
    /// Pairs that were copied from lists into dicts.
    copied: usize,
}

impl Machine {
    fn push(&mut self, value: Value) {
        let id = self.values.push(value);
        self.stack.push(id);
    }

    /// Whether something lies above the last mark.
    fn has_any(&self) -> bool {
        self.stack.len() > self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Id, Fault> {
        let any = self.has_any().then(|| self.stack.pop()).flatten();
        any.ok_or_else(|| wrong("takes from an empty stack"))
    }

    fn top(&self) -> Result<Id, Fault> {
        let any = self.has_any().then(|| self.stack.last().copied()).flatten();
        any.ok_or_else(|| wrong("takes from an empty stack"))
    }

    fn pop_mark(&mut self) -> Result<Vec<Id>, Fault> {
        let mark = self.marks.pop().ok_or_else(|| wrong("lacks a mark"))?;
        Ok(self.stack.split_off(mark.min(self.stack.len())))
    }

    /// A tuple of the last `count` values.
    fn tuple(&mut self, count: usize) -> Result<(), Fault> {
        let mut items = (0..count).map(|_| self.pop()).collect::<Result<Vec<_>, _>>()?;
        items.reverse();
        self.push(Value::Tuple(items));
        Ok(())
    }

    fn step<R: Read>(&mut self, opcode: u8, bytes: &mut Bytes<R>) -> Result<(), Fault> {
        match opcode {
            // PROTO
            0x80 => match bytes.byte()? {
                2 => {}
                other => {
                    return Err(wrong(&format!("is of protocol {other}; only 2 is read")));
                }
            },
            // NONE, NEWTRUE, NEWFALSE
            b'N' => self.push(Value::Plain),
            0x88 => self.push(Value::Bool(true)),
            0x89 => self.push(Value::Bool(false)),
            // BININT, BININT1, BININT2, LONG1, BINFLOAT
            b'J' => self.push(Value::Int(i32::from_le_bytes(bytes.array()?).into())),
            b'K' => self.push(Value::Int(bytes.byte()?.into())),
            b'M' => self.push(Value::Int(u16::from_le_bytes(bytes.array()?).into())),
            0x8a => {
                let value = long(bytes)?;
                self.push(value);
            }
            b'G' => {
                bytes.array::<8>()?;
                self.push(Value::Plain);
            }
            // BINUNICODE, SHORT_BINSTRING
            b'X' => {
                let length = u32::from_le_bytes(bytes.array()?);
                let text = bytes.text(length.into(), TEXT)?;
                self.push(Value::Text(text));
            }
            b'U' => {
                let length = bytes.byte()?;
                let text = bytes.text(length.into(), TEXT)?;
                self.push(Value::Text(text));
            }
            // EMPTY_TUPLE, EMPTY_LIST, EMPTY_DICT, EMPTY_SET: what is in a set nobody asks
            b')' => self.push(Value::Tuple(Vec::new())),
            b']' => self.push(Value::List(Vec::new())),
            b'}' => self.push(Value::Dict(Vec::new())),
            0x8f => self.push(Value::Plain),
            // MARK, TUPLE, TUPLE1, TUPLE2, TUPLE3
            b'(' => self.marks.push(self.stack.len()),
            b't' => {
                let items = self.pop_mark()?;
                self.push(Value::Tuple(items));
            }
            0x85 => self.tuple(1)?,
            0x86 => self.tuple(2)?,
            0x87 => self.tuple(3)?,
            // APPEND, APPENDS
            b'a' => {
                let item = self.pop()?;
                self.extend(vec![item])?;
            }
            b'e' => {
                let items = self.pop_mark()?;
                self.extend(items)?;
            }
            // SETITEM, SETITEMS
            b's' => {
                let (value, key) = (self.pop()?, self.pop()?);
                self.set(&[key, value])?;
            }
            b'u' => {
                let items = self.pop_mark()?;
                self.set(&items)?;
            }
            // BINGET, LONG_BINGET, BINPUT, LONG_BINPUT
            b'h' => {
                let place = bytes.byte()?;
                self.recall(place.into())?;
            }
            b'j' => {
                let place = u32::from_le_bytes(bytes.array()?);
                self.recall(place)?;
            }
            b'q' => {
                let place = bytes.byte()?;
                self.memo.insert(place.into(), self.top()?);
            }
            b'r' => {
                let place = u32::from_le_bytes(bytes.array()?);
                self.memo.insert(place, self.top()?);
            }
            // GLOBAL, REDUCE, BUILD, BINPERSID
            b'c' => {
                let (module, name) = (bytes.line(NAME)?, bytes.line(NAME)?);
                self.push(Value::Global(Global::find(&module, &name)?));
            }
            b'R' => self.reduce()?,
            b'b' => self.build()?,
            b'Q' => self.persistent()?,
            other => {
                let known = "which no state dict needs; nothing was run";
                return Err(wrong(&format!("has an opcode {other:#04x}, {known}")));
            }
        }
        Ok(())
    }

    fn recall(&mut self, place: u32) -> Result<(), Fault> {
        let id = *self.memo.get(&place).ok_or_else(|| wrong("recalls what it never stored"))?;
        self.stack.push(id);
        Ok(())
    }

    fn extend(&mut self, items: Vec<Id>) -> Result<(), Fault> {
        let top = self.top()?;
        match self.values.get_mut(top) {
            Some(Value::List(list)) => list.extend(items),
            _ => return Err(wrong("appends to what is no list")),
        }
        Ok(())
    }

    /// Keys and values in turn, into the dict on top.
    fn set(&mut self, items: &[Id]) -> Result<(), Fault> {
        let top = self.top()?;
        let (pairs, []) = items.as_chunks::<2>() else {
            return Err(wrong("sets a key without a value"));
        };
        match self.values.get_mut(top) {
            Some(Value::Dict(dict)) => dict.extend(pairs.iter().map(|&[key, value]| (key, value))),
            _ => return Err(wrong("sets a key of what is no dict")),
        }
        Ok(())
    }

    /// What the allowed names stand for, of their arguments.
    fn reduce(&mut self) -> Result<(), Fault> {
        let (arguments, callable) = (self.pop()?, self.pop()?);
        let &Value::Global(global) = self.values.get(callable) else {
            let kind = self.values.get(callable).kind();
            return Err(wrong(&format!("calls {kind}; nothing was run")));
        };
        let Value::Tuple(arguments) = self.values.get(arguments) else {
            return Err(wrong("calls with what is no tuple"));
        };
        match (global, &arguments[..]) {
            (Global::OrderedDict, []) => self.push(Value::Dict(Vec::new())),
            (Global::OrderedDict, &[pairs]) => {
                let dict = self.pairs(pairs)?;
                self.copied = self.copied.saturating_add(dict.len());
                self.push(Value::Dict(dict));
            }
            (Global::RebuildTensor, &[storage, offset, shape, strides, ..])
                if arguments.len() <= 7 =>
            {
                let view = self.view(storage, offset, shape, strides)?;
                self.push(Value::Tensor(Box::new(view)));
            }
            (Global::RebuildParameter, &[tensor, _, _])
                if matches!(self.values.get(tensor), Value::Tensor(_)) =>
            {
                self.stack.push(tensor);
            }
            (Global::Size, &[tuple]) if matches!(self.values.get(tuple), Value::Tuple(_)) => {
                self.stack.push(tuple);
            }
            (Global::Storage(_), _) => return Err(wrong("makes a storage of its own")),
            _ => return Err(wrong("gives arguments that do not fit")),
        }
        Ok(())
    }

    /// `OrderedDict([[key, value], ...])`, as Python 2 wrote it.
    fn pairs(&self, list: Id) -> Result<Vec<(Id, Id)>, Fault> {
        let Value::List(list) = self.values.get(list) else {
            return Err(wrong("makes a dict of what is no list"));
        };
        let pair = |&id: &Id| match self.values.get(id) {
            Value::List(pair) | Value::Tuple(pair) => match pair[..] {
                [key, value] => Some((key, value)),
                _ => None,
            },
            _ => None,
        };
        let pairs: Option<Vec<_>> = list.iter().map(pair).collect();
        pairs.ok_or_else(|| wrong("makes a dict of what are no pairs"))
    }

    fn view(&self, storage: Id, offset: Id, shape: Id, strides: Id) -> Result<View, Fault> {
        let sizes = |id: Id| match self.values.get(id) {
            Value::Tuple(sizes) if sizes.len() <= AXES => {
                sizes.iter().map(|&size| self.values.size(size)).collect()
            }
            _ => None,
        };
        let &Value::Storage(storage) = self.values.get(storage) else {
            return Err(wrong("makes a tensor of what is no storage"));
        };
        let (Some(offset), Some(shape), Some(strides)) =
            (self.values.size(offset), sizes(shape), sizes(strides))
        else {
            let key = self.values.storages.get(storage).map_or("", |storage| &storage.key);
            return Err(wrong(&format!(
                "makes a tensor of storage {key:?} whose offset, shape or strides are not \
                 numbers from 0, of {AXES} axes at most"
            )));
        };
        let strides: Vec<u64> = strides;
        let shape: Vec<u64> = shape;
        if shape.len() != strides.len() {
            return Err(wrong("makes a tensor of more axes than strides, or of fewer"));
        }
        Ok(View { storage, offset, shape, strides })
    }

    /// The state of an `OrderedDict`: attributes such as `_metadata`, which are dropped.
    fn build(&mut self) -> Result<(), Fault> {
        let state = self.pop()?;
        match (self.values.get(self.top()?), self.values.get(state)) {
            (Value::Dict(_), Value::Dict(_)) => Ok(()),
            (other, _) => Err(wrong(&format!("sets the state of {}", other.kind()))),
        }
    }

    /// `("storage", class, key, location, number of elements)`; the older format adds `None`, or in
    /// its first days what part of another storage this one is.
    fn persistent(&mut self) -> Result<(), Fault> {
        let id = self.pop()?;
        let Value::Tuple(items) = self.values.get(id) else {
            return Err(wrong("has a persistent id that is no tuple"));
        };
        let (class, key, count) = match items[..] {
            [what, class, key, _, count] if self.values.text(what) == Some("storage") => {
                (class, key, count)
            }
            [what, class, key, _, count, part] if self.values.text(what) == Some("storage") => {
                if *self.values.get(part) != Value::Plain {
                    return Err(wrong("has a storage that is a part of another; save it anew"));
                }
                (class, key, count)
            }
            _ => return Err(wrong("has a persistent id that is not a storage's")),
        };
        let (&Value::Global(Global::Storage(kind)), Some(key), Some(count)) =
            (self.values.get(class), self.values.text(key), self.values.size(count))
        else {
            return Err(wrong("has a storage without class, key or size"));
        };
        let storage = Storage { key: key.to_owned(), kind, count };
        let next = self.values.storages.len();
        let place = *self.keys.entry(storage.key.clone()).or_insert(next);
        if place == next {
            self.values.storages.push(storage);
        } else if self.values.storages.get(place) != Some(&storage) {
            return Err(wrong(&format!("gives storage {:?} two kinds or sizes", storage.key)));
        }
        self.push(Value::Storage(place));
        Ok(())
    }
}

/// A little-endian integer in two's complement, of as many bytes as the first says.
fn long<R: Read>(bytes: &mut Bytes<R>) -> Result<Value, Fault> {
    let length = bytes.byte()?;
    let mut value = 0u64;
    let mut last = 0;
    for i in 0..u32::from(length) {
        last = bytes.byte()?;
        value |= u64::from(last).checked_shl(8 * i).unwrap_or(0);
    }
    if length > 8 {
        return Ok(Value::Plain);
    }
    let unused = 64 - 8 * u32::from(length);
    let sign = if last >= 0x80 { u64::MAX.checked_shl(64 - unused).unwrap_or(0) } else { 0 };
    Ok(Value::Int((value | sign).cast_signed()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(body: &[u8]) -> Value {
        let (values, root) = load(&mut Bytes::new(body, BYTES)).unwrap();
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

    #[test]
    fn what_is_recalled_is_the_same_value() {
        let (values, root) = load(&mut Bytes::new(&b"]q\0h\0a."[..], BYTES)).unwrap();
        assert_eq!(*values.get(root), Value::List(vec![root]));
    }

    #[test]
    fn a_dict_of_pairs_is_read_as_python_2_wrote_it() {
        let body = b"ccollections\nOrderedDict\n]K\x07a\x85R.";
        let why = load(&mut Bytes::new(&body[..], BYTES)).unwrap_err();
        assert!(matches!(why, Fault::Why(why) if why.contains("no pairs")));
        let body = b"ccollections\nOrderedDict\n]U\x01wK\x07\x86a\x85R.";
        let (values, root) = load(&mut Bytes::new(&body[..], BYTES)).unwrap();
        let Value::Dict(dict) = values.get(root) else { panic!("no dict") };
        let [(key, value)] = dict[..] else { panic!("{dict:?}") };
        assert_eq!((values.text(key), values.size(value)), (Some("w"), Some(7)));
    }

    #[test]
    fn the_reader_stands_behind_the_pickle() {
        let mut bytes = Bytes::new(&b"N.K\x01."[..], BYTES);
        load(&mut bytes).unwrap();
        assert_eq!(bytes.taken(), 2);
        load(&mut bytes).unwrap();
        assert_eq!(bytes.taken(), 5);
    }
}
