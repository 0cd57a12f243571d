//! Bad input: one clear line, exit status 2, and nothing on standard output. The lines are a snapshot, see
//! the head of tests/cli.rs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use ndarray::{Array4, ArrayD, IxDyn};
use ndarray_npy::{ReadNpyExt, WriteNpyExt};
use tempfile::tempdir;
use triform::network::init::{self, Fan};
use triform::network::zoo;
use triform::random::Seed;
use triform_cli::checkpoint;

fn triform(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_triform")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

#[test]
fn bad_input_is_one_clear_line_and_status_2() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("text.png"), "no image").unwrap();
    let whole = fs::read(crate::root().join("assets/chelsea.png")).unwrap();
    fs::write(path("half.png"), &whole[..whole.len() / 2]).unwrap();
    fs::write(path("empty.jpg"), "").unwrap();
    let status = Command::new("mkfifo").arg(path("pipe")).status();
    assert!(status.is_ok_and(|status| status.success()), "mkfifo");

    let (text_png, half_png, empty_jpg, pipe) =
        (path("text.png"), path("half.png"), path("empty.jpg"), path("pipe"));
    let (here, missing) = (path(""), path("missing.png"));
    let (unwritable, new_folder) = (path("missing/r.json"), path("new/"));
    let cases: Vec<Vec<&str>> = vec![
        vec!["verify", "--image", &missing],
        vec!["verify", "--image", &here],
        vec!["verify", "--image", &pipe],
        vec!["verify", "--image", &text_png],
        vec!["verify", "--image", &half_png],
        vec!["verify", "--image", &empty_jpg],
        vec!["verify", "--cases", "0"],
        vec!["verify", "--cases", "-1"],
        vec!["verify", "--cases", "many"],
        vec!["verify", "--cases", "1000001"],
        vec!["verify", "--rung", "R9"],
        vec!["verify", "--rung", ""],
        vec!["verify", "--rung", "R1,,R2"],
        vec!["verify", "--block", "256x31x0"],
        vec!["verify", "--block", "256x0x4"],
        vec!["verify", "--block", "0x32x4"],
        vec!["verify", "--block", "256"],
        vec!["verify", "--block", "256x32x4x1"],
        vec!["verify", "--block", "256x32xfour"],
        vec!["verify", "--block", "-256x32x4"],
        vec!["verify", "--block", "99999999999999999999x1x1"],
        vec!["verify", "--block", "9999999999999x99999999x9999999"],
        vec!["verify", "--block", "100000000x32x4"],
        vec!["verify", "--map", "0x7"],
        vec!["verify", "--map", "7x7"],
        vec!["verify", "--block", "8x2x2", "--map", "7x0"],
        vec!["verify", "--block", "8x2x2", "--map", "7"],
        vec!["verify", "--block", "8x2x2", "--map", "99999999x99999999"],
        vec!["verify", "--block", "8x2x2", "--map", "18446744073709551615x2"],
        vec!["verify", "--block", "8x2x2", "--image", &missing],
        vec!["verify", "--seed", "seven"],
        vec!["verify", "--seed", "-1"],
        vec!["verify", "--seed", "18446744073709551616"],
        vec!["verify", "--threads", "0"],
        vec!["verify", "--threads", "two"],
        vec!["verify", "--threads", "1000000"],
        vec!["--json", "verify"],
        vec!["verify", "--json", &here],
        vec!["verify", "--json", &unwritable],
        vec!["verify", "--json", &new_folder],
        vec!["--block", "8x2x2", "verify"],
        vec!["refute", "no-such-block"],
        vec!["refute", "--seed", "-1"],
        vec!["refute", "--json", &unwritable],
        vec!["refute", "--json", "--markdown"],
        vec!["--json", "refute"],
        vec!["refute", "--json", "dilated"],
        vec!["explain", "no-such-claim"],
        vec!["count", "resnet51"],
        vec!["count", "resnext50_32x4"],
        vec!["count", "resnext50_0x4d"],
        vec!["count", "resnext50_9999999999x9999999999d"],
        vec!["count", "resnext50_4000000000000000x4d"],
        vec!["count", "resnet50", "--size", "0"],
        vec!["count", "resnet50", "--size", "224x0"],
        vec!["count", "resnet50", "--size", "large"],
        vec!["count", "resnet50", "--size", "18446744073709551615"],
        vec!["count", "resnet50", "--size", "4000000000"],
        vec!["count", "resnet50", "--stride-on", "2x2"],
        vec!["count", "resnet50", "--classes", "0"],
        vec!["count", "resnet50", "--classes", "18446744073709551615"],
        vec!["count", "resnet50", "--classes", "10", "--features"],
        vec!["count", "--block", "256x32"],
        vec!["count", "--block", "256x0x4"],
        vec!["count", "--block", "99999999x99999x9999999"],
        vec!["count", "--preserve"],
        vec!["count", "--conv", "3x128x128x5"],
        vec!["count", "--conv", "3x128x96x64"],
        vec!["count", "--conv", "3x128x128x0"],
        vec!["count", "--conv", "2x128x128x1"],
        vec!["count", "--conv", "3x0x128x1"],
        vec!["count", "--conv", "3x128x128"],
        vec!["count", "--conv", "99999999999x99999999999x1x1"],
        vec!["count", "--json", "resnet50"],
        vec!["count", "--csv", "all"],
        vec!["count", "resnet50", "--json", "same", "--csv", "./same"],
        vec!["count", "256x32x4", "--classes", "10"],
        vec!["count", "--block", "256x32x4", "--features"],
        vec!["count", "all", "--classes", "ten"],
        vec!["count", "--conv", "3x128x128x32", "--json"],
        vec!["count", "--block", "256x1x64", "--preserve", "--size", "7"],
        vec!["count", "resnext50_+32x4d"],
        vec!["diagnose", "25,5M"],
        vec!["diagnose", "25.6M", "--json", "resnet50"],
        vec!["count", "--json", "--csv"],
        vec!["count", "--csv", &unwritable],
        vec!["--json", "count"],
        vec!["diagnose", "many"],
        vec!["diagnose", "-70144"],
        vec!["diagnose", "1.5"],
        vec!["diagnose", "99999999999T"],
        vec!["diagnose", "70144", "--arch", "resnet51"],
        vec!["diagnose", "--macs"],
        vec!["diagnose", "70144", "--json", &unwritable],
        vec!["plot", "--output", &text_png],
        vec!["verify", "--frobnicate"],
        vec!["verify", "--sed", "3"],
        vec!["frobnicate"],
        vec!["verfiy"],
        vec!["verify", "--block"],
    ];
    insta::assert_snapshot!("bad_input", refused(folder.path(), &cases));
}

