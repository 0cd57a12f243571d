//! A count as people write it, and the integers that it may mean. For example, 89.6M means any integer from
//! 89,550,000 to 89,650,000.

use std::str::FromStr;

use crate::error::{Error, Result};

/// A number together with its written digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digits {
    /// The number as written.
    pub text: String,
    /// The smallest count that rounds to the written number.
    pub low: u64,
    /// The largest count that rounds to the written number.
    pub high: u64,
    /// The largest count that the text may mean if further digits were cut off rather than rounded.
    cut: u64,
}

impl Digits {
    /// Whether rounding the count gives the written number.
    pub fn holds(&self, count: u64) -> bool {
        (self.low..=self.high).contains(&count)
    }

    /// Whether cutting off the count's further digits gives the written number, while rounding it does not.
    pub fn holds_cut_off(&self, count: u64) -> bool {
        !self.holds(count) && (self.low..=self.cut).contains(&count)
    }

    /// What was written, as an integer.
    pub fn centre(&self) -> u64 {
        self.low + (self.high - self.low) / 2
    }

    /// The distance from `count` to the nearest integer that the text may mean.
    pub fn distance(&self, count: u64) -> u64 {
        self.low.saturating_sub(count).max(count.saturating_sub(self.high))
    }

    /// Whether the text means only one integer.
    pub fn is_exact(&self) -> bool {
        self.low == self.high
    }
}

/// Removes commas, spaces or underscores from a number such as 25,028,904. Returns `None` if they do not separate
/// groups of three digits.
fn ungrouped(whole: &str) -> Option<String> {
    let parts: Vec<&str> = whole.split([',', '_', ' ']).collect();
    let (first, rest) = parts.split_first()?;
    let threes = rest.iter().all(|part| part.len() == 3);
    let holds = rest.is_empty() || ((1..=3).contains(&first.len()) && threes);
    holds.then(|| parts.concat())
}

/// Units, and their powers of ten.
const UNITS: [(&str, u32); 5] = [("k", 3), ("m", 6), ("g", 9), ("b", 9), ("t", 12)];

/// Words that may follow a number, each with the unit that it means.
const WORDS: [(&str, &str); 11] = [
    ("parameters", ""),
    ("params", ""),
    ("multiply-adds", ""),
    ("macs", ""),
    ("mac", ""),
    ("flops", ""),
    ("flop", ""),
    ("thousand", "k"),
    ("million", "m"),
    ("billion", "g"),
    ("mio", "m"),
];

/// Parses a count such as `70144`, `25,028,904`, `89.6M`, `4.1 GFLOPs`, `25M params`, `22.8G`, `4.2e9` or `25.5e6`.
/// An integer without a unit means itself. Any other number means every integer that rounds to it, and both ends of
/// that range belong to it.
///
/// ```
/// use triform::count::Digits;
/// let given: Digits = "89.6M".parse()?;
/// assert_eq!((given.low, given.high), (89_550_000, 89_650_000));
/// assert!("70,144".parse::<Digits>()?.is_exact());
/// # Ok::<(), triform::Error>(())
/// ```
impl FromStr for Digits {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let wrong = |why| Error::CountSyntax { given: text.to_owned(), why };
        let plain = text.trim().to_lowercase();
        let words = WORDS.iter().find_map(|(words, unit)| Some((plain.strip_suffix(words)?, unit)));
        let plain =
            words.map_or(plain.clone(), |(number, unit)| format!("{}{unit}", number.trim()));
        let unit = UNITS.iter().find(|(unit, _)| plain.ends_with(unit));
        let (number, power) = match (unit, plain.split_once('e')) {
            (Some((unit, power)), None) => (plain.trim_end_matches(unit), *power),
            (None, Some((number, power))) => {
                let power = power.trim_start_matches('+').parse();
                (number, power.map_err(|_| wrong("the power of ten is not an integer"))?)
            }
            (None, None) => (plain.as_str(), 0),
            (Some(_), Some(_)) => return Err(wrong("it has both a power of ten and a unit")),
        };
        let (whole, fraction) = number.trim().split_once('.').unwrap_or((number.trim(), ""));
        let whole = ungrouped(whole)
            .ok_or_else(|| wrong("separators must stand between groups of three digits"))?;
        let digits = format!("{whole}{fraction}");
        if whole.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong("write an unsigned decimal number"));
        }
        // In units of the last digit written, which is 10^shift.
        let too_large = || wrong("it does not fit in 64 bits");
        let value: u128 = digits.parse().map_err(|_| too_large())?;
        let places = u32::try_from(fraction.len()).map_err(|_| too_large())?;
        if places > power {
            return Err(wrong("it has a fractional part"));
        }
        let last = 10u128.checked_pow(power - places).ok_or_else(too_large)?;
        let centre = value.checked_mul(last).ok_or_else(too_large)?;
        let fits = |count: u128| u64::try_from(count).map_err(|_| too_large());
        let (low, high) = (fits(centre.saturating_sub(last / 2))?, fits(centre + last / 2)?);
        Ok(Self { text: text.trim().to_owned(), low, high, cut: fits(centre + last - 1)? })
    }
}

