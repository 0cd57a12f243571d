//! Computes the width at which a block of another cardinality has the same complexity. This is the calculation behind
//! the paper's Table 2.
//!
//! `C` paths of width `d` have `C (C_in d + k k d d + d C_out)` parameters. At stride 1 on a map of H x W, they have
//! H W times as many MACs. So the width that suits the parameters also suits the MACs. For a budget of `B`
//! parameters, the width is
//!
//! ```text
//! d = (sqrt(s s + 4 k k B / C) - s) / (2 k k)        s = C_in + C_out
//! ```
//!
//! This is the positive root of `k k d d + s d = B / C`, which is seldom an integer. The paper's word "preserved"
//! hides how far the rounded width misses the budget.

use super::{add, block};
use crate::block::BlockSpec;
use crate::error::{Result, none_is_0};

/// The width with which C paths meet a parameter budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Width {
    /// Paths, C.
    pub cardinality: usize,
    /// The width that would meet the budget exactly.
    pub exact: f64,
    /// The integer width whose parameter count is nearest to the budget.
    pub rounded: usize,
    /// Parameters with the rounded width.
    pub parameters: u64,
    /// The relative difference of `parameters` from the budget; negative below the budget.
    pub error: f64,
}

/// Finds the integer width at which the parameter count of `cardinality` paths is nearest to that of `template`'s
/// three convolutions. The number of MACs is then also nearest: at stride 1, it is the number of parameters times the
/// number of positions of the map.
///
/// Errors: a cardinality of 0, and counts beyond 64 bits.
///
/// ```
/// use triform::{block::BlockSpec, count::preserving_width};
/// let resnet = BlockSpec::new(256, 1, 64, 256)?;
/// let width = preserving_width(&resnet, 32)?;
/// assert_eq!((width.rounded, width.parameters), (4, 70_144));
/// assert!((width.exact - 3.97).abs() < 0.01);
/// # Ok::<(), triform::Error>(())
/// ```
pub fn preserving_width(template: &BlockSpec, cardinality: usize) -> Result<Width> {
    none_is_0(&[("cardinality", cardinality)])?;
    let budget = block(template)?.convolutions;
    let exact = exact_width(template, cardinality as f64)?;
    let below = (exact.floor() as usize).max(1);
    let spent = |width| -> Result<(u64, usize, u64)> {
        let spec = BlockSpec::new(template.c_in(), cardinality, width, template.c_out())?;
        let parameters = block(&spec.with_kernel(template.kernel())?)?.convolutions;
        Ok((parameters.abs_diff(budget), width, parameters))
    };
    let above = add("width", below as u64, 1)? as usize;
    let (_, rounded, parameters) = spent(below)?.min(spent(above)?);
    let error = parameters as f64 / budget as f64 - 1.0;
    Ok(Width { cardinality, exact, rounded, parameters, error })
}

/// The width that would match the parameters of `template`'s three convolutions exactly, if widths and
/// cardinalities did not have to be integers.
///
/// Errors: a budget beyond 64 bits.
pub fn exact_width(template: &BlockSpec, cardinality: f64) -> Result<f64> {
    let budget = block(template)?.convolutions;
    let taps = (template.kernel() * template.kernel()) as f64;
    let s = (template.c_in() + template.c_out()) as f64;
    // x / (sqrt(s s + x) + s) is sqrt(s s + x) - s without subtracting two nearly equal numbers.
    let x = 4.0 * taps * budget as f64 / cardinality;
    Ok(x / ((s * s + x).sqrt() + s) / (2.0 * taps))
}

#[cfg(test)]
mod tests {
    use super::preserving_width;
    use crate::block::BlockSpec;

    /// The exact width meets the budget exactly, and no integer comes nearer than the rounded width.
    #[test]
    fn no_other_width_is_nearer() {
        assert!(preserving_width(&"256x1x64".parse().unwrap(), 0).is_err());
        for (c_in, width, c_out, kernel) in [(256, 64, 256, 3), (64, 64, 256, 3), (96, 31, 10, 5)] {
            let template = BlockSpec::new(c_in, 1, width, c_out).unwrap();
            let template = template.with_kernel(kernel).unwrap();
            let budget = crate::count::block(&template).unwrap().convolutions;
            for cardinality in [1, 2, 3, 7, 16, 64, 1000] {
                let found = preserving_width(&template, cardinality).unwrap();
                let (c, d, k) = (cardinality as f64, found.exact, kernel as f64);
                let spent = c * ((c_in + c_out) as f64 * d + k * k * d * d);
                // A dozen operations, each rounded by 2^-53 at most.
                assert!((spent / budget as f64 - 1.0).abs() < 12.0 * f64::EPSILON);
                for other in 1..=width + 2 {
                    let spec = BlockSpec::new(c_in, cardinality, other, c_out).unwrap();
                    let spec = spec.with_kernel(kernel).unwrap();
                    let parameters = crate::count::block(&spec).unwrap().convolutions;
                    assert!(parameters.abs_diff(budget) >= found.parameters.abs_diff(budget));
                }
            }
        }
    }
}
