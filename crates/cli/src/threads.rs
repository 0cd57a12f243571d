//! `--threads`.

use rayon::{ThreadPool, ThreadPoolBuilder};

use super::error::{Error, Result};

/// As many threads as are asked for; as there are processors, if none are.
pub(super) fn pool(threads: Option<usize>) -> Result<ThreadPool> {
    // 0 is rayon's word for all processors.
    let pool = ThreadPoolBuilder::new().num_threads(threads.unwrap_or(0)).build();
    pool.map_err(|error| Error::Usage(format!("cannot start threads: {error}")))
}
