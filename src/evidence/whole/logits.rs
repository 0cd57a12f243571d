//! The logits of a network in each form.

use ndarray::Array2;

/// The part of the largest logit by which those of two forms may differ: 1e-5. It is chosen, not
/// derived. Forms of ImageNet's networks come out below 1e-6; a mistake in one block is far above, unless
/// the block does next to nothing.
pub const LOGITS: f64 = 1e-5;

/// The logits of each form, N x classes, by the form's letter.
#[derive(Clone, Debug)]
pub struct Logits {
    /// In the order of the forms.
    pub of_form: Vec<(char, Array2<f32>)>,
    /// The largest absolute value of all.
    pub largest: f64,
    /// For each pair of forms, by their letters: the largest difference of two logits, over
    /// the largest logit.
    pub differences: Vec<(String, f64)>,
}

impl Logits {
    pub(super) fn of(of_form: Vec<(char, Array2<f32>)>) -> Self {
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
                let relative = if apart == 0.0 { 0.0 } else { apart / largest };
                differences.push((format!("{left}{right}"), relative));
            }
        }
        Self { of_form, largest, differences }
    }

    /// Whether each two forms agree within [`LOGITS`].
    pub fn agree(&self) -> bool {
        self.differences.iter().all(|(_, relative)| *relative <= LOGITS)
    }
}

#[cfg(test)]
mod tests {
    use ndarray::arr2;

    use super::Logits;

    #[test]
    fn logits_are_compared_relative_to_the_largest() {
        let of = |a: [f32; 2], b: [f32; 2], c: [f32; 2]| {
            Logits::of([('a', a), ('b', b), ('c', c)].map(|(l, x)| (l, arr2(&[x]))).to_vec())
        };
        let logits = of([1.0, -8.0], [1.0, -8.0], [1.5, -8.0]);
        assert_eq!(logits.largest, 8.0);
        let expected =
            [("ab", 0.0), ("bc", 0.0625), ("ac", 0.0625)].map(|(p, d)| (p.to_owned(), d));
        assert_eq!(logits.differences, expected);
        assert!(!logits.agree());
        let nearly = 8.0 + f32::EPSILON * 8.0;
        assert!(of([1.0, 8.0], [1.0, nearly], [1.0, 8.0]).agree());
        // NaN in one of them, and in all: neither is agreement.
        assert!(!of([1.0, 2.0], [1.0, f32::NAN], [1.0, 2.0]).agree());
        assert!(!of([f32::NAN, 2.0], [f32::NAN, 2.0], [f32::NAN, 2.0]).agree());
    }
}
