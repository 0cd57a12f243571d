//! Bad input: one clear line, exit status 2, and nothing on standard output. The lines are a snapshot, see
//! the head of tests/cli.rs.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::tempdir;

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
    let whole = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/chelsea.png")).unwrap();
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
        vec!["frobnicate"],
        vec!["verify", "--block"],
    ];
    let mut lines = String::new();
    for arguments in &cases {
        let output = triform(arguments);
        let errors = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {errors}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(errors.lines().count(), 1, "{arguments:?}: {errors}");
        assert!(errors.starts_with("error: "), "{arguments:?}: {errors}");
        lines.push_str(&format!("triform {}\n{errors}", arguments.join(" ")));
    }
    let lines = lines.replace(folder.path().to_str().unwrap(), "FOLDER");
    let memory_free = |line: &str| line.split("; ").next().unwrap().to_owned();
    let lines: Vec<String> = lines
        .lines()
        .map(|line| if line.contains(" are available") { memory_free(line) } else { line.into() })
        .collect();
    insta::assert_snapshot!("bad_input", lines.join("\n"));
}
