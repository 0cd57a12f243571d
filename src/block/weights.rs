//! The one set of weights, and the views of it that a path is.

use ndarray::{Array4, ArrayView4, Axis, concatenate, s};

use super::spec::{BlockSpec, Shortcut};
use crate::conv::block_diagonal;
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// The convolution kernels of a block, stored as a PyTorch state dict stores
/// form (c): `conv1.weight` D x C_in x 1 x 1, `conv2.weight` D x d x k x k,
/// `conv3.weight` C_out x D x 1 x 1, and `downsample.0.weight` C_out x C_in x 1 x 1
/// where the shortcut is a projection. No convolution has a bias.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockWeights<S> {
    spec: BlockSpec,
    reduce: Array4<S>,
    transform: Array4<S>,
    expand: Array4<S>,
    shortcut: Option<Array4<S>>,
}

/// The kernels of one path, as views: d x C_in x 1 x 1, d x d x k x k, C_out x d x 1 x 1.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a, S> {
    /// C_in to d.
    pub reduce: ArrayView4<'a, S>,
    /// d to d.
    pub transform: ArrayView4<'a, S>,
    /// d to C_out.
    pub expand: ArrayView4<'a, S>,
}

impl<S: Additive> BlockWeights<S> {
    /// Checks each kernel's shape against the block's.
    ///
    /// # Errors
    ///
    /// [`Error::Shape`]; [`Error::Count`] for a projection that is missing or not wanted.
    pub fn new(
        spec: BlockSpec,
        reduce: Array4<S>,
        transform: Array4<S>,
        expand: Array4<S>,
        shortcut: Option<Array4<S>>,
    ) -> Result<Self> {
        let expected = usize::from(spec.shortcut() == Shortcut::Projection);
        if usize::from(shortcut.is_some()) != expected {
            let found = usize::from(shortcut.is_some());
            return Err(Error::Count { what: "projections of the shortcut", expected, found });
        }
        let [d_all, d, k] = [spec.inner(), spec.width(), spec.kernel()];
        let kernels = [
            ("kernel of the first 1x1", Some(&reduce), [d_all, spec.c_in(), 1, 1]),
            ("kernel of the 3x3", Some(&transform), [d_all, d, k, k]),
            ("kernel of the last 1x1", Some(&expand), [spec.c_out(), d_all, 1, 1]),
            ("kernel of the projection", shortcut.as_ref(), [spec.c_out(), spec.c_in(), 1, 1]),
        ];
        for (what, kernel, expected) in kernels {
            if let Some(kernel) = kernel
                && kernel.shape() != expected
            {
                let (expected, found) = (format!("{expected:?}"), kernel.shape().to_vec());
                return Err(Error::Shape { what, expected, found });
            }
        }
        Ok(Self { spec, reduce, transform, expand, shortcut })
    }

    /// The block from C independent paths and the shortcut's projection, if any: the
    /// inverse of [`BlockWeights::paths`].
    ///
    /// # Errors
    ///
    /// [`Error::Count`] for another number of paths than C, and those of [`BlockWeights::new`].
    pub fn from_paths(
        spec: BlockSpec,
        paths: &[Path<'_, S>],
        shortcut: Option<Array4<S>>,
    ) -> Result<Self> {
        if paths.len() != spec.cardinality() {
            let (expected, found) = (spec.cardinality(), paths.len());
            return Err(Error::Count { what: "paths", expected, found });
        }
        let join = |axis, kernels: Vec<ArrayView4<'_, S>>| {
            concatenate(axis, &kernels).map_err(|_| Error::Shape {
                what: "kernels of the paths",
                expected: "the same in every path".to_owned(),
                found: kernels.iter().flat_map(|kernel| kernel.shape().to_vec()).collect(),
            })
        };
        Self::new(
            spec,
            join(Axis(0), paths.iter().map(|path| path.reduce).collect())?,
            join(Axis(0), paths.iter().map(|path| path.transform).collect())?,
            join(Axis(1), paths.iter().map(|path| path.expand).collect())?,
            shortcut,
        )
    }

    /// The shape of the block.
    pub fn spec(&self) -> &BlockSpec {
        &self.spec
    }

