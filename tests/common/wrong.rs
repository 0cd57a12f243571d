//! Wrong forms, for checks to refute.

use ndarray::{Array4, ArrayView4, Axis};
use triform::block::{BlockForm, BlockWeights, Branch, Form, Functions, Path};
use triform::conv::{After, Convolver};
use triform::error::Result;
use triform::scalar::Additive;

/// What is done to a form's weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Mistake {
    /// Path C - 1 adds nothing.
    LastPathDropped,
    /// Path 0 transforms with the 3x3 of path 1, and the other way round.
    TwoPathsSwapped,
    /// The last 1x1 reads the paths in reverse: they were concatenated so.
    ConcatenatedInReverse,
    /// Every path transforms with the 3x3 of path 0.
    OneTransformForAll,
    /// The taps of the 3x3 are turned by half a turn: convolution for cross-correlation.
    Flipped,
}

impl Mistake {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::LastPathDropped,
        Self::TwoPathsSwapped,
        Self::ConcatenatedInReverse,
        Self::OneTransformForAll,
        Self::Flipped,
    ];
}

/// A form of the paper with a mistake in it.
#[derive(Clone, Copy, Debug)]
pub struct Wrong(pub Form, pub Mistake);

impl BlockForm for Wrong {
    fn letter(&self) -> char {
        self.0.letter()
    }

    fn name(&self) -> &'static str {
        match self.1 {
            Mistake::LastPathDropped => "with its last path dropped",
            Mistake::TwoPathsSwapped => "with the 3x3 of two paths swapped",
            Mistake::ConcatenatedInReverse => "with the paths concatenated in reverse",
            Mistake::OneTransformForAll => "with one 3x3 for all paths",
            Mistake::Flipped => "with the 3x3 flipped",
        }
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        let mut paths: Vec<Path<'_, S>> = weights.paths().collect();
        let last = paths.len() - 1;
        let nothing = Array4::from_elem(paths[last].expand.raw_dim(), S::zero());
        let mut flipped = weights.transform().to_owned();
        flipped.invert_axis(Axis(2));
        flipped.invert_axis(Axis(3));
        let width = weights.spec().width();
        match self.1 {
            Mistake::LastPathDropped => paths[last].expand = nothing.view(),
            Mistake::ConcatenatedInReverse => {
                let expand: Vec<_> = paths.iter().rev().map(|path| path.expand).collect();
                paths.iter_mut().zip(expand).for_each(|(path, expand)| path.expand = expand);
            }
            Mistake::OneTransformForAll => {
                let first = paths[0].transform;
                paths.iter_mut().for_each(|path| path.transform = first);
            }
            Mistake::Flipped => {
                for (path, kernel) in paths.iter_mut().zip(flipped.axis_chunks_iter(Axis(0), width))
                {
                    path.transform = kernel;
                }
            }
            Mistake::TwoPathsSwapped => {
                (paths[0].transform, paths[1].transform) = (paths[1].transform, paths[0].transform);
            }
        }
        let shortcut = weights.shortcut().map(|kernel| kernel.to_owned());
        self.0.prepare(&BlockWeights::from_paths(*weights.spec(), &paths, shortcut)?, convolver)
    }
}

/// Form (a) with the last batch norm inside each path, before the sum: right for one path only.
pub struct NormInEachPath;

struct NormedPaths<K> {
    reduce: Vec<K>,
    transform: Vec<K>,
    expand: Vec<K>,
}

impl BlockForm for NormInEachPath {
    fn letter(&self) -> char {
        'a'
    }

    fn name(&self) -> &'static str {
        "with the last batch norm in each path"
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        let spec = weights.spec();
        let mut paths =
            NormedPaths { reduce: Vec::new(), transform: Vec::new(), expand: Vec::new() };
        for path in weights.paths() {
            paths.reduce.push(convolver.prepare(path.reduce, spec.reduce())?);
            paths.transform.push(convolver.prepare(path.transform, spec.transform(1))?);
            paths.expand.push(convolver.prepare(path.expand, spec.expand())?);
        }
        Ok(Box::new(paths))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for NormedPaths<V::Kernel> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let reduced = convolver.split(x, &self.reduce, functions.reduce)?;
        let transformed = convolver.each(&reduced, &self.transform, functions.transform)?;
        let mut total: Option<Array4<S>> = None;
        for (x, kernel) in transformed.iter().zip(&self.expand) {
            let path = convolver.conv(x.view(), kernel, &After::only(functions.expand))?;
            total = Some(match total {
                None => path,
                Some(total) => sum(&total, path.view()),
            });
        }
        let mut total = total.expect("at least one path");
        if let Some(shortcut) = shortcut {
            total = sum(&total, shortcut);
        }
        for (channel, plane) in total.axis_iter_mut(Axis(1)).enumerate() {
            functions.output.apply(channel, plane);
        }
        Ok(total)
    }
}

fn sum<S: Additive>(left: &Array4<S>, right: ArrayView4<'_, S>) -> Array4<S> {
    ndarray::Zip::from(left).and(&right).map_collect(|l, r| l.add(r))
}

/// No form of the block at all: a part of its input, whatever the block is.
pub struct NoForm;

struct Nothing;

impl BlockForm for NoForm {
    fn letter(&self) -> char {
        'a'
    }

    fn name(&self) -> &'static str {
        "that gives two channels too few"
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        _weights: &BlockWeights<S>,
        _convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        Ok(Box::new(Nothing))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Nothing {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        _functions: &Functions<'_, S>,
        _shortcut: Option<ArrayView4<'_, S>>,
        _convolver: &V,
    ) -> Result<Array4<S>> {
        Ok(x.slice(ndarray::s![.., 2.., .., ..]).to_owned())
    }
}
