//! The weights of a network from a checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::architecture::Architecture;
use super::checkpoint::{Checkpoint, Entry};
use super::state_dict::state_dict;
use super::weights::NetworkWeights;
use super::zoo;
use crate::error::{Error, Result};

/// Names that a message lists before it counts the rest.
const NAMED: usize = 6;

/// Loads a network: checks all names and shapes first, then reads tensor by tensor.
///
/// # Errors
///
/// [`Error::Checkpoint`], which names all that is missing, surplus or misshapen (and the network of the
/// zoo that the checkpoint does fit); [`Error::NotFinite`] for NaN and infinities, with the tensor's name;
/// those of [`NetworkWeights::assemble`].
pub fn load(
    architecture: &Architecture,
    checkpoint: &mut dyn Checkpoint,
    path: &Path,
) -> Result<NetworkWeights> {
    let complaints = complaints(architecture, checkpoint.entries())?;
    if !complaints.is_empty() {
        let mut why = format!("it is not {}: {}", architecture.name, complaints.join("; "));
        if let Some(other) = fitting(checkpoint.entries())? {
            why += &format!("; it fits {other}");
        }
        return Err(Error::Checkpoint { path: path.to_owned(), why });
    }
    let index: BTreeMap<String, usize> = checkpoint
        .entries()
        .iter()
        .enumerate()
        .map(|(number, entry)| (entry.name.clone(), number))
        .collect();
    NetworkWeights::assemble(architecture, &mut |name, _| {
        let missing =
            || Error::Checkpoint { path: path.to_owned(), why: format!("{name} is missing") };
        let numbers = checkpoint.read(*index.get(name).ok_or_else(missing)?)?;
        if let Some(wild) = numbers.iter().position(|number| !number.is_finite()) {
            let why = format!("{name}, number {wild}: {}, not a finite number", numbers[wild]);
            return Err(Error::Checkpoint { path: path.to_owned(), why });
        }
        Ok(numbers)
    })
}

/// The network of the zoo that a checkpoint fits.
///
/// # Errors
///
/// None in practice.
pub fn fitting(entries: &[Entry]) -> Result<Option<String>> {
    for network in zoo::all()? {
        if complaints(&network, entries)?.is_empty() {
            return Ok(Some(network.name));
        }
    }
    Ok(None)
}

/// What is wrong with the names and shapes of a checkpoint, for a network.
fn complaints(architecture: &Architecture, entries: &[Entry]) -> Result<Vec<String>> {
    let wanted = state_dict(architecture)?;
    let found: BTreeMap<&str, &Entry> =
        entries.iter().map(|entry| (entry.name.as_str(), entry)).collect();
    let names: BTreeSet<&str> = wanted.iter().map(|(name, _)| name.as_str()).collect();
    let missing = wanted.iter().map(|(name, _)| name.as_str());
    let missing: Vec<String> =
        missing.filter(|name| !found.contains_key(name)).map(str::to_owned).collect();
    let surplus: Vec<String> = found
        .keys()
        .filter(|name| !names.contains(**name) && !name.ends_with("num_batches_tracked"))
        .map(|name| (*name).to_owned())
        .collect();
    let misshapen: Vec<String> = wanted
        .iter()
        .filter_map(|(name, shape)| {
            let entry = found.get(name.as_str())?;
            let differs = entry.shape != *shape;
            differs.then(|| format!("{name} {:?} instead of {shape:?}", entry.shape))
        })
        .collect();
    let lists = [("missing", missing), ("surplus", surplus), ("of another shape", misshapen)];
    Ok(lists
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", listed(&names)))
        .collect())
}

/// All of them, or as many as a line takes and how many more.
fn listed(names: &[String]) -> String {
    let shown = names[..names.len().min(NAMED)].join(", ");
    match names.len().checked_sub(NAMED) {
        Some(more) if more > 0 => format!("{shown} and {more} more"),
        _ => shown,
    }
}
