//! For each cardinality, the width that preserves a block's complexity.

use crate::report::grid::{grid, row};
use crate::report::words::{paragraph, thousands};
use triform::block::BlockSpec;
use triform::count::{self, preserving_width};
use triform::error::Result;
use triform::network::architecture::Architecture;
use triform::network::layers::Map;

/// All cardinalities that are powers of two, as long as a path is at least one channel wide.
///
/// # Errors
///
/// Those of [`preserving_width`].
pub fn preserve(template: &BlockSpec) -> Result<String> {
    let mut text = String::new();
    let budget = count::block(template)?.convolutions;
    paragraph(
        &mut text,
        &format!(
            "Block {template}: {} parameters in its three convolutions. The width d that keeps them, \
             and the MACs, at other cardinalities: the root of C·(C_in·d + 3·3·d·d + d·C_out) = {0}, \
             and the integer that comes nearest to it.",
            thousands(budget)
        ),
    );
    text.push('\n');
    let mut cardinalities = Vec::new();
    for power in 0..usize::BITS {
        let cardinality = 1 << power;
        if preserving_width(template, cardinality)?.exact < 1.0 {
            break;
        }
        cardinalities.push(cardinality);
    }
    table(&mut text, template, &cardinalities)?;
    Ok(text)
}

/// Appends a row for each cardinality.
pub(super) fn table(
    text: &mut String,
    template: &BlockSpec,
    cardinalities: &[usize],
) -> Result<()> {
    let head = ["C", "d", "D", "parameters", "with batch norm", "MACs, 56x56", "exact d", "off by"];
    let mut rows = vec![row(head)];
    for &cardinality in cardinalities {
        let width = preserving_width(template, cardinality)?;
        let (c_in, c_out) = (template.c_in(), template.c_out());
        let spec = BlockSpec::new(c_in, cardinality, width.rounded, c_out)?;
        let map: Map = (56, 56);
        let counted = count::network(&Architecture::single(&spec), map)?.total;
        rows.push(vec![
            cardinality.to_string(),
            width.rounded.to_string(),
            spec.inner().to_string(),
            thousands(width.parameters),
            thousands(counted.parameters.trained()?),
            thousands(counted.operations.macs()?),
            format!("{:.2}", width.exact),
            format!("{:+.2} %", 100.0 * width.error),
        ]);
    }
    grid(text, &rows, 0);
    Ok(())
}
