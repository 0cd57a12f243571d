//! `triform cases`, `check`, `grade` and `adequacy`: the files that they write, the files that they read, and the
//! verdicts.

use std::fs;
use std::path::Path;
use std::time::Instant;

use crate::common::handed::right;
use crate::kit::{fits_80_columns, printed_in, right as forms, run_with, text, triform_in};
use serde_json::Value;
use tempfile::{TempDir, tempdir};
use triform::check::{Case, Handed, Kind, Ops, Plan, Received, cases};
use triform_checkpoint::write::{Tensor, npz};

const MAKE: &str = "cases --out cases --op conv --kind integers,gradients --quick";

/// A folder with a quick suite in `cases`, and the cases themselves.
fn suite() -> (TempDir, Vec<Case>) {
    let folder = tempdir().unwrap();
    printed_in(folder.path(), MAKE);
    let kinds = vec![Kind::Integers, Kind::Gradients];
    let plan = Plan { ops: Ops::Conv, kinds, quick: true, ..Plan::default() };
    (folder, cases(&plan).unwrap())
}

/// Writes what came back for a case.
fn write(folder: &Path, case: &Case, handed: &Handed) {
    fs::create_dir_all(folder).unwrap();
    let tensor = |(name, array): (&String, &Received)| {
        let Received::Floats(array) = array else { panic!("floats") };
        let numbers: Vec<f32> = array.iter().copied().collect();
        Tensor::f32(name, array.shape(), &numbers)
    };
    let tensors: Vec<Tensor> = handed.iter().map(tensor).collect();
    fs::write(folder.join(format!("{}.npz", case.name)), npz(&tensors).unwrap()).unwrap();
}

/// What a mistake gives for a case, or the right answers if the mistake does not apply.
fn wrong(case: &Case, name: &str) -> Handed {
    let wrong = case.mistakes().find(|(known, _)| *known == name).and_then(|(_, wrong)| wrong());
    let Some(arrays) = wrong else { return right(case) };
    let float = |array: &ndarray::ArrayD<f64>| Received::Floats(array.mapv(|value| value as f32));
    arrays.iter().map(|(name, array)| (name.clone(), float(array))).collect()
}

fn check(folder: &Path, words: &str) -> (i32, String) {
    let output = triform_in(folder, &format!("check {words}"));
    assert_eq!(text(&output.stderr), "", "{words}");
    (output.status.code().unwrap(), text(&output.stdout))
}

