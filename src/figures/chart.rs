//! What the charts have in common: the letters' sizes, powers of ten, a legend.

use plotters::chart::MeshStyle;
use plotters::coord::ranged1d::{Ranged, ValueFormatter};
use plotters::style::{Color, IntoFont, RGBColor, TextStyle};

use plotters_backend::text_anchor::HPos;
use triform_canvas::FigureError;
use triform_canvas::lettering::Lettering;
use triform_canvas::palette::{INK, MUTED, RULE};
use triform_canvas::plot::Plot;
use triform_canvas::{Canvas, Pen};

/// Text of a chart: labels and legends.
pub(super) const BODY: f64 = 13.0;
/// A chart's heading.
pub(super) const HEADING: f64 = 17.0;

/// The style of a chart's labels.
pub(super) fn body() -> TextStyle<'static> {
    ("sans-serif", BODY).into_font().color(&INK)
}

/// A heading and a line below it, centred at the top.
pub(super) fn heading(canvas: &mut Canvas, heading: &str, below: &str) -> Result<(), FigureError> {
    let middle = f64::from(canvas.size().0) / 2.0;
    canvas.label(heading, (middle, 28.0), &Lettering::centred(HEADING, INK))?;
    canvas.label(below, (middle, 52.0), &Lettering::centred(BODY, MUTED))?;
    Ok(())
}

/// Lines of the legend, side by side from `x` on: a stroke of the colour, and words.
pub(super) fn legend(
    canvas: &mut Canvas,
    (mut x, y): (f64, f64),
    entries: &[(RGBColor, &str)],
) -> Result<(), FigureError> {
    for (color, words) in entries {
        canvas.line(&[(x, y), (x + 22.0, y)], Pen { color: *color, width: 3.0 })?;
        let style = Lettering { across: HPos::Left, ..Lettering::centred(BODY, INK) };
        let ink = canvas.label(words, (x + 30.0, y), &style)?;
        x = ink.right + 28.0;
    }
    Ok(())
}

/// Words beside a point that a chart has drawn, shifted from it.
pub(super) fn beside(
    canvas: &mut Canvas,
    (x, y): (i32, i32),
    shift: (f64, f64),
    words: &str,
) -> Result<(), FigureError> {
    let place = (f64::from(x) + shift.0, f64::from(y) + shift.1);
    canvas.label(words, place, &Lettering::centred(BODY, INK).from_left())?;
    Ok(())
}

/// The look that all charts have: thin grid lines, no lighter ones between, and one lettering.
pub(super) fn look<'b, X, Y>(
    mesh: &mut MeshStyle<'_, 'b, X, Y, Plot<'_>>,
) -> Result<(), FigureError>
where
    X: Ranged + ValueFormatter<X::ValueType>,
    Y: Ranged + ValueFormatter<Y::ValueType>,
{
    let style = body();
    mesh.light_line_style(RULE.mix(0.0))
        .bold_line_style(RULE)
        .axis_style(MUTED)
        .label_style(style.clone())
        .axis_desc_style(style);
    Ok(())
}

/// 10 to a power, as 10⁻⁶.
pub(super) fn power_of_ten(power: i32) -> String {
    let digits = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];
    let sign = if power < 0 { "⁻" } else { "" };
    let digit = |byte: u8| digits[usize::from(byte - b'0')];
    let power: String = power.unsigned_abs().to_string().bytes().map(digit).collect();
    format!("10{sign}{power}")
}

#[cfg(test)]
mod tests {
    use super::power_of_ten;

    #[test]
    fn powers_of_ten_are_written_small() {
        assert_eq!([-12, -6, 0, 3].map(power_of_ten), ["10⁻¹²", "10⁻⁶", "10⁰", "10³"]);
    }
}
