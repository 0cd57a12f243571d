//! The interface between forms and convolutions: the operations that a form may call.

use ndarray::{Array4, ArrayView4, Axis, Zip, concatenate};

use super::epilogue::{ChannelWise, Epilogue, apply_from};
use super::spec::ConvSpec;
use crate::error::{Error, Result, as_many};
use crate::scalar::Additive;

/// A convolution over the number type `S`. A form does not know which implementation it uses.
///
/// Only [`prepare`](Convolver::prepare) and [`sums`](Convolver::sums) must be implemented. The default bodies of the
/// other methods are their specification. A convolver may override them to be faster, but not to compute a different
/// function. The bound [`Additive`] shows that the default bodies add but never multiply.
pub trait Convolver<S: Additive> {
    /// A kernel that is prepared once and used many times.
    type Kernel: Send + Sync + 'static;

    /// Prepares a kernel from `weights`, C_out x C_in/groups x k_h x k_w.
    ///
    /// Errors: a dimension of 0, or groups that do not divide C_out.
    fn prepare(&self, weights: ArrayView4<'_, S>, spec: ConvSpec) -> Result<Self::Kernel>;

    /// Convolves without an epilogue, from N x C_in x H x W to N x C_out x H_out x W_out.
    ///
    /// Errors: an input whose channels or map do not fit the kernel.
    fn sums(&self, x: ArrayView4<'_, S>, kernel: &Self::Kernel) -> Result<Array4<S>>;

    /// Convolves one input with one kernel and applies the epilogue, from N x C_in x H x W to N x C_out x H_out x
    /// W_out.
    ///
    /// Errors: those of [`sums`](Convolver::sums), and a shortcut that differs in shape from the
    /// output.
    fn conv(
        &self,
        x: ArrayView4<'_, S>,
        kernel: &Self::Kernel,
        epilogue: &Epilogue<'_, S>,
    ) -> Result<Array4<S>> {
        let mut z = self.sums(x, kernel)?;
        epilogue.apply(z.view_mut())?;
        Ok(z)
    }

    /// Convolves one input with C kernels, so every path reads all of `x`. Returns C tensors of shape N x d x H_out x
    /// W_out. To `function`, channel `j` of path `i` is channel `i*d + j`.
    ///
    /// Errors: those of [`sums`](Convolver::sums).
    fn split(
        &self,
        x: ArrayView4<'_, S>,
        kernels: &[Self::Kernel],
        function: &dyn ChannelWise<S>,
    ) -> Result<Vec<Array4<S>>> {
        in_each_path(function, kernels.iter().map(|kernel| self.sums(x, kernel)))
    }

    /// Convolves C inputs with C kernels. Path `i` reads only input `i`. Returns C tensors, with channels numbered as
    /// in [`split`](Convolver::split).
    ///
    /// Errors: those of [`sums`](Convolver::sums), and [`Error::Count`] if the numbers of inputs
    /// and kernels differ.
    fn each(
        &self,
        xs: &[Array4<S>],
        kernels: &[Self::Kernel],
        function: &dyn ChannelWise<S>,
    ) -> Result<Vec<Array4<S>>> {
        as_many("inputs, one for each path", xs.len(), kernels.len())?;
        let paths = xs.iter().zip(kernels);
        in_each_path(function, paths.map(|(x, kernel)| self.sums(x.view(), kernel)))
    }

    /// Convolves C inputs with C kernels, and adds the results in the order of the paths. Returns one tensor N x C_out
    /// x H_out x W_out. The epilogue is applied to the complete sum.
    ///
    /// Errors: those of [`each`](Convolver::each), paths whose sums differ in shape, and a shortcut
    /// that differs in shape from the output.
    fn merge(
        &self,
        xs: &[Array4<S>],
        kernels: &[Self::Kernel],
        epilogue: &Epilogue<'_, S>,
    ) -> Result<Array4<S>> {
        as_many("inputs, one for each path", xs.len(), kernels.len())?;
        let mut paths = xs.iter().zip(kernels).map(|(x, kernel)| self.sums(x.view(), kernel));
        let mut total = paths.next().ok_or(Error::Zero { what: "number of paths" })??;
        for path in paths {
            let path = path?;
            if path.shape() != total.shape() {
                let expected = format!("{:?}, that of the paths before it", total.shape());
                let found = path.shape().to_vec();
                return Err(Error::Shape { what: "output of a path", expected, found });
            }
            Zip::from(&mut total).and(&path).for_each(|total, z| *total = total.add(z));
        }
        epilogue.apply(total.view_mut())?;
        Ok(total)
    }

    /// Concatenates C tensors of d channels each, in the given order, to one tensor of C d channels. Nothing is
    /// computed. It is a method of the convolver because only the convolver knows how tensors are laid out in memory.
    ///
    /// Errors: [`Error::Shape`] if the tensors differ in more than the number of channels, or if there are no tensors.
    fn concatenate(&self, xs: &[Array4<S>]) -> Result<Array4<S>> {
        let views: Vec<_> = xs.iter().map(|x| x.view()).collect();
        concatenate(Axis(1), &views).map_err(|_| Error::Shape {
            what: "outputs of the paths",
            expected: "the same in all paths except for the channels".to_owned(),
            found: xs.iter().flat_map(|x| x.shape().to_vec()).collect(),
        })
    }
}

/// Applies a function to the paths in order, with channels numbered across all paths.
pub(super) fn in_each_path<S>(
    function: &dyn ChannelWise<S>,
    paths: impl Iterator<Item = Result<Array4<S>>>,
) -> Result<Vec<Array4<S>>> {
    let mut first = 0;
    let applied = paths.map(|z| {
        let mut z = z?;
        apply_from(function, first, z.view_mut());
        first += z.len_of(Axis(1));
        Ok(z)
    });
    applied.collect()
}
