//! `triform explain`.

use std::io::Write;

use super::args::ExplainOptions;
use super::{HOLDS, print};
use crate::error::Result;

/// Tells the argument, or one claim.
pub(super) fn run(_options: &ExplainOptions, output: &mut dyn Write) -> Result<u8> {
    print(output, "")?;
    Ok(HOLDS)
}
