//! What is timed: blocks and networks. They are drawn, checked and prepared here.

use std::time::Instant;

use ndarray::{Array4, Axis};

use super::BlockOnMap;
use super::timing::{Rounds, Times, Work, in_turn};
use triform::block::{Activation, Bottleneck, Layer, NormFunctions, Shortcut};
use triform::conv::{Convolver, Fast};
use triform::count;
use triform::error::{Error, Result};
use triform::evidence::any_form::AnyForm;
use triform::evidence::bound::NormBalls;
use triform::evidence::generator::Shape;
use triform::evidence::live::RealProblem;
use triform::evidence::progress::Progress;
use triform::evidence::rungs::Rung;
use triform::evidence::rungs::r1_derived_bound;
use triform::evidence::speed::{LayerRow, Roof, Row, map_name};
use triform::evidence::verdict::Finding;
use triform::evidence::whole::{self, NetworkReport};
use triform::network::architecture::Architecture;
use triform::network::forward::{Network, NetworkFunctions};
use triform::network::init::{self, Fan};
use triform::network::weights::NetworkWeights;
use triform::random::{Purpose, Seed, normal};

/// A block: its weights, its batch norms, its input.
pub(super) struct Subject {
    /// The block as `--block` takes it.
    pub(super) name: String,
    map: String,
    problem: RealProblem,
    functions: NormFunctions<f32>,
    flops: u64,
}

impl Subject {
    /// Draws He-initialised weights, a standard normal input, and batch norms that leave no channel dead.
    pub(super) fn draw((spec, map): BlockOnMap, seed: Seed, number: u64) -> Result<Self> {
        let problem = RealProblem::draw(&Shape::new(spec, map), seed, &[number])?;
        let functions = NormFunctions::new(&problem.norms, Activation::Relu)?;
        let flops = count::block_work(&spec, map)?.flops()?;
        Ok(Self { name: spec.name(), map: map_name(map), problem, functions, flops })
    }

    /// The block and its map.
    pub(super) fn sized(&self) -> BlockOnMap {
        let (_, _, h, w) = self.problem.x.dim();
        (*self.problem.weights.spec(), (h, w))
    }

    /// Runs R1, end to end and layer by layer.
    pub(super) fn check(&self, forms: &[&dyn AnyForm], seed: Seed) -> Result<Finding> {
        let since = Instant::now();
        let norms = self.problem.norms.cast();
        let exact = NormBalls::new(&norms);
        let evidence =
            r1_derived_bound::within(forms, &self.problem.problem(), &exact.functions())?;
        let about = (Rung::R1, self.name.as_str(), "whole and layer by layer".to_owned());
        Finding::conclude(about, evidence, seed.0, since.elapsed().as_secs_f64() * 1e3)
    }

    /// Times the three layers of form (c) one by one, each with its epilogue.
    pub(super) fn time_layers(
        &self,
        rounds: Rounds,
        stopped: &dyn Fn() -> bool,
    ) -> Result<Option<Vec<LayerRow>>> {
        let (spec, map) = self.sized();
        let (fast, functions) = (Fast::new(), self.functions.functions());
        let (weights, x) = (&self.problem.weights, self.problem.x.view());
        let reduce = fast.prepare(weights.reduce(), spec.reduce())?;
        let transform = fast.prepare(weights.transform(), spec.transform(spec.cardinality()))?;
        let expand = fast.prepare(weights.expand(), spec.expand())?;
        let reduced = fast.conv(x, &reduce, &functions.after_reduce())?;
        let transformed = fast.conv(reduced.view(), &transform, &functions.after_transform())?;
        let identity = spec.shortcut() == Shortcut::Identity;
        let after_sum = functions.after_sum(identity.then_some(x));
        let mut work: [Work<'_>; 3] = [
            Box::new(|| fast.conv(x, &reduce, &functions.after_reduce())),
            Box::new(|| fast.conv(reduced.view(), &transform, &functions.after_transform())),
            Box::new(|| fast.conv(transformed.view(), &expand, &after_sum)),
        ];
        let Some(times) = in_turn(&mut work, rounds, stopped)? else { return Ok(None) };
        let row = |((layer, work), times): ((Layer, count::Work), Times)| {
            Ok(LayerRow {
                block: self.name.clone(),
                map: self.map.clone(),
                layer: words(layer).to_owned(),
                min_ms: rounded(times.min_ms),
                gflops: rounded(work.flops()? as f64 / times.min_ms / 1e6),
                intensity: rounded(work.intensity()?),
            })
        };
        let layers = count::block_layers(&spec, map)?;
        layers.into_iter().zip(times).map(row).collect::<Result<_>>().map(Some)
    }
}