/// The same of what is to be timed.
#[test]
fn bad_benches_are_one_clear_line_and_status_2() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (here, pdf, unwritable) = (path(""), path("r.pdf"), path("missing/r.svg"));
    let cases: Vec<Vec<&str>> = vec![
        vec!["bench", "--block", "256x0x4"],
        vec!["bench", "--block", "256"],
        vec!["bench", "--block", "100000000x32x4"],
        vec!["bench", "--block", "8x2x2", "--map", "0x7"],
        vec!["bench", "--block", "8x2x2", "--map", "99999999x99999999"],
        vec!["bench", "--map", "7x7"],
        vec!["bench", "--form", "d"],
        vec!["bench", "--threads", "0"],
        vec!["bench", "--threads", "1000000"],
        vec!["bench", "--rounds", "0"],
        vec!["bench", "--rounds", "-1"],
        vec!["bench", "--rounds", "few"],
        vec!["bench", "--seed", "seven"],
        vec!["bench", "--json", &here],
        vec!["bench", "--json", "verify"],
        vec!["--json", "bench"],
        vec!["bench", "--figure", &pdf],
        vec!["bench", "--figure", "figure"],
        vec!["bench", "--figure", &unwritable],
        vec!["bench", "--record", &here, "--threads", "1"],
        vec!["bench", "8x2x2"],
    ];
    insta::assert_snapshot!("bad_bench", refused(folder.path(), &cases));
}