#[test]
fn right_outputs_agree_and_wrong_ones_are_named() {
    let (folder, cases) = suite();
    let path = |name: &str| folder.path().join(name);
    for case in &cases {
        write(&path("right"), case, &right(case));
        write(&path("ignored"), case, &wrong(case, "groups-ignored"));
        write(&path("unstrided"), case, &wrong(case, "weight-gradient-unstrided"));
    }
    let (status, report) = check(folder.path(), "cases right");
    assert_eq!(status, 0, "{report}");
    assert!(report.starts_with(&format!("right agrees: all {} cases, ", cases.len())), "{report}");
    fits_80_columns(&report);
    let (status, report) = check(folder.path(), "cases ignored");
    assert_eq!(status, 1);
    assert!(report.contains("the known mistake `groups-ignored`"), "{report}");
    fits_80_columns(&report);
    insta::assert_snapshot!("ignored_groups", report);
    let (status, report) = check(folder.path(), "cases unstrided --json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((status, report["verdict"].as_str()), (1, Some("differ")));
    assert_eq!(report["mistakes"], serde_json::json!(["weight-gradient-unstrided"]));
    assert_eq!(report["pattern"][0], "kind = gradients", "{report:#}");
}

/// The program that is judged gets two folders as arguments.
#[test]
fn a_program_is_run_and_judged() {
    let (folder, cases) = suite();
    for case in &cases {
        write(&folder.path().join("right"), case, &right(case));
    }
    let script = |name: &str, body: &str| fs::write(folder.path().join(name), body).unwrap();
    script("copy.sh", "echo noise; cp right/* \"$2\"; test -f \"$1/cases.json\"\n");
    script("half.sh", "cp right/*00* \"$2\"; exit 3\n");
    script("fails.sh", "cp right/* \"$2\"; exit 3\n");
    script("says.sh", "echo first; echo 'what went wrong' >&2; exit 3\n");
    script("compiles.sh", "echo 'a.c:1: error: no such thing'; echo '    ^'; exit 3\n");
    script("slow.sh", "exec sleep 60\n");
    let run = |words: &str| {
        let output = triform_in(folder.path(), &format!("check cases {words}"));
        (output.status.code().unwrap(), text(&output.stdout))
    };
    let (status, report) = run("--run \"sh copy.sh\"");
    assert_eq!(status, 0, "{report}");
    assert!(report.starts_with("sh copy.sh agrees"), "{report}");
    let (status, report) = run("--run \"sh half.sh\"");
    assert_eq!(status, 1);
    assert!(
        report.contains("ended with exit status: 3") && report.contains("is incomplete"),
        "{report}"
    );
    let (status, report) = run("--run \"sh fails.sh\" --json");
    let report: Value = serde_json::from_str(&report).unwrap();
    assert_eq!((status, &report["verdict"]), (1, &"incomplete".into()));
    assert_eq!(report["program"], "ended with exit status: 3");
    let output = triform_in(folder.path(), "grade cases fails.sh --run sh --json");
    let report: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    assert_eq!(report["submissions"][0]["verdict"], "incomplete");
    let output = triform_in(folder.path(), "grade cases says.sh --run sh --json");
    let report: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let remark = report["submissions"][0]["remark"].as_str().unwrap();
    assert!(
        remark.starts_with("the program ended with exit status: 3: what went wrong"),
        "{remark}"
    );
    assert!(!text(&output.stderr).contains("what went wrong"));
    let output = triform_in(folder.path(), "grade cases compiles.sh --run sh --json");
    assert!(text(&output.stdout).contains("exit status: 3: a.c:1"), "{}", text(&output.stdout));
    let output = triform_in(folder.path(), "check cases --run copy.sh");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("write ./copy.sh"), "{}", text(&output.stderr));
    let start = Instant::now();
    let (status, report) = run("--run \"sh slow.sh\" --timeout 1");
    assert_eq!(status, 1);
    assert!(report.contains("was stopped after 1 s"), "{report}");
    assert!(start.elapsed().as_secs() < 30);
    for words in ["check cases --run ./missing", "grade cases right --run ./missing"] {
        let output = triform_in(folder.path(), words);
        assert_eq!(output.status.code(), Some(2));
        let errors = text(&output.stderr);
        assert!(errors.starts_with("error: cannot run `./missing`"), "{errors}");
    }
}

/// Ctrl-C ends the work without a report, and nothing is written.
#[test]
fn an_interrupted_command_leaves_nothing() {
    let (folder, cases) = suite();
    for case in &cases {
        write(&folder.path().join("right"), case, &right(case));
    }
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cases, right, new) = (path("cases"), path("right"), path("new"));
    for words in [
        format!("cases --out '{new}' --quick"),
        format!("check '{cases}' '{right}'"),
        format!("adequacy '{cases}' --rule sum:1e-1,1e5 --add '{new}'"),
    ] {
        let (status, output, errors) = run_with(&forms(), &words, true);
        assert_eq!((status, output.as_str(), errors.as_str()), (130, "", ""), "{words}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "{words}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(&right, &new).unwrap();
        let (status, _, errors) = run_with(&forms(), &format!("cases --out '{new}'"), false);
        assert!(status == 2 && errors.contains("it is a link"), "{errors}");
    }
}

