//! Evidence that two forms of a block are the same function, arranged as a ladder.
//!
//! These are the rungs, and how each compares the forms. R0 to R8 have one file each in [`rungs`].
//!
//! - R0 [`approximate`](rungs::r0_approximate): within a chosen tolerance. A smoke test.
//! - R1 [`bound`]: within a derived bound on the rounding of a correct form, end to end and at cuts.
//! - R2 [`bitwise`](rungs::r2_bitwise): equal to the bit on any floats, with all sums in one order.
//! - R3 [`exact`](rungs::r3_exact_integers): to the bit, on integers so small that `f32` is exact, with a certificate.
//! - R4 [`field`](rungs::r4_prime_field): in a prime field, at the real sizes, for any functions between convolutions.
//! - R5 [`symbolic`](rungs::r5_symbolic): as polynomials, which proves equality for one shape.
//! - R6 [`exhaustive`](rungs::r6_exhaustive): on every possible value, in a tiny field.
//! - R7 [`gradient`](rungs::r7_derivatives): by their derivatives, forwards (by dual numbers) and backwards.
//! - R8 [`training`](rungs::r8_training): in training mode, where batch norm uses the statistics of the batch.
//! - R9 [`whole`]: whole networks, by each block on the input that it receives, and by the logits.
//! - R10 [`theorem`](crate::claims::theorem): for all sizes, by a proof that Coq checks. A claim checks on small
//!   cases that the forms compute what the theorem's formulas say.
//!
//! Each rung from R0 to R8 returns [`verdict::Evidence`]: the cases that ran, how far they reach, and a witness for
//! each refuted form. [`verify`](mod@verify) runs these rungs. R9 runs three of the rungs R0 to R8 on each block of a
//! network with given weights. R10 needs Coq.
//!
//! What they share:
//!
//! - [`any_form`]: forms, problems to run them on, and the functions between the convolutions, all as values.
//! - [`generator`]: random blocks that keep a contract, so that mistakes show.
//! - [`live`]: batch norms set so that the ReLU passes some values of every channel and stops others. Otherwise a
//!   rung could miss mistakes.
//! - [`random_functions`]: what replaces batch norm and ReLU over exact rings.
//! - [`verdict`]: differences, witnesses, bounds, conclusions.
//! - [`speed`]: measured times, and the times that the paper gives.
//!
//! Two things test the rungs themselves: the [gallery](crate::gallery) of wrong blocks, which they must refute,
//! and the list of [claims](crate::claims). The check of each claim must also refute something wrong.
//!
//! No rung has a second implementation of a block. R1 runs form (c) over balls, and R3 runs it over
//! integers that carry the size of their sums. Only the number type, the convolver and the functions
//! change; the code of the form is the same.

pub mod any_form;
pub mod bound;
pub mod generator;
pub mod live;
pub mod progress;
pub mod random_functions;
pub mod rungs;
pub mod speed;
pub mod verdict;
pub mod verify;
pub mod whole;

pub use self::any_form::{
    AnyForm, Between, Data, Duals, Forms, Function, Over, Part, Planes, Problem, Runs, Subject,
    Watched, place,
};
pub(crate) use self::any_form::{checked, keep};
pub(crate) use self::generator::float;
pub use self::generator::{Case, Coverage, Layout, Shape, sample};
pub(crate) use self::live::{
    ChannelNorm, LiveLayer, LiveScalar, change_norms, map_functions, threshold,
};
pub use self::live::{Choice, LiveNorms, OnReal, RealProblem};
pub use self::progress::{Progress, Quiet};
pub use self::random_functions::RandomFunctions;
pub use self::verdict::{
    Bound, Evidence, Finding, Value, Verdict, Witness, against_balls, against_exact, compare,
    largest, odd_ones_out, pairs, ulp,
};
pub(crate) use self::verdict::{against, differences, letters, who};
