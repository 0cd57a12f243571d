//! triform as a worker, and the processor's peak: `ours triform FOLDER THREADS`, `ours peak - THREADS`.

mod block_or_network;
mod peak;

use block_or_network::Ours;
use worker::protocol::serve;

fn main() {
    worker::main(|engine, folder, threads| match engine {
        "triform" => worker::in_pool(threads, || serve(folder, &Ours::new(folder)?)),
        "peak" => {
            println!("{}", peak::gflops(threads)?);
            Ok(())
        }
        other => Err(format!("no engine {other}").into()),
    });
}
