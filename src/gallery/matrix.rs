//! Every rung on every mistake: what each refutes, what it misses, what does not concern it.
//!
//! Nothing here is declared. A cell is *refuted* where the rung gave a witness against the wrong form;
//! *missed* where it ran through to its end and gave none; *not applicable* where the mistake had
//! nothing to get wrong in all of that (no second path, no padding, no NaN rule, for those numbers). A rung stops
//! at its first witness.
//!
//! On random blocks a rung runs [`CASES`] of the generator's; the symbolic one its small shapes; the
//! exhaustive one everything, but leaves a shape in whose first part the mistake was not met.

use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use serde::Serialize;

use super::Mistake;
use crate::block::Form;
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::generator::sample;
use crate::evidence::progress::Progress;
use crate::evidence::rungs::{GoOn, Piece, Rung};
use crate::evidence::verdict::Evidence;
use crate::evidence::verdict::{Value, Witness};
use crate::evidence::verify::one_case;
use crate::random::Seed;

/// Random blocks on which a rung may miss a mistake.
pub const CASES: u64 = 64;

/// What a rung made of a mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cell {
    /// It gave a witness.
    Refuted,
    /// It gave none.
    Missed,
    /// There was nothing to see.
    NotApplicable,
}

/// A mistake, and what each rung made of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// The wrong block.
    pub mistake: Mistake,
    /// In the order of [`Rung::ALL`].
    pub cells: [Cell; Rung::ALL.len()],
    /// How many cases it took, or were tried in vain.
    pub cases: [u64; Rung::ALL.len()],
}

impl Row {
    /// The rungs that made this of it.
    pub fn rungs(&self, cell: Cell) -> Vec<Rung> {
        let pairs = Rung::ALL.into_iter().zip(self.cells);
        pairs.filter(|(_, found)| *found == cell).map(|(rung, _)| rung).collect()
    }
}

/// Every rung of [`Rung::ALL`] on every one of the mistakes; `None` if it was stopped.
///
/// # Errors
///
/// A mistake whose output has another shape than the block's: that is no mistake. A rung that
/// refutes the right form it is compared with, or a mistake that was not met.
pub fn run(gallery: &[Mistake], seed: Seed, progress: &dyn Progress) -> Result<Option<Vec<Row>>> {
    let every_rung = |number| Rung::ALL.map(|rung| (number, rung));
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
    let row = |mistake: &Mistake| Row {
        mistake: *mistake,
        cells: [Cell::NotApplicable; Rung::ALL.len()],
        cases: [0; Rung::ALL.len()],
    };
    let mut rows: Vec<Row> = gallery.iter().map(row).collect();
    for (number, rung, tried) in cells {
        let Some((cell, cases)) = tried else { return Ok(None) };
        rows[number].cells[rung as usize] = cell;
        rows[number].cases[rung as usize] = cases;
    }
    Ok(Some(rows))
}

/// One rung on one mistake, and how many cases it took; `None` if it was stopped.
fn try_one(
    mistake: &Mistake,
    rung: Rung,
    seed: Seed,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<(Cell, u64)>> {
    let wrong = mistake.wrong();
    // A right form of another letter, so that the witness says which of the two it is against.
    let right = if mistake.form == Form::Grouped { Form::EarlyConcat } else { Form::Grouped };
    let forms: [&dyn AnyForm; 2] = [&wrong, &right];
    // A mistake that was not met in the first part of a shape is not met in the rest.
    let go_on =
        |so_far: &Evidence| so_far.witnesses.is_empty() && (so_far.cases == 0 || wrong.is_met());
    let trials = trials(rung, &forms, (seed, CASES), stopped, &go_on)?;
    let mut cases = 0;
    for trial in trials {
        let Some(evidence) = trial()? else { return Ok(None) };
        cases += evidence.cases;
        // That a function was applied elsewhere, or to another shape, is how a block is built; what
        // counts is a value.
        let is_value = |witness: &&Witness| !matches!(witness.found, Value::Misplaced(_));
        if let Some(witness) = evidence.witnesses.all().iter().find(is_value) {
            check(mistake, rung, witness, wrong.is_met())?;
            return Ok(Some((Cell::Refuted, cases)));
        }
    }
    if cases == 0 {
        return Err(Error::NothingRan { rung: rung.to_string(), stage: mistake.name.to_owned() });
    }
    Ok(Some((if wrong.is_met() { Cell::Missed } else { Cell::NotApplicable }, cases)))
}

/// A witness must be against the wrong form, and the mistake must have been met.
fn check(mistake: &Mistake, rung: Rung, witness: &Witness, is_met: bool) -> Result<()> {
    if witness.form == mistake.form.letter() && is_met {
        return Ok(());
    }
    let against = format!("form ({}) {}", witness.form, witness.name);
    let why = if is_met { "which is right" } else { "where the mistake was not met" };
    Err(Error::Contradiction(format!("{}: {rung} refutes {against}, {why}", mistake.name)))
}

/// Something to run a rung on.
type Trial<'a> = Box<dyn Fn() -> Result<Option<Evidence>> + 'a>;

/// All that a rung is run on, in turn: its own shapes, or this many random cases.
fn trials<'a>(
    rung: Rung,
    forms: &'a [&'a dyn AnyForm],
    (seed, cases): (Seed, u64),
    stopped: &'a dyn Fn() -> bool,
    go_on: &'a GoOn<'a>,
) -> Result<Vec<Trial<'a>>> {
    if rung.on_case.is_some() {
        return Ok((0..cases)
            .map(|number| -> Trial<'a> {
                Box::new(move || one_case(rung, forms, sample, (seed, number), stopped))
            })
            .collect());
    }
    let own = (rung.own)()?.into_iter().filter(|piece| piece.in_matrix);
    Ok(own
        .map(|Piece { work, .. }| -> Trial<'a> {
            Box::new(move || if stopped() { Ok(None) } else { work(forms, go_on).map(Some) })
        })
        .collect())
}

/// A rung on all that the matrix runs it on, but on so many random blocks.
///
/// # Errors
///
/// A form that is none of the block.
pub(crate) fn climb(
    rung: Rung,
    forms: &[&dyn AnyForm],
    cases: u64,
    seed: Seed,
) -> Result<Evidence> {
    let mut sum: Option<Evidence> = None;
    for trial in trials(rung, forms, (seed, cases), &|| false, &|_| true)? {
        let Some(evidence) = trial()? else { continue };
        sum = Some(match sum {
            Some(sum) => sum.and(evidence),
            None => evidence,
        });
    }
    sum.ok_or_else(|| Error::NothingRan { rung: rung.to_string(), stage: "claim".to_owned() })
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::evidence::rungs::Rung;
    use crate::evidence::verdict::{Value, Witness};
    use crate::gallery::ALL;

    /// A witness against a right form, or without the mistake, is no refutation but a contradiction.
    #[test]
    fn witnesses_are_against_the_wrong_form() {
        let against = |form| Witness {
            form,
            name: "a form",
            place: "output",
            index: [0; 4],
            found: Value::Number(1.0),
            expected: Value::Number(2.0),
            allowed: 0.0,
            wrong: 1,
            elements: 1,
        };
        let mistake = &ALL[0];
        assert!(check(mistake, Rung::R3, &against('a'), true).is_ok());
        assert!(check(mistake, Rung::R3, &against('c'), true).is_err());
        assert!(check(mistake, Rung::R3, &against('a'), false).is_err());
    }
}
