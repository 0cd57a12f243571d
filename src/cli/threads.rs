//! `--threads`.

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::number;
use crate::error::{Error, Result};

/// More would only take memory.
const MAX_THREADS: u64 = 1024;

/// As many threads as are asked for; as there are processors, if none are.
pub(super) fn pool(threads: Option<&str>) -> Result<ThreadPool> {
    let threads = match threads {
        Some(text) => match number("number of threads", text)? {
            0 => return Err(Error::Zero { what: "number of threads" }),
            threads if threads <= MAX_THREADS => threads as usize,
            threads => {
                let words = format!("{threads} threads are too many; at most {MAX_THREADS}");
                return Err(Error::Usage(words));
            }
        },
        None => 0, // rayon's word for all processors
    };
    let pool = ThreadPoolBuilder::new().num_threads(threads).build();
    pool.map_err(|error| Error::Usage(format!("cannot start threads: {error}")))
}
