//! What the Rust workers have in common: `PROGRAM ENGINE FOLDER THREADS`, then line by line as
//! `peers/protocol.py` says.

pub mod files;
pub mod protocol;

use std::path::{Path, PathBuf};

use rayon::ThreadPoolBuilder;

/// What a worker's functions give. An error goes to the run as one line, and nobody tells them apart.
pub type Result<T> = std::result::Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// Serves the engine of the command line; ends with status 2 and a message where it cannot.
pub fn main(start: impl FnOnce(&str, &Path, usize) -> Result<()>) {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let served = match &arguments[..] {
        [engine, folder, threads] => match threads.parse() {
            Ok(threads) => start(engine, &PathBuf::from(folder), threads),
            Err(error) => Err(format!("{threads} threads: {error}").into()),
        },
        _ => Err("its arguments are ENGINE FOLDER THREADS".into()),
    };
    if let Err(error) = served {
        eprintln!("{error}");
        std::process::exit(2);
    }
}

/// Loads and runs inside a pool of so many threads, the one that calls among them.
pub fn in_pool(threads: usize, work: impl FnOnce() -> Result<()> + Send) -> Result<()> {
    ThreadPoolBuilder::new().num_threads(threads).build()?.install(work)
}
