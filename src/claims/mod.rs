//! The one list of claims: the project's statements, where each comes from, and how it is checked.
//!
//! A claim is a check that can fail. Each claim also names something wrong, such as a block or a number. The check also
//! runs on this wrong thing and must refute it. A test does this for every claim in [`ALL`]. So every claim has a
//! check, and every check can fail.

mod convolutions;
mod counts;
mod embedding;
mod forms;
mod list;
mod networks;
pub mod theorem;
mod training;

pub use self::list::ALL;

use crate::error::{Error, Result};
use crate::evidence::{Value, Verdict, Witness};

/// A statement, and how it is checked.
#[derive(Clone, Copy, Debug)]
pub struct Claim {
    /// The claim's name, such as `any-function` in `triform explain any-function`.
    pub name: &'static str,
    /// The statement.
    pub statement: &'static str,
    /// Where it was said.
    pub source: &'static str,
    /// How it is checked, in words.
    pub how: &'static str,
    /// The wrong thing that the check must refute.
    pub refutes: &'static str,
    /// Checks the claim, or the wrong thing that `refutes` names.
    pub check: fn(Given) -> Result<Verdict>,
}

/// What a check is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Given {
    /// What the claim is about.
    Right,
    /// The wrong thing that the claim names.
    Wrong,
}

/// A claim with this name and check. The methods below add its texts.
const fn claim(name: &'static str, check: fn(Given) -> Result<Verdict>) -> Claim {
    Claim { name, statement: "", source: "", how: "", refutes: "", check }
}

impl Claim {
    const fn says(self, statement: &'static str) -> Self {
        Self { statement, ..self }
    }

    const fn said_in(self, source: &'static str) -> Self {
        Self { source, ..self }
    }

    const fn checked_by(self, how: &'static str) -> Self {
        Self { how, ..self }
    }

    const fn refutes(self, refutes: &'static str) -> Self {
        Self { refutes, ..self }
    }
}

impl Given {
    /// Returns `right` or `wrong`, whichever the check is given.
    fn pick<T>(self, right: T, wrong: T) -> T {
        match self {
            Self::Right => right,
            Self::Wrong => wrong,
        }
    }
}

/// The claim of this name.
pub fn named(name: &str) -> Result<&'static Claim> {
    ALL.iter().find(|claim| claim.name == name).ok_or_else(|| {
        let names = ALL.iter().map(|claim| claim.name);
        Error::no_such_name("claim", name, names)
    })
}

/// Compares each number with the number that is expected. If all are equal, the claim is proved for this scope.
fn equal(pairs: &[(&'static str, u64, u64)], scope: &str) -> Result<Verdict> {
    if pairs.is_empty() {
        return Err(Error::Zero { what: "number of numbers" });
    }
    let apart = pairs.iter().find(|(_, found, expected)| found != expected);
    Ok(match apart {
        None => Verdict::Proved { scope: scope.to_owned() },
        Some((what, found, expected)) => refuted(what, &found.to_string(), &expected.to_string()),
    })
}

/// A refutation that is not about a form.
fn refuted(what: &'static str, found: &str, expected: &str) -> Verdict {
    let witness = Witness {
        form: '-',
        name: what,
        place: "a number",
        index: [0; 4],
        found: Value::Text(found.to_owned()),
        expected: Value::Text(expected.to_owned()),
        allowed: 0.0,
        wrong: 1,
        elements: 1,
    };
    Verdict::Refuted { witnesses: vec![witness] }
}
