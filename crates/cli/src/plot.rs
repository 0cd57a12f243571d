//! `triform plot`.

use super::args::PlotOptions;
use super::destination::Output;
use super::error::{Error, Result};
use super::{Context, HOLDS};
use triform::figures;
use triform_canvas::{FigureError, Format};

/// Draws every figure into a folder, as SVG and as PNG.
pub(super) fn run(options: &PlotOptions, context: &mut Context<'_>) -> Result<u8> {
    let folder = &options.output;
    let io = |source| Error::Io { action: "write", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let mut files = Vec::new();
    for figure in figures::ALL {
        for (ending, format) in [("svg", Format::Svg), ("png", Format::Png)] {
            let path = folder.join(format!("{}.{ending}", figure.name));
            files.push((Output::create(&path)?, path, format));
        }
    }
    let mut files = files.into_iter();
    for figure in figures::ALL {
        let failed = |error: FigureError| triform::Error::Figure {
            name: figure.name,
            why: error.to_string(),
        };
        let picture = (figure.draw)().map_err(failed)?;
        for (file, path, format) in files.by_ref().take(2) {
            file.write(&format.bytes(&picture).map_err(failed)?)?;
            context.print(&format!("{}\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}
