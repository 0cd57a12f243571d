//! Parsers for the values of options. Each error names the value and says what is allowed.

use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{PathBufValueParser, PossibleValuesParser, TypedValueParser};

use triform::evidence::rungs::Rung;
use triform::network::layers::Map;
use triform::random::Seed;

/// A file whose format follows from its extension.
#[derive(Clone)]
pub(super) struct FileOf<T> {
    pub(super) path: PathBuf,
    pub(super) format: T,
}

/// An integer in this range.
pub(super) fn integer<T: TryFrom<u64>>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone {
    move |text| {
        let number = text.parse().ok().filter(|number| range.contains(number));
        number.and_then(|number| T::try_from(number).ok()).ok_or_else(|| {
            let (least, most) = range.clone().into_inner();
            let most = if most == u64::MAX { "2^64 - 1".to_owned() } else { most.to_string() };
            format!("`{text}` is not an integer from {least} to {most}")
        })
    }
}

/// A seed.
pub(super) fn seed(text: &str) -> Result<Seed, String> {
    integer(0..=u64::MAX)(text).map(Seed)
}

/// A rung, or a range of rungs such as `R1-R4`. Spaces around it are allowed, as in `R1, R4`.
pub(super) fn rungs(text: &str) -> Result<RangeInclusive<Rung>, String> {
    let rung = |text: &str| text.trim().parse::<Rung>().map_err(|error| error.to_string());
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let (first, last) = (rung(first)?, rung(last)?);
    if first > last {
        return Err(format!("`{text}` is an empty range of rungs; write {last}-{first}"));
    }
    Ok(first..=last)
}

/// `56x56`: height x width.
pub(super) fn map(text: &str) -> Result<Map, String> {
    let [h, w] = sizes(text, "map size", "height x width, such as 56x56", ["height", "width"])?;
    Ok((h, w))
}

/// `224`, or `224x160`.
pub(super) fn map_size(text: &str) -> Result<Map, String> {
    match text.contains(TIMES) {
        true => map(text),
        false => integer(1..=u64::MAX)(text).map(|size| (size, size)),
    }
}

/// `3x128x128x32`: kernel size, channels in and out, groups.
pub(super) fn convolution(text: &str) -> Result<[usize; 4], String> {
    let form = "kernel size x channels in x channels out x groups, such as 3x128x128x32";
    let names = ["kernel size", "input channels", "output channels", "groups"];
    let sizes = sizes(text, "convolution", form, names)?;
    match sizes[0] {
        k if k.is_multiple_of(2) => {
            Err(format!("`{text}` has kernel size {k}; it must be odd, to keep the map size"))
        }
        _ => Ok(sizes),
    }
}

/// What may separate sizes.
const TIMES: [char; 3] = ['x', 'X', '×'];

/// Parses sizes of at least 1. The other arguments are words for the error messages.
fn sizes<const N: usize>(
    text: &str,
    what: &str,
    form: &str,
    names: [&str; N],
) -> Result<[usize; N], String> {
    let wrong = |why| format!("`{text}` is not a {what}: {why}; write {form}");
    let parts: Vec<&str> = text.split(TIMES).collect();
    if parts.len() != N {
        return Err(wrong(format!("{N} sizes are needed, not {}", parts.len())));
    }
    let mut sizes = [0; N];
    for ((size, part), name) in sizes.iter_mut().zip(parts).zip(names) {
        *size = integer(1..=u64::MAX)(part).map_err(|why| wrong(format!("{name} {why}")))?;
    }
    Ok(sizes)
}

/// Parses one of a few words, and returns its meaning.
pub(super) fn choice<T: Copy + Send + Sync + 'static>(
    choices: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    let words = PossibleValuesParser::new(choices.iter().map(|(word, _)| *word));
    words.try_map(|given| {
        let chosen = choices.iter().find(|(word, _)| *word == given);
        chosen.map(|(_, choice)| *choice).ok_or("no choice")
    })
}

/// A file whose name must have one of these endings.
pub(super) fn file_of<T: Copy + Send + Sync + 'static>(
    endings: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = FileOf<T>> {
    PathBufValueParser::new().try_map(|path| {
        let is =
            |known: &str| path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case(known));
        match endings.iter().find(|(ending, _)| is(ending)) {
            Some((_, format)) => Ok(FileOf { path, format: *format }),
            None => {
                let endings: Vec<String> =
                    endings.iter().map(|(ending, _)| format!(".{ending}")).collect();
                Err(format!("the name `{}` must end in {}", path.display(), endings.join(" or ")))
            }
        }
    })
}
