//! triform as a worker, and the processor's peak: `ours triform FOLDER THREADS`, `ours peak - THREADS`.

mod block_or_network;

use block_or_network::Ours;
use rayon::ThreadPoolBuilder;
use triform::conv::{Level, Peak};
use worker::{Result, serve};

fn main() {
    worker::main(|engine, folder, threads| match engine {
        "triform" => worker::in_pool(threads, || serve(folder, &Ours::new(folder)?)),
        "peak" => {
            println!("{}", gflops(threads)?);
            Ok(())
        }
        other => Err(format!("no engine {other}").into()),
    });
}

/// Billions of operations per second of all threads together. The best of a few runs counts, since it takes a while
/// until each new thread has its own processor.
fn gflops(threads: usize) -> Result<f64> {
    let pool = ThreadPoolBuilder::new().num_threads(threads).build()?;
    let once = || pool.broadcast(|_| Peak::measure(Level::best()).flops).into_iter().sum::<f64>();
    Ok((0..4).map(|_| once()).fold(0.0, f64::max) / 1e9)
}
