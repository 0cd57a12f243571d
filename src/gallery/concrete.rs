//! A number of any kind, treated as one of a certain kind where it is one.
//!
//! Forms are generic and so are wrong ones; but a mistake about NaN, say, exists for floats only.

use std::any::Any;

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
