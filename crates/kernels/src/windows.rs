//! k x k convolution: over copies of the input with the padding around it.

use ndarray::Array4;

use crate::buffer::Scratch;
use crate::dense::Dense;
use crate::epilogue::Fused;
use crate::error::Result;
use crate::kernel::{Kernel, Weights};
use crate::layout::{Image, Output};
use crate::narrow::{Narrow, Rows};
use crate::pack::Panels;
use crate::padded::Padded;
use crate::pieces::{BLOCK, columns, in_pieces};
use crate::pixels::cut;
use crate::slot::Slot;
use crate::source::Source;
use crate::tiles;

/// One convolution, and what follows it.
pub(crate) fn convolve(
    x: &Image<'_>,
    kernel: &Kernel,
    epilogue: &Fused<'_>,
    output: [usize; 4],
) -> Result<Array4<f32>> {
    let mut z = Output::new(output);
    if output.contains(&0) {
        // SAFETY: there is no element.
        return Ok(unsafe { z.written() });
    }
    match &kernel.weights {
        Weights::Dense(panels) if panels.len() == 1 => dense(x, kernel, epilogue, output, &mut z)?,
        Weights::Dense(panels) => grouped(x, kernel, panels, epilogue, output, &mut z)?,
        Weights::Narrow(narrow) => narrowly(x, kernel, narrow, epilogue, output, &mut z)?,
    }
    // SAFETY: each of the three writes every channel of every pixel.
    Ok(unsafe { z.written() })
}

/// A k x k in one group.
fn dense(
    x: &Image<'_>,
    kernel: &Kernel,
    epilogue: &Fused<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let Weights::Dense(panels) = &kernel.weights else { unreachable!("looked at by the caller") };
    let padded = Padded::new(kernel.shape, (x.c, 1), output)?.apart(kernel.level.rows());
    let taps = padded.taps();
    let taps: Vec<_> = panels[0].runs().iter().map(|run| cut(&taps, run)).collect();
    for n in 0..x.n {
        let columns = columns(&panels[0], n, 0, epilogue, z);
        let range = 0..output[2] * output[3];
        let (pixels, columns, taps) = (padded.pixels(), &columns[..], &taps[..]);
        let whole =
            Dense { x: &[], pixels, origin: 0, taps, columns, range, cold: false, epilogue };
        // SAFETY: the source's copy of a range has the rows that its pixels see, with the padding around them;
        // the slots are those of an image of the output, which nobody else has.
        unsafe { in_pieces(whole, kernel, Some(Source::Windows(padded, x, n)), None) };
    }
    Ok(())
}

/// A k x k in groups that are no narrower than a vector, or not suited to [`Narrow`]: group by group.
fn grouped(
    x: &Image<'_>,
    kernel: &Kernel,
    panels: &[Panels],
    epilogue: &Fused<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let shape = &kernel.shape;
    let padded = Padded::new(*shape, (shape.c_in_group, 1), output)?;
    let taps = padded.taps();
    let taps: Vec<_> = panels[0].runs().iter().map(|run| cut(&taps, run)).collect();
    let mut pieces = Vec::with_capacity(x.n * panels.len());
    for n in 0..x.n {
        for (group, panels) in panels.iter().enumerate() {
            let columns = columns(panels, n, group * shape.c_out_group(), epilogue, z);
            pieces.push((n, group, columns));
        }
    }
    let pixels = output[2] * output[3];
    let parts = tiles::parts(kernel.macs(x.n * pixels));
    tiles::in_runs(pieces, parts, |(n, group, columns)| {
        let mut copy = Scratch::take(padded.floats());
        padded.copy(x, n, group * shape.c_in_group, &mut copy);
        for range in tiles::balanced(0..pixels, (BLOCK / shape.c_in_group / 9).max(16)) {
            let pixels = padded.pixels();
            let (x, taps, columns) = (&copy[..padded.floats()], &taps[..], &columns[..]);
            let piece = Dense { x, pixels, origin: 0, taps, columns, range, cold: false, epilogue };
            // SAFETY: the copy has every tap of every pixel; the slots are those of one group of one
            // image of the output, which nobody else has.
            unsafe { kernel.level.run(piece) };
        }
    });
    Ok(())
}

/// A k x k in groups that are narrower than a vector: vector by vector of the channels.
fn narrowly(
    x: &Image<'_>,
    kernel: &Kernel,
    narrow: &Narrow,
    epilogue: &Fused<'_>,
    output: [usize; 4],
    z: &mut Output,
) -> Result<()> {
    let [_, c_out, h_out, w_out] = output;
    let lanes = kernel.level.lanes();
    // Either a vector's channels at every pixel, two such side by side; or the few there are, several
    // pixels to a vector.
    let (width, parts) = if narrow.pixels == 1 { (lanes, PARTS) } else { (c_out, 1) };
    let padded = Padded::new(kernel.shape, (width, parts), output)?;
    let repeated = (narrow.pixels > 1).then(|| epilogue.repeated(narrow.pixels));
    let offsets: Vec<usize> = padded.offsets().collect();
    let spec = &kernel.shape.spec;
    let columns = kernel.shape.k_w;
    let three_columns =
        narrow.pixels == 1 && columns == 3 && (spec.stride, spec.dilation) == (1, 1);
    let mut pieces = Vec::new();
    for n in 0..x.n {
        for first in (0..c_out.div_ceil(width)).step_by(parts) {
            let slots = (first..first + parts).map(|vector| vector * width).filter(|&c| c < c_out);
            let slot = |c: usize| z.slot(n, c, width.min(c_out - c), epilogue.shortcut.as_ref());
            pieces.push((n, first, slots.map(slot).collect::<Vec<Slot>>()));
        }
    }
    let epilogue = repeated.as_ref().unwrap_or(epilogue);
    let runs = tiles::parts(kernel.macs(x.n * h_out * w_out));
    tiles::in_runs(pieces, runs, |(n, first, mut slots)| {
        // A row's last vector may reach beyond it.
        let mut copy = Scratch::take(padded.floats() + lanes);
        padded.copy(x, n, first * width, &mut copy);
        let (vectors, step, last) = match narrow.pixels {
            1 => (w_out, padded.pixels().column, None),
            several => {
                (slots[0].pitch, slots[0].lanes) = (lanes, lanes);
                let vectors = w_out.div_ceil(several);
                (vectors, lanes, Some((w_out - (vectors - 1) * several) * c_out))
            }
        };
        let (row, part, z_row) = (padded.pixels().row, padded.part(), w_out * c_out);
        let (x, offsets, slots) = (&copy[..padded.floats() + lanes], &offsets[..], &slots[..]);
        #[rustfmt::skip]
        let rows = Rows {
            narrow, first, x, offsets, columns, three_columns, row, part, step, h_out, vectors, slots, z_row,
            last, epilogue,
        };
        // SAFETY: the copy has every tap of every vector, and a vector's lanes beyond the last; the slots
        // are those of some channels of one image of the output, which nobody else has.
        unsafe { kernel.level.run(rows) };
    });
    Ok(())
}

/// Vectors of channels that are worked on together, row by row: a cache line of each pixel for eight lanes.
const PARTS: usize = 2;
