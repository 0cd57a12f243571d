//! `triform plot`.

use std::io::Write;

use super::args::PlotOptions;
use super::{HOLDS, print};
use crate::error::{Error, Result};
use crate::report::figures;
use crate::report::file::Output;

/// Draws every figure into a folder.
pub(super) fn run(options: &PlotOptions, output: &mut dyn Write) -> Result<u8> {
    let folder = &options.output;
    let io = |source| Error::Io { action: "write", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let files: Result<Vec<_>> = figures::ALL
        .iter()
        .map(|figure| {
            let path = folder.join(format!("{}.svg", figure.name));
            Ok((figure, Output::create(&path)?, path))
        })
        .collect();
    for (figure, file, path) in files? {
        let svg = (figure.draw)()
            .map_err(|error| Error::Figure { name: figure.name, why: error.to_string() })?;
        file.write(svg.as_bytes())?;
        print(output, &format!("{}\n", path.display()))?;
    }
    Ok(HOLDS)
}
