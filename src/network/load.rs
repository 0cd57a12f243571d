//! Loads the weights of a network from named tensors, such as those of a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::architecture::Architecture;
use super::weights::NetworkWeights;
use super::zoo;
use crate::error::{Error, Result};

/// How many of the expected names, and how many of the found names, a message shows if none is in both.
const NAMED: usize = 3;

/// How many tensors of each kind a message names: of wrong shape, missing, surplus.
const SHOWN: usize = 5;

/// The fully connected layer.
const TOP: [&str; 2] = ["fc.weight", "fc.bias"];

/// The prefix that `torch.nn.DataParallel` puts before every name.
const PREFIX: &str = "module.";

/// The name and shape of a tensor.
type Named = (String, Vec<usize>);

/// Loads a network from named tensors. It checks all names and shapes first. Then it reads one tensor after another,
/// each by its index. If the architecture has no top, a top in the checkpoint is ignored. A `module.` before every
/// name is ignored too. `path` is used only in messages.
///
/// Errors: [`Error::Checkpoint`] if tensors are missing, surplus or of another shape. The message names the first of
/// each kind, and also a network of the zoo that the checkpoint does fit. For a NaN, an infinity or a negative
/// variance, it names the tensor and the index. Other errors are those of `read` and of [`NetworkWeights::assemble`].
pub fn from_tensors<E: From<Error>>(
    architecture: &Architecture,
    tensors: &[Named],
    read: &mut dyn FnMut(usize) -> Result<Vec<f32>, E>,
    path: &Path,
) -> Result<NetworkWeights, E> {
    let wrong = |why: String| Error::Checkpoint { path: path.to_owned(), why };
    let tensors = without(PREFIX, tensors);
    let complaints = complaints(architecture, &tensors)?;
    if !complaints.is_empty() {
        let (this, complaints) = (described(architecture)?, complaints.join("; "));
        let why = match fitting(&tensors)? {
            Some(other) => format!("it fits {other}; it does not fit {this}: {complaints}"),
            None => format!("it does not fit {this}: {complaints}"),
        };
        return Err(wrong(why).into());
    }
    let index: BTreeMap<String, usize> =
        tensors.into_iter().enumerate().map(|(number, (name, _))| (name, number)).collect();
    let mut all = Vec::new();
    for (name, shape) in architecture.state_dict()? {
        let missing = || wrong(format!("{name} is missing"));
        let numbers = read(*index.get(&name).ok_or_else(missing)?)?;
        if let Some(why) = unfit(&name, &shape, &numbers) {
            return Err(wrong(why).into());
        }
        all.push(numbers);
    }
    // In the order of the state dict, as they were read.
    let mut all = all.into_iter();
    Ok(NetworkWeights::assemble(architecture, &mut |_, _| Ok(all.next().unwrap_or_default()))?)
}

/// Describes the first number of a tensor that no network may have there. Returns `None` if all numbers are allowed.
fn unfit(name: &str, shape: &[usize], numbers: &[f32]) -> Option<String> {
    // A variance of 0 is allowed, because the positive epsilon is added to it.
    let variance = name.ends_with("running_var");
    let unfit = |number: &f32| !number.is_finite() || variance && *number < 0.0;
    let place = numbers.iter().position(unfit)?;
    let what = match numbers[place].is_finite() {
        true => "but a variance must be at least 0",
        false => "not a finite number",
    };
    Some(format!("{name}{:?} is {}, {what}", index(place, shape), numbers[place]))
}

/// The index of the element at this place of a row-major tensor.
fn index(mut place: usize, shape: &[usize]) -> Vec<usize> {
    let mut index = vec![0; shape.len()];
    for (i, &size) in index.iter_mut().zip(shape).rev() {
        *i = place % size.max(1);
        place /= size.max(1);
    }
    index
}

/// Removes a prefix from the names of the tensors, if every name begins with it.
fn without(prefix: &str, tensors: &[Named]) -> Vec<Named> {
    let mut tensors = tensors.to_vec();
    if tensors.iter().all(|(name, _)| name.starts_with(prefix)) {
        for (name, _) in &mut tensors {
            name.drain(..prefix.len());
        }
    }
    tensors
}

