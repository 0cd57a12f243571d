//! What a rung of the ladder concludes, and from what.

use std::num::NonZeroU64;

use serde::Serialize;

use super::compare::{Witness, Witnesses};
use super::contract::Coverage;
use super::rungs::Rung;
use super::rungs::r3_exact_integers::ExactReport;
use crate::error::{Error, Result};

/// How far what was seen reaches.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Bound {
    /// A tolerance, as a part of what is summed: chosen, not derived. And how much of it was used
    /// at most.
    Tolerance {
        /// Part of an output's size, see [`super::rungs::r0_approximate`].
        relative: f64,
        /// Largest difference over what is allowed.
        used: f64,
    },
    /// Rounding, derived.
    Rounding {
        /// The largest difference of two correct forms, end to end.
        difference: f64,
        /// Largest part of it that was used, end to end.
        used: f64,
        /// The same layer by layer, each fed identical floats.
        used_at_cuts: f64,
    },
    /// To the bit.
    Exact {
        /// Values compared.
        values: u64,
    },
    /// A wrong form passes one case with this probability at most.
    Probability {
        /// At most.
        at_most: f64,
    },
    /// Normal forms.
    Proof {
        /// Monomials compared.
        monomials: u64,
    },
    /// Everything there is.
    Exhausted {
        /// Assignments tried.
        assignments: u64,
    },
}

impl Bound {
    /// Of these cases and those: the weaker bound, all the values.
    fn and(self, other: Self) -> Self {
        match (self, other) {
            (
                Self::Tolerance { relative, used },
                Self::Tolerance { relative: right, used: other },
            ) => Self::Tolerance { relative: relative.max(right), used: used.max(other) },
            (
                Self::Rounding { difference, used, used_at_cuts },
                Self::Rounding { difference: d, used: u, used_at_cuts: c },
            ) => Self::Rounding {
                difference: difference.max(d),
                used: used.max(u),
                used_at_cuts: used_at_cuts.max(c),
            },
            (Self::Exact { values }, Self::Exact { values: more }) => {
                Self::Exact { values: values + more }
            }
            (Self::Probability { at_most }, Self::Probability { at_most: other }) => {
                Self::Probability { at_most: at_most.max(other) }
            }
            (Self::Proof { monomials }, Self::Proof { monomials: more }) => {
                Self::Proof { monomials: monomials + more }
            }
            (Self::Exhausted { assignments }, Self::Exhausted { assignments: more }) => {
                Self::Exhausted { assignments: assignments + more }
            }
            (left, _) => left,
        }
    }
}

/// What some cases of one rung showed.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// Cases that ran.
    pub cases: u64,
    /// Cases that were drawn and not used, since a channel was not alive.
    pub redraws: u64,
    /// How far it reaches.
    pub bound: Bound,
    /// Where forms were refuted, if any were.
    pub witnesses: Witnesses,
    /// Whether the bound is larger than what it bounds, in some case.
    pub blunt: bool,
    /// What the generator's cases were, where it made them.
    pub coverage: Coverage,
    /// What R3 found on a real block.
    pub exact: Option<ExactReport>,
}

impl Evidence {
    /// Of one case.
    pub fn of(bound: Bound, witnesses: impl IntoIterator<Item = Witness>) -> Self {
        Self {
            cases: 1,
            redraws: 0,
            bound,
            witnesses: witnesses.into_iter().collect(),
            blunt: false,
            coverage: Coverage::default(),
            exact: None,
        }
    }

    /// Of these cases and those.
    pub fn and(mut self, other: Self) -> Self {
        self.witnesses.add(other.witnesses);
        Self {
            cases: self.cases + other.cases,
            redraws: self.redraws + other.redraws,
            bound: self.bound.and(other.bound),
            witnesses: self.witnesses,
            blunt: self.blunt || other.blunt,
            coverage: self.coverage.and(&other.coverage),
            exact: self.exact.or(other.exact),
        }
    }
}

/// A conclusion. There is none without a case that ran, none proved without a scope.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// For all weights, inputs and functions within the scope.
    Proved {
        /// What it holds for.
        scope: String,
    },
    /// No case refuted it.
    Supported {
        /// Cases that ran.
        cases: NonZeroU64,
        /// What they are worth.
        bound: Bound,
    },
    /// Nothing was refuted, but something is not shown.
    Qualified {
        /// What holds.
        holds: String,
        /// What is not shown.
        but: String,
    },
    /// A form is not the others.
    Refuted {
        /// Where, for each form that is not.
        witnesses: Witnesses,
    },
}

impl Verdict {
    /// One word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Proved { .. } => "proved",
            Self::Supported { .. } => "supported",
            Self::Qualified { .. } => "qualified",
            Self::Refuted { .. } => "refuted",
        }
    }
}

