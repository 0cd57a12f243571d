//! Bad input gives one clear line, exit status 2, nothing on standard output, and no half-written file. The commands
//! are the lines of bad_input.txt. Their messages are a snapshot: see the head of cli.rs.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::kit::{printed, program, root, text};
use ndarray::{Array4, ArrayD, IxDyn};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use tempfile::{TempDir, tempdir};
use triform::network::init::{self, Fan};
use triform::network::zoo;
use triform::random::Seed;
use triform_cli::checkpoint;

/// A folder with good and damaged files, files of the wrong kind, and things that are not files.
fn folder() -> TempDir {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    let weights = init::network(&zoo::named("8x2x2").unwrap(), Seed(1), Fan::Whole).unwrap();
    let weights = checkpoint::safetensors(&weights).unwrap();
    let picture = fs::read(root().join("assets/chelsea.png")).unwrap();
    let npy = |x: ArrayD<f32>| {
        let mut bytes = Vec::new();
        x.write_npy(&mut bytes).unwrap();
        bytes
    };
    let zeros = |shape: &[usize]| ArrayD::<f32>::zeros(IxDyn(shape));
    let shape = [1, 8, 4, 5];
    let (array, mut nan) = (npy(zeros(&shape)), zeros(&shape));
    nan[[0, 7, 3, 4]] = f32::NAN;
    let mut double = Vec::new();
    zeros(&shape).mapv(f64::from).write_npy(&mut double).unwrap();
    for (name, bytes) in [
        ("text.png", &b"no image"[..]),
        ("half.png", &picture[..picture.len() / 2]),
        ("empty.jpg", b""),
        ("w.safetensors", &weights),
        ("cut.safetensors", &weights[..weights.len() - 1]),
        ("w.npz", &weights),
        ("w.onnx", &weights),
        ("empty.pth", b""),
        ("x.npy", &array),
        ("cut.npy", &array[..array.len() - 4]),
        ("long.npy", &[&array[..], &[0]].concat()),
        ("nan.npy", &npy(nan)),
        ("double.npy", &double),
        ("flat.npy", &npy(zeros(&[1, 8, 20]))),
        ("image.npy", &npy(zeros(&[1, 3, 4, 5]))),
        ("none.npy", &npy(zeros(&[0, 8, 4, 5]))),
        ("no_map.npy", &npy(zeros(&[1, 8, 0, 5]))),
    ] {
        fs::write(path(name), bytes).unwrap();
    }
    let status = Command::new("mkfifo").args([path("pipe"), path("pipe.npz")]).status();
    assert!(status.is_ok_and(|status| status.success()), "mkfifo");
    fs::create_dir(path("folder.pth")).unwrap();
    folder
}

/// The names in a folder and the lengths of the files.
fn contents(folder: &Path) -> Vec<(std::ffi::OsString, u64)> {
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let entry = entry.unwrap();
        (entry.file_name(), entry.metadata().unwrap().len())
    };
    let mut contents: Vec<_> = fs::read_dir(folder).unwrap().map(entry).collect();
    contents.sort();
    contents
}

#[test]
fn bad_input_is_one_clear_line_and_status_2() {
    let folder = folder();
    let here = folder.path().to_str().unwrap();
    let before = contents(folder.path());
    let (mut lines, mut ran) = (String::new(), 0);
    for command in include_str!("bad_input.txt").lines().filter(|line| !line.starts_with('#')) {
        let words = shlex::split(&command.replace("FOLDER", here)).unwrap();
        let output = program().args(words).output().unwrap();
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{command}: {errors}");
        assert_eq!(text(&output.stdout), "", "{command}");
        assert_eq!(errors.lines().count(), 1, "{command}: {errors}");
        assert!(errors.starts_with("error: "), "{command}: {errors}");
        // The memory of this machine is not compared.
        let memory =
            errors.contains(" or its container has").then(|| errors.split_once(", more than "));
        let errors = memory.flatten().map_or(errors.trim_end(), |(words, _)| words);
        lines += &format!("triform {command}\n{}\n", errors.replace(here, "FOLDER"));
        ran += 1;
    }
    assert!(ran >= 180, "{ran}");
    insta::assert_snapshot!("bad_input", lines);
    assert_eq!(contents(folder.path()), before, "something was written");
}

/// A batch of no images is allowed: the output is empty.
#[test]
fn no_image_gives_an_empty_output() {
    let folder = folder();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (w, none, empty) = (path("w.safetensors"), path("none.npy"), path("y.npy"));
    printed(&format!("forward --arch 8x2x2 --weights {w} --input {none} --output {empty}"));
    let y = Array4::<f32>::read_npy(fs::File::open(&empty).unwrap()).unwrap();
    assert_eq!(y.dim(), (0, 8, 4, 5));
}
