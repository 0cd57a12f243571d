//! Divides work into tiles of nearly the same size, and into pieces for the threads.

use std::cell::Cell;
use std::ops::Range;

use rayon::iter::{IndexedParallelIterator, IntoParallelIterator, ParallelIterator};

/// Divides a range into as few parts as possible, of at most `most` elements each. All parts have nearly the same
/// length, because a short part would be slow.
pub(crate) fn balanced(range: Range<usize>, most: usize) -> impl Iterator<Item = Range<usize>> {
    into_parts(range.clone(), range.len().div_ceil(most))
}

/// Divides a range into `parts` parts of nearly the same length. The longer parts are spread among the shorter ones.
/// So if the list of parts is split in half between threads, both halves have nearly the same length too.
pub(crate) fn into_parts(range: Range<usize>, parts: usize) -> impl Iterator<Item = Range<usize>> {
    let length = range.len();
    let short = length.checked_div(parts).unwrap_or(0);
    let (longer, mut rest, mut start) = (length - short * parts, 0, range.start);
    (0..parts).map(move |_| {
        let one_more = usize::from(rest + longer >= parts);
        rest = rest + longer - one_more * parts;
        let end = start + short + one_more;
        std::mem::replace(&mut start, end)..end
    })
}

thread_local! {
    static ALONE: Cell<bool> = const { Cell::new(false) };
}

/// Does `work`, including all its convolutions, on the calling thread alone, whatever the size of the rayon pool. It
/// is meant for callers that measure the time of one thread.
///
/// No other thread is started:
///
/// ```standalone_crate
/// use ndarray::Array4;
/// use triform_kernels::{Epilogue, Kernel, Level, Spec, conv, on_one_thread};
///
/// let weights = Array4::from_elem((64, 64, 3, 3), 1.0);
/// let kernel = Kernel::new(weights.view(), Spec::default(), Level::default())?;
/// let x = Array4::from_elem((1, 64, 30, 30), 1.0);
/// on_one_thread(|| conv(x.view(), &kernel, Epilogue::NONE))?;
/// assert!(rayon::ThreadPoolBuilder::new().build_global().is_ok(), "rayon was not asked");
/// # Ok::<(), triform_kernels::Error>(())
/// ```
pub fn on_one_thread<R>(work: impl FnOnce() -> R) -> R {
    /// Restores the previous setting, even after a panic.
    struct Before(bool);
    impl Drop for Before {
        fn drop(&mut self) {
            ALONE.set(self.0);
        }
    }
    let _before = Before(ALONE.replace(true));
    work()
}

/// The number of threads for a convolution. Asking rayon may start its threads. So rayon is not asked if only one
/// thread is wanted. It is not asked on wasm either, which has no threads.
pub(crate) fn threads() -> usize {
    if ALONE.get() || cfg!(target_family = "wasm") { 1 } else { rayon::current_num_threads() }
}

/// The least number of multiply-adds that makes another thread worthwhile.
const WORTH_A_THREAD: usize = 200_000;

/// The number of parts into which `macs` multiply-adds are divided. It is 1 if the work stays on one thread.
/// Otherwise there are a few parts for each thread, so that no thread waits long for the others.
pub(crate) fn parts(macs: usize) -> usize {
    if macs < 2 * WORTH_A_THREAD {
        return 1;
    }
    match threads() {
        1 => 1,
        threads => (4 * threads).min(macs / WORTH_A_THREAD),
    }
}

/// Does `work` for all pieces, on all threads. Consecutive pieces form at most `runs` runs, and each run stays on one
/// thread. What a piece computes does not depend on the thread.
pub(crate) fn in_runs<T: Send>(pieces: Vec<T>, runs: usize, work: impl Fn(T) + Sync + Send) {
    if runs <= 1 || pieces.len() <= 1 || threads() == 1 {
        return pieces.into_iter().for_each(work);
    }
    let length = pieces.len().div_ceil(runs);
    pieces.into_par_iter().with_min_len(length).with_max_len(length).for_each(work);
}

#[cfg(test)]
mod tests {
    use super::{balanced, into_parts, on_one_thread, threads};

    #[test]
    fn alone_is_one_thread_until_the_work_is_done() {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(3).build().unwrap();
        pool.install(|| {
            assert_eq!((threads(), on_one_thread(threads), threads()), (3, 1, 3));
            let nested = on_one_thread(|| (on_one_thread(threads), threads()));
            assert_eq!(nested, (1, 1));
            assert!(std::panic::catch_unwind(|| on_one_thread(|| panic!("on purpose"))).is_err());
            assert_eq!(threads(), 3);
        });
    }

    #[test]
    fn parts_are_balanced_and_follow_one_another() {
        for length in 0..60 {
            for parts in 1..20 {
                let cut: Vec<_> = into_parts(3..3 + length, parts).collect();
                assert!(cut.iter().all(|part| part.len() - length / parts <= 1));
                assert!(cut.iter().cloned().flatten().eq(3..3 + length) && cut.len() == parts);
                let half = cut[..parts / 2].iter().map(|part| part.len()).sum::<usize>();
                assert!(parts % 2 == 1 || (2 * half).abs_diff(length) <= 1, "{length} in {parts}");
                let fewest: Vec<_> = balanced(3..3 + length, parts).collect();
                assert!(fewest.iter().all(|part| part.len() <= parts));
                assert_eq!(fewest.len(), length.div_ceil(parts));
            }
        }
        assert_eq!(into_parts(0..5, 0).count(), 0);
    }
}