fn words(layer: Layer) -> &'static str {
    match layer {
        Layer::Reduce => "1x1 in",
        Layer::Transform => "3x3",
        Layer::Expand => "1x1 out",
        Layer::Shortcut => "shortcut",
        Layer::Output => "output",
    }
}

/// Times several blocks in several forms. All of them are timed together, round by round.
pub(super) fn time(
    subjects: &[Subject],
    forms: &[&dyn AnyForm],
    rounds: Rounds,
    roof: &Roof,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Vec<Row>>> {
    let fast = &Fast::new();
    let (mut about, mut work): (Vec<_>, Vec<Work<'_>>) = (Vec::new(), Vec::new());
    for subject in subjects {
        let functions = subject.functions.functions();
        for form in forms {
            let block: Bottleneck<f32, Fast> = form.bottleneck(&subject.problem.weights, fast)?;
            let x = subject.problem.x.view();
            work.push(Box::new(move || block.forward(x, &functions, fast)));
            about.push((&subject.name, &subject.map, form.letter(), subject.flops));
        }
    }
    let Some(times) = in_turn(&mut work, rounds, stopped)? else { return Ok(None) };
    Ok(Some(about.into_iter().zip(times).map(|(about, times)| row(about, &times, roof)).collect()))
}

/// A network: its weights and its input.
pub(super) struct NetworkSubject {
    weights: NetworkWeights,
    x: Array4<f32>,
    flops: u64,
}

impl NetworkSubject {
    /// Draws weights as torchvision initialises them, and a standard normal input, 1 x 3 x 224 x 224.
    pub(super) fn draw(network: &Architecture, seed: Seed) -> Result<Self> {
        let (h, w) = network.usual_input();
        let shape = (1, network.input_channels(), h, w);
        let x = normal(shape, &mut seed.stream(Purpose::Input, &[]));
        let macs = count::network(network, (h, w))?.total.operations.macs()?;
        let too_many = || Error::CountTooLarge { what: "FLOPs" };
        let flops = macs.checked_mul(2).ok_or_else(too_many)?;
        Ok(Self { weights: init::network(network, seed, Fan::Whole)?, x, flops })
    }

    /// Runs R1 on every block, and compares the logits.
    pub(super) fn check(
        &self,
        forms: &[&dyn AnyForm],
        seed: Seed,
        progress: &dyn Progress,
    ) -> Result<NetworkReport> {
        whole::verify(forms, &self.weights, self.x.view(), &[Rung::R1], seed, progress)
    }
}

/// Times networks in form (c), together, round by round.
pub(super) fn time_networks(
    subjects: &[NetworkSubject],
    forms: &[&dyn AnyForm],
    rounds: Rounds,
    roof: &Roof,
    stopped: &dyn Fn() -> bool,
) -> Result<Option<Vec<Row>>> {
    let missing =
        || Error::Unsuitable("networks are timed in form (c), which is missing".to_owned());
    let form = forms.iter().find(|form| form.letter() == 'c').ok_or_else(missing)?;
    let fast = &Fast::new();
    let (mut about, mut work): (Vec<_>, Vec<Work<'_>>) = (Vec::new(), Vec::new());
    let maps: Vec<String> =
        subjects.iter().map(|subject| map_name((subject.x.dim().2, subject.x.dim().3))).collect();
    for (subject, map) in subjects.iter().zip(&maps) {
        let bottleneck = |weights: &_, fast: &_| form.bottleneck(weights, fast);
        let network = Network::prepare(&bottleneck, &subject.weights, |x| *x, fast)?;
        let functions = NetworkFunctions::new(&subject.weights)?;
        work.push(Box::new(move || {
            let features = network.features(subject.x.view(), &functions, fast, &mut |_, _| ())?;
            let logits = network.logits(features.view(), &functions, fast)?;
            Ok(logits.insert_axis(Axis(2)).insert_axis(Axis(3)))
        }));
        about.push((&subject.weights.architecture().name, map, form.letter(), subject.flops));
    }
    let Some(times) = in_turn(&mut work, rounds, stopped)? else { return Ok(None) };
    Ok(Some(about.into_iter().zip(times).map(|(about, times)| row(about, &times, roof)).collect()))
}

fn row(
    (block, map, form, flops): (&String, &String, char, u64),
    times: &Times,
    roof: &Roof,
) -> Row {
    let gflops = flops as f64 / times.min_ms / 1e6;
    Row {
        block: block.clone(),
        map: map.clone(),
        form,
        threads: roof.threads,
        min_ms: rounded(times.min_ms),
        median_ms: rounded(times.median_ms),
        gflops: rounded(gflops),
        share_of_peak: rounded(gflops / roof.gflops),
    }
}

/// Keeps six digits, because the rest of a time is noise.
pub(super) fn rounded(value: f64) -> f64 {
    format!("{value:.5e}").parse().unwrap_or(value)
}
