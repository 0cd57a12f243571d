//! The classes that a network finds likeliest.

use ndarray::ArrayView2;

use crate::report::grid::{grid, row};
use crate::report::words::line;
use triform::network::classes;

/// How many are shown.
pub(super) const SHOWN: usize = 5;
/// Images that are shown; all are in the JSON.
const IMAGES: usize = 8;

/// The name of a class, where the network has ImageNet's thousand.
pub(super) fn name(class: usize, classes: usize) -> Option<&'static str> {
    let names = classes::imagenet();
    if names.len() == classes { names.get(class).copied() } else { None }
}

/// The likeliest classes of each image, by logits N x classes. `form` says whose they are.
pub(super) fn table(text: &mut String, form: &str, logits: ArrayView2<'_, f32>) {
    let (images, classes) = logits.dim();
    for (number, logits) in logits.rows().into_iter().enumerate().take(IMAGES) {
        if number > 0 {
            line(text, "");
        }
        let image = if images > 1 { format!("image {number}") } else { String::new() };
        let whose: Vec<&str> = [form, &image].into_iter().filter(|word| !word.is_empty()).collect();
        let whose =
            if whose.is_empty() { String::new() } else { format!(", {}", whose.join(", ")) };
        line(text, &format!("Likeliest classes{whose}:"));
        let logits = logits.to_vec();
        let mut rows = vec![row(["", "class", "", "logit", "probability"])];
        for (place, (class, probability)) in classes::top(&logits, SHOWN).into_iter().enumerate() {
            rows.push(vec![
                format!("  {}", place + 1),
                class.to_string(),
                name(class, classes).unwrap_or_default().to_owned(),
                format!("{:.4}", logits[class]),
                if probability < 5e-5 {
                    "< 0.01 %".to_owned()
                } else {
                    format!("{:.2} %", 100.0 * probability)
                },
            ]);
        }
        grid(text, &rows, 3);
    }
    if images > IMAGES {
        line(text, &format!("{} more images: see --json or --output.", images - IMAGES));
    }
}
