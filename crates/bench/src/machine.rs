//! What a time depends on: the machine, its roof, the day.

use std::time::SystemTime;

use rayon::ThreadPool;
use sysinfo::{CpuRefreshKind, RefreshKind, System};

use triform::conv::{Peak, read_bandwidth};
use triform::evidence::speed::{Machine, Roof};

/// Bytes read, by all threads together, to see the memory: more than the last cache of most machines.
const MEMORY: usize = 256 << 20;
/// Bytes read, by each thread, to see its second cache: more than the first, less than the second.
const CACHE: usize = 256 << 10;

/// The processor's own name.
fn cpu() -> String {
    let processors = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(processors);
    let brand = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    if brand.is_empty() { std::env::consts::ARCH.to_owned() } else { brand.to_owned() }
}

/// What the record of a run on this machine, today, is called: `2026-11-24-amd-epyc.json`.
pub fn record_name() -> String {
    let cpu = cpu().to_lowercase();
    let words = cpu.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let words: Vec<&str> = words.collect();
    format!("{}-{}.json", today(), words.join("-"))
}

fn processors() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The machine that this runs on.
pub(super) fn machine(peak: &Peak) -> Machine {
    Machine { cpu: cpu(), processors: processors(), instructions: peak.instructions.to_owned() }
}

/// The roof over the threads of a pool: the peak of one times their number, or that of the processors if
/// these are fewer, and what they read at once.
pub(super) fn roof(peak: &Peak, pool: &ThreadPool) -> Roof {
    let threads = pool.current_num_threads();
    let together =
        |bytes: usize| pool.broadcast(|_| read_bandwidth(bytes)).into_iter().sum::<f64>() / 1e9;
    let at_once = threads.min(processors());
    // Of threads that take turns each measures while it has a processor.
    let share = at_once as f64 / threads as f64;
    Roof {
        threads,
        gflops: at_once as f64 * peak.flops / 1e9,
        memory_gb_s: share * together(MEMORY / threads),
        cache_gb_s: share * together(CACHE),
    }
}

/// Today, in universal time, as 2026-11-24.
pub(super) fn today() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned()
}
