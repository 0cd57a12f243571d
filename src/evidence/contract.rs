//! What a random case must be, so that mistakes show; and a check that it is.
//!
//! Each clause is there because without it some mistake goes unseen: one image hides a batch
//! mistake, one path every path mistake, width 1 an interleaving, C = d a swap of the two, a square
//! map swapped axes, stride 1 the place of the stride, one sign every mistake about a ReLU,
//! constant or symmetric kernels a transposed, flipped or swapped one, batch norms at their initial
//! values five mistakes out of 25 that were tried. A channel that is not alive (all or nothing of
//! it passes the ReLU) hides what is done to it; that clause is looked at where the values are
//! known, see [`super::live`].

use ndarray::Axis;

use super::generator::{Case, Layout, has_both_signs, is_asymmetric};
use super::live::Choice;

/// Something that holds of a case or does not, in words and in code.
pub type Clause = (&'static str, fn(&Case) -> bool);

/// What must hold of every case.
pub const CLAUSES: [Clause; 9] = [
    ("two images at least", |case| case.x.len_of(Axis(0)) >= 2),
    ("three paths at least", |case| case.spec.cardinality() >= 3),
    ("paths of width 2 at least", |case| case.spec.width() >= 2),
    ("C other than d", |case| case.spec.cardinality() != case.spec.width()),
    ("a map that is not square", |case| case.x.len_of(Axis(2)) != case.x.len_of(Axis(3))),
    ("inputs of both signs", |case| has_both_signs(case.x.view())),
    ("kernels of both signs", |case| {
        let weights = &case.weights;
        let kernels = [weights.reduce(), weights.transform(), weights.expand()];
        kernels.into_iter().all(has_both_signs)
    }),
    ("a kernel without symmetry", |case| is_asymmetric(case.weights.transform())),
    ("batch norms with nothing at its initial value", |case| {
        case.choices.iter().all(is_away_from_initial) && both(&case.choices, |c| c.negative)
    }),
];

/// What must be seen among many cases.
pub const VARIETY: [Clause; 8] = [
    ("stride 1", |case| case.spec.stride() == 1),
    ("stride 2 on the 3x3", |case| case.spec.transform(1).stride() == 2),
    ("stride 2 on the first 1x1", |case| case.spec.reduce().stride() == 2),
    ("C_in other than C_out", |case| case.spec.c_in() != case.spec.c_out()),
    ("C_in equal to C_out", |case| case.spec.c_in() == case.spec.c_out()),
    ("a projection", Case::has_projection),
    ("an input of every second row", |case| case.layout == Layout::Stepped),
    ("an input that lies column by column", |case| case.layout == Layout::Transposed),
];

/// From this many cases on, all of [`VARIETY`] must have been seen: each of it has a chance of 1 in
/// 5 at least, so one is missing by chance less than once in 10^8 runs. (8 x 0.8^100 = 1.6e-9.)
pub const MANY: u64 = 100;

/// Which cases were seen, and what was wrong with the first that broke the contract.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Coverage {
    cases: u64,
    seen: [bool; VARIETY.len()],
    broken: Option<&'static str>,
}

impl Coverage {
    /// Of one case.
    pub fn of(case: &Case) -> Self {
        Self {
            cases: 1,
            seen: VARIETY.map(|(_, holds)| holds(case)),
            broken: CLAUSES.iter().find(|(_, holds)| !holds(case)).map(|(clause, _)| *clause),
        }
    }

    /// Of these cases and those.
    pub fn and(mut self, other: &Self) -> Self {
        self.cases += other.cases;
        for (seen, other) in self.seen.iter_mut().zip(other.seen) {
            *seen |= other;
        }
        self.broken = self.broken.or(other.broken);
        self
    }

    /// The first clause that is broken, if any.
    pub fn broken(&self) -> Option<&'static str> {
        if self.broken.is_some() || self.cases < MANY {
            return self.broken;
        }
        let missing = VARIETY.iter().zip(self.seen).find(|(_, seen)| !seen);
        missing.map(|((variety, _), _)| *variety)
    }
}

fn both<T>(values: &[T], holds: impl Fn(&T) -> bool) -> bool {
    values.iter().any(&holds) && !values.iter().all(&holds)
}

/// Gamma and the variance are never at their initial 1 but by chance, in some channel; mean and
/// shift are not at 0.
fn is_away_from_initial(choice: &Choice) -> bool {
    choice.mean != 0.0 && choice.beta != 0.0 && (0.0..1.0).contains(&choice.quantile)
}

