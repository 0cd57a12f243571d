//! The paper's Table 2, and ResNet-50 beside ResNeXt-50.

use super::networks::plain;
use super::{Counted, preserve};
use crate::report::grid::{grid, row};
use crate::report::words::{line, paragraph, thousands};
use triform::block::BlockSpec;
use triform::count::ParameterRule;
use triform::error::Result;
use triform::network::zoo;

/// Table 2, counted, with the widths that would preserve the complexity exactly; and the two networks
/// stage by stage.
///
/// # Errors
///
/// None in practice.
pub fn paper() -> Result<String> {
    let mut text = String::new();
    let template = BlockSpec::new(256, 1, 64, 256)?;
    paragraph(
        &mut text,
        "The block of Table 2 of the paper: 256 channels in and out, C paths of width d, D = C·d. \
         Parameters: the three convolutions, C·(256·d + 3·3·d·d + d·256). MACs: multiply-adds on a \
         map of 56 x 56; FLOPs are twice as many.",
    );
    text.push('\n');
    preserve::table(&mut text, &template, &[1, 2, 4, 8, 16, 32])?;
    text.push('\n');
    paragraph(
        &mut text,
        "Exact d: the width that would preserve ResNet's 69,632 parameters, and its MACs, exactly; \
         d is the nearest whole one, and what it gives is off by so much. C = 16 is not in the \
         paper's table: its exact d lies half way between two whole ones, so that either is further \
         off than all the others.",
    );
    text.push('\n');
    stages(&mut text)?;
    text.push('\n');
    paragraph(
        &mut text,
        "More: triform count ARCH..., one or several of these (or of the same kind, as \
         resnext50_16x8d), or a block such as 256x32x4:",
    );
    paragraph(&mut text, &zoo::names().collect::<Vec<_>>().join(" "));
    Ok(text)
}

fn stages(text: &mut String) -> Result<()> {
    let [resnet, resnext] =
        ["resnet50", "resnext50_32x4d"].map(|name| Counted::new(zoo::named(name)?, None));
    let (resnet, resnext) = (resnet?, resnext?);
    line(text, "ResNet-50 and ResNeXt-50 (32x4d) on 224 x 224, stage by stage:");
    text.push('\n');
    let names = ["", "ResNet-50", "ResNeXt-50", "", "ResNet-50", "ResNeXt-50", ""];
    let mut rows = vec![row(["", "parameters", "", "", "MACs", "", ""]), row(names)];
    let mut compare = |name: String, (p, m): (u64, u64), (q, n): (u64, u64)| {
        let numbers = [thousands(p), thousands(q), times(p, q), thousands(m), thousands(n)];
        rows.push([vec![name], numbers.to_vec(), vec![times(m, n)]].concat());
    };
    let parts = resnet.counts.by_place()?.into_iter().zip(resnext.counts.by_place()?);
    for ((place, left), (_, right)) in parts {
        let of = |counts| -> Result<(u64, u64)> {
            Ok((ParameterRule::TRAINED.count(counts)?, counts.operations.macs()?))
        };
        compare(place.to_string(), of(&left)?, of(&right)?);
    }
    compare("all".to_owned(), plain(&resnet)?, plain(&resnext)?);
    grid(text, &rows, 1);
    Ok(())
}

/// The second as a multiple of the first.
fn times(one: u64, other: u64) -> String {
    format!("x{:.3}", other as f64 / one as f64)
}