/// Writes 70144 as "70,144".
pub fn thousands(number: u64) -> String {
    match (number / 1000, number % 1000) {
        (0, rest) => rest.to_string(),
        (thousand, rest) => format!("{},{rest:03}", thousands(thousand)),
    }
}

#[cfg(test)]
mod tests {
    use super::Digits;

    #[test]
    fn counts_are_read_as_people_write_them() {
        for (text, low, high) in [
            ("70144", 70_144, 70_144),
            ("70,144", 70_144, 70_144),
            (" 25_028_904 ", 25_028_904, 25_028_904),
            ("89.6M", 89_550_000, 89_650_000),
            ("22.84g", 22_835_000_000, 22_845_000_000),
            ("4.2e9", 4_150_000_000, 4_250_000_000),
            ("4.2E+9", 4_150_000_000, 4_250_000_000),
            ("70k", 69_500, 70_500),
            ("25B", 24_500_000_000, 25_500_000_000),
            ("1.000000001G", 1_000_000_001, 1_000_000_001),
            ("0", 0, 0),
            ("0.1M", 50_000, 150_000),
            ("18446744073709551615", u64::MAX, u64::MAX),
            ("8.5 GFLOPs", 8_450_000_000, 8_550_000_000),
            ("4.27GMACs", 4_265_000_000, 4_275_000_000),
            ("25M params", 24_500_000, 25_500_000),
            ("4.1 billion", 4_050_000_000, 4_150_000_000),
        ] {
            let digits: Digits = text.parse().unwrap();
            assert_eq!((digits.low, digits.high), (low, high), "{text}");
            assert!(digits.holds(low) && digits.holds(high) && digits.holds(digits.centre()));
            assert!(!digits.holds(high.wrapping_add(1)) || high == u64::MAX);
            assert_eq!(digits.distance(low), 0);
        }
        let digits: Digits = "70k".parse().unwrap();
        assert_eq!((digits.distance(69_000), digits.distance(70_501)), (500, 1));
        let cut = [69_999, 70_000, 70_500, 70_501, 70_999, 71_000];
        assert_eq!(
            cut.map(|count| digits.holds_cut_off(count)),
            [false, false, false, true, true, false]
        );
        assert!(!"70144".parse::<Digits>().unwrap().holds_cut_off(70_145));
    }

    #[test]
    fn other_text_is_refused() {
        let texts = "-5 abc M .5M 1.5 1e 1e9M 4.2.1G 1e99 99999999999T 18446744073709551616 NaN inf \
            0x10 1e4294967296 1e-3 ٣ 25,5M 1,2,3 ,1 1, 12,34,567 1234,567 1.234,567M";
        for text in texts.split(' ').chain([""]) {
            let error = text.parse::<Digits>().unwrap_err().to_string();
            assert!(error.starts_with(&format!("`{text}` is not a count: ")), "{error}");
        }
    }
}
