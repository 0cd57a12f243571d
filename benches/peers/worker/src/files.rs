//! The files of a job.

use std::fs::File;
use std::path::Path;

use ndarray::ArrayD;
use ndarray_npy::{WriteNpyExt, read_npy};
use serde::Deserialize;

use crate::Result;

/// A model, as `peers/graph.py` writes it.
#[derive(Clone, Deserialize)]
pub struct Graph {
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it does, in order; the last one gives the output.
    pub steps: Vec<Step>,
}

/// A tensor that a model reads.
#[derive(Clone, Deserialize)]
pub struct Input {
    /// Its name in the model.
    pub name: String,
    /// Where its numbers are.
    pub file: String,
}

/// One operation.
#[derive(Clone, Deserialize)]
pub struct Step {
    /// Its name.
    pub op: String,
    /// The names of the tensors that it reads.
    pub reads: Vec<String>,
    /// The name of the tensor that it makes.
    pub makes: String,
    /// Of a convolution.
    #[serde(default)]
    pub stride: usize,
    /// Of a convolution.
    #[serde(default)]
    pub pad: usize,
    /// Of a convolution.
    #[serde(default)]
    pub groups: usize,
}

/// A model of a job, and its inputs in order.
pub fn graph(folder: &Path, model: &str) -> Result<(Graph, Vec<ArrayD<f32>>)> {
    let path = folder.join(format!("{model}.json"));
    let text = text(&path)?;
    let graph: Graph = serde_json::from_str(&text).map_err(|error| failed(&path, &error))?;
    let inputs = graph.inputs.iter().map(|input| read(&folder.join(&input.file)));
    let inputs = inputs.collect::<Result<_>>()?;
    Ok((graph, inputs))
}

/// The text of a file.
pub fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| failed(path, &error))
}

/// A `.npy` file.
pub fn read(path: &Path) -> Result<ArrayD<f32>> {
    read_npy(path).map_err(|error| failed(path, &error))
}

/// Writes a `.npy` file.
pub fn write(path: &Path, array: &ArrayD<f32>) -> Result<()> {
    let file = File::create(path).map_err(|error| failed(path, &error))?;
    array.write_npy(file).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{}: {error}", path.display()).into()
}
