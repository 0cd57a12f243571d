//! The few colours of all figures. Okabe and Ito's colours are chosen so that readers with any common kind of colour
//! blindness can tell them apart. Besides these there are ink, paper, pale tints of blue, orange and green, and fills
//! for numbers below and above zero.
//!
//! The constants are the colours on a light page. Each has a counterpart for a dark page. Every figure carries a
//! style sheet that swaps the colours if the reader prefers dark pages.

use plotters::style::RGBColor;

/// The colour of text and outlines.
pub const INK: RGBColor = RGBColor(0x1F, 0x23, 0x28);
/// Secondary text.
pub const MUTED: RGBColor = RGBColor(0x57, 0x60, 0x6A);
/// Thin lines: frames, grids, edges.
pub const RULE: RGBColor = RGBColor(0xC9, 0xD0, 0xD7);
/// A fill that differs little from the paper, for boxes that carry no weights.
pub const SHADE: RGBColor = RGBColor(0xF3, 0xF5, 0xF7);
/// The card on which everything is drawn.
pub const PAPER: RGBColor = RGBColor(0xFF, 0xFF, 0xFF);

/// Okabe and Ito's blue.
pub const BLUE: RGBColor = RGBColor(0x00, 0x72, 0xB2);
/// Okabe and Ito's orange.
pub const ORANGE: RGBColor = RGBColor(0xE6, 0x9F, 0x00);
/// Okabe and Ito's bluish green.
pub const GREEN: RGBColor = RGBColor(0x00, 0x9E, 0x73);
/// Okabe and Ito's vermilion.
pub const VERMILION: RGBColor = RGBColor(0xD5, 0x5E, 0x00);
/// Okabe and Ito's reddish purple.
pub const PURPLE: RGBColor = RGBColor(0xCC, 0x79, 0xA7);

/// A pale [`BLUE`], to write on.
pub const PALE_BLUE: RGBColor = RGBColor(0xCF, 0xE5, 0xF3);
/// A pale [`ORANGE`], to write on.
pub const PALE_ORANGE: RGBColor = RGBColor(0xFB, 0xE6, 0xB8);
/// A pale [`GREEN`], to write on.
pub const PALE_GREEN: RGBColor = RGBColor(0xC8, 0xEB, 0xDF);

/// The colours of successive series in a chart.
pub const SERIES: [RGBColor; 5] = [BLUE, ORANGE, GREEN, VERMILION, PURPLE];

/// Four fills to write on, from pale to strong, for numbers below zero.
pub const BELOW: [RGBColor; 4] = [
    RGBColor(0xE1, 0xEF, 0xF8),
    RGBColor(0xB7, 0xDA, 0xEF),
    RGBColor(0x85, 0xC0, 0xE4),
    RGBColor(0x56, 0xA8, 0xD8),
];
/// Four fills to write on, from pale to strong, for numbers above zero.
pub const ABOVE: [RGBColor; 4] = [
    RGBColor(0xFD, 0xF1, 0xDA),
    RGBColor(0xFA, 0xDE, 0xAC),
    RGBColor(0xF4, 0xC6, 0x72),
    RGBColor(0xE9, 0xAB, 0x3A),
];

/// Each colour with its counterpart on a dark page. Plain black, the default of Plotters, counts as ink.
const DARK: [(RGBColor, RGBColor); 22] = [
    (INK, RGBColor(0xE6, 0xED, 0xF3)),
    (plotters::style::BLACK, RGBColor(0xE6, 0xED, 0xF3)),
    (MUTED, RGBColor(0xA2, 0xAC, 0xB7)),
    (RULE, RGBColor(0x3D, 0x44, 0x4D)),
    (SHADE, RGBColor(0x21, 0x28, 0x30)),
    (PAPER, RGBColor(0x15, 0x1B, 0x23)),
    (BLUE, RGBColor(0x56, 0xB4, 0xE9)),
    (ORANGE, RGBColor(0xE6, 0x9F, 0x00)),
    (GREEN, RGBColor(0x1F, 0xB8, 0x8C)),
    (VERMILION, RGBColor(0xE8, 0x74, 0x1A)),
    (PURPLE, RGBColor(0xD9, 0x8F, 0xB8)),
    (PALE_BLUE, RGBColor(0x12, 0x3F, 0x5C)),
    (PALE_ORANGE, RGBColor(0x55, 0x3E, 0x0B)),
    (PALE_GREEN, RGBColor(0x0D, 0x48, 0x3A)),
    (BELOW[0], RGBColor(0x10, 0x28, 0x38)),
    (BELOW[1], RGBColor(0x15, 0x44, 0x60)),
    (BELOW[2], RGBColor(0x1A, 0x5B, 0x83)),
    (BELOW[3], RGBColor(0x1D, 0x6B, 0x9D)),
    (ABOVE[0], RGBColor(0x33, 0x28, 0x0F)),
    (ABOVE[1], RGBColor(0x52, 0x3D, 0x12)),
    (ABOVE[2], RGBColor(0x70, 0x52, 0x15)),
    (ABOVE[3], RGBColor(0x83, 0x5F, 0x17)),
];

/// A colour as SVG writes it, such as `#0072B2`.
pub fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// Whether a colour has a counterpart on a dark page.
pub fn contains(color: RGBColor) -> bool {
    DARK.iter().any(|(light, _)| *light == color)
}

/// The style sheet that swaps all colours of these elements at once if the reader prefers dark pages. It applies only
/// inside `.figure`, so a figure does not change the rest of its page.
pub fn dark_style(elements: &str) -> String {
    let mut sheet = String::from("@media (prefers-color-scheme: dark){");
    for (light, dark) in DARK.map(|(light, dark)| (hex(light), hex(dark))) {
        for property in ["fill", "stroke"] {
            let painted = format!("{property}=\"{light}\"");
            if elements.contains(&painted) {
                sheet += &format!(".figure [{painted}]{{{property}:{dark}}}");
            }
        }
    }
    sheet + "}"
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Relative luminance as the web's contrast rules (WCAG 2) define it.
    fn luminance(RGBColor(red, green, blue): RGBColor) -> f64 {
        let linear = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.04045 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        0.2126 * linear(red) + 0.7152 * linear(green) + 0.0722 * linear(blue)
    }

    fn contrast(one: RGBColor, other: RGBColor) -> f64 {
        let (one, other) = (luminance(one), luminance(other));
        (one.max(other) + 0.05) / (one.min(other) + 0.05)
    }

    fn dark(color: RGBColor) -> RGBColor {
        DARK.iter().find(|(light, _)| *light == color).unwrap().1
    }

    #[test]
    fn text_stands_out_in_both_themes() {
        for ground in [PAPER, SHADE, PALE_BLUE, PALE_ORANGE, PALE_GREEN] {
            assert!(contrast(INK, ground) > 7.0);
            assert!(contrast(dark(INK), dark(ground)) > 7.0);
        }
        for ground in BELOW.into_iter().chain(ABOVE) {
            assert!(contrast(INK, ground) > 4.5);
            assert!(contrast(dark(INK), dark(ground)) > 4.5);
        }
        assert!(contrast(MUTED, PAPER) > 4.5);
        assert!(contrast(dark(MUTED), dark(PAPER)) > 4.5);
    }

    #[test]
    fn no_colour_is_listed_twice_and_none_turns_into_another() {
        for (index, (light, dark)) in DARK.iter().enumerate() {
            for (other_light, other_dark) in &DARK[..index] {
                assert_ne!(light, other_light);
                let both_are_ink = *light == plotters::style::BLACK && *other_light == INK;
                assert!(both_are_ink || dark != other_dark);
            }
        }
    }
}
