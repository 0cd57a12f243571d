//! A number of any kind, treated as one of a certain kind where it is one.
//!
//! Forms are generic and so are wrong ones; but a mistake about NaN, say, exists for floats only.

use std::any::Any;

use ndarray::{Array3, ArrayViewMut3};

/// `value` itself, if the two types are one.
pub(super) fn same_type<A: 'static, B: 'static>(value: A) -> Result<B, A> {
    let mut value = Some(value);
    if let Some(same) = (&mut value as &mut dyn Any).downcast_mut::<Option<B>>()
        && let Some(same) = same.take()
    {
        return Ok(same);
    }
    Err(value.unwrap_or_else(|| unreachable!("taken where the types are one alone")))
}

/// Changes a plane of `T`; nothing, and `false`, if it is one of other numbers.
pub(super) fn on_plane<S: Clone + 'static, T: Clone + 'static>(
    plane: &mut ArrayViewMut3<'_, S>,
    change: impl FnOnce(ArrayViewMut3<'_, T>),
) -> bool {
    let Ok(mut own) = same_type::<Array3<S>, Array3<T>>(plane.to_owned()) else {
        return false;
    };
    change(own.view_mut());
    match same_type::<Array3<T>, Array3<S>>(own) {
        Ok(own) => plane.assign(&own),
        Err(_) => unreachable!("they were one"),
    }
    true
}