/// Describes the network of the zoo that fits these tensors, whatever its number of classes.
fn fitting(tensors: &[Named]) -> Result<Option<String>> {
    // `backbone.`, say.
    let prefix = tensors.first().and_then(|(name, _)| name.split_once('.'));
    let prefix = prefix.map(|(first, _)| format!("{first}.")).unwrap_or_default();
    let stripped = without(&prefix, tensors);
    let bias = stripped.iter().find(|(name, _)| name == "fc.bias");
    let classes = bias.and_then(|(_, shape)| shape.first().copied());
    for network in zoo::all()? {
        let network = match classes {
            Some(classes) => network.with_classes(classes),
            None => network.without_top(),
        };
        if complaints(&network, tensors)?.is_empty() {
            return described(&network).map(Some);
        }
        if complaints(&network, &stripped)?.is_empty() {
            let name = described(&network)?;
            let prefix = prefix.escape_debug();
            return Ok(Some(format!("{name} if `{prefix}` is removed from every name")));
        }
    }
    Ok(None)
}

/// A network's name, and how it differs from the network of that name in the zoo.
fn described(network: &Architecture) -> Result<String> {
    let name = &network.name;
    let Ok(usual) = zoo::named(name) else { return Ok(name.clone()) };
    Ok(match network.classes {
        classes if classes == usual.classes => name.clone(),
        Some(classes) => format!("{name} with {classes} classes (--classes {classes})"),
        None => format!("{name} without its top (--features)"),
    })
}

/// Lists what is wrong with the names and shapes of a checkpoint for this network, the most telling first. The list is
/// empty if nothing is wrong.
fn complaints(architecture: &Architecture, tensors: &[Named]) -> Result<Vec<String>> {
    let wanted = architecture.state_dict()?;
    // For the features alone, a checkpoint with a top will do.
    let has_top = architecture.classes.is_some();
    let found: BTreeMap<&str, &[usize]> = tensors
        .iter()
        .map(|(name, shape)| (name.as_str(), &shape[..]))
        .filter(|(name, _)| !name.ends_with("num_batches_tracked"))
        .filter(|(name, _)| has_top || !TOP.contains(name))
        .collect();
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let missing = wanted.iter().map(|(name, _)| name.as_str());
    let missing: Vec<&str> = missing.filter(|name| !found.contains_key(name)).collect();
    // A name may contain control characters that a terminal would obey.
    let surplus = found.keys().filter(|name| !names.contains(**name));
    let surplus: Vec<String> = surplus.map(|name| name.escape_debug().to_string()).collect();
    if missing.len() == wanted.len() {
        return Ok(vec![format!(
            "none of its {} tensors{} is one of the {} expected{}",
            found.len(),
            some(&surplus),
            wanted.len(),
            some(&missing),
        )]);
    }
    let misshapen: Vec<String> = wanted
        .iter()
        .filter_map(|(name, shape)| {
            let found = *found.get(name.as_str())?;
            (found != shape).then(|| format!("{name} {found:?} instead of {shape:?}"))
        })
        .collect();
    let lists = [
        ("wrong shapes", shown(&misshapen)),
        ("missing", shown(&missing)),
        ("surplus", shown(&surplus)),
    ];
    let lists = lists.into_iter().filter(|(_, names)| !names.is_empty());
    Ok(lists.map(|(what, names)| format!("{what}: {names}")).collect())
}

/// The first names, and how many more there are.
fn shown<N: AsRef<str>>(names: &[N]) -> String {
    let first: Vec<&str> = names.iter().take(SHOWN).map(AsRef::as_ref).collect();
    match names.len().saturating_sub(SHOWN) {
        0 => first.join(", "),
        more => format!("{}, ... and {more} more", first.join(", ")),
    }
}

/// The first names, in brackets.
fn some<N: AsRef<str>>(names: &[N]) -> String {
    let shown: Vec<&str> = names.iter().take(NAMED).map(AsRef::as_ref).collect();
    let more = if names.len() > NAMED { ", ..." } else { "" };
    if shown.is_empty() { String::new() } else { format!(" ({}{more})", shown.join(", ")) }
}
