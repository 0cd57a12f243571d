//! `triform explain`.

use std::io::Write;

use super::args::ExplainOptions;
use super::error::Result;
use super::{HOLDS, REFUTED, print};
use crate::report;
use triform::claims;

/// Tells the argument; or one claim, which it checks: the status is [`REFUTED`] if that fails.
pub(super) fn run(options: &ExplainOptions, output: &mut dyn Write) -> Result<u8> {
    let Some(name) = &options.claim else {
        print(output, &report::explain::argument(options.markdown)?)?;
        return Ok(HOLDS);
    };
    let (text, holds) = report::claims::one(claims::named(name)?, options.markdown)?;
    print(output, &text)?;
    Ok(if holds { HOLDS } else { REFUTED })
}
