//! `triform train`.

use super::args::TrainOptions;
use super::destination::{Output, Target};
use super::error::{Error, Result};
use super::{Context, HOLDS, INTERRUPTED, REFUTED, machine, progress};
use crate::report::json::{self, Outcome};
use crate::report::train as report;
use triform::figures::training;
use triform::train::lockstep::{Plan, WRONG, lockstep, wrong};
use triform_canvas::FigureError;

/// Trains the forms in lockstep, and with `--wrong` also wrong blocks. The status is [`REFUTED`] if the forms do not
/// stay equal to the bit when all of them add in the same order.
pub(super) fn run(options: &TrainOptions, context: &mut Context<'_>) -> Result<u8> {
    let plan = Plan { steps: options.steps, seed: options.seed.seed, ..Plan::default() };
    let pool = machine::pool(options.threads.threads)?;
    let target = Target::open(options.json.json.as_ref())?;
    let figure = options.figure.as_ref().map(|file| Output::create(&file.path)).transpose()?;
    let forms = context.forms;
    let found = progress::with_bar(context, |bar| {
        pool.install(|| {
            let right = lockstep(forms, &plan, bar)?;
            let goes_on = !right.partial && right.apart.is_none();
            let names = if options.wrong && goes_on { &WRONG[..] } else { &[] };
            let wrong = wrong(names, &plan, bar)?;
            let missing = names.len() - wrong.len();
            Ok::<_, Error>(report::Found { plan, right, wrong, missing })
        })
    })?;
    let (refuted, partial) = (found.refutes(), found.partial());
    let command = context.command.clone();
    let words = || Ok(report::render(&found, &command.repeat));
    let json = || {
        let outcome = Outcome::of_forms(refuted, partial && !refuted, None);
        Ok(json::envelope(&command, outcome, report::json(&found)))
    };
    let silent = target.is_output();
    target.report(context, words, json)?;
    if refuted {
        return Ok(REFUTED);
    }
    if partial {
        return Ok(INTERRUPTED);
    }
    if let Some((file, wanted)) = figure.zip(options.figure.as_ref()) {
        let picture = training::curves(&found.record());
        let bytes = picture.and_then(|picture| wanted.format.bytes(&picture));
        let failed = |error: FigureError| triform::Error::Figure {
            name: "training",
            why: error.to_string(),
        };
        file.write(&bytes.map_err(failed)?)?;
        if !silent {
            context.print(&format!("Wrote {}.\n", wanted.path.display()))?;
        }
    }
    Ok(HOLDS)
}
