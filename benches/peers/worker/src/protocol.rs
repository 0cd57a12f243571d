//! What the workers have in common: one line in, one line out. `peers/protocol.py` is the same in Python.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::io::{Write, stdin, stdout};
use std::path::Path;
use std::time::Instant;

use ndarray::ArrayD;

use crate::{Result, files};

/// What is compared.
pub trait Engine {
    /// The ways in which it can be run.
    fn variants(&self) -> Vec<&'static str>;
    /// A model of the folder in one of these ways, with its input, ready to run.
    fn load(&self, variant: &str, model: &str) -> Result<Box<dyn Model>>;
}

/// A model and its input.
pub trait Model {
    /// Runs it once, and keeps the output until the next run.
    fn run(&mut self) -> Result<()>;
    /// The last output.
    fn output(&self) -> Result<ArrayD<f32>>;
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
    timed: &mut HashMap<String, Box<dyn Model>>,
    line: &str,
) -> Result<String> {
    match line.split_whitespace().collect::<Vec<_>>()[..] {
        ["check", variant, name] => {
            let mut model = engine.load(variant, name)?;
            model.run()?;
            let path = folder.join(format!("{variant}.{name}.out.npy"));
            files::write(&path, &model.output()?)?;
            Ok("done".to_owned())
        }
        ["run", variant, times] => {
            let times: usize = times.parse()?;
            let model = match timed.entry(variant.to_owned()) {
                Entry::Occupied(loaded) => loaded.into_mut(),
                Entry::Vacant(place) => place.insert(engine.load(variant, "whole")?),
            };
            let mut taken = Vec::with_capacity(times);
            for _ in 0..times {
                let start = Instant::now();
                model.run()?;
                taken.push(start.elapsed().as_nanos().to_string());
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
