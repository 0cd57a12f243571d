//! `triform init` and `triform forward`, which make and run a network. Also reads the network, the weights and the
//! input that the options name.

use std::path::Path;
use std::sync::atomic::Ordering;

use ndarray::{Array3, Array4};
use triform_checkpoint::write::{self, Tensor};

use super::args::{ForwardOptions, InitOptions, InputOptions, NetworkOptions, TopOptions};
use super::destination::{Destination, Output, Target};
use super::error::{Error, Result};
use super::verify::Job;
use super::{Context, HOLDS, INTERRUPTED, machine};
use crate::need;
use crate::report::json::{self, Outcome};
use crate::report::network as report;
pub(super) use crate::report::network::Source;
use crate::{checkpoint, input};
use triform::block::Form;
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::whole::{self, Ran};
use triform::network::architecture::Architecture;
use triform::network::weights::NetworkWeights;
use triform::network::{image::normalise, init, zoo};
use triform::random::Seed;

/// The message for `--classes` or `--features` with a block.
pub(super) const NO_TOP: &str =
    "--classes and --features are only for networks; a block has no fully connected layer";

/// The network of this name, with its top and strides changed as the options ask.
pub(super) fn named(name: &str, options: &NetworkOptions) -> Result<Architecture> {
    Ok(with_its_top(name, &options.top)?.with_stride_on(options.stride_on))
}

fn with_its_top(name: &str, top: &TopOptions) -> Result<Architecture> {
    let network = zoo::named(name)?;
    if network.is_block() && (top.features || top.classes.is_some()) {
        return Err(Error::Usage(NO_TOP.to_owned()));
    }
    Ok(with_top(network, top))
}

/// The network with the top that the options ask for.
pub(super) fn with_top(network: Architecture, top: &TopOptions) -> Architecture {
    match top {
        TopOptions { features: true, .. } => network.without_top(),
        TopOptions { classes: Some(classes), .. } if !network.is_block() => {
            network.with_classes(*classes)
        }
        _ => network,
    }
}

/// Refuses options that would overwrite an input file, or write one file twice.
pub(super) fn not_overwritten(
    input: &InputOptions,
    weights: &Path,
    written: &[Option<&Path>],
) -> Result<()> {
    // Links are followed where the file exists, since two names may mean one file.
    let real = |path: &Path| {
        path.canonicalize()
            .or_else(|_| std::path::absolute(path))
            .unwrap_or_else(|_| path.to_owned())
    };
    let read = [Some(weights), input.input.as_deref(), input.image.as_deref()];
    for (number, path) in written.iter().enumerate() {
        let Some(path) = path else { continue };
        let mut others = read.iter().chain(&written[..number]).flatten();
        if others.any(|other| real(other) == real(path)) {
            let path = path.display();
            let words = format!("the options name {path} twice, so it would be overwritten");
            return Err(Error::Usage(words));
        }
    }
    Ok(())
}

/// The photograph that the options name, scaled as `--resize` says, or else the built-in photograph. Also says where it
/// comes from.
pub(super) fn photograph(options: &InputOptions) -> Result<(Array3<u8>, String)> {
    let Some(path) = &options.image else {
        let words = "the built-in photograph".to_owned();
        return Ok((input::photograph()?, words));
    };
    let photograph = match options.resize {
        Some(side) => input::read_scaled(path, side),
        None => input::read(path),
    };
    Ok((photograph?, path.display().to_string()))
}

/// The weights, the input (N x C x H x W), and where both come from.
pub(super) fn read(
    network: &Architecture,
    weights: &Path,
    options: &InputOptions,
) -> Result<(NetworkWeights, Array4<f32>, Source)> {
    let read = checkpoint::read(network, weights)?;
    let (x, input) = match &options.input {
        Some(path) => (input::array(path)?, path.display().to_string()),
        None if options.image.is_none() && network.is_block() => {
            let name = &network.name;
            let words = format!("{name} is a block; give its input with --input FILE");
            return Err(Error::Usage(words));
        }
        None => {
            let (photograph, source) = photograph(options)?;
            (normalise(photograph.view()), source)
        }
    };
    let channels = network.input_channels();
    if x.dim().1 != channels {
        let expected = format!("N x {channels} x H x W for {}", network.name);
        let found = x.shape().to_vec();
        let what = "input of the network";
        return Err(triform::Error::Shape { what, expected, found }.into());
    }
    Ok((read, x, Source { weights: weights.display().to_string(), input }))
}

