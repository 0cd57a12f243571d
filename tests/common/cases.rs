//! How the property tests draw from the generator ([`triform::evidence::generator`]).

use proptest::test_runner::{Config, FileFailurePersistence, RngSeed};

/// The configuration of the property tests. The seed is fixed, so that a failure here is a failure everywhere.
/// Regressions are kept beside the tests. `PROPTEST_RNG_SEED=n` tries other cases, and `PROPTEST_CASES=n` tries `n`
/// cases.
pub fn config(cases: u32) -> Config {
    let from_environment = Config::default();
    Config {
        cases: if std::env::var_os("PROPTEST_CASES").is_some() {
            from_environment.cases
        } else {
            cases
        },
        rng_seed: match from_environment.rng_seed {
            RngSeed::Random => RngSeed::Fixed(0x7269_6672_6f6d),
            chosen => chosen,
        },
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..from_environment
    }
}