/// Cases that were changed after they were handed out are refused.
#[test]
fn changed_cases_are_refused() {
    let (folder, cases) = suite();
    let refused = |words: &str| {
        let output = triform_in(folder.path(), "check cases cases");
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stdout));
        let errors = text(&output.stderr);
        assert!(errors.contains(words), "{errors}");
    };
    let file = folder.path().join("cases").join(format!("{}.npz", cases[0].name));
    let before = fs::read(&file).unwrap();
    let mut changed = before.clone();
    let handed: Handed = cases[0]
        .inputs()
        .into_iter()
        .map(|(name, array)| (name, Received::Floats(array.mapv(|value| value as f32 + 1.0))))
        .collect();
    write(&folder.path().join("cases"), &cases[0], &handed);
    refused("do not match their digest in cases.json");
    changed.truncate(before.len() / 2);
    fs::write(&file, changed).unwrap();
    refused("error: ");
    fs::write(&file, before).unwrap();
    let listing = folder.path().join("cases/cases.json");
    let text = fs::read_to_string(&listing).unwrap();
    fs::write(&listing, text.replacen("\"groups\": 1", "\"groups\": 2", 1)).unwrap();
    refused("error: ");
    fs::write(&listing, text.replacen("\"commitment\": \"", "\"commitment\": \"0", 1)).unwrap();
    refused("its commitment does not match its cases");
}

#[test]
fn every_mistake_of_a_convolution_is_shown() {
    let mut shown = 0;
    for mistake in &triform::gallery::convolutions::ALL {
        let found = triform_cli::report::check::OfConvolution::new(mistake).unwrap();
        let words = found.expect("it shows").words("again", false);
        assert!(words.contains(", right"), "{words}");
        assert!(words.contains(", wrong") || words.contains("It gives nothing at all"), "{words}");
        shown += 1;
    }
    assert!(shown >= 60);
    let page = printed_in(&std::env::temp_dir(), "refute epsilon-left-out-everywhere --rung R0-R3");
    assert!(page.starts_with("epsilon-left-out-everywhere: every batch norm"), "{page}");
}

#[test]
fn the_same_seed_gives_the_same_files() {
    let folder = tempdir().unwrap();
    let make = |name: &str, more: &str| {
        printed_in(
            folder.path(),
            &format!("cases --out {name} --quick --op block --kind integers {more}"),
        );
        fs::read_to_string(folder.path().join(name).join("cases.json")).unwrap()
    };
    assert_eq!(make("a", ""), make("b", "--seed 0"));
    assert_ne!(make("c", "--seed 1"), make("d", "--seed 2"));
    fs::write(folder.path().join("secret"), "known to the grader").unwrap();
    let secret: Value = serde_json::from_str(&make("e", "--secret secret")).unwrap();
    assert!(secret["seed"].is_null() && secret["secret_sha256"].is_string());
    assert_eq!(
        make("f", "--secret secret"),
        fs::read_to_string(folder.path().join("e/cases.json")).unwrap()
    );
    fs::write(folder.path().join("short"), "1234567").unwrap();
    let output = triform_in(folder.path(), "cases --out g --secret short");
    assert_eq!(output.status.code(), Some(2));
    let errors = text(&output.stderr);
    assert!(errors.contains("has 7 bytes, which can be guessed; it needs at least 8"), "{errors}");
    assert!(!folder.path().join("g").exists());
}

