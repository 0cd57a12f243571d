//! The logits of a network in each form.

use ndarray::{Array2, ArrayView4, Axis};

use crate::network::forward::average_pool;
use crate::network::weights::TopWeights;

/// How far those of two forms may be apart, as a part of the largest sum of sizes behind a logit
/// ([`Logits::scale`]): 1e-5. It is chosen, not derived. Forms of ImageNet's networks come out below 1e-6; a mistake
/// in one block is far above, unless the block does next to nothing.
pub const LOGITS: f64 = 1e-5;

/// The logits of each form, N x classes, by the form's letter.
#[derive(Clone, Debug)]
pub struct Logits {
    /// In the order of the forms.
    pub of_form: Vec<(char, Array2<f32>)>,
    /// The largest absolute value of all.
    pub largest: f64,
    /// The largest sum of the sizes of a logit's terms.
    pub scale: f64,
    /// For each pair of forms, by their letters: the largest difference of two logits.
    pub differences: Vec<(String, f64)>,
}

/// The largest sum over |w| |feature|, and |bias|, of any logit, whose terms may cancel: rounding goes with
/// it, and not with what they leave. Without a top, the largest pooled feature.
pub(super) fn scale(top: Option<&TopWeights>, features: ArrayView4<'_, f32>) -> f64 {
    let pooled = average_pool(features);
    let size = |value: &f32| f64::from(value.abs());
    let Some(top) = top else { return pooled.iter().map(size).fold(0.0, f64::max) };
    let mut largest = 0f64;
    for image in pooled.outer_iter() {
        for (kernel, bias) in top.kernel.axis_iter(Axis(0)).zip(&top.bias) {
            let terms = kernel.iter().zip(&image).map(|(w, x)| size(w) * size(x));
            largest = largest.max(terms.sum::<f64>() + size(bias));
        }
    }
    largest
}

impl Logits {
    pub(super) fn of(of_form: Vec<(char, Array2<f32>)>, scale: f64) -> Self {
        let sizes = of_form.iter().flat_map(|(_, logits)| logits);
        let largest = sizes.fold(0f64, |largest, value| largest.max(f64::from(value.abs())));
        let mut differences = Vec::new();
        for distance in 1..of_form.len() {
            for ((left, one), (right, other)) in of_form.iter().zip(&of_form[distance..]) {
                let pairs = one.iter().zip(other);
                let apart = pairs.fold(0f64, |apart, (l, r)| {
                    let difference = (f64::from(*l) - f64::from(*r)).abs();
                    // NaN is no number to compare with, so it has to be asked for by name.
                    if difference.is_nan() { f64::INFINITY } else { apart.max(difference) }
                });
                differences.push((format!("{left}{right}"), apart));
            }
        }
        Self { of_form, largest, scale, differences }
    }

    /// The differences in parts of the largest logit.
    pub fn relative(&self) -> impl Iterator<Item = (&str, f64)> {
        self.differences.iter().map(|(pair, apart)| {
            (pair.as_str(), if *apart == 0.0 { 0.0 } else { apart / self.largest })
        })
    }

    /// Whether each two forms agree within [`LOGITS`].
    pub fn agree(&self) -> bool {
        let allowed = LOGITS * self.scale;
        self.differences.iter().all(|(_, apart)| *apart == 0.0 || *apart <= allowed)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::{Array1, Array4, arr2};

    use super::{Logits, scale};
    use crate::network::weights::TopWeights;

    fn of(a: [f32; 2], b: [f32; 2], c: [f32; 2], scale: f64) -> Logits {
        let all = [('a', a), ('b', b), ('c', c)].map(|(letter, x)| (letter, arr2(&[x])));
        Logits::of(all.to_vec(), scale)
    }

    #[test]
    fn logits_are_compared_relative_to_what_they_are_made_of() {
        let logits = of([1.0, -8.0], [1.0, -8.0], [1.5, -8.0], 8.0);
        assert_eq!(logits.largest, 8.0);
        let expected = [("ab", 0.0), ("bc", 0.0625), ("ac", 0.0625)];
        assert_eq!(logits.relative().collect::<Vec<_>>(), expected);
        assert!(!logits.agree());
        // 1e-5 of the scale, and a little more.
        assert!(of([0.0, 1.0], [9e-5, 1.0], [0.0, 1.0], 10.0).agree());
        assert!(!of([0.0, 1.0], [2e-4, 1.0], [0.0, 1.0], 10.0).agree());
        // NaN in one of them, and in all: neither is agreement.
        assert!(!of([1.0, 2.0], [1.0, f32::NAN], [1.0, 2.0], 2.0).agree());
        assert!(!of([f32::NAN, 2.0], [f32::NAN, 2.0], [f32::NAN, 2.0], 2.0).agree());
    }

    /// Features 2 and -3 (of which the mean is taken), weights 1 and 1, bias -1: 2 + 3 + 1.
    #[test]
    fn terms_that_cancel_count_by_their_size() {
        let features =
            Array4::from_shape_fn(
                (1, 2, 1, 2),
                |(_, c, _, w)| {
                    if c == 0 { 1.0 + 2.0 * w as f32 } else { -3.0 }
                },
            );
        let (kernel, bias) = (Array4::ones((1, 2, 1, 1)), Array1::from_elem(1, -1.0));
        assert_eq!(scale(Some(&TopWeights { kernel, bias }), features.view()), 6.0);
        assert_eq!(scale(None, features.view()), 3.0);
    }
}
