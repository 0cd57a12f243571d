//! The weights of a block, and views of these weights for each path.

use ndarray::{Array4, ArrayView4, Axis, concatenate, s};

use super::spec::{BlockSpec, Shortcut};
use crate::conv::block_diagonal;
use crate::error::{Error, Result, as_many};
use crate::scalar::Additive;

/// The convolution kernels of a block, stored as in a PyTorch state dict of form (c). No convolution has a bias. These
/// are the names and shapes:
///
/// - `conv1.weight`: D x C_in x 1 x 1.
/// - `conv2.weight`: D x d x k x k.
/// - `conv3.weight`: C_out x D x 1 x 1.
/// - `downsample.0.weight`: C_out x C_in x 1 x 1. It exists only if the shortcut is a projection.
#[derive(Clone, Debug, PartialEq)]
pub struct BlockWeights<S> {
    spec: BlockSpec,
    /// The kernels, in the order and with the shapes of [`BlockSpec::convolutions`].
    kernels: Vec<Array4<S>>,
}

/// The kernels of one path, as views: d x C_in x 1 x 1, d x d x k x k, C_out x d x 1 x 1.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a, S> {
    /// The first 1x1, C_in to d.
    pub reduce: ArrayView4<'a, S>,
    /// The 3x3, d to d.
    pub transform: ArrayView4<'a, S>,
    /// The last 1x1, d to C_out.
    pub expand: ArrayView4<'a, S>,
}

impl<S: Additive> BlockWeights<S> {
    /// Checks that each kernel has the shape that the block needs.
    ///
    /// Errors: [`Error::Shape`]; [`Error::Count`] for a projection that is missing or not needed.
    pub fn new(
        spec: BlockSpec,
        reduce: Array4<S>,
        transform: Array4<S>,
        expand: Array4<S>,
        shortcut: Option<Array4<S>>,
    ) -> Result<Self> {
        let projections = usize::from(spec.shortcut() == Shortcut::Projection);
        as_many("projections of the shortcut", usize::from(shortcut.is_some()), projections)?;
        let kernels = [reduce, transform, expand].into_iter().chain(shortcut).collect();
        Self::of(spec, kernels)
    }

    /// Takes one kernel for each convolution of the block, in order.
    pub(crate) fn of(spec: BlockSpec, kernels: Vec<Array4<S>>) -> Result<Self> {
        let names = [
            "kernel of the first 1x1",
            "kernel of the 3x3",
            "kernel of the last 1x1",
            "kernel of the projection",
        ];
        for ((what, kernel), shape) in names.into_iter().zip(&kernels).zip(spec.convolutions()) {
            let expected = shape.dimensions();
            if kernel.shape() != expected {
                let (expected, found) = (format!("{expected:?}"), kernel.shape().to_vec());
                return Err(Error::Shape { what, expected, found });
            }
        }
        Ok(Self { spec, kernels })
    }

    /// Builds the block from the kernels that `kernel` returns for each shape, in the order of
    /// [`BlockSpec::convolutions`].
    ///
    /// Errors: those of [`BlockWeights::new`].
    pub fn from_fn(spec: BlockSpec, kernel: impl FnMut([usize; 4]) -> Array4<S>) -> Result<Self> {
        let shapes = spec.convolutions().into_iter().map(|shape| shape.dimensions());
        Self::of(spec, shapes.map(kernel).collect())
    }

    /// Builds the block from C independent paths and the shortcut's projection, if any. This is the inverse of
    /// [`BlockWeights::paths`].
    ///
    /// Errors: [`Error::Count`] if the number of paths is not C, and those of [`BlockWeights::new`].
    pub fn from_paths(
        spec: BlockSpec,
        paths: &[Path<'_, S>],
        shortcut: Option<Array4<S>>,
    ) -> Result<Self> {
        as_many("paths", paths.len(), spec.cardinality())?;
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

    /// The kernel of the first 1x1, D x C_in x 1 x 1.
    pub fn reduce(&self) -> ArrayView4<'_, S> {
        self.kernels[0].view()
    }

    /// The kernel of the 3x3, D x d x k x k. It is used with C groups.
    pub fn transform(&self) -> ArrayView4<'_, S> {
        self.kernels[1].view()
    }

