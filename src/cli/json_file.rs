//! Where `--json` or `--csv` says that a report goes.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::network::zoo;
use crate::report::file::Output;

/// The file that `--json` names, if it names one.
pub(super) fn path(json: Option<&Option<PathBuf>>) -> Option<&Path> {
    let path = json?.as_deref()?;
    (path.as_os_str() != "-").then_some(path)
}

/// The file that `--json` names, made ready; `None` where it names none, or standard output.
pub(super) fn open(json: Option<&Option<PathBuf>>) -> Result<Option<Output>> {
    open_as("json", json)
}

/// The same for another option.
pub(super) fn open_as(option: &str, file: Option<&Option<PathBuf>>) -> Result<Option<Output>> {
    let file = file.and_then(Option::as_ref);
    let Some(path) = file.filter(|path| path.as_os_str() != "-") else { return Ok(None) };
    let commands = [
        "verify", "refute", "explain", "count", "diagnose", "forward", "bench", "init", "plot",
        "help",
    ];
    if commands.iter().any(|command| path.as_os_str() == *command) {
        // `triform --json verify`, say, would otherwise write a file of that name.
        let name = path.display();
        let words = format!("--{option} {name}: name the command first, or the file as ./{name}");
        return Err(Error::Usage(words));
    }
    Output::create(path).map(Some)
}

/// Refuses a file that is called like a network: `triform count --json resnet50` would otherwise write a file
/// of that name.
pub(super) fn no_network(option: &str, file: Option<&Option<PathBuf>>) -> Result<()> {
    let Some(name) = file.and_then(Option::as_ref).and_then(|file| file.to_str()) else {
        return Ok(());
    };
    if name == "all" || zoo::named(name).is_ok() {
        let words = format!("--{option} {name}: name the networks first, or the file as ./{name}");
        return Err(Error::Usage(words));
    }
    Ok(())
}
