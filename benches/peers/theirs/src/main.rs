//! The peers in Rust as workers: `theirs tract FOLDER THREADS`, `theirs candle FOLDER THREADS`.

mod candle;
mod tract;

use worker::serve;

fn main() {
    worker::main(|engine, folder, threads| match engine {
        "candle" => worker::in_pool(threads, || serve(folder, &candle::Candle::new(folder)?)),
        // tract has its own pool.
        "tract" => serve(folder, &tract::Tract::new(threads)),
        other => Err(format!("no engine {other}").into()),
    });
}
