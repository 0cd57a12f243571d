//! A form followed layer by layer, each sum spelled out as it was taken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use ndarray::{Array3, ArrayViewMut3};

use super::example::{Example, over};
use crate::block::Layer;
use crate::conv::Reference;
use crate::error::Result;
use crate::evidence::any_form::{AnyForm, Problem};
use crate::evidence::between::Between;
use crate::scalar::Expression;

/// What arrived after the functions of each layer, by channel: N x H x W.
pub type Trace = BTreeMap<(Layer, usize), Array3<Expression>>;

/// The order in which the layers are computed.
const ORDER: [Layer; 5] =
    [Layer::Reduce, Layer::Transform, Layer::Shortcut, Layer::Expand, Layer::Output];

/// Follows `form` through an example, in inference mode. The sums of each layer are spelled out in
/// the numbers that the layer before gave.
///
/// # Errors
///
/// Those of [`Example::run`].
pub fn trace(form: &dyn AnyForm, example: &Example) -> Result<Trace> {
    let symbol = |value: f32| Expression::from(f64::from(value));
    let weights = example.weights.map(|&w| symbol(w));
    let x = example.layout.lay(&example.x).map(|&x| symbol(x));
    let functions = over(&example.norms, symbol)?;
    let seen = Mutex::new(Trace::new());
    let see = |layer: Layer, channel: usize, mut plane: ArrayViewMut3<'_, Expression>| {
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert((layer, channel), plane.to_owned());
        // What follows the sum over the paths is added to it, and shows it.
        if matches!(layer, Layer::Reduce | Layer::Transform) {
            plane.mapv_inplace(|z| z.given());
        }
    };
    let between = Between::from(&functions);
    let problem = Problem { weights: &weights, x: x.view(), between };
    problem.solve_seen(form, &Reference::default(), &see)?;
    Ok(seen.into_inner().unwrap_or_else(PoisonError::into_inner))
}

/// An element at which two traces part, each with its sum.
#[derive(Clone, Debug)]
pub struct Apart {
    /// After which layer.
    pub layer: Layer,
    /// Image, channel, row, column.
    pub index: [usize; 4],
    /// What the wrong form computes.
    pub found: Expression,
    /// What the right form computes.
    pub expected: Expression,
}

/// The first element, layer by layer, at which a wrong form's trace parts from a right one's; `None`
/// where they have no element in common that does.
pub fn first_apart(right: &Trace, wrong: &Trace) -> Option<Apart> {
    ORDER.into_iter().find_map(|layer| {
        let planes = right.iter().filter(|((at, _), _)| *at == layer);
        planes.filter_map(|(at, right)| Some((at, right, wrong.get(at)?))).find_map(
            |((_, channel), right, wrong)| {
                let mut pairs = right.indexed_iter().zip(wrong);
                let same_map = right.dim() == wrong.dim();
                let (((n, h, w), expected), found) =
                    pairs.find(|((_, right), wrong)| same_map && !same(right, wrong))?;
                let index = [n, *channel, h, w];
                Some(Apart { layer, index, found: found.clone(), expected: expected.clone() })
            },
        )
    })
}

/// NaN is NaN.
fn same(left: &Expression, right: &Expression) -> bool {
    left == right || (left.value().is_nan() && right.value().is_nan())
}
