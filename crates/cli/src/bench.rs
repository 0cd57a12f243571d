//! `triform bench`.

use std::path::PathBuf;

use super::args::BenchOptions;
use super::destination::{Output, Target};
use super::error::{Error, Result};
use super::need;
use super::values::FileOf;
use super::{Context, HOLDS, INTERRUPTED, REFUTED, machine, network, progress, quoted};
use crate::report::bench as report;
use crate::report::json::{self, Outcome};
use triform::conv::LEVEL_VARIABLE;
use triform::evidence::any_form::AnyForm;
use triform::evidence::speed;
use triform::figures::roofline;
use triform_bench::{self as bench, Plan, Rounds};
use triform_canvas::FigureError;

/// Checks the forms, times them, and reports in words or, with `--json`, as JSON.
pub(super) fn run(options: &BenchOptions, context: &mut Context<'_>) -> Result<u8> {
    let forms = context.forms;
    let plan = plan(options, forms)?;
    for (spec, map) in plan.blocks.iter().chain(&plan.settings) {
        spec.output_map(*map)?;
        machine::check(&need::of_block(spec, *map)?, &options.memory, context.errors)?;
    }
    let pools = match options.threads.threads {
        Some(threads) => vec![machine::pool(Some(threads))?],
        None => {
            let all = machine::pool(None)?;
            let one = (all.current_num_threads() > 1).then(|| machine::pool(Some(1)));
            one.into_iter().collect::<Result<Vec<_>>>()?.into_iter().chain([all]).collect()
        }
    };
    // Opened now, so that files that cannot be written are reported before the work.
    let target = Target::open(options.json.json.as_ref())?;
    let open = |path: PathBuf| Ok::<_, Error>((Output::create(&path)?, path));
    let figure = options.figure.as_ref().map(|file| open(file.path.clone())).transpose()?;
    let record = options.record.as_ref().map(|folder| open(folder.join(bench::record_name())));
    let record = record.transpose()?;

    let found = progress::with_bar(context, |bar| {
        bench::run(forms, &plan, &pools, options.seed.seed, bar)
    })?;

    let command = context.command.clone();
    let json = || {
        let machine = Some(found.machine.clone());
        let outcome =
            Outcome::of_forms(found.refutes(), found.partial && !found.refutes(), machine);
        Ok(json::envelope(&command, outcome, report::json(&found)))
    };
    let level = std::env::var(LEVEL_VARIABLE).ok().filter(|level| !level.is_empty());
    let level =
        level.map_or(String::new(), |level| format!("{LEVEL_VARIABLE}={} ", quoted(&level)));
    let again = level + &context.command.repeat;
    let words = || Ok(report::render(&found, &plan, forms, &again)?);
    target.print(context, words, json)?;
    if found.refutes() {
        return Ok(REFUTED);
    }
    if found.partial {
        return Ok(INTERRUPTED);
    }
    let silent = target.is_output();
    target.write(json)?;
    let mut wrote = Vec::new();
    if let Some(((file, path), FileOf { format, .. })) = figure.zip(options.figure.as_ref()) {
        let picture = roofline::draw(&report::record(&found)?);
        let bytes = picture.and_then(|picture| format.bytes(&picture));
        let failed = |error: FigureError| triform::Error::Figure {
            name: "roofline",
            why: error.to_string(),
        };
        file.write(&bytes.map_err(failed)?)?;
        wrote.push(path);
    }
    if let Some((file, path)) = record {
        file.write(report::json_of(&report::record(&found)?).as_bytes())?;
        wrote.push(path);
    }
    if !silent {
        for path in wrote {
            context.print(&format!("Wrote {}.\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}

/// What to time.
fn plan(options: &BenchOptions, forms: &[&dyn AnyForm]) -> Result<Plan> {
    let one = network::form(options.form, forms)?;
    let (blocks, settings) = match options.block.named()? {
        Some(block) => (vec![block], Vec::new()),
        None => (speed::stages()?, bench::settings()?),
    };
    Ok(Plan {
        blocks,
        settings,
        forms: match one {
            Some(form) => vec![form.letter()],
            None => forms.iter().map(|form| form.letter()).collect(),
        },
        rounds: options.rounds.map_or_else(Rounds::default, Rounds::Of),
        networks: options.networks || options.record.is_some(),
        layers: options.figure.is_some() || options.record.is_some(),
    })
}
