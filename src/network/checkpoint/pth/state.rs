//! The state dict among all that a checkpoint holds.

use std::collections::HashSet;

use super::value::{Id, Value, Values, View};
use crate::network::checkpoint::fault::Fault;

/// A state dict has at most this many tensors: that of ResNeXt-101 has 626.
const TENSORS: usize = 1 << 16;

/// The tensors by their names, in the order of the file.
///
/// # Errors
///
/// No dict; a key that is no text or is there twice; a value that is no tensor.
pub(super) fn tensors(values: &Values, root: Id) -> Result<Vec<(String, &View)>, Fault> {
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
            return Err(Fault::why(format!("`{}` is {kind}, not a tensor", name.escape_debug())));
        };
        if !names.insert(name) {
            return Err(Fault::why(format!("tensor `{}` is there twice", name.escape_debug())));
        }
        tensors.push((name.to_owned(), &**view));
    }
    Ok(tensors)
}