/// Every submission gets a row, even if it cannot be judged.
#[test]
fn a_class_is_graded() {
    let (folder, cases) = suite();
    let path = |name: &str| folder.path().join(name);
    for case in &cases {
        write(&path("right"), case, &right(case));
        write(&path("flipped"), case, &wrong(case, "kernel-flipped"));
        if case.kind == Kind::Integers {
            write(&path("forward only"), case, &right(case));
        }
        fs::create_dir_all(path("truncated")).unwrap();
        fs::write(path("truncated").join(format!("{}.npz", case.name)), b"PK\x03\x04").unwrap();
    }
    fs::create_dir(path("empty")).unwrap();
    fs::write(path("file"), "not a folder").unwrap();
    fs::write(path("points.toml"), "[points]\nintegers = 30\ngradients = 10\n").unwrap();
    let all = "right flipped \"forward only\" truncated empty file nowhere";
    let report = printed_in(
        folder.path(),
        &format!("grade cases {all} --points points.toml --gradescope scope --csv rows.csv"),
    );
    fits_80_columns(&report);
    insta::assert_snapshot!("graded", report);
    // The book shows such a table, with other numbers.
    let head = report.lines().take(2).collect::<Vec<_>>().join("\n");
    let head = head.replace("1 of 7", "1 of 4").replace("is 40\n", "is 100\n");
    assert!(include_str!("../../../../docs/check.md").contains(&head), "{head}");
    let csv = fs::read_to_string(path("rows.csv")).unwrap();
    assert_eq!(csv.lines().count(), 8, "{csv}");
    assert!(csv.lines().nth(2).unwrap().contains("kernel-flipped"), "{csv}");
    // Names that are the same but for their folders.
    for name in ["a/work", "b/work", "c"] {
        fs::create_dir_all(path(name)).unwrap();
    }
    printed_in(folder.path(), "grade cases a/work b/work c --gradescope alike");
    for name in ["a-work", "b-work", "c"] {
        assert!(path("alike").join(name).join("results.json").is_file(), "{name}");
    }
    printed_in(folder.path(), "grade cases a/work a/work --gradescope same");
    assert!(path("same/1-work/results.json").is_file() && path("same/2-work").is_dir());
    let output = triform_in(folder.path(), "grade cases file points.toml");
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--run python3"), "{}", text(&output.stderr));
    let mut results = 0;
    for entry in fs::read_dir(path("scope")).unwrap() {
        let file = entry.unwrap().path().join("results.json");
        let result: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
        let sum: f64 =
            result["tests"].as_array().unwrap().iter().map(|t| t["score"].as_f64().unwrap()).sum();
        let most: f64 = result["tests"]
            .as_array()
            .unwrap()
            .iter()
            .map(|t| t["max_score"].as_f64().unwrap())
            .sum();
        assert!(
            (result["score"].as_f64().unwrap() - sum).abs() < 0.02 && (most - 40.0).abs() < 1e-9,
            "{result}"
        );
        results += 1;
    }
    assert_eq!(results, 7);
    for (points, words) in [
        ("[points]\nspecials = 1\n", "the cases have no kind `specials`"),
        ("[points]\nintegers = -1\n", "-1 points"),
        ("[points]\nintegers = 0\n", "the points add up to 0"),
        ("points", "expected"),
    ] {
        fs::write(path("points.toml"), points).unwrap();
        let output = triform_in(folder.path(), "grade cases right --points points.toml");
        assert_eq!(output.status.code(), Some(2), "{points}");
        assert!(text(&output.stderr).contains(words), "{}", text(&output.stderr));
    }
}

/// What one submission does to the cases, the next one does not see. What it prints does not fill the disk, and links to
/// another's files do not count.
#[cfg(unix)]
#[test]
fn submissions_do_not_touch_each_other() {
    let (folder, cases) = suite();
    for case in &cases {
        write(&folder.path().join("right"), case, &right(case));
    }
    let script = |name: &str, body: &str| fs::write(folder.path().join(name), body).unwrap();
    script("evil.sh", "for file in cases/*; do echo > \"$file\"; done\n");
    script("right.sh", "cp right/* \"$2\"\ntest $(wc -c < \"$1/cases.json\") -gt 99\n");
    script("links.sh", "ln -s \"$PWD\"/right/* \"$2\"\n");
    script("spam.sh", "exec yes\n");
    let all = "evil.sh right.sh links.sh spam.sh";
    let output = triform_in(folder.path(), &format!("grade cases {all} --run sh --json"));
    let report: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let of = |at: usize, key: &str| report["submissions"][at][key].as_str().unwrap().to_owned();
    assert_eq!(of(1, "verdict"), "agree", "{report:#}");
    assert_eq!(of(2, "verdict"), "incomplete");
    assert!(of(2, "remark").ends_with("is a link, not a file"), "{}", of(2, "remark"));
    assert!(of(3, "remark").contains("was stopped after it had printed"), "{}", of(3, "remark"));
}

