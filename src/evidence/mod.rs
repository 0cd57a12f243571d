//! What it takes to say that two forms of a block are the same function: a ladder of evidence.
//!
//! The rungs, one file each in [`rungs`], and what they rest on:
//!
//! - R0 [`approximate`](rungs::r0_approximate): a chosen tolerance. A smoke test.
//! - R1 [`bound`]: how far rounding can carry a correct form, derived; end to end and at cuts.
//! - R2 [`bitwise`](rungs::r2_bitwise): equal to the bit on any floats, with all sums in one order.
//! - R3 [`exact`](rungs::r3_exact_integers): integers so small, certified, that `f32` is exact.
//! - R4 [`field`](rungs::r4_prime_field): identities in a prime field, at the real sizes, for any function in between.
//! - R5 [`symbolic`](rungs::r5_symbolic): polynomials; a proof for a shape.
//! - R6 [`exhaustive`](rungs::r6_exhaustive): everything, in a tiny field.
//! - R7 [`gradient`](rungs::r7_derivatives): derivatives, by dual numbers.
//! - R8 [`training`](rungs::r8_training): batch norm by the statistics of the batch.
//! - R9 [`whole`]: whole networks, block by block on what each receives, and their logits.
//! - R10 [`theorem`](crate::claims::theorem): all sizes, by a proof assistant; what ties its formulas to
//!   the forms is with the claims.
//!
//! Each gives [`verdict::Evidence`]: the cases that ran, how far they reach, a witness for each form
//! that is refuted. [`verify`](mod@verify) runs R0 to R8. R9 is for networks with given weights. R10 needs Coq.
//!
//! What they share:
//!
//! - [`any_form`]: forms as values, problems to run them on, and what comes between the convolutions.
//! - [`generator`]: random blocks on which mistakes show, by a contract.
//! - [`live`]: batch norms set so that every channel passes some of its values through the ReLU and
//!   stops others; without it, a rung can be blind. [`random_functions`] for exact rings.
//! - [`verdict`]: differences, witnesses, bounds, conclusions.
//! - [`speed`]: times that were taken, and the paper's.
//!
//! And what keeps them honest: the [gallery](crate::gallery) of wrong blocks for them to refute, and the
//! list of [claims](crate::claims), each with a check that refutes something wrong.
//!
//! No rung computes a block a second way. R1 runs form (c) over balls, R3 over integers that carry
//! the size of their sums; a form is handed other numbers, another convolver and other functions,
//! and stays the same lines.

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
