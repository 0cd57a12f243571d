//! What is known about a count: in words and as JSON.

use serde::Serialize;

use super::page::Page;
use super::words::thousands;
use crate::count::departures::{ALL, Departure};
use crate::count::{Diagnosis, Digits, Fit, Quantity};

/// Fits that a reader is shown; the JSON has all.
const SHOWN: usize = 10;

/// All departures that are looked for.
pub fn known() -> String {
    let mut page = Page::new(false);
    page.paragraph(
        "What makes a count another: `triform diagnose COUNT` looks for up to two of these mistakes \
         and any of these conventions in each network of `triform count all` and in the blocks of \
         the paper's Table 2.",
    );
    for (heading, mistakes) in [("Mistakes", true), ("Conventions", false)] {
        page.heading(2, heading);
        for departure in ALL.iter().filter(|departure| departure.is_mistake() == mistakes) {
            page.item(departure.name, &in_words(departure));
        }
    }
    page.into_text()
}

fn in_words(departure: &Departure) -> String {
    format!("{} ({})", departure.words, departure.seen_in)
}

/// The fits, fewest departures first, or the nearest.
pub fn render(
    given: &Digits,
    quantity: Quantity,
    network: Option<&str>,
    found: &Diagnosis,
) -> String {
    let mut page = Page::new(false);
    let what = match quantity {
        Quantity::Parameters => "parameters",
        Quantity::Macs => "MACs",
    };
    let range = match given.is_exact() {
        true => thousands(given.low),
        false => format!("{} ({} to {})", given.text, thousands(given.low), thousands(given.high)),
    };
    let of = network.map_or(String::new(), |network| format!(" of {network}"));
    let searched = thousands(found.searched);
    if found.fits.is_empty() {
        page.paragraph(&format!(
            "Nothing known gives {range} {what}{of}: {searched} counts were compared, with up to two \
             mistakes and any conventions each."
        ));
        if let Some(nearest) = &found.nearest {
            page.gap();
            page.paragraph(&format!(
                "The nearest is off by {}:",
                thousands(given.distance(nearest.count))
            ));
            page.gap();
            fit(&mut page, nearest);
        }
        return page.into_text();
    }
    let number = found.fits.len();
    let (counts, give) = if number == 1 { ("count", "gives") } else { ("counts", "give") };
    let order = match (number, network) {
        (1, _) => "",
        (_, Some(_)) => " Fewest departures from the plain count first.",
        (_, None) => {
            " Fewest departures from the plain count first, then in the order of `triform count all`."
        }
    };
    page.paragraph(&format!(
        "{} {counts} of {searched} {give} {range} {what}{of}.{order}",
        thousands(number as u64)
    ));
    for each in found.fits.iter().take(SHOWN) {
        page.gap();
        fit(&mut page, each);
    }
    if number > SHOWN {
        page.gap();
        page.paragraph(&format!(
            "And {} more, with {} departures or more: --json lists all.",
            thousands((number - SHOWN) as u64),
            found.fits[SHOWN].departures.len()
        ));
    }
    page.into_text()
}

fn fit(page: &mut Page, fit: &Fit) {
    let plain = if fit.departures.is_empty() { ", the plain count" } else { "" };
    page.paragraph(&format!("{}: {}{plain}", fit.network, thousands(fit.count)));
    for departure in &fit.departures {
        page.bullet(&in_words(departure));
    }
}

#[derive(Serialize)]
struct FitEntry<'a> {
    arch: &'a str,
    count: u64,
    departures: Vec<DepartureEntry>,
}

#[derive(Serialize)]
struct DepartureEntry {
    name: &'static str,
    words: &'static str,
    seen_in: &'static str,
    mistake: bool,
}

/// The ranked list of all fits; empty where nothing is known.
pub fn json(found: &Diagnosis) -> String {
    let entry = |departure: &&'static Departure| DepartureEntry {
        name: departure.name,
        words: departure.words,
        seen_in: departure.seen_in,
        mistake: departure.is_mistake(),
    };
    let fits: Vec<FitEntry<'_>> = found
        .fits
        .iter()
        .map(|fit| FitEntry {
            arch: &fit.network,
            count: fit.count,
            departures: fit.departures.iter().map(entry).collect(),
        })
        .collect();
    super::json::pretty(&fits)
}
