//! A convolver over numbers that remember how they were computed. It records each convolution as one operation.

use ndarray::{Array4, ArrayView4, Zip};

use super::convolver::{Convolver, in_each_path};
use super::epilogue::{ChannelWise, Epilogue, apply_from};
use super::gradients::kernel_gradient;
use super::reference::Reference;
use super::spec::ConvSpec;
use crate::error::{Error, Result, as_many};
use crate::scalar::{Dot, Scalar, Var};

/// Computes values with `forward`. Computes gradients with the reference convolution, which sums in the order that
/// `backward` gives.
///
/// [`Reference`] can also convolve numbers that remember how they were computed, but it records each sum of products as
/// one operation. Here a whole convolution is one operation, so training a network is feasible.
///
/// In the backward pass, [`split`](Convolver::split) (one input, C kernels) becomes a sum over the paths.
/// [`merge`](Convolver::merge) (a sum over the paths) passes the same gradient to each path. So the two are adjoint to
/// each other.
#[derive(Clone, Copy, Debug, Default)]
pub struct Recorded<V> {
    /// How values are computed.
    pub forward: V,
    /// How gradients with respect to an input are summed.
    pub backward: Reference,
}

/// The kernel of [`Recorded`].
pub struct RecordedKernel<S, K> {
    weights: Array4<Var<S>>,
    spec: ConvSpec,
    kernel: K,
}

fn values<S: Clone>(x: ArrayView4<'_, Var<S>>) -> Array4<S> {
    x.map(|var| var.value().clone())
}

/// The values of some inputs of an operation, as a tensor.
fn tensor<S: Scalar>(inputs: &[Var<S>], shape: [usize; 4]) -> Array4<S> {
    let values = inputs.iter().map(|var| var.value().clone()).collect();
    Array4::from_shape_vec(shape, values).unwrap_or_else(|error| unreachable!("as many: {error}"))
}

/// Convolutions that are recorded as one operation.
struct Together<'a, S, K> {
    /// One input for all kernels, or one input for each kernel.
    xs: Vec<ArrayView4<'a, Var<S>>>,
    kernels: Vec<&'a RecordedKernel<S, K>>,
    backward: Reference,
}

impl<S: Dot, K> Together<'_, S, K> {
    /// Records the results `z` as one operation. `z` holds a tensor for each kernel, or a single tensor that is the sum
    /// over all kernels.
    fn record(&self, z: Vec<Array4<S>>) -> Vec<Array4<Var<S>>> {
        let shapes = |tensors: &[ArrayView4<'_, Var<S>>]| -> Vec<[usize; 4]> {
            tensors.iter().map(|tensor| tensor.dim().into()).collect()
        };
        let weights: Vec<_> = self.kernels.iter().map(|kernel| kernel.weights.view()).collect();
        let specs: Vec<ConvSpec> = self.kernels.iter().map(|kernel| kernel.spec).collect();
        let (x_shapes, w_shapes) = (shapes(&self.xs), shapes(&weights));
        let z_shapes: Vec<[usize; 4]> = z.iter().map(|z| z.dim().into()).collect();
        let (backward, outputs) = (self.backward, z_shapes.clone());
        let back = move |inputs: &[Var<S>], gradient: &[S]| {
            let (mut at, mut from) = (0, 0);
            let mut next = |shape: &[usize; 4]| {
                let first = at;
                at += shape.iter().product::<usize>();
                tensor(&inputs[first..at], *shape)
            };
            let xs: Vec<_> = x_shapes.iter().map(&mut next).collect();
            let weights: Vec<_> = w_shapes.iter().map(&mut next).collect();
            let next = |shape: &[usize; 4]| {
                let first = from;
                from += shape.iter().product::<usize>();
                ArrayView4::from_shape(*shape, &gradient[first..from])
                    .unwrap_or_else(|error| unreachable!("as many: {error}"))
            };
            let gs: Vec<_> = outputs.iter().map(next).collect();
            let mut dxs: Vec<Array4<S>> = Vec::new();
            let mut dws = Vec::new();
            for (path, (weights, spec)) in weights.iter().zip(&specs).enumerate() {
                // There is one for all kernels, or one for each.
                let (x, g) = (&xs[path.min(xs.len() - 1)], &gs[path.min(gs.len() - 1)]);
                let [_, _, h, w] = x.dim().into();
                let (_, _, k_h, k_w) = weights.dim();
                let dx = backward.input_gradient(g.view(), weights.view(), *spec, (h, w));
                let dw = kernel_gradient(g.view(), x.view(), *spec, (k_h, k_w));
                let (Ok(dx), Ok(dw)) = (dx, dw) else {
                    unreachable!("the shapes of the forward pass")
                };
                dws.push(dw);
                match dxs.first_mut() {
                    // The sum over the paths, in their order.
                    Some(total) if xs.len() == 1 => {
                        Zip::from(total).and(&dx).for_each(|total, dx| *total = total.add(dx));
                    }
                    _ => dxs.push(dx),
                }
            }
            dxs.into_iter().chain(dws).flatten().collect()
        };
        let inputs = self.xs.iter().chain(&weights).flatten().cloned().collect();
        let values = z.into_iter().flatten().collect();
        let mut results = Var::computed(values, inputs, back).into_iter();
        let result = |shape: [usize; 4]| {
            let part = results.by_ref().take(shape.iter().product()).collect();
            Array4::from_shape_vec(shape, part)
                .unwrap_or_else(|error| unreachable!("as many: {error}"))
        };
        z_shapes.into_iter().map(result).collect()
    }

    fn record_one(&self, z: Array4<S>) -> Array4<Var<S>> {
        let mut results = self.record(vec![z]);
        results.pop().unwrap_or_else(|| unreachable!("one tensor was given"))
    }
}

