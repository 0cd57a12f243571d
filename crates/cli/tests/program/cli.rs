//! The program from outside: reports, exit status, JSON, bad input.
//!
//! The snapshots are in snapshots/. What differs between machines or runs (times, rounding) is masked. After an
//! intended change, `INSTA_UPDATE=always cargo test` rewrites the snapshots. Read the difference before you commit it.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use crate::common::mask::masked;
use crate::common::wrong::{NEXT_PATH, no_form, norm_in_each_path, wrong};
use crate::kit::{fits_80_columns, printed, program, right, run_with, text, triform};
use serde_json::Value;
use tempfile::tempdir;
use triform::block::Form;
use triform::conv::{LEVEL_VARIABLE, Level};
use triform::evidence::any_form::AnyForm;
use triform::evidence::generator::sample_degenerate;
use triform::evidence::progress::Quiet;
use triform::evidence::rungs::Rung;
use triform::evidence::verify::{Input, Plan, verify};
use triform::figures;
use triform::random::Seed;
use triform_cli as cli;
use triform_cli::report::{json, verify as words};

const SMALL: &str = "verify --block 12x3x2 --map 6x5";
/// A command with two quick rungs, for tests that do not look at the report itself.
const QUICK: &str = "verify --block 12x3x2 --map 6x5 --rung R1,R3";

#[test]
fn the_main_job_verifies_eight_blocks_in_three_forms() {
    let output = triform("");
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{report}{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "", "no progress bar where there is no terminal");
    fits_80_columns(&report);
    insta::assert_snapshot!("main_job", masked(&report));
}

#[test]
fn the_main_job_is_exact_and_alive_as_json() {
    let output = triform("--json --seed 3");
    assert_eq!(output.status.code(), Some(0));
    // If there were anything but the JSON on standard output, this would not parse.
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(report["ok"], true);
    assert_eq!(report["seed"], 3);
    let blocks = report["blocks"].as_array().unwrap();
    assert_eq!(blocks.len(), 8);
    for block in blocks {
        assert_eq!(block["exact"], true);
        assert_eq!(block["exact_in"], "f32");
        assert_eq!(block["dead_channels"], 0);
        for pair in ["ab", "bc", "ac"] {
            assert_eq!(block["exact_differing"][pair], 0);
            assert!(block["max_abs_diff"][pair].as_f64() <= block["bound"].as_f64());
        }
        assert!(block["bound_used"].as_f64().unwrap() < 1.0);
        // Form (a) adds in another order. If these numbers round, that must show somewhere.
        assert!(block["max_abs_diff"]["ab"].as_f64().unwrap() > 0.0, "{}", block["name"]);
        for form in ["a", "b", "c"] {
            assert!(block["forms"][form]["ms"].as_f64().unwrap() > 0.0);
        }
    }
    assert_eq!(blocks[1]["params"], 70_144);
}