/// Writes a freshly initialised checkpoint.
pub(super) fn init(options: &InitOptions, context: &mut Context<'_>) -> Result<u8> {
    let (seed, path) = (options.seed.seed, &options.output.path);
    let architecture = with_its_top(&options.arch, &options.top)?;
    // Three copies: the weights as drawn, by name, and as the bytes of the file.
    machine::check(&need::of_weights(&architecture, 3)?, &options.memory, context.errors)?;
    let file = Output::create(path)?;
    let weights = init::network(&architecture, seed, options.fan)?;
    let bytes = (options.output.format)(&weights)?;
    if context.interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    file.write(&bytes)?;
    context.print(&report::initialised(&architecture, seed, path)?)?;
    Ok(HOLDS)
}

/// Runs a network in one form, or in all three forms, which are then compared.
pub(super) fn forward(options: &ForwardOptions, context: &mut Context<'_>) -> Result<u8> {
    let one = form(options.form, context.forms)?;
    let values_path = options.output.as_ref().map(|file| file.path.as_path());
    if one.is_none() && values_path.is_some() {
        let words = "--output writes the values of one form; choose it with --form a, b or c";
        return Err(Error::Usage(words.to_owned()));
    }
    let pool = machine::pool(options.threads.threads)?;
    let network = named(&options.arch, &options.network)?;
    let json = options.json.json.as_ref();
    let written = [json.and_then(Destination::path), values_path];
    not_overwritten(&options.input, &options.weights, &written)?;
    // Opened now, so that a file that cannot be written is reported before the work.
    let target = Target::open(json)?;
    let values = values_path.map(Output::create).transpose()?;
    let (weights, x, source) = read(&network, &options.weights, &options.input)?;
    let (source, memory) = (&source, &options.memory);
    let Some(form) = one else {
        let (weights, x, rungs) = (&weights, &x, &[Rung::R1]);
        let (seed, full) = (Seed(0), false);
        let job = Job { weights, x, rungs, seed, source, memory, target, full };
        return job.run(&pool, context);
    };
    machine::check(&need::of_network(&network, x.dim(), 0)?, memory, context.errors)?;
    let ran = pool.install(|| whole::run(form, &weights, x.view(), false))?;
    whole::finite(&ran.logits)?;
    if context.interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    let shape: [usize; 4] = x.dim().into();
    let silent = target.is_output();
    let words = || Ok(report::forward(&network, form, &ran, &shape, source)?);
    let command = context.command.clone();
    let as_json = || {
        let report = json::forward(&network, form.letter(), &ran, shape, source);
        Ok(json::envelope(&command, Outcome::NONE, report))
    };
    target.report(context, words, as_json)?;
    if let Some((file, path)) = values.zip(values_path) {
        file.write(&npy(&network, &ran)?)?;
        if !silent {
            context.print(&format!("Wrote {}.\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}

/// The form that the options ask for. `None` means all forms.
pub(super) fn form<'a>(
    asked: Option<Form>,
    forms: &[&'a dyn AnyForm],
) -> Result<Option<&'a dyn AnyForm>> {
    let Some(asked) = asked else { return Ok(None) };
    let named = forms.iter().find(|form| form.letter() == asked.letter());
    let words = || Error::Usage(format!("form ({}) is not available", asked.letter()));
    named.copied().map(Some).ok_or_else(words)
}

/// The bytes of a `.npy` file with the logits, N x classes, or with the features, N x C x h x w.
fn npy(network: &Architecture, ran: &Ran) -> Result<Vec<u8>> {
    let values = match network.classes {
        Some(_) => ran.logits.view().into_dyn(),
        None => ran.features.view().into_dyn(),
    };
    let numbers: Vec<f32> = values.iter().copied().collect();
    Ok(write::npy(&Tensor::f32("", values.shape(), &numbers))?)
}