    /// D x C_in x 1 x 1.
    pub fn reduce(&self) -> ArrayView4<'_, S> {
        self.reduce.view()
    }

    /// D x d x k x k, to be used with C groups.
    pub fn transform(&self) -> ArrayView4<'_, S> {
        self.transform.view()
    }

    /// C_out x D x 1 x 1.
    pub fn expand(&self) -> ArrayView4<'_, S> {
        self.expand.view()
    }

    /// C_out x C_in x 1 x 1, where the shortcut is a projection.
    pub fn shortcut(&self) -> Option<ArrayView4<'_, S>> {
        self.shortcut.as_ref().map(|x| x.view())
    }

    /// The kernels of path i, views of the block's own, no copy: rows i d .. (i+1) d of
    /// the first two kernels, columns i d .. (i+1) d of the last.
    ///
    /// # Panics
    ///
    /// If there is no path i.
    pub fn path(&self, i: usize) -> Path<'_, S> {
        let channels = i * self.spec.width()..(i + 1) * self.spec.width();
        Path {
            reduce: self.reduce.slice(s![channels.clone(), .., .., ..]),
            transform: self.transform.slice(s![channels.clone(), .., .., ..]),
            expand: self.expand.slice(s![.., channels, .., ..]),
        }
    }

    /// All the paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = Path<'_, S>> {
        (0..self.spec.cardinality()).map(|i| self.path(i))
    }

    /// The same function as a block of `fewer` and wider paths, `fewer` a divisor of C. Of the 3x3, the
    /// kernels of the paths that become one stand on a diagonal, and zeros beside them; the two 1x1 are
    /// what they were. With one path it is a dense block, as in Wide ResNet.
    ///
    /// # Errors
    ///
    /// Those of [`BlockSpec::with_paths`].
    pub fn in_paths(&self, fewer: usize) -> Result<Self> {
        let spec = self.spec.with_paths(fewer)?;
        let bundled = self.spec.cardinality() / fewer;
        let wide = (0..fewer).map(|i| {
            let channels = i * spec.width()..(i + 1) * spec.width();
            block_diagonal(self.transform.slice(s![channels, .., .., ..]), bundled)
        });
        let wide = wide.collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = wide.iter().map(|kernel| kernel.view()).collect();
        let transform = concatenate(Axis(0), &views)
            .unwrap_or_else(|error| unreachable!("kernels of one shape: {error}"));
        let (reduce, expand) = (self.reduce.clone(), self.expand.clone());
        Self::new(spec, reduce, transform, expand, self.shortcut.clone())
    }

    /// The same block over other numbers.
    pub fn map<T: Additive>(&self, mut to: impl FnMut(&S) -> T) -> BlockWeights<T> {
        BlockWeights {
            spec: self.spec,
            reduce: self.reduce.map(&mut to),
            transform: self.transform.map(&mut to),
            expand: self.expand.map(&mut to),
            shortcut: self.shortcut.as_ref().map(|kernel| kernel.map(&mut to)),
        }
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, s};

    use super::BlockWeights;
    use crate::block::BlockSpec;
    use crate::error::Error;

    /// Four paths of width 2 as two of width 4: in each wide path the first narrow one has its kernels at
    /// the first two columns, the second at the last two, and zeros are beside them.
    #[test]
    fn paths_that_are_bundled_stand_on_a_diagonal() {
        let spec = BlockSpec::new(3, 4, 2, 3).unwrap();
        let counted = |shape: (usize, usize, usize, usize)| {
            let length = shape.0 * shape.1 * shape.2 * shape.3;
            Array4::from_shape_vec(shape, (1..=length).map(|i| i as f64).collect()).unwrap()
        };
        let transform = counted((8, 2, 3, 3));
        let (reduce, expand) = (counted((8, 3, 1, 1)), counted((3, 8, 1, 1)));
        let narrow = BlockWeights::new(spec, reduce, transform.clone(), expand, None).unwrap();
        let wide = narrow.in_paths(2).unwrap();
        assert_eq!((wide.spec().cardinality(), wide.spec().width()), (2, 4));
        assert_eq!((wide.reduce(), wide.expand()), (narrow.reduce(), narrow.expand()));
        assert_eq!(wide.transform().shape(), [8, 4, 3, 3]);
        for row in 0..8 {
            let first = if row / 2 % 2 == 0 { 0 } else { 2 };
            for column in 0..4 {
                let found = wide.transform().slice(s![row, column, .., ..]).to_owned();
                if (first..first + 2).contains(&column) {
                    assert_eq!(found, transform.slice(s![row, column - first, .., ..]));
                } else {
                    assert!(found.iter().all(|weight| *weight == 0.0), "{row} {column}");
                }
            }
        }
        assert_eq!(narrow.in_paths(4).unwrap(), narrow);
        let error = narrow.in_paths(3).unwrap_err();
        assert!(matches!(error, Error::PathsDoNotDivide { paths: 4, fewer: 3 }), "{error}");
        assert!(matches!(narrow.in_paths(0).unwrap_err(), Error::Zero { .. }));
    }
}
