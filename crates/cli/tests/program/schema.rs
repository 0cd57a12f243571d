//! The JSON of every command fits docs/report.schema.json, and the schema requires every key.

use std::fs;

use crate::common::wrong::norm_in_each_path;
use crate::kit::{right, root, run_with};
use boon::{Compiler, SchemaIndex, Schemas};
use serde_json::Value;
use tempfile::tempdir;
use triform::block::Form;
use triform::evidence::any_form::AnyForm;

struct Schema(Schemas, SchemaIndex);

impl Schema {
    fn read() -> Self {
        let text = fs::read_to_string(root().join("docs/report.schema.json")).unwrap();
        let (mut schemas, mut compiler) = (Schemas::new(), Compiler::new());
        compiler.add_resource("report", serde_json::from_str(&text).unwrap()).unwrap();
        let index = compiler.compile("report", &mut schemas).unwrap();
        Self(schemas, index)
    }

    fn validate(&self, report: &Value) -> Result<(), String> {
        self.0.validate(report, self.1).map_err(|error| format!("{error:#}"))
    }
}

/// Asserts that a report fits the schema, and that it does not fit if any single key is removed.
#[track_caller]
fn validate(schema: &Schema, command: &str, output: &str) {
    let report: Value = serde_json::from_str(output).unwrap();
    let valid = schema.validate(&report);
    assert!(valid.is_ok(), "{command}: {valid:?}\n{output:.600}");
    let keys: Vec<String> = report.as_object().unwrap().keys().cloned().collect();
    for key in &keys {
        let mut without = report.clone();
        without.as_object_mut().unwrap().remove(key);
        assert!(schema.validate(&without).is_err(), "{command}: valid without {key}");
    }
    // The same one level below, in the first entry of each list.
    for key in keys.iter().filter(|key| report[*key][0].is_object()) {
        for inner in report[key][0].as_object().unwrap().keys() {
            let mut without = report.clone();
            without[key][0].as_object_mut().unwrap().remove(inner);
            let valid = schema.validate(&without);
            assert!(valid.is_err(), "{command}: valid without {key}, {inner}");
        }
    }
}

#[test]
fn every_report_is_as_the_schema_says() {
    let schema = Schema::read();
    let folder = tempdir().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (w, x) = (path("w.safetensors"), path("x.npy"));
    let input = ndarray::Array4::<f32>::from_elem((1, 8, 4, 5), 0.5);
    ndarray_npy::WriteNpyExt::write_npy(&input, fs::File::create(&x).unwrap()).unwrap();
    let (status, _, errors) = run_with(&right(), &format!("init 8x2x2 --output {w}"), false);
    assert_eq!(status, 0, "{errors}");
    let cases = format!("cases --out {} --op conv --kind specials --quick", path("cases"));
    assert_eq!(run_with(&right(), &cases, false).0, 0);
    fs::create_dir(path("none")).unwrap();
    let network = format!("--arch 8x2x2 --weights {w} --input {x}");
    let mut validated = 0;
    for (command, forms, expected) in [
        ("verify --block 8x2x2 --map 5x4 --cases 3".to_owned(), right(), "holds"),
        ("verify --block 8x2x2 --map 5x4 --cases 3 --rung R2".to_owned(), right(), "holds"),
        ("verify --block 8x2x2 --map 5x4 --cases 3".to_owned(), wrong(), "refuted"),
        (format!("verify {network}"), right(), "holds"),
        (format!("forward {network}"), right(), "null"),
        (format!("forward {network} --form all"), right(), "holds"),
        ("refute norm-in-each-path --rung R3".to_owned(), right(), "all_refuted"),
        ("refute no-first-relu --rung R2-R3".to_owned(), right(), "all_refuted"),
        ("refute groups-ignored".to_owned(), right(), "all_refuted"),
        ("explain".to_owned(), right(), "null"),
        ("explain about-70k".to_owned(), right(), "holds"),
        ("count resnet50 256x32x4".to_owned(), right(), "null"),
        ("count resnext29_8x64d --layers --features".to_owned(), right(), "null"),
        ("diagnose 70144".to_owned(), right(), "known"),
        ("diagnose 70145".to_owned(), right(), "unknown"),
        ("diagnose".to_owned(), right(), "null"),
        ("train --steps 2".to_owned(), right(), "holds"),
        ("train --steps 1".to_owned(), wrong(), "refuted"),
        (format!("check {} {}", path("cases"), path("none")), right(), "incomplete"),
        (format!("check {} {}", path("cases"), path("cases")), right(), "incomplete"),
        (
            format!("grade {} {} {}", path("cases"), path("none"), path("nowhere")),
            right(),
            "graded",
        ),
        (format!("adequacy {}", path("cases")), right(), "misses"),
        ("bench --block 8x2x2 --map 5x4 --rounds 1 --threads 1".to_owned(), right(), "holds"),
        ("bench --block 8x2x2 --map 5x4 --rounds 1 --threads 1".to_owned(), wrong(), "refuted"),
    ] {
        let (_, output, errors) = run_with(&forms, &format!("{command} --json"), false);
        assert_eq!(errors, "", "{command}");
        validate(&schema, &command, &output);
        let report: Value = serde_json::from_str(&output).unwrap();
        assert_eq!(report["verdict"].as_str().unwrap_or("null"), expected, "{command}");
        assert_eq!(report["partial"], false, "{command}");
        validated += 1;
    }
    let grade = format!("grade {} {}", path("cases"), path("none"));
    for command in ["verify --block 8x2x2 --map 5x4", "refute dilated", "train", &grade] {
        let (_, output, _) = run_with(&right(), &format!("{command} --json"), true);
        validate(&schema, command, &output);
        let report: Value = serde_json::from_str(&output).unwrap();
        assert_eq!((&report["partial"], &report["verdict"]), (&true.into(), &"unfinished".into()));
        validated += 1;
    }
    assert_eq!(validated, 28);
}

/// The three forms, one of them wrong.
fn wrong() -> [&'static dyn AnyForm; 3] {
    let wrong: &'static dyn AnyForm = Box::leak(Box::new(norm_in_each_path()));
    [wrong, &Form::EarlyConcat, &Form::Grouped]
}
