//! One convolution beside the dense one and the depthwise one.

use crate::report::grid::{grid, row};
use crate::report::words::{paragraph, thousands};
use triform::conv::ConvSpec;
use triform::count::{convolution as parameters, convolution_macs};
use triform::error::Result;
use triform::network::layers::Map;

/// Parameters and MACs of a k x k convolution in some groups, padded by k/2, and what they are in other
/// numbers of groups.
///
/// # Errors
///
/// [`Error::GroupsDoNotDivide`](triform::Error::GroupsDoNotDivide),
/// [`Error::Zero`](triform::Error::Zero), [`Error::TooManyElements`](triform::Error::TooManyElements).
pub fn convolution([k, c_in, c_out, groups]: [usize; 4], map: Map) -> Result<String> {
    // A mistake in what was asked for comes before everything else.
    parameters(k, k, c_in, c_out, groups)?;
    let dense = parameters(k, k, c_in, c_out, 1)?;
    let mut rows = vec![row(["groups", "", "parameters", "of the dense", "MACs"])];
    let mut some = vec![1, groups, c_in];
    some.retain(|groups| c_in.is_multiple_of(*groups) && c_out.is_multiple_of(*groups));
    some.sort_unstable();
    some.dedup();
    for groups in some {
        let spec = ConvSpec::new(1, k / 2, 1, groups)?;
        let counted = parameters(k, k, c_in, c_out, groups)?;
        let macs = convolution_macs(k, c_in, c_out, &spec, map)?;
        let name = match groups {
            1 => "dense",
            _ if groups == c_in && c_in == c_out => "depthwise",
            _ => "grouped",
        };
        rows.push(vec![
            groups.to_string(),
            name.to_owned(),
            thousands(counted),
            format!("1/{}", dense / counted.max(1)),
            thousands(macs.all_taps),
        ]);
    }
    let mut text = String::new();
    paragraph(
        &mut text,
        &format!(
            "A {k}x{k} convolution from {} to {} channels on a map of {} x {}: k·k·C_in·C_out/g \
             parameters, without bias. MACs: multiply-adds, every tap.",
            thousands(c_in as u64),
            thousands(c_out as u64),
            map.0,
            map.1
        ),
    );
    text.push('\n');
    grid(&mut text, &rows, 0);
    Ok(text)
}
