//! The state dict among all that a checkpoint holds, and where its tensors lie in the file.

use std::collections::{HashMap, HashSet};

use super::Extent;
use super::value::{Id, Value, Values, View};
use crate::error::{Fault, printable};
use crate::numbers::{Order, Place, Start};
use crate::{Dtype, Entry};

/// A state dict has at most this many tensors: that of ResNeXt-101 has 626.
const TENSORS: usize = 1 << 16;

/// The tensors, in the order of the dict.
///
/// # Errors
///
/// No dict; a key that is no text or is there twice; a value that is no tensor; those of [`locate`].
pub(super) fn tensors(
    values: &Values,
    root: Id,
    extents: &HashMap<String, Extent>,
) -> Result<Vec<(Entry, Place)>, Fault> {
    let Value::Dict(root) = values.get(root) else {
        return Err(Fault::why(format!("it holds {}, not a dict", values.get(root).kind())));
    };
    let mut dict = root;
    for name in ["model", "state_dict"] {
        if let Some(id) = values.field(root, name)?
            && let Value::Dict(inner) = values.get(id)
        {
            dict = inner;
        }
    }
    if dict.len() > TENSORS {
        return Err(Fault::why(format!(
            "its state dict has {} keys; at most {TENSORS} are read",
            dict.len()
        )));
    }
    let mut names = HashSet::new();
    let mut tensors = Vec::new();
    for &(key, value) in dict {
        let Some(name) = values.text(key) else {
            let kind = values.get(key).kind();
            return Err(Fault::why(format!("a key of its state dict is {kind}, not a name")));
        };
        let Value::Tensor(view) = values.get(value) else {
            let kind = values.get(value).kind();
            return Err(Fault::why(format!("`{}` is {kind}, not a tensor", printable(name))));
        };
        if !names.insert(name) {
            return Err(Fault::why(format!("tensor `{}` is there twice", printable(name))));
        }
        tensors.push(locate(name, view, values, extents).map_err(|fault| fault.about(name))?);
    }
    Ok(tensors)
}

/// Finds a tensor in the file.
///
/// # Errors
///
/// A storage that is missing or of another length; a view that leaves it; more elements than it has
/// (PyTorch can expand one number to many, but no network's weights are made so).
fn locate(
    name: &str,
    view: &View,
    values: &Values,
    extents: &HashMap<String, Extent>,
) -> Result<(Entry, Place), Fault> {
    let wrong = |why: String| Err(Fault::Why(why));
    let Some(storage) = values.storages.get(view.storage) else {
        return wrong("it has no storage".to_owned());
    };
    let key = &storage.key;
    let Some(extent) = extents.get(key) else {
        return wrong(format!("its storage {key:?} is not in the file"));
    };
    if storage.count.checked_mul(storage.kind.bytes) != Some(extent.length) {
        return wrong(format!(
            "its storage {key:?} is to hold {} numbers of {}, and has {} bytes",
            storage.count, storage.kind.name, extent.length
        ));
    }
    let leaves = || {
        wrong(format!(
            "shape {:?} and strides {:?} from {} on leave its storage of {} numbers",
            view.shape, view.strides, view.offset, storage.count
        ))
    };
    // The numbers, and how many there are from the first to the last.
    let axes = || view.shape.iter().zip(&view.strides);
    let (count, span) = if view.shape.contains(&0) {
        (Some(0), Some(0))
    } else {
        let last = |sum: u64, (&size, &stride): (&u64, &u64)| {
            sum.checked_add((size - 1).checked_mul(stride)?)
        };
        (axes().try_fold(1u64, |n, (&size, _)| n.checked_mul(size)), axes().try_fold(1, last))
    };
    let (Some(count), Some(span)) = (count, span) else {
        return leaves();
    };
    let end = view.offset.checked_add(span);
    if end.is_none_or(|end| end > storage.count) {
        return leaves();
    }
    if count > storage.count {
        return wrong(format!(
            "shape {:?} has more numbers than its storage, which has {}",
            view.shape, storage.count
        ));
    }
    // Both fit: the storage is no longer than the file.
    let start = extent.start.saturating_add(view.offset.saturating_mul(storage.kind.bytes));
    let Ok(span) = usize::try_from(span) else {
        return leaves();
    };
    let Ok(shape) = view.shape.iter().map(|&size| usize::try_from(size)).collect() else {
        return leaves();
    };
    // Along an axis of size 1 a stride may be any number.
    let stride = |&stride| usize::try_from(stride).unwrap_or(usize::MAX);
    let strides = view.strides.iter().map(stride).collect();
    let dtype = match storage.kind.name {
        "float32" => Dtype::F32,
        "float16" => Dtype::F16,
        "bfloat16" => Dtype::BF16,
        other => Dtype::Other(other.to_owned()),
    };
    let place = Place { start: Start::At(start), order: Order::Little, strides, span };
    Ok((Entry { name: name.to_owned(), shape, dtype }, place))
}
