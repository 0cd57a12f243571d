//! Runs every rung on every mistake. The results show which mistakes a rung refutes, which it misses, and which do not
//! apply to it.
//!
//! Each cell is the result of a run, and none is written by hand. A mistake is *refuted* if the rung gave a witness
//! against the wrong form. It is *missed* if the rung ran to its end without a witness. It is *not applicable* if it
//! could not show in any run, for example because there was no second path or no padding. A rung stops at its first
//! witness.
//!
//! A rung that uses random blocks runs [`CASES`] cases of the generator. The symbolic rung runs its small shapes. The
//! exhaustive rung runs all its shapes, but skips the rest of a shape if the mistake did not apply in the first part.

use std::collections::BTreeSet;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use super::Mistake;
use crate::block::Form;
use crate::error::{Error, Result};
use crate::evidence::rungs::{GoOn, Rung};
use crate::evidence::verify::one_case;
use crate::evidence::{AnyForm, Evidence, Forms, Progress, Value, Witness, sample};
use crate::random::Seed;

/// How many random blocks a rung tries before the mistake counts as missed.
pub const CASES: u64 = 64;

/// The result of a rung on a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// The rung gave a witness.
    Refuted,
    /// The rung ran to its end without a witness.
    Missed,
    /// The mistake did not apply in any run.
    NotApplicable,
    /// The rung was not asked for.
    NotRun,
}

/// A mistake, and the result of each rung on it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The wrong block.
    pub mistake: Mistake,
    /// The results, in the order of [`Rung::ALL`].
    pub cells: [Cell; Rung::ALL.len()],
    /// How many cases each rung ran. A rung that refutes the mistake stops there.
    pub cases: [u64; Rung::ALL.len()],
}

impl Row {
    /// The rungs with this result.
    pub fn rungs(&self, cell: Cell) -> Vec<Rung> {
        let pairs = Rung::ALL.into_iter().zip(self.cells);
        pairs.filter(|(_, found)| *found == cell).map(|(rung, _)| rung).collect()
    }
}

/// Runs each rung on each mistake. `None` if the run was stopped.
///
/// Errors: if the output of a wrong block has the wrong shape; if a rung refutes the right form; if a rung refutes the
/// wrong form although the mistake did not apply.
pub fn run(
    gallery: &[Mistake],
    rungs: &BTreeSet<Rung>,
    seed: Seed,
    progress: &dyn Progress,
) -> Result<Option<Vec<Row>>> {
    let every_rung = |number| rungs.iter().map(move |rung| (number, *rung));
    let mut pairs: Vec<(usize, Rung)> = (0..gallery.len()).flat_map(every_rung).collect();
    // The longest first.
    let sizes =
        Rung::ALL.map(|rung| (rung.own)().map_or(0.0, |own| own.iter().map(|p| p.size).sum()));
    pairs.sort_by(|(_, l), (_, r)| f64::total_cmp(&sizes[*r as usize], &sizes[*l as usize]));
    let (done, steps) = (AtomicUsize::new(0), pairs.len());
    let cells = pairs.into_par_iter().map(|(number, rung)| {
        let mistake = &gallery[number];
        let what = format!("{rung} on {}", mistake.name);
        progress.step(done.fetch_add(1, Relaxed), steps, &what);
        Ok((number, rung, try_one(mistake, rung, seed, &|| progress.stopped())?))
    });
    let cells = cells.collect::<Result<Vec<_>>>()?;
    let (cells_of, cases) = ([Cell::NotRun; Rung::ALL.len()], [0; Rung::ALL.len()]);
    let row = |mistake: &Mistake| Row { mistake: *mistake, cells: cells_of, cases };
    let mut rows: Vec<Row> = gallery.iter().map(row).collect();
    for (number, rung, tried) in cells {
        let Some((cell, cases)) = tried else { return Ok(None) };
        rows[number].cells[rung as usize] = cell;
        rows[number].cases[rung as usize] = cases;
    }
    Ok(Some(rows))
}

