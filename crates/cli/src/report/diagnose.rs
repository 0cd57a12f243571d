//! What is known about a count: in words and as JSON.

use serde::Serialize;

use super::json::{WhyNull, object};
use super::page::Page;
use super::words::thousands;
use triform::count::conventions::{ALL, Convention};
use triform::count::published::{Published, about};
use triform::count::{Diagnosis, Digits, Fit, Quantity};
use triform::error::Result;
use triform::network::layers::Map;

/// The number of fits in the text. The JSON has all of them.
const SHOWN: usize = 10;
/// Twice the parameters of the largest network in the zoo.
const MOST_PARAMETERS: u64 = 1_000_000_000;
/// A count is near another if they differ by less than this many percent.
const NEAR: f64 = 5.0;

/// All conventions that are looked for.
pub fn known() -> String {
    let mut page = Page::new(false);
    page.paragraph(
        "Why counts differ: `triform diagnose COUNT` tries up to two of these mistakes, and any of these \
         conventions, on each network of `triform count all` and on the blocks of the paper's Table 2.",
    );
    for (heading, mistakes) in [("Mistakes", true), ("Conventions", false)] {
        page.heading(2, heading);
        for convention in ALL.iter().filter(|convention| convention.is_mistake() == mistakes) {
            page.item(convention.name, &in_words(convention));
        }
    }
    page.into_text()
}

fn in_words(convention: &Convention) -> String {
    format!("{} ({})", convention.words, convention.seen_in)
}

/// What the user asked: the number, what it counts, and what the options say about the network.
#[expect(missing_docs, reason = "the names say it")]
pub struct Asked<'a> {
    pub given: &'a Digits,
    pub quantity: Quantity,
    pub network: Option<&'a str>,
    pub input: Option<Map>,
    pub classes: Option<usize>,
}

/// The report in words. It lists the fits, with the fewest conventions first. If there are none, it gives the nearest
/// count.
pub fn render(asked: &Asked<'_>, found: &Diagnosis) -> Result<String> {
    let mut page = Page::new(false);
    let given = asked.given;
    let what = match asked.quantity {
        Quantity::Parameters => "parameters",
        Quantity::Macs => "MACs",
    };
    let range = match given.is_exact() {
        true => thousands(given.low),
        false => format!("{} ({} to {})", given.text, thousands(given.low), thousands(given.high)),
    };
    let of = asked.network.map_or(String::new(), |network| format!(" of {network}"));
    let searched = thousands(found.searched);
    let shown: Vec<&Fit> = found.fits.iter().take(SHOWN).collect();
    if let Some(nearest) = found.nearest.as_ref().filter(|_| shown.is_empty()) {
        page.paragraph(&format!(
            "No known count gives {range} {what}{of}: {searched} counts were compared, each with up to two \
             mistakes and any conventions."
        ));
        if asked.quantity == Quantity::Parameters && given.low > MOST_PARAMETERS {
            page.next_paragraph(
                "No network here has so many parameters. If these are MACs, add --macs.",
            );
        }
        let distance = given.distance(nearest.count);
        let part = 100.0 * distance as f64 / given.centre().max(1) as f64;
        if part < NEAR {
            let how_far =
                format!("The nearest count is off by {} ({part:.2} %):", thousands(distance));
            page.next_paragraph(&how_far);
            page.gap();
            fit(&mut page, nearest, None)?;
        } else {
            page.next_paragraph("No known count comes near.");
        }
    } else {
        let number = found.fits.len();
        let (counts, give) = if number == 1 { ("count", "gives") } else { ("counts", "give") };
        let order = match (number, asked.network) {
            (1, _) => "",
            (_, Some(_)) => " Those with the fewest conventions come first.",
            (_, None) => {
                " Those with the fewest conventions come first, then the order is that of `triform \
                 count all`."
            }
        };
        page.paragraph(&format!(
            "{} {counts} of {searched} {give} {range} {what}{of}.{order}",
            thousands(number as u64)
        ));
        for each in &shown {
            page.gap();
            fit(&mut page, each, published(each, asked)?)?;
        }
        rest(&mut page, found, asked)?;
        seen_in(&mut page, &shown);
    }
    plainly(&mut page, asked);
    Ok(page.into_text())
}

