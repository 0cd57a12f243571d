//! What the outputs of a classifier mean: the names of ImageNet's classes, and which classes are likeliest.

use std::cmp::Ordering;

/// The names in torchvision's order, one per line; see assets/README.md.
const IMAGENET: &str = include_str!("../../assets/imagenet_classes.txt");

/// The names of ImageNet's 1000 classes, in the order of torchvision's outputs. Class 0 is "tench", and class 999 is
/// "toilet tissue". No two names are the same.
pub fn imagenet() -> Vec<&'static str> {
    IMAGENET.lines().collect()
}

/// Returns the classes of the `k` largest logits, or of all logits if there are fewer. Each class comes with its
/// softmax probability in f64, which is `exp(logit)` divided by the sum of `exp` over all classes. The class with the
/// largest logit comes first. If logits are equal, the class with the lower index comes first.
///
/// A NaN counts as larger than any number, as in PyTorch's `topk`, so it is not overlooked. Every probability is NaN
/// if a logit is NaN or +infinity, or if all logits are -infinity, as in PyTorch's `softmax`.
pub fn top(logits: &[f32], k: usize) -> Vec<(usize, f64)> {
    // After the largest is subtracted, no exponential overflows, and one is 1. `max` ignores NaN, exp does not.
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let exponential = |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
    let sum: f64 = logits.iter().map(|&logit| exponential(logit)).sum();

    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|&one, &other| descending(logits[one], logits[other])); // stable
    order.into_iter().take(k).map(|class| (class, exponential(logits[class]) / sum)).collect()
}

/// Orders larger numbers first, and NaN before all numbers. Unlike in `total_cmp`, -0 equals 0.
fn descending(one: f32, other: f32) -> Ordering {
    let nan = other.is_nan().cmp(&one.is_nan());
    nan.then(other.partial_cmp(&one).unwrap_or(Ordering::Equal))
}

#[cfg(test)]
mod tests {
    use super::{imagenet, top};

    #[test]
    fn there_are_a_thousand_classes_in_torchvisions_order() {
        let names = imagenet();
        assert_eq!(names.len(), 1000);
        assert_eq!((names[0], names[281], names[999]), ("tench", "tabby", "toilet tissue"));
        assert!(names.iter().all(|name| !name.is_empty() && name.trim() == *name));
        let distinct: std::collections::BTreeSet<&str> = names.into_iter().collect();
        assert_eq!(distinct.len(), 1000);
    }

    /// The logits are the logarithms of 1, 2, 4 and 1, plus a constant. The exponential of 1000 would overflow even
    /// in f64.
    #[test]
    fn probabilities_are_those_of_a_known_softmax() {
        for constant in [0.0, 1000.0, -1000.0] {
            let logits = [1f32, 2.0, 4.0, 1.0].map(|x| x.ln() + constant);
            let found = top(&logits, 3);
            assert_eq!(found.iter().map(|(class, _)| *class).collect::<Vec<_>>(), [2, 1, 0]);
            for ((_, probability), expected) in found.iter().zip([0.5, 0.25, 0.125]) {
                // A logit near 1000 has a last bit of 2^-14.
                assert!((probability - expected).abs() < 1e-4, "{probability} for {expected}");
            }
        }
        let found = top(&[0.0, 1.0], 2);
        let e = std::f64::consts::E;
        assert!((found[0].1 - e / (1.0 + e)).abs() < 1e-15, "{found:?}");
        assert!((found[1].1 - 1.0 / (1.0 + e)).abs() < 1e-15, "{found:?}");
    }

    #[test]
    fn the_largest_come_first_and_of_equal_ones_the_lower_index() {
        let logits: Vec<f32> = (0..1000).map(|i| ((i * 7919) % 1000) as f32 / 50.0).collect();
        let found = top(&logits, 1000);
        let sum: f64 = found.iter().map(|(_, probability)| probability).sum();
        assert!((sum - 1.0).abs() < 1e-12, "{sum}");
        assert!(found.windows(2).all(|pair| pair[0].1 >= pair[1].1));
        assert_eq!(top(&[0.0, -0.0, 0.0], 2), [(0, 1.0 / 3.0), (1, 1.0 / 3.0)]);
        assert_eq!(top(&[-0.0, 0.0], 1), [(0, 0.5)]);
        // Fewer than asked for, or none.
        assert_eq!(
            (top(&[3.0], 5), top(&[3.0, 4.0], 0), top(&[], 5)),
            (vec![(0, 1.0)], vec![], vec![])
        );
    }

    #[test]
    fn what_is_no_number_is_not_hidden() {
        let (nan, infinity) = (f32::NAN, f32::INFINITY);
        for logits in [[1.0, nan, 2.0], [1.0, -nan, 2.0], [1.0, infinity, 2.0], [-infinity; 3]] {
            let found = top(&logits, 3);
            let first = if logits[0] == -infinity { 0 } else { 1 };
            assert_eq!(found[0].0, first, "{logits:?}");
            assert!(found.iter().all(|(_, probability)| probability.is_nan()), "{logits:?}");
        }
        assert_eq!(top(&[-infinity, 0.0], 2), [(1, 1.0), (0, 0.0)]);
    }
}