/// One rung on one stage.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which rung.
    pub rung: Rung,
    /// What it ran on, in a word: a stage of the network, or what made the cases.
    pub stage: String,
    /// What was shown, and for what.
    pub scope: String,
    /// How far it reaches.
    pub bound: Bound,
    /// Cases that ran.
    pub cases: NonZeroU64,
    /// Cases that were drawn again.
    pub redraws: u64,
    /// The seed of every random choice.
    pub seed: u64,
    /// How long it took, in milliseconds.
    pub ms: f64,
    /// The conclusion.
    pub verdict: Verdict,
}

impl Finding {
    /// Concludes.
    ///
    /// # Errors
    ///
    /// [`Error::NothingRan`] without a case; [`Error::Degenerate`] where the cases did not keep
    /// the contract of the generator; [`Error::Redraws`] where more than ten and more than
    /// one in four were drawn again.
    pub fn conclude(
        (rung, stage, scope): (Rung, &str, String),
        evidence: Evidence,
        seed: u64,
        ms: f64,
    ) -> Result<Self> {
        let stage = stage.to_owned();
        let Evidence { cases, redraws, bound, witnesses, blunt, coverage, .. } = evidence;
        let cases = NonZeroU64::new(cases)
            .ok_or_else(|| Error::NothingRan { rung: rung.to_string(), stage: stage.clone() })?;
        if let Some(clause) = coverage.broken() {
            return Err(Error::Degenerate { rung: rung.to_string(), clause, cases: cases.get() });
        }
        if redraws > (cases.get() / 4).max(10) {
            return Err(Error::Redraws { rung: rung.to_string(), redraws, cases: cases.get() });
        }
        let verdict = match bound {
            _ if !witnesses.is_empty() => Verdict::Refuted { witnesses },
            Bound::Proof { .. } | Bound::Exhausted { .. } => {
                Verdict::Proved { scope: scope.clone() }
            }
            Bound::Tolerance { .. } if blunt => Verdict::Qualified {
                holds: "no form was refuted".to_owned(),
                but: "the tolerance is larger than the output and says nothing".to_owned(),
            },
            _ if blunt => Verdict::Qualified {
                holds: "each layer by itself stays within its bound".to_owned(),
                but: "end to end the bound is larger than the output and says nothing".to_owned(),
            },
            bound => Verdict::Supported { cases, bound },
        };
        Ok(Self { rung, stage, scope, bound, cases, redraws, seed, ms, verdict })
    }

    /// Whether a form was refuted.
    pub fn refutes(&self) -> bool {
        matches!(self.verdict, Verdict::Refuted { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::{Bound, Evidence, Finding, Verdict};
    use crate::error::{Error, Result};
    use crate::evidence::rungs::Rung;

    fn conclude(evidence: Evidence) -> Result<Finding> {
        Finding::conclude((Rung::R4, "random", "a test".to_owned()), evidence, 0, 0.0)
    }

    fn exact(cases: u64, redraws: u64) -> Evidence {
        Evidence { cases, redraws, ..Evidence::of(Bound::Exact { values: 1 }, None) }
    }

    #[test]
    fn nothing_is_concluded_of_nothing() {
        assert!(matches!(conclude(exact(0, 0)), Err(Error::NothingRan { .. })));
        assert!(matches!(conclude(exact(1, 10)).unwrap().verdict, Verdict::Supported { .. }));
        assert!(matches!(conclude(exact(1, 11)), Err(Error::Redraws { redraws: 11, .. })));
        assert!(conclude(exact(100, 25)).is_ok() && conclude(exact(100, 26)).is_err());
    }

    /// One blunt case among many is told.
    #[test]
    fn the_weaker_of_two_is_the_bound_of_both() {
        let blunt = Evidence { blunt: true, ..exact(1, 0) };
        for both in [exact(1, 0).and(blunt.clone()), blunt.and(exact(1, 0))] {
            assert!(matches!(conclude(both).unwrap().verdict, Verdict::Qualified { .. }));
        }
        let chance = |at_most| Evidence::of(Bound::Probability { at_most }, None);
        for (left, right) in [(1e-3, 1e-9), (1e-9, 1e-3)] {
            let both = chance(left).and(chance(right));
            assert_eq!((both.bound, both.cases), (Bound::Probability { at_most: 1e-3 }, 2));
        }
        let proof = |monomials| Evidence::of(Bound::Proof { monomials }, None);
        let verdict = conclude(proof(2).and(proof(3))).unwrap().verdict;
        assert!(matches!(verdict, Verdict::Proved { scope } if scope == "a test"));
    }

    #[test]
    fn what_was_compared_adds_up() {
        let both = Bound::Proof { monomials: 2 }.and(Bound::Proof { monomials: 3 });
        assert!(matches!(both, Bound::Proof { monomials: 5 }), "{both:?}");
        let both = Bound::Exact { values: 2 }.and(Bound::Exact { values: 3 });
        assert!(matches!(both, Bound::Exact { values: 5 }), "{both:?}");
        let both = Bound::Exhausted { assignments: 2 }.and(Bound::Exhausted { assignments: 3 });
        assert!(matches!(both, Bound::Exhausted { assignments: 5 }), "{both:?}");
    }
}
