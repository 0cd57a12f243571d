//! `triform bench` from outside: its rows, its figure and its record. A wrong form is not timed.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::common::wrong::{NEXT_PATH, wrong};
use crate::kit::{json, printed, program, right, run_with, text, triform};
use serde_json::Value;
use tempfile::tempdir;
use triform::block::{BlockSpec, Form};
use triform::conv::LEVEL_VARIABLE;
use triform::count;
use triform::evidence::any_form::AnyForm;
use triform::evidence::speed::{Record, committed};
use triform_cli as cli;

const KEYS: [&str; 8] =
    ["block", "form", "gflops", "map", "median_ms", "min_ms", "share_of_peak", "threads"];

/// The block, map, form and threads of a row. Asserts that the numbers of the row are consistent.
fn row(row: &Value) -> (&str, &str, &str, u64) {
    let keys: Vec<&String> = row.as_object().unwrap().keys().collect();
    assert_eq!(keys, KEYS);
    let number = |key: &str| row[key].as_f64().unwrap();
    assert!(0.0 < number("min_ms") && number("min_ms") <= number("median_ms"), "{row}");
    assert!(0.0 < number("share_of_peak") && number("share_of_peak") <= 1.0, "{row}");
    let word = |key: &str| row[key].as_str().unwrap();
    (word("block"), word("map"), word("form"), row["threads"].as_u64().unwrap())
}

#[test]
fn the_rows_of_the_papers_block_are_a_list() {
    // If there were anything but the JSON on standard output, this would not parse.
    let report = json("bench --block 256x32x4 --map 56x56 --threads 1 --rounds 2 --json");
    let rows = report["rows"].as_array().unwrap();
    let found: Vec<_> = rows.iter().map(row).collect();
    assert_eq!(found, ["a", "b", "c"].map(|form| ("256x32x4", "56x56", form, 1)));
    let spec = BlockSpec::new(256, 32, 4, 256).unwrap();
    let flops = 2.0 * count::block_macs(&spec, (56, 56)).unwrap().convolutions.all_taps as f64;
    for row in rows {
        let rate = flops / row["min_ms"].as_f64().unwrap() / 1e6;
        assert!((row["gflops"].as_f64().unwrap() / rate - 1.0).abs() < 1e-4, "{row}");
    }
}

#[test]
fn one_form_on_two_threads_with_its_figure() {
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (rows, figure) = (path("rows.json"), path("roof.SVG"));
    let block = "bench --block 16-4x3-24 --map 7x5 --threads 2 --form b --rounds 3";
    let report = printed(&format!("{block} --json {rows} --figure {figure}"));
    let (body, _) = report.split_once("Repeat: ").unwrap();
    assert!(body.lines().all(|line| line.chars().count() <= 80), "{report}");
    assert!(report.ends_with(&format!("Wrote {figure}.\n")), "{report}");
    let report: Value = serde_json::from_slice(&fs::read(&rows).unwrap()).unwrap();
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.iter().map(row).collect::<Vec<_>>(), [("16-4x3-24", "7x5", "b", 2)]);
    assert!(fs::read_to_string(&figure).unwrap().starts_with("<svg"));

    // A folder that does not exist is reported before the work, whatever the record would be called.
    let output = triform(&format!("bench --record {}", path("missing")));
    assert_eq!((output.status.code(), text(&output.stdout).as_str()), (Some(2), ""));

    let figure = path("roof.png");
    printed(&format!("bench --block 8x2x2 --map 3x3 --rounds 1 --figure {figure}"));
    assert!(image::open(Path::new(&figure)).is_ok());
}

/// Each form in turn is replaced by a wrong form. The wrong form is refuted, and nothing is timed.
#[test]
fn a_wrong_form_is_refuted_and_not_timed() {
    for (place, form) in Form::ALL.into_iter().enumerate() {
        let wrong = wrong(form, NEXT_PATH);
        let mut forms: [&dyn AnyForm; 3] = right();
        forms[place] = &wrong;
        // Even if another form is asked for.
        for asked in ["all", "a", "b", "c"] {
            let block = format!("bench --block 12x3x2 --map 6x5 --threads 1 --form {asked}");
            let (status, report, errors) = run_with(&forms, &block, false);
            assert_eq!((status, errors.as_str()), (cli::REFUTED, ""), "{report}");
            let words = format!("NOT equivalent: form ({}),", AnyForm::letter(&form));
            assert!(report.contains(&words), "{report}");
            assert!(report.contains("nothing was timed") && !report.contains("min ms"), "{report}");
            let (status, rows, _) = run_with(&forms, &(block + " --json"), false);
            let report: Value = serde_json::from_str(&rows).unwrap();
            assert_eq!((status, &report["rows"]), (cli::REFUTED, &Value::Array(Vec::new())));
            assert_eq!(report["refuted"][0]["rung"], "R1");
        }
    }
}