/// Applies the epilogue. Adding the shortcut is recorded as one operation.
fn finish<S: Scalar>(
    mut z: Array4<Var<S>>,
    epilogue: &Epilogue<'_, Var<S>>,
) -> Result<Array4<Var<S>>> {
    epilogue.check(z.shape())?;
    apply_from(epilogue.function, 0, z.view_mut());
    if let Some(shortcut) = &epilogue.shortcut {
        let sums = z.iter().zip(shortcut).map(|(z, r)| z.value().add(r.value())).collect();
        let inputs = z.iter().chain(shortcut).cloned().collect();
        let sums = Var::computed(sums, inputs, |_, g| [g, g].concat());
        z.iter_mut().zip(sums).for_each(|(z, sum)| *z = sum);
    }
    apply_from(epilogue.output, 0, z.view_mut());
    Ok(z)
}

impl<S: Dot, V: Convolver<S>> Convolver<Var<S>> for Recorded<V> {
    type Kernel = RecordedKernel<S, V::Kernel>;

    fn prepare(&self, weights: ArrayView4<'_, Var<S>>, spec: ConvSpec) -> Result<Self::Kernel> {
        let kernel = self.forward.prepare(values(weights).view(), spec)?;
        Ok(RecordedKernel { weights: weights.to_owned(), spec, kernel })
    }

    fn sums(&self, x: ArrayView4<'_, Var<S>>, kernel: &Self::Kernel) -> Result<Array4<Var<S>>> {
        let z = self.forward.sums(values(x).view(), &kernel.kernel)?;
        let together = Together { xs: vec![x], kernels: vec![kernel], backward: self.backward };
        Ok(together.record_one(z))
    }

    fn conv(
        &self,
        x: ArrayView4<'_, Var<S>>,
        kernel: &Self::Kernel,
        epilogue: &Epilogue<'_, Var<S>>,
    ) -> Result<Array4<Var<S>>> {
        finish(self.sums(x, kernel)?, epilogue)
    }

    fn split(
        &self,
        x: ArrayView4<'_, Var<S>>,
        kernels: &[Self::Kernel],
        function: &dyn ChannelWise<Var<S>>,
    ) -> Result<Vec<Array4<Var<S>>>> {
        let of = values(x);
        let z = kernels.iter().map(|kernel| self.forward.sums(of.view(), &kernel.kernel));
        let z = z.collect::<Result<Vec<_>>>()?;
        let kernels = kernels.iter().collect();
        let together = Together { xs: vec![x], kernels, backward: self.backward };
        in_each_path(function, together.record(z).into_iter().map(Ok))
    }

    fn merge(
        &self,
        xs: &[Array4<Var<S>>],
        kernels: &[Self::Kernel],
        epilogue: &Epilogue<'_, Var<S>>,
    ) -> Result<Array4<Var<S>>> {
        as_many("inputs, one for each path", xs.len(), kernels.len())?;
        let paths = xs.iter().zip(kernels);
        let paths =
            paths.map(|(x, kernel)| self.forward.sums(values(x.view()).view(), &kernel.kernel));
        let paths = paths.collect::<Result<Vec<_>>>()?;
        let mut paths = paths.into_iter();
        let mut total = paths.next().ok_or(Error::Zero { what: "number of paths" })?;
        for path in paths {
            if path.shape() != total.shape() {
                let expected = format!("{:?}, that of the paths before it", total.shape());
                let found = path.shape().to_vec();
                return Err(Error::Shape { what: "output of a path", expected, found });
            }
            Zip::from(&mut total).and(&path).for_each(|total, z| *total = total.add(z));
        }
        let (xs, kernels) = (xs.iter().map(|x| x.view()).collect(), kernels.iter().collect());
        finish(Together { xs, kernels, backward: self.backward }.record_one(total), epilogue)
    }
}
