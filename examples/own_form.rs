//! A form of your own, judged beside form (c): `cargo run --release --example own_form`.
use triform::{Additive, BlockForm, BlockWeights, Branch, Convolver, Form, Result, Subject};

/// All paths as one path C times as wide, with zeros between them. Right; a wrong one is refuted.
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
    let block = triform::Input::Block("64x8x4".parse()?, (14, 14));
    let forms: [&dyn triform::AnyForm; 2] = [&Form::Grouped, &OneWidePath];
    let (plan, seed) = (triform::Plan::default(), triform::Seed(0));
    let report = triform::verify(&forms, &block, &plan, seed, &triform::Quiet)?;
    for finding in &report.findings {
        println!("{} on {}: {}", finding.rung, finding.stage, finding.verdict.word());
    }
    Ok(println!("{}", if report.holds() { "They are one function." } else { "They are not." }))
}
