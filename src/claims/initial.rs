//! Checks of what is said about initial weights.

use super::{Given, refuted};
use crate::error::{Error, Result};
use crate::evidence::Verdict;
use crate::network::architecture::Architecture;
use crate::network::init::{self, Fan};
use crate::network::zoo;
use crate::random::Seed;

/// He initialisation divides by fan_out: of the whole layer in form (c), of one path where 32
/// separate convolutions are initialised, as the released form (b) has them.
pub(super) fn of_the_released_forms(given: Given) -> Result<Verdict> {
    let block = zoo::named("256x32x4")?;
    let whole = spreads(&block, Fan::Whole)?;
    let path = spreads(&block, given.pick(Fan::Path, Fan::Whole))?;
    let expected = 32f64.sqrt();
    for (what, whole, path) in [
        ("spread of the first 1x1, (b) over (c)", whole.0, path.0),
        ("spread of the 3x3, (b) over (c)", whole.1, path.1),
    ] {
        let ratio = path / whole;
        // The same draws, scaled: the ratio is exact but for one rounding of each weight.
        if (ratio / expected - 1.0).abs() > 1e-6 {
            return Ok(refuted(what, &format!("{ratio:.3}"), &format!("{expected:.3}")));
        }
    }
    Ok(Verdict::Qualified {
        holds: format!(
            "standard deviations of {:.3} and {:.3} in the first 1x1, {:.4} and {:.4} in the 3x3: sqrt(32) = \
             {expected:.3} times",
            path.0, whole.0, path.1, whole.1
        ),
        but: "that is where training starts; with the same weights the forms are one function"
            .to_owned(),
    })
}

/// Standard deviations of the first 1x1 and of the 3x3.
fn spreads(block: &Architecture, fan: Fan) -> Result<(f64, f64)> {
    let mut spreads = Vec::new();
    init::network(block, Seed(0), fan)?.visit(&mut |name, _, numbers| {
        if name == "conv1.weight" || name == "conv2.weight" {
            let squares: f64 = numbers.iter().map(|weight| f64::from(*weight).powi(2)).sum();
            spreads.push((squares / numbers.len() as f64).sqrt());
        }
        Ok(())
    })?;
    match spreads[..] {
        [reduce, transform] => Ok((reduce, transform)),
        _ => Err(Error::Contradiction(format!("{} kernels before the last", spreads.len()))),
    }
}
