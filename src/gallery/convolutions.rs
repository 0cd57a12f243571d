//! Mistakes in a convolution, whatever form uses it.

use std::sync::{Mutex, PoisonError};

use ndarray::{Array4, ArrayView4, Axis, s};

use super::met::Met;
use crate::block::grouped::Grouped;
use crate::block::{BlockWeights, Branch, Functions};
use crate::conv::{ConvSpec, Convolver};
use crate::error::Result;
use crate::scalar::Additive;

/// What is wrong with the convolution.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The last column of the output is not computed.
    LastColumn,
    /// Every image gets what the first one gives.
    FirstImage,
    /// The input is read in the order in which it lies in memory, whatever its strides.
    MemoryOrder,
    /// The padded input is kept in a buffer whose border is cleared the first time only.
    DirtyScratch,
}

/// A convolver with a fault.
pub(super) struct Faulty<'a, V> {
    convolver: &'a V,
    fault: Fault,
    met: &'a Met,
}

/// A kernel, the same without its padding, and the buffer that [`Fault::DirtyScratch`] keeps for it
/// from one call to the next.
pub(super) struct FaultyKernel<S, K> {
    kernel: K,
    unpadded: K,
    padding: usize,
    scratch: Mutex<Vec<S>>,
}

impl<S: Additive, V: Convolver<S>> Convolver<S> for Faulty<'_, V> {
    type Kernel = FaultyKernel<S, V::Kernel>;

    fn prepare(&self, weights: ArrayView4<'_, S>, spec: ConvSpec) -> Result<Self::Kernel> {
        let unpadded = ConvSpec::new(spec.stride(), 0, spec.dilation(), spec.groups())?;
        Ok(FaultyKernel {
            kernel: self.convolver.prepare(weights, spec)?,
            unpadded: self.convolver.prepare(weights, unpadded)?,
            padding: spec.padding(),
            scratch: Mutex::default(),
        })
    }

    fn sums(&self, x: ArrayView4<'_, S>, kernel: &Self::Kernel) -> Result<Array4<S>> {
        match self.fault {
            Fault::LastColumn => {
                let mut z = self.convolver.sums(x, &kernel.kernel)?;
                z.slice_mut(s![.., .., .., -1]).fill(S::zero());
                self.met.meet(!z.is_empty());
                Ok(z)
            }
            Fault::FirstImage => {
                let mut z = self.convolver.sums(x, &kernel.kernel)?;
                self.met.meet(z.len_of(Axis(0)) > 1);
                let mut images = z.outer_iter_mut();
                if let Some(first) = images.next() {
                    images.for_each(|mut image| image.assign(&first));
                }
                Ok(z)
            }
            Fault::MemoryOrder => {
                let Some(memory) = x.as_slice_memory_order().filter(|_| !x.is_standard_layout())
                else {
                    return self.convolver.sums(x, &kernel.kernel);
                };
                self.met.meet(true);
                let read = Array4::from_shape_vec(x.dim(), memory.to_vec());
                let read = read.unwrap_or_else(|error| unreachable!("as many elements: {error}"));
                self.convolver.sums(read.view(), &kernel.kernel)
            }
            Fault::DirtyScratch => {
                // With a clean border nothing is wrong. (And what is right does not multiply its
                // weights by the padding's zeros, which would make NaN of infinite ones.)
                let Some(padded) = kernel.in_scratch(x) else {
                    return self.convolver.sums(x, &kernel.kernel);
                };
                self.met.meet(true);
                self.convolver.sums(padded.view(), &kernel.unpadded)
            }
        }
    }
}

impl<S: Additive, K> FaultyKernel<S, K> {
    /// The input in the middle of the buffer's beginning, if anything is left around it there.
    fn in_scratch(&self, x: ArrayView4<'_, S>) -> Option<Array4<S>> {
        let p = self.padding;
        let (n, c, h, w) = x.dim();
        let shape = (n, c, h + 2 * p, w + 2 * p);
        let length = n * c * (h + 2 * p) * (w + 2 * p);
        let mut scratch = self.scratch.lock().unwrap_or_else(PoisonError::into_inner);
        if scratch.len() < length {
            scratch.resize(length, S::zero());
        }
        let padded = Array4::from_shape_vec(shape, scratch[..length].to_vec());
        let mut padded = padded.unwrap_or_else(|error| unreachable!("as long as it is: {error}"));
        let inside = |i: usize, j: usize| (p..h + p).contains(&i) && (p..w + p).contains(&j);
        let dirty = |((.., i, j), value): ((usize, usize, usize, usize), &S)| {
            !inside(i, j) && *value != S::zero()
        };
        let is_dirty = padded.indexed_iter().any(dirty);
        padded.slice_mut(s![.., .., p..h + p, p..w + p]).assign(&x);
        scratch[..length].clone_from_slice(padded.as_slice().unwrap_or_default());
        is_dirty.then_some(padded)
    }
}

/// Form (c) over a convolver with a fault.
pub(super) struct OnFaulty<S, K> {
    form: Grouped<FaultyKernel<S, K>>,
    fault: Fault,
    met: Met,
}

impl<S: Additive, K> OnFaulty<S, K> {
    pub(super) fn prepare<V: Convolver<S, Kernel = K>>(
        fault: Fault,
        weights: &BlockWeights<S>,
        convolver: &V,
        met: Met,
    ) -> Result<Self> {
        let form = Grouped::prepare(weights, &Faulty { convolver, fault, met: &met })?;
        Ok(Self { form, fault, met })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for OnFaulty<S, V::Kernel> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let faulty = Faulty { convolver, fault: self.fault, met: &self.met };
        self.form.forward(x, functions, shortcut, &faulty)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use ndarray::Array4;

    use super::FaultyKernel;
    use crate::scalar::Int;

    /// Nothing without padding, nothing in a fresh buffer; around a smaller input, what the larger
    /// one before it left there.
    #[test]
    fn a_buffer_keeps_what_was_around() {
        let ones = |side| Array4::from_elem((1, 1, side, side), Int::from(1));
        for padding in 0..=2 {
            let scratch = Mutex::default();
            let kernel = FaultyKernel { kernel: (), unpadded: (), padding, scratch };
            assert_eq!(kernel.in_scratch(ones(5).view()), None);
            let left = kernel.in_scratch(ones(3).view());
            assert_eq!(
                left.map(|x| x.dim()),
                (padding > 0).then_some((1, 1, 3 + 2 * padding, 3 + 2 * padding))
            );
        }
    }
}
