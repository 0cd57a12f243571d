//! The fast convolver compared with the reference, on any small convolution of small integers.
#![no_main]

use libfuzzer_sys::fuzz_target;

mod oracle;

fuzz_target!(|case: oracle::Case| {
    if let Err(disagreement) = oracle::check(&case) {
        panic!("{disagreement}");
    }
});
