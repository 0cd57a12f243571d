//! `triform refute` and `triform explain`: what wrong blocks look like, and why the right forms agree.

use std::path::Path;
use std::sync::atomic::Ordering;

use rayon::iter::{IntoParallelIterator, ParallelIterator};

use super::args::{ExplainOptions, RefuteOptions};
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, machine, progress};
use crate::report::json::{self, Outcome};
use crate::report::{check, claims as claim, explain as argument, refute};
use triform::claims;
use triform::evidence::rungs::Rung;
use triform::gallery::convolutions::{self, ConvMistake};
use triform::gallery::matrix::{self, Cell, Row};
use triform::gallery::witness::smallest;
use triform::gallery::{ALL, Mistake, named};

/// Explains the argument, or checks one claim. The status is [`REFUTED`] if the check fails.
pub(super) fn explain(options: &ExplainOptions, context: &mut Context<'_>) -> Result<u8> {
    let target = Target::open(options.json.json.as_ref())?;
    if options.markdown && target.is_output() {
        return Err(Error::Usage(
            "--markdown and --json cannot both write to standard output".to_owned(),
        ));
    }
    let command = context.command.clone();
    let Some(name) = &options.claim else {
        let words = || Ok(argument::argument(options.markdown)?);
        let json = || Ok(json::envelope(&command, Outcome::NONE, argument::json()?));
        target.report(context, words, json)?;
        return Ok(HOLDS);
    };
    let named = claims::named(name)?;
    let checked = progress::with_bar(context, |bar| {
        bar.step(0, 1, &format!("checking {name}"));
        claim::Checked::new(named)
    })?;
    let words = || Ok(checked.render(options.markdown));
    let json = || {
        let outcome = Outcome::of_forms(!checked.holds(), false, None);
        Ok(json::envelope(&command, outcome, checked.json()))
    };
    target.report(context, words, json)?;
    Ok(if checked.holds() { HOLDS } else { REFUTED })
}

/// Runs the rungs on the mistakes and reports the results. By default, all rungs run on all mistakes. The status is
/// [`HOLDS`] if each mistake was refuted by at least one rung.
pub(super) fn run(options: &RefuteOptions, context: &mut Context<'_>) -> Result<u8> {
    let seed = options.seed.seed;
    let to_json = options.json.json.as_ref();
    // A mistake in every layer is shown in the layer of the gallery.
    let of_one_layer = options.name.as_deref().and_then(triform::check::in_one_layer);
    let name = of_one_layer.map(str::to_owned).or_else(|| options.name.clone());
    if let Some(name) = &name
        && named(name).is_err()
        && let Some(mistake) = convolutions::named(name)
    {
        return of_convolution(mistake, options, context);
    }
    let gallery: Vec<Mistake> = match &name {
        Some(name) => vec![*named(name)?],
        None => ALL.to_vec(),
    };
    let file = to_json.and_then(Destination::path).and_then(Path::to_str);
    let is_mistake = |name: &&str| named(name).is_ok() || convolutions::named(name).is_some();
    if let Some(name) = file.filter(is_mistake) {
        let words = format!(
            "--json: `{name}` is a mistake; put it before --json, or write ./{name} for a file of \
             that name"
        );
        return Err(Error::Usage(words));
    }
    let target = Target::open(to_json)?;
    if options.markdown && target.is_output() {
        return Err(Error::Usage(
            "--markdown and --json cannot both write to standard output".to_owned(),
        ));
    }
    let rungs = options.rungs.named().unwrap_or_else(|| Rung::ALL.into());
    let pool = machine::pool(options.threads.threads)?;

    let interrupted = context.interrupted;
    let with_witness = |row: &Row| {
        let go_on = !interrupted.load(Ordering::Relaxed);
        let smallest = if go_on { smallest(&row.mistake, seed)? } else { None };
        Ok((row.clone(), smallest))
    };
    // The gallery in words has no room for witnesses, so they are searched for only where they are shown.
    let wanted = options.name.is_some() || to_json.is_some();
    let (rows, found) = progress::with_bar(context, |bar| {
        pool.install(|| {
            let rows = matrix::run(&gallery, &rungs, seed, bar)?.unwrap_or_default();
            let some = if wanted { &rows[..] } else { &[] };
            let found = some.into_par_iter().map(with_witness).collect::<Result<Vec<_>>>()?;
            Ok::<_, Error>((rows, found))
        })
    })?;
    let partial = rows.is_empty() || interrupted.load(Ordering::Relaxed);
    let command = context.command.clone();
    let in_all = match (&options.name, of_one_layer) {
        (Some(all), Some(one)) => {
            let changed = triform::check::describe(all, "block");
            format!("{all}: {changed}. This is {one}, the same in one layer:\n\n")
        }
        _ => String::new(),
    };
    let words = || match &found[..] {
        _ if partial => Ok("Interrupted before the end; there is nothing to report.\n".to_owned()),
        [(row, smallest)] if options.name.is_some() => {
            let page = refute::one(row, smallest.as_ref(), &command.repeat, options.markdown)?;
            Ok(in_all.clone() + &page)
        }
        _ => Ok(refute::gallery(&rows, &command.repeat, options.markdown)),
    };
    let status = status(&rows);
    let json = || {
        let verdict = match (partial, status) {
            (true, _) => "unfinished",
            (_, HOLDS) => "all_refuted",
            _ => "missed",
        };
        let outcome = Outcome { verdict: Some(verdict), partial, machine: None };
        let found = if partial { &[] } else { &found[..] };
        Ok(json::envelope(&command, outcome, refute::json(found)))
    };
    target.report(context, words, json)?;
    Ok(if partial { INTERRUPTED } else { status })
}

/// Reports a mistake of a bare convolution, on the smallest convolution that shows it. No rung runs here, since the
/// rungs need a block.
fn of_convolution(
    mistake: &'static ConvMistake,
    options: &RefuteOptions,
    context: &mut Context<'_>,
) -> Result<u8> {
    let target = Target::open(options.json.json.as_ref())?;
    let found = check::OfConvolution::new(mistake)?;
    let command = context.command.clone();
    let Some(found) = found else {
        let words = format!("no small convolution was found that shows {}", mistake.name);
        return Err(Error::Usage(words));
    };
    let words = || Ok(found.words(&command.repeat, options.markdown));
    let json = || {
        let outcome = Outcome { verdict: Some("all_refuted"), partial: false, machine: None };
        Ok(json::envelope(&command, outcome, found.json()))
    };
    target.report(context, words, json)?;
    Ok(HOLDS)
}

/// The exit status: [`HOLDS`] if each wrong block was refuted.
fn status(rows: &[Row]) -> u8 {
    let refuted = |row: &Row| !row.rungs(Cell::Refuted).is_empty();
    if rows.iter().all(refuted) { HOLDS } else { REFUTED }
}

#[cfg(test)]
mod tests {
    use super::{ALL, Cell, HOLDS, REFUTED, Row, Rung, status};

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