#[cfg(test)]
mod tests {
    use ndarray::{Array4, s};

    use super::{CLAUSES, Coverage, MANY, VARIETY};
    use crate::evidence::generator::{Case, Layout, sample, sample_degenerate};
    use crate::random::Seed;
    use crate::scalar::{Int, Scalar};

    fn coverage(draw: impl Fn(u64) -> Case, cases: u64) -> Coverage {
        (0..cases).fold(Coverage::default(), |seen, number| seen.and(&Coverage::of(&draw(number))))
    }

    /// Drawn freely, a kernel of seeds 140 and 623 has one sign.
    #[test]
    fn the_generator_keeps_the_contract() {
        for seed in [0, 1, 2, 3, 140, 623] {
            let seen = coverage(|number| sample(Seed(seed), number, 0), MANY);
            assert_eq!(seen.broken(), None);
        }
    }

    #[test]
    fn the_degenerate_generator_breaks_it() {
        let draw = |number| sample_degenerate(Seed(0), number, 0);
        assert!(coverage(draw, MANY).broken().is_some());
        // Every clause about sizes and signs is broken by some case.
        for (clause, holds) in &CLAUSES[..7] {
            assert!((0..500).any(|number| !holds(&draw(number))), "{clause}");
        }
    }

    /// Each clause can fail, on a case changed so that it must.
    #[test]
    fn each_clause_is_looked_at() {
        let good = sample(Seed(1), 0, 0);
        let broken = |change: &dyn Fn(&mut Case)| {
            let mut case = good.clone();
            change(&mut case);
            Coverage::of(&case).broken()
        };
        assert_eq!(broken(&|_| ()), None);
        let (h, w) = (good.x.shape()[2], good.x.shape()[3]);
        let side = h.min(w);
        let absolute = |x: &Array4<Int>| x.mapv(Int::abs);
        for (clause, change) in [
            (
                "two images at least",
                &(|case: &mut Case| {
                    case.x = case.x.slice(s![..1, .., .., ..]).to_owned();
                }) as &dyn Fn(&mut Case),
            ),
            ("a map that is not square", &|case: &mut Case| {
                case.x = case.x.slice(s![.., .., ..side, ..side]).to_owned();
            }),
            ("inputs of both signs", &|case: &mut Case| case.x = absolute(&case.x)),
            ("kernels of both signs", &|case: &mut Case| {
                case.weights = case.weights.map(|w| w.abs().neg());
            }),
            ("batch norms with nothing at its initial value", &|case: &mut Case| {
                case.choices[3].beta = 0.0;
            }),
            ("batch norms with nothing at its initial value", &|case: &mut Case| {
                case.choices.iter_mut().for_each(|choice| choice.negative = false);
            }),
        ] {
            assert_eq!(broken(change), Some(clause));
        }
        let symmetric = super::is_asymmetric(Array4::from_elem((2, 2, 3, 3), Int::from(2)).view());
        assert!(!symmetric);
    }

    /// A run of many cases that never had what it must have is seen.
    #[test]
    fn variety_is_looked_for() {
        let same = |number: u64| {
            let mut case = sample(Seed(2), number % 4, 0);
            case.layout = Layout::Standard;
            case
        };
        assert_eq!(coverage(same, MANY - 1).broken(), None, "too few to tell");
        let broken = coverage(same, MANY).broken().unwrap();
        assert!(VARIETY.iter().any(|(variety, _)| *variety == broken));
    }

    /// A tensor is its elements, however they lie in memory.
    #[test]
    fn layouts_change_no_element() {
        let x = sample(Seed(3), 0, 0).x;
        for layout in [Layout::Standard, Layout::Stepped, Layout::Transposed] {
            let laid = layout.lay(&x);
            assert_eq!(laid, x);
            assert_eq!(laid.is_standard_layout(), layout == Layout::Standard);
        }
    }

    #[test]
    fn seed_number_and_attempt_decide() {
        let draw = |seed, number, attempt| sample(Seed(seed), number, attempt).x;
        assert_eq!(draw(1, 2, 0), draw(1, 2, 0));
        assert_ne!(draw(1, 2, 0), draw(1, 3, 0));
        assert_ne!(draw(1, 2, 0), draw(1, 2, 1));
        assert_ne!(draw(1, 2, 0), draw(2, 2, 0));
    }
}
