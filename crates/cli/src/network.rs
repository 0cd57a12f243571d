//! Which network, with which weights, on what input: the options that several commands share.

use std::path::Path;

use ndarray::{Array3, Array4};

use super::args::{InputOptions, TopOptions};
use super::error::{Error, Result};
use super::{array, checkpoint, photograph as photo};
use triform::network::architecture::Architecture;
use triform::network::weights::NetworkWeights;
use triform::network::{image::normalise, zoo};

/// Said where `--classes` or `--features` is for a block.
pub(super) const NO_TOP: &str =
    "a block has no fully connected layer: --classes and --features are for networks";

/// The network of a name, with another top where the options ask for one.
pub(super) fn named(name: &str, top: &TopOptions) -> Result<Architecture> {
    let network = zoo::named(name)?;
    if network.is_block() && (top.features || top.classes.is_some()) {
        return Err(Error::Usage(NO_TOP.to_owned()));
    }
    Ok(with_top(network, top))
}

/// A network with another top where the options ask for one; a block as it is.
pub(super) fn with_top(network: Architecture, top: &TopOptions) -> Architecture {
    match top {
        TopOptions { features: true, .. } => network.without_top(),
        TopOptions { classes: Some(classes), .. } if !network.is_block() => {
            network.with_classes(*classes)
        }
        _ => network,
    }
}

/// The weights of a file.
pub(super) fn weights(network: &Architecture, path: &Path) -> Result<NetworkWeights> {
    checkpoint::read(network, path)
}

/// Refuses to write a file over another that is read or written.
pub(super) fn not_overwritten(
    input: &InputOptions,
    weights: &Path,
    written: &[Option<&Path>],
) -> Result<()> {
    // Two names of one file, where it is there already.
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
            let words = format!("{} is named twice; it would be overwritten", path.display());
            return Err(Error::Usage(words));
        }
    }
    Ok(())
}

/// A photograph, as `--resize` says.
pub(super) fn photograph(path: &Path, options: &InputOptions) -> Result<Array3<u8>> {
    match options.resize {
        Some(side) => photo::read_scaled(path, side),
        None => photo::read(path),
    }
}

/// The input, N x 3 x H x W, and where it is from.
pub(super) fn input(
    network: &Architecture,
    options: &InputOptions,
) -> Result<(Array4<f32>, String)> {
    let (x, source) = match (&options.input, &options.image) {
        (Some(path), _) => (array::read(path)?, path.display().to_string()),
        (None, Some(path)) => {
            (normalise(photograph(path, options)?.view()), path.display().to_string())
        }
        (None, None) if network.is_block() => {
            let name = &network.name;
            return Err(Error::Usage(format!("{name} is a block; name its input with --input")));
        }
        (None, None) => {
            let words = "the photograph that comes with the program".to_owned();
            (normalise(photo::photograph()?.view()), words)
        }
    };
    let channels = network.input_channels();
    if x.dim().1 != channels {
        let expected = format!("N x {channels} x H x W, as {} reads", network.name);
        let found = x.shape().to_vec();
        let what = "input of the network";
        return Err(triform::Error::Shape { what, expected, found }.into());
    }
    Ok((x, source))
}