/// Shows those of the remaining fits that were published, and says how many fits remain.
fn rest(page: &mut Page, found: &Diagnosis, asked: &Asked<'_>) -> Result<()> {
    let rest = found.fits.get(SHOWN..).unwrap_or_default();
    let Some(first) = rest.first() else { return Ok(()) };
    for each in rest {
        if let Some(published) = published(each, asked)? {
            page.gap();
            fit(page, each, Some(published))?;
        }
    }
    page.gap();
    page.paragraph(&format!(
        "There are {} more, with {} conventions or more; --json lists them all. Give more digits or --arch \
         to get fewer.",
        thousands(rest.len() as u64),
        first.conventions.len()
    ));
    Ok(())
}

/// The published figure that uses these conventions, if there is one.
fn published(fit: &Fit, asked: &Asked<'_>) -> Result<Option<&'static Published>> {
    for published in about(&fit.network) {
        let same = published.quantity == asked.quantity
            && published.conventions.len() == fit.conventions.len()
            && fit.conventions.iter().all(|d| published.conventions.contains(&d.name));
        if same && asked.input.is_none() && asked.classes.is_none() {
            return Ok(Some(published));
        }
    }
    Ok(None)
}

fn fit(page: &mut Page, fit: &Fit, published: Option<&Published>) -> Result<()> {
    let plain = if fit.conventions.is_empty() { ", the plain count" } else { "" };
    let published = published.map_or(String::new(), |published| {
        format!(" (published: {}, {})", published.text, published.source)
    });
    page.paragraph(&format!("{}: {}{plain}{published}", fit.network, thousands(fit.count)));
    for convention in &fit.conventions {
        page.bullet(convention.words);
    }
    Ok(())
}

/// Lists where the conventions of the shown fits have been seen.
fn seen_in(page: &mut Page, shown: &[&Fit]) {
    let names = |convention: &&Convention| {
        shown.iter().any(|fit| fit.conventions.iter().any(|other| other.name == convention.name))
    };
    let mut conventions = ALL.iter().filter(names).peekable();
    if conventions.peek().is_none() {
        return;
    }
    page.next_paragraph("Seen in:");
    for convention in conventions {
        page.bullet(&in_words(convention));
    }
}

/// Says what the plain count is.
fn plainly(page: &mut Page, asked: &Asked<'_>) {
    let input = match asked.input {
        Some((h, w)) => format!("on {h} x {w}"),
        None => "on 224 x 224 (CIFAR's 32 x 32, a block 56 x 56)".to_owned(),
    };
    let classes = match asked.classes {
        Some(classes) => format!("{classes} classes"),
        None => "1000 classes (CIFAR's 10)".to_owned(),
    };
    page.next_paragraph(&match asked.quantity {
        Quantity::Parameters => format!(
            "The plain count of a network is all its trained parameters, with {classes}. The plain count of \
             a block is that of its convolutions alone."
        ),
        Quantity::Macs => format!(
            "The plain count is the multiply-adds of the convolutions and the fully connected layer, \
             {input}, with {classes}."
        ),
    });
}

/// All fits as JSON, ranked. If there are none, the list is empty and the nearest count is given.
pub fn json(asked: &Asked<'_>, found: &Diagnosis) -> impl Serialize {
    let fit = |fit: &Fit| {
        let conventions: Vec<_> = fit.conventions.iter().map(|each| convention(each)).collect();
        object! { arch: fit.network.clone(), count: fit.count, conventions: conventions }
    };
    object! {
        given: asked.given.text.clone(),
        low: asked.given.low,
        high: asked.given.high,
        quantity: match asked.quantity {
            Quantity::Parameters => "params",
            Quantity::Macs => "macs",
        },
        searched: found.searched,
        fits: found.fits.iter().map(fit).collect::<Vec<_>>(),
        nearest: found.nearest.as_ref().map(fit),
        why_null: match found.nearest {
            Some(_) => WhyNull::new(),
            None => [("nearest", "something known gives the count")].into(),
        },
    }
}

/// All conventions that are looked for, as JSON.
pub fn known_json() -> impl Serialize {
    object! { conventions: ALL.iter().map(convention).collect::<Vec<_>>() }
}

fn convention(convention: &Convention) -> impl Serialize + use<> {
    object! {
        name: convention.name,
        words: convention.words,
        seen_in: convention.seen_in,
        mistake: convention.is_mistake(),
    }
}
