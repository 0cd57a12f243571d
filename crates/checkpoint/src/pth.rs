//! Reads PyTorch's own checkpoints, `.pth` files, without running any code in them.
//!
//! `torch.save` writes a pickle, which is a program, and the numbers beside it. There are two formats. The newer one,
//! since PyTorch 1.6, is a zip archive. The older one is a sequence of pickles. Both are documented only by code:
//! PyTorch's `torch/serialization.py` (`_save`, `_legacy_save`) and, for pickles, Python's `Lib/pickletools.py`.
//! Here, a pickle can only build plain values and describe tensors. Every name outside a short list
//! (`pickle::Global`) is refused, so a file cannot run anything.
//!
//! The state dict is the file's dict, or the dict that is stored in it under `state_dict` or `model`.
//!
//! Every size in a file is compared with the file's length before memory is allocated for it. The checksums of an
//! archive are not checked, because PyTorch does not check them either and may omit them.

use std::collections::{HashMap, HashSet};
use std::io::{Read, Seek, SeekFrom};

use crate::error::{Fault, bail, printable};
use crate::numbers::{Order, Place, Start, Tensors, count, read_at};
use crate::pickle::{self, Bytes, Id, Value, Values, View};
use crate::zip::{self, wrong};
use crate::{Dtype, Entry};

/// A file in the older format begins with this pickle, which holds the number 0x1950a86a20f9469cfc6c.
pub(crate) const MAGIC: [u8; 15] =
    [0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19, b'.'];

/// The only version that the older format ever had.
const OLD_VERSION: i64 = 1001;

/// The versions of the newer format that PyTorch reads: `caffe2/serialize/versions.h`.
const VERSIONS: std::ops::RangeInclusive<u64> = 1..=10;

/// A state dict may have at most this many tensors. (The state dict of ResNeXt-101 has 626.)
const TENSORS: usize = 1 << 16;

/// Where each storage is in the file, by its key. A place is the first byte and the number of bytes.
type Extents = HashMap<String, (u64, u64)>;

/// The tensors of a file of `length` bytes that `torch.save` wrote, in the newer or the older format.
pub(crate) fn tensors<R: Read + Seek>(reader: &mut R, length: u64) -> Result<Tensors, Fault> {
    let head = text_at(reader, (0, length.min(MAGIC.len() as u64)))?;
    let (values, root, extents) = if head.starts_with(b"PK") {
        newer(reader, length)?
    } else if head == MAGIC {
        older(reader, length)?
    } else {
        bail!("torch.save did not write it: it is neither a zip archive nor in the older format");
    };
    state_dict(&values, root, &extents)
}

/// The bytes of an extent, which the caller has checked to be small.
fn text_at(reader: &mut (impl Read + Seek), extent: (u64, u64)) -> Result<Vec<u8>, Fault> {
    let mut text = Vec::new();
    reader.seek(SeekFrom::Start(extent.0))?;
    reader.take(extent.1).read_to_end(&mut text)?;
    Ok(text)
}

/// Reads the newer format. Returns the objects, and where the storages are.
///
/// A file is a zip archive in which nothing is compressed. `NAME/data.pkl` is a pickle, and every `NAME/data/KEY` is
/// a storage. The archive also has `NAME/version` and, in newer files, `NAME/byteorder`.
/// Sources: `torch/serialization.py`, `_save`; `caffe2/serialize/inline_container.cc`.
fn newer<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(Values, Id, Extents), Fault> {
    let members = zip::members(reader, length)?;
    let (mut extents, mut folder) = (HashMap::new(), None);
    for member in &members {
        let name = &member.name;
        // `NAME/` is the same for all members.
        let Some((first, inside)) = name.split_once('/') else {
            return Err(wrong(name, "is not in a folder; torch.save did not write this"));
        };
        if *folder.get_or_insert(first) != first {
            return Err(wrong(name, "lies in another folder; torch.save did not write this"));
        }
        if member.is_deflated() {
            return Err(wrong(name, "is compressed; torch.save compresses nothing"));
        }
        extents.insert(inside, (member.start, member.size));
    }
    if extents.contains_key("constants.pkl") {
        bail!("it is a TorchScript program, not a state dict");
    }
    let Some(&data) = extents.get("data.pkl") else {
        bail!("it has no data.pkl; torch.save did not write this");
    };
    let mut short = |name: &str| match extents.get(name) {
        Some(&(_, length)) if length > 16 => bail!("its {name} has {length} bytes, more than 16"),
        Some(extent) => text_at(reader, *extent).map(Some),
        None => Ok(None),
    };
    let Some(version) = short("version")? else { bail!("it has no version") };
    let version = str::from_utf8(&version).ok().and_then(|text| text.trim().parse().ok());
    if !version.is_some_and(|version| VERSIONS.contains(&version)) {
        bail!("its version is not in {VERSIONS:?}");
    }
    match short("byteorder")?.as_deref() {
        None | Some(b"little") => {}
        Some(b"big") => bail!("a big-endian machine wrote it; such files are not read"),
        Some(_) => bail!("its byteorder is neither little nor big"),
    }
    let pickle = text_at(reader, (data.0, data.1.min(pickle::BYTES as u64)))?;
    let mut bytes = Bytes::new(&pickle);
    let (values, root) = pickle::load(&mut bytes)?;
    if bytes.taken as u64 != data.1 {
        bail!("bytes follow the pickle in its data.pkl");
    }
    let storage =
        |(name, extent): (&str, _)| Some((name.strip_prefix("data/")?.to_owned(), extent));
    Ok((values, root, extents.into_iter().filter_map(storage).collect()))
}

