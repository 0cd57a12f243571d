//! The numbers of a block as matrices.

use ndarray::{Array4, ArrayView4};

use super::grid::padded;

/// A number as short as it can be: 1, -2, 0.5, NaN.
pub(super) fn number(value: f32) -> String {
    // No minus before a zero: nothing here depends on it.
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// Rows of numbers in brackets, in columns of one width.
pub(super) fn rows(rows: &[Vec<String>]) -> Vec<String> {
    let width = rows.iter().flatten().map(|cell| cell.chars().count()).max().unwrap_or(0);
    let row = |cells: &Vec<String>| {
        let cells: Vec<String> = cells.iter().map(|cell| format!("{cell:>width$}")).collect();
        format!("[{}]", cells.join(" "))
    };
    rows.iter().map(row).collect()
}

/// Blocks of lines side by side, as high as the highest.
pub(super) fn beside(blocks: &[Vec<String>], between: &str) -> Vec<String> {
    let high = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let part = |block: &Vec<String>, number| block.get(number).cloned().unwrap_or_default();
    let row = |number| blocks.iter().map(|block| part(block, number)).collect();
    let rows = padded(&(0..high).map(row).collect::<Vec<_>>(), usize::MAX);
    rows.iter().map(|parts| parts.join(between).trim_end().to_owned()).collect()
}

/// A kernel: where it has one tap, the matrix output channels x input channels; else each pair's taps,
/// a matrix of matrices.
pub(super) fn kernel(kernel: ArrayView4<'_, f32>) -> Vec<String> {
    let (outputs, inputs, k_h, k_w) = kernel.dim();
    if (k_h, k_w) == (1, 1) {
        let matrix: Vec<Vec<String>> = (0..outputs)
            .map(|o| (0..inputs).map(|c| number(kernel[[o, c, 0, 0]])).collect())
            .collect();
        return rows(&matrix);
    }
    let taps = |o: usize, c: usize| -> Vec<String> {
        let taps: Vec<Vec<String>> =
            (0..k_h).map(|u| (0..k_w).map(|v| number(kernel[[o, c, u, v]])).collect()).collect();
        rows(&taps)
    };
    let mut lines = Vec::new();
    for o in 0..outputs {
        let across: Vec<Vec<String>> = (0..inputs).map(|c| taps(o, c)).collect();
        if o > 0 {
            lines.push(String::new());
        }
        lines.extend(beside(&across, "  "));
    }
    lines
}

/// The planes of a tensor side by side, the images one below the other.
pub(super) fn planes(x: &Array4<f32>) -> Vec<String> {
    let mut lines = Vec::new();
    for image in x.outer_iter() {
        let planes: Vec<Vec<String>> = image
            .outer_iter()
            .map(|plane| {
                let matrix: Vec<Vec<String>> = plane
                    .outer_iter()
                    .map(|row| row.iter().map(|value| number(*value)).collect())
                    .collect();
                rows(&matrix)
            })
            .collect();
        if !lines.is_empty() {
            lines.push(String::new());
        }
        lines.extend(beside(&planes, "  "));
    }
    lines
}

/// A name, and lines beside it.
pub(super) fn labelled(label: &str, lines: &[String]) -> String {
    let label: Vec<String> = vec![format!("{label:36}")];
    beside(&[label, lines.to_vec()], "").join("\n") + "\n"
}

#[cfg(test)]
mod tests {
    use ndarray::Array4;

    use super::{kernel, labelled, planes};

    #[test]
    fn tensors_are_matrices() {
        let one_tap = Array4::from_shape_vec((2, 2, 1, 1), vec![1.0, -2.0, 10.0, 0.5]).unwrap();
        assert_eq!(kernel(one_tap.view()), ["[  1  -2]", "[ 10 0.5]"]);
        let taps = Array4::from_shape_fn((1, 2, 1, 2), |(_, c, _, v)| (2 * c + v) as f32);
        assert_eq!(kernel(taps.view()), ["[0 1]  [2 3]"]);
        let x = Array4::from_shape_fn((2, 1, 1, 2), |(n, _, _, w)| (2 * n + w) as f32 - 1.0);
        assert_eq!(planes(&x), ["[-1  0]", "", "[1 2]"]);
        assert_eq!(labelled("x", &planes(&x)).lines().next(), Some(&*format!("{:36}[-1  0]", "x")));
    }
}