    /// The kernel of the last 1x1, C_out x D x 1 x 1.
    pub fn expand(&self) -> ArrayView4<'_, S> {
        self.kernels[2].view()
    }

    /// The kernel of the projection, C_out x C_in x 1 x 1, if the shortcut is a projection.
    pub fn shortcut(&self) -> Option<ArrayView4<'_, S>> {
        self.kernels.get(3).map(|kernel| kernel.view())
    }

    /// All kernels: those of reduce, transform and expand, and that of the projection if there is one.
    pub fn kernels(&self) -> impl Iterator<Item = ArrayView4<'_, S>> {
        self.owned_kernels().iter().map(|kernel| kernel.view())
    }

    /// The same kernels as owned arrays.
    pub(crate) fn owned_kernels(&self) -> &[Array4<S>] {
        &self.kernels
    }

    /// The kernels of path `i`, as views of the block's kernels. They are the output channels `i*d..(i+1)*d` of the
    /// first two kernels, and the input channels `i*d..(i+1)*d` of the last kernel. Nothing is copied.
    ///
    /// # Panics
    ///
    /// If there is no path `i`.
    pub fn path(&self, i: usize) -> Path<'_, S> {
        let channels = i * self.spec.width()..(i + 1) * self.spec.width();
        Path {
            reduce: self.kernels[0].slice(s![channels.clone(), .., .., ..]),
            transform: self.kernels[1].slice(s![channels.clone(), .., .., ..]),
            expand: self.kernels[2].slice(s![.., channels, .., ..]),
        }
    }

    /// All the paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = Path<'_, S>> {
        (0..self.spec.cardinality()).map(|i| self.path(i))
    }

    /// Merges the paths into `fewer` wider paths, where `fewer` divides C. The block still computes the same function.
    /// In the 3x3, the kernels of merged paths become diagonal blocks, with zeros elsewhere. The two 1x1 kernels do not
    /// change. With one path, the block is dense, as in Wide ResNet.
    ///
    /// Errors: those of [`BlockSpec::with_paths`].
    pub fn in_paths(&self, fewer: usize) -> Result<Self> {
        let spec = self.spec.with_paths(fewer)?;
        let bundled = self.spec.cardinality() / fewer;
        let wide = (0..fewer).map(|i| {
            let channels = i * spec.width()..(i + 1) * spec.width();
            block_diagonal(self.kernels[1].slice(s![channels, .., .., ..]), bundled)
        });
        let wide = wide.collect::<Result<Vec<_>>>()?;
        let views: Vec<_> = wide.iter().map(|kernel| kernel.view()).collect();
        let mut kernels = self.kernels.clone();
        kernels[1] = concatenate(Axis(0), &views)
            .unwrap_or_else(|error| unreachable!("kernels of one shape: {error}"));
        Self::of(spec, kernels)
    }

    /// The same block over another number type.
    pub fn map<T: Additive>(&self, mut to: impl FnMut(&S) -> T) -> BlockWeights<T> {
        let kernels = self.kernels.iter().map(|kernel| kernel.map(&mut to)).collect();
        BlockWeights { spec: self.spec, kernels }
    }
}

#[cfg(test)]
mod tests {
    use crate::block::BlockSpec;
    use crate::error::Error;
    use crate::network::init;
    use crate::random::{Purpose, Seed};

    /// Four paths of width 2 become two paths of width 4. Row 2 holds kernels of the second narrow path, so it begins
    /// with zeros.
    #[test]
    fn paths_that_are_bundled_stand_on_a_diagonal() {
        let spec = BlockSpec::new(3, 4, 2, 3).unwrap();
        let narrow = init::block(spec, &mut Seed(0).stream(Purpose::Weights, &[])).unwrap();
        let wide = narrow.in_paths(2).unwrap();
        assert_eq!((wide.spec().cardinality(), wide.spec().width()), (2, 4));
        let (row, kernels) = (wide.transform(), narrow.transform());
        let [a, b, c, d] = [0, 1, 2, 3].map(|column| row[[2, column, 1, 2]]);
        assert_eq!([a, b, c, d], [0.0, 0.0, kernels[[2, 0, 1, 2]], kernels[[2, 1, 1, 2]]]);
        assert_eq!(narrow.in_paths(4).unwrap(), narrow);
        let error = narrow.in_paths(3).unwrap_err();
        assert!(matches!(error, Error::PathsDoNotDivide { paths: 4, fewer: 3 }), "{error}");
        assert!(matches!(narrow.in_paths(0).unwrap_err(), Error::Zero { .. }));
    }
}
