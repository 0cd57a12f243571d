//! The Rust workers of the comparison: `triform-peers ENGINE FOLDER THREADS`, then line by line as
//! `peers/protocol.py` says. `triform-peers peak THREADS` prints what the processor can do.

mod candle;
mod error;
mod files;
mod ours;
mod peak;
mod protocol;
mod tract;

use std::path::{Path, PathBuf};

use rayon::ThreadPoolBuilder;

use self::error::{Error, Result};

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Err(error) = run(&arguments) {
        eprintln!("triform-peers: {error}");
        std::process::exit(2);
    }
}

fn run(arguments: &[String]) -> Result<()> {
    let usage = || Error::Usage("triform-peers ENGINE FOLDER THREADS".to_owned());
    let number = |text: &str| text.parse().map_err(|_| usage());
    if let [peak, threads] = arguments
        && peak == "peak"
    {
        println!("{}", peak::gflops(number(threads)?)?);
        return Ok(());
    }
    let [engine, folder, threads] = arguments else { return Err(usage()) };
    let (folder, threads) = (PathBuf::from(folder), number(threads)?);
    match engine.as_str() {
        "triform" => in_pool(threads, &folder, |folder| {
            let engine = ours::Ours::new(folder)?;
            protocol::serve(folder, &engine)
        }),
        "candle" => in_pool(threads, &folder, |folder| {
            protocol::serve(folder, &candle::Candle::new(folder)?)
        }),
        // It has a pool of its own.
        "tract" => protocol::serve(&folder, &tract::Tract::new(&folder, threads)),
        _ => Err(usage()),
    }
}

/// Loads and runs inside a pool of so many threads, the one that calls among them.
fn in_pool(
    threads: usize,
    folder: &Path,
    work: impl FnOnce(&Path) -> Result<()> + Send,
) -> Result<()> {
    ThreadPoolBuilder::new().num_threads(threads).build()?.install(|| work(folder))
}
