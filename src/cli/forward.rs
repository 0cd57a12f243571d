//! `triform forward`.

use std::io::Write;
use std::sync::atomic::{AtomicBool, Ordering};

use triform_checkpoint::write::{self, Tensor};

use super::args::ForwardOptions;
use super::{
    HOLDS, INTERRUPTED, json_file, memory, network, print, quoted, threads, verify_network,
};
use crate::error::{Error, Result};
use crate::evidence::any_form::AnyForm;
use crate::evidence::memory as need;
use crate::evidence::rungs::Rung;
use crate::evidence::whole::{self, Ran};
use crate::network::architecture::Architecture;
use crate::random::Seed;
use crate::report::file::Output;
use crate::report::network::{Source, forward, forward_json};

/// Runs a network in one form, or in all, which are then compared.
pub(super) fn run(
    options: &ForwardOptions,
    forms: &[&dyn AnyForm],
    output: &mut dyn Write,
    errors: &mut dyn Write,
    interrupted: &AtomicBool,
) -> Result<u8> {
    let one = form(&options.form, forms)?;
    if one.is_none() && options.output.is_some() {
        let words = "--output is for one form's values; name one: --form a, b or c";
        return Err(Error::Usage(words.to_owned()));
    }
    if let Some(path) = &options.output
        && !path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy"))
    {
        let words = format!("--output {}: its name must end in .npy", path.display());
        return Err(Error::Usage(words));
    }
    let pool = threads::pool(options.threads.as_deref())?;
    let architecture = network::named(&options.arch, &options.network)?;
    let written = [json_file::path(options.json.as_ref()), options.output.as_deref()];
    network::not_overwritten(&options.input, &options.weights, &written)?;
    // Found out now, not after the work.
    let file = json_file::open(options.json.as_ref())?;
    let values = options.output.as_deref().map(Output::create).transpose()?;

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
            repeat: repeat(options),
            json: options.json.is_some(),
            memory: &options.memory,
            file,
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
    let json = || forward_json(&architecture, form.letter(), &ran, shape, &source);
    let to_file = file.is_some();
    if options.json.is_some() && !to_file {
        print(output, &json())?;
    } else {
        print(output, &forward(&architecture, form, &ran, &shape, &source)?)?;
    }
    if let Some(file) = file {
        file.write(json().as_bytes())?;
    }
    if let Some((file, path)) = values.zip(options.output.as_ref()) {
        file.write(&npy(&architecture, &ran)?)?;
        if options.json.is_none() || to_file {
            print(output, &format!("Wrote {}.\n", path.display()))?;
        }
    }
    Ok(HOLDS)
}

/// The form of a letter; none for `all`.
pub(super) fn form<'a>(letter: &str, forms: &[&'a dyn AnyForm]) -> Result<Option<&'a dyn AnyForm>> {
    if letter == "all" {
        return Ok(None);
    }
    let named = forms.iter().find(|form| form.letter().to_string() == letter);
    let words = || Error::Usage(format!("--form {letter}: it is a, b, c or all"));
    named.copied().map(Some).ok_or_else(words)
}

/// The logits N x classes, or the features N x C x h x w, as a `.npy` file.
fn npy(network: &Architecture, ran: &Ran) -> Result<Vec<u8>> {
    let values = match network.classes {
        Some(_) => ran.logits.view().into_dyn(),
        None => ran.features.view().into_dyn(),
    };
    let numbers: Vec<f32> = values.iter().copied().collect();
    write::npy(&Tensor::f32("", values.shape(), &numbers)).map_err(Error::Tensors)
}

/// The command that repeats this run.
fn repeat(options: &ForwardOptions) -> String {
    let weights = quoted(&options.weights.display().to_string());
    let mut command = format!("triform forward --arch {} --weights {weights}", options.arch);
    command += &options.input.repeat();
    command += &format!(" --form {}", options.form);
    command + &options.network.repeat() + options.memory.repeat()
}