/// A report does not replace a file of the folders that are judged, and what is read is a regular file of a plain name.
#[cfg(unix)]
#[test]
fn folders_that_are_judged_stay_as_they_are() {
    use std::os::unix::fs::PermissionsExt;
    let (folder, cases) = suite();
    let path = |name: &str| folder.path().join(name);
    fs::create_dir(path("npy")).unwrap();
    fs::write(path("npy").join(format!("{}.npy", cases[0].name)), "").unwrap();
    let before = fs::read(path("cases/cases.json")).unwrap();
    for (words, why) in [
        ("check cases npy --json cases/cases.json", "would lie inside cases"),
        ("check cases npy --json npy/report.json", "would lie inside npy"),
        ("grade cases npy --csv cases/rows.csv", "would lie inside cases"),
        ("adequacy cases --json cases/cases.json", "would lie inside cases"),
        ("cases --out other --secret /dev/zero", "/dev/zero is a pipe or a device, not a file"),
    ] {
        let output = triform_in(folder.path(), words);
        assert_eq!(output.status.code(), Some(2), "{words}");
        assert!(text(&output.stderr).contains(why), "{words}: {}", text(&output.stderr));
    }
    assert_eq!(fs::read(path("cases/cases.json")).unwrap(), before);
    let (_, report) = check(folder.path(), "cases npy");
    assert!(report.contains("only a .npy file"), "{report}");
    // A private folder stays private.
    fs::create_dir(path("private")).unwrap();
    fs::set_permissions(path("private"), PermissionsExt::from_mode(0o700)).unwrap();
    printed_in(folder.path(), "cases --out private --op conv --kind specials --quick");
    let mode = fs::metadata(path("private")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    // Names that could forge a line, or be two cases with one file.
    let listing = String::from_utf8(before).unwrap();
    let (first, second) = (&cases[0].name, &cases[1].name);
    for (listing, why) in [
        (listing.replace(first, "a\\nb"), "is not a valid name"),
        (listing.replace(second, first), "twice"),
    ] {
        fs::write(path("cases/cases.json"), listing).unwrap();
        let output = triform_in(folder.path(), "check cases npy");
        assert_eq!(output.status.code(), Some(2));
        let errors = text(&output.stderr);
        assert!(errors.contains(why) && errors.lines().count() == 1, "{errors}");
    }
    fs::remove_file(path("cases/cases.json")).unwrap();
    fs::create_dir(path("cases/cases.json")).unwrap();
    let output = triform_in(folder.path(), "check cases npy");
    assert!(
        text(&output.stderr).contains("is a directory, not a file"),
        "{}",
        text(&output.stderr)
    );
}

/// A test with a loose rule misses mistakes. The cases that `--add` writes show these mistakes if they are compared
/// exactly.
#[test]
fn a_test_is_told_what_it_misses() {
    let folder = tempdir().unwrap();
    printed_in(folder.path(), "cases --out cases --op conv --kind integers --quick");
    let (loose, exact) = ("adequacy cases --rule sum:1e-1,1e5 --add more", "adequacy cases");
    let output = triform_in(folder.path(), loose);
    assert_eq!(output.status.code(), Some(1), "{}", text(&output.stderr));
    let report = text(&output.stdout);
    assert!(report.starts_with("This test misses "), "{report}");
    fits_80_columns(&report);
    assert!(report.contains("Wrote 34 of the test's 34 cases and "), "{report}");
    let output = triform_in(folder.path(), &format!("{exact} --add none"));
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stdout));
    assert!(text(&output.stdout).contains("no case to add; none was not written"));
    assert!(!folder.path().join("none").exists());
    // The cases that were written show, exactly compared, each mistake that was missed.
    let missed = |words: &str| -> Vec<String> {
        let output = triform_in(folder.path(), &format!("{words} --json"));
        let report: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
        let all = report["mistakes"].as_array().unwrap().iter();
        let missed = all.filter(|row| row["seen"].as_str().unwrap().starts_with("missed"));
        missed.map(|row| row["mistake"].as_str().unwrap().to_owned()).collect()
    };
    let (before, after) = (missed("adequacy cases --rule sum:1e-1,1e5"), missed("adequacy more"));
    assert!(!before.is_empty());
    assert!(before.iter().all(|name| !after.contains(name)), "{before:?}, {after:?}");
}
