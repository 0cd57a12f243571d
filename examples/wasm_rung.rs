//! Runs rung R3 on a small block. The exit status is the number of values that were compared, or 0 if a form is
//! refuted. `.ci/wasm` runs this program as WebAssembly, where there are no threads, no clock and no files.

use std::process::ExitCode;

use triform::evidence::verdict::Bound;
use triform::{Form, Input, Plan, Quiet, Result, Rung, Seed, verify};

fn compared() -> Result<u64> {
    let block = Input::Block("4x2x2".parse()?, (3, 4));
    let plan = Plan { rungs: [Rung::R3].into(), ..Plan::default() };
    let forms = [&Form::ALL[0] as _, &Form::ALL[1] as _, &Form::ALL[2] as _];
    let report = verify(&forms, &block, &plan, Seed(0), &Quiet)?;
    let on_block = report.findings.iter().find(|finding| finding.stage == "block");
    Ok(match on_block.map(|finding| finding.bound) {
        Some(Bound::Exact { values }) if report.holds() => values,
        _ => 0,
    })
}

fn main() -> ExitCode {
    ExitCode::from(compared().map_or(0, |values| values.try_into().unwrap_or(u8::MAX)))
}
