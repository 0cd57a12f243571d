//! What follows the sums, applied to a run of pixels while it is in cache;
//! where a function cannot be had as data, afterwards, by the specification.

use ndarray::{ArrayViewMut4, CowArray, Ix4};

use crate::conv::after::{After, ChannelWise, Elementwise, apply_from};
use crate::error::Result;
use crate::scalar::Ordered;

/// An [`After`] as data, channel by channel.
struct Fused<'a> {
    function: Vec<Elementwise<f32>>,
    /// In standard layout.
    shortcut: Option<CowArray<'a, f32, Ix4>>,
    /// `None` for a path, which nothing but its function follows.
    output: Option<Vec<Elementwise<f32>>>,
}

/// What follows the sums of one convolution, as data if it can be had so.
pub(super) struct Finish<'a>(Option<Fused<'a>>);

impl<'a> Finish<'a> {
    pub(super) fn new(after: &After<'a, f32>, channels: usize) -> Self {
        let function = as_data(after.function, 0, channels);
        let output = as_data(after.output, 0, channels);
        let (Some(function), Some(output)) = (function, output) else { return Self(None) };
        let shortcut = after.shortcut.map(|shortcut| match shortcut.is_standard_layout() {
            true => CowArray::from(shortcut),
            false => CowArray::from(shortcut.as_standard_layout().into_owned()),
        });
        Self(Some(Fused { function, shortcut, output: Some(output) }))
    }

    /// One for each path, channels counted through all of them.
    pub(super) fn for_paths(
        function: &dyn ChannelWise<f32>,
        widths: &[usize],
    ) -> Vec<Finish<'static>> {
        let mut first = 0;
        let path = |&width: &usize| {
            let data = as_data(function, first, width);
            first += width;
            Finish(data.map(|function| Fused { function, shortcut: None, output: None }))
        };
        widths.iter().map(path).collect()
    }

    /// Finishes the pixels `z` of channel `c` of image `n`, which start at pixel
    /// `start` of the plane; or leaves them to [`Finish::rest`].
    pub(super) fn pixels(&self, n: usize, c: usize, start: usize, z: &mut [f32]) {
        let Some(fused) = &self.0 else { return };
        apply(fused.function[c], z);
        if let Some(shortcut) = &fused.shortcut {
            let (_, channels, h, w) = shortcut.dim();
            let from = (n * channels + c) * h * w + start;
            let Some(all) = shortcut.as_slice() else { unreachable!("standard layout") };
            z.iter_mut().zip(&all[from..]).for_each(|(z, r)| *z += r);
        }
        if let Some(output) = &fused.output {
            apply(output[c], z);
        }
    }

    /// Finishes what could not be had as data.
    pub(super) fn rest(&self, after: &After<'_, f32>, z: ArrayViewMut4<'_, f32>) -> Result<()> {
        if self.0.is_none() { after.apply(z) } else { Ok(()) }
    }

    /// The same for a path whose first channel is channel `first`.
    pub(super) fn rest_of_path(
        &self,
        function: &dyn ChannelWise<f32>,
        first: usize,
        z: ArrayViewMut4<'_, f32>,
    ) {
        if self.0.is_none() {
            apply_from(function, first, z);
        }
    }
}

fn apply(function: Elementwise<f32>, z: &mut [f32]) {
    match function {
        Elementwise::Identity => {}
        Elementwise::Relu => z.iter_mut().for_each(|z| *z = z.relu()),
        Elementwise::Affine(affine) => z.iter_mut().for_each(|z| *z = affine.at(z)),
    }
}

fn as_data(
    function: &dyn ChannelWise<f32>,
    first: usize,
    channels: usize,
) -> Option<Vec<Elementwise<f32>>> {
    (first..first + channels).map(|c| function.as_data(c)).collect()
}
