//! Mistakes at the sum of form (a)'s paths.

use ndarray::{Array4, ArrayView4, Zip};

use super::met::Met;
use crate::block::{BlockWeights, Branch, Functions};
use crate::conv::{Convolver, Epilogue, Identity};
use crate::error::{Error, Result};
use crate::scalar::Additive;

/// What is wrong in form (a) at the sum of the paths.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// The last batch norm is in each path, before the sum.
    NormInEachPath,
    /// The last ReLU is in each path too, before the sum.
    ReluBeforeSum,
}

/// Form (a) with its paths summed so.
pub(super) struct Merged<K> {
    reduce: Vec<K>,
    transform: Vec<K>,
    expand: Vec<K>,
    merging: Merging,
}

impl<K> Merged<K> {
    pub(super) fn prepare<S: Additive, V: Convolver<S, Kernel = K>>(
        merging: Merging,
        weights: &BlockWeights<S>,
        convolver: &V,
        met: &Met,
    ) -> Result<Self> {
        let spec = weights.spec();
        met.meet(merging == Merging::ReluBeforeSum || spec.cardinality() > 1);
        let (mut reduce, mut transform, mut expand) = (Vec::new(), Vec::new(), Vec::new());
        for path in weights.paths() {
            reduce.push(convolver.prepare(path.reduce, spec.reduce())?);
            transform.push(convolver.prepare(path.transform, spec.transform(1))?);
            expand.push(convolver.prepare(path.expand, spec.expand())?);
        }
        Ok(Self { reduce, transform, expand, merging })
    }
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Merged<V::Kernel> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let reduced = convolver.split(x, &self.reduce, functions.reduce)?;
        let transformed = convolver.each(&reduced, &self.transform, functions.transform)?;
        let in_each_path = match self.merging {
            Merging::NormInEachPath => functions.expand,
            Merging::ReluBeforeSum => functions.output,
        };
        let mut total: Option<Array4<S>> = None;
        for (x, kernel) in transformed.iter().zip(&self.expand) {
            let path = convolver.conv(x.view(), kernel, &Epilogue::only(in_each_path))?;
            total = Some(match total {
                None => path,
                Some(total) => Zip::from(&total).and(&path).map_collect(|l, r| l.add(r)),
            });
        }
        let mut total = total.ok_or(Error::Zero { what: "number of paths" })?;
        match self.merging {
            Merging::NormInEachPath => {
                let after = Epilogue { function: &Identity, ..functions.after_sum(shortcut) };
                after.apply(total.view_mut())?;
            }
            Merging::ReluBeforeSum => functions.after_sum(shortcut).apply(total.view_mut())?,
        }
        Ok(total)
    }
}
