//! `triform forward`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use triform_checkpoint::write::{self, Tensor};

use super::args::ForwardOptions;
use super::destination::{Destination, Target};
use super::error::{Error, Result};
use super::need;
use super::{HOLDS, INTERRUPTED, memory, network, print, threads, verify_network};
use crate::report::file::Output;
use crate::report::network::{Source, forward, forward_json};
use triform::block::Form;
use triform::evidence::any_form::AnyForm;
use triform::evidence::rungs::Rung;
use triform::evidence::whole::{self, Ran};
use triform::network::architecture::Architecture;
use triform::random::Seed;

/// Runs a network in one form, or in all, which are then compared.
pub(super) fn run(
    options: &ForwardOptions,
    repeat: String,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let one = form(options.form, forms)?;
    if one.is_none() && options.output.is_some() {
        let words = "--output is for one form's values; name one: --form a, b or c";
        return Err(Error::Usage(words.to_owned()));
    }
    let values_path = options.output.as_ref().map(|file| file.path.as_path());
    let pool = threads::pool(options.threads.threads)?;
    let architecture = network::named(&options.arch, &options.network.top)?
        .with_stride_on(options.network.stride_on);
    let json = options.json.json.as_ref();
    let written = [json.and_then(Destination::path), values_path];
    network::not_overwritten(&options.input, &options.weights, &written)?;
    // Found out now, not after the work.
    let target = Target::open(json)?;
    let values = values_path.map(Output::create).transpose()?;

    let weights = network::weights(&architecture, &options.weights)?;
    let (x, input) = network::input(&architecture, &options.input)?;
    let source = Source { weights: options.weights.display().to_string(), input };
    let Some(form) = one else {
        let job = verify_network::Job {
            weights: &weights,
            x: &x,
            rungs: &[Rung::R1],
            seed: Seed(0),
            source: &source,
            repeat,
            memory: &options.memory,
            target,
        };
        return verify_network::judge(job, &pool, forms, output, errors, interrupted);
    };
    memory::check(&need::of_network(&architecture, x.dim(), 0)?, &options.memory, errors)?;
    let ran = pool.install(|| whole::run(form, &weights, x.view(), false))?;
    whole::finite(&ran.logits)?;
    if interrupted.load(Ordering::Relaxed) {
        return Ok(INTERRUPTED);
    }
    let (n, c, h, w) = x.dim();
    let shape = [n, c, h, w];
    let json = || Ok(forward_json(&architecture, form.letter(), &ran, shape, &source));
    let words = || Ok(forward(&architecture, form, &ran, &shape, &source)?);
    target.print(output, words, json)?;
    let silent = target.is_output();
    target.write(json)?;
    if let Some((file, path)) = values.zip(values_path) {
        file.write(&npy(&architecture, &ran)?)?;
        if !silent {
            print(output, &format!("Wrote {}.\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}

/// Of the forms the one that is asked for; none for all of them.
pub(super) fn form<'a>(
    asked: Option<Form>,
    forms: &[&'a dyn AnyForm],
) -> Result<Option<&'a dyn AnyForm>> {
    let Some(asked) = asked else { return Ok(None) };
    let named = forms.iter().find(|form| form.letter() == asked.letter());
    let words = || Error::Usage(format!("form ({}) is not there", asked.letter()));
    named.copied().map(Some).ok_or_else(words)
}

/// The logits N x classes, or the features N x C x h x w, as a `.npy` file.
fn npy(network: &Architecture, ran: &Ran) -> Result<Vec<u8>> {
    let values = match network.classes {
        Some(_) => ran.logits.view().into_dyn(),
        None => ran.features.view().into_dyn(),
    };
    let numbers: Vec<f32> = values.iter().copied().collect();
    Ok(write::npy(&Tensor::f32("", values.shape(), &numbers))?)
}