/// The SIMD level is named beside its peak and in the command that repeats the run. No peak counts more threads than
/// there are processors.
#[test]
fn what_was_timed_is_what_is_reported() {
    let processors = std::thread::available_parallelism().unwrap().get();
    let threads = (processors + 1).to_string();
    let mut program = program();
    program.env(LEVEL_VARIABLE, "portable").args(["bench", "--block", "8x2x2", "--map", "6x6"]);
    let output = program.args(["--rounds", "1", "--threads", &threads]).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let report = text(&output.stdout).replace('\n', " ");
    assert!(report.contains(", portable. As measured now, "), "{report}");
    assert!(report.contains("(the rate of one thread, times the processors)"), "{report}");
    let repeat = format!(
        "Repeat: TRIFORM_LEVEL=portable triform bench --seed 0 --block 8x2x2 --map 6x6 \
                          --rounds 1 --threads {threads}"
    );
    assert!(report.contains(&repeat), "{report}");
}

/// `timeout` sends its signal twice. The program takes this as a single request to stop, and reports partial results.
#[cfg(unix)]
#[test]
fn two_signals_at_once_are_one() {
    let mut program = program();
    program.args(["bench", "--block", "256x32x4", "--threads", "1", "--rounds", "100000"]);
    let child = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(500));
    let twice = format!("kill -INT {0}; kill -INT {0}", child.id());
    assert!(Command::new("sh").args(["-c", &twice]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(i32::from(cli::INTERRUPTED)));
    let report = text(&output.stdout);
    assert!(report.starts_with("Interrupted before ") && report.contains("\nRepeat: "), "{report}");
}

/// The committed record is named after its day and machine, and has the format that `--record` writes.
#[test]
fn the_committed_record_is_named_after_its_day_and_machine() {
    let record = committed().unwrap();
    let folder = crate::kit::root().join("benches/records");
    let files: Vec<_> = fs::read_dir(folder).unwrap().map(|file| file.unwrap().path()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    let name = files[0].file_name().unwrap().to_str().unwrap();
    assert!(name.starts_with(&record.date) && name.ends_with(".json"), "{name}");
    let cpu = record.machine.cpu.to_lowercase();
    for word in cpu.split(|c: char| !c.is_ascii_alphanumeric()) {
        assert!(name.contains(word), "{name}");
    }
    let again: Record = serde_json::from_slice(&fs::read(&files[0]).unwrap()).unwrap();
    assert_eq!(again, record);
}

/// While other programs keep all processors busy, the report says so and marks its ratios, and no
/// share of the peak is above 1.
#[cfg(unix)]
#[test]
fn a_busy_machine_is_said_to_be_one() {
    let processors = std::thread::available_parallelism().unwrap().get();
    let spin = || Command::new("sh").args(["-c", "while :; do :; done"]).spawn().unwrap();
    let mut others: Vec<_> = (0..processors).map(|_| spin()).collect();
    let block = "bench --block 64x8x4 --map 14x14 --rounds 20000 --threads 1";
    let folder = tempdir().unwrap();
    let file = folder.path().join("times.json");
    let report = printed(&format!("{block} --json {}", file.display()));
    for other in &mut others {
        other.kill().unwrap();
        other.wait().unwrap();
    }
    assert!(report.contains("This machine was busy: other programs used"), "{report}");
    assert!(report.contains(" ~1.00"), "{report}");
    let json: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    assert!(json["others"].as_f64().unwrap() > 0.1, "{}", json["others"]);
    for row in json["rows"].as_array().unwrap() {
        assert!(row["share_of_peak"].as_f64().unwrap() <= 1.0, "{row}");
    }
}