/// The report as text, without its times and without the options that differ from run to run.
fn timeless(report: &[u8]) -> String {
    let mut report: Value = serde_json::from_slice(report).unwrap();
    report["command"].take();
    let lines = format!("{report:#}");
    let lines = lines.lines().filter(|line| !line.trim_start().starts_with("\"ms\""));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_seed_repeats_itself_and_another_does_not() {
    let folder = tempdir().unwrap();
    let file = folder.path().join("r.json");
    let run = |seed: &str, threads: &str| {
        let block = format!("verify --block 64x32x4 --cases 20 --seed {seed} --threads {threads}");
        let report = printed(&format!("{block} --json {}", file.display()));
        assert!(report.contains("Repeat: triform verify"), "the table still comes");
        fs::read(&file).unwrap()
    };
    let first = run("7", "1");
    assert_eq!(timeless(&first), timeless(&run("7", "2")), "same seed, any threads");
    let other = run("8", "1");
    for key in ["digest", "exact_largest_sum", "bound"] {
        let of = |report: &[u8]| {
            serde_json::from_slice::<Value>(report).unwrap()["blocks"][0][key].clone()
        };
        assert!(!of(&first).is_null());
        assert_ne!(of(&first), of(&other), "{key}");
    }
    let block = &serde_json::from_slice::<Value>(&first).unwrap()["blocks"][0];
    let shape = ["map", "c_in", "c_out", "cardinality", "width", "stride", "params_shortcut"];
    let found = serde_json::json!(shape.map(|key| &block[key]));
    assert_eq!(found, serde_json::json!([[56, 56], 64, 64, 32, 4, 1, 0]));
    // The folder holds the report and no temporary file.
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn wrong_forms_are_refuted_with_a_witness() {
    for (place, form) in Form::ALL.into_iter().enumerate() {
        for mistake in ["last-path-dropped", NEXT_PATH] {
            let wrong = wrong(form, mistake);
            let mut forms = right().map(|form| form as &dyn AnyForm);
            forms[place] = &wrong;
            let few = format!("{SMALL} --cases 8");
            let (status, report, errors) = run_with(&forms, &few, false);
            assert_eq!((status, errors.as_str()), (cli::REFUTED, ""), "{report}");
            let start = format!("NOT equivalent: form ({}), ", AnyForm::letter(&form));
            assert!(report.starts_with(&start), "{wrong:?}: {report}");
            assert_eq!(report.matches("NOT equivalent").count(), 1, "only the wrong one: {report}");
            assert_eq!(report.matches(" REFUTED").count(), Rung::ALL.len(), "{wrong:?}: {report}");
            assert!(report.contains("smallest example."), "{wrong:?}: {report}");
            fits_80_columns(&report);
        }
    }
    for (place, wrong) in [
        (0, &norm_in_each_path() as &dyn AnyForm),
        (1, &wrong(Form::EarlyConcat, "concatenated-in-reverse")),
    ] {
        let mut forms = right().map(|form| form as &dyn AnyForm);
        forms[place] = wrong;
        let (status, report, _) = run_with(&forms, SMALL, false);
        assert_eq!(status, cli::REFUTED, "{report}");
        assert_eq!(report.matches(" REFUTED").count(), 9, "{report}");
        let (status, report, _) = run_with(&forms, &format!("{SMALL} --json"), false);
        assert_eq!(status, cli::REFUTED);
        let report: Value = serde_json::from_str(&report).unwrap();
        assert_eq!((&report["ok"], &report["blocks"][0]["exact"]), (&false.into(), &false.into()));
        assert_eq!(report["blocks"][0]["refuted"].as_array().unwrap().len(), 3);
    }
}

#[test]
fn a_refutation_reads_like_this() {
    let wrong = norm_in_each_path();
    let forms: [&dyn AnyForm; 3] = [&wrong, &Form::EarlyConcat, &Form::Grouped];
    let (status, report, _) = run_with(&forms, SMALL, false);
    assert_eq!(status, cli::REFUTED);
    let (_, full, _) = run_with(&forms, &format!("{SMALL} --full"), false);
    assert_eq!(full.matches(" refutes form ").count(), 9, "{full}");
    insta::assert_snapshot!("refutation", masked(&report) + "\n========\n" + &masked(&full));
}

/// A form whose output has another shape cannot be compared. A single form cannot be compared either, since it always
/// agrees with itself.
#[test]
fn what_cannot_be_compared_is_an_error() {
    let shapes = "output of a form has shape [1, 10, 6, 5]; it must be [1, 12, 6, 5]";
    let one = "at least 2 forms are needed for a comparison, not 1";
    let no_form: &dyn AnyForm = &no_form();
    for (forms, command, words) in [
        (&[no_form, &Form::Grouped][..], SMALL, shapes),
        (&[&Form::Grouped], SMALL, one),
        (&[&Form::Grouped], "bench --block 8x2x2", one),
    ] {
        let expected = (cli::BAD_INPUT, String::new(), format!("error: {words}\n"));
        assert_eq!(run_with(forms, command, false), expected);
    }
}

/// The report lists what could not be verified, beside the findings.
#[test]
fn a_failure_is_told_in_the_reports() {
    let rungs = [Rung::R3].into();
    let plan = Plan { rungs, generator: sample_degenerate, ..Plan::default() };
    let block = Input::Block("6x4x3".parse().unwrap(), (5, 4));
    let report = verify(&right(), &block, &plan, Seed(0), &Quiet).unwrap();
    let about = words::About { forms: &right(), input: "", repeat: "", example: None };
    let text = words::full(&report, &about);
    let said = "Not verified: R3 on random: the generator broke its contract";
    assert!(text.contains(said) && text.contains("Not finished"), "{text}");
    let json = serde_json::to_value(json::verify(&report)).unwrap();
    assert_eq!(json["ok"], false);
    assert_eq!(json["errors"][0]["rung"], "R3");
}

/// Right forms hold on degenerate blocks and maps, on outputs that cancel to nearly nothing, and with seeds whose cases
/// once broke the generator's contract.
#[test]
fn right_forms_are_never_refuted_nor_refused() {
    for arguments in [
        "--block 1x1x1 --map 1x1",
        "--block 3x1x4 --map 2x9", // C = 1: ResNet's bottleneck
        "--block 4x6x1 --map 5x3", // d = 1: depthwise
        "--block 2x3x2 --map 1x7",
        "--block 1x4x1 --map 1x1 --seed 280 --cases 1 --rung R0,R1",
        "--block 1x2048x4 --map 1x1 --seed 3 --cases 1 --rung R0",
        "--block 1x100000x1 --map 1x1 --cases 1 --rung R0",
        "--block 6x3x2 --map 4x3 --seed 140 --rung R0,R3",
        "--block 6x3x2 --map 4x3 --seed 623 --rung R0,R3",
    ] {
        let (status, report, errors) = run_with(&right(), &format!("verify {arguments}"), false);
        assert_eq!((status, errors.as_str()), (cli::HOLDS, ""), "{arguments:?}: {report}");
    }
}

#[test]
fn an_interrupted_run_says_so() {
    for (command, words) in
        [(SMALL, "nothing was verified"), ("bench --block 8x2x2 --map 5x5", "nothing was timed")]
    {
        let (status, report, errors) = run_with(&right(), command, true);
        assert_eq!((status, errors.as_str()), (cli::INTERRUPTED, ""));
        assert!(report.contains(words), "{report}");
    }
    let (status, report, _) = run_with(&right(), &format!("{SMALL} --json"), true);
    assert_eq!(status, cli::INTERRUPTED);
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((&report["ok"], &report["partial"]), (&false.into(), &true.into()));
}

/// After Ctrl-C, the finished part is reported as partial, and the exit status is 130.
#[test]
#[cfg(unix)]
fn ctrl_c_ends_with_130_and_a_report_marked_as_partial() {
    let child = program().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    // Long enough to have started, but only a fraction of the whole run.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    let output = child.wait_with_output().unwrap();
    let report = text(&output.stdout);
    assert_eq!(output.status.code(), Some(130), "{report}");
    assert!(report.contains("Interrupted"), "{report}");
}

#[test]
fn images_are_cropped_and_other_paths_are_paths() {
    let folder = tempdir().unwrap();
    let whole = crate::kit::root().join("assets/chelsea.png");
    let decoded = image::open(&whole).unwrap().to_rgb8();
    let wide = image::imageops::resize(&decoded, 500, 300, image::imageops::FilterType::Nearest);
    // A path that is not UTF-8, where the system allows it.
    #[cfg(unix)]
    let name: &std::ffi::OsStr = std::os::unix::ffi::OsStrExt::from_bytes(b"it's \xff.png");
    #[cfg(not(unix))]
    let name = "it's a cat.png";
    let path = folder.path().join(name);
    wide.save_with_format(&path, image::ImageFormat::Png).unwrap();
    let read = triform_cli::input::read(&path).unwrap();
    assert_eq!(read.dim(), (224, 224, 3));

    // The middle is cut out: columns 144 to 367 of 0 to 511.
    let ramp = image::RgbImage::from_fn(512, 256, |x, y| image::Rgb([(x / 2) as u8, y as u8, 0]));
    let path = folder.path().join("ramp.png");
    ramp.save(&path).unwrap();
    let cut = triform_cli::input::read(&path).unwrap();
    let pixel = |i, j| [0, 1, 2].map(|c| cut[[i, j, c]]);
    assert_eq!(pixel(0, 0), [72, 16, 0]);
    assert_eq!(pixel(223, 223), [183, 239, 0]);
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let folder = tempdir().unwrap();
    let plot = format!("plot --output {}", folder.path().display());
    for command in [QUICK, "--help", "explain", "refute dilated", &plot] {
        let mut program = program();
        let program = program.args(command.split(' ')).stdout(Stdio::piped());
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(text(&output.stderr), "", "{command}");
        assert_eq!(output.status.code(), Some(0), "{command}");
    }
}

#[test]
#[cfg(unix)]
fn a_report_can_go_to_a_device_and_through_a_link() {
    printed(&format!("{QUICK} --json /dev/null"));
    assert!(!fs::metadata("/dev/null").unwrap().is_file(), "replaced by a file");

    // Standard output by its other name, when it is appended to a file.
    let folder = tempdir().unwrap();
    let log = folder.path().join("log");
    fs::write(&log, "kept\n").unwrap();
    let end = fs::OpenOptions::new().append(true).open(&log).unwrap();
    let status = program()
        .args(format!("{QUICK} --json /dev/stdout").split(' '))
        .stdout(end)
        .status()
        .unwrap();
    assert!(status.success());
    let text = fs::read_to_string(&log).unwrap();
    assert!(text.starts_with("kept\n") && text.contains("Repeat:") && text.contains("\"ok\""));

    let (target, link) = (folder.path().join("target.json"), folder.path().join("link.json"));
    fs::write(&target, "old").unwrap();
    std::os::unix::fs::symlink(&target, &link).unwrap();
    printed(&format!("{QUICK} --json {}", link.display()));
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    use std::os::unix::fs::PermissionsExt;
    fs::set_permissions(&target, fs::Permissions::from_mode(0o600)).unwrap();
    printed(&format!("{QUICK} --json {}", target.display()));
    assert_eq!(fs::metadata(&target).unwrap().permissions().mode() & 0o777, 0o600);
    let nowhere = folder.path().join("nowhere.json");
    std::os::unix::fs::symlink(folder.path().join("missing"), &nowhere).unwrap();
    let output = triform(&format!("{QUICK} --json {}", nowhere.display()));
    assert_eq!(output.status.code(), Some(2));
    assert!(fs::read_to_string(&target).unwrap().contains("\"ok\": true"));
}

#[test]
fn help_names_the_commands() {
    let output = triform("--help");
    assert_eq!(output.status.code(), Some(0));
    for command in ["", "verify", "refute", "explain", "count", "diagnose", "bench", "plot"] {
        fits_80_columns(&printed(&format!("{command} --help")));
    }
    insta::assert_snapshot!("help", text(&output.stdout));
    let version = text(&triform("--version").stdout);
    assert_eq!(version, format!("triform {}\n", env!("CARGO_PKG_VERSION")));
}

/// The figures that the program draws equal the committed figures: SVG files byte by byte, PNG files pixel by pixel.
/// The bytes of a PNG file depend on the compressor in the build.
#[test]
fn the_committed_figures_are_what_the_program_draws() {
    let folder = tempdir().unwrap();
    printed(&format!("plot --output {}", folder.path().display()));
    assert!(!figures::ALL.is_empty());
    let committed = crate::kit::root().join("figures");
    let svg = |path: &Path| fs::read(path).unwrap();
    let png = |path: &Path| image::open(path).unwrap().into_rgba8().into_raw();
    for figure in figures::ALL {
        for (ending, content) in [("svg", &svg as &dyn Fn(&Path) -> Vec<u8>), ("png", &png)] {
            let name = format!("{}.{ending}", figure.name);
            let [drawn, committed] = [folder.path(), &committed].map(|folder| folder.join(&name));
            let same = content(&drawn) == content(&committed);
            assert!(same, "figures/{name} is stale: run `cargo run --release -- plot`");
            let bytes = fs::metadata(&drawn).unwrap().len();
            assert!(bytes < 500_000, "{bytes} bytes in {name}");
        }
    }
}

/// An environment variable chooses the SIMD level. A level that this machine has is used, and any other word is
/// refused.
#[test]
fn the_environment_chooses_the_level() {
    let with = |level: &str| {
        let mut count = program();
        count.args(["count", "--block", "256x32x4"]).env(LEVEL_VARIABLE, level).output().unwrap()
    };
    for level in Level::ALL {
        let output = with(&level.to_string());
        let here = Level::available().contains(&level);
        assert_eq!(output.status.code(), Some(if here { 0 } else { 2 }), "{level}");
    }
    let wrong = with("sse9");
    let line = "error: TRIFORM_LEVEL: \"sse9\" is not one of portable, avx2, avx512\n";
    assert_eq!((wrong.status.code(), text(&wrong.stderr).as_str()), (Some(2), line));
    assert!(wrong.stdout.is_empty());
}
