//! The three forms by name.

use super::aggregated::Aggregated;
use super::branch::{BlockForm, Branch};
use super::early_concat::EarlyConcat;
use super::grouped::Grouped;
use super::weights::BlockWeights;
use crate::conv::Convolver;
use crate::error::Result;
use crate::scalar::Additive;

/// The three forms of the paper's Figure 3.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Form {
    /// (a) aggregated transformations.
    Aggregated,
    /// (b) early concatenation.
    EarlyConcat,
    /// (c) grouped convolution.
    Grouped,
}

impl Form {
    /// All of them, in the paper's order.
    pub const ALL: [Self; 3] = [Self::Aggregated, Self::EarlyConcat, Self::Grouped];
}

impl BlockForm for Form {
    fn letter(&self) -> char {
        match self {
            Self::Aggregated => 'a',
            Self::EarlyConcat => 'b',
            Self::Grouped => 'c',
        }
    }

    fn name(&self) -> &'static str {
        match self {
            Self::Aggregated => "aggregated transformations",
            Self::EarlyConcat => "early concatenation",
            Self::Grouped => "grouped convolution",
        }
    }

    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        Ok(match self {
            Self::Aggregated => Box::new(Aggregated::prepare(weights, convolver)?),
            Self::EarlyConcat => Box::new(EarlyConcat::prepare(weights, convolver)?),
            Self::Grouped => Box::new(Grouped::prepare(weights, convolver)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::{BlockForm, Form};

    /// Every table and every witness says by these which form it means.
    #[test]
    fn the_forms_are_called_what_the_papers_figure_calls_them() {
        assert_eq!(
            Form::ALL.map(|form| (form.letter(), form.name())),
            [
                ('a', "aggregated transformations"),
                ('b', "early concatenation"),
                ('c', "grouped convolution"),
            ]
        );
    }
}
