//! Which network, with which weights, on what input: the options that several commands share.

use std::path::Path;

use ndarray::Array4;

use super::args::{InputOptions, NetworkOptions};
use super::size;
use crate::block::StrideOn;
use crate::error::{Error, Result};
use crate::network::architecture::Architecture;
use crate::network::checkpoint::{self, npy};
use crate::network::weights::NetworkWeights;
use crate::network::{image, load, zoo};

/// Said where `--classes` or `--features` is for a block.
pub(super) const NO_TOP: &str =
    "a block has no fully connected layer: --classes and --features are for networks";

/// The network of a name, as the options change it.
pub(super) fn named(name: &str, options: &NetworkOptions) -> Result<Architecture> {
    let network = zoo::named(name)?;
    let NetworkOptions { stride_on, classes, features } = options;
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
    let mut checkpoint = checkpoint::open(path)?;
    load::load(network, &mut *checkpoint, path)
}

/// The input, N x 3 x H x W, and where it is from.
pub(super) fn input(
    network: &Architecture,
    options: &InputOptions,
) -> Result<(Array4<f32>, String)> {
    let (x, source) = match (&options.input, &options.image) {
        (Some(path), _) => (npy::read(path)?, path.display().to_string()),
        (None, Some(path)) => (image::normalise(&image::read(path)?), path.display().to_string()),
        (None, None) => {
            let words = "the photograph that comes with the program".to_owned();
            (image::normalise(&image::photograph()?), words)
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
