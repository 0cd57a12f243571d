//! Which network, with which weights, on what input: the options that several commands share.

use std::path::Path;

use image::RgbImage;
use ndarray::Array4;

use super::args::{InputOptions, NetworkOptions, TopOptions};
use super::{number, size};
use crate::block::StrideOn;
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::weights::NetworkWeights;
use crate::network::{array, image as photo, load, zoo};

/// Said where `--classes` or `--features` is for a block.
pub(super) const NO_TOP: &str =
    "a block has no fully connected layer: --classes and --features are for networks";

/// The network of a name, as the options change it.
pub(super) fn named(name: &str, options: &NetworkOptions) -> Result<Architecture> {
    with_top(name, &options.stride_on, &options.top)
}

/// The same, of which the stride does not matter.
pub(super) fn of_shape(name: &str, top: &TopOptions) -> Result<Architecture> {
    with_top(name, "3x3", top)
}

fn with_top(name: &str, stride_on: &str, top: &TopOptions) -> Result<Architecture> {
    let network = zoo::named(name)?;
    let TopOptions { classes, features } = top;
    if network.is_block() && (*features || classes.is_some()) {
        return Err(Error::Usage(NO_TOP.to_owned()));
    }
    changed(network, stride_on, classes.as_deref(), *features)
}

/// A network as `--stride-on`, `--classes` and `--features` change it.
pub(super) fn changed(
    mut network: Architecture,
    stride_on: &str,
    classes: Option<&str>,
    features: bool,
) -> Result<Architecture> {
    network = network.with_stride_on(match stride_on {
        "3x3" => StrideOn::Transform,
        "1x1" => StrideOn::Reduce,
        other => {
            let words = format!("--stride-on {other}: it is 3x3 or 1x1");
            return Err(Error::Usage(words));
        }
    });
    if features {
        network = network.without_top();
    }
    if let Some(classes) = classes {
        let classes = size("number of classes", classes)?;
        if !network.is_block() {
            network = network.with_classes(classes);
        }
    }
    Ok(network)
}

/// The weights of a file.
pub(super) fn weights(network: &Architecture, path: &Path) -> Result<NetworkWeights> {
    load::read(network, path)
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
pub(super) fn photograph(path: &Path, options: &InputOptions) -> Result<RgbImage> {
    match &options.resize {
        Some(side) => {
            let side = number("shorter side", side)?;
            photo::read_scaled(path, u32::try_from(side).unwrap_or(u32::MAX))
        }
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
            (photo::normalise(&photograph(path, options)?), path.display().to_string())
        }
        (None, None) if network.is_block() => {
            let name = &network.name;
            return Err(Error::Usage(format!("{name} is a block; name its input with --input")));
        }
        (None, None) => {
            let words = "the photograph that comes with the program".to_owned();
            (photo::normalise(&photo::photograph()?), words)
        }
    };
    let channels = network.input_channels();
    if x.dim().1 != channels {
        let expected = format!("N x {channels} x H x W, as {} reads", network.name);
        let found = x.shape().to_vec();
        return Err(Error::Shape { what: "input of the network", expected, found });
    }
    Ok((x, source))
}
