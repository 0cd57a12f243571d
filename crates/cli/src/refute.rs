//! `triform refute` and `triform explain`: what wrong blocks look like, and why the right ones are one.

use std::path::Path;
use std::sync::atomic::Ordering;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::args::{ExplainOptions, RefuteOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, progress};
use crate::report::{claims as claim, explain as argument, refute};
use triform::claims;
use triform::gallery::matrix::{self, Cell, Row};
use triform::gallery::witness::{Smallest, smallest};
use triform::gallery::{ALL, Mistake, named};

/// Tells the argument; or one claim, which it checks: the status is [`REFUTED`] if that fails.
pub(super) fn explain(options: &ExplainOptions, context: &mut Context<'_>) -> Result<u8> {
    let (text, holds) = match &options.claim {
        Some(name) => claim::one(claims::named(name)?, options.markdown)?,
        None => (argument::argument(options.markdown)?, true),
    };
    context.print(&text)?;
    Ok(if holds { HOLDS } else { REFUTED })
}

/// Runs every rung on every mistake, or on the one that is named, and reports what came of it. The
/// status is [`HOLDS`] if each was refuted by a rung.
pub(super) fn run(options: &RefuteOptions, context: &mut Context<'_>) -> Result<u8> {
    let seed = options.seed.seed;
    let json = options.json.json.as_ref();
    let gallery: Vec<Mistake> = match &options.name {
        Some(name) => vec![*named(name)?],
        None => ALL.to_vec(),
    };
    let file = json.and_then(Destination::path).and_then(Path::to_str);
    if let Some(name) = file.filter(|name| named(name).is_ok()) {
        let words = format!("--json {name}: name the mistake first, or the file as ./{name}");
        return Err(Error::Usage(words));
    }
    let target = Target::open(json)?;
    if options.markdown && target.is_output() {
        return Err(Error::Usage("--markdown and --json both want standard output".to_owned()));
    }

    let interrupted = context.interrupted;
    let rows = progress::with_bar(interrupted, |bar| matrix::run(&gallery, seed, bar))?;
    let rows = rows.unwrap_or_default();
    let with_witness = |row: &Row| {
        let go_on = !interrupted.load(Ordering::Relaxed);
        let smallest = if go_on { smallest(&row.mistake, seed)? } else { None };
        Ok((row.clone(), smallest))
    };
    // The gallery in words has no room for witnesses.
    let wanted = options.name.is_some() || json.is_some();
    let some = if wanted { &rows[..] } else { &[] };
    let found: Vec<(Row, Option<Smallest>)> =
        some.into_par_iter().map(with_witness).collect::<Result<_>>()?;
    if rows.is_empty() || interrupted.load(Ordering::Relaxed) {
        if json.is_none() {
            context.print("Interrupted before the end; there is nothing to report.\n")?;
        }
        return Ok(INTERRUPTED);
    }
    let words = || match &found[..] {
        [(row, smallest)] if options.name.is_some() => {
            Ok(refute::one(row, smallest.as_ref(), seed.0, options.markdown)?)
        }
        _ => Ok(refute::gallery(&rows, seed.0, options.markdown)),
    };
    target.report(context, words, || Ok(refute::json(&found)))?;
    Ok(status(&rows))
}

/// Whether each wrong block was refuted.
fn status(rows: &[Row]) -> u8 {
    let refuted = |row: &Row| !row.rungs(Cell::Refuted).is_empty();
    if rows.iter().all(refuted) { HOLDS } else { REFUTED }
}

#[cfg(test)]
mod tests {
    use triform::evidence::rungs::Rung;

    use super::{ALL, Cell, HOLDS, REFUTED, Row, status};

    #[test]
    fn one_that_is_not_refuted_fails() {
        let row = |cell| Row {
            mistake: ALL[0],
            cells: [cell; Rung::ALL.len()],
            cases: [1; Rung::ALL.len()],
        };
        assert_eq!(status(&[row(Cell::Refuted), row(Cell::Refuted)]), HOLDS);
        assert_eq!(status(&[row(Cell::Refuted), row(Cell::Missed)]), REFUTED);
        assert_eq!(status(&[row(Cell::NotApplicable)]), REFUTED);
    }
}