/// Runs one rung on one mistake and counts the cases. `None` if the run was stopped.
fn try_one(
    mistake: &Mistake,
    rung: Rung,
    seed: Seed,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<(Cell, u64)>> {
    let wrong = mistake.wrong();
    // The right form has another letter, so that a witness shows which of the two it refutes.
    let right = if mistake.form == Form::Grouped { Form::EarlyConcat } else { Form::Grouped };
    let forms: [&dyn AnyForm; 2] = [&wrong, &right];
    // A mistake that was not met in the first part of a shape is not met in the rest.
    let go_on =
        |so_far: &Evidence| so_far.witnesses.is_empty() && (so_far.cases == 0 || wrong.is_met());
    let (mut cases, mut refuted) = (0, false);
    let finished = each_trial(rung, &forms, (seed, CASES), stopped, &go_on, &mut |evidence| {
        cases += evidence.cases;
        // A function applied elsewhere, or to another shape, only shows how the block is built. A
        // refutation needs a wrong value.
        let is_value = |witness: &&Witness| !matches!(witness.found, Value::Misplaced(_));
        if let Some(witness) = evidence.witnesses.iter().find(is_value) {
            check(mistake, rung, witness, wrong.is_met())?;
            refuted = true;
        }
        Ok(!refuted)
    })?;
    if !finished {
        return Ok(None);
    }
    if refuted {
        return Ok(Some((Cell::Refuted, cases)));
    }
    if cases == 0 {
        return Err(Error::NothingRan { rung: rung.to_string(), stage: mistake.name.to_owned() });
    }
    Ok(Some((if wrong.is_met() { Cell::Missed } else { Cell::NotApplicable }, cases)))
}

/// Checks that a witness is against the wrong form, and that the mistake applied.
fn check(mistake: &Mistake, rung: Rung, witness: &Witness, is_met: bool) -> Result<()> {
    if witness.form == mistake.form.letter() && is_met {
        return Ok(());
    }
    let against = format!("form ({}) {}", witness.form, witness.name);
    let why = if is_met { "which is right" } else { "where the mistake was not met" };
    Err(Error::Contradiction(format!("{}: {rung} refutes {against}, {why}", mistake.name)))
}

/// Runs a rung on all its inputs in the matrix: first on `cases` random cases, then on the rung's own shapes. Passes
/// the evidence of each run to `each`, until `each` returns false. Returns false if the rung was stopped.
fn each_trial(
    rung: Rung,
    forms: Forms<'_>,
    (seed, cases): (Seed, u64),
    stopped: &dyn Fn() -> bool,
    go_on: &GoOn<'_>,
    each: &mut dyn FnMut(Evidence) -> Result<bool>,
) -> Result<bool> {
    if rung.on_case.is_some() {
        for number in 0..cases {
            let evidence = one_case(rung, forms, sample, (seed, number), stopped)?;
            let Some(evidence) = evidence else { return Ok(false) };
            if !each(evidence)? {
                break;
            }
        }
    }
    for piece in (rung.own)()?.into_iter().filter(|piece| piece.in_matrix) {
        if stopped() {
            return Ok(false);
        }
        if !each((piece.work)(forms, go_on)?)? {
            break;
        }
    }
    Ok(true)
}

/// Runs a rung on the same inputs as the matrix, but with `cases` random blocks.
pub(crate) fn climb(rung: Rung, forms: Forms<'_>, cases: u64, seed: Seed) -> Result<Evidence> {
    let mut all = Vec::new();
    each_trial(rung, forms, (seed, cases), &|| false, &|_| true, &mut |evidence| {
        all.push(evidence);
        Ok(true)
    })?;
    let sum = all.into_iter().reduce(Evidence::and);
    sum.ok_or_else(|| Error::NothingRan { rung: rung.to_string(), stage: "claim".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::evidence::rungs::Rung;
    use crate::evidence::{Value, Witness};
    use crate::gallery::ALL;

    /// A witness against the right form is a contradiction, not a refutation. A witness where the mistake did not apply
    /// is a contradiction too.
    #[test]
    fn witnesses_are_against_the_wrong_form() {
        let values = || [1.0, 2.0].map(Value::Number);
        let against = |form| Witness::new((form, "a form"), "output", [0; 4], values());
        let mistake = &ALL[0];
        assert!(check(mistake, Rung::R3, &against('a'), true).is_ok());
        assert!(check(mistake, Rung::R3, &against('c'), true).is_err());
        assert!(check(mistake, Rung::R3, &against('a'), false).is_err());
    }
}
