//! Mistakes in the shortcut around a block.

use ndarray::{Array4, ArrayView4, Zip};

use super::met::Met;
use crate::block::{Branch, Functions, Shortcut};
use crate::conv::{Convolver, apply_from};
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

/// Any form's branch with its shortcut so.
pub(super) struct Beside<S: Additive, V: Convolver<S>> {
    pub(super) branch: Box<dyn Branch<S, V>>,
    pub(super) around: Around,
    pub(super) shortcut: Shortcut,
    pub(super) met: Met,
}

impl<S: Additive, V: Convolver<S>> Branch<S, V> for Beside<S, V> {
    fn forward(
        &self,
        x: ArrayView4<'_, S>,
        functions: &Functions<'_, S>,
        shortcut: Option<ArrayView4<'_, S>>,
        convolver: &V,
    ) -> Result<Array4<S>> {
        let Self { branch, around, met, .. } = self;
        let is_projection = self.shortcut == Shortcut::Projection;
        let Some(shortcut) = shortcut else {
            return branch.forward(x, functions, None, convolver);
        };
        met.meet(*around != Around::ReluOnProjection || is_projection);
        match around {
            Around::NoShortcut => branch.forward(x, functions, None, convolver),
            Around::AfterRelu => {
                let mut y = branch.forward(x, functions, None, convolver)?;
                Zip::from(&mut y).and(&shortcut).for_each(|y, r| *y = y.add(r));
                Ok(y)
            }
            Around::ReluOnProjection => {
                let mut shortcut = shortcut.to_owned();
                if is_projection {
                    apply_from(functions.output, 0, shortcut.view_mut());
                }
                branch.forward(x, functions, Some(shortcut.view()), convolver)
            }
        }
    }
}
