//! Runs the convolutions that fuzzing found and that are kept in the corpus. `fuzz/README.md` describes them.
//! `crates/checkpoint` does the same for the checkpoints.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use arbitrary::{Arbitrary, Unstructured};
use ndarray::{Array4, ArrayView4, s};
use oracle::{Case, Ran, check, check_against};
use rand::RngCore;
use triform::conv::{ConvSpec, Convolver, Fast};
use triform::random::{Purpose, Seed};

#[path = "../../fuzz/fuzz_targets/oracle.rs"]
pub(crate) mod oracle;

fn case(bytes: &[u8]) -> Case {
    Case::arbitrary_take_rest(Unstructured::new(bytes)).unwrap()
}

/// The kept inputs, by their names.
fn corpus() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus/convolution");
    let read = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.unwrap().path();
        (path.display().to_string(), fs::read(path).unwrap())
    };
    fs::read_dir(folder).unwrap().map(read).collect()
}

/// Runs the inputs. Returns how many of them compared values, for each verb, how many were refused, and how many were
/// hollow (an empty output, or only zeros).
fn count(inputs: BTreeMap<String, Vec<u8>>) -> (BTreeMap<String, usize>, usize, usize) {
    let (mut compared, mut refused, mut hollow) = (BTreeMap::new(), 0, 0);
    for (name, bytes) in inputs {
        let case = case(&bytes);
        match check(&case).unwrap_or_else(|why| panic!("{name}: {why}\n{case:?}")) {
            Ran::Compared => *compared.entry(format!("{:?}", case.verb)).or_default() += 1,
            Ran::Refused => refused += 1,
            Ran::Hollow => hollow += 1,
        }
    }
    println!("{compared:?}, {refused} refused, {hollow} hollow");
    assert_eq!(compared.len(), 5, "a verb is missing");
    (compared, refused, hollow)
}

#[test]
fn the_corpus_runs_clean() {
    let (compared, refused, hollow) = count(corpus());
    let compared: usize = compared.values().sum();
    assert!(compared >= 25 && compared > refused + hollow && refused > 0, "{compared}");
}

/// Most random inputs become a convolution that runs and whose output is not all zeros.
#[test]
fn most_inputs_are_convolutions() {
    let mut random = Seed(0).stream(Purpose::Weights, &[]);
    let input = |number: usize| {
        let mut bytes = vec![0; 1 << (4 + number % 6)];
        random.fill_bytes(&mut bytes);
        (format!("random {number}"), bytes)
    };
    let (compared, ..) = count((0..500).map(input).collect());
    assert!(compared.values().sum::<usize>() > 400 && compared.values().all(|cases| *cases > 20));
}

/// A fast convolver with a mistake: if the output is wider than 9, its last column is 0.
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
    let seen = |bytes: &Vec<u8>| check_against(&WithoutTheLastColumn, &case(bytes)).is_err();
    let seen = corpus().values().filter(|input| seen(input)).count();
    println!("{seen} inputs see it");
    assert!(seen >= 5, "{seen}");
}
