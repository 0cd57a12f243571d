//! `triform refute`.

use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::args::RefuteOptions;
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::{HOLDS, INTERRUPTED, REFUTED, print, progress};
use crate::report::{gallery_json, refute};
use triform::gallery::matrix::{self, Cell, Row};
use triform::gallery::witness::{Smallest, smallest};
use triform::gallery::{ALL, Mistake, named};

/// Runs every rung on every mistake, or on the one that is named, and reports what came of it. The
/// status is [`HOLDS`] if each was refuted by a rung.
pub(super) fn run(
    options: &RefuteOptions,
    output: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
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

    let bar = progress::Bar::new(interrupted);
    let rows = matrix::run(&gallery, seed, &bar);
    drop(bar);
    let stopped = |output: &mut dyn Write| {
        if json.is_none() {
            print(output, "Interrupted before the end; there is nothing to report.\n")?;
        }
        Ok(INTERRUPTED)
    };
    let Some(rows) = rows? else { return stopped(output) };

    // The gallery in words has no room for witnesses.
    let with_witnesses = |rows: Vec<Row>| -> Result<Vec<(Row, Option<Smallest>)>> {
        let with_witness = |row: Row| {
            let go_on = !interrupted.load(Ordering::Relaxed);
            let smallest = if go_on { smallest(&row.mistake, seed)? } else { None };
            Ok((row, smallest))
        };
        rows.into_par_iter().map(with_witness).collect()
    };
    let text = |rows: &[Row], found: &[(Row, Option<Smallest>)]| match found {
        [(row, smallest)] if options.name.is_some() => {
            refute::one(row, smallest.as_ref(), seed.0, options.markdown)
        }
        _ => Ok(refute::gallery(rows, seed.0, options.markdown)),
    };
    let wanted = options.name.is_some() || json.is_some();
    let found = if wanted { with_witnesses(rows.clone())? } else { Vec::new() };
    if interrupted.load(Ordering::Relaxed) {
        return stopped(output);
    }
    target.print(output, || Ok(text(&rows, &found)?), || Ok(gallery_json::render(&found)))?;
    target.write(|| Ok(gallery_json::render(&found)))?;
    Ok(status(&rows))
}

/// Whether each wrong block was refuted.
fn status(rows: &[Row]) -> u8 {
    let refuted = |row: &Row| !row.rungs(Cell::Refuted).is_empty();
    if rows.iter().all(refuted) { HOLDS } else { REFUTED }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Cell, HOLDS, REFUTED, Row, status};

    #[test]
    fn one_that_is_not_refuted_fails() {
        let row = |cell| Row { mistake: ALL[0], cells: [cell; 9], cases: [1; 9] };
        assert_eq!(status(&[row(Cell::Refuted), row(Cell::Refuted)]), HOLDS);
        assert_eq!(status(&[row(Cell::Refuted), row(Cell::Missed)]), REFUTED);
        assert_eq!(status(&[row(Cell::NotApplicable)]), REFUTED);
    }
}