/// Reads the older format, which is five pickles, then the storages. Returns the objects, and where the storages are.
///
/// The pickles are the magic number, the version of the format, the kind of machine that wrote the file, the objects,
/// and the keys of the storages. Then follows one storage for each key: its number of elements (8 bytes), and the
/// elements.
/// Sources: `torch/serialization.py`, `_legacy_save`; `torch/csrc/generic/serialization.cpp`.
fn older<R: Read + Seek>(reader: &mut R, length: u64) -> Result<(Values, Id, Extents), Fault> {
    let start = MAGIC.len() as u64;
    let pickles = text_at(reader, (start, length.saturating_sub(start).min(pickle::BYTES as u64)))?;
    let mut bytes = Bytes::new(&pickles);
    let (values, version) = pickle::load(&mut bytes)?;
    if *values.get(version) != Value::Int(OLD_VERSION) {
        bail!("its format is not version {OLD_VERSION}");
    }
    let (values, system) = pickle::load(&mut bytes)?;
    let little = match values.get(system) {
        Value::Dict(dict) => values.field(dict, "little_endian")?,
        _ => None,
    };
    match little {
        Some(Value::Bool(true)) => {}
        Some(Value::Bool(false)) => bail!("a big-endian machine wrote it; such files are not read"),
        _ => bail!("it does not state its byte order"),
    }
    let (values, root) = pickle::load(&mut bytes)?;
    let (keys, list) = pickle::load(&mut bytes)?;
    let Value::List(list) = keys.get(list) else {
        bail!("its storages are in {}, not in a list", keys.get(list).kind());
    };

    let mut extents = HashMap::new();
    let mut at = start + bytes.taken as u64;
    for &key in list {
        let Some(key) = keys.text(key) else { bail!("the key of a storage is not a text") };
        let Some(storage) = values.storages.get(key) else {
            bail!("storage {key:?} belongs to no tensor");
        };
        let (found, count) = (u64::from_le_bytes(read_at(reader, at)?), storage.count as u64);
        if found != count {
            bail!("storage {key:?} has {found} numbers, but the pickle says {count}");
        }
        let start = at.saturating_add(8);
        let bytes = count.checked_mul(storage.kind.1);
        let end = bytes.and_then(|bytes| start.checked_add(bytes)).filter(|end| *end <= length);
        let Some(end) = end else {
            bail!("storage {key:?} does not fit into the file, which ends too early");
        };
        if extents.insert(key.to_string(), (start, end - start)).is_some() {
            bail!("storage {key:?} occurs twice");
        }
        at = end;
    }
    if at != length {
        bail!("{} bytes follow its last storage", length.saturating_sub(at));
    }
    Ok((values, root, extents))
}

/// The tensors of the state dict, in its order.
fn state_dict(values: &Values, root: Id, extents: &Extents) -> Result<Tensors, Fault> {
    let root = values.get(root);
    let Value::Dict(root) = root else { bail!("it holds {}, not a dict", root.kind()) };
    let mut dict = root;
    for name in ["model", "state_dict"] {
        if let Some(Value::Dict(inner)) = values.field(root, name)? {
            dict = inner;
        }
    }
    if dict.len() > TENSORS {
        bail!("its state dict has {} keys; at most {TENSORS} are read", dict.len());
    }
    let (mut names, mut tensors) = (HashSet::new(), Vec::new());
    for &(key, value) in dict {
        let Some(name) = values.text(key) else {
            bail!("a key of its state dict is {}, not a name", values.get(key).kind());
        };
        let Value::Tensor(view) = values.get(value) else {
            let kind = values.get(value).kind();
            bail!("`{}` is {kind}, not a tensor", printable(name));
        };
        if !names.insert(name) {
            bail!("tensor `{}` occurs twice", printable(name));
        }
        let place = locate(view, extents).map_err(|fault| fault.about(name))?;
        let dtype = match view.storage.kind.0 {
            "float32" => Dtype::F32,
            "float16" => Dtype::F16,
            "bfloat16" => Dtype::BF16,
            other => Dtype::Other(other.to_owned()),
        };
        tensors.push((Entry { name: name.to_string(), shape: view.shape.clone(), dtype }, place));
    }
    Ok(tensors)
}

/// Finds a tensor in the file. A tensor may not have more numbers than its storage. PyTorch can expand one stored
/// number to many, but no network's weights are stored like that.
fn locate(view: &View, extents: &Extents) -> Result<Place, Fault> {
    let View { storage, offset, shape, strides } = view;
    let (key, (kind, width)) = (&storage.key, storage.kind);
    let Some(&(start, bytes)) = extents.get(&**key) else {
        bail!("its storage {key:?} is not in the file");
    };
    if (storage.count as u64).checked_mul(width) != Some(bytes) {
        let count = storage.count;
        bail!("its storage {key:?} should hold {count} numbers of {kind}, but has {bytes} bytes");
    }
    let last = |sum: usize, (&size, &stride): (&usize, &usize)| {
        sum.checked_add((size - 1).checked_mul(stride)?)
    };
    // How many numbers there are from the first to the last.
    let span = match shape.contains(&0) {
        true => Some(0),
        false => shape.iter().zip(strides).try_fold(1, last),
    };
    let fits = |span: &usize| offset.checked_add(*span).is_some_and(|end| end <= storage.count);
    let Some(span) = span.filter(fits) else {
        bail!(
            "shape {shape:?}, strides {strides:?} and offset {offset} exceed its storage of {} numbers",
            storage.count
        );
    };
    if count(shape).is_none_or(|count| count > storage.count) {
        bail!("shape {shape:?} has more numbers than its storage, which has {}", storage.count);
    }
    // Neither overflows: the storage is no longer than the file.
    let start = Start::At(start.saturating_add((*offset as u64).saturating_mul(width)));
    Ok(Place { start, order: Order::Little, strides: strides.clone(), span })
}
