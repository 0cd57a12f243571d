//! `triform plot`.

use std::io::Write;

use super::args::PlotOptions;
use super::error::{Error, Result};
use super::{HOLDS, print};
use crate::report::file::Output;
use triform::figures;
use triform_canvas::{FigureError, Format};

/// Draws every figure into a folder, as SVG and as PNG.
pub(super) fn run(options: &PlotOptions, output: &mut dyn Write) -> Result<u8> {
    let folder = &options.output;
    let io = |source| Error::Io { action: "write", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let create = |name: &str, ending: &str| {
        let path = folder.join(format!("{name}.{ending}"));
        Ok::<_, Error>((Output::create(&path)?, path))
    };
    let files: Result<Vec<_>, Error> = figures::ALL
        .iter()
        .map(|figure| Ok((figure, create(figure.name, "svg")?, create(figure.name, "png")?)))
        .collect();
    for (figure, svg, png) in files? {
        let failed = |error: FigureError| triform::Error::Figure {
            name: figure.name,
            why: error.to_string(),
        };
        let picture = (figure.draw)().map_err(failed)?;
        for ((file, path), format) in [(svg, Format::Svg), (png, Format::Png)] {
            file.write(&format.bytes(&picture).map_err(failed)?)?;
            print(output, &format!("{}\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}
