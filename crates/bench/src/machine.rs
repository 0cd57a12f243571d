//! What a time depends on: the machine, its roofline, the day.

use std::time::{Instant, SystemTime};

use rayon::ThreadPool;
use sysinfo::{CpuRefreshKind, Pid, ProcessRefreshKind, ProcessesToUpdate, RefreshKind, System};

use triform::conv::{Level, Peak, read_bandwidth};
use triform::evidence::speed::{Machine, Roof};

/// How many bytes all threads together read to measure the memory: more than the last-level cache of most machines.
const MEMORY: usize = 256 << 20;
/// How many bytes each thread reads to measure its L2 cache: more than L1, less than L2.
const CACHE: usize = 256 << 10;

/// The processor's own name.
fn cpu() -> String {
    let processors = RefreshKind::nothing().with_cpu(CpuRefreshKind::nothing());
    let system = System::new_with_specifics(processors);
    let brand = system.cpus().first().map_or("", |cpu| cpu.brand().trim());
    if brand.is_empty() { std::env::consts::ARCH.to_owned() } else { brand.to_owned() }
}

/// The file name for the record of a run on this machine today: `2026-11-24-amd-epyc.json`.
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
pub fn machine() -> Machine {
    let instructions = Level::chosen().map_or_else(|_| String::new(), |level| level.to_string());
    Machine { cpu: cpu(), processors: processors(), instructions }
}

/// How much of the machine other programs use while this program runs.
pub(super) struct Load {
    system: System,
    since: Instant,
    own_ms: u64,
}

impl Load {
    pub(super) fn start() -> Self {
        let mut load = Self { system: System::new(), since: Instant::now(), own_ms: 0 };
        load.own_ms = load.refreshed_own_ms();
        load
    }

    /// Updates the usage of the processors and returns the processor time of this program.
    fn refreshed_own_ms(&mut self) -> u64 {
        self.system.refresh_cpu_usage();
        let this = Pid::from_u32(std::process::id());
        let (which, what) =
            (ProcessesToUpdate::Some(&[this]), ProcessRefreshKind::nothing().with_cpu());
        self.system.refresh_processes_specifics(which, false, what);
        self.system.process(this).map_or(0, |process| process.accumulated_cpu_time())
    }

    /// The fraction of the processors that other programs used since the start, if the system reports it.
    pub(super) fn of_others(mut self) -> f64 {
        let before = self.own_ms;
        let own = self.refreshed_own_ms().saturating_sub(before) as f64;
        let all = self.since.elapsed().as_secs_f64() * 1e3 * self.system.cpus().len() as f64;
        (f64::from(self.system.global_cpu_usage()) / 100.0 - own / all).clamp(0.0, 1.0)
    }
}

/// The roofline for the threads of a pool. Its peak is the peak of one thread times the number of threads, or times the
/// number of processors if there are fewer. Its bandwidth is that of all threads together.
pub(super) fn roof(peak: &Peak, pool: &ThreadPool) -> Roof {
    let threads = pool.current_num_threads();
    let together =
        |bytes: usize| pool.broadcast(|_| read_bandwidth(bytes)).into_iter().sum::<f64>() / 1e9;
    // Threads that take turns each measure only while they have a processor.
    let share = threads.min(processors()) as f64 / threads as f64;
    Roof {
        threads,
        gflops: peak_of(peak, threads),
        memory_gb_s: share * together(MEMORY / threads),
        cache_gb_s: share * together(CACHE),
    }
}

/// The peak of `threads` threads in 10^9 FLOPs per second, counting at most one thread per processor.
pub(super) fn peak_of(one: &Peak, threads: usize) -> f64 {
    threads.min(processors()) as f64 * one.flops / 1e9
}

/// Today, in universal time, as 2026-11-24.
pub(super) fn today() -> String {
    humantime::format_rfc3339_seconds(SystemTime::now()).to_string()[..10].to_owned()
}
