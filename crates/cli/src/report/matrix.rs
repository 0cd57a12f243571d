//! The numbers of a block as matrices.

use ndarray::{ArrayView1, ArrayView2, ArrayView3, ArrayView4, s};

use super::words::padded;

/// A number in as few characters as possible: 1, -2, 0.5, NaN.
pub(super) fn number(value: f32) -> String {
    // No minus before a zero: nothing here depends on it.
    if value == 0.0 { "0".to_owned() } else { value.to_string() }
}

/// Rows of numbers in brackets, in columns of equal width.
fn rows(matrix: ArrayView2<'_, f32>) -> Vec<String> {
    let width = matrix.iter().map(|value| number(*value).len()).max().unwrap_or(0);
    let cell = |value: &f32| format!("{:>width$}", number(*value));
    let row = |row: ArrayView1<'_, f32>| row.iter().map(cell).collect::<Vec<_>>().join(" ");
    matrix.rows().into_iter().map(|cells| format!("[{}]", row(cells))).collect()
}

/// Puts blocks of lines side by side. Shorter blocks are filled up with empty lines.
pub(super) fn beside(blocks: &[Vec<String>], between: &str) -> Vec<String> {
    let high = blocks.iter().map(Vec::len).max().unwrap_or(0);
    let part = |block: &Vec<String>, number| block.get(number).cloned().unwrap_or_default();
    let row = |number| blocks.iter().map(|block| part(block, number)).collect();
    let rows = padded(&(0..high).map(row).collect::<Vec<_>>(), usize::MAX);
    rows.iter().map(|parts| parts.join(between).trim_end().to_owned()).collect()
}

/// A kernel. With a single tap, it is a matrix with a row for each output channel and a column for each input channel.
/// Otherwise, each entry of that matrix is itself a matrix: the taps for this pair of channels.
pub(super) fn kernel(kernel: ArrayView4<'_, f32>) -> Vec<String> {
    let (_, _, k_h, k_w) = kernel.dim();
    if (k_h, k_w) == (1, 1) { rows(kernel.slice(s![.., .., 0, 0])) } else { planes(kernel) }
}

/// The planes of a tensor side by side, the images one below the other.
pub(super) fn planes(x: ArrayView4<'_, f32>) -> Vec<String> {
    let image = |image: ArrayView3<'_, f32>| {
        beside(&image.outer_iter().map(rows).collect::<Vec<_>>(), "  ")
    };
    x.outer_iter().map(image).collect::<Vec<_>>().join(&String::new())
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
        assert_eq!(planes(x.view()), ["[-1  0]", "", "[1 2]"]);
        assert_eq!(
            labelled("x", &planes(x.view())).lines().next(),
            Some(&*format!("{:36}[-1  0]", "x"))
        );
    }
}
