//! 1x1 convolution: all pixels of all images in one row, where they lie.

use ndarray::{Array4, ArrayView4};

use crate::dense::{Column, Dense};
use crate::epilogue::Fused;
use crate::kernel::Kernel;
use crate::layout::{Image, Output};
use crate::pack::Panels;
use crate::pieces::{columns, in_pieces};
use crate::pixels::{Pixels, Taps, cut};
use crate::planes::{Planes, Target};
use crate::source::Source;

/// A 1x1: all pixels of all images, where they lie.
pub(crate) fn pointwise(
    x: ArrayView4<'_, f32>,
    kernel: &Kernel,
    panels: &Panels,
    epilogue: &Fused<'_>,
    output: [usize; 4],
) -> Array4<f32> {
    let planes = epilogue.planes.as_ref();
    let mut z = if planes.is_some() { Output::planes(output) } else { Output::new(output) };
    if !output.contains(&0) {
        let target =
            planes.map(|(shortcut, output)| Target { z: z.first(), shortcut: *shortcut, output });
        let columns = match target {
            Some(_) => bare_columns(panels),
            None => columns(panels, 0, 0, epilogue, &mut z),
        };
        // SAFETY: the slots are those of the whole output, which nobody else has.
        unsafe { over_pixels(x, kernel, &columns, epilogue, target) };
    }
    // SAFETY: every panel is a column, and every pixel was computed.
    unsafe { z.written() }
}

/// The panels of a whole convolution, for who says later where they go.
fn bare_columns(panels: &Panels) -> Vec<Column<'_>> {
    let column = |panel: usize| {
        let channel = panel * panels.width;
        Column { panels, panel, channel, slots: Vec::new() }
    };
    (0..panels.count()).map(column).collect()
}

/// The pixels that a 1x1 like `kernel` meets, by some columns: where they lie, or copied from planes or from
/// pages apart.
///
/// # Safety
///
/// - The columns have as many taps as x has channels.
/// - Where there is no target, the slots have all pixels of the output; where there is one, it has, and the
///   columns are all its channels. Nobody else reads or writes there.
pub(crate) unsafe fn over_pixels(
    x: ArrayView4<'_, f32>,
    kernel: &Kernel,
    columns: &[Column<'_>],
    epilogue: &Fused<'_>,
    target: Option<Target<'_>>,
) {
    let (n, c, h, w) = x.dim();
    let stride = kernel.shape.spec.stride;
    let planes = Planes::new(&x).filter(|_| stride == 1);
    let image = if planes.is_none() { Some(Image::new(x)) } else { None };
    let floats = image.as_ref().map_or(&[][..], Image::floats);
    let (h_out, w_out) = ((h - 1) / stride + 1, (w - 1) / stride + 1);
    let range = 0..n * h_out * w_out;
    let pixels = match stride {
        1 => Pixels::run(c, range.len()),
        _ => {
            let (row, column) = (stride.saturating_mul(w * c), stride.saturating_mul(c));
            Pixels { image: h * w * c, row, column, h_out, w_out }
        }
    };
    let from = match planes {
        Some(planes) => Some(Source::Planes(planes)),
        None if pixels.collide(kernel.level.rows()) => Some(Source::Apart(floats, pixels, c)),
        None => None,
    };
    let taps = [Taps { offset: 0, length: c }];
    let runs = columns.first().map_or(&[][..], |column| column.panels.runs());
    let taps: Vec<_> = runs.iter().map(|run| cut(&taps, run)).collect();
    let (x, taps) = (floats, &taps[..]);
    let whole = Dense { x, pixels, origin: 0, taps, columns, range, cold: true, epilogue };
    // SAFETY: the pixels are those of x, each of as many channels as the panels have taps; the rest is the
    // caller's.
    unsafe { in_pieces(whole, kernel, from, target) };
}
