//! Compares a form of your own with form (c): `cargo run --release --example own_form`.
use triform::*;

/// Form (c) with one path, C times as wide and filled up with zeros. Only R2 refutes it, on special floats.
struct OneWidePath;
impl Subject for OneWidePath {}
impl BlockForm for OneWidePath {
    fn prepare<S: Additive, V: Convolver<S> + 'static>(
        &self,
        weights: &BlockWeights<S>,
        convolver: &V,
    ) -> Result<Box<dyn Branch<S, V>>> {
        Form::Grouped.prepare(&weights.in_paths(1)?, convolver)
    }
}
fn main() -> Result<()> {
    let block = Input::Block("64x8x4".parse()?, (14, 14));
    let forms: [&dyn AnyForm; 2] = [&Form::Grouped, &OneWidePath];
    let report = verify(&forms, &block, &Plan::default(), Seed(0), &Quiet)?;
    for finding in &report.findings {
        println!("{} on {}: {}", finding.rung, finding.stage, finding.verdict.word());
    }
    println!("{}", if report.holds() { "The forms agree." } else { "The forms differ." });
    Ok(())
}