/// The same of networks, their weights and their inputs.
#[test]
fn bad_networks_are_one_clear_line_and_status_2() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let weights = init::network(&zoo::named("8x2x2").unwrap(), Seed(1), Fan::Whole).unwrap();
    let bytes = checkpoint::safetensors(&weights).unwrap();
    let x = Array4::<f32>::zeros((1, 8, 4, 5));
    let mut nan = x.clone();
    nan[[0, 7, 3, 4]] = f32::NAN;
    let npy = |x: &ArrayD<f32>| {
        let mut bytes = Vec::new();
        x.write_npy(&mut bytes).unwrap();
        bytes
    };
    let array = npy(&x.clone().into_dyn());
    let mut double = Vec::new();
    x.mapv(f64::from).write_npy(&mut double).unwrap();
    for (name, bytes) in [
        ("w.safetensors", &bytes[..]),
        ("cut.safetensors", &bytes[..bytes.len() - 1]),
        ("w.npz", &bytes[..]),
        ("w.onnx", &bytes[..]),
        ("empty.pth", &[]),
        ("x.npy", &array[..]),
        ("cut.npy", &array[..array.len() - 4]),
        ("long.npy", &[&array[..], &[0]].concat()),
        ("nan.npy", &npy(&nan.into_dyn())),
        ("double.npy", &double),
        ("flat.npy", &npy(&ArrayD::zeros(IxDyn(&[1, 8, 20])))),
        ("image.npy", &npy(&ArrayD::zeros(IxDyn(&[1, 3, 4, 5])))),
        ("none.npy", &npy(&ArrayD::zeros(IxDyn(&[0, 8, 4, 5])))),
        ("no_map.npy", &npy(&ArrayD::zeros(IxDyn(&[1, 8, 0, 5])))),
    ] {
        fs::write(path(name), bytes).unwrap();
    }
    let status = Command::new("mkfifo").arg(path("pipe.npz")).status();
    assert!(status.is_ok_and(|status| status.success()), "mkfifo");
    fs::create_dir(path("folder.pth")).unwrap();

    let w = path("w.safetensors");
    let (x, unwritable, written) = (path("x.npy"), path("missing/y.npy"), path("o.safetensors"));
    let files =
        ["cut.safetensors", "w.npz", "w.onnx", "empty.pth", "pipe.npz", "folder.pth", "no.pth"];
    let files = files.map(path);
    let inputs = [
        "cut.npy",
        "long.npy",
        "nan.npy",
        "double.npy",
        "flat.npy",
        "image.npy",
        "no_map.npy",
        "no.npy",
        "folder.pth",
        "w.safetensors",
    ];
    let inputs = inputs.map(path);
    let (none, pth) = (path("none.npy"), path("o.pth"));
    let forward = |more: &[&str]| -> Vec<String> {
        let words = ["forward", "--arch", "8x2x2", "--weights", &w, "--input", &x];
        words.iter().chain(more).map(|&word| word.to_owned()).collect()
    };
    let words = |words: &[&str]| -> Vec<String> { words.iter().map(|&w| w.to_owned()).collect() };
    let mut cases = vec![
        words(&["forward"]),
        words(&["forward", "--arch", "resnet51", "--weights", &w]),
        words(&["forward", "--arch", "8x2x4", "--weights", &w]),
        words(&["forward", "--arch", "8x2x2-8", "--weights", &w]),
        words(&["forward", "--arch", "resnet18", "--weights", &w]),
        words(&["forward", "--arch", "8x2x2", "--weights", &w]),
        forward(&["--form", "d"]),
        forward(&["--form", "all", "--output", "y.npy"]),
        forward(&["--output", &unwritable]),
        forward(&["--output", "y.pt"]),
        forward(&["--resize", "256"]),
        forward(&["--output", "same.npy", "--json", "./same.npy"]),
        forward(&["--output", &x]),
        forward(&["--json", &w]),
        words(&["verify", "--arch", "8x2x2", "--weights", &w, "--input", &x, "--json", &w]),
        words(&[
            "forward",
            "--arch",
            "8x2x2",
            "--weights",
            &w,
            "--image",
            "x.png",
            "--resize",
            "9",
        ]),
        forward(&["--json", &unwritable]),
        forward(&["--json", "forward"]),
        forward(&["--classes", "10"]),
        forward(&["--features"]),
        forward(&["--stride-on", "2x2"]),
        forward(&["--threads", "0"]),
        forward(&["--image", "cat.png"]),
        words(&["verify", "--arch", "resnet50"]),
        words(&["verify", "--weights", &w]),
        words(&["verify", "--input", &x]),
        words(&["verify", "--features"]),
        words(&["verify", "--arch", "8x2x2", "--block", "8x2x2"]),
        words(&["verify", "--arch", "8x2x2", "--weights", &w, "--input", &none]),
        words(&["verify", "--arch", "8x2x2", "--weights", &w, "--input", &x, "--rung", "R3"]),
        words(&["verify", "--arch", "8x2x2", "--weights", &w, "--input", &x, "--cases", "9"]),
        words(&["init"]),
        words(&["init", "resnet18"]),
        words(&["init", "resnet18", "--output", &pth]),
        words(&["init", "resnet18", "--output", "o"]),
        words(&["init", "resnet18", "--output", &unwritable.replace("npy", "npz")]),
        words(&["init", "resnet51", "--output", &written]),
        words(&["init", "8x2x2", "--output", &written, "--classes", "10"]),
        words(&["init", "8x2x2", "--output", &written, "--fan", "out"]),
        words(&["init", "8x2x2", "--output", &written, "--seed", "-1"]),
        words(&["init", "resnet18", "--output", &written, "--classes", "0"]),
        words(&["init", "99999x2x99999", "--output", &written]),
    ];
    for file in &files {
        cases.push(words(&["forward", "--arch", "8x2x2", "--weights", file, "--input", &x]));
    }
    for file in &inputs {
        cases.push(words(&["forward", "--arch", "8x2x2", "--weights", &w, "--input", file]));
    }
    insta::assert_snapshot!("bad_networks", refused(folder.path(), &cases));
    assert!(!Path::new(&written).exists(), "something was half written");

    // No image at all is no mistake: an empty output.
    let empty = path("y.npy");
    let arguments =
        ["forward", "--arch", "8x2x2", "--weights", &w, "--input", &none, "--output", &empty];
    let output = triform(&arguments);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let y = Array4::<f32>::read_npy(fs::File::open(&empty).unwrap()).unwrap();
    assert_eq!(y.dim(), (0, 8, 4, 5));
}

/// Runs each case, and returns the commands and what was said of them.
fn refused(folder: &Path, cases: &[Vec<impl AsRef<str>>]) -> String {
    let mut lines = String::new();
    for arguments in cases {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let output = triform(&arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
        assert!(errors.starts_with("error: "), "{arguments:?}: {errors}");
        lines.push_str(&format!("triform {}\n{errors}", arguments.join(" ")));
    }
    let lines = lines.replace(folder.to_str().unwrap(), "FOLDER");
    let without_the_machines = |line: &str| line.split(", more than ").next().unwrap().to_owned();
    let lines: Vec<String> = lines
        .lines()
        .map(|line| {
            if line.contains(" or its container has") {
                without_the_machines(line)
            } else {
                line.to_owned()
            }
        })
        .collect();
    lines.join("\n")
}
