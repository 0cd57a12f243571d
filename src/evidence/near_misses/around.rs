//! Mistakes in the shortcut around a block.

use ndarray::{Array4, ArrayView4, Zip};

use super::functions::{apply_all, itself};
use super::met::Met;
use crate::block::{BlockSpec, Branch, Functions, Shortcut};
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// What is wrong with the shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    /// It is left out.
    NoShortcut,
    /// It is added after the last ReLU.
    AfterRelu,
    /// A ReLU follows the projection.
    ReluOnProjection,
}

impl Around {
    /// Any form's branch with its shortcut so.
    pub(super) fn forward<S: Additive, V: Convolver<S>>(
        self,
        branch: &dyn Branch<S, V>,
        (x, functions, shortcut): (ArrayView4<'_, S>, &Functions<'_, S>, Option<ArrayView4<'_, S>>),
        (convolver, spec, met): (&V, &BlockSpec, &Met),
    ) -> Result<Array4<S>> {
        let Some(shortcut) = shortcut else {
            return branch.forward(x, functions, None, convolver);
        };
        met.meet(self != Self::ReluOnProjection || spec.shortcut() == Shortcut::Projection);
        match self {
            Self::NoShortcut => branch.forward(x, functions, None, convolver),
            Self::AfterRelu => {
                let mut y = branch.forward(x, functions, None, convolver)?;
                Zip::from(&mut y).and(&shortcut).for_each(|y, r| *y = y.add(r));
                Ok(y)
            }
            Self::ReluOnProjection => {
                let mut shortcut = shortcut.to_owned();
                if spec.shortcut() == Shortcut::Projection {
                    apply_all(itself(functions.output), &mut shortcut);
                }
                branch.forward(x, functions, Some(shortcut.view()), convolver)
            }
        }
    }
}
