//! Times of several workloads, measured round by round.

use std::time::{Duration, Instant};

use triform::error::{Error, Result};

/// How often each workload is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounds {
    /// This number of times.
    Of(usize),
    /// As often as fits into this time per workload, but at least [`LEAST`] times and at most 1000 times.
    Within(Duration),
}

impl Default for Rounds {
    /// A quarter of a second for each workload.
    fn default() -> Self {
        Self::Within(Duration::from_millis(250))
    }
}

/// The fewest rounds, however long they take. The median of fewer rounds says little.
pub const LEAST: usize = 5;
/// The most rounds. More of them would not change the shortest time.
const MOST: usize = 1000;

/// The times of one workload, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Times {
    /// The minimum: the time of the least disturbed run.
    pub min_ms: f64,
    /// The median.
    pub median_ms: f64,
}

/// A workload that can be run again and again. Its result is dropped outside the measured time.
pub type Work<'a> = Box<dyn FnMut() -> Result<ndarray::Array4<f32>> + 'a>;

/// Times each workload once per round, so that whatever slows the machine for a while slows all of them
/// alike. The first round is not timed. `None` if `stopped` returned true.
///
/// Errors: the first error of a workload; [`Error::Zero`] for no rounds.
pub fn in_turn(
    work: &mut [Work<'_>],
    rounds: Rounds,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Vec<Times>>> {
    if rounds == Rounds::Of(0) {
        return Err(Error::Zero { what: "number of rounds" });
    }
    for piece in &mut *work {
        piece()?;
    }
    let mut taken: Vec<Vec<f64>> = vec![Vec::new(); work.len()];
    let (start, mut done) = (Instant::now(), 0);
    while match rounds {
        Rounds::Of(rounds) => done < rounds,
        Rounds::Within(each) => {
            done < LEAST || (done < MOST && start.elapsed() < each * work.len() as u32)
        }
    } {
        for (piece, taken) in work.iter_mut().zip(&mut taken) {
            if stopped() {
                return Ok(None);
            }
            let since = Instant::now();
            let output = piece()?;
            taken.push(since.elapsed().as_secs_f64() * 1e3);
            drop(output);
        }
        done += 1;
    }
    Ok(Some(taken.into_iter().map(Times::of).collect()))
}

impl Times {
    /// Expects at least one time.
    fn of(mut taken: Vec<f64>) -> Self {
        taken.sort_unstable_by(f64::total_cmp);
        let (below, above) = (taken[(taken.len() - 1) / 2], taken[taken.len() / 2]);
        Self { min_ms: taken[0], median_ms: (below + above) / 2.0 }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::time::Duration;

    use ndarray::Array4;

    use super::{LEAST, Rounds, Times, Work, in_turn};

    #[test]
    fn the_work_is_done_in_turn_and_the_first_round_is_not_timed() {
        let log = RefCell::new(String::new());
        let piece = |letter: char| -> Work<'_> {
            let log = &log;
            Box::new(move || {
                log.borrow_mut().push(letter);
                Ok(Array4::zeros((1, 1, 1, 1)))
            })
        };
        let times = in_turn(&mut [piece('a'), piece('b')], Rounds::Of(3), &|| false).unwrap();
        assert_eq!(times.unwrap().len(), 2);
        assert_eq!(log.take(), "abababab");
        let within = Rounds::Within(Duration::ZERO);
        in_turn(&mut [piece('a')], within, &|| false).unwrap();
        assert_eq!(log.take().len(), 1 + LEAST);
        let stopped = in_turn(&mut [piece('a')], Rounds::Of(3), &|| true).unwrap();
        assert!(stopped.is_none());
        assert!(in_turn(&mut [piece('a')], Rounds::Of(0), &|| false).is_err());
    }

    #[test]
    fn the_median_is_in_the_middle() {
        assert_eq!(Times::of(vec![4.0, 1.0, 2.0]), Times { min_ms: 1.0, median_ms: 2.0 });
        assert_eq!(Times::of(vec![4.0, 1.0, 2.0, 8.0]), Times { min_ms: 1.0, median_ms: 3.0 });
    }
}
