//! The convolutions that fuzzing found worth keeping, run once more: `fuzz/README.md` says what they are.
//! `crates/checkpoint` runs those of the checkpoints.

use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use ndarray::{Array4, ArrayView4, s};
use oracle::{Case, Ran, Verb, check, check_against};
use rand::RngCore;
use triform::conv::{ConvSpec, Convolver, Fast};
use triform::random::{Purpose, Seed};

#[path = "../../fuzz/fuzz_targets/oracle.rs"]
mod oracle;

fn case(bytes: &[u8]) -> Case {
    Case::arbitrary_take_rest(Unstructured::new(bytes)).unwrap()
}

fn corpus() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/convolution");
    let mut inputs: Vec<_> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap())
        .map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap()))
        .collect();
    inputs.sort();
    inputs
}

/// How many cases there were, and what they were worth.
#[derive(Debug, Default)]
struct Count {
    cases: usize,
    compared: usize,
    values: usize,
    hollow: usize,
    refused: usize,
    of_verb: [usize; 5],
}

impl Count {
    fn add(&mut self, name: &str, bytes: &[u8]) {
        let case = case(bytes);
        self.cases += 1;
        match check(&case).unwrap_or_else(|why| panic!("{name}: {why}\n{case:?}")) {
            Ran::Compared(values) => {
                self.compared += 1;
                self.values += values;
                let verbs = [Verb::Conv, Verb::Sums, Verb::Split, Verb::Each, Verb::Merge];
                self.of_verb[verbs.iter().position(|&verb| verb == case.verb).unwrap()] += 1;
            }
            Ran::Hollow => self.hollow += 1,
            Ran::Refused => self.refused += 1,
        }
    }
}

#[test]
fn the_corpus_runs_clean() {
    let mut count = Count::default();
    for (name, bytes) in corpus() {
        count.add(&name, &bytes);
    }
    println!("{count:?}");
    assert!(count.cases >= 100, "{count:?}");
    assert!(count.compared * 4 > count.cases * 3, "{count:?}");
    assert!(count.refused > 0, "{count:?}");
    assert!(count.of_verb.iter().all(|&cases| cases > 0), "{count:?}");
}

/// Bytes at random mean a convolution that runs, and whose output is not hollow, nearly always.
#[test]
fn most_inputs_are_convolutions() {
    let mut random = Seed(0).stream(Purpose::Weights, &[]);
    let mut count = Count::default();
    for number in 0..500 {
        let mut bytes = vec![0; 1 << (4 + number % 6)];
        random.fill_bytes(&mut bytes);
        count.add(&format!("random {number}"), &bytes);
    }
    println!("{count:?}");
    assert!(count.compared * 10 > count.cases * 8, "{count:?}");
    assert!(count.of_verb.iter().all(|&cases| cases > 20), "{count:?}");
}

/// A fast convolver whose last column is 0 where the map is wider than 9.
struct WithoutTheLastColumn;

impl Convolver<f32> for WithoutTheLastColumn {
    type Kernel = <Fast as Convolver<f32>>::Kernel;
    fn prepare(
        &self,
        weights: ArrayView4<'_, f32>,
        spec: ConvSpec,
    ) -> triform::Result<Self::Kernel> {
        Fast::new().prepare(weights, spec)
    }
    fn sums(&self, x: ArrayView4<'_, f32>, kernel: &Self::Kernel) -> triform::Result<Array4<f32>> {
        let mut z = Fast::new().sums(x, kernel)?;
        if z.dim().3 > 9 {
            z.slice_mut(s![.., .., .., -1]).fill(0.0);
        }
        Ok(z)
    }
}

#[test]
fn the_oracle_sees_a_wrong_convolver() {
    let seen = |(_, bytes): &(String, Vec<u8>)| {
        check_against(&WithoutTheLastColumn, &case(bytes)).is_err()
    };
    let seen = corpus().iter().filter(|input| seen(input)).count();
    println!("{seen} inputs see it");
    assert!(seen > 10, "{seen}");
}
