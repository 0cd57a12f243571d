//! What the Rust workers share. A worker is started as `PROGRAM ENGINE FOLDER THREADS`. For each line that it
//! reads, it writes one line. `peers/protocol.py` describes the lines, and does the same in Python.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fs::File;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;
use ndarray_npy::{WriteNpyExt, read_npy};
use rayon::ThreadPoolBuilder;
use serde::Deserialize;

/// The result of a worker's functions. An error goes to the run as one line, so its type does not matter.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// An engine to compare.
pub trait Engine {
    /// The variants in which it can run.
    fn variants(&self) -> Vec<&'static str> {
        vec!["c"]
    }

    /// Loads a model and its inputs from the folder, in one of these variants.
    fn load(&self, folder: &Path, variant: &str, model: &str) -> Result<Model>;
}

/// A model and its inputs, ready to run. Each call runs the model once.
pub type Model = Box<dyn FnMut() -> Result<Output>>;

/// The output of a run. It is converted to an array only when it is called.
pub type Output = Box<dyn FnOnce() -> Result<ArrayD<f32>>>;

/// Serves the engine that the command line names. If that fails, ends with status 2 and a message.
pub fn main(start: impl FnOnce(&str, &Path, usize) -> Result<()>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let served = match &arguments[..] {
        [engine, folder, threads] => match threads.parse() {
            Ok(threads) => start(engine, Path::new(folder), threads),
            Err(error) => Err(format!("{threads} threads: {error}").into()),
        },
        _ => Err("the arguments must be ENGINE FOLDER THREADS".into()),
    };
    if let Err(error) = served {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

/// Does `work` on one of the threads of a pool of `threads` threads.
pub fn in_pool(threads: usize, work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    ThreadPoolBuilder::new().num_threads(threads).build()?.install(work)
}

/// Answers until the input ends.
pub fn serve(folder: &Path, engine: &dyn Engine) -> Result<()> {
    let variants = engine.variants();
    say(&serde_json::json!({ "variants": variants, "version": null }).to_string())?;
    let mut timed = HashMap::new();
    for line in stdin().lines() {
        let answer = answer(folder, engine, &mut timed, &line?);
        say(&answer.unwrap_or_else(|error| format!("error {error}").replace('\n', " ")))?;
    }
    Ok(())
}

fn answer(
    folder: &Path,
    engine: &dyn Engine,
    timed: &mut HashMap<String, Model>,
    line: &str,
) -> Result<String> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["check", variant, name] => {
            let output = engine.load(folder, variant, name)?()?()?;
            let path = folder.join(format!("{variant}.{name}.out.npy"));
            let file = File::create(&path).map_err(|error| failed(&path, &error))?;
            output.write_npy(file).map_err(|error| failed(&path, &error))?;
            Ok("done".to_owned())
        }
        ["run", variant, times] => {
            let times: usize = times.parse()?;
            let model = match timed.entry(variant.to_owned()) {
                Entry::Occupied(loaded) => loaded.into_mut(),
                Entry::Vacant(place) => place.insert(engine.load(folder, variant, "whole")?),
            };
            let mut taken = Vec::with_capacity(times);
            for _ in 0..times {
                let start = Instant::now();
                let output = model()?;
                taken.push(start.elapsed().as_nanos().to_string());
                // Dropped here, so that each iteration gets the same memory as the last.
                drop(output);
            }
            Ok(taken.join(" "))
        }
        _ => Err(format!("cannot read {line:?}").into()),
    }
}

fn say(line: &str) -> Result<()> {
    let mut stdout = stdout();
    writeln!(stdout, "{line}")?;
    Ok(stdout.flush()?)
}

/// A model, as `peers/graph.py` writes it.
#[derive(Deserialize)]
pub struct Graph {
    /// What it reads.
    pub inputs: Vec<Input>,
    /// What it does, in order. The last step gives the output.
    pub steps: Vec<Step>,
}

/// A tensor that a model reads.
#[derive(Deserialize)]
pub struct Input {
    /// Its name in the model.
    pub name: String,
    /// Where its numbers are.
    pub file: String,
}

/// One operation.
#[derive(Deserialize)]
pub struct Step {
    /// Its name.
    pub op: String,
    /// The names of the tensors that it reads.
    pub reads: Vec<String>,
    /// The name of the tensor that it makes.
    pub makes: String,
    /// Only for a convolution.
    #[serde(default)]
    pub stride: usize,
    /// Only for a convolution.
    #[serde(default)]
    pub pad: usize,
    /// Only for a convolution.
    #[serde(default)]
    pub groups: usize,
}

/// A model of a job, and its inputs in order.
pub fn graph(folder: &Path, model: &str) -> Result<(Graph, Vec<ArrayD<f32>>)> {
    let path = folder.join(format!("{model}.json"));
    let graph: Graph =
        serde_json::from_str(&text(&path)?).map_err(|error| failed(&path, &error))?;
    let read = |input: &Input| {
        let path = folder.join(&input.file);
        read_npy(&path).map_err(|error| failed(&path, &error))
    };
    let inputs = graph.inputs.iter().map(read).collect::<Result<_>>()?;
    Ok((graph, inputs))
}

/// The text of a file.
pub fn text(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).map_err(|error| failed(path, &error))
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Box<dyn std::error::Error + Send + Sync> {
    format!("{}: {error}", path.display()).into()
}
