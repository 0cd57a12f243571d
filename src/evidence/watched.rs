//! Cut points: channel-wise functions whose results are seen, and may be replaced.

use ndarray::ArrayViewMut3;

use crate::block::{Functions, Layer};
use crate::conv::ChannelWise;

/// Sees the plane of a channel (N x H x W) at a place of the block, once its function is applied,
/// and may change it.
pub type See<'a, S> = dyn Fn(Layer, usize, ArrayViewMut3<'_, S>) + Sync + 'a;

/// The functions of a block, watched at each place.
pub struct Watched<'a, S> {
    places: [Place<'a, S>; 5],
}

struct Place<'a, S> {
    layer: Layer,
    function: &'a dyn ChannelWise<S>,
    see: &'a See<'a, S>,
}

impl<'a, S> Watched<'a, S> {
    /// `functions`, each of which is followed by `see`.
    pub fn new(functions: &Functions<'a, S>, see: &'a See<'a, S>) -> Self {
        let Functions { reduce, transform, expand, shortcut, output } = *functions;
        let functions = [reduce, transform, expand, shortcut, output];
        Self {
            places: Layer::ALL.map(|layer| Place {
                layer,
                function: functions[layer as usize],
                see,
            }),
        }
    }

    /// The functions, to be handed to a form.
    pub fn functions(&self) -> Functions<'_, S> {
        Functions::of(|layer| &self.places[layer as usize])
    }
}

impl<S> ChannelWise<S> for Place<'_, S> {
    fn apply(&self, channel: usize, mut plane: ArrayViewMut3<'_, S>) {
        self.function.apply(channel, plane.view_mut());
        (self.see)(self.layer, channel, plane);
    }
}

/// The place in words, after which a value was seen.
pub fn place(layer: Layer) -> &'static str {
    match layer {
        Layer::Reduce => "after the first 1x1",
        Layer::Transform => "after the 3x3",
        Layer::Expand => "after the last 1x1",
        Layer::Shortcut => "after the projection",
        Layer::Output => "output",
    }
}

#[cfg(test)]
mod tests {
    use super::place;
    use crate::block::Layer;

    #[test]
    fn places_have_names_of_their_own() {
        let names = Layer::ALL.map(place);
        for (i, name) in names.iter().enumerate() {
            assert!(!names[..i].contains(name), "{name}");
        }
    }
}
