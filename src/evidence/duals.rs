//! Convolution of dual numbers, by any convolution of plain ones.

use ndarray::{Array4, ArrayView4, Zip};

use crate::conv::{ConvSpec, Convolver};
use crate::error::Result;
use crate::scalar::{Additive, Dual};

/// The product rule: (W + W' eps)(x + x' eps) = W x + (W' x + W x') eps, three convolutions of the
/// convolver within. So the convolution that is differentiated is the one that is used.
#[derive(Clone, Copy, Debug)]
pub struct Duals<V>(pub V);

/// A kernel and its derivative.
pub struct DualKernel<K> {
    value: K,
    derivative: K,
}

impl<S: Additive, V: Convolver<S>> Convolver<Dual<S>> for Duals<V> {
    type Kernel = DualKernel<V::Kernel>;

    fn prepare(&self, weights: ArrayView4<'_, Dual<S>>, spec: ConvSpec) -> Result<Self::Kernel> {
        Ok(DualKernel {
            value: self.0.prepare(weights.map(|w| w.value.clone()).view(), spec)?,
            derivative: self.0.prepare(weights.map(|w| w.derivative.clone()).view(), spec)?,
        })
    }

    fn sums(&self, x: ArrayView4<'_, Dual<S>>, kernel: &Self::Kernel) -> Result<Array4<Dual<S>>> {
        let value = x.map(|x| x.value.clone());
        let derivative = x.map(|x| x.derivative.clone());
        let z = self.0.sums(value.view(), &kernel.value)?;
        let left = self.0.sums(value.view(), &kernel.derivative)?;
        let right = self.0.sums(derivative.view(), &kernel.value)?;
        Ok(Zip::from(&z)
            .and(&left)
            .and(&right)
            .map_collect(|z, left, right| Dual { value: z.clone(), derivative: left.add(right) }))
    }
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::Duals;
    use crate::conv::{ConvSpec, Convolver, Reference};
    use crate::scalar::{Dual, Int};

    /// Three convolutions of values are one of duals.
    #[test]
    fn the_product_rule_is_the_dual_numbers_own() {
        let dual = |i: usize| Dual {
            value: Int::from(i as i64 % 7 - 3),
            derivative: Int::from(i as i64 % 5 - 2),
        };
        let x = Array4::from_shape_fn((2, 4, 5, 3), |(n, c, i, j)| dual(n + 3 * c + 5 * i + j * j));
        let w = Array4::from_shape_fn((6, 2, 3, 3), |(o, c, u, v)| dual(o * o + c + 2 * u + 3 * v));
        let spec = ConvSpec::new(2, 1, 1, 2).unwrap();
        let by_rule = Duals(Reference::default());
        let by_rule = by_rule.sums(x.view(), &by_rule.prepare(w.view(), spec).unwrap()).unwrap();
        let plain = Reference::default();
        let plain = plain.sums(x.view(), &plain.prepare(w.view(), spec).unwrap()).unwrap();
        assert_eq!(by_rule, plain);
    }
}
