//! `triform plot`.

use super::args::PlotOptions;
use super::destination::Output;
use super::error::{Error, Result};
use super::{Context, HOLDS, INTERRUPTED, progress};
use triform::figures::{self, Figure};
use triform_canvas::{FigureError, Format};

/// Draws the named figures, or all figures, into a folder, as SVG and as PNG. With `--list`, it only lists the figures.
pub(super) fn run(options: &PlotOptions, context: &mut Context<'_>) -> Result<u8> {
    if options.list {
        for figure in figures::ALL {
            let block = if figure.shows_a_block() { "  (takes --block)" } else { "" };
            context.print(&format!("{}{block}\n", figure.name))?;
        }
        return Ok(HOLDS);
    }
    let named = options.names.iter().map(|name| figures::named(name));
    let named = named.collect::<triform::Result<Vec<&Figure>>>()?;
    let chosen = if named.is_empty() { figures::ALL.iter().collect() } else { named };
    if let Some(figure) = chosen.iter().find(|figure| !figure.shows_a_block())
        && options.block.is_some()
    {
        let of_blocks = figures::ALL.iter().filter(|figure| figure.shows_a_block());
        let of_blocks: Vec<&str> = of_blocks.map(|figure| figure.name).collect();
        let words =
            format!("{} shows no block; --block is for {}", figure.name, of_blocks.join(", "));
        return Err(Error::Usage(words));
    }
    let folder = &options.output;
    let io = |source| Error::Io { action: "write", path: folder.clone(), source };
    std::fs::create_dir_all(folder).map_err(io)?;
    let mut files = Vec::new();
    for figure in &chosen {
        let of_figure = [("svg", Format::Svg), ("png", Format::Png)].map(|(ending, format)| {
            let path = folder.join(format!("{}.{ending}", figure.name));
            Ok((Output::create(&path)?, path, format))
        });
        files.push((figure, of_figure.into_iter().collect::<Result<Vec<_>>>()?));
    }
    let steps = files.len();
    let written = progress::with_bar(context, |bar| {
        let mut written = Vec::new();
        for (number, (figure, files)) in files.into_iter().enumerate() {
            if bar.stopped() {
                return Ok((written, true));
            }
            bar.step(number, steps, figure.name);
            let failed = |error: FigureError| triform::Error::Figure {
                name: figure.name,
                why: error.to_string(),
            };
            let picture = figure.draw(options.block.as_ref()).map_err(failed)?;
            for (file, path, format) in files {
                file.write(&format.bytes(&picture).map_err(failed)?)?;
                written.push(path);
            }
        }
        Ok::<_, Error>((written, false))
    });
    let (written, partial) = written?;
    for path in written {
        context.print(&format!("{}\n", path.display()))?;
    }
    Ok(if partial { INTERRUPTED } else { HOLDS })
}
