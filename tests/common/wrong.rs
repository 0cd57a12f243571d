//! Wrong forms, for checks to refute.

use ndarray::{Array4, ArrayView4, Axis, concatenate};
use triform::block::{BlockForm, BlockWeights, Branch, Form, Functions, Path};
use triform::conv::{After, Convolver};
use triform::error::Result;
use triform::scalar::Additive;

/// What is done to a form's weights.
#[derive(Clone, Copy, Debug)]
pub enum Mistake {
    /// Path C - 1 adds nothing.
    LastPathDropped,
    /// Path 0 transforms with the 3x3 of path 1, and the other way round.
    TwoPathsSwapped,
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
        match self.1 {
            Mistake::LastPathDropped => paths[last].expand = nothing.view(),
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

/// Form (b) with the paths concatenated in reverse.
pub struct ConcatenatedInReverse;

struct Reversed<K> {
    reduce: Vec<K>,
    transform: Vec<K>,
    expand: K,
}

impl BlockForm for ConcatenatedInReverse {
    fn letter(&self) -> char {
        'b'
    }

    fn name(&self) -> &'static str {
        "with the paths concatenated in reverse"
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        let spec = weights.spec();
        let reduce = weights.paths().map(|path| convolver.prepare(path.reduce, spec.reduce()));
        let transform =
            weights.paths().map(|path| convolver.prepare(path.transform, spec.transform(1)));
        Ok(Box::new(Reversed {
            reduce: reduce.collect::<Result<_>>()?,
            transform: transform.collect::<Result<_>>()?,
            expand: convolver.prepare(weights.expand(), spec.expand())?,
        }))
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Reversed<V::Kernel> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let reduced = convolver.split(x, &self.reduce, functions.reduce)?;
        let transformed = convolver.each(&reduced, &self.transform, functions.transform)?;
        let views: Vec<_> = transformed.iter().rev().map(|path| path.view()).collect();
        let joined = concatenate(Axis(1), &views).expect("paths of one shape");
        convolver.conv(joined.view(), &self.expand, &functions.after_sum(shortcut))
    }
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
