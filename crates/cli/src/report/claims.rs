//! The table of all claims, and the report on one claim.

use serde::Serialize;

use super::json::object;
use super::page::Page;
use super::words::{several, thousands};
use triform::claims::{Claim, Given};
use triform::error::Result;
use triform::evidence::verdict::Value;
use triform::evidence::verdict::{Bound, Verdict};

/// Checks the claims, and returns a table of them in Markdown.
pub fn table(claims: &[Claim]) -> Result<String> {
    // Not padded: only tables on a terminal are.
    let mut text =
        "| claim | said in | verdict | its check refutes |\n|---|---|---|---|\n".to_owned();
    for claim in claims {
        let verdict = match (claim.check)(Given::Right)? {
            Verdict::Qualified { holds, but } => format!("qualified: {holds}; {but}"),
            Verdict::Proved { scope } => format!("proved: {scope}"),
            verdict => verdict.word().to_owned(),
        };
        let Claim { name, statement, source, refutes, .. } = claim;
        text += &format!("| `{name}` {statement} | {source} | {verdict} | {refutes} |\n");
    }
    Ok(text)
}

/// One claim with its verdict. The second verdict is that of the same check on something wrong, which the check must
/// refute.
pub struct Checked {
    claim: &'static Claim,
    verdict: Verdict,
    of_wrong: Verdict,
}

impl Checked {
    /// Runs the claim's check on the right thing and on the wrong thing.
    pub fn new(claim: &'static Claim) -> Result<Self> {
        let (verdict, of_wrong) = ((claim.check)(Given::Right)?, (claim.check)(Given::Wrong)?);
        Ok(Self { claim, verdict, of_wrong })
    }

    /// Whether the check accepts the claim and refutes the wrong thing.
    pub fn holds(&self) -> bool {
        let refuted = |verdict: &Verdict| matches!(verdict, Verdict::Refuted { .. });
        !refuted(&self.verdict) && refuted(&self.of_wrong)
    }

    /// As text.
    pub fn render(&self, markdown: bool) -> String {
        let Claim { name, statement, source, how, refutes, .. } = self.claim;
        let mut page = Page::new(markdown);
        page.heading(1, name);
        page.item("Verdict", &format!("{}.", in_words(&self.verdict)));
        page.item("Claim", &format!("{statement}."));
        page.item("Said in", &format!("{source}."));
        page.item("Checked", &format!("{how}."));
        page.item("Same check on", &format!("{refutes}: {}.", in_words(&self.of_wrong)));
        page.next_paragraph("The whole argument: triform explain");
        page.into_text()
    }

    /// As JSON.
    pub fn json(&self) -> impl Serialize {
        let Claim { name, statement, source, how, refutes, .. } = self.claim;
        object! {
            claim: *name,
            statement: *statement,
            source: *source,
            how: *how,
            found: in_words(&self.verdict),
            refutes: *refutes,
            found_of_wrong: in_words(&self.of_wrong),
        }
    }
}

/// A verdict and its evidence.
fn in_words(verdict: &Verdict) -> String {
    match verdict {
        Verdict::Proved { scope } => format!("proved ({scope})"),
        Verdict::Supported { cases, bound } => {
            let cases = several(cases.get() as usize, "case");
            let bound = match bound {
                Bound::Exact { values } => format!("{} values, all equal", thousands(*values)),
                Bound::Probability { at_most } => {
                    format!("a wrong block passes one with a probability of {at_most:.1e} at most")
                }
                Bound::Rounding { .. } => "each value within what rounding explains".to_owned(),
                Bound::Tolerance { .. } => "each value within a tolerance".to_owned(),
                Bound::Proof { .. } | Bound::Exhausted { .. } => "each a proof".to_owned(),
            };
            format!("supported by {cases}: {bound}")
        }
        Verdict::Qualified { holds, but } => format!("qualified: {holds}; but {but}"),
        Verdict::Refuted { witnesses } => {
            let Some(witness) = witnesses.first() else { return "refuted".to_owned() };
            let [found, expected] = [&witness.found, &witness.expected].map(shown);
            let found = format!("{found} instead of {expected}");
            match witness.form {
                '-' => format!("refuted ({}: {found})", witness.name),
                form => format!("refuted (form ({form}), {}, gives {found})", witness.name),
            }
        }
    }
}

/// A count such as 70,144, or any other value unchanged.
fn shown(value: &Value) -> String {
    let text = value.to_string();
    text.parse().map_or(text, thousands)
}
